"""Rows that are drawn or filled: relations, ends of columns, decimals and missing cells."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from skmaf.inference.drawing import draw_rows, fill_rows
from skmaf.table.columns import Continuous
from skmaf.table.constraints import RowConstraints
from skmaf.table.flow_space import Columns
from skmaf.table.missing import MissingPatterns
from skmaf.table.relations import Determines, Order, Sum


def constraints_of(table, relations="auto"):
    table = np.asarray(table, dtype=np.float64)
    columns = range(table.shape[1])
    return RowConstraints.learn(
        table, np.ones(len(table)), list(columns), ["numbers" for _ in columns], relations
    )


class Draws:
    """A density that is known by its draws."""

    def __init__(self, draw):
        self.draw = draw

    def sample(self, n_samples, seed, context=None):
        return self.draw(np.random.RandomState(seed), n_samples)


# draws


def test_rows_that_are_drawn_again_have_the_conditional_law():
    """Of the uniform law on the square, given an order, the lower is the least of two numbers."""
    table = np.sort(np.random.default_rng(0).random((400, 2)), axis=1)
    constraints = constraints_of(table, [Order(0, 1)])
    N = draw_rows(Draws(lambda rng, n: rng.random_sample((n, 2))), constraints, 4000, 0)
    assert (N[:, 0] <= N[:, 1]).all()
    assert stats.kstest(N[:, 0], stats.beta(1, 2).cdf).pvalue > 0.01
    assert stats.kstest(N[:, 1], stats.beta(2, 1).cdf).pvalue > 0.01


def test_a_column_that_follows_leaves_the_law_of_the_others():
    rng = np.random.default_rng(0)
    parts = rng.normal(10, 1, (400, 2))
    table = np.column_stack([parts, parts.sum(axis=1)])
    constraints = constraints_of(table)
    assert list(map(str, constraints.relations)) == ["2 = 0 + 1"]

    def draw(rng, n):
        return np.column_stack([rng.normal(10, 1, (n, 2)), rng.normal(20, 3, n)])

    N = draw_rows(Draws(draw), constraints, 2000, 0)
    np.testing.assert_allclose(N[:, 2], N[:, 0] + N[:, 1])
    assert stats.kstest(N[:, 0], stats.norm(10, 1).cdf).pvalue > 0.01
    assert abs(np.corrcoef(N[:, 0], N[:, 1])[0, 1]) < 0.1


def test_rows_that_break_an_order_in_every_try_are_moved():
    table = np.sort(np.random.default_rng(0).random((400, 3)), axis=1)
    constraints = constraints_of(table, [Order(0, 1), Order(1, 2)])
    N = draw_rows(Draws(lambda rng, n: np.tile([0.9, 0.6, 0.3], (n, 1))), constraints, 5, 0)
    np.testing.assert_allclose(N, np.tile([0.3, 0.6, 0.9], (5, 1)))


def test_relations_that_would_compute_a_column_from_itself():
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 5, 300).astype(float)
    table = np.column_stack([codes, 2 * codes, 7 - codes])
    declared = [Sum(0, [1], [0.5]), Determines(0, 2), Determines(2, 1)]
    constraints = constraints_of(table, declared)
    N = draw_rows(Draws(lambda rng, n: rng.random_sample((n, 3)) * 10), constraints, 50, 0)
    for relation in constraints.relations:
        assert not relation.broken(dict(enumerate(N.T))).any()
    assert set(map(tuple, N)) <= set(map(tuple, table))


@pytest.mark.parametrize("free", [[True, False], [False, True], [True, True]])
def test_an_order_of_rounded_columns_is_rounded_to_its_own_side(free):
    """Whole numbers below tenths, and above them: the nearest whole number may break the order."""
    rng = np.random.default_rng(0)
    tenths = rng.integers(0, 100, 300) / 10
    table = np.column_stack([np.floor(tenths), tenths, np.ceil(tenths)])
    constraints = constraints_of(table, [Order(0, 1), Order(1, 2)])
    N = rng.permuted(table, axis=0)
    drawn = np.tile([free[0], False, free[1]], (300, 1))
    before = N.copy()
    constraints.project(N, drawn)
    assert not constraints.broken(N, drawn).any()
    assert np.array_equal(N[~drawn], before[~drawn])
    moved = before != N
    assert moved.any() and np.array_equal(N[:, [0, 2]], np.round(N[:, [0, 2]]))
    nearest = np.column_stack([np.floor(N[:, 1]), N[:, 1], np.ceil(N[:, 1])])
    assert np.array_equal(N[moved], nearest[moved])


# ends


def test_ends_are_kept_where_rows_pile_up():
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        {
            "age": rng.integers(18, 91, 1000),
            "waiting": rng.exponential(5, 1000),
            "share": np.clip(rng.normal(0.8, 0.3, 1000), 0, 1),
            "normal": rng.standard_normal(1000),
            "tailed": rng.standard_t(3, 1000),
        }
    )
    numbers = ["numbers"] * 5
    constraints = RowConstraints.learn(table.to_numpy(), np.ones(1000), list(table), numbers, None)
    ranges = constraints.ranges
    assert ranges["age"] == (18, 90)
    assert ranges["waiting"] == (table["waiting"].min(), np.inf)
    assert ranges["share"][1] == 1
    assert "normal" not in ranges and "tailed" not in ranges


def test_normal_tails_are_no_ends():
    rng = np.random.default_rng(0)
    n_ends = sum(
        len(constraints_of(rng.standard_normal((n, 2)), None).ranges)
        for n in rng.integers(100, 2000, 50)
    )
    assert n_ends <= 0.05 * 4 * 50


def test_what_leaks_over_an_end_is_mirrored():
    """Whole numbers with whole errors: mirrored, they have the uniform law again."""
    rng = np.random.default_rng(0)
    table = rng.integers(18, 91, (2000, 1))

    def draw(rng, n):
        return rng.randint(18, 91, (n, 1)) + rng.randint(-5, 6, (n, 1)).astype(float)

    N = draw_rows(Draws(draw), constraints_of(table), 20_000, 0)
    counts = np.bincount(N[:, 0].astype(int))[18:]
    assert len(counts) == 73 and stats.chisquare(counts).pvalue > 0.01


def test_an_end_that_has_a_probability_of_its_own_keeps_it():
    table = np.maximum(np.random.default_rng(0).standard_normal((1000, 1)), 0)

    def draw(rng, n):
        return np.where(rng.random_sample((n, 1)) < 0.5, 0, rng.normal(size=(n, 1)))

    N = draw_rows(Draws(draw), constraints_of(table), 4000, 0)
    assert np.mean(N == 0) == pytest.approx(0.5, abs=0.03)
    assert stats.kstest(N[N != 0], stats.halfnorm.cdf).pvalue > 0.01


def test_drawn_numbers_have_the_decimals_of_the_column():
    rng = np.random.default_rng(0)
    table = np.column_stack([rng.normal(0, 50, 300).round(2), rng.normal(0, 50, 300)])
    N = draw_rows(Draws(lambda rng, n: rng.normal(size=(n, 2))), constraints_of(table), 50, 0)
    assert np.array_equal(N[:, 0], N[:, 0].round(2))
    assert not np.any(N[:, 1] == N[:, 1].round(2))


def test_a_sum_has_the_digits_of_the_table():
    """Standardised counts, and their sum: a computed cell is one of those in the table, exactly."""
    rng = np.random.default_rng(0)
    parts = rng.poisson(3, (600, 2)) / 1.7
    table = np.column_stack([parts, parts.sum(axis=1)])
    constraints = constraints_of(table)
    assert "2 = 0 + 1" in map(str, constraints.relations)
    noise = 1e-15

    def draw(rng, n):
        return table[rng.randint(len(table), size=n)] * (1 + noise * rng.normal(size=(n, 3)))

    N = draw_rows(Draws(draw), constraints, 200, 0)
    assert np.isin(N, table).all()


# missing cells


def test_cells_are_missing_as_often_together_and_where_they_were():
    rng = np.random.default_rng(0)
    n = 2000
    table = rng.standard_normal((n, 5))
    table[:, 0] = rng.integers(0, 2, n)
    table[table[:, 0] == 1, 1] = np.nan  # always and only where the first column is 1
    table[rng.random(n) < 0.3, 2:4] = np.nan  # together
    constraints = constraints_of(table)

    def draw(rng, n):
        return np.column_stack([rng.randint(0, 2, n), rng.normal(size=(n, 4))])

    N = draw_rows(Draws(draw), constraints, 5000, 0)
    missing = np.isnan(N)
    assert np.array_equal(missing[:, 1], N[:, 0] == 1)
    assert np.array_equal(missing[:, 2], missing[:, 3])
    assert missing[:, 2].mean() == pytest.approx(0.3, abs=0.03)
    assert not missing[:, [0, 4]].any()
    assert not np.isnan(draw_rows(Draws(draw), constraints, 50, 0, complete=True)).any()


def test_every_column_may_miss_cells():
    rng = np.random.default_rng(0)
    table = np.where(rng.random((500, 3)) < 0.2, np.nan, rng.standard_normal((500, 3)))
    patterns = MissingPatterns.learn(table, np.ones(500))
    assert patterns is not None and patterns.tree is None
    assert patterns.draw(np.zeros((4000, 3)), np.random.RandomState(0)).mean() == pytest.approx(
        0.2, abs=0.02
    )
    assert MissingPatterns.learn(np.zeros((5, 2)), np.ones(5)) is None


# filled cells


class Independent:
    """The density of independent normal columns, of the cells that there are."""

    def __init__(self, n_columns):
        self.columns = Columns([Continuous(0.0, 1.0)] * n_columns)

    def log_prob(self, N, context=None):
        return np.nansum(stats.norm.logpdf(N), axis=1)

    def without_baseline(self):
        return self


def test_filled_rows_keep_relations_and_given_cells():
    rng = np.random.default_rng(0)
    table = rng.standard_normal((300, 5))
    table[:, 2] = table[:, 0] + table[:, 1]
    table[:, 3:] = np.sort(table[:, 3:], axis=1)
    constraints = constraints_of(table, [Sum(2, [0, 1]), Order(3, 4)])
    holes = np.where(rng.random(table.shape) < 0.4, np.nan, table)
    filled = holes.copy()
    fill_rows(filled, Independent(5), constraints, np.random.RandomState(0))
    there = ~np.isnan(holes)
    assert np.array_equal(filled[there], holes[there]) and not np.isnan(filled).any()
    np.testing.assert_allclose(filled[:, 2], filled[:, 0] + filled[:, 1], atol=1e-9)
    assert (filled[:, 3] <= filled[:, 4]).all()
    follows = np.isnan(holes[:, :3]).sum(axis=1) == 1  # one cell of the sum: there is no choice
    np.testing.assert_allclose(filled[follows, :3], table[follows, :3], atol=1e-9)


def test_a_filled_cell_has_its_law_given_the_order():
    holes = np.column_stack([np.full(2000, np.nan), np.full(2000, 0.5)])
    seen = np.sort(np.random.default_rng(0).standard_normal((100, 2)), axis=1)
    constraints = constraints_of(seen, [Order(0, 1)])
    fill_rows(holes, Independent(2), constraints, np.random.RandomState(0))
    assert stats.kstest(holes[:, 0], stats.truncnorm(-np.inf, 0.5).cdf).pvalue > 0.01


# what is declared


@pytest.mark.parametrize(
    "relation, message",
    [
        (Order(0, 9), r"relations names 9, which is no column; there are \[0, 1, 2\]"),
        (Order(1, 0), r"relations has 1 <= 0, which \d+ of 300 rows break: leave it out"),
        (Sum(0, [1]), r"relations has 0 = 1, which \d+ of 300 rows break"),
        (Determines(2, 0), r"relations has 2 determines 0, which \d+ of 300 rows break"),
        (Order(0, 2), "relations has 0 <= 2, but 2 holds categories"),
        ("0 <= 1", "relations holds '0 <= 1': give Order, Sum or Determines"),
    ],
)
def test_declared_relations_that_cannot_be(relation, message):
    rng = np.random.default_rng(0)
    table = np.sort(rng.random((300, 3)), axis=1)
    table[:, 2] = rng.integers(0, 4, 300)
    with pytest.raises(ValueError, match=message):
        quantities = ["numbers", "numbers", "categories"]
        RowConstraints.learn(table, np.ones(300), [0, 1, 2], quantities, [relation])
