"""DensityDetector beside PyOD's own detectors."""

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from skmaf import DensityOutlierDetector, MAFDensity

pytest.importorskip("pyod", reason="needs PyOD, of the extra 'pyod'")

from pyod.models.base import BaseDetector
from pyod.models.knn import KNN
from pyod.models.lscp import LSCP

from skmaf.pyod import DensityDetector

SMALL = MAFDensity(n_layers=1, hidden_layer_sizes=(8,), max_iter=5, early_stopping=False)


def small_detector(**parameters):
    return DensityDetector(
        DensityOutlierDetector(SMALL, n_folds=2), **{"random_state": 0, **parameters}
    )


@pytest.fixture(scope="module")
def tables():
    rng = np.random.default_rng(0)
    usual = rng.normal(size=(190, 3))
    odd = rng.normal(size=(10, 3)) + [6.0, -6.0, 6.0]
    return np.vstack([usual, odd]), rng.normal(size=(50, 3)) * 2


@pytest.fixture(scope="module")
def fitted(tables):
    return small_detector(contamination=0.05).fit(tables[0])


def test_scores_are_those_of_skmaf_with_the_other_sign(fitted, tables):
    X, new = tables
    ours = DensityOutlierDetector(SMALL, n_folds=2, random_state=0).fit(X)
    np.testing.assert_array_equal(fitted.decision_scores_, -ours.score_samples(X))
    np.testing.assert_array_equal(fitted.decision_function(new), -ours.score_samples(new))
    order = fitted.decision_function(new).argsort()
    np.testing.assert_array_equal(order, ours.decision_function(new).argsort()[::-1])
    np.testing.assert_array_equal(fitted.detector_.p_values(new), ours.p_values(new))


def test_labels_and_threshold_are_those_of_pyod(fitted, tables):
    X, new = tables
    assert isinstance(fitted, BaseDetector)
    assert fitted.labels_.sum() == 10
    assert fitted.labels_[190:].all()
    np.testing.assert_array_equal(fitted.labels_, fitted.decision_scores_ > fitted.threshold_)
    expected = fitted.decision_function(new) > fitted.threshold_
    np.testing.assert_array_equal(fitted.predict(new), expected)


@pytest.mark.parametrize("method", ["linear", "unify"])
def test_probabilities(fitted, tables, method):
    X, new = tables
    proba, confidence = fitted.predict_proba(new, method=method, return_confidence=True)
    assert proba.shape == (50, 2)
    np.testing.assert_allclose(proba.sum(axis=1), 1)
    assert ((proba >= 0) & (proba <= 1)).all()
    order = fitted.decision_function(new).argsort()
    assert (np.diff(proba[order, 1]) >= 0).all()
    assert ((confidence >= 0) & (confidence <= 1)).all()
    np.testing.assert_array_equal(confidence, fitted.predict_confidence(new))


def test_among_other_detectors(tables):
    """PyOD's own ensemble clones, fits and asks it as it does its own."""
    X, new = tables
    ensemble = LSCP([small_detector(), KNN()], n_bins=2, random_state=0, contamination=0.05).fit(X)
    assert ensemble.labels_[190:].all()
    assert ensemble.decision_function(new).shape == (50,)


def test_combined_scores(fitted, tables):
    combination = pytest.importorskip("pyod.models.combination", exc_type=ImportError)
    X, new = tables
    scores = np.column_stack([fitted.decision_scores_, KNN().fit(X).decision_scores_])
    assert set(combination.average(scores).argsort()[-10:]) == set(range(190, 200))
    assert set(combination.maximization(scores).argsort()[-10:]) == set(range(190, 200))


def test_frames_with_categories_and_missing_cells():
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"x": rng.normal(size=80), "kind": rng.choice(["a", "b"], 80)})
    table.loc[::9, "x"] = np.nan
    detector = small_detector().fit(table)
    assert detector.predict_proba(table).shape == (80, 2)
    assert np.isfinite(detector.decision_scores_).all()


def test_parameters(fitted, tables):
    copied = clone(fitted)
    assert not hasattr(copied, "detector_")
    assert copied.set_params(detector__n_folds=3).detector.n_folds == 3
    assert fitted.detector.n_folds == 2
    assert fitted.detector.random_state is None
    seeded = small_detector(random_state=1)
    seeded.set_params(detector__random_state=0).fit(tables[0])
    np.testing.assert_array_equal(seeded.decision_scores_, fitted.decision_scores_)
    unpickled = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(
        unpickled.decision_function(tables[1]), fitted.decision_function(tables[1])
    )
    with pytest.raises(ValueError, match="contamination"):
        small_detector(contamination=0.7)


def test_a_thresholding_object(tables):
    """PyOD asks the objects of PyThresh for labels in place of a share."""

    class Largest:
        def fit(self, scores):
            self.thresh_ = np.sort(scores)[-4]
            self.labels_ = self.predict(scores)
            return self

        def predict(self, scores):
            return (scores > self.thresh_).astype(int)

        def eval(self, scores):  # what PyOD 2 asks
            return self.fit(scores).labels_

    assert small_detector(contamination=Largest()).fit(tables[0]).labels_.sum() == 3


def test_in_the_adapter_of_sktime(tables):
    """It clones and fits the detector; what its `predict` gives is wrong for any of PyOD's.

    (sktime 1.2 gives labels where positions are due.)
    """
    pytest.importorskip("sktime", reason="needs sktime, which is in no extra")
    from sktime.detection.adapters import PyODDetector

    X = pd.DataFrame(tables[0])
    adapter = PyODDetector(small_detector(contamination=0.05)).fit(X)
    assert len(adapter.predict(X)) == 10
    assert adapter.estimator_.labels_[190:].all()
