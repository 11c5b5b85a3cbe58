"""Planar and radial layers: log-determinants, inverses, gradients, integrals of densities."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.autograd.functional import jacobian

from skmaf.flows import planar
from skmaf.flows.planar import MARGIN, PlanarLayer, RadialLayer

every_layer = pytest.mark.parametrize("cls", [PlanarLayer, RadialLayer])
every_width = pytest.mark.parametrize("n_columns", [1, 2, 5])
every_way = pytest.mark.parametrize("way", ["forward", "inverse"])


def normal(*shape, seed=1):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def start(cls, n_columns):
    return cls(n_columns, torch.Generator().manual_seed(0)).double()


def assert_round_trips(layer, x, tolerance):
    """Assert that both ways undo each other, relative to the row where it is far from 0.

    The log-determinant must be the same in both directions.
    """
    for there, back in [(layer.forward, layer.inverse), (layer.inverse, layer.forward)]:
        y, log_det = there(x)
        again, log_det_again = back(y)
        size = 1 + x.abs().amax(0) + y.abs().amax(0)
        assert ((again - x).abs().amax(0) / size).max() < tolerance
        torch.testing.assert_close(log_det_again, log_det, rtol=0, atol=100 * tolerance)


@every_layer
@every_width
@every_way
@pytest.mark.parametrize("seed", range(4))
def test_log_determinant_is_that_of_the_autograd_jacobian(cls, n_columns, way, seed, randomise):
    layer = randomise(start(cls, n_columns), seed, size=2.0)
    rows = 2 * normal(n_columns, 6)
    map_rows = getattr(layer, way)
    _, log_det = map_rows(rows)
    assert log_det.shape == (6,)
    for i in range(6):
        sign, expected = torch.linalg.slogdet(
            jacobian(lambda column: map_rows(column[:, None])[0][:, 0], rows[:, i])
        )
        assert sign == 1
        torch.testing.assert_close(
            log_det[i], expected if way == "forward" else -expected, rtol=0, atol=1e-9
        )


@every_width
def test_planar_inverse_is_the_formula_of_the_paper(n_columns, randomise):
    layer = randomise(start(PlanarLayer, n_columns))
    z = normal(n_columns, 50)
    u, bend = layer._constrained()
    x, log_det = layer.inverse(z)
    along = (layer.w[:, None] * z).sum(0) + layer.b
    torch.testing.assert_close(x, z + u[:, None] * torch.tanh(along))
    torch.testing.assert_close(-log_det, torch.log(1 + (u @ layer.w) / along.cosh().square()))
    # along w alone
    shift = u - layer.raw_u
    torch.testing.assert_close(
        shift.square().sum() * layer.w.square().sum(), (shift @ layer.w).square()
    )


@every_width
def test_radial_inverse_is_the_formula_of_the_paper(n_columns, randomise):
    layer = randomise(start(RadialLayer, n_columns))
    z = normal(n_columns, 50)
    alpha, total = layer._constrained()
    x, log_det = layer.inverse(z)
    beta = total - alpha
    offset = z - layer.center[:, None]
    r = offset.square().sum(0).sqrt()
    h = 1 / (alpha + r)
    torch.testing.assert_close(x, z + beta * h * offset)
    expected = (n_columns - 1) * (1 + beta * h).log() + (1 + beta * h - beta * h.square() * r).log()
    torch.testing.assert_close(-log_det, expected)


@every_layer
@given(
    n_columns=st.sampled_from([1, 2, 5]),
    seed=st.integers(0, 10**6),
    size=st.sampled_from([0.1, 1.0, 3.0, 10.0]),
)
def test_inverse_undoes_forward(cls, n_columns, seed, size, randomise):
    layer = randomise(start(cls, n_columns), seed, size)
    assert_round_trips(layer, 2 * normal(n_columns, 300), 1e-10)


@every_layer
@every_width
@pytest.mark.parametrize("size", [1e2, 1e6, 1e15])
def test_inverse_undoes_forward_far_in_the_tails(cls, n_columns, size, randomise):
    for seed in range(5):
        assert_round_trips(
            randomise(start(cls, n_columns), seed, 3.0), size * normal(n_columns, 300), 1e-12
        )


@every_layer
@every_width
@pytest.mark.parametrize("size", [100.0, 300.0])
def test_inverse_undoes_forward_with_extreme_weights(cls, n_columns, size, randomise):
    """The maps themselves multiply rounding by up to |w| |u| / MARGIN, or alpha / MARGIN."""
    for seed in range(10):
        assert_round_trips(
            randomise(start(cls, n_columns), seed, size), normal(n_columns, 300), 1e-8
        )


@every_layer
@every_width
@every_way
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("size", [1.0, 300.0])
def test_all_is_finite_far_away_and_with_extreme_weights(
    cls, n_columns, way, dtype, size, randomise
):
    far = torch.tensor([0.0, 1.0, 1e3, 1e15]).repeat(25)
    for seed in range(5):
        layer = randomise(start(cls, n_columns), seed, size).to(dtype).requires_grad_()
        rows = (normal(n_columns, 100) * far).to(dtype).requires_grad_()
        out, log_det = getattr(layer, way)(rows)
        assert out.dtype == log_det.dtype == dtype
        gradients = torch.autograd.grad(out.sum() + log_det.sum(), [rows, *layer.parameters()])
        assert all(tensor.isfinite().all() for tensor in [out, log_det, *gradients])


@every_layer
@pytest.mark.parametrize("dtype,tolerance", [(torch.float32, 1e-4), (torch.float64, 1e-12)])
def test_round_trips_to_the_precision_of_the_dtype(cls, dtype, tolerance, randomise):
    for seed in range(5):
        assert_round_trips(
            randomise(start(cls, 3), seed).to(dtype), normal(3, 300).to(dtype), tolerance
        )


@given(bend=st.floats(-1 + MARGIN, 1e12), scale=st.sampled_from([1e-20, 1e-3, 1.0, 30.0, 1e18]))
def test_newton_solves_to_rounding_well_before_its_last_step(bend, scale):
    bend = torch.tensor(bend, dtype=torch.float64)
    k = torch.cat(
        [
            scale * normal(500).abs(),
            bend.abs() + normal(500).abs(),
            bend.abs() * torch.linspace(0, 2, 500),
        ]
    )
    t = planar._newton(k, bend)
    assert (t >= 0).all()
    assert ((t + bend * t.tanh() - k).abs() <= 1e-15 * (k + bend.abs())).all()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(planar, "MAX_STEPS", planar.MAX_STEPS // 2)
        assert torch.equal(t, planar._newton(k, bend))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@every_width
@pytest.mark.parametrize("size", [1.0, 30.0, 300.0, 1e4])
def test_planar_constraint_holds(dtype, n_columns, size, randomise):
    for seed in range(20):
        layer = randomise(start(PlanarLayer, n_columns), seed, size).to(dtype)
        u, bend = layer._constrained()
        rounding = 4 * torch.finfo(dtype).eps * layer.w.norm() * u.norm()
        assert bend > -1
        assert (layer.w @ u - bend).abs() <= rounding
        assert planar._slope(torch.zeros((), dtype=dtype), bend) > MARGIN / 2


@pytest.mark.parametrize("raw_alpha,raw_total", [(-30.0, 1e3), (1e3, -30.0), (0.0, 0.0)])
def test_radial_rows_by_the_centre_keep_their_digits(raw_alpha, raw_total):
    """Where the root of the textbook would be a small difference of large numbers."""
    layer = start(RadialLayer, 2)
    with torch.no_grad():
        for weight, value in zip(
            [layer.center, layer.raw_alpha, layer.raw_total], [0.0, raw_alpha, raw_total]
        ):
            weight.fill_(value)
    for size in [1e-12, 1e-6, 1e-3]:
        z = size * normal(2, 100)
        torch.testing.assert_close(layer(layer.inverse(z)[0])[0], z, rtol=1e-13, atol=0)


@pytest.mark.parametrize("size", [1.0, 30.0, 300.0])
def test_radial_constraint_holds(size, randomise):
    for seed in range(20):
        alpha, total = randomise(start(RadialLayer, 2), seed, size)._constrained()
        assert alpha >= MARGIN and total >= MARGIN


@every_layer
@every_way
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("size", [1.0, 30.0, 300.0])
def test_map_of_one_column_rises(cls, way, dtype, size, randomise):
    """By more than rounding, too, where rows are further apart than it."""
    for seed in range(20):
        layer = randomise(start(cls, 1), seed, size).to(dtype)
        rows = torch.linspace(-20, 20, 4001, dtype=dtype)[None]
        out = getattr(layer, way)(rows)[0][0]
        rounding = 4 * torch.finfo(dtype).eps * (1 + 2 * size) * 20
        assert (out.diff() > -rounding).all()
        assert out[-1] > out[0]
        if dtype is torch.float64 and way == "inverse":
            assert (out.diff() > 0).all()


@every_layer
@every_way
@every_width
@pytest.mark.parametrize("seed", range(3))
def test_gradients_are_those_of_finite_differences(cls, way, n_columns, seed, randomise):
    layer = randomise(start(cls, n_columns), seed).requires_grad_()
    # gradcheck moves the weights in place, where the layer reads them
    inputs = normal(n_columns, 5).requires_grad_(), *layer.parameters()
    assert torch.autograd.gradcheck(lambda rows, *weights: getattr(layer, way)(rows), inputs)


@every_layer
@every_way
def test_gradients_at_the_centre_and_on_the_ridge(cls, way):
    """At distance 0 a norm has no gradient, but the map does."""
    layer = start(cls, 3)
    with torch.no_grad():
        (layer.b if cls is PlanarLayer else layer.center).zero_()
    slopes = jacobian(
        lambda row: getattr(layer, way)(row[:, None])[0][:, 0], torch.zeros(3, dtype=torch.float64)
    )
    step = 1e-4 * torch.eye(3, dtype=torch.float64)
    expected = (getattr(layer, way)(step)[0] - getattr(layer, way)(-step)[0]) / 2e-4
    torch.testing.assert_close(slopes, expected, rtol=0, atol=1e-5)


def line(n_points):
    """Quadrature nodes from -548 to 548, dense around 0, and weights of the trapezoidal rule."""
    t = torch.linspace(-7, 7, n_points, dtype=torch.float64)
    return t.sinh(), t.cosh() * (t[1] - t[0])


def density(layer, x):
    z, log_det = layer(x)
    return (log_det - 0.5 * z.square().sum(0) - 0.5 * len(x) * math.log(2 * math.pi)).exp()


@every_layer
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("size", [0.5, 2.0])
def test_density_of_one_column_integrates_to_one(cls, seed, size, randomise):
    layer = randomise(start(cls, 1), seed, size)
    x, _ = line(20_001)
    # dense where the density is high: it may be a spike
    x = torch.cat([x, layer.inverse(x[None])[0][0]]).sort()[0]
    assert torch.trapezoid(density(layer, x[None]), x) == pytest.approx(1, abs=1e-4)


@pytest.mark.slow
@every_layer
@pytest.mark.parametrize("seed", range(4))
def test_density_of_two_columns_integrates_to_one(cls, seed, randomise):
    layer = randomise(start(cls, 2), seed)
    x, weights = line(1201)
    mass = density(layer, torch.cartesian_prod(x, x).T) @ (weights[:, None] * weights).flatten()
    assert mass == pytest.approx(1, abs=1e-2)


@every_layer
@every_width
@every_way
def test_layer_starts_near_the_identity_and_can_leave_it(cls, n_columns, way):
    layer = start(cls, n_columns)
    rows = normal(n_columns, 200)
    out, log_det = getattr(layer, way)(rows)
    assert (out - rows).abs().max() < 0.1
    assert log_det.abs().max() < 0.2
    assert not torch.equal(out, rows)
    # towards data of another scale and place, every weight has a gradient
    loss = (out - 2 * rows - 1).square().sum() + log_det.sum()
    for gradient in torch.autograd.grad(loss, list(layer.parameters())):
        assert gradient.abs().max() > 1e-6


@every_layer
@every_width
@every_way
@pytest.mark.parametrize("shrink", [1e-2, 1e-30, 0.0])
def test_decayed_weights_give_the_identity(cls, n_columns, way, shrink, randomise):
    layer = randomise(start(cls, n_columns), size=shrink)
    rows = 3 * normal(n_columns, 50)
    out, log_det = getattr(layer, way)(rows)
    torch.testing.assert_close(out, rows, rtol=0, atol=5 * shrink + 1e-14)
    torch.testing.assert_close(
        log_det, torch.zeros_like(log_det), rtol=0, atol=5 * n_columns * shrink + 1e-14
    )


@every_layer
@every_way
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("shrink", [1e-12, 1e-30, 0.0])
def test_decayed_weights_have_modest_gradients(cls, way, dtype, shrink, randomise):
    layer = randomise(start(cls, 3), size=shrink).to(dtype).requires_grad_()
    out, log_det = getattr(layer, way)(normal(3, 50).to(dtype))
    for gradient in torch.autograd.grad(out.sum() + log_det.sum(), list(layer.parameters())):
        assert gradient.abs().max() < 1e3


@every_layer
def test_decay_pulls_towards_the_identity(cls, randomise):
    layer = randomise(start(cls, 2)).requires_grad_()
    rows = normal(2, 50)
    before = (layer(rows)[0] - rows).abs().max()
    with torch.no_grad():
        for weight in layer.parameters():
            weight.mul_(0.1)
    assert (layer(rows)[0] - rows).abs().max() < 0.2 * before


@every_layer
def test_likelihood_and_variational_training_lower_their_losses(cls):
    """Of data that one layer makes from normal noise."""
    target = cls(2, torch.Generator().manual_seed(5)).double()
    with torch.no_grad():
        (target.raw_u if cls is PlanarLayer else target.raw_total).fill_(2)
    z = normal(2, 500)
    x = target.inverse(z)[0].detach()

    def likelihood(layer):
        return -density(layer, x).log().mean()

    def variational(layer):
        y, log_det = layer.inverse(z)
        return (log_det - density(target, y).log()).mean()

    for loss in [likelihood, variational]:
        layer = start(cls, 2)
        optimizer = torch.optim.Adam(layer.parameters(), lr=0.05)
        losses = []
        for _ in range(60):
            optimizer.zero_grad()
            losses.append(loss(layer))
            losses[-1].backward()
            optimizer.step()
        assert losses[-1] < losses[0] - 0.05


@every_layer
def test_generator_alone_draws_the_weights(cls):
    before = torch.get_rng_state()
    first, second = (cls(4, torch.Generator().manual_seed(3)) for _ in range(2))
    other = cls(4, torch.Generator().manual_seed(4))
    assert torch.equal(torch.get_rng_state(), before)
    for a, b in zip(first.parameters(), second.parameters()):
        assert torch.equal(a, b)
    assert any(not torch.equal(a, b) for a, b in zip(first.parameters(), other.parameters()))


@every_layer
@every_way
@pytest.mark.parametrize("argument", ["context", "present"])
def test_context_and_missing_cells_are_refused(cls, way, argument):
    x = normal(2, 3)
    with pytest.raises(
        ValueError, match="planar and radial flows take no context and no missing cells"
    ):
        getattr(start(cls, 2), way)(x, **{argument: torch.ones_like(x)})


@every_layer
@every_width
def test_sizes_of_batches(cls, n_columns):
    layer = start(cls, n_columns)
    assert layer.widest == layer.n_units == n_columns


@every_layer
@every_way
def test_no_rows(cls, way):
    out, log_det = getattr(start(cls, 3), way)(torch.empty(3, 0, dtype=torch.float64))
    assert out.shape == (3, 0) and log_det.shape == (0,)
