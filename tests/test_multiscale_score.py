"""What scores rows in the folds of the default detector, and which rows are left out at first."""

import numpy as np
import pytest
from scipy.stats import iqr, kendalltau

from skmaf import DensityOutlierDetector, MultiscaleDensity
from skmaf.models.first_look import FEWEST_ROWS, FULL_TRUST, FirstLook, tail_oddness
from skmaf.models.multiscale_score import (
    COARSE_WEIGHT,
    FOREST_WEIGHT,
    _say,
    multiscale_scores,
)


def cloud(n, seed=0, d=3):
    return np.random.default_rng(seed).standard_normal((n, d))


def look(X, n_categories=None):
    return FirstLook.of(X, np.ones(len(X)), n_categories or [None] * X.shape[1], seed=0)


@pytest.fixture(scope="module")
def densities():
    X = cloud(100)
    made = [
        MultiscaleDensity(max_iter=20, hidden_layer_sizes=(16,), random_state=k).fit(X[k::2])
        for k in range(2)
    ]
    return (
        [estimator.density_ for estimator in made],
        X,
        [np.arange(1, 100, 2), np.arange(0, 100, 2)],
    )


def test_a_cluster_far_out_hardly_counts():
    X = np.vstack([cloud(380), 0.1 * cloud(20, 1) + 6])
    found = look(X)
    assert found.sees_clusters
    assert (found.trust[-20:] == 0).all()
    assert np.mean(found.trust == 1) == pytest.approx(FULL_TRUST, abs=0.01)


@pytest.mark.parametrize("n_odd", [0, 25])
def test_rows_that_are_odd_each_by_itself_all_count(n_odd):
    X = np.vstack([cloud(500, d=8), 2.5 * cloud(n_odd, 1, d=8)])
    found = look(X)
    assert not found.sees_clusters
    assert (found.trust == 1).all()


@pytest.mark.parametrize("n_searched", [5000, 600])
def test_a_small_cluster_among_odd_rows_that_lie_alone_does_not_count(n_searched, monkeypatch):
    """Whether each of its rows is among those in which neighbours are searched or not."""
    monkeypatch.setattr("skmaf.models.first_look.SEARCHED_ROWS", n_searched)
    X = np.vstack([cloud(1000, d=8), 0.1 * cloud(14, 1, d=8) + 2])
    found = look(X)
    assert not found.sees_clusters
    assert (found.trust[-14:] == 0).all()
    assert (found.trust[:1000] == 1).all()


def test_copies_of_one_odd_row_do_not_count():
    X = np.vstack([cloud(500, d=8), np.full((10, 8), 4.0)])
    assert (look(X).trust[-10:] == 0).all()


@pytest.mark.parametrize("n, sees_clusters", [(199, True), (200, False)])
def test_a_small_table_is_trimmed_whatever_is_seen(n, sees_clusters):
    found = look(cloud(n, d=8))
    assert found.sees_clusters == sees_clusters
    assert (found.trust < 1).any() == sees_clusters


def test_equal_rows_count_the_same():
    trust = look(np.repeat(cloud(30), 3, axis=0)).trust.reshape(30, 3)
    assert (trust == trust[:, :1]).all()
    assert (look(np.repeat(cloud(1), 40, axis=0)).trust == 1).all()


def test_few_rows_all_count():
    assert (look(cloud(FEWEST_ROWS - 1)).trust == 1).all()
    assert (look(np.zeros((20, 2))).trust == 1).all()


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


def test_trusted_rows_are_scored_by_mixture_and_pool(densities):
    made, X, held_out = densities
    scores = multiscale_scores(True, made, X, held_out, seed=0)
    for score, density in zip(scores, made):
        by_network, by_kernel = density.log_prob_of_parts(X)
        pool = (by_network + by_kernel) / 2
        np.testing.assert_allclose(2 * score.log_prob(X), density.log_prob(X) + pool)


