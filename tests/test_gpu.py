"""The same density on a GPU: skipped on machines without one."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.datasets import load_iris

import skmaf
from skmaf import (
    ConditionalMAFDensity,
    DensityOutlierDetector,
    MAFClassifier,
    MAFDensity,
    MultiscaleDensity,
    VariationalFlow,
)
from skmaf.models.contract import ModulePrecisions

pytestmark = [
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU that torch sees"),
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
]
X, y = load_iris(return_X_y=True)
BRIEF = {"max_iter": 5, "random_state": 0}
DENSITIES = [
    MAFDensity(**BRIEF),
    MAFDensity(family="realnvp", **BRIEF),
    MAFDensity(bijector="mixture", **BRIEF),
    MAFDensity(family="planar", **BRIEF),
    MultiscaleDensity(**BRIEF),
]


@pytest.mark.parametrize("estimator", DENSITIES, ids=str)
@pytest.mark.parametrize("dtype, rtol", [(np.float32, 1e-4), (np.float64, 1e-4)])
def test_scores_are_those_of_the_processor(estimator, dtype, rtol):
    fitted = estimator.set_params(device="cuda").fit(X.astype(dtype))
    assert next(fitted.flow_.parameters()).device.type == "cpu"
    on_cpu = replace(fitted.density_, precisions=ModulePrecisions(fitted.flow_, "cpu"))
    N = X.astype(dtype)
    np.testing.assert_allclose(fitted.score_samples(N), on_cpu.log_prob(N), rtol=rtol, atol=1e-3)
    # in float32 a draw may fall on the other side of a bound of the spline
    drawn = fitted.density_.sample(50, random_state=0)
    assert np.isclose(drawn, on_cpu.sample(50, random_state=0), rtol=1e-3, atol=1e-3).mean() > 0.9


def test_a_fit_is_repeatable_and_close_to_that_of_the_processor():
    scores = {
        device: [MAFDensity(device=device, **BRIEF).fit(X).score_samples(X) for _ in range(2)]
        for device in ("cpu", "cuda")
    }
    np.testing.assert_allclose(*scores["cuda"], atol=1e-2)
    np.testing.assert_allclose(scores["cuda"][0].mean(), scores["cpu"][0].mean(), atol=0.1)


def test_tables_with_all_kinds_of_cells():
    rng = np.random.RandomState(0)
    table = np.column_stack(
        [rng.randn(80), rng.poisson(2, 80), np.where(rng.rand(80) < 0.5, 0, 1.5)]
    )
    table[5, 0] = np.nan
    density = MAFDensity(device="cuda", **BRIEF).fit(table)
    assert np.isfinite(density.score_samples(table)).all()
    assert np.isfinite(density.impute(table, random_state=0)).all()


def test_conditional_densities_and_classifiers():
    conditional = ConditionalMAFDensity(device="cuda", **BRIEF).fit(X[:, :2], X[:, 2:])
    assert np.isfinite(conditional.score_samples(X[:, :2], X[:, 2:])).all()
    assert np.isfinite(conditional.sample(X[:, :2], random_state=0)).all()
    assert np.isfinite(conditional.predict(X[:, :2])).all()
    classifier = MAFClassifier(device="cuda", **BRIEF).fit(X, y)
    assert classifier.score(X, y) > 0.5


def test_variational_flows():
    flow = VariationalFlow(lambda x: -x.square().sum(1) / 2, 2, device="cuda", max_iter=200)
    flow.set_params(random_state=0).fit()
    assert abs(flow.log_evidence_ - np.log(2 * np.pi)) < 0.3
    assert np.isfinite(flow.sample(20, random_state=0)).all()


def test_the_detector_and_files(tmp_path):
    detector = DensityOutlierDetector(random_state=0).fit(X)
    assert np.isfinite(detector.score_samples(X)).all()
    skmaf.save(detector, tmp_path / "detector.skmaf")
    again = skmaf.load(tmp_path / "detector.skmaf")
    np.testing.assert_allclose(again.score_samples(X), detector.score_samples(X), rtol=1e-6)
