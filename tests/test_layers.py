"""Layers and flows: log-determinants, inverses, and densities that integrate to 1."""

import math

import pytest
import torch

from skmaf.flows import Affine, Chain, Spline, make_flow, masked
from skmaf.flows.layers import Flow, MaskedLayer
from skmaf.flows.masked import MaskedNetwork

BIJECTORS = {
    "affine": Affine(),
    "spline": Spline(n_bins=5),
    "affine and spline": Chain(Affine(), Spline(n_bins=5)),
}
every_bijector = pytest.mark.parametrize("bijector", BIJECTORS.values(), ids=BIJECTORS)
every_order = pytest.mark.parametrize("order", ["natural", "reversed", "random"])
every_width = pytest.mark.parametrize("n_columns", [1, 2, 3, 8])


def degrees_of(order, n_columns):
    degrees = torch.arange(1, n_columns + 1)
    if order == "natural":
        return degrees
    if order == "reversed":
        return degrees.flip(0)
    return degrees[torch.randperm(n_columns, generator=torch.Generator().manual_seed(n_columns))]


def make_layer(bijector, degrees, hidden_sizes=(16, 12), activation="tanh", reach=None):
    generator = torch.Generator().manual_seed(0)
    network = MaskedNetwork(degrees, bijector.n_params, hidden_sizes, activation, generator)
    return MaskedLayer(network, bijector, reach)


def normal(*shape, seed=1):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def inverse_by_passes(layer, z):
    """The textbook's inverse: a whole pass for each group of columns."""
    degrees = layer.conditioner.degrees
    x = torch.zeros_like(z)
    log_derivative = torch.zeros_like(z)
    for degree in range(1, int(degrees.max()) + 1):
        columns = degrees == degree
        for whole, part in zip(
            (x, log_derivative), layer.bijector.inverse(z, layer.conditioner(x))
        ):
            whole[columns] = part[columns]
    return x, log_derivative.sum(0)


def assert_log_det_is_that_of_the_jacobian(layer, x):
    _, log_det = layer(x)
    for i in range(x.shape[1]):
        jacobian = torch.autograd.functional.jacobian(
            lambda column: layer(column[:, None])[0][:, 0], x[:, i]
        )
        sign, expected = torch.linalg.slogdet(jacobian)
        assert sign == 1
        torch.testing.assert_close(log_det[i], expected, rtol=0, atol=1e-9)


@every_bijector
@every_order
@every_width
def test_log_determinant_is_that_of_the_autograd_jacobian(bijector, order, n_columns, randomise):
    layer = randomise(make_layer(bijector, degrees_of(order, n_columns)))
    assert_log_det_is_that_of_the_jacobian(layer, 2 * normal(n_columns, 6))


@every_bijector
@every_order
def test_within_a_reach_the_network_sees_columns(bijector, order, randomise):
    """The log-determinant and the inverse are right, and no far value moves others far."""
    layer = randomise(make_layer(bijector, degrees_of(order, 4), activation="relu", reach=1.5))
    x = 2 * normal(4, 6)
    assert_log_det_is_that_of_the_jacobian(layer, x)
    z, log_det = layer(x)
    torch.testing.assert_close(layer.inverse(z), (x, log_det), rtol=0, atol=1e-6)
    first = layer.conditioner.order[0]
    others = layer.conditioner.order[1:]
    x[first] = 1e2
    near = layer(x)[0][others]
    x[first] = 1e8
    torch.testing.assert_close(layer(x)[0][others], near)


@pytest.mark.parametrize("bijector", ["affine", "spline"])
@every_width
def test_log_prob_is_that_of_the_autograd_jacobian(bijector, n_columns, randomise):
    flow = randomise(small_flow(n_columns, bijector, n_layers=3))
    x = normal(4, n_columns)
    zero = torch.zeros((), dtype=torch.float64)
    base = torch.distributions.Normal(zero, zero + 1)
    for row, log_prob in zip(x, flow.log_prob(x)):
        jacobian = torch.autograd.functional.jacobian(lambda r: flow(r[None])[0][0], row)
        expected = base.log_prob(flow(row[None])[0]).sum() + torch.linalg.slogdet(jacobian)[1]
        torch.testing.assert_close(log_prob, expected, rtol=0, atol=1e-9)


@every_bijector
@every_order
@every_width
def test_inverse_undoes_forward(bijector, order, n_columns, randomise):
    layer = randomise(make_layer(bijector, degrees_of(order, n_columns)))
    x = 2 * normal(n_columns, 500)
    z, log_det = layer(x)
    assert (z - x).abs().max() > 0.1
    torch.testing.assert_close(layer.inverse(z), (x, log_det), rtol=0, atol=1e-9)
    assert (layer(layer.inverse(x)[0])[0] - x).abs().max() < 1e-9


@every_bijector
@every_width
@pytest.mark.parametrize("size", [1e2, 1e6])
def test_inverse_undoes_forward_far_in_the_tails(bijector, n_columns, size, randomise):
    """Relative to the row: a far column moves its neighbours as far."""
    layer = randomise(make_layer(bijector, degrees_of("natural", n_columns)))
    x = size * normal(n_columns, 500)
    z, _ = layer(x)
    error = (layer.inverse(z)[0] - x).abs().amax(0) / x.abs().amax(0)
    assert error.max() < 1e-9


