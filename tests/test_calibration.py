"""Thresholds and conformal p-values: what they promise, by counting and by simulation."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from short_fits import shorten_detector
from sklearn.datasets import load_breast_cancer, load_digits, load_wine
from sklearn.decomposition import PCA
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import KernelDensity
from sklearn.preprocessing import scale

from skmaf import DensityOutlierDetector
from skmaf.inference.calibration import Calibration

SEEDS = range(25)
N_REST = 200  # rows to score


def simple(scores=(-3.0, -1.0, -1.0, 2.0)):
    return Calibration(np.array(scores), np.ones(len(scores)))


def test_p_values_count_rows_that_score_no_higher():
    scores = np.array([-9.0, -3.0, -2.0, -1.0, 5.0])
    np.testing.assert_allclose(simple().p_values(scores), np.array([1, 2, 2, 4, 5]) / 5)


def test_weights_count_like_rows():
    weighted = Calibration(np.array([0.0, 1.0, 2.0]), np.array([2.0, 1.0, 3.0]))
    repeated = Calibration(np.array([0.0, 0, 1, 2, 2, 2]), np.ones(6))
    scores = np.linspace(-1, 3, 9)
    np.testing.assert_allclose(weighted.p_values(scores), repeated.p_values(scores))
    for rate in (0.3, 0.5, 0.9):
        assert weighted.threshold(rate) == repeated.threshold(rate)


def test_p_values_fall_with_the_score_and_quantiles_are_shares_of_the_weight():
    weighted = Calibration(np.array([3.0, 0.0, 1.0]), np.array([2.0, 1.0, 1.0]))
    assert (np.diff(weighted.p_values(np.linspace(-1, 4, 50))) >= 0).all()
    scores = np.random.default_rng(0).normal(size=101)
    plain = Calibration(scores, np.ones(101))
    for share in (0.02, 0.25, 0.5):
        assert plain.quantile(share) == pytest.approx(np.quantile(scores, share), abs=1e-6)


THRESHOLDS = [
    (0.01, -3.0),
    (0.2, -3.0),
    (0.39, -3.0),
    (0.4, -1.0),
    (0.6, -1.0),
    (0.8, 2.0),
    (0.99, 2.0),
]


@pytest.mark.parametrize("rate, expected", THRESHOLDS)
def test_threshold_lets_as_many_rows_below_as_the_rate_allows(rate, expected):
    # rows that tie with it are not below
    assert expected - 1e-6 < simple().threshold(rate) < expected


ROWS = st.lists(st.tuples(st.integers(-5, 5), st.integers(1, 3)), min_size=1, max_size=20)


def calibration_of(pairs):
    """Return a `Calibration` of pairs of a score and a weight, and the pairs as an array."""
    rows = np.array(pairs, dtype=float)
    return Calibration(rows[:, 0], rows[:, 1]), rows


@given(ROWS, st.integers(-6, 6))
def test_p_values_are_shares_of_the_weight(pairs, score):
    """Of all rows, the new one included, those that score no higher."""
    made, rows = calibration_of(pairs)
    expected = (rows[rows[:, 0] <= score, 1].sum() + 1) / (rows[:, 1].sum() + 1)
    assert made.p_values(np.array([float(score)])) == pytest.approx(expected)
    assert made.total == rows[:, 1].sum()
    assert made.finest_rate == pytest.approx(1 / (1 + rows[:, 1].sum()))


@given(st.lists(st.integers(-5, 5), min_size=1, max_size=20), st.floats(0.01, 0.99))
def test_threshold_is_the_highest_score_that_keeps_the_rate(scores, rate):
    scores = np.array(scores, dtype=float)
    made = Calibration(scores, np.ones(len(scores)))
    threshold = made.threshold(rate)
    allowed = max(rate, made.finest_rate) + 1e-9
    below = [np.mean(np.append(scores < score, True)) for score in np.unique(scores)]
    expected = np.unique(scores)[np.flatnonzero(np.array(below) <= allowed)[-1]]
    assert threshold == pytest.approx(expected, abs=1e-6)


@given(ROWS, st.floats(0.01, 0.99))
def test_threshold_keeps_the_rate_whatever_rows_weigh(pairs, rate):
    made, rows = calibration_of(pairs)
    threshold = made.threshold(rate)
    assert np.abs(rows[:, 0] - threshold).min() < 1e-6
    weight = rows[rows[:, 0] < threshold, 1].sum()
    assert (weight + 1) / (made.total + 1) <= max(rate, made.finest_rate) + 1e-9


def test_threshold_where_the_lowest_row_weighs_more_than_is_allowed():
    made = Calibration(np.array([-2.0, 0.0, 3.0]), np.array([1.5, 0.7, 0.8]))
    assert made.threshold(0.01) == pytest.approx(-2.0, abs=1e-6)


@given(ROWS)
def test_a_calibration_is_frozen_and_can_be_made_again_from_its_attributes(pairs):
    made, _ = calibration_of(pairs)
    again = Calibration(made.scores, made.weights)
    scores = np.linspace(-6, 6, 13)
    assert np.array_equal(again.p_values(scores), made.p_values(scores))
    assert again.threshold(0.3) == made.threshold(0.3)
    assert (np.diff(made.scores) >= 0).all()
    with pytest.raises(dataclasses.FrozenInstanceError):
        made.scores = []


TABLES = {
    "normal": lambda: np.random.default_rng(0).standard_normal((2000, 3)),
    "wine": lambda: scale(load_wine().data)[:, :6],
    "breast cancer": lambda: scale(load_breast_cancer().data)[:, :8],
    "digits": lambda: PCA(6, random_state=0).fit_transform(load_digits().data),
}
DENSITIES = {
    "kernel": KernelDensity(bandwidth=0.5),
    "too sure": GaussianMixture(8, reg_covar=1e-4, tol=0.03, random_state=0),
}


def fitted_and_rest(X, density, n, seed, **parameters):
    """Return a detector of n rows, in an order of the seed's, and other rows to score."""
    X = X[np.random.default_rng(seed).permutation(len(X))]
    detector = DensityOutlierDetector(density, random_state=seed, **parameters)
    return detector.fit(X[:n]), X[n : n + N_REST]


