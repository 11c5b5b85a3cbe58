"""Callbacks after each epoch, and what is logged."""

import logging
import pickle
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

import skmaf
from skmaf import ConditionalMAFDensity, DensityOutlierDetector, MAFClassifier

quiet = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def told_of(estimator, X, y=None):
    """Fit an estimator, and return the epochs that its callback was told of."""
    epochs = []
    estimator.set_params(callbacks=[lambda fitted, epoch: epochs.append(epoch)])
    estimator.fit(X, y)
    return epochs


@quiet
@pytest.mark.parametrize("early_stopping", [True, False])
def test_epochs_are_those_of_the_curves(tiny, rows, early_stopping):
    density = tiny(max_iter=5, early_stopping=early_stopping, hidden_layer_sizes=(32,))
    epochs = told_of(density, rows[:160])
    assert [epoch.number for epoch in epochs] == [1, 2, 3, 4, 5]
    assert {epoch.max_iter for epoch in epochs} == {5}
    assert {epoch.part for epoch in epochs} == {"continuous"}
    assert [epoch.loss for epoch in epochs] == density.loss_curve_
    if early_stopping:
        assert [epoch.validation_score for epoch in epochs] == density.validation_scores_
        assert epochs[-1].best_validation_score == density.best_validation_score_
    else:
        assert {epoch.validation_score for epoch in epochs} == {None}
        assert {epoch.best_validation_score for epoch in epochs} == {None}


def test_both_parts_add_up(tiny, rows):
    table = pd.DataFrame(rows, columns=[*"xyz"]).assign(kind=["a", "b"] * 100)
    density = tiny(max_iter=4)
    epochs = told_of(density, table)
    assert [epoch.part for epoch in epochs] == ["discrete"] * 4 + ["continuous"] * 4
    sums = [first.loss + second.loss for first, second in zip(epochs[:4], epochs[4:])]
    np.testing.assert_allclose(sums, density.loss_curve_)


@quiet
@pytest.mark.parametrize("make", [MAFClassifier, ConditionalMAFDensity])
def test_other_estimators(make, rows):
    small = make(n_layers=1, hidden_layer_sizes=(8,), max_iter=3, random_state=0)
    epochs = told_of(small, rows, rows[:, 0] > 0)
    assert [epoch.number for epoch in epochs][-3:] == [1, 2, 3]


@quiet
def test_a_callback_changes_nothing(tiny, rows):
    density = tiny(max_iter=8, early_stopping=True).fit(rows)
    again = clone(density)
    told_of(again, rows)
    assert again.loss_curve_ == density.loss_curve_
    assert again.validation_scores_ == density.validation_scores_
    np.testing.assert_array_equal(again.score_samples(rows), density.score_samples(rows))


def test_a_callback_ends_the_training(tiny, rows):
    """Without a warning, as it was asked for; of several all are told, and one is enough."""
    told = []
    callbacks = [lambda fitted, epoch: epoch.number == 3, lambda fitted, epoch: told.append(epoch)]
    density = tiny(max_iter=50, early_stopping=True, hidden_layer_sizes=(32,), callbacks=callbacks)
    density.fit(rows)
    assert density.n_iter_ == 3
    assert [epoch.number for epoch in told] == [1, 2, 3]
    assert density.best_validation_score_ >= max(density.validation_scores_)
    table = pd.DataFrame(rows, columns=[*"xyz"]).assign(kind=["a", "b"] * 100)
    told.clear()
    density.set_params(early_stopping=False).fit(table)
    # the next part is trained all the same
    assert [epoch.part for epoch in told] == ["discrete"] * 3 + ["continuous"] * 3


class WithPatience:
    """Early stopping by the training loss."""

    def __init__(self, patience):
        self.patience = patience

    def __call__(self, estimator, epoch):
        if epoch.number == 1 or epoch.loss < self.best:
            self.best = epoch.loss
            self.stale = 0
        self.stale += 1
        return self.stale > self.patience


def test_an_object_as_callback(tiny, rows):
    density = tiny(max_iter=400, callbacks=[WithPatience(2)]).fit(rows)
    assert 3 <= density.n_iter_ < 400
    assert min(density.loss_curve_[:-2]) <= min(density.loss_curve_[-2:])
    unpickled = pickle.loads(pickle.dumps(density))
    np.testing.assert_array_equal(unpickled.score_samples(rows), density.score_samples(rows))
    assert unpickled.callbacks[0].patience == 2


