"""An interrupt at any point of `fit` leaves an estimator as it was before, or usable."""

import inspect
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from short_fits import shorten_detector
from sklearn.exceptions import NotFittedError
from sklearn.neighbors import KernelDensity
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import check_is_fitted

import skmaf
import skmaf.training.loop
from skmaf import (
    ConditionalMAFDensity,
    DensityOutlierDetector,
    MAFClassifier,
    MAFDensity,
    MultiscaleDensity,
)

PACKAGE = str(Path(skmaf.__file__).parent)
N_POINTS = 16
TINY = {"n_layers": 1, "hidden_layer_sizes": (8,), "max_iter": 2, "random_state": 0}
ESTIMATORS = {
    "MAFDensity": MAFDensity(**TINY),
    "MultiscaleDensity": MultiscaleDensity(max_iter=3, hidden_layer_sizes=(8,), random_state=0),
    "ConditionalMAFDensity": ConditionalMAFDensity(**TINY),
    "MAFClassifier": MAFClassifier(**TINY),
    "detector": DensityOutlierDetector(MAFDensity(**TINY), n_folds=2, random_state=0),
    "detector of a pipeline": DensityOutlierDetector(
        make_pipeline(StandardScaler(), KernelDensity()), n_folds=2, random_state=0
    ),
}

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*interrupted:UserWarning", "ignore::sklearn.exceptions.ConvergenceWarning"
)


class Calls:
    """Counts the calls of skmaf's functions, and raises an error at one of them."""

    def __init__(self, at=None, error=KeyboardInterrupt):
        self.at = at
        self.error = error
        self.count = 0

    def __call__(self, frame, event, argument):
        code = frame.f_code
        # what is raised in a generator that is thrown away reaches nobody
        is_generator = code.co_flags & inspect.CO_GENERATOR
        if event == "call" and code.co_filename.startswith(PACKAGE) and not is_generator:
            self.count += 1
            if self.count == self.at:
                raise self.error

    def __enter__(self):
        sys.setprofile(self)
        return self

    def __exit__(self, *error):
        sys.setprofile(None)


def table(name):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((40, 2))
    y = (X[:, 0] > 0).astype(int)
    return (X, y) if name in ("ConditionalMAFDensity", "MAFClassifier") else (X, None)


def fresh(name):
    return ESTIMATORS[name].__class__(**ESTIMATORS[name].get_params(deep=False))


@pytest.mark.slow
@pytest.mark.parametrize("name", ESTIMATORS)
def test_an_interrupt_leaves_no_half_fitted_estimator(name):
    X, y = table(name)
    with Calls() as calls:
        fresh(name).fit(X, y)
    points = np.unique(np.linspace(1, calls.count, N_POINTS).astype(int))
    outcomes = set()
    for point in points:
        estimator = fresh(name)
        try:
            with Calls(point):
                estimator.fit(X, y)
        except KeyboardInterrupt:
            outcomes.add("as before")
            with pytest.raises(NotFittedError):
                check_is_fitted(estimator)
            assert not [key for key in vars(estimator) if key.endswith("_")]
        else:
            outcomes.add("usable")
            check_is_fitted(estimator)
            assert np.isfinite(estimator.score_samples(X)).all()
    assert "as before" in outcomes


@pytest.mark.slow
@pytest.mark.parametrize("name", ESTIMATORS)
def test_an_interrupted_refit_leaves_the_fit_before(name):
    X, y = table(name)
    estimator = fresh(name).fit(X, y)
    before = estimator.score_samples(X)
    with Calls() as calls:
        fresh(name).fit(X[::2], None if y is None else y[::2])
    for point in np.linspace(1, calls.count, 8).astype(int):
        try:
            with Calls(point):
                estimator.fit(X[::2], None if y is None else y[::2])
        except KeyboardInterrupt:
            np.testing.assert_array_equal(estimator.score_samples(X), before)
        else:
            estimator = fresh(name).fit(X, y)


def interrupt_training(monkeypatch, at):
    """Raise KeyboardInterrupt at this epoch of all trainings together."""
    genuine = skmaf.training.loop._run_epoch
    epochs = []

    def run_epoch(*args):
        epochs.append(None)
        if len(epochs) == at:
            raise KeyboardInterrupt
        return genuine(*args)

    monkeypatch.setattr("skmaf.training.loop._run_epoch", run_epoch)


def test_an_interrupted_training_keeps_its_best_weights(monkeypatch, rows):
    interrupt_training(monkeypatch, at=3)
    with pytest.warns(UserWarning, match="Training was interrupted after 2 epochs"):
        density = MAFDensity(**{**TINY, "max_iter": 9}).fit(rows)
    assert len(density.loss_curve_) == 2 and np.isfinite(density.score(rows))


@pytest.mark.slow
@pytest.mark.parametrize(
    "estimator",
    [MAFDensity(**TINY), make_pipeline(StandardScaler(), MAFDensity(**TINY))],
    ids=["bare", "pipeline"],
)
def test_an_interrupt_stops_the_detector_with_the_folds_that_are_done(monkeypatch, rows, estimator):
    interrupt_training(monkeypatch, at=6)  # the second epoch of the third fold
    detector = DensityOutlierDetector(estimator, random_state=0)
    with pytest.warns(UserWarning, match="interrupted after 2 of 5 folds; the detector consists"):
        detector.fit(rows)
    assert len(detector.estimators_) == 2
    assert len(detector.calibration_.scores) == 80  # rows of the other folds were learned
    assert detector.p_values(rows).min() > 0 and set(detector.predict(rows)) == {-1, 1}
    monkeypatch.undo()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        whole = DensityOutlierDetector(estimator, random_state=0).fit(rows)
    # the folds that are done are those of an uninterrupted fit
    for one, other in zip(detector.densities_, whole.densities_):
        np.testing.assert_array_equal(one.log_prob(rows), other.log_prob(rows))


def test_an_interrupt_in_the_first_fold_reaches_the_user(monkeypatch, rows):
    interrupt_training(monkeypatch, at=2)
    detector = DensityOutlierDetector(MAFDensity(**TINY), random_state=0)
    with pytest.raises(KeyboardInterrupt):
        detector.fit(rows)
    with pytest.raises(NotFittedError):
        check_is_fitted(detector)


@pytest.mark.parametrize("at, n_done", [(2, 0), (10, 3)])
def test_the_default_densities_stop_too(monkeypatch, rows, at, n_done):
    """Three are trained side by side, for 6 steps, and then two."""
    from skmaf.flows.mixture import MixtureStack

    shorten_detector(monkeypatch, 6)
    genuine = MixtureStack.log_prob
    steps = []

    def log_prob(self, x, context):
        steps.append(None)
        if len(steps) == at:
            raise KeyboardInterrupt
        return genuine(self, x, context)

    monkeypatch.setattr(MixtureStack, "log_prob", log_prob)
    detector = DensityOutlierDetector(random_state=0)
    if n_done == 0:
        with pytest.raises(KeyboardInterrupt):
            detector.fit(rows)
        return
    with pytest.warns(UserWarning, match="interrupted after 3 of 5 folds"):
        detector.fit(rows)
    assert len(detector.densities_) == 3 and np.isfinite(detector.score_samples(rows)).all()
