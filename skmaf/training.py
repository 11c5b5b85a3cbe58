"""Maximum-likelihood training of a flow: one loop, with the best weights given back."""

import copy
import math
from dataclasses import dataclass, field

import torch
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

AVERAGE_DECAY = 0.99
MAX_GRADIENT_NORM = 5.0
WARM_UP = 0.02  # share of the steps in which the learning rate climbs to its peak


@dataclass
class History:
    """What happened in training.

    Attributes
    ----------
    loss_curve : list of float
        Mean negative log-likelihood of the training rows in each epoch, in nats.
    validation_scores : list of float
        Mean log-likelihood of the held-out rows after each epoch, in nats; empty without held-out rows.
    best_score : float
        The largest of these and of that before the first epoch; minus infinity without held-out rows.
    converged : bool
        Whether training ended because the held-out score no longer rose.
    interrupted : bool
        Whether a KeyboardInterrupt ended it.
    """

    loss_curve: list = field(default_factory=list)
    validation_scores: list = field(default_factory=list)
    best_score: float = -math.inf
    converged: bool = False
    interrupted: bool = False


def train(
    flow, x, x_val, *, widths, n_epochs, batch_size, learning_rate, weight_decay, patience, tol, generator, on_epoch
):
    """Train ``flow`` in place by AdamW on a cosine schedule, and leave it with the best weights seen.

    The weights that are judged and kept are a moving average of those that the optimiser moves: it takes the noise of
    small batches out, as good in the middle of the schedule as at its end.

    Parameters
    ----------
    flow : Flow
    x : tensor of shape (rows, columns)
        Training rows in flow space.
    x_val : tensor of shape (rows, columns) or None
        Held-out rows, which decide on the best weights; without them the last ones count as the best.
    widths : tensor of shape (columns,)
        Training rows are spread uniformly over these widths, anew in each epoch.
    n_epochs, batch_size : int
    learning_rate, weight_decay : float
        The rate is the peak of the schedule.
    patience, tol : int, float
        Training stops when ``patience`` epochs in a row have not raised the held-out score by more than ``tol``.
    generator : torch.Generator
        Draws the order of the rows and their place in the widths.
    on_epoch : callable
        Called with the history after each epoch.

    Returns
    -------
    History
    """
    if x.shape[1] == 0:
        return History(best_score=0.0, converged=True)  # no column varies
    best = _Best(flow, x_val)
    history = History(best_score=best.score)
    optimiser = _Optimiser(flow, learning_rate, weight_decay, n_epochs * _n_batches(x, batch_size))
    try:
        for _ in range(n_epochs):
            loss = _run_epoch(optimiser, x, widths, batch_size, generator)
            if not math.isfinite(loss):
                flow.load_state_dict(best.state)
                optimiser.restart(at_rate=0.5)
                continue
            history.loss_curve.append(loss)
            best.judge(optimiser.averaged, tol)
            if x_val is not None:
                history.validation_scores.append(best.last_score)
                history.best_score = best.score
            on_epoch(history)
            if best.age >= patience:
                history.converged = True
                break
    except KeyboardInterrupt:
        history.interrupted = True
    flow.load_state_dict(best.state)
    return history


def mean_log_prob(flow, x):
    """Mean log-density of rows, in bounded memory."""
    with torch.no_grad():
        return torch.cat([flow.log_prob(rows) for rows in x.split(flow.batch_rows)]).cpu().double().mean().item()


def _n_batches(x, batch_size):
    return max(1, round(len(x) / batch_size))


def _run_epoch(optimiser, x, widths, batch_size, generator):
    """Take the rows once, in batches of even size; return the mean loss, or the first one that is not finite."""
    total = 0.0
    for rows in torch.randperm(len(x), generator=generator).tensor_split(_n_batches(x, batch_size)):
        noise = torch.rand(len(rows), x.shape[1], generator=generator) - 0.5
        loss = optimiser.step(x[rows.to(x.device)] + noise.to(x.device) * widths)
        if not math.isfinite(loss):
            return loss
        total += loss * len(rows)
    return total / len(x)


class _Optimiser:
    """AdamW on a flow with a warm-up, a cosine schedule and a moving average of the weights."""

    def __init__(self, flow, learning_rate, weight_decay, n_steps):
        self.flow = flow
        self.peak = learning_rate
        self.weight_decay = weight_decay
        self.n_steps = n_steps
        self.n_done = 0
        self.restart(at_rate=1.0)

    def restart(self, at_rate):
        """Forget all moments and averages, and go on from the flow's weights at a share of the rate."""
        self.peak *= at_rate
        self._adam = torch.optim.AdamW(self.flow.parameters(), weight_decay=self.weight_decay, fused=True)
        self._average = AveragedModel(self.flow, multi_avg_fn=get_ema_multi_avg_fn(AVERAGE_DECAY))

    @property
    def averaged(self):
        return self._average.module

    def step(self, x):
        """Move the weights by one batch; return its loss, or NaN, without a move, if loss or gradient are not finite."""
        loss = -self.flow.log_prob(x).mean()
        self._adam.zero_grad()
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.flow.parameters(), MAX_GRADIENT_NORM)
        if not torch.isfinite(loss + norm):
            return math.nan
        self._adam.param_groups[0]["lr"] = self.peak * self._schedule()
        self._adam.step()
        self._average.update_parameters(self.flow)
        self.n_done += 1
        return loss.item()

    def _schedule(self):
        done = self.n_done / self.n_steps
        return min(1.0, (self.n_done + 1) / (WARM_UP * self.n_steps)) * (1 + math.cos(math.pi * done)) / 2


class _Best:
    """The best weights so far, by the held-out rows, and how many epochs ago they last got better by ``tol``."""

    def __init__(self, flow, x_val):
        self.x_val = x_val
        self.age = 0
        self.score = -math.inf
        self.mark = -math.inf
        self.judge(flow, 0.0)

    def judge(self, flow, tol):
        """Keep the weights of ``flow`` if they are the best."""
        if self.x_val is None:
            self.state = copy.deepcopy(flow.state_dict())
            return
        score = mean_log_prob(flow, self.x_val)
        self.last_score = -math.inf if math.isnan(score) else score
        if self.last_score > self.score:
            self.score = self.last_score
            self.state = copy.deepcopy(flow.state_dict())
        if self.last_score > self.mark + tol:
            self.mark = self.last_score
            self.age = 0
        else:
            self.age += 1
