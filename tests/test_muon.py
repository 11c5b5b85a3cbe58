import pytest
import torch

from skmaf.flows.families import make_flow
from skmaf.flows.masked import MaskedLinear, MaskedNetwork
from skmaf.training.budget import Budget
from skmaf.training.muon import Muon, orthogonal
from skmaf.training.optimiser import MOST_UNITS, FlowOptimiser, hidden_layers, muon_and_adamw

UPDATE_SIZE = 0.2


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def draw(*shape, seed=0):
    return torch.randn(shape, generator=generator(seed))


@pytest.mark.parametrize("shape", [(20, 20), (30, 20), (20, 30), (5, 1), (1, 1)])
@pytest.mark.parametrize("scale", [1e-12, 1.0, 1e12])
def test_orthogonal_keeps_singular_vectors_and_evens_singular_values(shape, scale):
    matrices = draw(3, *shape)
    u, before, v = torch.linalg.svd(matrices, full_matrices=False)
    inner = u.mT @ orthogonal(scale * matrices) @ v.mT
    values = inner.diagonal(dim1=1, dim2=2)
    torch.testing.assert_close(inner, torch.diag_embed(values), atol=2e-3, rtol=0)
    is_large = before > 0.01 * before.norm(dim=1, keepdim=True)
    assert values[is_large].min() > 0.7 and values.max() < 1.3
    assert values.min() > 0


@pytest.mark.parametrize("shape", [(6, 6), (6, 4), (4, 6)])
def test_a_matrix_of_zeros_stays_one(shape):
    assert torch.equal(orthogonal(torch.zeros(2, *shape)), torch.zeros(2, *shape))


def test_units_without_a_gradient_have_no_update():
    """However small what is left of their momentum."""
    matrix = draw(1, 8, 8)
    matrix[:, 3] = 1e-30
    assert torch.equal(orthogonal(matrix)[:, 3], torch.zeros(1, 8))


def test_matrices_have_no_say_in_each_other():
    matrices = draw(4, 9, 7)
    alone = [orthogonal(matrix[None])[0] for matrix in matrices]
    torch.testing.assert_close(orthogonal(matrices), torch.stack(alone), rtol=1e-5, atol=1e-6)


def muon_of(layers, weight_decay=0.0):
    masks = [each.mask for each in layers]
    return Muon([each.weight for each in layers], masks, weight_decay, UPDATE_SIZE)


def layers_of(*masks):
    layers = [MaskedLinear(mask, generator(k)) for k, mask in enumerate(masks)]
    for k, layer in enumerate(layers):
        layer.weight.grad = draw(*layer.weight.shape, seed=10 + k) * layer.mask
    return layers


def test_an_update_has_one_size_whatever_that_of_the_gradient():
    for scale in (1e-3, 1e3):
        [layer] = layers_of(torch.ones(16, 16, dtype=torch.bool))
        before = layer.weight.detach().clone()
        layer.weight.grad *= scale
        muon_of([layer]).move(0.1)
        update = (layer.weight.detach() - before).square().mean().sqrt().item()
        assert update == pytest.approx(0.1 * UPDATE_SIZE, rel=0.3)


def test_weights_without_a_connection_only_decay():
    mask = torch.ones(10, 10, dtype=torch.bool).tril()
    layers = layers_of(mask, mask, torch.ones(4, 10, dtype=torch.bool))
    before = [layer.weight.detach().clone() for layer in layers]
    muon_of(layers, 0.5).move(0.1)
    for layer, old in zip(layers, before):
        is_off = layer.mask == 0
        torch.testing.assert_close(layer.weight.detach()[is_off], 0.95 * old[is_off])
        assert (layer.weight.detach() != 0.95 * old)[~is_off].all()


