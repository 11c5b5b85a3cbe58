"""The first look of the detector: which rows look odd, and which of these its densities learn."""

import numpy as np
import pytest

from skmaf.models.first_look import FEWEST_ROWS, FULL_TRUST, FirstLook, tail_oddness
from skmaf.models.row_kinds import BINARY, CLUSTERED, SCATTERED


def cloud(n, seed=0, d=3):
    return np.random.default_rng(seed).standard_normal((n, d))


def look(X, n_categories=None):
    return FirstLook.of(X, np.ones(len(X)), n_categories or [None] * X.shape[1], seed=0)


def test_a_cluster_far_out_hardly_counts():
    X = np.vstack([cloud(380), 0.1 * cloud(20, 1) + 6])
    found = look(X)
    assert found.rows_are == CLUSTERED
    assert (found.trust[-20:] == 0).all()
    assert np.mean(found.trust == 1) == pytest.approx(FULL_TRUST, abs=0.01)


@pytest.mark.parametrize("n_odd", [0, 25])
def test_rows_that_are_odd_each_by_itself_all_count(n_odd):
    X = np.vstack([cloud(500, d=8), 2.5 * cloud(n_odd, 1, d=8)])
    found = look(X)
    assert found.rows_are == SCATTERED
    assert (found.trust == 1).all()


@pytest.mark.parametrize("n_searched", [5000, 600])
def test_a_small_cluster_among_odd_rows_that_lie_alone_does_not_count(n_searched, monkeypatch):
    """Whether each of its rows is among those in which neighbours are searched or not."""
    monkeypatch.setattr("skmaf.models.first_look.SEARCHED_ROWS", n_searched)
    X = np.vstack([cloud(1000, d=8), 0.1 * cloud(14, 1, d=8) + 2])
    found = look(X)
    assert found.rows_are == SCATTERED
    assert (found.trust[-14:] == 0).all()
    assert (found.trust[:1000] == 1).all()


@pytest.mark.parametrize("n_copies", [5, 10])
def test_copies_of_one_odd_row_do_not_count(n_copies):
    X = np.vstack([cloud(500, d=8), np.full((n_copies, 8), 4.0)])
    found = look(X)
    assert found.rows_are == SCATTERED
    assert (found.trust[-n_copies:] == 0).all()


@pytest.mark.parametrize("n, rows_are", [(199, CLUSTERED), (200, SCATTERED)])
def test_a_small_table_is_trimmed_whatever_is_seen(n, rows_are):
    found = look(cloud(n, d=8))
    assert found.rows_are == rows_are
    assert (found.trust < 1).any() == (rows_are == CLUSTERED)


@pytest.mark.parametrize("n_flags, is_binary", [(0, False), (8, False), (9, True), (10, True)])
def test_binary_rows_are_not_looked_at(n_flags, is_binary):
    """Whatever the two values of a column are."""
    X = cloud(300, d=10)
    X[:, :n_flags] = X[:, :n_flags] > 1
    for step in (1, 50):
        X[:, :n_flags] *= step
        found = look(X)
        assert (found.rows_are == BINARY) == is_binary
        assert (found.trust == 1).all() or not is_binary


@pytest.mark.parametrize("n_categories, rows_are", [(2, BINARY), (3, SCATTERED)])
def test_rows_of_categories_are_not_looked_at(n_categories, rows_are):
    codes = np.random.default_rng(0).integers(n_categories, size=(300, 4))
    found = look(codes.astype(float), [n_categories] * 4)
    assert found.rows_are == rows_are
    assert (found.trust == 1).all()


def test_a_category_of_many_is_one_column_beside_measures():
    codes = np.random.default_rng(0).integers(20, size=300)
    X = np.column_stack([cloud(300, d=2), codes])
    X[:20, :2] = 8 + 0.1 * cloud(20, 1, d=2)
    found = look(X, [None, None, 20])
    assert found.rows_are == CLUSTERED
    assert (found.trust[:20] < 1).all()


def test_equal_rows_count_the_same():
    trust = look(np.repeat(cloud(30), 3, axis=0)).trust.reshape(30, 3)
    assert (trust == trust[:, :1]).all()
    assert (look(np.repeat(cloud(1), 40, axis=0)).trust == 1).all()


def test_few_rows_all_count():
    assert (look(cloud(FEWEST_ROWS - 1)).trust == 1).all()
    assert (look(np.zeros((20, 2))).trust == 1).all()


@pytest.mark.parametrize("n", [40, 4000])
def test_rows_of_which_none_is_the_oddest_can_be_looked_at(n):
    """The rarest of three values is shared by a fifth of the rows."""
    found = look(np.repeat([0.0, 1.0, 5.0], [n // 2, n // 2 - n // 5, n // 5])[:, None])
    assert found.rows_are == CLUSTERED
    assert (found.trust[-n // 5 :] < 1).all()


def test_missing_cells_and_rare_categories_can_be_looked_at():
    X = cloud(180)
    X[::7, 1] = np.nan
    X[:, 2] = np.arange(180) % 3
    X[:4, 2] = 3  # a category that four rows have, far out in another column, too
    X[:4, 0] = 5
    assert (look(X, [None, None, 4]).trust[:4] < 0.1).all()


def test_tails_are_counted_on_the_side_of_the_skew():
    x = np.exp(cloud(500, d=1))
    oddness = tail_oddness(x)
    assert oddness.argmax() == x.argmax()
    assert tail_oddness(-x).argmax() == x.argmax()
    n = len(x)
    assert oddness.max() == pytest.approx(np.log(n))


def test_most_rows_of_a_category_are_learned_from():
    """However odd they are beside all others; a category of few rows is not spared."""
    rng = np.random.default_rng(0)
    n = 400
    codes = np.select([np.arange(n) < 24, np.arange(n) < 27], [1.0, 2.0], 0.0)
    X = np.column_stack([codes, rng.standard_normal((n, 3)) + 3 * (codes > 0)[:, None]])
    alone = look(X[:, 1:]).trust
    assert (alone[codes == 1] == 0).mean() > 0.5
    kept = look(X, [3, None, None, None]).trust
    assert (kept[codes == 1] == 1).mean() >= 0.65
    assert (kept[codes == 1] > 0).mean() >= 0.9
    assert kept[codes == 2].max() < 0.5


def test_rare_values_of_two_are_no_oddity():
    """A flag that a twentieth of the rows has, whatever else they hold: as good as without it."""
    X = cloud(400)
    flag = np.random.default_rng(1).random(400) < 0.05
    with_flag = np.column_stack([X, flag])
    for n_categories in (None, 2):
        trust = look(with_flag, [None] * 3 + [n_categories]).trust
        assert abs(trust[flag].mean() - trust[~flag].mean()) < 0.1