@every_bijector
@pytest.mark.parametrize("activation", sorted(masked.ACTIVATIONS))
@pytest.mark.parametrize("hidden_sizes", [(16,), (5, 20), (3, 3, 3)])
@pytest.mark.parametrize("n_columns", [1, 2, 9])
def test_inverse_is_that_of_whole_passes(bijector, activation, hidden_sizes, n_columns, randomise):
    layer = randomise(
        make_layer(bijector, degrees_of("random", n_columns), hidden_sizes, activation)
    )
    z = normal(n_columns, 50)
    torch.testing.assert_close(layer.inverse(z), inverse_by_passes(layer, z), rtol=0, atol=1e-10)


@every_bijector
@pytest.mark.parametrize("degrees", [[1, 1, 2, 2], [2, 1, 2, 1, 1], [1, 3, 2, 1, 3], [1, 1, 1]])
def test_coupling_layers(bijector, degrees, randomise):
    """Groups of columns need no code of their own."""
    layer = randomise(make_layer(bijector, torch.tensor(degrees)))
    x = normal(len(degrees), 50)
    z, log_det = layer(x)
    torch.testing.assert_close(layer.inverse(z), (x, log_det), rtol=0, atol=1e-9)
    torch.testing.assert_close(layer.inverse(z), inverse_by_passes(layer, z), rtol=0, atol=1e-10)


def test_inverse_with_far_more_columns_than_units(randomise):
    layer = randomise(
        make_layer(Chain(Affine(), Spline(n_bins=4)), degrees_of("random", 60), (7, 5)), size=0.5
    )
    z = normal(60, 20)
    torch.testing.assert_close(layer.inverse(z), inverse_by_passes(layer, z), rtol=0, atol=1e-9)


@pytest.mark.parametrize("degrees", [[1, 2, 3, 4, 5, 6], [4, 1, 3, 2], [1, 1, 2, 2], [1]])
def test_inverse_computes_every_hidden_unit_once(degrees, monkeypatch, randomise):
    computed = []

    def counting(x):
        computed.append(len(x))
        return torch.relu(x)

    monkeypatch.setitem(masked.ACTIVATIONS, "relu", counting)
    layer = randomise(make_layer(Affine(), torch.tensor(degrees), (16, 12), "relu"))
    layer.inverse(normal(len(degrees), 3))
    assert sum(computed) == 16 + 12


def small_flow(n_columns, bijector, n_layers=2, hidden_layer_sizes=(16, 16)):
    return make_flow(
        n_columns,
        bijector=bijector,
        n_layers=n_layers,
        hidden_layer_sizes=hidden_layer_sizes,
        activation="tanh",
        n_bins=5,
        generator=torch.Generator().manual_seed(0),
    )


def line(n_points):
    """Quadrature nodes from -548 to 548, dense around 0, and weights of the trapezoidal rule."""
    t = torch.linspace(-7, 7, n_points, dtype=torch.float64)
    return t.sinh(), t.cosh() * (t[1] - t[0])


@pytest.mark.parametrize("bijector", ["affine", "spline"])
@pytest.mark.parametrize("seed", range(3))
def test_density_of_one_column_integrates_to_one(bijector, seed, randomise):
    flow = randomise(small_flow(1, bijector), seed)
    x, weights = line(20001)
    assert (flow.log_prob(x[:, None]).exp() * weights).sum() == pytest.approx(1, abs=1e-2)


@pytest.mark.slow
@pytest.mark.parametrize("bijector", ["affine", "spline"])
@pytest.mark.parametrize("seed", range(3))
def test_density_of_two_columns_integrates_to_one(bijector, seed, randomise):
    flow = randomise(small_flow(2, bijector), seed, size=0.4)
    x, weights = line(451)
    grid = torch.cartesian_prod(x, x)
    log_prob = torch.cat([flow.log_prob(part) for part in grid.split(50_000)])
    mass = (log_prob.exp() * (weights[:, None] * weights).flatten()).sum()
    assert mass == pytest.approx(1, abs=1e-2)


@pytest.mark.parametrize("bijector", ["affine", "spline"])
def test_flow_starts_as_the_standard_normal(bijector):
    flow = small_flow(4, bijector, n_layers=3).double()
    x = normal(50, 4)
    expected = -0.5 * x.square().sum(1) - 2 * math.log(2 * math.pi)
    torch.testing.assert_close(flow.log_prob(x), expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("bijector", ["affine", "spline"])
@every_width
def test_flow_inverse_undoes_forward(bijector, n_columns, randomise):
    flow = randomise(small_flow(n_columns, bijector, n_layers=4), size=0.7)
    x = 2 * normal(300, n_columns)
    z, log_det = flow(x)
    assert (z - x).abs().max() > 0.1
    torch.testing.assert_close(flow.inverse(z), (x, log_det), rtol=0, atol=1e-9)


def test_flow_makes_every_column_depend_on_every_other(randomise):
    """The order turns round from layer to layer, so that two layers are enough."""
    flow = randomise(small_flow(5, "affine"))
    jacobian = torch.autograd.functional.jacobian(lambda row: flow(row[None])[0][0], normal(5))
    assert (jacobian.abs() > 0).all()


def test_flow_of_no_columns():
    flow = make_flow(
        0,
        bijector="spline",
        n_layers=3,
        hidden_layer_sizes=(4,),
        activation="relu",
        n_bins=4,
        generator=torch.Generator(),
    )
    assert isinstance(flow, Flow)
    assert torch.equal(flow.log_prob(torch.empty(7, 0)), torch.zeros(7))
    x, log_det = flow.inverse(torch.empty(7, 0))
    assert x.shape == (7, 0) and torch.equal(log_det, torch.zeros(7))
