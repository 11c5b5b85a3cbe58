"""The score of rows of two-valued answers."""

import numpy as np
import pytest
from scipy.stats import iqr
from short_fits import densities_of_halves, shorten_detector
from sklearn.metrics import roc_auc_score

from skmaf import DensityOutlierDetector, MultiscaleDensity, load, save
from skmaf.models.binary_score import COARSE_WEIGHT, BinaryScore, binary_scores
from skmaf.models.trusted_score import TrustedScore


def answers(n=600, seed=0):
    """Rows of twelve answers, of which eight are mostly no."""
    return (np.random.default_rng(seed).random((n, 12)) < np.tile([0.5, 0.1, 0.1], 4)).astype(float)


def auc(X, n_odd, weight, patch):
    """How well the first rows are told from the others, with a weight of the much noise."""
    patch.setattr("skmaf.models.binary_score.COARSE_WEIGHT", weight)
    scores = DensityOutlierDetector(random_state=0).fit(X).score_samples(X)
    return roc_auc_score(np.arange(len(X)) < n_odd, -scores)


def test_rows_of_rare_answers_are_odd_though_some_are_alike(monkeypatch):
    """Of 600 rows 12 have the same four rare answers, which others have one by one."""
    X = answers()
    X[:12, [1, 4, 7, 10]] = 1
    found = auc(X, 12, COARSE_WEIGHT, monkeypatch)
    assert found > 0.95
    assert found > auc(X, 12, 0, monkeypatch)


def test_rows_that_contradict_themselves_are_odd(monkeypatch):
    """One answer is yes if either of two others is, but in 12 rows; much noise alone misses it."""
    X = answers(1000)
    X[:, 3] = np.maximum(X[:, 0], X[:, 6])
    X[:12, 3] = 1 - X[:12, 3]
    found = auc(X, 12, COARSE_WEIGHT, monkeypatch)
    assert found > 0.75
    assert found > auc(X, 12, 10, monkeypatch) + 0.05


def test_much_noise_is_measured_by_its_spread():
    X = answers(200)
    densities, held_out = densities_of_halves(X)
    scores = binary_scores(densities, X, held_out)
    parts = [density.network_log_probs(X[rows]) for density, rows in zip(densities, held_out)]
    own, *_, coarse = np.hstack(parts)
    for score, density in zip(scores, densities):
        assert score.weight * iqr(coarse) == pytest.approx(COARSE_WEIGHT * iqr(own))
        own_there, *_, coarse_there = density.network_log_probs(X)
        expected = own_there + score.weight * (coarse_there - np.median(coarse))
        np.testing.assert_allclose(score.log_prob(X), expected)


def test_rows_of_which_all_are_equal_have_one_log_density():
    X = np.repeat(answers(1), 40, axis=0)
    density = MultiscaleDensity(max_iter=2, hidden_layer_sizes=(8,), random_state=0).fit(X).density_
    [score] = binary_scores([density], X, [np.arange(40)])
    assert score.weight == 0
    assert np.ptp(score.log_prob(X)) == 0


@pytest.mark.parametrize("contamination, kind", [("auto", BinaryScore), (0, TrustedScore)])
def test_the_detector_of_binary_rows(contamination, kind, monkeypatch, tmp_path):
    """Also of text, and with missing cells; files keep it."""
    shorten_detector(monkeypatch, 4)
    X = np.where(answers(100) > 0, "yes", "no").astype(object)
    X[3, 4] = np.nan
    detector = DensityOutlierDetector(contamination=contamination, random_state=0).fit(X)
    assert {type(score) for score in detector.ensemble_.densities} == {kind}
    scores = detector.score_samples(X)
    assert np.isfinite(scores).all()
    save(detector, tmp_path / "detector.skmaf")
    assert np.array_equal(load(tmp_path / "detector.skmaf").score_samples(X), scores)
