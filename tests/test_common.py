"""scikit-learn's own checks, for every public estimator."""

import doctest

import pytest
from sklearn.neighbors import KernelDensity
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import skmaf
from skmaf import (
    ConditionalMAFDensity,
    DensityEnsemble,
    DensityOutlierDetector,
    MAFClassifier,
    MAFDensity,
    MultiscaleDensity,
    VariationalFlow,
)
from skmaf.flows import FAMILIES

SMALL = {"max_iter": 20, "n_layers": 2, "hidden_layer_sizes": (16,), "random_state": 0}
MULTISCALE = MultiscaleDensity(max_iter=5, hidden_layer_sizes=(16,), random_state=0)
FAST_ESTIMATORS = [
    MAFDensity(**{**SMALL, "max_iter": 5}),
    DensityOutlierDetector(KernelDensity()),
]
TINY = {"max_iter": 2, "hidden_layer_sizes": (8,), "random_state": 0}
OTHER_FAMILIES = [family for family in FAMILIES if family != "maf"]
SLOW_ESTIMATORS = [
    *(MAFDensity(family=family, **TINY) for family in OTHER_FAMILIES),
    # without a random state of its own: that of the detector reaches it
    DensityOutlierDetector(MAFDensity(**{**TINY, "random_state": None}), n_folds=2),
    DensityOutlierDetector(make_pipeline(StandardScaler(), MAFDensity(**TINY)), n_folds=2),
    ConditionalMAFDensity(**SMALL),
    MAFClassifier(**SMALL),
    MULTISCALE,
    DensityEnsemble(MAFDensity(**TINY), 2, random_state=0),
    DensityOutlierDetector(MULTISCALE, n_folds=2, random_state=0),
]
WITHOUT_ROWS = {VariationalFlow}  # fitted to a function: the checks have nothing to give it


# a short max_iter, on purpose
short_on_purpose = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@short_on_purpose
@parametrize_with_checks(FAST_ESTIMATORS)
def test_scikit_learn_check(estimator, check):
    check(estimator)


@pytest.mark.slow
@short_on_purpose
@parametrize_with_checks(SLOW_ESTIMATORS)
def test_scikit_learn_check_of_slow_estimators(estimator, check):
    check(estimator)


def test_every_public_estimator_is_checked():
    public = {getattr(skmaf, name) for name in skmaf.__all__}
    assert {cls for cls in public if hasattr(cls, "fit")} == {
        type(estimator) for estimator in FAST_ESTIMATORS + SLOW_ESTIMATORS
    } | WITHOUT_ROWS


@pytest.mark.parametrize("name", skmaf.__all__)
def test_every_public_name_has_an_example(name):
    examples = [
        e
        for test in doctest.DocTestFinder(recurse=False).find(getattr(skmaf, name))
        for e in test.examples
    ]
    assert examples
