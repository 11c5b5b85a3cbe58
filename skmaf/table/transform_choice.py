"""Which transform a continuous column gets, and which of its values probabilities: by likelihood.

A flow that is given a standardised column learns densities that are smooth at a scale of
`FLOW_RESOLUTION`. So a mixture of normals that are no narrower stands for it, on two thirds of the
rows; the others say which transform, the plainest first, is about as good as any. If values far out
rule out the column as it is, no transform is plainer than another, and the best is taken. Where all
lose far more than what normal scores of a narrower mixture can cost the dependence on other
columns, the column is mapped to these.
"""

from dataclasses import dataclass

import numpy as np

from .columns import moments
from .heaped import CoarseGrid
from .normal_mixture import NormalMixture
from .transforms import SOFT_EDGE_SHARE, Asinh, NormalScores, SoftLogit, Transform

FLOW_RESOLUTION = 0.001  # in standard deviations of the column
N_ERRORS = 2.0  # standard errors of a difference that a plainer description may be worse, beside
# so many nats, and in all
MARGINS = (0.03, 0.15)
# the same where the better one stretches the middle of the column, which blurs how others follow it
STRETCHING_MARGINS = (0.35, 0.35)
SCORES_GAIN = 1.0  # nats that normal scores must gain
TAIL_GAIN = 0.3  # nats by which `Asinh` must bring a column nearer to a normal distribution
TAIL_REACH = 8  # standard deviations that a value must be from the median for it
FEWEST_ROWS = 1000  # with fewer nothing is chosen: what one column gains the others may lose
FEWEST_OTHERS = 50  # beside frequent values
MOST_ROWS = 2000  # that the choice looks at
HELD_OUT = 1 / 3
FREQUENT_ROWS = 5  # a value of a grid with its own probability has this many rows,
FREQUENT_SHARE = 0.04  # and this share of all rows,
FREQUENT_RATIO = 4  # or this many times as many as the values about it
NEIGHBOURS = 3  # on either side
MOST_FREQUENT = 64


