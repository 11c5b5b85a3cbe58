"""Networks side by side: what each of them gives and learns is its own."""

import numpy as np
import pytest
import torch

from skmaf.flows.mixture import MixtureLogProb, MixtureMADE, MixtureStack
from skmaf.flows.stack import NetworkStack, StackProduct
from skmaf.training.noise import NoiseLevels
from skmaf.training.side_by_side import NoisyRows, StepBudget, train_side_by_side

NOISE = NoiseLevels(0.1, 2.0)


def made(seed, n_columns=5, sizes=(300, 280), has_missing=False):
    """A density whose output weights are no zeros."""
    generator = torch.Generator().manual_seed(seed)
    density = MixtureMADE(n_columns, 3, sizes, NOISE, generator, has_missing)
    with torch.no_grad():
        density.network.output.weight.normal_(generator=generator).mul_(0.1)
    return density


def inputs(n_networks, n_rows=7, n_columns=5, seed=3):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(n_networks, n_rows, n_columns, generator=generator)
    return x, 2 * torch.rand(n_networks, n_rows, 1, generator=generator) - 1


@pytest.mark.parametrize("has_missing", [False, True])
def test_a_stack_gives_what_each_density_gives(has_missing):
    densities = [made(seed, has_missing=has_missing) for seed in range(3)]
    x, context = inputs(3)
    if has_missing:
        x[:, 2, 1] = torch.nan
    together = MixtureStack(densities).log_prob(x, context)
    alone = [density.log_prob(x[k], context[k]) for k, density in enumerate(densities)]
    torch.testing.assert_close(together, torch.stack(alone))


def test_gradients_are_those_of_each_density():
    """Where there is a connection; and no weight without one gets any."""
    densities = [made(seed) for seed in range(2)]
    x, context = inputs(2)
    stack = MixtureStack(densities)
    stack.log_prob(x, context).sum().backward()
    stack.networks.mask_gradients()
    for k, density in enumerate(densities):
        density.log_prob(x[k], context[k]).sum().backward()
        layers = [*density.network.hidden, density.network.output]
        for layer, weight, bias in zip(layers, stack.networks.weights, stack.networks.biases):
            torch.testing.assert_close(weight.grad[k], layer.weight.grad)
            torch.testing.assert_close(bias.grad[k, :, 0], layer.bias.grad)
            assert (weight.grad[k][layer.mask == 0] == 0).all()


def test_products_skip_zeros_alone():
    networks = NetworkStack([made(seed, n_columns=4).network for seed in range(2)]).double()
    weight = networks.weights[1]
    assert len(networks.blocks[1]) > 1
    multiplied = sum(len(weight[0][rows]) * seen.stop for rows, seen in networks.blocks[1])
    assert multiplied < 0.9 * weight[0].numel()
    x = torch.randn(2, weight.shape[2], 6, dtype=torch.float64, requires_grad=True)
    bias = networks.biases[1]
    product = StackProduct.apply(bias, weight, networks.blocks[1], x)
    torch.testing.assert_close(product, bias + weight @ x)
    upstream = torch.randn_like(product)
    found = torch.autograd.grad(product, [bias, weight, x], upstream)
    expected = torch.autograd.grad(bias + weight @ x, [bias, weight, x], upstream)
    connected = networks.masks[1].bool()
    torch.testing.assert_close(found[0], expected[0])
    torch.testing.assert_close(found[1][:, connected], expected[1][:, connected])
    torch.testing.assert_close(found[2], expected[2])


def test_mixtures_have_the_gradients_of_autograd():
    generator = torch.Generator().manual_seed(0)
    params = torch.randn(9, 2, 4, generator=generator, dtype=torch.float64, requires_grad=True)
    x = torch.randn(2, 4, generator=generator, dtype=torch.float64, requires_grad=True)
    variance = torch.rand(1, 4, generator=generator, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda p, x: MixtureLogProb.apply(p, x, variance), (params, x))
    shares, means, spreads = params.chunk(3)
    scales = (torch.nn.functional.softplus(spreads) ** 2 + variance).sqrt()
    normals = torch.distributions.Normal(means, scales).log_prob(x)
    expected = (shares.log_softmax(0) + normals).logsumexp(0)
    torch.testing.assert_close(MixtureLogProb.apply(params, x, variance), expected)


def noisy_rows(seed, n=40, scale=1.0):
    x = scale * torch.randn(n, 3, generator=torch.Generator().manual_seed(seed))
    return NoisyRows(x, torch.ones(n), torch.zeros(1, 3), None)


def train(rows, muon, n_steps=30):
    densities = [made(seed, 3, (20, 20)) for seed in range(len(rows))]
    budget = StepBudget(n_steps, batch_size=16, learning_rate=0.02, weight_decay=0.01, muon=muon)
    generator = torch.Generator().manual_seed(0)
    return densities, train_side_by_side(densities, rows, budget, NOISE, generator)


def weights_of(density):
    return torch.cat([weight.detach().ravel() for weight in density.parameters()])


@pytest.mark.parametrize("muon", [True, False])
def test_training_learns_and_leaves_masked_weights_alone(muon):
    densities, histories = train([noisy_rows(0), noisy_rows(1)], muon, n_steps=200)
    for density, history in zip(densities, histories):
        assert np.mean(history.loss_curve[-10:]) < history.loss_curve[0] - 0.2
        for layer in [*density.network.hidden, density.network.output]:
            assert (layer.weight[layer.mask == 0] == 0).all()


@pytest.mark.parametrize("muon", [True, False])
def test_rows_of_one_density_have_no_say_in_another(muon):
    """Not even rows whose gradients are clipped, or are no numbers."""
    plain, _ = train([noisy_rows(0), noisy_rows(1)], muon)
    for scale in (1e4, torch.inf):
        beside, histories = train([noisy_rows(0), noisy_rows(1, scale=scale)], muon)
        assert torch.equal(weights_of(plain[0]), weights_of(beside[0]))
        assert torch.isfinite(weights_of(beside[1])).all()
        assert np.isfinite(histories[0].loss_curve).all()
