"""The spline: its tails, its knots, and the derivatives that it has written out."""

import pytest
import torch

from skmaf.flows import Affine, AffineSpline, Chain, Spline

both_directions = pytest.mark.parametrize("direction", ["forward", "inverse"])


def random_params(spline, n_rows, seed=0, size=2.0):
    generator = torch.Generator().manual_seed(seed)
    return size * torch.randn(spline.n_params, 1, n_rows, generator=generator, dtype=torch.float64)


def line(start, stop, n):
    return torch.linspace(start, stop, n, dtype=torch.float64)[None]


@both_directions
@pytest.mark.parametrize("sign", [-1, 1])
def test_is_the_identity_outside_its_bound(sign, direction):
    spline = Spline(n_bins=6, bound=4.0)
    x = sign * line(4, 1e8, 500)
    image, log_derivative = getattr(spline, direction)(x, random_params(spline, 500))
    assert torch.equal(image, x)
    assert torch.equal(log_derivative, torch.zeros_like(x))


@both_directions
@pytest.mark.parametrize("sign", [-1, 1])
def test_meets_the_identity_with_slope_one(sign, direction):
    spline = Spline(n_bins=6, bound=4.0)
    x = torch.full((1, 200), sign * 4.0 * (1 - 1e-9), dtype=torch.float64)
    image, log_derivative = getattr(spline, direction)(x, random_params(spline, 200))
    torch.testing.assert_close(image, x, rtol=0, atol=1e-7)
    torch.testing.assert_close(log_derivative, torch.zeros_like(x), rtol=0, atol=1e-3)


@both_directions
def test_has_no_jump_at_its_knots(direction):
    """Between close points the map and its log-derivative move little, wherever the knots are."""
    spline = Spline(n_bins=6)
    x = line(-5.5, 5.5, 200001)
    image, log_derivative = getattr(spline, direction)(
        x, random_params(spline, 1, size=1.0).expand(-1, -1, x.shape[1])
    )
    assert image.diff().abs().max() < 1e-2
    assert log_derivative.diff().abs().max() < 2e-2


def knots(spline, params):
    """The inner ones, as (2, bins - 1, columns, rows): their places, and their images."""
    shares = params[: 2 * spline.n_bins].unflatten(0, (2, spline.n_bins)).softmax(1)
    sizes = 2 * spline.bound * (spline.min_bin + (1 - spline.min_bin * spline.n_bins) * shares)
    return sizes[:, :-1].cumsum(1) - spline.bound


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("size", [1.0, 10.0, 300.0])
def test_is_finite_at_its_knots(size, dtype):
    """Though rounding puts values outside their bins there, by much of a narrow one."""
    spline = Spline(8)
    params = random_params(spline, 4000, size=size).to(dtype).requires_grad_()
    for f, places in zip((spline.forward, spline.inverse), knots(spline, params.detach())):
        for value in places:
            value = value.requires_grad_()
            image, log_derivative = f(value, params)
            gradients = torch.autograd.grad((image + log_derivative).sum(), [value, params])
            assert all(part.isfinite().all() for part in (image, log_derivative, *gradients))


def test_knots_have_their_images():
    spline = Spline(5)
    params = random_params(spline, 100)
    for x, z in zip(*knots(spline, params)):
        torch.testing.assert_close(spline.forward(x, params)[0], z, rtol=0, atol=1e-12)
        torch.testing.assert_close(spline.inverse(z, params)[0], x, rtol=0, atol=1e-11)


@both_directions
def test_slopes_at_the_knots_are_the_log_derivatives(direction):
    """Also just before them, where rounding puts values outside their bins."""
    spline = Spline(8)
    params = random_params(spline, 1000)
    sign = 1 if direction == "forward" else -1
    places = knots(spline, params)[0 if direction == "forward" else 1]
    for value in [*places, *(places * (1 - places.sign() * torch.finfo(places.dtype).eps))]:
        image, log_derivative = getattr(spline, direction)(value.requires_grad_(), params)
        (slope,) = torch.autograd.grad(image.sum(), value)
        torch.testing.assert_close(sign * slope.log(), log_derivative, rtol=0, atol=1e-6)


def steep_at_the_knots(dtype):
    """Parameters of three bins, flat but for their ends: the middle one is 10 wide, 0.01 high."""
    return torch.tensor([-30, 30, -30, 30, -30, 30, 1e5, 1e5], dtype=dtype)[:, None, None].expand(
        -1, 1, 2001
    )


def test_inverse_does_not_cancel():
    """Before a knot with a slope far above that of its bin."""
    spline = Spline(3)
    top = knots(spline, steep_at_the_knots(torch.float64))[1, 1]
    z = (top - torch.linspace(1e-5, 9e-3, 2001)).float()
    expected, _ = spline.inverse(z.double(), steep_at_the_knots(torch.float64))
    torch.testing.assert_close(
        spline.inverse(z, steep_at_the_knots(torch.float32))[0].double(), expected, rtol=0, atol=1
    )


