"""Faults in the midst of a fit: after them an estimator is fitted and sound, or as before."""

import contextlib
import os
import pickle
import subprocess
import sys

import numpy as np
import pytest
from sklearn.base import BaseEstimator, DensityMixin
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted
from test_interrupts import ESTIMATORS, Calls, fresh, table

import skmaf
from skmaf import DensityOutlierDetector, MAFDensity, VariationalFlow
from skmaf.flows.mixture import MixtureStack
from skmaf.training.optimiser import FlowOptimiser

OF_SKMAF = [name for name in ESTIMATORS if name != "detector of a pipeline"]

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore:k-hat"),
]


def disturb(monkeypatch, disturbance, at):
    """Let a function change the weights of the loss at some steps of all trainings together.

    Returns the list of steps that were taken.
    """
    step_of_flow = FlowOptimiser.step
    log_prob_of_stack = MixtureStack.log_prob
    taken = []

    def is_next():
        taken.append(len(taken))
        return taken[-1] in at

    def step(self, x, weights, *others):
        return step_of_flow(self, x, disturbance(weights) if is_next() else weights, *others)

    def log_prob(self, x, context):
        of_rows = log_prob_of_stack(self, x, context)
        return disturbance(of_rows) if is_next() else of_rows

    monkeypatch.setattr(FlowOptimiser, "step", step)
    monkeypatch.setattr(MixtureStack, "log_prob", log_prob)
    return taken


def check_as_before(estimator):
    with pytest.raises(NotFittedError):
        check_is_fitted(estimator)
    assert not [key for key in vars(estimator) if key.endswith("_")]


DISTURBANCES = {
    "not a number": lambda weights: weights * np.nan,
    "infinite": lambda weights: weights * np.inf,
    "exploding": lambda weights: weights * 1e30,
    "overflowing": lambda weights: weights * 3e38 * 10,
}


@pytest.mark.parametrize("kind", DISTURBANCES)
@pytest.mark.parametrize("name", OF_SKMAF)
def test_losses_that_go_wrong_at_any_step(name, kind, monkeypatch):
    X, y = table(name)
    for at in ({0}, {1}, set(range(1000))):
        with monkeypatch.context() as patch:
            taken = disturb(patch, DISTURBANCES[kind], at)
            estimator = fresh(name).fit(X, y)
        assert set(taken) & at
        assert np.isfinite(estimator.score_samples(X)).all()


class FaultError(Exception):
    """What a test raises in code of skmaf."""


@pytest.mark.parametrize("error", [FaultError, RuntimeError])
@pytest.mark.parametrize("name", OF_SKMAF)
def test_an_error_in_a_batch_reaches_the_user_and_changes_nothing(name, error, monkeypatch):
    def fail(weights):
        raise error

    X, y = table(name)
    fitted = fresh(name).fit(X, y)
    before = fitted.score_samples(X)
    for at in (0, 1):
        unfitted = fresh(name)
        for estimator, rows in ((unfitted, slice(None)), (fitted, slice(None, None, 2))):
            with monkeypatch.context() as patch, pytest.raises(error):
                disturb(patch, fail, {at})
                estimator.fit(X[rows], None if y is None else y[rows])
        check_as_before(unfitted)
        np.testing.assert_array_equal(fitted.score_samples(X), before)
    assert np.isfinite(unfitted.fit(X, y).score_samples(X)).all()


