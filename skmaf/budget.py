"""How long and how fast to train: what "auto" means, by the size of the table."""

from dataclasses import dataclass

import numpy as np

MIN_STEPS, MAX_STEPS = 1000, 4000  # of the optimiser
STEPS_PER_ROW = 4  # between these two
MANY_COLUMNS = 32  # beyond which steps, each of them longer, become fewer
PEAK_RATE = 0.01  # up to this many rows:
PEAK_RATE_ROWS = 40_000
FEW_HELD_OUT = 50  # held-out rows that are worth up to a fifth of the table


@dataclass(frozen=True)
class Budget:
    """What training may use; the same names as in `training.train`."""

    n_epochs: int
    batch_size: int
    learning_rate: float
    patience: int


def make_budget(n_rows, flow, *, n_columns, batch_size, max_iter, learning_rate, patience):
    """A budget with every "auto" replaced.

    Parameters
    ----------
    n_rows : int
        Training rows, without those held out.
    flow : Flow
    n_columns : int
        Columns of the flow.
    batch_size, max_iter, patience : int or "auto"
    learning_rate : float or "auto"

    Returns
    -------
    Budget
    """
    if batch_size == "auto":
        # wide tables want memory: what training keeps of a batch is some hundred times its parameters
        batch_size = min(2 ** int(np.clip(np.log2(n_rows / 64), 8, 11)), 4 * flow.batch_rows)
    if max_iter == "auto":
        n_steps = np.clip(STEPS_PER_ROW * n_rows, MIN_STEPS, MAX_STEPS)
        n_steps *= np.clip(MANY_COLUMNS / max(1, n_columns), 0.1, 1)
        max_iter = max(1, round(n_steps / max(1, n_rows / batch_size)))
    if learning_rate == "auto":
        learning_rate = PEAK_RATE * float(np.clip(np.sqrt(PEAK_RATE_ROWS / n_rows), 0.5, 1))
    if patience == "auto":
        patience = max(10, max_iter // 10)
    return Budget(max_iter, batch_size, learning_rate, patience)


def n_held_out(n_rows, fraction):
    """How many rows to hold out; "auto" is a tenth, but up to a fifth where that is no more than 50 rows."""
    if fraction == "auto":
        n = max(0.1 * n_rows, min(0.2 * n_rows, FEW_HELD_OUT))
    else:
        n = fraction * n_rows
    return min(max(1, round(n)), n_rows - 1)
