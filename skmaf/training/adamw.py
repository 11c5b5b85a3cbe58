"""What optimisers have in common, and AdamW."""

from abc import ABC, abstractmethod
from collections.abc import Iterable

import torch
from torch.optim.adamw import adamw

MAX_GRADIENT_NORM = 5.0


class Optimiser(ABC):
    """Moves weights down the gradients of losses, which are clipped.

    Attributes
    ----------
    weights : list of tensor
        Parameters to move, in place.
    """

    weights: list[torch.Tensor]

    @abstractmethod
    def __init__(self, weights: Iterable[torch.Tensor], weight_decay: float = 0.0) -> None: ...

    def step(self, loss: torch.Tensor, rate: float) -> bool:
        """Move the weights down the gradient of a loss, and return whether it was finite.

        The norm of the gradient is clipped; one that is not finite moves nothing.
        """
        self.zero_grad()
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.weights, MAX_GRADIENT_NORM)
        finite = bool(torch.isfinite(norm))
        if finite:
            self.move(rate)
        return finite

    def zero_grad(self) -> None:
        """Forget the gradients of the weights."""
        for weight in self.weights:
            weight.grad = None

    @abstractmethod
    def move(self, rate: float) -> None:
        """Move the weights by their gradients."""


class AdamW(Optimiser):
    """The optimiser AdamW, with its gradients clipped, by torch's function for it.

    The class of torch imports a compiler at its first use, which takes seconds.

    Parameters
    ----------
    weights : iterable of tensor
        Parameters to move, in place.
    weight_decay : float, default=0.0
    """

    def __init__(self, weights: Iterable[torch.Tensor], weight_decay: float = 0.0) -> None:
        self.weights = list(weights)
        self.weight_decay = weight_decay
        self._means = [torch.zeros_like(weight) for weight in self.weights]
        self._squares = [torch.zeros_like(weight) for weight in self.weights]
        self._counts = [torch.zeros((), device=weight.device) for weight in self.weights]

    @torch.no_grad()
    def move(self, rate: float) -> None:
        """Move the weights by their gradients."""
        gradients = [weight.grad for weight in self.weights if weight.grad is not None]
        adamw(
            self.weights,
            gradients,
            self._means,
            self._squares,
            [],
            self._counts,
            fused=True,
            amsgrad=False,
            beta1=0.9,
            beta2=0.999,
            lr=rate,
            weight_decay=self.weight_decay,
            eps=1e-8,
            maximize=False,
        )
