"""Muon: matrices that are moved by the nearest orthogonal matrix of their momentum [1]_.

All directions that a hidden layer may turn in are moved alike, however small their gradients are:
flows learn in half of the steps what takes Adam all of them.

References
----------
.. [1] Jordan, Jin, Boza, You, Cesista, Newhouse and Bernstein (2024). Muon: an optimizer for hidden
       layers in neural networks.
.. [2] Liu, Su, Yao et al. (2025). Muon is scalable for LLM training. arXiv 2502.16982.
.. [3] Amsel, Persson, Musco and Gower (2025). The Polar Express: optimal matrix sign methods and
       their application to the Muon algorithm. arXiv 2505.16932.
"""

from collections import defaultdict
from collections.abc import Sequence

import torch
import torch.nn.functional as F

MOMENTUM = 0.9
# odd polynomials that one after the other take singular values from 0.01 to 1 to between 0.73 and
# 1.27: each has, on what the one before leaves, the smallest largest error [3]_
POLYNOMIALS = (
    (8.0934, -23.6205, 17.4462),
    (3.6366, -2.7219, 0.5365),
    (2.6613, -1.9772, 0.4526),
)
TINY = 1e-9  # beside a norm of 1: products of smaller numbers are slow, and add nothing


class Muon:
    """The optimiser Muon for the weights between hidden layers.

    Parameters
    ----------
    weights : sequence of tensor of shape (outputs, inputs) or (networks, outputs, inputs)
        Moved in place, those of each network for themselves.
    masks : sequence of tensor of shape (outputs, inputs)
        Which of the weights are in use; the others have no gradient, and only decay.
    weight_decay : float
    update_size : float
        Root mean square of an update of a square matrix, as a share of the rate.
    interval : int, default=1
        Weights move once in so many steps, by as much as in all of them.

    Attributes
    ----------
    moments : list of tensor
        The momentum of all weights of a shape, for each shape.
    """

    def __init__(
        self,
        weights: Sequence[torch.Tensor],
        masks: Sequence[torch.Tensor],
        weight_decay: float,
        update_size: float,
        interval: int = 1,
    ) -> None:
        self.weight_decay = weight_decay
        self.update_size = update_size
        self.interval = interval
        self._n_waiting = 0
        of_shape: dict[torch.Size, list[int]] = defaultdict(list)
        for k, weight in enumerate(weights):
            of_shape[weight.shape].append(k)
        self._weights = [[weights[k] for k in same] for same in of_shape.values()]
        self._masks = [torch.stack([masks[k] for k in same]) for same in of_shape.values()]
        self.moments = [torch.stack(same).detach().zero_() for same in self._weights]

    @torch.no_grad()
    def move(self, rate: float) -> None:
        """Move the weights by their gradients, in the last step of each interval."""
        self._n_waiting = (self._n_waiting + 1) % self.interval
        rate = rate * self.interval
        for weights, masks, momentum in zip(self._weights, self._masks, self.moments):
            gradients = torch.stack([weight.grad for weight in weights if weight.grad is not None])
            momentum.lerp_(gradients, 1 - MOMENTUM)
            if self._n_waiting:
                continue
            update = gradients.lerp_(momentum, MOMENTUM)
            shape = update.shape
            update = orthogonal(update.view(-1, *shape[-2:])).view(len(masks), -1, *shape[-2:])
            update.mul_(masks[:, None])
            size = rate * self.update_size * max(shape[-2:]) ** 0.5
            for weight, change in zip(weights, update.view(shape)):
                weight.mul_(1 - rate * self.weight_decay).sub_(change, alpha=size)


def orthogonal(matrices: torch.Tensor) -> torch.Tensor:
    """Return matrices of the same singular vectors, with singular values close to 1.

    Parameters
    ----------
    matrices : tensor of shape (n, rows, columns)

    Returns
    -------
    tensor of shape (n, rows, columns)
        Singular values below a hundredth of the norm of a matrix become smaller ones.
    """
    is_wide = matrices.shape[1] < matrices.shape[2]
    x = matrices.mT if is_wide else matrices
    norms = torch.linalg.matrix_norm(x, keepdim=True).clamp(min=torch.finfo(x.dtype).tiny)
    x = F.hardshrink(x / norms, TINY)
    for a, b, c in POLYNOMIALS:
        square = torch.bmm(x.mT, x)
        factor = torch.baddbmm(square, square, square, beta=b, alpha=c)
        x = torch.baddbmm(x, x, factor, beta=a)
    return x.mT if is_wide else x
