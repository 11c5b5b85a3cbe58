"""The columns of a table in ONNX: numbers to flow space, in double precision.

What each kind of column does is said in ``table.columns``; here are only `Column.codes`, `values`
and `log_jacobian`, in one pass.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import singledispatch
from typing import Any

import ndonnx as ndx
import numpy as np
from ndonnx import Array

from ..table.columns import (
    ABSENT,
    MAX_STANDARDISED,
    MIN_TRANSFORMED_STEP,
    SAME_VALUE,
    UNSEEN,
    Column,
    Constant,
    Continuous,
    Discrete,
    OneHot,
    PointMasses,
    moments,
)
from ..table.flow_space import Columns
from ..table.heaped import CoarseGrid, Heaped
from ..table.periodic import OnCircle, Periodic
from .arrays import (
    LARGEST,
    constant,
    count_of,
    finite,
    gather,
    log_hypot_1,
    number,
)
from .transforms import forward, log_slope

# below it onnxruntime would leave differences out: it looks in single precision whether what is
# subtracted is 0
LEAST_SPREAD = 1e-30


@dataclass(frozen=True)
class FlowCells:
    """Cells of a column in flow space, as numbers: what is missing is put in later.

    Attributes
    ----------
    codes, values : list of Array of shape (n,)
    log_jacobian : Array of shape (n,), or a number
    """

    codes: list
    values: list
    log_jacobian: Any


@dataclass(frozen=True)
class FlowRows:
    """Rows in flow space.

    Attributes
    ----------
    codes : Array of shape (n, n_codes) or None
        None where there are none.
    values : Array of shape (n, n_values) or None
    log_jacobian : Array of shape (n,)
    """

    codes: Array | None
    values: Array | None
    log_jacobian: Array


def copies(columns: Columns, X: Array) -> list[list[Array]]:
    """Return the columns of rows, as often as a row lies in flow space: twice for each circle.

    A copy of a missing cell other than the first is infinite, where there is no density.
    """
    many: list[list[Array]] = [[]]
    for j, column in enumerate(columns.columns):
        x = X[:, j]
        parts = _turns(column, x) if isinstance(column, Periodic) else [x]
        many = [[*copy, part] for part in parts for copy in many]
    return many


def _turns(column: Periodic, x: Array) -> list[Array]:
    """Return where values lie on the line of two turns."""
    turned = x - column.cut - column.period * ndx.floor((x - column.cut) / column.period)
    turned = ndx.where(turned >= column.period, number(0.0, x), turned)
    first = column.cut + turned
    period = number(column.period, x)
    second = first + ndx.where(turned < period / 2, period, -period)
    return [first, ndx.where(ndx.isnan(x), number(np.inf, x), second)]


def to_flow(columns: Columns, X: Sequence[Array]) -> FlowRows:
    """Return rows in flow space: codes of -1 and values of NaN for what is missing.

    Parameters
    ----------
    columns : Columns
    X : sequence of Array of shape (n,), float64
    """
    codes: list = []
    values: list = []
    total = number(0.0, X[0])
    for column, x in zip(columns.columns, X):
        is_missing = ndx.isnan(x)
        cells = to_flow_space(column, ndx.where(is_missing, number(0.0, x), x))
        absent = number(ABSENT, x)
        nan = number(np.nan, x)
        codes += [ndx.where(is_missing, absent, code) for code in cells.codes]
        values += [ndx.where(is_missing, nan, value) for value in cells.values]
        total = total + ndx.where(is_missing, number(0.0, x), cells.log_jacobian)
    return FlowRows(_stacked(codes), _stacked(values), total)


def _stacked(columns: list) -> Array | None:
    return ndx.stack(columns, axis=1) if columns else None


@singledispatch
def to_flow_space(column: Column, x: Array) -> FlowCells:
    """Return the cells of a column, of which none is missing, in flow space."""
    raise TypeError(f"{type(column).__name__} has no ONNX form")


def can_export(column: Column) -> bool:
    """Return whether `to_flow_space` knows a kind of column."""
    return to_flow_space.dispatch(type(column)) is not to_flow_space.dispatch(object)


def spread(column: Column) -> float:
    """Return how far apart numbers of a column are, about; 1 where it holds none."""
    if isinstance(column, Continuous):
        ends = column.untransform(np.array([-1.0, 1.0]))
        return float(ends[1] / 2 - ends[0] / 2)
    if isinstance(column, PointMasses):
        return spread(column.others)
    if isinstance(column, Constant):
        return abs(column.value) or 1.0
    if isinstance(column, Discrete) and column.ordered:
        return moments(column.categories, column.shares)[1]
    if isinstance(column, Heaped):
        return column.grid.step
    return 1.0


@to_flow_space.register
def _(column: Continuous, x: Array) -> FlowCells:
    transform = column.transform
    t = x if transform is None else forward(transform, x)
    log_derivative = number(0.0, x) if transform is None else log_slope(transform, x)
    if transform is not None and column.step > 0 and not column.is_step_transformed:
        low = forward(transform, x - column.step / 2)
        high = forward(transform, x + column.step / 2)
        t = (low + high) / 2
        step = high - low
        is_exact = (log_derivative != -np.inf) & (step > MIN_TRANSFORMED_STEP)
        log_derivative = ndx.where(is_exact, ndx.log(step / column.step), log_derivative)
    z = ndx.clip((t - column.mean) / column.scale, -MAX_STANDARDISED, MAX_STANDARDISED)
    return FlowCells([], [z], log_derivative - float(np.log(column.scale)))


@to_flow_space.register
def _(column: Periodic, x: Array) -> FlowCells:
    return to_flow_space(column.line, x)


@to_flow_space.register
def _(column: OnCircle, x: Array) -> FlowCells:
    # less than a turn, for cosines are computed in single precision
    turns = x / column.turns.period
    angle = ndx.astype(2 * np.pi * (turns - ndx.floor(turns)), ndx.float32)
    points = [ndx.astype(wave(angle), ndx.float64) for wave in (ndx.cos, ndx.sin)]
    values = [(p - float(c)) / column.scale for p, c in zip(points, column.centre)]
    per_radian = column.turns.period / (2 * np.pi)
    return FlowCells([], values, constant(-np.log(per_radian * column.scale), x))


@to_flow_space.register
def _(column: Constant, x: Array) -> FlowCells:
    of_value = float(np.log((column.n_rows + 1) / (column.n_rows + 2)))
    scale = abs(column.value) or 1.0
    of_others = _cauchy(x, column.value, scale) - float(np.log(column.n_rows + 2))
    is_value = ndx.abs(x - column.value) <= column.tolerance
    return FlowCells([], [], ndx.where(is_value, number(of_value, x), of_others))


@to_flow_space.register
def _(column: Discrete, x: Array) -> FlowCells:
    nearest, at = _nearest(column.categories, x)
    is_seen = ndx.abs(x - at) <= SAME_VALUE * column.step
    position = ndx.astype(nearest, ndx.float64)
    absent = number(ABSENT, x)
    code = ndx.where(is_seen, position, -2 - position if column.ordered else absent)
    of_new = number(column.log_new, x)
    if column.ordered:
        of_new = of_new + _cauchy(x, *moments(column.categories, column.shares))
    of_seen = float(np.log1p(-np.exp(column.log_new)) - np.log(column.step))
    return FlowCells([code], [], ndx.where(is_seen, of_seen, of_new))


@to_flow_space.register
def _(column: PointMasses, x: Array) -> FlowCells:
    nearest, at = _nearest(column.points, x)
    is_point = ndx.abs(x - at) <= gather(column.tolerance, nearest, x)
    others = to_flow_space(column.others, x)
    n_points = float(len(column.points))
    code = ndx.where(is_point, ndx.astype(nearest, ndx.float64), n_points)
    value = ndx.where(is_point, number(np.nan, x), others.values[0])
    of_point = -float(np.log(column.others.step)) if column.others.regular else 0.0
    return FlowCells([code], [value], ndx.where(is_point, of_point, others.log_jacobian))


@to_flow_space.register
def _(column: OneHot, x: Array) -> FlowCells:
    is_category = [x == float(category) for category in column.categories]
    values = [
        (ndx.astype(indicator, ndx.float64) - float(share)) / float(scale)
        for indicator, share, scale in zip(is_category, column.shares, column.scales)
    ]
    occurs = ndx.any(ndx.stack(is_category, axis=1), axis=1)
    unseen = ndx.where(occurs, number(0.0, x), UNSEEN)
    return FlowCells([], [*values, unseen], number(0.0, x))


@to_flow_space.register
def _(column: Heaped, x: Array) -> FlowCells:
    grid = column.grid
    whole, rest = _divided(grid, x)
    is_round = rest == 0
    one = number(1.0, x)
    places = (whole * (grid.ratio - 1) + ndx.maximum(rest, one) - 1) * grid.place_step
    rounds = to_flow_space(column.rounds, x)
    others = to_flow_space(column.others, places)
    of_label = to_flow_space(column.label, ndx.astype(is_round, ndx.float64))
    value = ndx.where(is_round, rounds.values[0], others.values[0])
    of_others = others.log_jacobian + float(np.log(grid.place_step / grid.step))
    of_rounds = rounds.log_jacobian + float(np.log(grid.ratio))
    return FlowCells(of_label.codes, [value], ndx.where(is_round, of_rounds, of_others))


def _divided(grid: CoarseGrid, x: Array) -> tuple[Array, Array]:
    """Return whole coarse steps, and the fine steps after them."""
    steps = ndx.round(x / grid.step) - grid.shift
    whole = ndx.floor(steps / grid.ratio)
    return whole, steps - whole * grid.ratio


def _nearest(values: np.ndarray, x: Array) -> tuple[Array, Array]:
    """Return the positions of the nearest of sorted values, and these."""
    values = np.asarray(values, dtype=np.float64)
    nearest = count_of((values[1:] + values[:-1]) / 2, x, side="left")
    return nearest, gather(values, nearest, x)


def _cauchy(x: Array, centre: float, scale: float) -> Array:
    """Return the log-density of a Cauchy distribution."""
    scale = min(scale, LARGEST / 4)
    distance = finite(ndx.abs(x - centre) / scale)
    return -float(np.log(np.pi * scale)) - 2 * log_hypot_1(distance)