@pytest.mark.slow
@pytest.mark.parametrize("n_folds", [2, 5])
@pytest.mark.parametrize("density", DENSITIES)
@pytest.mark.parametrize("name", TABLES)
def test_false_alarms_are_no_more_than_promised(name, density, n_folds):
    """At the threshold of "auto", at another rate, and by p-values.

    The means over seeds are compared, within three standard errors.
    """
    X = TABLES[name]()
    alarms = []
    for seed in SEEDS:
        detector, rest = fitted_and_rest(X, DENSITIES[density], 100, seed, n_folds=n_folds)
        auto = np.mean(detector.predict(rest) == -1)
        at_20 = np.mean(detector.set_threshold(rate=0.2).predict(rest) == -1)
        p_values = detector.p_values(rest)
        alarms.append([auto, at_20, *(np.mean(p_values <= rate) for rate in (0.05, 0.1, 0.2))])
    excess = np.mean(alarms, axis=0) - [0.05, 0.2, 0.05, 0.1, 0.2]
    assert (excess <= 3 * stats.sem(alarms)).all()


@pytest.mark.slow
@pytest.mark.parametrize("n_folds", [2, 5])
def test_the_choice_of_noise_levels_raises_no_false_alarms(n_folds, monkeypatch):
    """Of the default density, whose noise levels validation rows choose, over 8 seeds."""
    shorten_detector(monkeypatch, 20)
    X = TABLES["breast cancer"]()
    alarms = []
    for seed in range(8):
        detector, rest = fitted_and_rest(X, None, 100, seed, n_folds=n_folds)
        p_values = detector.p_values(rest)
        alarms.append([np.mean(p_values <= rate) for rate in (0.1, 0.2)])
    assert (np.mean(alarms, axis=0) - [0.1, 0.2] <= 3 * stats.sem(alarms)).all()


