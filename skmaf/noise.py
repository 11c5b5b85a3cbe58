"""Levels of noise, so that one flow learns the density of a table at many degrees of blur, the level given as context.

References
----------
Kim, Lee, Kim, Kim and Lee (2020). SoftFlow: probabilistic framework for normalizing flow on manifolds. NeurIPS 33.
"""

import torch


class NoiseLevels:
    """Levels from ``lowest`` to ``highest``, in flow space: in standard deviations of a column."""

    def __init__(self, lowest, highest):
        self.lowest, self.highest = lowest, highest

    def add(self, x, generator):
        """Rows with normal noise of a level of their own, drawn log-uniformly, and what the flow is told of it."""
        share = torch.rand(len(x), 1, generator=generator)
        noise = torch.randn(x.shape, generator=generator)
        levels = self.lowest * (self.highest / self.lowest) ** share
        return x + (levels * noise).to(x.device), (2 * share - 1).to(x.device)

    def contexts(self, n_levels):
        """What a flow is told of levels in geometric steps from the lowest to the highest."""
        return torch.linspace(-1, 1, n_levels)
