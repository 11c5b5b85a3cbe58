"""The masked network: what its outputs depend on, by gradients, and its incremental evaluation."""

import pytest
import torch

from skmaf.flows import masked
from skmaf.flows.masked import MaskedNetwork

N_PARAMS = 3


def make_network(degrees, hidden_sizes, randomise, activation="silu"):
    generator = torch.Generator().manual_seed(0)
    return randomise(
        MaskedNetwork(torch.tensor(degrees), N_PARAMS, hidden_sizes, activation, generator)
    )


def sees(network, n_columns):
    """Return the matrix of whether the parameters of column i move with column j, in any row."""
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(n_columns, 5, generator=generator, dtype=torch.float64)
    jacobian = torch.autograd.functional.jacobian(network, x)
    return jacobian.abs().amax(dim=(0, 2, 4)) > 0


def allowed(degrees):
    degrees = torch.tensor(degrees)
    return degrees[None, :] < degrees[:, None]


DEGREES = {
    "one column": [1],
    "two columns": [1, 2],
    "natural": [1, 2, 3, 4, 5, 6],
    "reversed": [6, 5, 4, 3, 2, 1],
    "random": [3, 6, 1, 5, 2, 4],
    "coupling": [1, 1, 2, 2, 2],
    "alternating coupling": [2, 1, 2, 1],
    "three groups": [2, 1, 3, 3, 1, 2],
    "one group": [1, 1, 1],
}


@pytest.mark.parametrize("hidden_sizes", [(7,), (9, 9), (12, 6, 8)])
@pytest.mark.parametrize("degrees", DEGREES.values(), ids=DEGREES)
def test_parameters_see_exactly_the_columns_of_lower_degree(degrees, hidden_sizes, randomise):
    network = make_network(degrees, hidden_sizes, randomise)
    assert torch.equal(sees(network, len(degrees)), allowed(degrees))


