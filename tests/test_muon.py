"""Muon: directions by singular value decompositions, moves by the definition."""

import math

import pytest
import torch

from skmaf.training.adamw import AdamW
from skmaf.training.muon import MOMENTUM, MOVE, WIDEST, Muon, orthogonalised


def normal(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("shape", [(3, 40, 7), (1, 5, 30), (2, 16, 16)])
@pytest.mark.parametrize("size", [1e-12, 1.0, 1e12])
def test_orthogonalised_matrices_keep_their_singular_vectors(shape, size):
    matrices = size * normal(*shape)
    left, values, right = torch.linalg.svd(matrices, full_matrices=False)
    rotated = left.mT @ orthogonalised(matrices) @ right.mT
    diagonal = rotated.diagonal(dim1=1, dim2=2)
    torch.testing.assert_close(rotated, torch.diag_embed(diagonal), rtol=0, atol=1e-10)
    is_small = values < 0.01 * torch.linalg.matrix_norm(matrices)[:, None]
    assert ((diagonal > 0.6) & (diagonal < 1.3))[~is_small].all()
    assert (diagonal > 0).all()


def test_zero_has_no_direction():
    assert torch.equal(orthogonalised(torch.zeros(2, 4, 3)), torch.zeros(2, 4, 3))


def moved(optimiser, weights, gradients, rate):
    """Take a step for a loss with these gradients."""
    loss = sum((weight * gradient).sum() for weight, gradient in zip(weights, gradients))
    assert optimiser.step(loss, rate)


def test_moves_of_matrices_and_of_others():
    """Matrices of one shape, which are moved together, others, and a vector."""
    shapes = [(6, 4), (6, 4), (3, 5), (7,), (4, 1)]
    weights = [normal(*shape, seed=i).requires_grad_() for i, shape in enumerate(shapes)]
    before = [weight.detach().clone() for weight in weights]
    others = [weight.clone().requires_grad_() for weight in before[3:]]
    muon = Muon(weights, weight_decay=0.3)
    adam = AdamW(others, weight_decay=0.3)
    means = [torch.zeros_like(weight) for weight in before[:3]]
    for seed, rate in enumerate([0.1, 0.01, 0.05]):
        gradients = [0.01 * normal(*shape, seed=10 * seed + i) for i, shape in enumerate(shapes)]
        moved(muon, weights, gradients, rate)
        moved(adam, others, gradients[3:], rate)
        for weight, mean, gradient in zip(before, means, gradients):
            mean *= MOMENTUM
            mean += (1 - MOMENTUM) * gradient
            direction = orthogonalised((MOMENTUM * mean + (1 - MOMENTUM) * gradient)[None])[0]
            weight *= 1 - rate * 0.3
            weight -= MOVE * rate * math.sqrt(max(weight.shape)) * direction
    torch.testing.assert_close(weights, [*before[:3], *others], rtol=1e-9, atol=1e-12)


def test_a_move_has_the_size_of_one_of_adam():
    weight = normal(50, 20).requires_grad_()
    before = weight.detach().clone()
    moved(Muon([weight]), [weight], [normal(50, 20, seed=1)], 0.1)
    size = (weight.detach() - before).square().mean().sqrt()
    assert size == pytest.approx(0.1 * MOVE, rel=0.2)


def test_wide_matrices_move_in_parts():
    width = 2 * WIDEST
    weight = normal(width + 1, width).requires_grad_()
    before = weight.detach().clone()
    gradient = normal(width + 1, width, seed=1)
    moved(Muon([weight]), [weight], [gradient], 0.1)
    direction = torch.cat([orthogonalised(part[None])[0] for part in gradient.chunk(2, 1)], 1)
    expected = before - MOVE * 0.1 * math.sqrt(width + 1) * direction
    torch.testing.assert_close(weight.detach(), expected, rtol=0, atol=1e-9)


def test_a_matrix_without_a_gradient_only_decays():
    used = normal(3, 2).requires_grad_()
    idle = normal(3, 2, seed=1).requires_grad_()
    before = idle.detach().clone()
    moved(Muon([used, idle], weight_decay=0.5), [used], [normal(3, 2, seed=2)], 0.1)
    torch.testing.assert_close(idle.detach(), 0.95 * before, rtol=0, atol=1e-12)


def test_what_is_negligible_beside_the_rest_is_zero():
    """Also the products of what a dead unit keeps of its momentum, which would be denormal."""
    matrix = normal(6, 4).float()
    matrix[:, 2] *= 1e-19
    result = orthogonalised(matrix[None])[0]
    assert (result[:, 2] == 0).all() and (result[:, :2] != 0).all()
