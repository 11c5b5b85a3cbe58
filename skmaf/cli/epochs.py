"""How long the command trains, so that a table of some thousand rows takes about a minute."""

import pandas as pd

from ..models.capacity import ROWS_PER_COLUMN
from ..table.codec import TableCodec
from ..table.column_kinds import most_discrete_values
from ..training.budget import MIN_EPOCHS, auto_batch, auto_epochs

MOST_SECONDS = 45  # of one core, if training does not end sooner
# microseconds of a step, and more for each column of numbers
STEP_TIME = 7300
STEP_NUMBERS_TIME = 290
# microseconds that a row adds to it, and more for each category and each column of numbers
ROW_TIME = 5
CATEGORY_TIME = 0.17
NUMBERS_TIME = 1.9
SMALL_FLOW = 1.5  # times as long, where a small flow is fitted beside the other


def most_epochs(X: pd.DataFrame, codec: TableCodec) -> int | str:
    """How many epochs to train on a table: "auto", or fewer where these would take long."""
    n_rows, n_columns = X.shape
    most_values = most_discrete_values(n_rows)
    n_values = [n or x.nunique() for n, (_, x) in zip(codec.schema.n_categories, X.items())]
    is_discrete = [
        n is not None or values <= most_values
        for n, values in zip(codec.schema.n_categories, n_values)
    ]
    n_categories = sum(values for values, discrete in zip(n_values, is_discrete) if discrete)
    n_numbers = n_columns - sum(is_discrete)
    row_time = ROW_TIME + CATEGORY_TIME * n_categories + NUMBERS_TIME * n_numbers
    batch_size = auto_batch(n_rows)
    row_time += (STEP_TIME + STEP_NUMBERS_TIME * n_numbers) / batch_size
    if n_rows < ROWS_PER_COLUMN * n_columns:
        row_time *= SMALL_FLOW
    n_epochs = round(MOST_SECONDS * 1e6 / (row_time * n_rows))
    is_enough = n_epochs >= auto_epochs(n_rows, n_columns, batch_size)
    return "auto" if is_enough else max(MIN_EPOCHS, n_epochs)
