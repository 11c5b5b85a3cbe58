"""Every warning of skmaf points at the line of the user that led to it, from every method."""

import warnings

import numpy as np
import pandas as pd
import pytest
from short_fits import shorten_detector
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline

import skmaf
from skmaf import (
    ConditionalMAFDensity,
    DensityOutlierDetector,
    MAFClassifier,
    MAFDensity,
    MultiscaleDensity,
    VariationalFlow,
)

TINY = {"n_layers": 1, "hidden_layer_sizes": (8,), "max_iter": 3, "random_state": 0}
SILENT = {**TINY, "early_stopping": False}
X = pd.DataFrame({"word": ["a", "b"] * 20, "x": np.linspace(0, 1, 40)})
Y = np.sin(np.arange(40.0))
NEW = pd.DataFrame({"word": ["c", "a"], "x": [0.1, 0.2]})
SMALL_NETWORK = {"max_iter": 3, "hidden_layer_sizes": (8,), "random_state": 0}


@pytest.fixture(scope="module")
def models():
    detectors = {
        "detector": DensityOutlierDetector(MultiscaleDensity(**SMALL_NETWORK), random_state=0),
        "detector of maf": DensityOutlierDetector(MAFDensity(**SILENT), random_state=0),
    }
    return {
        "maf": MAFDensity(**SILENT).fit(X),
        "multiscale": MultiscaleDensity(**SMALL_NETWORK).fit(X),
        "conditional": ConditionalMAFDensity(**SILENT).fit(X, Y),
        "classifier": MAFClassifier(**SILENT).fit(X, Y > 0),
        **{name: detector.fit(X) for name, detector in detectors.items()},
    }


def check_lines(record, message, category=UserWarning):
    """All warnings are these, and of this file."""
    assert record
    for warning in record:
        assert message in str(warning.message) and issubclass(warning.category, category)
        assert warning.filename == __file__


NEW_CATEGORY = "Column 'word' holds 'c', which fit did not see"


@pytest.mark.parametrize(
    "name, method, arguments",
    [
        ("maf", "score_samples", ()),
        ("maf", "score", ()),
        ("maf", "transform", ()),
        ("maf", "impute", ()),
        ("multiscale", "score_samples", ()),
        ("multiscale", "score", ()),
        ("multiscale", "impute", ()),
        ("multiscale", "generalisation_gap", (X,)),
        ("conditional", "score_samples", ()),
        ("conditional", "score_samples", (Y[:2],)),
        ("conditional", "score", (Y[:2],)),
        ("conditional", "sample", ()),
        ("conditional", "predict", ()),
        ("conditional", "predict_quantiles", (0.5,)),
        ("conditional", "predict_interval", (0.5,)),
        ("classifier", "score_samples", ()),
        ("classifier", "predict", ()),
        ("classifier", "predict_proba", ()),
        ("classifier", "predict_log_proba", ()),
        ("classifier", "score", (np.array([True, False]),)),
        ("detector", "score_samples", ()),
        ("detector", "decision_function", ()),
        ("detector", "predict", ()),
        ("detector", "p_values", ()),
        ("detector", "select", ()),
        ("detector", "explain", ()),
        ("detector", "expected_values", ()),
        ("detector", "counterfactuals", ()),
        ("detector of maf", "score_samples", ()),
        ("detector of maf", "explain", ()),
    ],
)
def test_new_categories(models, name, method, arguments):
    with warnings.catch_warnings(record=True) as record:
        warnings.simplefilter("always")
        getattr(models[name], method)(NEW, *arguments)
    check_lines(record, NEW_CATEGORY)


def test_new_categories_of_a_detector_by_default(monkeypatch):
    shorten_detector(monkeypatch, 2)
    detector = DensityOutlierDetector(random_state=0).fit(X)
    with warnings.catch_warnings(record=True) as record:
        warnings.simplefilter("always")
        detector.score_samples(NEW)
    check_lines(record, NEW_CATEGORY)
    assert len(record) == 1


def test_new_categories_inside_of_other_estimators():
    pipeline = make_pipeline(MAFDensity(**SILENT)).fit(X)
    with pytest.warns(UserWarning, match="Column 'word' holds 'c'") as record:
        pipeline.score_samples(NEW)
    check_lines(record, NEW_CATEGORY)


