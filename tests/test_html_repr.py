"""The HTML that notebooks show of estimators, as scikit-learn makes it."""

import email.message

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
    _doc_link,
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


@pytest.mark.parametrize(
    "estimator", [*ESTIMATORS[:-1], VariationalFlow(len, 2)], ids=lambda e: type(e).__name__
)
def test_a_link_to_the_page_of_the_class(estimator, monkeypatch):
    """Where the package says where its documentation is, and only there."""
    for address, is_linked in [("https://skmaf.example/doc", True), ("", False)]:
        monkeypatch.setattr(_doc_link, "documentation_address", lambda address=address: address)
        name = type(estimator).__name__
        link = f'href="https://skmaf.example/doc/generated/skmaf.{name}.html"'
        assert (link in estimator_html_repr(estimator)) == is_linked


def test_the_address_is_that_of_the_metadata(monkeypatch):
    declared = email.message.Message()
    declared["Project-URL"] = "Source, https://skmaf.example/code"
    declared["Project-URL"] = "Documentation, https://skmaf.example/doc/"
    monkeypatch.setattr(_doc_link, "metadata", lambda name: declared)
    address = _doc_link.documentation_address.__wrapped__
    assert address() == "https://skmaf.example/doc"
    del declared["Project-URL"]
    assert address() == ""


def test_of_a_flow_that_is_fitted_to_a_function():
    assert "Not fitted" in estimator_html_repr(VariationalFlow(len, 2))