def test_inverse_has_gradients_where_it_is_flattest():
    """There the discriminant of the quadratic equation is the small difference of large numbers."""
    spline = Spline(3)
    params = steep_at_the_knots(torch.float32).requires_grad_()
    bottom, top = knots(spline, params.detach())[1]
    z = (bottom + (top - bottom) * torch.linspace(0, 1, 2001)).requires_grad_()
    x, log_derivative = spline.inverse(z, params)
    assert all(
        part.isfinite().all()
        for part in torch.autograd.grad((x + log_derivative).sum(), [z, params])
    )


@both_directions
def test_gradient_outside_is_finite_and_none(direction):
    """Also for values outside the bound, whose bins are computed but not used."""
    spline = Spline(n_bins=8)
    x = torch.tensor([[-1e30, -5.0, -4.999999, 0.0, 5.0, 7.0, 1e30]])
    params = random_params(spline, x.shape[1]).float().requires_grad_()
    image, log_derivative = getattr(spline, direction)(x, params)
    (gradient,) = torch.autograd.grad((image + log_derivative).sum(), params)
    assert gradient.isfinite().all()
    assert (gradient[:, 0, [0, 1, 4, 5, 6]] == 0).all()
    assert (gradient[:, 0, 3] != 0).any()


@both_directions
@pytest.mark.parametrize("n_bins", [2, 3, 8])
def test_gradients_are_those_of_finite_differences(n_bins, direction):
    spline = Spline(n_bins, bound=3.0)
    x = line(-3.61, 3.47, 9).requires_grad_()
    params = random_params(spline, 9, size=1.0).requires_grad_()
    assert torch.autograd.gradcheck(
        getattr(spline, direction), (x, params), eps=1e-7, atol=1e-5, rtol=1e-4
    )


@both_directions
@pytest.mark.parametrize("wanted", ["x", "params"])
def test_gradient_of_one_argument_alone(wanted, direction):
    spline = Spline(4)
    x = line(-6, 6, 31)
    params = random_params(spline, 31)

    def gradients(x, params, *wanted):
        image, log_derivative = getattr(spline, direction)(x, params)
        return torch.autograd.grad((image.sin() + log_derivative).sum(), wanted)

    both = [x.clone().requires_grad_(), params.clone().requires_grad_()]
    of_x, of_params = gradients(*both, *both)
    alone = (x if wanted == "x" else params).requires_grad_()
    expected = of_x if wanted == "x" else of_params
    torch.testing.assert_close(gradients(x, params, alone)[0], expected)


def test_scale_of_widths_and_heights_follows_the_softmax():
    """A parameter common to all widths, or to all heights, changes nothing."""
    spline = Spline(5)
    x = line(-5, 5, 101)
    params = random_params(spline, 101)
    shifted = params.clone()
    shifted[:5] += 1.5
    shifted[5:10] -= 0.5
    for a, b in zip(spline.forward(x, params), spline.forward(x, shifted)):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-10)


@pytest.mark.parametrize("seed", range(3))
def test_inverse_is_as_exact_as_the_slope_lets_it_be(seed):
    """Where the map is almost flat, the rounding of its image alone moves the inverse."""
    spline = Spline(8)
    x = line(-6, 6, 2001)
    params = random_params(spline, 2001, seed, size=3.0)
    z, log_derivative = spline.forward(x, params)
    moved_by_rounding = torch.finfo(torch.float64).eps * 10 * (-log_derivative).exp()
    assert (
        (spline.inverse(z, params)[0] - x).abs() < 10 * moved_by_rounding.clamp(min=1e-13)
    ).all()


@pytest.mark.parametrize("n_bins", [2, 8])
def test_affine_map_and_spline_in_one_are_their_chain_and_have_its_gradients(n_bins):
    """Also outside of the bound, and where one of the two results alone has a gradient."""
    both = AffineSpline(n_bins)
    chain = Chain(Affine(), Spline(n_bins))
    x = line(-9, 9, 501).requires_grad_()
    params = random_params(both, 501).requires_grad_()
    generator = torch.Generator().manual_seed(1)
    along = torch.randn(2, 1, 501, generator=generator, dtype=torch.float64)
    for weights in (along, along * torch.tensor([1.0, 0.0])[:, None, None], along.flip(0)):

        def results(bijector, weights=weights):
            image, log_derivative = bijector.forward(x, params)
            total = (weights[0] * image + weights[1] * log_derivative).sum()
            return image, log_derivative, *torch.autograd.grad(total, [x, params])

        torch.testing.assert_close(results(both), results(chain), rtol=1e-10, atol=1e-10)


def test_the_gradient_of_parameters_that_rows_share_is_the_sum():
    """Parameters expanded over the rows, as those of a network that sees no column."""
    spline = Spline(4)
    x = line(-3, 3, 7)
    one = random_params(spline, 1).requires_grad_()
    (shared,) = torch.autograd.grad(spline.forward(x, one.expand(-1, -1, 7))[1].sum(), one)
    each = one.detach().repeat(1, 1, 7).requires_grad_()
    (separate,) = torch.autograd.grad(spline.forward(x, each)[1].sum(), each)
    torch.testing.assert_close(shared, separate.sum(2, keepdim=True), rtol=0, atol=1e-12)