@dataclass(frozen=True, eq=False)
class SpreadRows:
    """Values of a column, spread over their steps, of which some are held out.

    Attributes
    ----------
    x, spread, weights : ndarray of shape (n,)
        Values as they are, and spread.
    step : float
        Of their grid; 0 without one.
    is_held_out : ndarray of bool, shape (n,)
    """

    x: np.ndarray
    spread: np.ndarray
    weights: np.ndarray
    step: float
    is_held_out: np.ndarray

    @classmethod
    def of(cls, x: np.ndarray, weights: np.ndarray, step: float) -> "SpreadRows":
        """Return at most `MOST_ROWS` of the rows: the same ones, in whatever order they come."""
        order = np.lexsort([weights, x])[:: -(-len(x) // MOST_ROWS)]
        x = x[order]
        rng = np.random.RandomState(0)
        low, high = _cells(x, step)
        spread = low + rng.random_sample(len(x)) * (high - low)
        is_held_out = rng.permutation(len(x)) < HELD_OUT * len(x)
        return cls(x, spread, weights[order], step, is_held_out)

    def take(self, chosen: np.ndarray) -> "SpreadRows":
        """Return some of the rows."""
        return SpreadRows(
            x=self.x[chosen],
            spread=self.spread[chosen],
            weights=self.weights[chosen],
            step=self.step,
            is_held_out=self.is_held_out[chosen],
        )

    def shares(self, points: np.ndarray) -> np.ndarray:
        """Return the shares of points, and of all other values, in the rows to fit on."""
        position = np.where(np.isin(self.x, points), np.searchsorted(points, self.x), len(points))
        is_fitted = ~self.is_held_out
        totals = np.bincount(position[is_fitted], self.weights[is_fitted], len(points) + 1)
        return np.maximum(totals, 0.5) / np.maximum(totals, 0.5).sum()


def _cells(x: np.ndarray, step: float) -> tuple[np.ndarray, np.ndarray]:
    """Return between what each of sorted values is spread: its step, or half way to the next.

    Without a step values that occur once stay.
    """
    if step:
        return x - step / 2, x + step / 2
    values, position, counts = np.unique(x, return_inverse=True, return_counts=True)
    halves = np.where(counts > 1, 0.5, 0.0)
    low = values - halves * np.append(0.0, np.diff(values))
    high = values + halves * np.append(np.diff(values), 0.0)
    return low[position], high[position]


def choose_description(
    x: np.ndarray, weights: np.ndarray, step: float, support: tuple[float, float]
) -> tuple[np.ndarray, Transform | None]:
    """Return which values of a column get probabilities of their own, and how others transform.

    Frequent values on a grid get probabilities if rows held out are likelier so. It is enough that
    they are about as likely where one has many rows and there would be a transform, which makes
    its step wide.

    Parameters
    ----------
    x, weights : ndarray of shape (n,)
    step : float
        Of the grid of the values; 0 without one.
    support : pair of float
        The least and the largest value that the column may have.

    Returns
    -------
    points : ndarray
        In order; empty if there are none.
    transform : Transform or None
    """
    none = x[:0]
    if len(x) < FEWEST_ROWS:
        return none, tail_transform(x, weights)
    rows = SpreadRows.of(x, weights, step)
    transform, score = _choose_transform(rows, support)
    points = _frequent(*np.unique(x, return_counts=True)) if step else none
    is_point = np.isin(rows.x, points)
    if not is_point.any() or (~is_point).sum() < FEWEST_OTHERS:
        return none, transform
    of_others, score_of_others = _choose_transform(rows.take(~is_point), support)
    score_with = _score_with_points(rows, points, score_of_others)
    held_out_weights = rows.weights[rows.is_held_out]
    if transform is not None and rows.shares(points)[:-1].max() >= FREQUENT_SHARE:
        has_points = _is_enough(score_with, score, held_out_weights, MARGINS)
    else:
        has_points = not _is_enough(score, score_with, held_out_weights, MARGINS)
    return (points, of_others) if has_points else (none, transform)


def heaped_transform(
    x: np.ndarray, weights: np.ndarray, grid: CoarseGrid, support: tuple[float, float]
) -> Transform | None:
    """Return the transform of a column of which many values are on a coarser grid.

    It is that of the values which are not on it: the others blur it.
    """
    others = ~grid.is_round(x)
    rows = SpreadRows.of(x[others], weights[others], grid.step)
    return _choose_transform(rows, support)[0]


def _score_with_points(rows: SpreadRows, points: np.ndarray, of_others: np.ndarray) -> np.ndarray:
    """Return log-densities of held-out rows if points have probabilities, and others these."""
    x = rows.x[rows.is_held_out]
    shares = np.log(rows.shares(points))
    is_point = np.isin(x, points)
    score = np.empty(len(x))
    score[is_point] = shares[np.searchsorted(points, x[is_point])] - np.log(rows.step)
    score[~is_point] = shares[-1] + of_others
    return score


def _frequent(values: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Return the values that have many of all rows, or far more than the values about them."""
    padded = np.pad(counts.astype(float), NEIGHBOURS, constant_values=np.nan)
    about = np.lib.stride_tricks.sliding_window_view(padded, 2 * NEIGHBOURS + 1)
    about = np.nanmedian(np.delete(about, NEIGHBOURS, axis=1), axis=1)
    many = (counts >= FREQUENT_SHARE * counts.sum()) | (counts >= FREQUENT_RATIO * about)
    many &= counts >= FREQUENT_ROWS
    order = np.argsort(-np.where(many, counts, 0), kind="stable")
    return np.sort(values[order[: min(many.sum(), MOST_FREQUENT)]])


def tail_transform(x: np.ndarray, weights: np.ndarray) -> Asinh | None:
    """Return `Asinh` where a normal distribution fits values far better after it, else None.

    A value must be so far from the others, too, that these, standardised with it, could not be
    told apart.
    """
    transform = Asinh.fit(x)
    _, before = moments(x, weights)
    _, after = moments(transform.forward(x), weights)
    if after == 0:
        return None  # beside a scale as large as a float can be all values are the same
    mean_log_derivative = np.average(transform.log_derivative(x), weights=weights)
    gain = np.log(before) - np.log(after) + mean_log_derivative
    is_far = np.abs(x - transform.centre).max() > TAIL_REACH * before
    return transform if gain > TAIL_GAIN and is_far else None


def _choose_transform(
    rows: SpreadRows, support: tuple[float, float]
) -> tuple[Transform | None, np.ndarray]:
    """Return the transform of rows, and the log-densities of those held out after it."""
    tail = tail_transform(rows.x, rows.weights)
    stretching = [Asinh.fit(rows.x)] if tail is None else []
    plain = [tail, *stretching, *_edge_transforms(rows, support)]
    weights = rows.weights[rows.is_held_out]
    scores = [_held_out_scores(rows, transform, FLOW_RESOLUTION) for transform in plain]
    best = int(np.argmax([np.average(score, weights=weights) for score in scores]))
    narrow = _held_out_scores(rows, plain[best], 0.0)
    if np.average(narrow - scores[best], weights=weights) > SCORES_GAIN:
        return _normal_scores(rows, plain[best]), narrow
    if tail is not None:
        return plain[best], scores[best]  # none of them is plainer than the others
    margins = STRETCHING_MARGINS if plain[best] in stretching else MARGINS
    are_enough = [_is_enough(score, scores[best], weights, margins) for score in scores]
    first = are_enough.index(True)
    return plain[first], scores[first]


def _edge_transforms(rows: SpreadRows, support: tuple[float, float]) -> list[Transform]:
    """Return transforms for values that are near to an edge of their support, or to both."""
    transforms: list[Transform] = []
    low, high = support
    inside = rows.x[(rows.x > low) & (rows.x < high)]
    if rows.step == 0 and np.isfinite(support).all() and len(inside):
        transforms.append(SoftLogit.fit(low, high, inside))
    for edge, outwards in zip(support, (-1, 1)):
        if np.isfinite(edge):
            distances = np.abs(rows.x - edge)
            scale = rows.step / 2 or SOFT_EDGE_SHARE * distances[distances > 0].min()
            # on a grid half a step beyond the step of the edge, so that this one is not endless
            transforms.append(Asinh(edge + outwards * rows.step, scale))
    return transforms


def _held_out_scores(rows: SpreadRows, transform: Transform | None, floor: float) -> np.ndarray:
    """Return log-densities of held-out rows by a mixture of the others, after a transform."""
    u = rows.spread if transform is None else transform.forward(rows.spread)
    is_fitted = ~rows.is_held_out
    weights = rows.weights[is_fitted]
    mean, scale = moments(u[is_fitted], weights)
    z = (u - mean) / scale
    mixture = NormalMixture.fit(z[is_fitted], weights, floor)
    log_density = mixture.log_density(z[rows.is_held_out]) - np.log(scale)
    if transform is None:
        return log_density
    return log_density + transform.log_derivative(rows.spread[rows.is_held_out])


def _normal_scores(rows: SpreadRows, inner: Transform | None) -> NormalScores:
    """Return the normal scores of a mixture of all rows."""
    u = rows.spread if inner is None else inner.forward(rows.spread)
    mean, scale = moments(u, rows.weights)
    mixture = NormalMixture.fit((u - mean) / scale, rows.weights)
    return NormalScores.of(mixture.scaled(mean, scale), inner)


def _is_enough(
    score: np.ndarray, best: np.ndarray, weights: np.ndarray, margins: tuple[float, float]
) -> bool:
    """Return whether the first log-densities are hardly worse than the second, but for chance."""
    margin, most = margins
    difference = best - score
    mean = np.average(difference, weights=weights)
    error = np.sqrt(np.average((difference - mean) ** 2, weights=weights) / len(difference))
    return bool(mean <= min(margin + N_ERRORS * error, most))
