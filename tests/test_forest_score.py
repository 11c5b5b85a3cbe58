"""The score of rows where anomalies may lie together."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import iqr, kendalltau
from short_fits import densities_of_halves

from skmaf import DensityOutlierDetector, MultiscaleDensity
from skmaf.models.forest_score import FOREST_WEIGHT, _say, forest_scores


def cloud(n, seed=0, d=3):
    return np.random.default_rng(seed).standard_normal((n, d))


@pytest.fixture(scope="module")
def densities():
    X = cloud(100)
    made, held_out = densities_of_halves(X)
    return made, X, held_out


def test_scores_are_those_of_the_network_lowered_by_a_forest(densities):
    made, X, held_out = densities
    scores = forest_scores(made, X, held_out, seed=0)
    parts = [score.parts(X[rows]) for score, rows in zip(scores, held_out)]
    own, isolation = map(np.concatenate, zip(*parts))
    for score, density in zip(scores, made):
        weight = FOREST_WEIGHT * _say(isolation) * iqr(own) / iqr(isolation)
        assert score.weight == pytest.approx(weight)
        own_isolation = score.parts(X)[1]
        moved = density.network_log_probs(X)[0] - score.log_prob(X)
        against = np.maximum(np.median(isolation) - own_isolation, 0) * score.weight
        np.testing.assert_allclose(moved, against, atol=1e-12)
        assert (against == 0).any()
        # it calls rows far from all others odd
        assert kendalltau(own_isolation, -np.linalg.norm(X, axis=1))[0] > 0.5


def test_the_forest_sees_measures_only():
    """Neither categories nor columns of two values: their rarer value is no oddity."""
    X = cloud(60)
    table = pd.DataFrame({"x": X[:, 0], "flag": X[:, 1] > 1, "two": np.where(X[:, 2] > 1, 7, 5)})
    estimator = MultiscaleDensity(max_iter=2, hidden_layer_sizes=(8,), random_state=0).fit(table)
    N, _ = estimator.codec_.encode(table)
    [score] = forest_scores([estimator.density_], N, [np.arange(30)], seed=0)
    changed = N.copy()
    changed[:, 1:] = changed[::-1, 1:]
    assert (score.parts(changed)[1] == score.parts(N)[1]).all()
    assert {tree.n_features for tree in score.forest.trees} == {1}


def test_the_forest_is_silent_unless_it_isolates_rows():
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


def test_a_forest_that_tells_no_rows_apart_has_no_say(densities):
    made, X, held_out = densities
    same = np.repeat(X[:1], 100, axis=0)
    scores = forest_scores(made[:1] * 2, same, held_out, seed=0)
    assert np.isfinite(scores[0].log_prob(X)).all()
    assert scores[0].weight == 0


def test_the_more_rows_for_each_column_the_less_the_forest_says(densities, monkeypatch):
    made, X, held_out = densities
    X = np.where(np.arange(100)[:, None] % 9 == 0, 3 * X, X)  # some that the forest isolates
    say = []
    for rows_per_column in (1e9, len(X) / 3, len(X) / 12):
        monkeypatch.setattr("skmaf.models.forest_score.ROWS_PER_COLUMN", rows_per_column)
        say.append(forest_scores(made, X, held_out, seed=0)[0].weight)
    assert say[0] > 0
    assert say[1:] == pytest.approx([say[0], say[0] / 4])


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
