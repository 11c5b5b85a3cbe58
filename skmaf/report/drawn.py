"""Rows that were drawn beside those of the table: each column, and pairs of columns."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .._text import count
from .association import MOST_COLUMNS, associations, strongest_pairs
from .charts import bar_path, dot_path, step_path
from .run import Run
from .scale import Scale, scale_of
from .words import name_label, percent

MOST_MARGINALS = 24
MOST_PAIRS = 6
MOST_DOTS = 400
MOST_RELATIONS = 12
MARGINAL = (220, 80)  # pixels
PAIR = (170, 150)


@dataclass(frozen=True)
class Marginal:
    """A column of the table and of drawn rows.

    Attributes
    ----------
    name, distance, chance : str
        Which share of the rows would have to change, and what chance alone would give.
    bars, outline : str
        Paths of the table's histogram and of that of drawn rows.
    axis : sequence of str
        What stands along it.
    """

    name: str
    distance: str
    chance: str
    bars: str
    outline: str
    axis: Sequence[str]


@dataclass(frozen=True)
class Pair:
    """Two columns of the table and of drawn rows.

    Attributes
    ----------
    x_name, y_name : str
    x_axis, y_axis : sequence of str
        What stands along them.
    real, drawn : str
        Paths of dots.
    real_association, drawn_association : str
        Cramer's V.
    """

    x_name: str
    y_name: str
    x_axis: Sequence[str]
    y_axis: Sequence[str]
    real: str
    drawn: str
    real_association: str
    drawn_association: str


@dataclass(frozen=True)
class DrawnSection:
    """What the page says of rows that were drawn.

    Attributes
    ----------
    marginals : sequence of Marginal
        Those that differ most first.
    pairs : sequence of Pair
    relations : sequence of str
        What holds in every row.
    summary : str
    n_hidden, n_hidden_relations : int
        How many columns and relations are not shown.
    n_searched : int
        Among how many columns pairs were looked for.
    """

    marginals: Sequence[Marginal]
    pairs: Sequence[Pair]
    relations: Sequence[str]
    summary: str
    n_hidden: int
    n_hidden_relations: int
    n_searched: int


def drawn_section(run: Run) -> DrawnSection:
    """Return what the page says of rows that were drawn."""
    real = run.N[run.normal_rows]
    n_columns = real.shape[1]
    scales = [scale_of(run.density.codec_, j, x) for j, x in enumerate(real.T)]
    distances = [_distance(*pair) for pair in zip(scales, real.T, run.drawn.T)]
    order = np.argsort([-distance for distance, _ in distances], kind="stable")
    shown = order[:MOST_MARGINALS]
    relations = run.density.relations_
    return DrawnSection(
        marginals=[_marginal(run, j, scales[j], *distances[j]) for j in shown],
        pairs=_pairs(run, scales),
        relations=[str(relation) for relation in relations[:MOST_RELATIONS]],
        summary=f"{count(len(run.drawn), 'drawn row')} beside {count(len(real), 'row')}",
        n_hidden=n_columns - len(shown),
        n_hidden_relations=max(0, len(relations) - MOST_RELATIONS),
        n_searched=min(n_columns, MOST_COLUMNS),
    )


def _distance(scale: Scale, real: np.ndarray, drawn: np.ndarray) -> tuple[float, float]:
    """Return the total variation between two columns of cells, and what chance would give.

    The second is the mean over samples as large from the distribution of the first.
    """
    p = scale.shares(real)
    n_real = (~np.isnan(real)).sum()
    n_drawn = (~np.isnan(drawn)).sum()
    variance = p * (1 - p) * (1 / max(n_real, 1) + 1 / max(n_drawn, 1))
    chance = np.sqrt(2 / np.pi * variance).sum() / 2
    return float(np.abs(p - scale.shares(drawn)).sum() / 2), float(chance)


def _marginal(run: Run, j: int, scale: Scale, distance: float, chance: float) -> Marginal:
    p = scale.shares(run.N[run.normal_rows, j])
    q = scale.shares(run.drawn[:, j])
    top = max(p.max(), q.max())
    return Marginal(
        name=name_label(run.X.columns[j]),
        distance=percent(distance),
        chance=percent(chance),
        bars=bar_path(p, *MARGINAL, top, gap=1.0 if scale.is_discrete else 0.0),
        outline=step_path(q, *MARGINAL, top),
        axis=scale.axis,
    )


def _pairs(run: Run, scales: Sequence[Scale]) -> list[Pair]:
    """Return the pairs of columns of strongest association."""
    rng = np.random.RandomState(run.seed)
    searched = slice(0, MOST_COLUMNS)
    real = run.N[run.normal_rows, searched]
    drawn = run.drawn[:, searched]
    is_category = np.array([n is not None for n in run.density.codec_.schema.n_categories])
    of_real, of_drawn = (associations(N, is_category[searched], rng) for N in (real, drawn))
    return [
        Pair(
            x_name=name_label(run.X.columns[i]),
            y_name=name_label(run.X.columns[j]),
            x_axis=scales[i].axis,
            y_axis=scales[j].axis,
            real=_dots(real[:, [i, j]], scales[i], scales[j], rng),
            drawn=_dots(drawn[:, [i, j]], scales[i], scales[j], rng),
            real_association=f"{of_real[i, j]:.2f}",
            drawn_association=f"{of_drawn[i, j]:.2f}",
        )
        for i, j in strongest_pairs(of_real, MOST_PAIRS)
    ]


def _dots(pairs: np.ndarray, x_scale: Scale, y_scale: Scale, rng: np.random.RandomState) -> str:
    """Return dots for some of the rows that have both cells."""
    pairs = pairs[~np.isnan(pairs).any(axis=1)]
    if len(pairs) > MOST_DOTS:
        pairs = pairs[rng.choice(len(pairs), MOST_DOTS, replace=False)]
    x, y = pairs.T
    return dot_path(x_scale.places(x, rng), y_scale.places(y, rng), *PAIR)
