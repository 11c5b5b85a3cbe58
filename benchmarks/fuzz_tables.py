"""Tables of every kind that may reach an estimator, each made from a random generator."""

from datetime import date, time, timedelta
from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
from scipy import sparse

WORDS = np.array(["a", "b", "", " ", "nan", "None", "é", "0", "1e5", "x" * 60], dtype=object)
EXTREMES = [0.0, -0.0, 5e-324, -1e-310, 1e-30, 1.0, -1e16, 1e30, 1e153, -1e200, 1.7e308, -1.7e308]


def pick(rng, things):
    return things[rng.integers(len(things))]


def normal(rng, n):
    return rng.standard_normal(n)


def scaled(rng, n):
    return rng.standard_normal(n) * 10.0 ** rng.uniform(-300, 300)


def far_from_zero(rng, n):
    return rng.standard_normal(n) * 10.0 ** rng.uniform(-8, 2) + 10.0 ** rng.uniform(0, 12)


def denormal(rng, n):
    return rng.integers(-9, 10, n) * 5e-324


def extreme(rng, n):
    return rng.choice(EXTREMES, n)


def ties(rng, n):
    return rng.integers(0, rng.integers(2, 9), n) * 10.0 ** rng.integers(-5, 6)


def constant(rng, n):
    return np.full(n, rng.choice(EXTREMES))


def almost_constant(rng, n):
    values = np.full(n, float(rng.integers(-3, 4)))
    values[rng.integers(n)] += 10.0 ** rng.uniform(-300, 300)
    return values


def huge_outlier(rng, n):
    values = rng.standard_normal(n)
    values[rng.integers(n)] = rng.choice([1e6, -1e20, 1e100, 1.7e308])
    return values


def heavy_tailed(rng, n):
    return rng.choice([-1, 1], n) * np.exp(rng.standard_normal(n) * rng.uniform(1, 30))


def zero_inflated(rng, n):
    return np.where(rng.random(n) < rng.uniform(0.1, 0.95), 0.0, rng.gamma(1, 10, n))


def rounded(rng, n):
    return np.round(rng.standard_normal(n) * 10, rng.integers(0, 4))


def neighbours(rng, n):
    """Numbers that lie next to each other in floating point."""
    start = float(rng.choice([1.0, 1e10, 1e-10, 1e300]))
    return start + rng.integers(0, 5, n) * np.spacing(start)


def large_integers(rng, n):
    return rng.integers(2**52, 2**63 - 1, n)


def small_integers(rng, n):
    return rng.integers(0, 200, n).astype(rng.choice(["u1", "i2", "u4", "i8"]))


def half(rng, n):
    return rng.standard_normal(n).astype(np.float16)


def single(rng, n):
    return (rng.standard_normal(n) * 10.0 ** rng.uniform(-40, 35)).astype(np.float32)


def truth(rng, n):
    return rng.random(n) < rng.uniform(0, 1)


NUMBERS = [
    normal,
    scaled,
    far_from_zero,
    denormal,
    extreme,
    ties,
    constant,
    almost_constant,
    huge_outlier,
    heavy_tailed,
    zero_inflated,
    rounded,
    neighbours,
    large_integers,
    small_integers,
    half,
    single,
    truth,
]


def words(rng, n):
    return pd.Series(rng.choice(WORDS[: rng.integers(1, len(WORDS) + 1)], n), dtype=object)


def names(rng, n):
    """Text of as many values as rows."""
    return pd.Series([f"name {i}" for i in rng.permutation(n)], dtype="string")


def categories(rng, n):
    listed = pick(rng, [WORDS[:4].tolist(), [3, 1, 2, 9], [1.5, 2.5, -1.0]])
    codes = rng.integers(0, len(listed), n)
    return pd.Series(pd.Categorical.from_codes(codes, listed, ordered=bool(rng.random() < 0.5)))


def days(rng, n):
    start = pd.Timestamp(pick(rng, ["1700-01-01", "1970-01-01", "2024-02-28"]))
    unit = pick(rng, ["D", "h", "s"])
    column = pd.Series(start + pd.to_timedelta(rng.integers(0, rng.integers(1, 9999), n), unit))
    return column.dt.tz_localize("UTC") if rng.random() < 0.3 else column


def text_days(rng, n):
    return days(rng, n).dt.strftime("%Y-%m-%d").astype(object)


def day_objects(rng, n):
    return pd.Series([date(2024, 1, 1) + timedelta(int(i)) for i in rng.integers(0, 400, n)])