@pytest.mark.parametrize("n_folds", [2, 5])
def test_p_values_are_not_idle(n_folds):
    """Nor are there far fewer false alarms than promised."""
    shares = []
    for seed in SEEDS:
        detector, rest = fitted_and_rest(
            TABLES["normal"](), DENSITIES["kernel"], 100, seed, n_folds=n_folds
        )
        shares.append(np.mean(detector.p_values(rest) <= 0.2))
    assert np.mean(shares) == pytest.approx(0.2, abs=0.04)


@pytest.mark.slow
@pytest.mark.parametrize("n_folds", [2, 5])
def test_false_discoveries_are_no_more_than_promised(n_folds):
    X = TABLES["normal"]()
    wrong = []
    found = []
    for seed in SEEDS:
        detector, rest = fitted_and_rest(X, DENSITIES["kernel"], 400, seed, n_folds=n_folds)
        outliers = np.random.default_rng(seed).standard_normal((22, 3)) + 4.5
        selected = detector.select(np.vstack([rest, outliers]), fdr=0.2)
        wrong.append(selected[:N_REST].sum() / max(1, selected.sum()))
        found.append(selected[N_REST:].mean())
    assert np.mean(wrong) <= 0.2 + 3 * stats.sem(wrong)
    assert np.mean(found) > 0.9


def test_fit_on_normal_rows_gives_p_values_that_single_out_others():
    detector, rest = fitted_and_rest(TABLES["normal"](), DENSITIES["kernel"], 200, 0)
    assert detector.p_values(np.full((1, 3), 9.0)) == pytest.approx(1 / 201)


def test_threshold_by_score():
    detector, rest = fitted_and_rest(TABLES["normal"](), DENSITIES["kernel"], 200, 0)
    assert detector.set_threshold(score=-4.0).offset_ == -4.0
    assert np.array_equal(detector.predict(rest) == -1, detector.score_samples(rest) < -4)


def test_threshold_by_labelled_rows_has_the_best_balanced_accuracy():
    detector, rest = fitted_and_rest(TABLES["normal"](), DENSITIES["kernel"], 100, 0)
    X = np.vstack([rest[:80], rest[180:] + 2])
    y = np.repeat([1, -1], [80, 20])

    def accuracy():
        wrong = detector.predict(X) != y
        return 1 - (wrong[:80].mean() + wrong[80:].mean()) / 2

    scores = detector.score_samples(X)
    best = max(accuracy() for score in scores if detector.set_threshold(score=score))
    detector.set_threshold(labelled=(X, y))
    assert accuracy() == pytest.approx(best)


@pytest.mark.parametrize(
    "threshold, message",
    [
        ({}, "exactly one"),
        ({"rate": 0.1, "score": 0.0}, "exactly one"),
        ({"rate": 1.5}, "rate must be"),
        ({"rate": 0.001}, "finer than the calibration rows"),
        ({"labelled": (np.zeros((2, 3)), [1, 1])}, "Labels"),
    ],
)
def test_bad_thresholds(threshold, message):
    detector, _ = fitted_and_rest(TABLES["normal"](), DENSITIES["kernel"], 100, 0)
    with pytest.raises(ValueError, match=message):
        detector.set_threshold(**threshold)


@pytest.mark.parametrize("fdr", [0, 1, -0.1, "low"])
def test_bad_fdr(fdr):
    detector, rest = fitted_and_rest(TABLES["normal"](), DENSITIES["kernel"], 100, 0)
    with pytest.raises(ValueError, match="fdr must be"):
        detector.select(rest, fdr=fdr)


def test_scores_that_differ_by_rounding_tie():
    """An estimator may round a row that is alone in another way than one among others."""
    scores = np.sort(np.random.default_rng(0).normal(size=50) * 1e4)
    calibration = Calibration(scores, np.ones(50))
    for rounded in (scores * (1 - 1e-12), scores * (1 + 1e-12)):
        np.testing.assert_array_equal(calibration.p_values(rounded), np.arange(2, 52) / 51)
    for threshold in (calibration.threshold(0.1), calibration.quantile(10 / 49)):
        for factor in (1 - 1e-12, 1 + 1e-12):
            np.testing.assert_array_equal(scores * factor < threshold, scores < threshold)
