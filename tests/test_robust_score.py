"""The score of rows where anomalies may lie together."""

import numpy as np
import pytest
from scipy.stats import iqr, kendalltau

from skmaf import DensityOutlierDetector, MultiscaleDensity
from skmaf.models.robust_score import (
    COARSE_WEIGHT,
    FOREST_WEIGHT,
    _say,
    robust_scores,
)


def cloud(n, seed=0, d=3):
    return np.random.default_rng(seed).standard_normal((n, d))


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


def test_robust_scores_are_those_of_the_network_lowered_by_two_looks(densities):
    made, X, held_out = densities
    scores = robust_scores(made, X, held_out, seed=0)
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
    scores = robust_scores(made[:1] * 2, same, held_out, seed=0)
    assert np.isfinite(scores[0].log_prob(X)).all()
    assert (scores[0].weights == 0).all()


def test_the_more_rows_for_each_column_the_less_the_looks_say(densities, monkeypatch):
    made, X, held_out = densities
    X = np.where(np.arange(100)[:, None] % 9 == 0, 3 * X, X)  # some that the forest isolates
    say = []
    for rows_per_column in (1e9, len(X) / 3, len(X) / 12):
        monkeypatch.setattr("skmaf.models.robust_score.ROWS_PER_COLUMN", rows_per_column)
        say.append(robust_scores(made, X, held_out, seed=0)[0].weights)
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
