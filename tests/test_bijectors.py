"""Scalar bijectors: identity at zero, log-derivatives, inverses, tails; the mixture's density."""

import math

import pytest
import torch
from torch.distributions import Categorical, MixtureSameFamily, Normal

from skmaf.flows import Additive, Affine, AffineSpline, Chain, Mixture, Spline

MIXTURES = {
    "mixture": Mixture(),
    "mixture of 3": Mixture(3),
    "affine and mixture": Chain(Affine(), Mixture(5)),
}
OTHERS = {
    "additive": Additive(),
    "affine": Affine(),
    "spline": Spline(n_bins=8),
    "spline of 2 bins": Spline(n_bins=2, bound=3.0),
    "affine and spline": AffineSpline(n_bins=5),
    "three in a chain": Chain(Spline(n_bins=3), Affine(), Spline(n_bins=4)),
}
BIJECTORS = OTHERS | MIXTURES
every_bijector = pytest.mark.parametrize("bijector", BIJECTORS.values(), ids=BIJECTORS)
every_mixture = pytest.mark.parametrize("bijector", MIXTURES.values(), ids=MIXTURES)
all_but_mixtures = pytest.mark.parametrize("bijector", OTHERS.values(), ids=OTHERS)
every_dtype = pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)


def random_params(bijector, n_rows, seed=0, size=2.0):
    generator = torch.Generator().manual_seed(seed)
    return size * torch.randn(
        bijector.n_params, 1, n_rows, generator=generator, dtype=torch.float64
    )


def zero_params(bijector, n_rows):
    return torch.zeros(bijector.n_params, 1, n_rows, dtype=torch.float64)


def line(start, stop, n):
    return torch.linspace(start, stop, n, dtype=torch.float64)[None]


@all_but_mixtures
def test_zero_parameters_give_the_identity(bijector):
    x = line(-8, 8, 1001)
    zeros = torch.zeros(1, 1001, dtype=torch.float64)
    for image, log_derivative in (
        f(x, zero_params(bijector, 1001)) for f in (bijector.forward, bijector.inverse)
    ):
        torch.testing.assert_close(image, x, rtol=0, atol=1e-12)
        torch.testing.assert_close(log_derivative, zeros, rtol=0, atol=1e-12)


@pytest.mark.parametrize("n_components", [1, 2, 3, 5, 8, 20])
def test_zero_parameters_of_a_mixture_give_about_the_identity(n_components):
    x = line(-3, 3, 601)
    mixture = Mixture(n_components)
    for image, log_derivative in (
        f(x, zero_params(mixture, 601)) for f in (mixture.forward, mixture.inverse)
    ):
        torch.testing.assert_close(image, x, rtol=0, atol=0.2)
        torch.testing.assert_close(log_derivative, torch.zeros_like(x), rtol=0, atol=0.2)


@every_bijector
def test_log_derivative_is_that_of_autograd(bijector):
    x = line(-8, 8, 1001).requires_grad_()
    z, log_derivative = bijector.forward(x, random_params(bijector, 1001))
    (derivative,) = torch.autograd.grad(z.sum(), x)
    assert derivative.min() > 0
    torch.testing.assert_close(log_derivative, derivative.log(), rtol=0, atol=1e-9)


@every_bijector
def test_log_derivative_of_the_inverse_is_that_of_forward(bijector):
    z = line(-6, 6, 1001).requires_grad_()
    params = random_params(bijector, 1001, size=1.0)
    x, log_derivative = bijector.inverse(z, params)
    torch.testing.assert_close(log_derivative, bijector.forward(x, params)[1], rtol=0, atol=1e-9)
    (derivative,) = torch.autograd.grad(x.sum(), z)
    torch.testing.assert_close(log_derivative, -derivative.log(), rtol=0, atol=1e-9)


@all_but_mixtures
@pytest.mark.parametrize("seed", range(3))
def test_inverse_undoes_forward(bijector, seed):
    x = torch.cat([line(-8, 8, 1001), line(-1e6, 1e6, 1000)], dim=1)
    params = random_params(bijector, x.shape[1], seed, size=1.0)
    z, log_derivative = bijector.forward(x, params)
    back, log_derivative_back = bijector.inverse(z, params)
    assert ((back - x).abs() / x.abs().clamp(min=1)).max() < 1e-9
    torch.testing.assert_close(log_derivative_back, log_derivative, rtol=0, atol=1e-8)


