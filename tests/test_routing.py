"""Weights of rows go where scikit-learn's routing of metadata sends them."""

import numpy as np
import pytest
from short_fits import shorten_detector
from sklearn import config_context
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skmaf import (
    ConditionalMAFDensity,
    DensityEnsemble,
    DensityOutlierDetector,
    MAFClassifier,
    MAFDensity,
    MultiscaleDensity,
)

SMALL = {
    "n_layers": 1,
    "hidden_layer_sizes": (8,),
    "max_iter": 3,
    "early_stopping": False,
    "random_state": 0,
}


@pytest.fixture(autouse=True)
def routing(monkeypatch):
    shorten_detector(monkeypatch, 1)
    with config_context(enable_metadata_routing=True):
        yield


@pytest.fixture(scope="module")
def X():
    return np.random.default_rng(0).standard_normal((60, 2))


@pytest.fixture(scope="module")
def weights(X):
    return np.exp(X[:, 0])


def asking(estimator):
    """The estimator, which asks for weights wherever it has a use for them."""
    with config_context(enable_metadata_routing=True):
        estimator.set_fit_request(sample_weight=True)
        if hasattr(estimator, "score"):
            estimator.set_score_request(sample_weight=True)
    return estimator


def scaled(estimator):
    with config_context(enable_metadata_routing=True):
        return make_pipeline(StandardScaler().set_fit_request(sample_weight=False), estimator)


def around(estimator):
    return DensityOutlierDetector(estimator, n_folds=2, random_state=0)


# all that take weights, alone and inside of others
ALONE = {
    "density": MAFDensity(**SMALL),
    "multiscale": MultiscaleDensity(max_iter=3, hidden_layer_sizes=(8,), random_state=0),
    "ensemble": DensityEnsemble(MAFDensity(**SMALL), 2, random_state=0),
    "classifier": MAFClassifier(**SMALL),
    "conditional": ConditionalMAFDensity(**SMALL),
    "detector": around(None),
    "detector of densities": around(asking(MAFDensity(**SMALL))),
    "detector of ensembles": around(asking(DensityEnsemble(MAFDensity(**SMALL), 2))),
    "detector of pipelines": around(scaled(asking(MAFDensity(**SMALL)))),
}
ESTIMATORS = {name: asking(estimator) for name, estimator in ALONE.items()}


def in_a_pipeline(estimator, X, y, params):
    return scaled(clone(estimator)).fit(X, y, **params)


def in_a_search(estimator, X, y, params):
    pipeline = scaled(estimator)
    grid = {f"{pipeline.steps[-1][0]}__random_state": [0]}
    search = GridSearchCV(pipeline, grid, cv=2, scoring=scorer(estimator))
    return search.fit(X, y, **params).best_estimator_


def in_cross_validation(estimator, X, y, params):
    told = {"params": params, "scoring": scorer(estimator), "return_estimator": True}
    return cross_validate(estimator, X, y, cv=2, **told)["estimator"][0]


def scorer(estimator):
    """None is the estimator's own; a detector has none."""
    return None if hasattr(estimator, "score") else mean_score


def mean_score(detector, X, y=None):
    return detector.score_samples(X).mean()


@pytest.mark.parametrize("place", [in_a_pipeline, in_a_search, in_cross_validation])
@pytest.mark.parametrize("name", ESTIMATORS)
def test_weights_arrive(name, place, X, weights):
    estimator = ESTIMATORS[name]
    y = X[:, 1] > 0
    weighted = place(estimator, X, y, {"sample_weight": weights})
    plain = place(estimator, X, y, {})
    assert not np.allclose(weighted.score_samples(X), plain.score_samples(X))


@pytest.mark.parametrize("name", [n for n in ESTIMATORS if hasattr(ESTIMATORS[n], "score")])
def test_weights_count_in_scores(name, X, weights):
    y = X[:, 1] > 0
    estimator = clone(ESTIMATORS[name]).set_fit_request(sample_weight=False)
    weighted, plain = (
        cross_validate(estimator, X, y, cv=2, params=params)["test_score"]
        for params in ({"sample_weight": weights}, {})
    )
    assert (weighted != plain).any()
