"""Bug reports about other tools, tried on skmaf: devices, the best epoch, losses that are NaN.

Each comment names a project and an issue or pull request of its public tracker, says what was wrong
there, and what skmaf does.
"""

import pickle

import numpy as np
import pytest
import torch
from sklearn.exceptions import ConvergenceWarning

from skmaf import ConditionalMAFDensity, DensityOutlierDetector, MAFClassifier, MAFDensity
from skmaf._families import FAMILIES
from skmaf.models import table_fit

SMALL = {"n_layers": 2, "hidden_layer_sizes": (16,), "n_bins": 4, "random_state": 0}
without_cuda = pytest.mark.skipif(torch.cuda.is_available(), reason="for a machine without CUDA")


# A model of a GPU on a CPU


def fitted_elsewhere(monkeypatch, estimator, *arguments):
    """Fit an estimator as a machine with a GPU would, which leaves "cuda" in it, and pickle it."""
    with monkeypatch.context() as patch:
        patch.setattr(table_fit, "pick_device", lambda name: torch.device("cpu"))
        return pickle.dumps(estimator.fit(*arguments))


# SDV #333, skorch #70, #426 and #1096: a model that was fitted on a GPU could not be loaded without
# one. sbi #1368, nflows #8 and pull request #20: it could not draw on the other device. Here
# weights are kept on the CPU, and it computes where no GPU is.
@without_cuda
@pytest.mark.parametrize("cls", [MAFDensity, ConditionalMAFDensity, MAFClassifier])
def test_a_model_of_a_gpu_works_on_a_cpu(cls, monkeypatch, rows):
    estimator = cls(**SMALL, max_iter=2, early_stopping=False, device="cuda")
    y = {MAFClassifier: rows[:, 2] > -1, ConditionalMAFDensity: rows[:, 2]}.get(cls)
    model = pickle.loads(fitted_elsewhere(monkeypatch, estimator, rows, y))
    here = cls(**SMALL, max_iter=2, early_stopping=False, device="cpu").fit(rows, y)
    answers = [m.predict(rows) if y is not None else m.score_samples(rows) for m in (model, here)]
    assert np.array_equal(*answers)
    if cls is not ConditionalMAFDensity:
        drawn = [m.sample(5, random_state=0) for m in (model, here)]
        assert np.array_equal(drawn[0][0], drawn[1][0])


@without_cuda
def test_a_detector_of_a_gpu_works_on_a_cpu(monkeypatch, rows):
    density = MAFDensity(**SMALL, max_iter=1, early_stopping=False, device="cuda")
    detector = DensityOutlierDetector(density, n_folds=2, random_state=0)
    detector = pickle.loads(fitted_elsewhere(monkeypatch, detector, rows))
    assert np.isfinite(detector.score_samples(rows * 1.1)).all()


# alibi-detect #493 and SDV #628: without a GPU, or by mistake, the CPU is taken though another
# device was asked for. Here fit refuses a device that is not there; "auto" takes what is.
@without_cuda
def test_a_device_that_is_not_there_is_refused(rows):
    with pytest.raises(ValueError, match="device='cuda' is not on this machine; use 'auto'"):
        MAFDensity(**SMALL, device="cuda").fit(rows)


# The best epoch