def test_the_estimator_is_told_of_its_parameters(tiny, rows):
    seen = []
    density = tiny(max_iter=1, callbacks=[lambda fitted, epoch: seen.append(fitted)])
    density.fit(rows)
    assert seen == [density]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_an_error_in_a_callback(tiny, rows, error):
    """It leaves the estimator as it was; an interrupt keeps what is there, as any does."""

    def fail(fitted, epoch):
        if epoch.number == 2:
            raise error("on purpose")

    density = tiny(max_iter=5).fit(rows)
    before = dict(vars(density))
    scores = density.score_samples(rows)
    density.set_params(callbacks=[fail])
    if error is RuntimeError:
        with pytest.raises(RuntimeError, match="on purpose"):
            density.fit(rows * 2)
        assert vars(density) == {**before, "callbacks": [fail]}
        np.testing.assert_array_equal(density.score_samples(rows), scores)
        unfitted = tiny(max_iter=5, callbacks=[fail])
        with pytest.raises(RuntimeError, match="on purpose"):
            unfitted.fit(rows)
        assert not hasattr(unfitted, "density_")
    else:
        with pytest.warns(UserWarning, match="interrupted after 2 epochs"):
            density.fit(rows * 2)


def test_in_a_detector(tiny, rows):
    epochs = []
    small = tiny(max_iter=2, callbacks=[lambda fitted, epoch: epochs.append(epoch)])
    DensityOutlierDetector(small, n_folds=2, random_state=0).fit(rows)
    assert len(epochs) == 4


def test_with_a_checkpoint(tiny, rows, tmp_path):
    """Callbacks are no part of what makes a fit another one."""

    def fail(fitted, epoch):
        raise RuntimeError

    path = tmp_path / "fit.checkpoint"
    expected = tiny(max_iter=3).fit(rows)
    density = tiny(max_iter=3, checkpoint=path, callbacks=[fail])
    with pytest.raises(RuntimeError):
        density.fit(rows)
    density.set_params(callbacks=None).fit(rows)
    assert density.loss_curve_ == expected.loss_curve_


@pytest.mark.parametrize("callbacks, words", [(["no"], "callbacks must be"), (print, "callbacks")])
def test_refused_callbacks(tiny, rows, callbacks, words):
    with pytest.raises(ValueError, match=words):
        tiny(callbacks=callbacks).fit(rows)


def test_files_without_code(tiny, rows, tmp_path):
    density = tiny(callbacks=[lambda fitted, epoch: None]).fit(rows)
    with pytest.raises(TypeError, match="callbacks by None"):
        skmaf.save(density, tmp_path / "density.skmaf")
    skmaf.save(density.set_params(callbacks=None), tmp_path / "density.skmaf")
    loaded = skmaf.load(tmp_path / "density.skmaf")
    np.testing.assert_array_equal(loaded.score_samples(rows), density.score_samples(rows))
    assert loaded.callbacks is None


def test_what_is_logged(tiny, rows, caplog):
    with caplog.at_level(logging.INFO, "skmaf"):
        tiny(max_iter=2).fit(rows)
        assert not caplog.records
        tiny(max_iter=2, verbose=True).fit(rows)
        assert [record.message for record in caplog.records] == [
            "MAFDensity fitted to 3 columns in 2 epochs"
        ]
    caplog.clear()
    with caplog.at_level(logging.DEBUG, "skmaf"):
        density = tiny(max_iter=2).fit(rows)
    first, _, last = [record.message for record in caplog.records]
    assert {record.levelname for record in caplog.records} == {"DEBUG"}
    assert first.startswith("MAFDensity: Epoch(number=1, max_iter=2")
    assert f"loss={density.loss_curve_[0]}" in first
    assert last.startswith("MAFDensity fitted")


@pytest.mark.slow
def test_a_fit_is_silent():
    code = (
        "import skmaf; skmaf.MAFDensity(max_iter=2, early_stopping=False)"
        ".fit([[0.1], [0.7], [0.3]])"
    )
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