def clock_times(rng, n):
    return pd.Series([time(int(i) // 60, int(i) % 60) for i in rng.integers(0, 1440, n)])


def durations(rng, n):
    return pd.Series(pd.to_timedelta(rng.integers(0, 10**6, n), "s"))


def truth_objects(rng, n):
    return pd.Series(rng.random(n) < 0.5, dtype=rng.choice(["boolean", "object", "bool"]))


def nullable(rng, n):
    return pd.Series(rng.integers(0, 50, n), dtype=rng.choice(["Int64", "UInt8", "Float64"]))


def decimals(rng, n):
    return pd.Series([Decimal(int(i)) / 100 for i in rng.integers(-999, 999, n)], dtype=object)


def mixture(rng, n):
    cells = [True, False, 2.5, 7, "text", "7"]
    return pd.Series([pick(rng, cells) for _ in range(n)], dtype=object)


def arrow(rng, n):
    return pd.Series(rng.integers(0, 9, n), dtype="int64[pyarrow]")


OTHERS = [
    words,
    names,
    categories,
    days,
    text_days,
    day_objects,
    clock_times,
    durations,
    truth_objects,
    nullable,
    decimals,
    mixture,
    arrow,
]


def nested(rng, n):
    cell = pick(rng, [[1, 2], (1,), {"a": 1}, {1, 2}, np.arange(2), object(), 1j])
    return pd.Series([cell] * n, dtype=object)


def infinite(rng, n):
    values = rng.standard_normal(n)
    values[rng.integers(n)] = rng.choice([np.inf, -np.inf])
    return values


def empty(rng, n):
    return pd.Series([None] * n, dtype=rng.choice(["object", "float64", "string"]))


REFUSED = [nested, infinite, empty]


def size(rng):
    """Numbers of rows and columns: small ones most often, now and then large."""
    n_rows = int(np.exp(rng.uniform(0 if rng.random() < 0.2 else np.log(5), np.log(501))))
    n_columns = int(np.exp(rng.uniform(0, np.log(50 if rng.random() < 0.3 else 9))))
    if rng.random() < 0.01:
        n_rows = int(rng.integers(500, 5001))
    elif rng.random() < 0.01:
        n_rows = min(n_rows, 50)
        n_columns = int(rng.integers(50, 501))
    return n_rows, n_columns


def with_repeats(rng, X):
    """Let columns repeat or add up others, and rows repeat other rows."""
    n_rows, n_columns = X.shape
    if n_columns > 1 and rng.random() < 0.2:
        X[:, 0] = X[:, 1]
    if n_columns > 2 and rng.random() < 0.2:
        X[:, 0] = X[:, 1] / 2 + X[:, 2] / 2
    if rng.random() < 0.2:
        X[rng.random(n_rows) < 0.5] = X[0]
    return X


def number_array(rng, n_rows, n_columns):
    """An array of floats."""
    family = [pick(rng, NUMBERS) for _ in range(rng.integers(1, 4))]
    columns = [pick(rng, family)(rng, n_rows).astype(np.float64) for _ in range(n_columns)]
    return with_repeats(rng, np.column_stack(columns))


def with_missing(rng, X):
    """An array, some of whose cells are NaN, but for its first row."""
    hidden = rng.random(X.shape) < rng.uniform(0, 0.9, X.shape[1])
    hidden[0] = False
    return np.where(hidden, np.nan, X)


def strided(X):
    wide = np.zeros((2 * len(X), 3 * X.shape[1]))
    wide[::2, ::3] = X
    return wide[::2, ::3]


def read_only(X):
    X = X.copy()
    X.flags.writeable = False
    return X


def masked(X):
    return np.ma.masked_invalid(X)


def by_name(X):
    return {f"c{j}": x for j, x in enumerate(X.T)}


ARRAYS = [
    np.asarray,
    np.asfortranarray,
    strided,
    read_only,
    masked,
    sparse.csr_matrix,
    lambda X: X[::-1],
    lambda X: X.tolist(),
    lambda X: X.astype(object),
    lambda X: X.astype(">f8"),
    pd.DataFrame,
    lambda X: pd.DataFrame(by_name(X), index=range(5, 5 + len(X))),
    lambda X: pl.DataFrame(by_name(X)),
    lambda X: pa.table(by_name(X)),
]


def array_table(rng, n_rows, n_columns):
    """Numbers in some container of them."""
    X = number_array(rng, n_rows, n_columns)
    if rng.random() < 0.3:
        X = with_missing(rng, X)
    if rng.random() < 0.15:
        with np.errstate(over="ignore"):
            X = X.astype(np.float32)
        return X
    return pick(rng, ARRAYS)(X)


def frame_column(rng, n):
    makers = REFUSED if rng.random() < 0.005 else pick(rng, [NUMBERS, OTHERS])
    column = pd.Series(pick(rng, makers)(rng, n))
    if rng.random() < 0.3:
        hidden = rng.random(n) < rng.uniform(0, 1)
        hidden[0] = False
        dtype = column.dtype
        if dtype.kind in "iu" and isinstance(dtype, np.dtype):
            column = column.astype(np.float64)
        elif dtype == np.dtype(bool):
            column = column.astype(object)
        column = column.mask(hidden)
    return column


def frame_table(rng, n_rows, n_columns):
    """Columns of all kinds in a frame."""
    frame = pd.DataFrame({f"c{j}": frame_column(rng, n_rows) for j in range(n_columns)})
    if rng.random() < 0.2:
        frame = frame.iloc[rng.integers(0, n_rows, n_rows)]
    if rng.random() < 0.25:
        return to_other_frame(frame, rng)
    return frame.to_numpy(object) if rng.random() < 0.1 else frame


def to_other_frame(frame, rng):
    """A frame of polars or pyarrow, or the same where these take no such cells."""
    try:
        table = pa.Table.from_pandas(frame, preserve_index=False)
        return pl.from_arrow(table) if rng.random() < 0.5 else table
    except (pa.ArrowException, TypeError, ValueError, OverflowError, pl.exceptions.PolarsError):
        return frame


def make_table(rng):
    """A table of any kind."""
    make = frame_table if rng.random() < 0.5 else array_table
    return make(rng, *size(rng))


def n_rows_of(X):
    return len(X) if isinstance(X, (list, pa.Table)) else X.shape[0]


def take(X, rows):
    """Rows of a table, in the same container."""
    if isinstance(X, list):
        return [X[i] for i in rows]
    if isinstance(X, pd.DataFrame):
        return X.iloc[rows]
    return X.take(rows) if isinstance(X, pa.Table) else X[rows]


def as_objects(X):
    """The cells of a table as an array of objects."""
    if sparse.issparse(X):
        return X.toarray().astype(object)
    if isinstance(X, (pl.DataFrame, pa.Table)):
        X = X.to_pandas()
    return X.to_numpy(object).copy() if isinstance(X, pd.DataFrame) else np.array(X, dtype=object)


def spoil(rng, X):
    """Other rows than those of `fit`: extremes, missing cells, new categories, other dtypes."""
    if sparse.issparse(X):
        return X
    if isinstance(X, pd.DataFrame) and rng.random() < 0.5:
        return spoil_frame(rng, X)
    cells = as_objects(X)
    for _ in range(rng.integers(1, 4)):
        i, j = rng.integers(cells.shape[0]), rng.integers(cells.shape[1])
        cells[i, j] = new_cell(rng, cells[i, j])
    if isinstance(X, pd.DataFrame):
        return pd.DataFrame(cells, columns=X.columns)
    return cells


def new_cell(rng, cell):
    """Another cell, mostly of the same type."""
    if rng.random() < 0.3:
        return None if rng.random() < 0.5 else np.nan
    if isinstance(cell, str) or rng.random() < 0.05:
        return "never seen"
    if isinstance(cell, (float, int)):
        return float(rng.choice(EXTREMES))
    return cell


def spoil_frame(rng, frame):
    """Columns of other dtypes, or in another order, or fewer of them."""
    frame = frame.copy()
    way = rng.integers(5)
    name = frame.columns[rng.integers(frame.shape[1])]
    if way == 0:
        return frame[frame.columns[::-1]]
    if way == 1:
        return frame.drop(columns=name)
    if way == 2:
        frame[name] = frame[name].astype(object)
    elif way == 3:
        frame[name] = frame_column(rng, len(frame)).to_numpy()
    else:
        frame[name] = frame[name].astype(str).astype("category")
    return frame


def make_targets(rng, n_rows):
    """Targets of a conditional density: one column or several, of numbers of any kind."""
    n_targets = int(rng.choice([0, 0, 0, 1, 2, 5]))
    Y = number_array(rng, n_rows, max(n_targets, 1))
    y = Y[:, 0] if n_targets == 0 else Y
    if rng.random() < 0.2:
        return pd.Series(y) if y.ndim == 1 else pd.DataFrame(y, columns=list("vwxyz")[:n_targets])
    return y


def make_classes(rng, n_rows):
    """Classes of rows, of any dtype, of which some may be rare."""
    shares = rng.dirichlet(np.full(rng.integers(1, 8), 0.7))
    codes = rng.choice(len(shares), n_rows, p=shares)
    named = [codes, WORDS[codes], codes > 0, pd.Series(codes, dtype="Int64"), codes * 1.0]
    return pick(rng, named)
