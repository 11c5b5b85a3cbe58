"""Scalar bijectors: identity at zero, log-derivatives against autograd, inverses, tails."""

import pytest
import torch

from skmaf.flows import Affine, Chain, Spline

BIJECTORS = {
    "affine": Affine(),
    "spline": Spline(n_bins=8),
    "spline of 2 bins": Spline(n_bins=2, bound=3.0),
    "affine and spline": Chain(Affine(), Spline(n_bins=5)),
    "three in a chain": Chain(Spline(n_bins=3), Affine(), Spline(n_bins=4)),
}
every_bijector = pytest.mark.parametrize("bijector", BIJECTORS.values(), ids=BIJECTORS)


def random_params(bijector, n_rows, seed=0, size=2.0):
    generator = torch.Generator().manual_seed(seed)
    return size * torch.randn(bijector.n_params, 1, n_rows, generator=generator, dtype=torch.float64)


def line(start, stop, n):
    return torch.linspace(start, stop, n, dtype=torch.float64)[None]


@every_bijector
def test_zero_parameters_give_the_identity(bijector):
    x = line(-8, 8, 1001)
    params = torch.zeros(bijector.n_params, 1, 1001, dtype=torch.float64)
    z, log_derivative = bijector.forward(x, params)
    torch.testing.assert_close(z, x, rtol=0, atol=1e-12)
    torch.testing.assert_close(log_derivative, torch.zeros_like(x), rtol=0, atol=1e-12)
    torch.testing.assert_close(bijector.inverse(x, params), x, rtol=0, atol=1e-12)


@every_bijector
def test_log_derivative_is_that_of_autograd(bijector):
    x = line(-8, 8, 1001).requires_grad_()
    z, log_derivative = bijector.forward(x, random_params(bijector, 1001))
    (derivative,) = torch.autograd.grad(z.sum(), x)
    assert derivative.min() > 0
    torch.testing.assert_close(log_derivative, derivative.log(), rtol=0, atol=1e-9)


@every_bijector
@pytest.mark.parametrize("seed", range(3))
def test_inverse_undoes_forward(bijector, seed):
    x = torch.cat([line(-8, 8, 1001), line(-1e6, 1e6, 1000)], dim=1)
    params = random_params(bijector, x.shape[1], seed, size=1.0)
    z, _ = bijector.forward(x, params)
    error = (bijector.inverse(z, params) - x).abs() / x.abs().clamp(min=1)
    assert error.max() < 1e-9


@every_bijector
def test_one_set_of_parameters_gives_a_rising_map(bijector):
    x = line(-10, 10, 4001)
    params = random_params(bijector, 1).expand(-1, -1, x.shape[1])
    z, _ = bijector.forward(x, params)
    assert (z.diff() > 0).all()


@every_bijector
def test_extreme_parameters_stay_finite_and_invertible(bijector):
    """Even where the network puts out numbers in the hundreds, in either direction."""
    x = line(-4, 4, 801)
    params = 300 * torch.sign(random_params(bijector, 801))
    z, log_derivative = bijector.forward(x, params)
    assert z.isfinite().all() and log_derivative.isfinite().all()
    assert bijector.inverse(z, params).isfinite().all()


def test_affine_bounds_the_scale():
    params = torch.tensor([[[1e9, -1e9]], [[0.0, 0.0]]], dtype=torch.float64)
    z, log_scale = Affine().forward(torch.ones(1, 2, dtype=torch.float64), params)
    torch.testing.assert_close(log_scale, torch.tensor([[7.0, -7.0]], dtype=torch.float64), rtol=0, atol=1e-6)
    torch.testing.assert_close(z, log_scale.exp())
