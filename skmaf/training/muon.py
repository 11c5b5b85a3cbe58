"""Muon: matrices move along their momentum with its singular values made equal, others by AdamW.

Every direction of a matrix then moves at the same rate, also those with small gradients [1]_. A
flow of a large table takes a third of the steps to about the same likelihood. The size of a move
is that of AdamW, so that both share a learning rate and a weight decay [2]_.

References
----------
.. [1] Jordan, Jin, Boza, You, Cesista, Newhouse and Bernstein (2024). Muon: an optimizer for
   hidden layers in neural networks. https://kellerjordan.github.io/posts/muon.
.. [2] Liu, Su, Yao and others (2025). Muon is scalable for LLM training. arXiv:2502.16982.
"""

import math
from collections.abc import Iterable

import torch
import torch.nn.functional as F

from .adamw import AdamW, Optimiser

MOMENTUM = 0.95
MOVE = 0.2  # root mean square of a move of AdamW, in learning rates
WIDEST = 128  # shorter side of what is orthogonalised whole: the time grows with its cube
# of the odd polynomial x (a + b x² + c x⁴) that takes singular values towards 1
POLYNOMIAL = (3.4445, -4.7750, 2.0315)
N_ITERATIONS = 4
NEGLIGIBLE = 1e-9  # of the norm of a matrix


class Muon(Optimiser):
    """Muon for matrices, AdamW for other weights, with gradients clipped.

    Parameters
    ----------
    weights : iterable of tensor
        Parameters to move, in place.
    weight_decay : float, default=0.0
    """

    def __init__(self, weights: Iterable[torch.Tensor], weight_decay: float = 0.0) -> None:
        self.weights = list(weights)
        self.weight_decay = weight_decay
        is_matrix = [weight.ndim == 2 and min(weight.shape) > 1 for weight in self.weights]
        others = [weight for weight, is_one in zip(self.weights, is_matrix) if not is_one]
        self._adam = AdamW(others, weight_decay)
        self._matrices = [weight for weight, is_one in zip(self.weights, is_matrix) if is_one]
        self._parts = _parts([weight.detach() for weight in self._matrices])
        # those of one shape are orthogonalised together
        by_shape: dict[torch.Size, list[int]] = {}
        for i, part in enumerate(self._parts):
            by_shape.setdefault(part.shape, []).append(i)
        self._groups = list(by_shape.values())
        self._means = [
            torch.zeros_like(torch.stack([self._parts[i] for i in group])) for group in self._groups
        ]

    @torch.no_grad()
    def move(self, rate: float) -> None:
        """Move the weights by their gradients."""
        self._adam.move(rate)
        gradients = _parts([_gradient(weight) for weight in self._matrices])
        for group, mean in zip(self._groups, self._means):
            gradient = torch.stack([gradients[i] for i in group])
            mean.lerp_(gradient, 1 - MOMENTUM)
            directions = orthogonalised(gradient.lerp_(mean, MOMENTUM))
            size = MOVE * rate * math.sqrt(max(mean.shape[1:]))
            for i, direction in zip(group, directions):
                self._parts[i].mul_(1 - rate * self.weight_decay).sub_(direction, alpha=size)


def _gradient(weight: torch.Tensor) -> torch.Tensor:
    return torch.zeros_like(weight) if weight.grad is None else weight.grad


def _parts(matrices: Iterable[torch.Tensor]) -> list[torch.Tensor]:
    """Return views of matrices, side by side those of one that is wide and high."""
    return [
        part
        for matrix in matrices
        for part in matrix.tensor_split(math.ceil(min(matrix.shape) / WIDEST), dim=1)
    ]


def orthogonalised(matrices: torch.Tensor) -> torch.Tensor:
    """Return matrices with the same singular vectors, and singular values of about 1.

    Very small singular values stay small. All iterations are in products of the shorter side with
    itself, which is cheaper than with the matrix.

    Parameters
    ----------
    matrices : tensor of shape (n, rows, columns)
    """
    if matrices.shape[1] < matrices.shape[2]:
        return orthogonalised(matrices.mT).mT
    tiny = torch.finfo(matrices.dtype).tiny
    matrices = matrices / torch.linalg.matrix_norm(matrices, keepdim=True).clamp(min=tiny)
    # the momentum of dead units vanishes slowly: products of denormal numbers take twice the time
    matrices = F.hardshrink(matrices, NEGLIGIBLE)
    gram = matrices.mT @ matrices
    total = factor = _factor(gram)
    for _ in range(N_ITERATIONS - 1):
        gram = factor @ gram @ factor
        factor = _factor(gram)
        total = total @ factor
    return matrices @ total


def _factor(gram: torch.Tensor) -> torch.Tensor:
    """Return what the polynomial multiplies matrices of these products with themselves by."""
    a, b, c = POLYNOMIAL
    factor = torch.baddbmm(gram, gram, gram, beta=b, alpha=c)
    factor.diagonal(dim1=1, dim2=2).add_(a)
    return factor