def test_robust_scores_are_those_of_the_network_lowered_by_two_looks(densities):
    made, X, held_out = densities
    scores = multiscale_scores(False, made, X, held_out, seed=0)
    looks = np.concatenate([score.parts(X[rows])[1] for score, rows in zip(scores, held_out)])
    own = [density.network_log_probs(X[rows])[0] for density, rows in zip(made, held_out)]
    own = np.concatenate(own)
    for score, density in zip(scores, made):
        np.testing.assert_allclose(
            score.weights * iqr(looks, axis=0) / iqr(own),
            _say(looks[:, 1]) * np.array([COARSE_WEIGHT, FOREST_WEIGHT]),
        )
        usual = np.median(looks, axis=0)
        own_looks = score.parts(X)[1]
        moved = density.network_log_probs(X)[0] - score.log_prob(X)
        against = np.maximum(usual - own_looks, 0) @ score.weights
        np.testing.assert_allclose(moved, against, atol=1e-12)
        assert (against == 0).any()
        # each look calls rows far from all others odd
        order = np.linalg.norm(X, axis=1)
        assert (np.array([kendalltau(x, -order)[0] for x in own_looks.T]) > 0.5).all()


def test_looks_are_silent_unless_the_forest_isolates_rows():
    scores = np.linspace(-1, 1, 101)
    assert _say(scores) == 0
    assert _say(np.where(scores < 0, 1.4 * scores, scores)) == 0
    assert _say(np.where(scores < 0, 2 * scores, scores)) == pytest.approx(0.5)
    assert _say(np.where(scores < 0, 3 * scores, scores)) == 1
    assert _say(np.where(scores > 0, 3 * scores, scores)) == 0  # no row is too normal
    assert _say(np.where(scores < -0.8, scores, 0)) == 1
    assert _say(np.zeros(10)) == 0


def test_the_network_says_what_it_does_at_each_noise_level(densities):
    """The mean density is that of levels, each as often; without a kernel it is the density."""
    [density, _], X, _ = densities
    mean, *of_levels = density.network_log_probs(X)
    np.testing.assert_allclose(np.exp(mean), np.exp(of_levels).mean(axis=0))
    np.testing.assert_allclose(mean, density.log_prob_of_parts(X)[0])
    assert len(of_levels) == len(density.noise_levels)


def test_a_look_that_tells_no_rows_apart_has_no_say(densities):
    made, X, held_out = densities
    same = np.repeat(X[:1], 100, axis=0)
    scores = multiscale_scores(False, made[:1] * 2, same, held_out, seed=0)
    assert np.isfinite(scores[0].log_prob(X)).all()
    assert (scores[0].weights == 0).all()


def test_the_more_rows_for_each_column_the_less_the_looks_say(densities, monkeypatch):
    made, X, held_out = densities
    X = np.where(np.arange(100)[:, None] % 9 == 0, 3 * X, X)  # some that the forest isolates
    say = []
    for rows_per_column in (1e9, len(X) / 3, len(X) / 12):
        monkeypatch.setattr("skmaf.models.multiscale_score.ROWS_PER_COLUMN", rows_per_column)
        say.append(multiscale_scores(False, made, X, held_out, seed=0)[0].weights)
    assert (say[0] > 0).all()
    np.testing.assert_allclose(say[1], say[0])
    np.testing.assert_allclose(say[2], say[0] / 4)


@pytest.mark.slow
def test_a_cluster_of_anomalies_cannot_vouch_for_itself():
    """A twentieth of the table in a tight cluster: found by default, not by trust in all rows."""
    found = []
    for contamination in ("auto", 0):
        X = np.vstack([cloud(475, d=4), 0.05 * cloud(25, 1, d=4) + 3])
        detector = DensityOutlierDetector(contamination=contamination, random_state=0).fit(X)
        found.append(
            np.mean(detector.score_samples(X)[:475] > detector.score_samples(X)[-25:].max())
        )
    assert found[0] > 0.9 and found[1] < 0.5


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
