"""Kinds of columns: what a column is, found from its values or declared.

A column of numbers is *discrete* where it has few values, each with a probability of its own, *atomic* where some values (zero,
say) come again and again between others, and *continuous* otherwise. Values on a regular grid (integers, rounded values) or
with ties have a width, the step. Few means that a value has many rows: at most the root of the number of rows.
"""

from numbers import Integral, Real

import numpy as np

from .columns import Atomic, Columns, Constant, Continuous, Discrete, OneHot, moments
from .transforms import Asinh, bounded

MIN_STEP = 1e-6  # a step below this share of the range is floating-point resolution, not a grid
MOST_LEVELS = 64  # of a discrete column of numbers
ATOM_SHARE, ATOM_COUNT = 0.05, 5  # of the rows, at least, that hold an atom
ATOM_EXCESS = 4  # times as many rows as any value that is none
MOST_ATOMS = 5
FEW_OTHERS = 5  # values beside atoms: too few for a density
TAIL_GAIN = 0.3  # nats by which drawing in the tails must bring a column nearer to a normal law
TAIL_REACH = 8  # standard deviations from the median that a value must be away
KINDS = ("continuous", "grid", "categorical", "heavy-tailed")


def declared_kinds(X, column_kinds):
    """What a user says of columns, by position instead of name.

    Raises
    ------
    ValueError
        If there is no such column or no such kind.
    """
    if not column_kinds:
        return {}
    names, kinds = list(getattr(X, "columns", range(np.shape(X)[-1]))), {}
    for name, kind in column_kinds.items():
        if name not in names and not (isinstance(name, Integral) and 0 <= name < len(names)):
            raise ValueError(
                f"column_kinds names {name!r}, which is no column; there are {names[:10]}."
            )
        if kind not in KINDS and not _is_bounds(kind):
            raise ValueError(
                f"column_kinds[{name!r}] must be one of {', '.join(KINDS)}, or bounds (low, high) of which one may be None; "
                f"got {kind!r}."
            )
        kinds[names.index(name) if name in names else int(name)] = kind
    return kinds


def _is_bounds(kind):
    if not isinstance(kind, tuple) or len(kind) != 2 or kind == (None, None):
        return False
    low, high = (-np.inf if kind[0] is None else kind[0]), (np.inf if kind[1] is None else kind[1])
    return isinstance(low, Real) and isinstance(high, Real) and low < high


def check_declared(kinds, X, schema):
    """Refuse what is declared of columns where their training values ``X`` speak against it."""
    for j, kind in kinds.items():
        if schema.categories[j] is not None and kind != "categorical":
            raise ValueError(
                f"{schema.label(j)} holds categories, which column_kinds calls {kind!r}: leave it out there."
            )
        if isinstance(kind, tuple):
            low, high = kind
            outside = (X[:, j] < (-np.inf if low is None else low)) | (
                X[:, j] > (np.inf if high is None else high)
            )
            if outside.any():
                raise ValueError(
                    f"{schema.label(j)} holds {X[outside, j][0]:g}, outside of the bounds {kind} that column_kinds gives: "
                    "widen these, or mend the cell."
                )


def find_columns(kind_of, X, weights, n_categories, kinds=None):
    """The `Columns` of a table.

    Parameters
    ----------
    kind_of : callable
        `sharp` or `smooth`.
    X : ndarray of shape (n_samples, n_features)
        Numbers, and codes of categories; NaN where a cell is missing.
    weights : ndarray of shape (n_samples,)
    n_categories : list of int or None
        For each column; None if it holds numbers.
    kinds : dict, default=None
        Position of a column to its kind.

    Returns
    -------
    Columns
    """
    resolution = np.finfo(X.dtype).eps
    columns = []
    for j, x in enumerate(X.T.astype(np.float64)):
        seen = ~np.isnan(x)
        values, own = (x[seen], weights[seen]) if seen.any() else (np.zeros(1), np.ones(1))
        kind = {"kind": kinds[j]} if kinds and j in kinds else {}
        columns.append(kind_of(values, resolution, own, n_categories[j], **kind))
    return Columns(columns)


def sharp(x, resolution, weights, n_categories=None, kind=None):
    """What the column ``x`` is, for a density that has probabilities for discrete values.

    Parameters
    ----------
    x : ndarray of shape (n,)
        Values, or codes of categories; none is missing.
    resolution : float
        Relative rounding error of a value.
    weights : ndarray of shape (n,)
    n_categories : int or None, default=None
        How many categories there are, in a column of codes.
    kind : str, tuple or None, default=None
        One of ``KINDS``, or bounds ``(low, high)``, or None to find it out.

    Returns
    -------
    Constant, Discrete, Atomic or Continuous
    """
    if n_categories is not None:
        return Discrete.of(x, weights, np.arange(n_categories), ordered=False)
    if is_constant(x, resolution):
        return constant(x, resolution)
    values, counts = np.unique(x, return_counts=True)
    atoms = values[:0]
    if kind is None:
        atoms = _atoms(values, counts)
    elif isinstance(kind, tuple):
        atoms = np.array(
            [bound for bound in kind if bound is not None], dtype=float
        )  # whether or not they occur
    if _few(len(values), (~np.isin(values, atoms)).sum(), len(x), kind):
        step = grid_step(values, resolution) or float(np.median(np.diff(values)))
        return Discrete.of(x, weights, values, ordered=True, step=step)
    rest = ~np.isin(x, atoms)
    warp = (
        bounded(*kind, x[rest])
        if isinstance(kind, tuple)
        else _for_tails(x[rest], weights[rest], kind)
    )
    others = continuous(x[rest], resolution, weights[rest], warp, spread=kind != "continuous")
    return Atomic.of(x, weights, atoms, others) if len(atoms) else others


