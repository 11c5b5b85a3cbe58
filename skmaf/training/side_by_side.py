"""Training of several mixtures of one shape side by side, each on rows of its own.

Nothing that one learns has a say in the others.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import torch

from .._interrupts import interrupt_ends_fit
from ..flows.mixture import MixtureMADE, MixtureStack
from .hiding import Hiding
from .loop import History
from .noise import NoiseLevels, dequantise
from .optimiser import Gradients, MovingAverage, muon_and_adamw, schedule

CURVE_POINTS = 50  # of the loss curves
MAX_GRADIENT_NORM = 5.0
UPDATE_SIZE = 0.2  # of Muon
MUON_INTERVAL = 2  # steps: each of its updates takes as long as half of a step


@dataclass(frozen=True, eq=False)
class NoisyRows:
    """The rows that one density learns, in flow space.

    Attributes
    ----------
    x : tensor of shape (n_rows, n_columns)
        In the order of the network's columns.
    weights : tensor of shape (n_rows,)
        Of mean 1.
    steps : tensor of shape (1, n_columns)
        Values are spread uniformly over these widths.
    hiding : Hiding or None
        Hides cells.
    """

    x: torch.Tensor
    weights: torch.Tensor
    steps: torch.Tensor
    hiding: Hiding | None


@dataclass(frozen=True)
class StepBudget:
    """How long and how fast to train.

    Attributes
    ----------
    n_steps : int
    batch_size : int
    learning_rate : float
        The peak of the schedule.
    weight_decay : float
    muon : bool
        Whether Muon moves the weights between hidden layers.
    """

    n_steps: int
    batch_size: int
    learning_rate: float
    weight_decay: float
    muon: bool


def train_side_by_side(
    densities: Sequence[MixtureMADE],
    rows: Sequence[NoisyRows],
    budget: StepBudget,
    noise: NoiseLevels,
    generator: torch.Generator,
) -> list[History]:
    """Train densities in place on a cosine schedule, with noise of all levels on the rows.

    They end with a moving average of the weights.

    Parameters
    ----------
    densities : sequence of MixtureMADE
        Of one shape.
    rows : sequence of NoisyRows
        For each density.
    budget : StepBudget
    noise : NoiseLevels
        Every row gets noise, anew each time, and its level is the context.
    generator : torch.Generator
        Draws the order of the rows, their place in the steps, the noise, and the cells to hide.

    Returns
    -------
    histories : list of History
        For each density, with the mean loss of a fiftieth of the steps at each point.
    """
    stack = MixtureStack(densities)
    batches = torch.stack([_batches(len(own.x), budget, generator) for own in rows], dim=1)
    gradients = Gradients(stack.networks.parameters())
    hidden = stack.networks.hidden if budget.muon else []
    optimisers = muon_and_adamw(
        gradients.weights, hidden, budget.weight_decay, UPDATE_SIZE, MUON_INTERVAL
    )
    averages = MovingAverage([weight.detach().clone() for weight in gradients.weights])
    losses: list[torch.Tensor] = []
    interrupted = False
    try:
        for n_done, batch in enumerate(batches):
            x, weights = _draw(rows, batch, generator)
            x, context = noise.add(x, generator)
            x = _hide(rows, x, generator)
            loss = partial(_losses, stack, x, weights, context)
            of_networks = gradients.take(loss, x.shape[1])
            stack.networks.mask_gradients()
            _clip_each(gradients.weights, of_networks)
            rate = budget.learning_rate * schedule(n_done, budget.n_steps)
            for each in optimisers:
                each.move(rate)
            averages.take(gradients.weights)
            losses.append(of_networks)
    except KeyboardInterrupt:
        if interrupt_ends_fit():
            raise
        interrupted = True
    stack.networks.write_back(averages.weights)
    return _histories(losses, len(densities), interrupted)


def _losses(
    stack: MixtureStack, x: torch.Tensor, weights: torch.Tensor, context: torch.Tensor, part: slice
) -> torch.Tensor:
    """Return what some rows of a batch add to the loss of each network."""
    log_probs = stack.log_prob(x[:, part], context[:, part])
    return -(log_probs * weights[:, part]).sum(1) / x.shape[1]


def _batches(n_rows: int, budget: StepBudget, generator: torch.Generator) -> torch.Tensor:
    """Return the rows of each batch, shape (n_steps, batch_size): all of them once, and again."""
    n = budget.n_steps * budget.batch_size
    orders = [torch.randperm(n_rows, generator=generator) for _ in range(math.ceil(n / n_rows))]
    return torch.cat(orders)[:n].view(budget.n_steps, budget.batch_size)


def _draw(
    rows: Sequence[NoisyRows], batch: torch.Tensor, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return a batch of rows for each density, somewhere in their steps, and their weights."""
    x = torch.stack([own.x[positions] for own, positions in zip(rows, batch)])
    weights = torch.stack([own.weights[positions] for own, positions in zip(rows, batch)])
    steps = torch.stack([own.steps for own in rows])
    return dequantise(x, steps, 0, generator), weights


def _hide(rows: Sequence[NoisyRows], x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Return the rows with some cells hidden, where the densities are to learn that."""
    hidden = [
        of_one if own.hiding is None else own.hiding.hide(of_one, generator)
        for own, of_one in zip(rows, x)
    ]
    return torch.stack(hidden)


@torch.no_grad()
def _clip_each(weights: Sequence[torch.Tensor], losses: torch.Tensor) -> None:
    """Clip the norm of the gradient of each network; one that is not finite becomes zero."""
    gradients = [weight.grad for weight in weights if weight.grad is not None]
    of_layers = [torch.linalg.vector_norm(gradient, dim=(1, 2)) for gradient in gradients]
    norms = torch.linalg.vector_norm(torch.stack(of_layers), dim=0)
    factors = (MAX_GRADIENT_NORM / (norms + 1e-6)).clamp(max=1)
    finite = torch.isfinite(norms) & torch.isfinite(losses)
    if finite.all():
        for gradient in gradients:
            gradient.mul_(factors[:, None, None])
        return
    for gradient in gradients:
        gradient.copy_(torch.where(finite[:, None, None], gradient * factors[:, None, None], 0.0))


def _histories(losses: list[torch.Tensor], n_densities: int, interrupted: bool) -> list[History]:
    """Return the loss curve of each density as a history."""
    if not losses:
        return [History(interrupted=interrupted) for _ in range(n_densities)]
    parts = torch.stack(losses).cpu().double().tensor_split(min(CURVE_POINTS, len(losses)))
    curves = torch.stack([part.mean(0) for part in parts]).T.tolist()
    return [History(loss_curve=curve, interrupted=interrupted) for curve in curves]