@pytest.mark.parametrize("hidden_sizes", [(6,), (6, 6), (1,), (5, 11)])
def test_more_columns_than_hidden_units(hidden_sizes, randomise):
    """Few units cannot tell all columns apart, but see no wrong ones.

    They miss no far ones either, and leave no column without the first.
    """
    n_columns = 40
    degrees = (torch.randperm(n_columns, generator=torch.Generator().manual_seed(0)) + 1).tolist()
    connected = sees(make_network(degrees, hidden_sizes, randomise), n_columns)
    assert not connected[~allowed(degrees)].any()
    by_degree = torch.tensor(degrees).argsort()
    connected = connected[by_degree][:, by_degree]
    assert connected[1:, 0].all()
    reach = sum(-(-n_columns // size) for size in hidden_sizes)
    far = torch.ones(n_columns, n_columns, dtype=torch.bool).tril(-reach)
    assert connected[far].all()


def test_far_more_columns_than_hidden_units_and_two_groups(randomise):
    degrees = [1] * 30 + [2] * 30
    network = make_network(degrees, (4, 4), randomise)
    assert torch.equal(sees(network, 60), allowed(degrees))


def test_starts_at_zero_parameters():
    network = MaskedNetwork(
        torch.tensor([2, 1, 3]), N_PARAMS, (8,), "relu", torch.Generator().manual_seed(0)
    )
    assert torch.equal(
        network(torch.randn(3, 4, generator=torch.Generator().manual_seed(1))),
        torch.zeros(N_PARAMS, 3, 4),
    )


def test_weights_are_drawn_from_the_generator():
    def weights(seed):
        network = MaskedNetwork(
            torch.tensor([1, 2, 3]), 1, (8,), "relu", torch.Generator().manual_seed(seed)
        )
        return torch.cat([p.flatten() for p in network.parameters()])

    state = torch.get_rng_state()
    assert torch.equal(weights(0), weights(0))
    assert not torch.equal(weights(0), weights(1))
    assert torch.equal(state, torch.get_rng_state())


def test_the_first_layer_alone_starts_wider_by_its_spread():
    def first_and_second(spread):
        generator = torch.Generator().manual_seed(0)
        degrees = torch.tensor([1, 2, 3])
        network = MaskedNetwork(degrees, 1, (8, 8), "gelu", generator, spread=spread)
        return [layer.weight for layer in network.hidden]

    first, second = first_and_second(1.0)
    wider, same = first_and_second(2.0)
    torch.testing.assert_close(wider, 2 * first)
    assert torch.equal(same, second)


@pytest.mark.parametrize("activation", sorted(masked.ACTIVATIONS))
@pytest.mark.parametrize("degrees", DEGREES.values(), ids=DEGREES)
def test_an_incremental_pass_gives_the_parameters_of_a_whole_one(degrees, activation, randomise):
    network = make_network(degrees, (9, 5), randomise, activation)
    x = torch.randn(
        len(degrees), 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64
    )
    expected = network(x)
    order = torch.tensor(degrees).argsort(stable=True)
    incremental = network.incremental(4)
    seen = []
    for group in incremental.groups:
        columns = order[group]
        torch.testing.assert_close(incremental.params(), expected[:, columns], rtol=0, atol=1e-12)
        incremental.feed(x[columns])
        seen += columns.tolist()
    assert sorted(seen) == list(range(len(degrees)))


@pytest.mark.parametrize("hidden_sizes", [(9,), (9, 5), (3, 3, 2)])
@pytest.mark.parametrize("degrees", DEGREES.values(), ids=DEGREES)
def test_an_incremental_pass_computes_every_hidden_unit_once(
    degrees, hidden_sizes, randomise, monkeypatch
):
    computed = []

    def counting(x):
        computed.append(len(x))
        return torch.tanh_(x)

    monkeypatch.setitem(masked.ACTIVATIONS, "tanh", counting)
    network = make_network(degrees, hidden_sizes, randomise, "tanh")
    incremental = network.incremental(2)
    for group in incremental.groups:
        incremental.params()
        incremental.feed(torch.ones(group.stop - group.start, 2, dtype=torch.float64))
    assert sum(computed) == sum(hidden_sizes)


def test_products_that_skip_the_zeros_give_the_whole_product_and_its_gradients(
    randomise, monkeypatch
):
    n_columns = 2 * masked.BLOCK
    network = make_network(
        list(range(n_columns, 0, -1)), (2 * masked.BLOCK, 2 * masked.BLOCK + 1), randomise
    )
    layers = [*network.requires_grad_().hidden, network.output]
    assert all(len(layer.blocks) > 1 for layer in layers)
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(n_columns, 3, generator=generator, dtype=torch.float64, requires_grad=True)
    along = torch.randn(N_PARAMS, n_columns, 3, generator=generator, dtype=torch.float64)

    def value_and_gradients():
        params = network(x)
        return params, torch.autograd.grad((params * along).sum(), [x, *network.parameters()])

    skipping = value_and_gradients()
    without_gradient_of_inputs = torch.autograd.grad(
        (network(x.detach()) * along).sum(), list(network.parameters())
    )
    assert all(map(torch.equal, without_gradient_of_inputs, skipping[1][1:]))
    for layer in layers:
        whole = [tuple(map(slice, layer.mask.shape))]
        monkeypatch.setattr(layer, "blocks", whole)
    torch.testing.assert_close(skipping, value_and_gradients(), rtol=0, atol=1e-11)


@pytest.mark.parametrize("hidden_sizes", [(5,), (4, 6)])
def test_gradients_are_those_of_finite_differences(hidden_sizes, randomise):
    """Those of weights without a connection are zero."""
    network = make_network([2, 1, 3], hidden_sizes, randomise, "tanh").requires_grad_()
    x = torch.randn(3, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    names, weights = zip(*network.named_parameters())

    def params(x, *weights):
        return torch.func.functional_call(network, dict(zip(names, weights)), x)

    assert torch.autograd.gradcheck(params, (x.requires_grad_(), *weights))
    network(x).sum().backward()
    for layer in [*network.hidden, network.output]:
        assert (layer.weight.grad[layer.mask == 0] == 0).all()
        assert (layer.weight.grad[layer.mask == 1] != 0).any()
