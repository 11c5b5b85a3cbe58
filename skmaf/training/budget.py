"""How long and how fast to train, and on which rows: what "auto" means, by the size of the table."""

from dataclasses import dataclass

import numpy as np
import torch

MIN_STEPS, MAX_STEPS = 1000, 4000  # of the optimiser
STEPS_PER_ROW = 4  # between these two
MIN_EPOCHS = 6  # however many rows
MANY_COLUMNS = 32  # beyond which steps, each of them longer, become fewer
PEAK_RATE = 0.01  # up to this many rows:
PEAK_RATE_ROWS = 40_000
WEIGHT_DECAY = 0.2  # up to this many rows:
WEIGHT_DECAY_ROWS = 10_000
MOST_SET_ASIDE = 1000  # rows: more would tell no more
FEW_HELD_OUT = 50  # held-out rows that are worth up to a fifth of the table


@dataclass(frozen=True)
class Budget:
    """What training may use; the same names as in `training.train`."""

    n_epochs: int
    batch_size: int
    learning_rate: float
    weight_decay: float
    patience: int


def make_budget(
    n_rows,
    flow,
    *,
    n_columns,
    batch_size,
    max_iter,
    learning_rate,
    alpha,
    patience,
    decay_rows=WEIGHT_DECAY_ROWS,
):
    """A budget with every "auto" replaced.

    Parameters
    ----------
    n_rows : int
        Training rows, without those held out.
    flow : Flow
    n_columns : int
        Columns of the flow.
    batch_size, max_iter, patience : int or "auto"
    learning_rate, alpha : float or "auto"
    decay_rows : int, default=10_000
        Rows up to which weights decay in full, where ``alpha`` is "auto".

    Returns
    -------
    Budget
    """
    if batch_size == "auto":
        # wide tables want memory: what training keeps of a batch is some hundred times its parameters
        batch_size = min(2 ** int(np.clip(np.log2(n_rows / 160), 8, 10)), 8 * flow.batch_rows)
    if max_iter == "auto":
        n_steps = np.clip(STEPS_PER_ROW * n_rows, MIN_STEPS, MAX_STEPS)
        n_steps *= np.clip(MANY_COLUMNS / max(1, n_columns), 0.1, 1)
        max_iter = max(MIN_EPOCHS, round(n_steps / max(1, n_rows / batch_size)))
    if learning_rate == "auto":
        learning_rate = PEAK_RATE * float(np.clip(np.sqrt(PEAK_RATE_ROWS / n_rows), 0.5, 1))
    if alpha == "auto":
        alpha = WEIGHT_DECAY * min(1, decay_rows / n_rows)
    if patience == "auto":
        patience = max(10, max_iter // 10)
    return Budget(max_iter, batch_size, learning_rate, alpha, patience)


def hold_out(n_rows, fraction, generator):
    """Split the rows into those to train on and those held out.

    Parameters
    ----------
    n_rows : int
    fraction : float or "auto"
        "auto" is a tenth, but up to a fifth where that is no more than 50 rows; 0 holds out no row.
    generator : torch.Generator

    Returns
    -------
    held_in, held_out : ndarray of int
        Positions, in random order; at least one on each side unless ``fraction`` is 0.
    """
    order = torch.randperm(n_rows, generator=generator).numpy()
    if fraction == 0:
        return order, order[:0]
    wanted = (
        max(0.1 * n_rows, min(0.2 * n_rows, FEW_HELD_OUT))
        if fraction == "auto"
        else fraction * n_rows
    )
    n = min(max(1, round(wanted)), n_rows - 1)
    return order[n:], order[:n]


def set_aside(n_rows, fraction, seed):
    """Split the rows into those to fit on, of which some will be held out, and those that calibrate.

    Parameters
    ----------
    n_rows : int
    fraction : float or "auto"
        As in `hold_out`; of large tables `MOST_SET_ASIDE` rows at most are set aside, and 3 are left to fit on.
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
    if n_rows < 4:
        raise ValueError(
            f"n_samples={n_rows} is too few: give 4 rows at least, two to fit on and one each to judge and to calibrate."
        )
    fit, calibration = hold_out(n_rows, fraction, torch.Generator().manual_seed(seed))
    n = min(len(calibration), MOST_SET_ASIDE, n_rows - 3)
    return np.concatenate([fit, calibration[n:]]), calibration[:n]
