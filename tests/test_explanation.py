"""Explanations: the gain by the best value of one cell, in closed form and by planting."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import KernelDensity
from sklearn.preprocessing import scale

from skmaf import DensityOutlierDetector
from skmaf.inference.explanation import FIRST_STEPS, KEPT_VALUES, Explainer, _search

MIXING = np.array([[1.0, 0.0, 0.0], [0.9, 0.4, 0.0], [0.3, -0.5, 0.8]])


@pytest.fixture(scope="module")
def normal():
    """A detector around one Gaussian, and rows of it."""
    X = np.random.default_rng(0).standard_normal((3000, 3)) @ MIXING.T
    return DensityOutlierDetector(GaussianMixture(1), n_folds=1, random_state=0).fit(X), X


def test_gain_in_a_gaussian_is_half_the_squared_conditional_z(normal):
    """Conditional means and variances come from the precision matrix."""
    detector, X = normal
    gaussian = detector.estimators_[0]
    precision = gaussian.precisions_[0]
    scale_given_rest = 1 / np.sqrt(np.diag(precision))
    deviation = (X[:50] - gaussian.means_[0]) @ precision * scale_given_rest**2
    np.testing.assert_allclose(
        detector.explain(X[:50]), 0.5 * (deviation / scale_given_rest) ** 2, atol=0.01
    )
    inside = np.abs(X[:50]).max(axis=1) < 2  # where training rows are dense
    np.testing.assert_allclose(
        detector.expected_values(X[:50])[inside], (X[:50] - deviation)[inside], atol=0.05
    )


def test_units_and_the_order_of_columns_do_not_matter(normal):
    detector, X = normal
    other = DensityOutlierDetector(GaussianMixture(1), n_folds=1, random_state=0).fit(
        X[:, [2, 0, 1]] * [1e3, 1, 1e-2]
    )
    theirs = other.explain(X[:20, [2, 0, 1]] * [1e3, 1, 1e-2])
    np.testing.assert_allclose(detector.explain(X[:20])[:, [2, 0, 1]], theirs, rtol=0.2, atol=0.05)


def test_no_gain_where_the_row_is_as_likely_as_it_gets(normal):
    detector, _ = normal
    mode = detector.estimators_[0].means_
    assert detector.explain(mode) == pytest.approx(np.zeros((1, 3)), abs=1e-9)
    np.testing.assert_array_equal(detector.expected_values(mode), mode)


def test_a_counterfactual_row_gains_what_was_said(normal):
    detector, X = normal
    gains = detector.explain(X[:20])
    expected = detector.expected_values(X[:20])
    for j in range(3):
        changed = X[:20].copy()
        changed[:, j] = expected[:, j]
        np.testing.assert_allclose(
            detector.score_samples(changed) - detector.score_samples(X[:20]),
            gains[:, j],
            atol=1e-9,
        )


@given(st.integers(1, KEPT_VALUES), st.integers(0, 10**6), st.floats(0.001, 10))
def test_search_finds_the_peak(n_values, place, sharpness):
    peaks = np.array([place % n_values, 0, n_values - 1])
    best, position = _search(lambda i: -(np.abs(i - peaks) ** sharpness), n_values, 3)
    np.testing.assert_array_equal(position, peaks)
    np.testing.assert_array_equal(best, 0)


def test_search_takes_few_looks():
    looks = []
    _search(lambda i: looks.extend(i) or -np.abs(i - 700.0), KEPT_VALUES, 1)
    assert len(looks) < 2 * FIRST_STEPS


def test_values_are_those_of_training_rows():
    rng = np.random.default_rng(0)
    X = pd.DataFrame(
        {
            "grid": rng.integers(0, 5, 3000),
            "real": rng.normal(size=3000),
            "text": rng.choice(["a", "b"], 3000),
        }
    )
    grid, real, text = Explainer.learn(X).values
    assert grid.tolist() == [0, 1, 2, 3, 4] and text.tolist() == ["a", "b"]
    assert (
        len(real) <= KEPT_VALUES
        and set(real) <= set(X["real"])
        and {X["real"].min(), X["real"].max()} <= set(real)
    )


def test_cells_of_any_kind():
    """Integers where training rows are real, categories, missing cells, a name that is twice."""
    rng = np.random.default_rng(0)
    kind = rng.choice(["a", "b"], 200)
    number = np.where(kind == "a", 0.5, 7.5) + 0.1 * rng.normal(size=200)
    frame = pd.DataFrame(
        {"number": number, "kind": pd.Categorical(kind), "void": np.nan, "text": [None, *kind[1:]]}
    )
    frame.columns = ["number", "kind", "same", "same"]

    def score(rows):
        return -np.abs(
            rows.iloc[:, 0].astype(float) - np.where(rows.iloc[:, 1] == "a", 0.5, 7.5)
        ).to_numpy()

    rows = frame[kind == "a"].head(3).copy()
    rows["number"] = [8, 8, 8]
    gains, expected = Explainer.learn(frame).counterfactuals(score, rows)
    assert (gains[:, 0] > 7).all() and (gains[:, 1] > 6).all() and (gains[:, 2:] == 0).all()
    assert (np.abs(expected[0] - 0.5) < 0.4).all() and (expected[1] == "b").all()


def test_integers_have_real_counterfactuals(normal):
    detector = DensityOutlierDetector(KernelDensity(), random_state=0).fit(normal[1][:200])
    assert detector.explain(np.array([[1, 1, 2]])) == pytest.approx(
        detector.explain([[1.0, 1.0, 2.0]])
    )


PLANTED = {
    "breast cancer": lambda: load_breast_cancer().data[:, [0, 1, 4, 5, 8, 9]],
    "wine": lambda: load_wine().data[:, :7],
    "diabetes": lambda: load_diabetes().data[:, [0, 2, 3, 4, 5, 8]],
}


@pytest.mark.parametrize(
    "estimator",
    [
        pytest.param(GaussianMixture(1), id="Gaussian"),
        pytest.param(None, id="default", marks=pytest.mark.slow),
    ],
)
@pytest.mark.parametrize("name", PLANTED)
def test_an_altered_cell_ranks_first(name, estimator, monkeypatch):
    """Of the rows that the alteration makes outliers, at least nine in ten."""
    monkeypatch.setattr("skmaf.outlier.N_STEPS", 150)
    X = scale(PLANTED[name]())
    rng = np.random.default_rng(0)
    order = rng.permutation(len(X))
    detector = DensityOutlierDetector(estimator, n_folds=2, random_state=0).fit(X[order[:130]])
    rows = X[order[130:]][:16]
    rows = rows[detector.p_values(rows) > 0.1]
    altered = rng.integers(X.shape[1], size=len(rows))
    rows[np.arange(len(rows)), altered] += rng.choice([-4, 4], len(rows))
    detectable = detector.p_values(rows) < 0.02
    assert detectable.sum() > 6
    first = detector.explain(rows[detectable]).argmax(axis=1)
    assert np.mean(first == altered[detectable]) >= 0.9