def test_networks_side_by_side_move_as_each_of_them_alone():
    mask = torch.ones(6, 9, dtype=torch.bool).tril()
    layers = layers_of(mask, mask)
    stacked = torch.stack([layer.weight.detach() for layer in layers])
    stacked.grad = torch.stack([layer.weight.grad for layer in layers])
    for layer in layers:
        muon_of([layer], 0.1).move(0.1)
    Muon([stacked], [layers[0].mask], 0.1, UPDATE_SIZE).move(0.1)
    expected = torch.stack([layer.weight.detach() for layer in layers])
    torch.testing.assert_close(stacked, expected, rtol=1e-5, atol=1e-6)


def test_with_an_interval_momentum_grows_in_each_step_and_weights_move_in_the_last():
    mask = torch.ones(6, 9, dtype=torch.bool).tril()
    [layer, other] = layers_of(mask, mask)
    muon = Muon([layer.weight], [mask], weight_decay=0.1, update_size=UPDATE_SIZE, interval=2)
    before = layer.weight.detach().clone()
    muon.move(0.1)
    assert torch.equal(layer.weight, before)
    muon.move(0.1)
    twice = muon_of([other], 0.1)
    other.weight.data.copy_(before)
    other.weight.grad = layer.weight.grad.clone()
    twice.move(0.0)
    twice.move(0.2)
    torch.testing.assert_close(muon.moments, twice.moments)
    torch.testing.assert_close(layer.weight, other.weight)


def test_weights_of_large_layers_are_left_to_adamw():
    shapes = [(5, MOST_UNITS), (MOST_UNITS + 1, 5), (2, 5, 5), (2, 5, MOST_UNITS + 1)]
    weights = [torch.zeros(shape) for shape in [(3, 3), *shapes]]
    hidden = [(weight, torch.ones(weight.shape[-2:])) for weight in weights[1:]]
    muon, adamw = muon_and_adamw(weights, hidden, 0.0, UPDATE_SIZE)
    assert [moment.shape[1:] for moment in muon.moments] == [shapes[0], shapes[2]]
    assert [id(weight) for weight in adamw.weights] == [id(weights[k]) for k in (0, 2, 4)]


def test_it_finds_the_least_squares():
    """Of a badly scaled problem, in few steps."""
    [layer] = layers_of(torch.ones(6, 6, dtype=torch.bool))
    inputs = draw(6, 200) * torch.logspace(0, -2, 6)[:, None]
    target = draw(6, 6, seed=1)
    muon = muon_of([layer])
    for step in range(300):
        layer.weight.grad = None
        (((layer.weight - target) @ inputs).square().mean()).backward()
        muon.move(0.5 * (1 - step / 300))
    torch.testing.assert_close(layer.weight.detach(), target, atol=0.05, rtol=0)


@pytest.mark.parametrize("sizes, n_between", [((8,), 0), ((8, 6), 1), ((8, 6, 4), 2)])
def test_hidden_layers_are_those_from_one_to_the_next(sizes, n_between):
    flow = make_flow(
        3, hidden_layer_sizes=sizes, activation="relu", generator=generator(), n_layers=2, n_bins=3
    )
    layers = hidden_layers(flow)
    assert len(layers) == 2 * n_between
    networks = [module for module in flow.modules() if isinstance(module, MaskedNetwork)]
    ends = {id(layer) for network in networks for layer in [network.hidden[0], network.output]}
    assert not ends & {id(layer) for layer in layers}


@pytest.mark.parametrize("muon", [True, False])
def test_every_weight_is_moved(muon):
    flow = make_flow(
        3, hidden_layer_sizes=(6, 6), activation="relu", generator=generator(), n_layers=2, n_bins=3
    )
    before = [weight.detach().clone() for weight in flow.parameters()]
    budget = Budget(1, 50, learning_rate=0.1, weight_decay=0.0, patience=1, muon=muon)
    optimiser = FlowOptimiser(flow, budget, n_steps=100)
    for _ in range(2):  # no gradient passes the last layer before it has moved
        optimiser.step(draw(50, 3), torch.ones(50))
    assert all((new != old).any() for new, old in zip(flow.parameters(), before))
