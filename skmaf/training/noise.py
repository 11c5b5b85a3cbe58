"""Noise on the training rows: uniform within the steps of a grid, or normal at many levels.

Values on a grid are spread uniformly over their steps, anew each time, so that their density is
bounded [1]_. With normal noise of many levels, the level given as context, one flow learns the
density of a table at many degrees of blur [2]_.

References
----------
.. [1] Uria, Murray and Larochelle (2013). RNADE: the real-valued neural autoregressive
   density-estimator. NeurIPS 26.
.. [2] Kim, Lee, Kim, Kim and Lee (2020). SoftFlow: probabilistic framework for normalizing flow
   on manifolds. NeurIPS 33.
"""

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch

Numbers = TypeVar("Numbers", torch.Tensor, np.ndarray)


def dequantise(
    x: torch.Tensor, steps: torch.Tensor, n_context: int, generator: torch.Generator
) -> torch.Tensor:
    """Rows with each value moved to a place drawn uniformly from the step around it.

    Parameters
    ----------
    x : tensor of shape (..., n_dims)
    steps : tensor that broadcasts to ``x``
        Widths of the steps; 0 where a value stays.
    n_context : int
        Columns of context that come with the rows.
    generator : torch.Generator

    Returns
    -------
    tensor of shape (..., n_dims)
    """
    # numbers are drawn for the context too, and not used: what a seed gives stays as it was when
    # the context was part of the rows
    shape = (*x.shape[:-1], x.shape[-1] + n_context)
    places = torch.rand(shape, generator=generator, dtype=x.dtype)
    return x + (places[..., : x.shape[-1]] - 0.5).to(x.device) * steps


@dataclass(frozen=True)
class NoiseLevels:
    """Levels of normal noise in flow space, each told to a flow by a context from -1 to 1.

    The context is the place of the level's logarithm between those of the lowest and the highest.

    Attributes
    ----------
    lowest, highest : float
        In standard deviations of a column.
    """

    lowest: float
    highest: float

    def add(self, x: torch.Tensor, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """Rows with normal noise, and the contexts of its levels.

        Each row has a level of its own, drawn log-uniformly; contexts have the shape (..., 1).
        """
        context = 2 * torch.rand(*x.shape[:-1], 1, generator=generator) - 1
        noise = torch.randn(x.shape, generator=generator)
        return x + (self.level(context) * noise).to(x.device), context.to(x.device)

    def level(self, context: Numbers) -> Numbers:
        """The level that a context stands for."""
        return self.lowest * (self.highest / self.lowest) ** ((1 + context) / 2)

    def contexts(self, n_levels: int) -> torch.Tensor:
        """Contexts of levels in geometric steps from the lowest to the highest."""
        return torch.linspace(-1, 1, n_levels)