def test_names_that_are_missing(models):
    with pytest.warns(UserWarning) as record:
        models["maf"].score_samples(X.to_numpy(dtype=object))
    check_lines(record, "X does not have valid feature names, but MAFDensity was fitted with")


@pytest.mark.parametrize(
    "y, message", [(pd.DataFrame(Y > 0), "A column-vector y was passed"), (np.arange(40), "unique")]
)
def test_classes_that_look_wrong(y, message):
    with pytest.warns(UserWarning) as record:
        MAFClassifier(**SILENT).fit(X, y)
    check_lines(record, message)


FITS = {
    "MAFDensity": lambda: MAFDensity(**TINY).fit(X),
    "ConditionalMAFDensity": lambda: ConditionalMAFDensity(**TINY).fit(X, Y),
    "MAFClassifier": lambda: MAFClassifier(**TINY).fit(X, Y > 0),
    "pipeline": lambda: make_pipeline(MAFDensity(**TINY)).fit(X),
    "cross validation": lambda: cross_val_score(MAFDensity(**TINY), X, cv=2),
    "detector": lambda: DensityOutlierDetector(MAFDensity(**TINY), random_state=0).fit(X),
}


@pytest.mark.parametrize("name", FITS)
def test_training_that_is_too_short(name):
    with pytest.warns(ConvergenceWarning) as record:
        FITS[name]()
    check_lines(record, "Training reached max_iter=3", ConvergenceWarning)


@pytest.mark.parametrize(
    "fit",
    [
        lambda: MAFDensity(**TINY).fit(X),
        lambda: MultiscaleDensity(**SMALL_NETWORK).fit(X),
        lambda: ConditionalMAFDensity(**TINY).fit(X, Y),
        lambda: MAFClassifier(**TINY).fit(X, Y > 0),
        lambda: make_pipeline(MAFDensity(**TINY)).fit(X),
    ],
)
def test_training_that_is_interrupted(monkeypatch, fit):
    def interrupt(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr("skmaf.training.loop._run_epoch", interrupt)
    monkeypatch.setattr("skmaf.training.side_by_side._draw", interrupt)
    with pytest.warns(UserWarning, match="interrupted") as record:
        fit()
    check_lines(record, "Training was interrupted after 0 epochs")


def test_detector_that_is_interrupted(monkeypatch):
    genuine = skmaf.folds.take_rows
    calls = []

    def take_rows(*args):
        calls.append(None)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return genuine(*args)

    monkeypatch.setattr("skmaf.folds.take_rows", take_rows)
    with pytest.warns(UserWarning, match="interrupted") as record:
        DensityOutlierDetector(MAFDensity(**SILENT), random_state=0).fit(X)
    check_lines(record, "Fitting was interrupted after 1 of 5 folds")


DEPRECATED = {
    "background_": lambda models: models["maf"].background_,
    "given_": lambda models: models["conditional"].given_,
    "levels_": lambda models: models["multiscale"].levels_,
    "overfit": lambda models: models["multiscale"].overfit(X, X),
    "settle": lambda models: models["multiscale"].settle(np.zeros(9)),
    "repair": lambda models: models["detector"].repair(X[:1]),
}


@pytest.mark.parametrize("name", DEPRECATED)
def test_names_that_have_changed(models, name):
    with pytest.warns(FutureWarning) as record:
        result = DEPRECATED[name](models)
    check_lines(record, f"{name} is called ", FutureWarning)
    assert result is not None or name == "background_"


def heavy_tails(x):
    return -1.1 * (1 + x**2).log().sum(1)


def test_evidence_that_cannot_be_trusted():
    with pytest.warns(UserWarning, match="k-hat is") as record:
        flow = VariationalFlow(
            heavy_tails, 2, family="nice", n_layers=1, max_iter=30, random_state=0
        ).fit()
    check_lines(record, "k-hat is")
    with pytest.warns(UserWarning, match="k-hat is") as record:
        flow.evidence(1000, random_state=0)
    check_lines(record, "k-hat is")
