"""Levels of noise, so that one flow learns the density of a table at many degrees of blur, the level given as context.

References
----------
Kim, Lee, Kim, Kim and Lee (2020). SoftFlow: probabilistic framework for normalizing flow on manifolds. NeurIPS 33.
"""

import torch


class NoiseLevels:
    """Levels from ``lowest`` to ``highest``, in flow space: in standard deviations of a column.

    What a density is told of a level, its context, is the place of its logarithm between those two, from -1 to 1.
    """

    def __init__(self, lowest, highest):
        self.lowest, self.highest = lowest, highest

    def add(self, x, generator):
        """Rows with normal noise of a level of their own, drawn log-uniformly, and the contexts, shape (rows, 1)."""
        context = 2 * torch.rand(len(x), 1, generator=generator) - 1
        noise = torch.randn(x.shape, generator=generator)
        return x + (self.level(context) * noise).to(x.device), context.to(x.device)

    def level(self, context):
        """The level that a context stands for."""
        return self.lowest * (self.highest / self.lowest) ** ((1 + context) / 2)

    def contexts(self, n_levels):
        """Contexts of levels in geometric steps from the lowest to the highest."""
        return torch.linspace(-1, 1, n_levels)
