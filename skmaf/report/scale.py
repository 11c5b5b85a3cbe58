"""The axis of a column in charts: bins of numbers, or values side by side."""

from dataclasses import dataclass

import numpy as np

from .._text import cell_label
from ..table.codec import TableCodec
from ..table.grids import fine_grid_step

MOST_BARS = 24  # where they are bins
MOST_VALUES = 48  # that have a bar each
MOST_LABELS = 4  # along an axis
FEWEST_ROWS = 3  # to a value, in the mean, where each has a bar
MOST_CATEGORIES = 12  # that have a bar each; all others share one
TAILS = (0.01, 0.99)  # what lies far beyond these quantiles is shown at the ends
FAR = 0.75  # of the distance between them
OTHERS = "others"


@dataclass(frozen=True, eq=False)
class Scale:
    """The axis of a column, in bars.

    Attributes
    ----------
    labels : list of str
        What each bar is where they stand for values, and else what is at the two ends.
    edges : ndarray or None
        The edges of the bars, in a column of numbers: the outermost bars hold what is beyond.
    codes : list or None
        The code of each bar, in a column of categories: others share the last bar.
    """

    labels: list[str]
    edges: np.ndarray | None = None
    codes: list | None = None

    @property
    def n_bars(self) -> int:
        """How many bars there are."""
        return len(self.labels) if self.edges is None else len(self.edges) - 1

    @property
    def is_discrete(self) -> bool:
        """Whether each bar stands for a value."""
        return len(self.labels) == self.n_bars

    @property
    def axis(self) -> list[str]:
        """What stands along the axis: all values if they are few, and else those at the ends."""
        is_short = self.is_discrete and self.n_bars <= MOST_LABELS
        return self.labels if is_short else [self.labels[0], self.labels[-1]]

    def bars(self, x: np.ndarray) -> np.ndarray:
        """Return the bar of each number or code that is not missing."""
        x = x[~np.isnan(x)]
        if self.edges is not None:
            return np.searchsorted(self.edges[1:-1], x, side="right")
        bar_of_code = {code: bar for bar, code in enumerate(self.codes or [])}
        return np.array([bar_of_code.get(code, self.n_bars - 1) for code in x], dtype=int)

    def shares(self, x: np.ndarray) -> np.ndarray:
        """Return the share of each bar among the cells that are not missing."""
        counts = np.bincount(self.bars(x), minlength=self.n_bars)
        return counts / max(counts.sum(), 1)

    def places(self, x: np.ndarray, rng: np.random.RandomState) -> np.ndarray:
        """Return where numbers or codes are, from 0 to 1; those of a value are spread over its bar.

        None of them may be missing.
        """
        if self.is_discrete or self.edges is None:
            spread = rng.uniform(0.15, 0.85, len(x))
            return (self.bars(x) + spread) / self.n_bars
        low, high = self.edges[[0, -1]]
        return np.clip((x - low) / (high - low), 0, 1)


def scale_of(codec: TableCodec, j: int, x: np.ndarray) -> Scale:
    """Return the axis of column ``j``, of which ``x`` holds numbers or codes, NaN where missing."""
    x = x[~np.isnan(x)]
    values, counts = np.unique(x, return_counts=True)
    if codec.schema.n_categories[j] is not None:
        return _of_categories(codec, j, values, counts)
    if len(values) <= min(MOST_VALUES, max(2, len(x) / FEWEST_ROWS)):
        middles = (values[1:] + values[:-1]) / 2
        edges = np.concatenate([values[:1], middles, values[-1:]])
        return Scale(_texts(codec, j, values), edges=edges)
    edges = _edges(x, values)
    low = max(values[0], edges[0])
    high = min(values[-1], edges[-1])
    left, right = _texts(codec, j, np.array([low, high]))
    left = f"\u2264 {left}" if values[0] < edges[0] else left
    right = f"\u2265 {right}" if values[-1] > edges[-1] else right
    return Scale([left, right], edges=edges)


def _of_categories(codec: TableCodec, j: int, values: np.ndarray, counts: np.ndarray) -> Scale:
    """Return bars of the most frequent categories, and one of the others where there are more."""
    categories = codec.schema.categories[j]
    is_named = values < len(categories)  # rare ones, and those that fit did not see, are not
    order = np.argsort(-counts[is_named], kind="stable")
    shown = values[is_named][order][:MOST_CATEGORIES].tolist()
    labels = [cell_label(categories[int(code)]) for code in shown]
    if len(shown) < len(values):
        labels.append(OTHERS)
    return Scale(labels, codes=shown)


def _edges(x: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return the edges of bins of one width: a whole number of steps where values are on a grid."""
    first, last = np.quantile(x, TAILS)
    reach = FAR * (last - first) if last > first else np.inf
    low = max(values[0], first - reach)
    high = min(values[-1], last + reach)
    step = fine_grid_step(values, np.finfo(np.float64).eps)
    width = (high - low) / MOST_BARS
    if step == 0:
        return np.linspace(low, high, MOST_BARS + 1)
    width = step * max(1, np.ceil(width / step))
    low = values[0] + step * (np.floor((low - values[0]) / step) - 0.5)
    return low + width * np.arange(np.ceil((high - low) / width) + 1)


def _texts(codec: TableCodec, j: int, numbers: np.ndarray) -> list[str]:
    return [cell_label(value) for value in codec.decode_column(j, numbers)]