@pytest.fixture(scope="module")
def overfitted():
    """A density that gets worse for the held-out rows at the end, and its rows."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=100)
    X = np.column_stack([x, x**2 + 0.1 * rng.normal(size=100)])
    density = MAFDensity(
        n_layers=2,
        hidden_layer_sizes=(32,),
        learning_rate_init=0.03,
        max_iter=200,
        n_iter_no_change=15,
        alpha=0.0,
        random_state=0,
    )
    return density.fit(X), X


# skorch #808 and #449: after early stopping the last weights were kept, not the best; pull request
# #754 mends it. pzflow pull request #88: there were no rows to validate. Here the best are kept: a
# warm start that hardly moves begins with their score.
@pytest.mark.filterwarnings("ignore:Training reached max_iter")
def test_the_weights_of_the_best_epoch_are_kept(overfitted):
    density, X = overfitted
    scores = density.validation_scores_
    assert density.best_validation_score_ == max(scores) > scores[-1] + 0.01
    again = pickle.loads(pickle.dumps(density))
    again.set_params(warm_start=True, max_iter=1, learning_rate_init=1e-12).fit(X)
    assert again.validation_scores_[-1] == pytest.approx(max(scores), abs=1e-4)


# scikit-learn pull request #24683 and skorch #746: which scores there were depended on early
# stopping, and asking for others raised. skorch #851: are there validation scores without a split?
# Here both curves are always there, and that of validation is empty without such rows.
def test_curves_are_there_with_and_without_early_stopping(overfitted, fitted):
    density, _ = overfitted
    assert len(density.loss_curve_) == len(density.validation_scores_) == density.n_iter_
    assert len(fitted.loss_curve_) == fitted.n_iter_ == 30
    assert fitted.validation_scores_ == [] and fitted.best_validation_score_ is None


# scikit-learn #24713: two rows of one target had a validation score of NaN, and then no best
# weights. Here two rows are enough for numbers.
@pytest.mark.filterwarnings("ignore:Training reached max_iter")
def test_two_rows():
    X = np.array([[0.0, 0.0, 1.0, 0.2], [0.8, 1.0, 0.0, 0.7]])
    density = MAFDensity(**SMALL, max_iter=20).fit(X)
    assert np.isfinite(density.validation_scores_ + density.loss_curve_).all()
    assert np.isfinite(density.score_samples(X)).all()


# Losses that are not finite


# skorch #627, scikit-learn #29504, pyro #2998: a rate that is too high makes weights of NaN, which
# are kept, or an error about NaN in the data. Here fit warns, and what it gives is finite and no
# worse than where it started.
@pytest.mark.parametrize("rate", [1e6, 1e10, 1e30])
def test_training_that_diverges(rate, tiny, rows):
    message = "Training diverged: the loss was not finite in"
    with pytest.warns(ConvergenceWarning, match=message) as caught:
        density = tiny(max_iter=20, learning_rate_init=rate).fit(rows)
    assert [warning.filename for warning in caught] == [__file__]
    start = tiny(max_iter=1, learning_rate_init=1e-12).fit(rows)
    assert density.score(rows) >= start.score(rows) - 1e-6
    assert np.isfinite(density.loss_curve_).all()
    assert np.isfinite(density.sample(100, random_state=0)).all()


@pytest.mark.filterwarnings("ignore:Training")
@pytest.mark.parametrize("early_stopping", [True, False])
def test_predictions_of_training_that_diverges(early_stopping, rows):
    parameters = {**SMALL, "max_iter": 10, "early_stopping": early_stopping}
    parameters["learning_rate_init"] = 1e3
    regressor = ConditionalMAFDensity(**parameters).fit(rows[:, :2], rows[:, 2])
    assert np.isfinite(regressor.predict_interval(rows[:, :2], 0.8)).all()
    assert regressor.score(rows[:, :2], rows[:, 2]) > 0
    classifier = MAFClassifier(**parameters).fit(rows, rows[:, 0] > 0)
    assert np.isfinite(classifier.predict_proba(rows)).all()
    assert classifier.score_samples(rows).mean() > -10


# PyOD #609: columns that were not standardised made an autoencoder give NaN. Here units are free.
# madminer #451: a flow gave NaN for new rows, though not for those of fit. Here the farthest row
# has a finite score.
# pzflow pull request #82: the product of many densities overflowed. Here logarithms are added.
def test_units_and_numbers_of_columns_do_not_matter(tiny):
    rng = np.random.default_rng(0)
    mixed = rng.normal(size=(200, 3)) * [1e9, 1e-9, 1.0] + [0.0, 5.0, 0.0]
    mixed[:, 2] = np.exp(4 * mixed[:, 2])
    wide = 1e-9 * rng.normal(size=(40, 120))
    for X in (mixed, wide):
        density = tiny(max_iter=3).fit(X)
        for new in (X, X[:5] * 1e3, X[:5] * 1e280, np.full((1, X.shape[1]), 1e300)):
            assert np.isfinite(density.score_samples(new)).all()
    assert density.score(wide) > 120 * 17


# zuko #20: a trained flow drew infinities. nflows #87: drawing from a spline failed, at times, by a
# root of a negative number. Here every family draws finite rows, which have a score.
@pytest.mark.parametrize("family", FAMILIES)
def test_draws_are_finite(family, tiny):
    X = np.random.default_rng(0).normal(0, 25, (200, 2))
    density = tiny(family=family, n_layers="auto", max_iter=5, learning_rate_init=0.05).fit(X)
    drawn = density.sample(5000, random_state=0)
    assert np.isfinite(drawn).all() and np.abs(drawn).max() < 1e4
    assert np.isfinite(density.score_samples(drawn)).all()
