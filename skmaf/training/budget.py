"""How long and how fast to train, and on which rows: what "auto" means for a table's size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .._torch import isolated_torch

if TYPE_CHECKING:
    import torch

    from ..flows.layers import RowDensity

# steps of the optimiser at some numbers of rows; in between on a line, beyond as at the ends
ROWS = (250, 1000, 15_000, 40_000)
STEPS = (500, 2000, 2000, 3000)
MIN_EPOCHS = 4  # however many rows, but for those that make so many steps:
ENOUGH_STEPS = 6000
MANY_COLUMNS = 32  # beyond which steps, each of them longer, become fewer
PEAK_RATE = 0.01  # up to this many rows:
PEAK_RATE_ROWS = 40_000
WEIGHT_DECAY = 0.2  # where rows are few
SMALL_TABLE_ROWS = 10_000  # up to which batches are small
MUON_ROWS = 700  # from which on there is more to learn than Muon remembers of single rows
MOST_SET_ASIDE = 1000  # rows, to validate or to calibrate: more would tell no more
FEW_HELD_OUT = 50  # validation rows that are worth up to a fifth of the table


@dataclass(frozen=True)
class Auto:
    """What "auto" means for one sort of density and another.

    Attributes
    ----------
    decay_rows : int
        Rows up to which weights decay in full.
    small_batch : int
        Rows of a batch of a small table.
    length : float
        How long to train, beside a density of all columns.
    """

    decay_rows: int
    small_batch: int
    length: float


ALL_COLUMNS = Auto(decay_rows=15_000, small_batch=128, length=1.0)
# a target may follow from what is given by what decay and small batches would blur, and its steps
# are short
CONDITIONAL = Auto(decay_rows=2500, small_batch=256, length=2.0)


@dataclass(frozen=True)
class Budget:
    """What training may use.

    Attributes
    ----------
    n_epochs : int
        Epochs, at most.
    batch_size : int
        Rows of a step.
    learning_rate : float
        Peak of the learning rate.
    weight_decay : float
    patience : int
        Epochs without a better validation score after which training stops.
    muon : bool
        Whether Muon moves the weights between hidden layers.
    """

    n_epochs: int
    batch_size: int
    learning_rate: float
    weight_decay: float
    patience: int
    muon: bool = True


def make_budget(
    n_rows: int,
    flow: RowDensity,
    *,
    n_columns: int,
    batch_size: int | str,
    max_iter: int | str,
    learning_rate: float | str,
    alpha: float | str,
    patience: int | str,
    auto: Auto = ALL_COLUMNS,
) -> Budget:
    """The budget of a training, with every "auto" replaced by a number that suits the table.

    Parameters
    ----------
    n_rows : int
        Training rows, without those held out.
    flow : RowDensity
        What will be trained.
    n_columns : int
        Columns of the flow.
    batch_size, max_iter, patience : int or "auto"
    learning_rate, alpha : float or "auto"
        Peak of the learning rate, and weight decay.
    auto : Auto, default=ALL_COLUMNS
        What "auto" means.

    Returns
    -------
    Budget
    """
    if isinstance(batch_size, str):
        # wide tables want memory: training keeps some hundred times the parameters of a batch
        batch_size = int(min(auto_batch(n_rows, auto), 8 * flow.batch_rows))
    if isinstance(max_iter, str):
        max_iter = auto_epochs(n_rows, n_columns, batch_size, auto)
    if isinstance(learning_rate, str):
        learning_rate = PEAK_RATE * float(np.clip(np.sqrt(PEAK_RATE_ROWS / n_rows), 0.5, 1))
    if isinstance(alpha, str):
        alpha = WEIGHT_DECAY * min(1, auto.decay_rows / n_rows) ** 2
    if isinstance(patience, str):
        patience = max(10, max_iter // 20)
    return Budget(max_iter, batch_size, learning_rate, alpha, patience, n_rows >= MUON_ROWS)


def auto_batch(n_rows: int, auto: Auto = ALL_COLUMNS) -> int:
    """Return how many rows make a batch where memory does not matter."""
    if n_rows < SMALL_TABLE_ROWS:
        return auto.small_batch
    return 2 ** int(np.clip(np.log2(n_rows / 160), 8, 10))


def auto_epochs(n_rows: int, n_columns: int, batch_size: int, auto: Auto = ALL_COLUMNS) -> int:
    """Return for how many epochs a flow of so many columns is trained."""
    n_steps = float(np.interp(n_rows, ROWS, STEPS))
    n_steps *= auto.length * float(np.clip(MANY_COLUMNS / max(1, n_columns), 0.1, 1))
    n_batches = max(1, round(n_rows / batch_size))
    fewest = int(np.clip(ENOUGH_STEPS / n_batches, 1, MIN_EPOCHS))
    return max(fewest, round(n_steps / n_batches))


@isolated_torch()
def hold_out(
    n_rows: int, fraction: float | str, generator: torch.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Split rows at random into those to train on and those that validate.

    Parameters
    ----------
    n_rows : int
    fraction : float or "auto"
        Share of the rows to hold out. "auto" is a tenth, but up to a fifth where that is no more
        than 50 rows, and 1,000 rows at most; 0 holds out no row.
    generator : torch.Generator

    Returns
    -------
    train, validation : ndarray of int
        Positions, in random order; at least one on each side unless ``fraction`` is 0.
    """
    import torch

    order = torch.randperm(n_rows, generator=generator).numpy()
    if fraction == 0:
        return order, order[:0]
    if isinstance(fraction, str):
        wanted = min(max(0.1 * n_rows, min(0.2 * n_rows, FEW_HELD_OUT)), MOST_SET_ASIDE)
    else:
        wanted = fraction * n_rows
    n = min(max(1, round(wanted)), n_rows - 1)
    return order[n:], order[:n]


@isolated_torch()
def set_aside(n_rows: int, fraction: float | str, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Split rows at random into those to fit on and those that calibrate.

    Of the rows to fit on some will be held out in turn, to validate.

    Parameters
    ----------
    n_rows : int
    fraction : float or "auto"
        As in `hold_out`; of large tables 1,000 rows at most are set aside, and 3 are left to fit
        on.
    seed : int

    Returns
    -------
    fit, calibration : ndarray of int
        Positions, in random order.

    Raises
    ------
    ValueError
        If there are under 4 rows.
    """
    import torch

    if n_rows < 4:
        raise ValueError(
            f"n_samples={n_rows} is too few: give 4 rows at least, two to fit on and one each to "
            "validate and to calibrate."
        )
    fit, calibration = hold_out(n_rows, fraction, torch.Generator().manual_seed(seed))
    n = min(len(calibration), MOST_SET_ASIDE, n_rows - 3)
    return np.concatenate([fit, calibration[n:]]), calibration[:n]
