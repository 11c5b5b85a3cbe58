"""Context: a flow whose density is given further columns."""

import pytest
import torch

from skmaf.flows import make_flow
from skmaf.flows.masked import MaskedNetwork

N_CONTEXT = 2
N_PARAMS = 3
DEGREES = {
    "one column": [1],
    "natural": [1, 2, 3, 4],
    "reversed": [4, 3, 2, 1],
    "coupling": [2, 1, 2, 1],
    "one group": [1, 1],
}
every_order = pytest.mark.parametrize("degrees", DEGREES.values(), ids=DEGREES)


def make_network(degrees, randomise, hidden_sizes=(11, 9)):
    generator = torch.Generator().manual_seed(0)
    return randomise(
        MaskedNetwork(torch.tensor(degrees), N_PARAMS, hidden_sizes, "silu", generator, N_CONTEXT)
    )


def make_context_flow(n_columns):
    generator = torch.Generator().manual_seed(0)
    return make_flow(
        n_columns,
        bijector="spline",
        n_layers=3,
        hidden_layer_sizes=(12, 12),
        activation="tanh",
        n_bins=4,
        generator=generator,
        n_context=N_CONTEXT,
    )


def normal(*shape, seed=1):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@every_order
def test_all_parameters_see_the_context_and_columns_of_lower_degree(degrees, randomise):
    network = make_network(degrees, randomise)
    by_context, by_column = torch.autograd.functional.jacobian(
        lambda context, x: network(x, context),
        (normal(N_CONTEXT, 5), normal(len(degrees), 5, seed=2)),
    )
    assert (by_context.abs().amax(dim=(0, 2, 4)) > 0).all()
    degrees = torch.tensor(degrees)
    assert torch.equal(by_column.abs().amax(dim=(0, 2, 4)) > 0, degrees[None, :] < degrees[:, None])


@every_order
def test_an_incremental_pass_gives_the_parameters_of_a_whole_one(degrees, randomise):
    network = make_network(degrees, randomise)
    x = normal(len(degrees), 6)
    context = normal(N_CONTEXT, 6, seed=2)
    expected = network(x, context)
    order = torch.tensor(degrees).argsort(stable=True)
    incremental = network.incremental(6, context)
    for group in incremental.groups:
        params = incremental.params()
        torch.testing.assert_close(params, expected[:, order[group]], rtol=0, atol=1e-12)
        incremental.feed(x[order[group]])


@pytest.mark.parametrize("with_gradients", [False, True])
def test_an_incremental_pass_asks_for_its_context(with_gradients, randomise):
    network = make_network([1, 2, 3], randomise)
    with (
        torch.set_grad_enabled(with_gradients),
        pytest.raises(ValueError, match="takes a context of 2 columns, got none"),
    ):
        network.incremental(6)


@pytest.mark.parametrize("n_columns", [1, 3])
def test_inverse_undoes_forward_in_the_same_context_alone(n_columns, randomise):
    flow = randomise(make_context_flow(n_columns), size=0.7)
    x = normal(100, n_columns)
    context = normal(100, N_CONTEXT, seed=2)
    z, log_det = flow(x, context)
    torch.testing.assert_close(flow.inverse(z, context), (x, log_det), rtol=0, atol=1e-9)
    assert (flow.inverse(z, context + 1)[0] - x).abs().max() > 0.1


def test_density_given_each_context_is_that_of_the_autograd_jacobian(randomise):
    flow = randomise(make_context_flow(3), size=0.7)
    for row, context in zip(normal(4, 3), normal(4, N_CONTEXT, seed=2)):
        z, _ = flow(row[None], context[None])

        def image(row, context=context):
            return flow(row[None], context[None])[0][0]

        jacobian = torch.autograd.functional.jacobian(image, row)
        base_log_prob = torch.distributions.Normal(0.0, 1.0).log_prob(z).sum()
        expected = base_log_prob + torch.linalg.slogdet(jacobian)[1]
        log_prob = flow.log_prob(row[None], context[None])[0]
        torch.testing.assert_close(log_prob, expected, rtol=0, atol=1e-9)


def test_density_given_a_context_integrates_to_one(randomise):
    flow = randomise(make_context_flow(1), size=0.5)
    t = torch.linspace(-7, 7, 20_001, dtype=torch.float64)
    x = t.sinh()[:, None]
    weights = t.cosh() * (t[1] - t[0])
    masses = []
    for context in normal(3, N_CONTEXT):
        masses.append((flow.log_prob(x, context.expand(len(x), -1)).exp() * weights).sum().item())
    assert masses == pytest.approx([1, 1, 1], abs=1e-2)
