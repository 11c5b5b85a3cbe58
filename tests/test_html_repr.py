"""The HTML that notebooks show of estimators, as scikit-learn makes it."""

import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import estimator_html_repr

from skmaf import (
    ConditionalMAFDensity,
    DensityEnsemble,
    DensityOutlierDetector,
    MAFClassifier,
    MAFDensity,
    MultiscaleDensity,
    VariationalFlow,
)

SMALL = {"n_layers": 1, "hidden_layer_sizes": (8,), "max_iter": 2, "random_state": 0}
FLOW = {**SMALL, "early_stopping": False}
ESTIMATORS = [
    MAFDensity(**FLOW),
    MultiscaleDensity(max_iter=2, hidden_layer_sizes=(8,), random_state=0),
    DensityEnsemble(MAFDensity(**FLOW), 2, random_state=0),
    DensityOutlierDetector(MAFDensity(**FLOW), n_folds=2, random_state=0),
    MAFClassifier(**FLOW),
    ConditionalMAFDensity(**FLOW),
    make_pipeline(StandardScaler(), MAFDensity(**FLOW)),
]


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda estimator: type(estimator).__name__)
def test_the_state_is_shown(estimator, rows):
    """Without a warning, and without what is computed or deprecated being asked for."""
    shown = estimator_html_repr(estimator)
    assert "Not fitted" in shown
    assert "random_state" in shown
    estimator.fit(rows, rows[:, 0] > 0)
    shown = estimator_html_repr(estimator)
    assert "<span>Fitted</span>" in shown
    assert "Not fitted" not in shown
    assert len(shown) < 300_000


def test_of_a_flow_that_is_fitted_to_a_function():
    assert "Not fitted" in estimator_html_repr(VariationalFlow(len, 2))
