"""Which flows to try on a table where their size is left open, and how bent they start.

Steps of the optimiser take the less time the fewer layers there are, and many rows want more steps
rather than a third layer.

Of few rows for each column some tables want a flow of many weights and others one of few, and
nothing but rows held out tells which. The small one takes little time beside the other.

A smooth network whose first weights are small is nearly linear, and one whose first weights are
large bends at many places from the start: few rows want the one, and many the other.
"""

from dataclasses import replace

from .specs import FlowSpec

MANY_ROWS = 2000  # from which on a flow of splines has fewer layers
LAYERS_OF_MANY_ROWS = 2
SIZES = (128, 256)
SMALL_SIZES = (32,)
SMALL_LAYERS = 2
ROWS_PER_COLUMN = 50  # from which none smaller is tried
SPREAD_ROWS = 1500  # at which the first weights of a smooth network start as large as others
MOST_SPREAD = 3.0


def candidates(spec: FlowSpec, n_rows: int, n_columns: int) -> list[FlowSpec]:
    """Return what to fit and compare on held-out rows, the first of which serves without such.

    Parameters
    ----------
    spec : FlowSpec
        With sizes and layers or "auto" as the user has them; a family other than "maf" has one
        size, whatever the rows.
    n_rows : int
        Rows to train on.
    n_columns : int
        Columns of the flow.

    Returns
    -------
    specs : list of FlowSpec
        Without "auto" in their hidden layers.
    """
    has_splines = spec.family == "maf" and spec.bijector == "spline"
    if spec.n_layers == "auto" and has_splines and n_rows >= MANY_ROWS:
        spec = replace(spec, n_layers=LAYERS_OF_MANY_ROWS)
    if spec.hidden_layer_sizes != "auto":
        return [spec]
    specs = [replace(spec, hidden_layer_sizes=SIZES)]
    if spec.family == "maf" and n_rows < ROWS_PER_COLUMN * n_columns:
        n_layers = SMALL_LAYERS if spec.n_layers == "auto" else spec.n_layers
        specs.append(replace(spec, hidden_layer_sizes=SMALL_SIZES, n_layers=n_layers))
    return specs


def first_spread(activation: str, n_rows: int) -> float:
    """Return how large the weights of first hidden layers start, beside those of others.

    Parameters
    ----------
    activation : str
    n_rows : int
        Rows to train on.

    Returns
    -------
    spread : float
        For "gelu" it grows with the cube root of the rows; others start as wide on all tables.
    """
    if activation != "gelu":
        return 1.0
    return min((n_rows / SPREAD_ROWS) ** (1 / 3), MOST_SPREAD)