@every_mixture
@pytest.mark.parametrize("seed", range(3))
def test_inverse_undoes_forward_of_a_mixture(bijector, seed):
    """Between far components the map is flat: many ``x`` share one rounded ``z``.

    It alone must come back.
    """
    x = torch.cat([line(-8, 8, 1001), line(-1e6, 1e6, 1000)], dim=1)
    params = random_params(bijector, x.shape[1], seed, size=1.0)
    z, log_derivative = bijector.forward(x, params)
    back, _ = bijector.inverse(z, params)
    torch.testing.assert_close(bijector.forward(back, params)[0], z, rtol=1e-12, atol=1e-12)
    # by differences: the log-derivative itself is rounded in the far tails
    slope = (bijector.forward(x + 1e-3, params)[0] - z) / 1e-3
    assert ((back - x).abs() <= 1e-11 * (1 + z.abs()) / slope + 1e-12 * x.abs()).all()


@every_bijector
def test_forward_undoes_inverse(bijector):
    """In the direction of sampling, also far out."""
    z = torch.cat([line(-8, 8, 1001), line(-1e6, 1e6, 1000)], dim=1)
    params = random_params(bijector, z.shape[1], size=1.0)
    torch.testing.assert_close(
        bijector.forward(bijector.inverse(z, params)[0], params)[0], z, rtol=1e-10, atol=1e-10
    )


@pytest.mark.slow
@every_bijector
@pytest.mark.parametrize("direction", ["forward", "inverse"])
def test_gradients_are_those_of_finite_differences(bijector, direction):
    value = line(-3.61, 3.47, 3).requires_grad_()
    params = random_params(bijector, 3, size=0.7).requires_grad_()
    assert torch.autograd.gradcheck(
        getattr(bijector, direction), (value, params), eps=1e-6, atol=1e-5, rtol=1e-4
    )


@every_bijector
def test_one_set_of_parameters_gives_a_rising_map(bijector):
    x = line(-10, 10, 4001)
    params = random_params(bijector, 1).expand(-1, -1, x.shape[1])
    z, _ = bijector.forward(x, params)
    assert (z.diff() > 0).all()
    assert (bijector.inverse(x, params)[0].diff() > 0).all()


@every_bijector
@every_dtype
def test_extreme_parameters_stay_finite_and_invertible(bijector, dtype):
    """Even where the network puts out numbers in the hundreds, in either direction."""
    x = line(-4, 4, 801).to(dtype).requires_grad_()
    params = (300 * torch.sign(random_params(bijector, 801))).to(dtype).requires_grad_()
    z, log_derivative = bijector.forward(x, params)
    assert z.isfinite().all() and log_derivative.isfinite().all()
    for image, log_derivative in (
        bijector.inverse(z.detach(), params),
        bijector.inverse(x, params),
    ):
        assert image.isfinite().all() and log_derivative.isfinite().all()


@every_bijector
def test_no_rows(bijector):
    for f in (bijector.forward, bijector.inverse):
        assert [part.shape for part in f(line(0, 0, 0), zero_params(bijector, 0))] == [(1, 0)] * 2


def test_affine_bounds_the_scale():
    params = torch.tensor([[[1e9, -1e9]], [[0.0, 0.0]]], dtype=torch.float64)
    z, log_scale = Affine().forward(torch.ones(1, 2, dtype=torch.float64), params)
    torch.testing.assert_close(
        log_scale, torch.tensor([[7.0, -7.0]], dtype=torch.float64), rtol=0, atol=1e-6
    )
    torch.testing.assert_close(z, log_scale.exp())


def log_prob(x, z, log_derivative):
    """Of a flow of one layer."""
    return log_derivative - z.square() / 2 - math.log(2 * math.pi) / 2


def torch_mixture(mixture, params):
    """What `Mixture` documents, built of the distributions of torch."""
    logits, means, log_scales = params.unflatten(0, (3, mixture.n_components)).movedim(1, -1)
    means = means + means.new_tensor(mixture.means)
    scales = (log_scales / (1 + log_scales.abs() / 7) + mixture.log_scale).exp()
    return MixtureSameFamily(Categorical(logits=logits), Normal(means, scales), validate_args=False)


@pytest.mark.parametrize("n_components", [1, 2, 8])
@pytest.mark.parametrize("size", [0.0, 0.5, 2.0, 10.0])
def test_mixture_has_the_density_and_the_distribution_of_its_components(n_components, size):
    mixture = Mixture(n_components)
    x = line(-9, 9, 901)
    params = random_params(mixture, 901, size=size)
    z, log_derivative = mixture.forward(x, params)
    expected = torch_mixture(mixture, params)
    torch.testing.assert_close(
        log_prob(x, z, log_derivative), expected.log_prob(x), rtol=1e-12, atol=1e-12
    )
    torch.testing.assert_close(torch.special.ndtr(z), expected.cdf(x), rtol=0, atol=1e-13)


