"""The user's settings of torch change no result, and no estimator changes them."""

import contextlib

import numpy as np
import pytest
import torch
from short_fits import shorten_detector

from skmaf import (
    ConditionalMAFDensity,
    DensityOutlierDetector,
    MAFClassifier,
    MAFDensity,
    MultiscaleDensity,
    VariationalFlow,
)

SMALL = {"n_layers": 2, "hidden_layer_sizes": (8,), "max_iter": 3, "random_state": 0}

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@contextlib.contextmanager
def default_dtype(dtype):
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


@contextlib.contextmanager
def default_device(name):
    torch.set_default_device(name)
    try:
        yield
    finally:
        torch.set_default_device(None)


@contextlib.contextmanager
def gradients_off():
    torch.set_grad_enabled(False)
    try:
        yield
    finally:
        torch.set_grad_enabled(True)


STATES = {
    "set_grad_enabled(False)": gradients_off,
    "no_grad": torch.no_grad,
    "inference_mode": torch.inference_mode,
    "float64 by default": lambda: default_dtype(torch.float64),
    "bfloat16 by default": lambda: default_dtype(torch.bfloat16),
    "meta by default": lambda: default_device("meta"),
    "autocast": lambda: torch.autocast("cpu", dtype=torch.bfloat16),
}


def table():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, 3))
    X[:, 1] = rng.integers(0, 3, 60)  # probabilities as well as densities
    X[::7, 0] = np.nan
    return X, (np.arange(60) % 2)


def of_density(density):
    X, _ = table()
    density.fit(X)
    return [density.score_samples(X), density.sample(5, random_state=0)]


def of_maf():
    X, _ = table()
    density = MAFDensity(**SMALL).fit(X)
    Z = density.transform(X)
    outputs = [density.score_samples(X), density.score_samples(X.astype("f4")), Z]
    outputs += [density.sample(5, random_state=0), density.impute(X[:8], random_state=0)]
    return [*outputs, density.inverse_transform(np.nan_to_num(Z))]


def of_multiscale():
    return of_density(MultiscaleDensity(max_iter=4, hidden_layer_sizes=(8,), random_state=0))


def of_warm_start():
    X, _ = table()
    density = MAFDensity(**SMALL, warm_start=True).fit(X).fit(X)
    return [density.score_samples(X)]


def of_conditional():
    X, _ = table()
    y = np.linspace(-1, 1, 60) + np.nan_to_num(X[:, 0])
    density = ConditionalMAFDensity(**SMALL).fit(X, y)
    return [density.score_samples(X, y), density.predict(X), density.sample(X, 2, random_state=0)]


def of_classifier():
    X, y = table()
    classifier = MAFClassifier(**SMALL).fit(X, y)
    return [classifier.predict_proba(X), classifier.sample(5, random_state=0)[0]]


def of_detector():
    X, _ = table()
    detector = DensityOutlierDetector(
        MultiscaleDensity(max_iter=4, hidden_layer_sizes=(8,), random_state=0), random_state=0
    ).fit(X)
    return [detector.score_samples(X), detector.explain(X[:2])]


def of_default_detector():
    """The default densities, which select their noise levels."""
    X, _ = table()
    with pytest.MonkeyPatch.context() as patch:
        shorten_detector(patch, 4)
        detector = DensityOutlierDetector(n_folds=2, random_state=0).fit(X)
    return [detector.score_samples(X), detector.p_values(X)]


def log_normal(x):
    return -((x - 1) ** 2).sum(1) / 2


def of_variational():
    flow = VariationalFlow(log_normal, 2, max_iter=5, family="realnvp", random_state=0).fit()
    return [flow.loss_curve_, flow.sample(5, random_state=0), flow.score_samples(np.eye(2))]


ESTIMATORS = [of_maf, of_multiscale]
SLOW_ESTIMATORS = [
    of_warm_start,
    of_conditional,
    of_classifier,
    of_detector,
    of_default_detector,
    of_variational,
]


def settings():
    return (
        torch.is_grad_enabled(),
        torch.is_inference_mode_enabled(),
        torch.get_default_dtype(),
        torch.empty(0).device,
        torch.is_autocast_enabled("cpu"),
        torch.get_num_threads(),
    )


@pytest.mark.filterwarnings("ignore:k-hat")
@pytest.mark.parametrize(
    "outputs",
    ESTIMATORS + [pytest.param(outputs, marks=pytest.mark.slow) for outputs in SLOW_ESTIMATORS],
)
def test_what_is_set_of_torch_does_not_matter(outputs):
    expected = outputs()
    for name, state in STATES.items():
        with state():
            before = settings()
            results = outputs()
            assert settings() == before, name
        for result, known in zip(results, expected, strict=True):
            np.testing.assert_array_equal(result, known, err_msg=name)


def test_an_error_leaves_the_settings_as_they_were():
    with default_dtype(torch.float64), torch.no_grad():
        before = settings()
        with pytest.raises(ValueError, match="hidden_layer_sizes"):
            MAFDensity(hidden_layer_sizes=(0,)).fit(np.eye(5))
        assert settings() == before


def test_global_generators_are_left_alone():
    torch.manual_seed(0)
    np.random.seed(0)
    states = torch.get_rng_state(), np.random.get_state()[1].copy()
    of_maf()
    assert torch.equal(torch.get_rng_state(), states[0])
    np.testing.assert_array_equal(np.random.get_state()[1], states[1])