@pytest.mark.slow
@pytest.mark.parametrize("name", OF_SKMAF)
def test_no_memory_at_any_call(name):
    """Of a fit, and of scores after it."""
    X, y = table(name)
    with Calls(error=MemoryError) as calls:
        fresh(name).fit(X, y)
    for point in np.unique(np.linspace(1, calls.count, 12).astype(int)):
        estimator = fresh(name)
        try:
            with Calls(point, MemoryError):
                estimator.fit(X, y)
        except MemoryError:
            check_as_before(estimator)
        else:
            assert np.isfinite(estimator.score_samples(X)).all()
    estimator = fresh(name).fit(X, y)
    before = estimator.score_samples(X)
    with Calls(error=MemoryError) as calls:
        estimator.score_samples(X)
    for point in range(1, calls.count, max(1, calls.count // 20)):
        # in a batch it is tried again with fewer rows
        with contextlib.suppress(MemoryError), Calls(point, MemoryError):
            np.testing.assert_allclose(estimator.score_samples(X), before, rtol=1e-6)
        np.testing.assert_array_equal(estimator.score_samples(X), before)


class Failing(DensityMixin, BaseEstimator):
    """A density of the user that fails in one of its fits or scores."""

    counts = {"fit": 0, "score": 0}

    def __init__(self, fails_in="fit", at=1):
        self.fails_in = fails_in
        self.at = at

    def _count(self, name):
        self.counts[name] += 1
        if name == self.fails_in and self.counts[name] == self.at:
            raise FaultError

    def fit(self, X, y=None):
        self._count("fit")
        self.mean_ = np.mean(X, axis=0)
        return self

    def score_samples(self, X):
        self._count("score")
        return -((np.asarray(X) - self.mean_) ** 2).sum(axis=1)


@pytest.mark.parametrize("fails_in, at", [("fit", 1), ("fit", 2), ("score", 1), ("score", 3)])
def test_a_density_of_the_user_that_fails(fails_in, at, rows):
    detector = DensityOutlierDetector(Failing("never"), n_folds=2, random_state=0).fit(rows)
    before = detector.score_samples(rows)
    Failing.counts.update(fit=0, score=0)
    for estimator in (DensityOutlierDetector(n_folds=2, random_state=0), detector):
        Failing.counts.update(fit=0, score=0)
        with pytest.raises(FaultError):
            estimator.set_params(estimator=Failing(fails_in, at)).fit(rows)
    np.testing.assert_array_equal(detector.score_samples(rows), before)


def test_a_log_density_of_the_user_that_fails():
    calls = []

    def log_density(x):
        calls.append(None)
        if len(calls) == 7:
            raise FaultError
        return -(x**2).sum(1) / 2

    flow = VariationalFlow(log_density, 2, max_iter=9, family="realnvp", random_state=0)
    with pytest.raises(FaultError):
        flow.fit()
    check_as_before(flow)
    assert np.isfinite(flow.fit().sample(5, random_state=0)).all()


@pytest.mark.skipif(sys.platform == "win32", reason="needs a limit on the size of files")
def test_a_disk_that_is_full_in_the_midst_of_a_file(tmp_path, fitted):
    """What was there before stays, and nothing half written is left."""
    path = tmp_path / "density.skmaf"
    skmaf.save(MAFDensity(), path)
    content = path.read_bytes()
    code = (
        "import pickle, resource, signal, sys, skmaf\n"
        "density = pickle.load(sys.stdin.buffer)\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))\n"
        "try: skmaf.save(density, sys.argv[1])\n"
        "except OSError as error: print(type(error).__name__)\n"
    )
    command = [sys.executable, "-c", code, str(path)]
    done = subprocess.run(command, input=pickle.dumps(fitted), capture_output=True)
    assert done.stdout.split() == [b"OSError"], done.stderr
    assert path.read_bytes() == content and os.listdir(tmp_path) == [path.name]


def test_a_folder_that_may_not_be_written(tmp_path, monkeypatch, fitted):
    path = tmp_path / "density.skmaf"
    if os.geteuid() == 0:  # who may write everywhere

        def refuse(*args, **kwargs):
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(os, "open", refuse)
    else:
        tmp_path.chmod(0o500)
    with pytest.raises(PermissionError):
        skmaf.save(fitted, path)
    monkeypatch.undo()
    tmp_path.chmod(0o700)
    assert os.listdir(tmp_path) == []
    skmaf.save(fitted, path)
    assert skmaf.load(path).n_features_in_ == 3