@pytest.mark.parametrize("seed", range(3))
def test_mixture_integrates_to_1(seed):
    mixture = Mixture()
    x = line(-80, 80, 40001)
    params = random_params(mixture, 1, seed, size=1.0).expand(-1, -1, x.shape[1])
    z, log_derivative = mixture.forward(x, params)
    mass = torch.trapezoid(log_prob(x, z, log_derivative).exp(), x).item()
    assert mass == pytest.approx(1, abs=1e-9)


@every_dtype
@pytest.mark.parametrize("far", [30, 1e3, 1e6, 1e15])
@pytest.mark.parametrize("size", [0.0, 1.0])
def test_mixture_far_out(dtype, far, size):
    """All is finite and right, gradients too, where squares have lost all their decimals."""
    mixture = Mixture()
    x = (far * line(-1, 1, 40)).to(dtype).requires_grad_()
    params = random_params(mixture, 40, size=size).to(dtype).requires_grad_()
    z, log_derivative = mixture.forward(x, params)
    tolerance = 1e3 * torch.finfo(dtype).eps
    few_digits = {"rtol": tolerance, "atol": tolerance}
    expected = torch_mixture(mixture, params).log_prob(x)
    torch.testing.assert_close(log_prob(x, z, log_derivative), expected, **few_digits)
    (slope,) = torch.autograd.grad(z.sum(), x, retain_graph=True)
    image = z.detach().requires_grad_()
    back, log_derivative_back = mixture.inverse(image, params)
    torch.testing.assert_close(mixture.forward(back, params)[0], z, **few_digits)
    (slope_back,) = torch.autograd.grad(back.sum(), image, retain_graph=True)
    torch.testing.assert_close(slope * slope_back, torch.ones_like(slope), rtol=0, atol=1e-2)
    total = z.sum() + log_derivative.sum() + back.sum() + log_derivative_back.sum()
    assert all(
        gradient.isfinite().all() for gradient in torch.autograd.grad(total, [x, params, image])
    )
    if far >= 1e6:  # where the widest component alone counts
        rate = -torch_mixture(mixture, params).component_distribution.scale.amax(-1).log()
        torch.testing.assert_close(slope.log(), rate, rtol=0, atol=1e-2)


@every_dtype
def test_mixture_between_far_components(dtype):
    """Where the density vanishes, gradients are huge, or lost, but numbers."""
    mixture = Mixture(2)
    z = torch.tensor([[-1e-3, -1e-9, 0.0, 1e-9, 1e-3]], dtype=dtype).requires_grad_()
    params = (
        torch.tensor([0.0, 0.0, -300.0, 300.0, -9.0, -9.0], dtype=dtype)[:, None, None]
        .repeat(1, 1, 5)
        .requires_grad_()
    )
    x, log_derivative = mixture.inverse(z, params)
    assert (x.diff() >= 0).all() and (x.abs() < 301).all()
    gradients = torch.autograd.grad(x.sum() + log_derivative.sum(), [z, params], retain_graph=True)
    masked = torch.autograd.grad((0 * x).sum(), [z, params])
    assert not any(gradient.isnan().any() for gradient in gradients + masked)


def test_mixture_of_one_is_an_affine_map():
    x = line(-1e4, 1e4, 101)
    params = random_params(Mixture(1), 101)
    z, log_derivative = Mixture(1).forward(x, params)
    image, log_scale = Affine().inverse(x, params[[2, 1]])
    torch.testing.assert_close(z, image, rtol=1e-12, atol=1e-12)
    # a difference of squares
    torch.testing.assert_close(log_derivative, -log_scale, rtol=0, atol=1e-2)
    assert (log_derivative + log_scale)[:, 40:61].abs().max() < 1e-5


def test_components_of_a_mixture_start_apart():
    """Equal ones would have equal gradients, and stay equal."""
    x = line(-2, 3, 101)
    params = zero_params(Mixture(), 1).requires_grad_()
    z, log_derivative = Mixture().forward(x, params.expand(-1, -1, 101))
    (gradient,) = torch.autograd.grad(log_prob(x, z, log_derivative).sum(), params)
    assert (gradient.view(3, 8).diff().abs() > 1e-3).all()