def smooth(x, resolution, weights, n_categories=None):
    """What the column ``x`` is, for a density of values with noise; parameters as those of `sharp`."""
    if is_constant(x, resolution):
        return constant(x, resolution)
    if n_categories is None:
        return continuous(x, resolution, weights)
    levels, codes = np.unique(x, return_inverse=True)
    return OneHot(levels, np.bincount(codes, weights) / weights.sum())


def is_constant(x, resolution):
    return np.ptp(x) <= 2 * resolution * np.abs(x).max()


def constant(x, resolution):
    return Constant(float(x.min()), 2 * resolution * float(np.abs(x).max()), len(x))


def _for_tails(x, weights, kind):
    """A map that draws the tails in, where it is asked for or pays: where a normal law fits the values far better after it.

    A value at least must be so far out that standardised values could not be told apart near the mean.
    """
    if kind not in (None, "heavy-tailed"):
        return None
    warp = Asinh.around(x)
    if kind == "heavy-tailed":
        return warp
    before, after = (moments(t, weights)[1] for t in (x, warp.forward(x)))
    gain = np.log(before) - np.log(after) + np.average(warp.log_derivative(x), weights=weights)
    return (
        warp if gain > TAIL_GAIN and np.abs(x - warp.centre).max() > TAIL_REACH * before else None
    )


def continuous(x, resolution, weights, warp=None, spread=True):
    """A `Continuous` column with the mean, scale and step of the weighted values ``x``."""
    mean, scale = moments(x if warp is None else warp.forward(x), weights)
    values, counts = np.unique(x, return_counts=True)
    if spread and (step := grid_step(values, resolution)) > 0:
        return Continuous(mean, scale, step, values, regular=True, warp=warp)
    if spread and len(values) < len(x):
        return Continuous(
            mean, scale, float(np.median(np.diff(values))), values[counts > 1], warp=warp
        )
    return Continuous(mean, scale, warp=warp)


def _few(n_values, n_others, n_rows, kind):
    """Whether each value is to have a probability of its own."""
    most = {None: min(MOST_LEVELS, np.sqrt(n_rows)), "grid": MOST_LEVELS}.get(kind, 0)
    return n_values <= most or n_others < min(n_values, FEW_OTHERS)


def _atoms(values, counts):
    """The values that come far more often than all others."""
    order = np.argsort(-counts, kind="stable")
    ranked = np.append(counts[order], 1)
    least = max(ATOM_COUNT, ATOM_SHARE * counts.sum())
    n = [
        k
        for k in range(1, min(MOST_ATOMS, len(values)) + 1)
        if ranked[k - 1] >= max(least, ATOM_EXCESS * ranked[k])
    ]
    return np.sort(values[order[: max(n, default=0)]])


def grid_step(values, resolution):
    """The step of the regular grid that the sorted distinct values lie on, or 0 if they lie on none.

    It is the greatest common divisor of the gaps, by Euclid's algorithm up to the rounding error of the values.
    """
    tolerance = 8 * resolution * np.abs(values).max()
    gaps = np.unique(np.diff(values))
    smallest = max(16 * tolerance, MIN_STEP * (values[-1] - values[0]))
    step, rest = 0.0, gaps[0]
    while rest > 0:
        if rest <= smallest:
            return 0.0
        step, rest = _divide(gaps, rest, tolerance)
    return float(step)


def _divide(gaps, step, tolerance):
    """The step, more exact, and the smallest rest that the sorted gaps leave when divided by it, 0 if they leave none.

    Gaps are taken in blocks of rising size: each block makes the step more exact, as the longer gaps after it need it.
    """
    start, n_exact = 0, 1.0
    while start < len(gaps):
        stop = max(start + 1, np.searchsorted(gaps, 2 * gaps[start], side="right"))
        block = gaps[start:stop]
        counts = np.round(block / step)
        rests = np.abs(block - counts * step)
        rests = rests[rests > np.minimum(tolerance * (1 + counts / n_exact), step / 8)]
        if len(rests):
            return step, rests.min()
        start, n_exact = stop, counts[-1]
        step = block[-1] / n_exact
    return step, 0.0
