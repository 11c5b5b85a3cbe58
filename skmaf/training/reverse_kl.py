"""Training of a flow on an unnormalised log-density, by draws of the flow instead of by rows."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import torch

from ..flows.layers import Flow, base_log_prob
from .epochs import Step
from .optimiser import AdamW, Gradients, schedule

ANNEALED = 0.5  # share of the steps in which the weight of the log-density climbs to 1
FIRST_WEIGHT = 0.01  # at the first step, as in the paper
MAX_GRADIENT_NORM = 5.0

LogDensity = Callable[[torch.Tensor], torch.Tensor]


@dataclass
class ReverseKLHistory:
    """What happened in training.

    Attributes
    ----------
    loss_curve : list of float
        Mean of ``log q - log p`` over the draws of each step, in nats.
    n_moves : int
        In how many steps the gradient was finite, so that the weights moved.
    interrupted : bool
        Whether a KeyboardInterrupt ended it.
    """

    loss_curve: list[float] = field(default_factory=list)
    n_moves: int = 0
    interrupted: bool = False


def train_reverse_kl(
    flow: Flow,
    log_density: LogDensity,
    *,
    n_dims: int,
    n_steps: int,
    batch_size: int,
    learning_rate: float,
    generator: torch.Generator,
    on_step: Callable[[Step], bool],
) -> ReverseKLHistory:
    """Bring the density q of ``flow`` close to p, in place; a KeyboardInterrupt ends it early.

    Adam minimises the reverse Kullback-Leibler divergence, the mean of ``log q - log p`` over
    fresh draws of q. The weight of ``log p`` in it climbs to 1 in the first half of the steps.

    Parameters
    ----------
    flow : Flow
    log_density : callable
        ``log p`` of the rows of a tensor.
    n_dims : int
        Number of columns of the rows.
    n_steps, batch_size : int
        Number of steps, and of draws in each.
    learning_rate : float
        Peak of the learning rate, which climbs to it in the first steps and falls to 0 in a
        cosine.
    generator : torch.Generator
        Governs the draws.
    on_step : callable
        Called after each step; the training ends where it returns True.

    Returns
    -------
    ReverseKLHistory
    """
    gradients = Gradients(flow.parameters())
    adam = AdamW(gradients.weights)
    history = ReverseKLHistory()
    try:
        for step in range(n_steps):
            z = flow.tensor(torch.randn((batch_size, n_dims), generator=generator))
            weight = min(1.0, FIRST_WEIGHT + step / n_steps / ANNEALED)
            loss = gradients.take(partial(_losses, flow, log_density, z, weight), len(z))
            # a rare draw, such as one where a norm is 0, has no gradient
            if gradients.clip(MAX_GRADIENT_NORM):
                adam.move(learning_rate * schedule(step, n_steps))
                history.n_moves += 1
            history.loss_curve.append(loss[1].item())
            if on_step(Step(step + 1, n_steps, history.loss_curve[-1])):
                break
    except KeyboardInterrupt:
        history.interrupted = True
    return history


def _losses(
    flow: Flow, log_density: LogDensity, z: torch.Tensor, weight: float, rows: slice
) -> torch.Tensor:
    """Return what some draws add to the loss, and to ``log q - log p``, which has no gradient."""
    x, log_det = flow.inverse(z[rows])
    log_q = base_log_prob(z[rows]) + log_det
    log_p = log_density(x)
    terms = torch.stack([log_q - weight * log_p, (log_q - log_p).detach()])
    return terms.sum(1) / len(z)
