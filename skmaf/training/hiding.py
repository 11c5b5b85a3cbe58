"""Hiding cells in training, so that a density of rows with missing cells needs no integral.

A density that is told which cells are present learns from rows in which some more are hidden.
What it then gives for a row with missing cells is the density of the cells that are present.
Half of the rows lose each cell with a probability that is drawn for the row.
"""

import numpy as np
import torch

from ..flows import ABSENT


class Hiding:
    """Hides cells of rows in flow space at random.

    Parameters
    ----------
    owners : ndarray of int, shape (n_codes + n_values,)
        The column of the table that a dimension of flow space belongs to.
    n_codes : int
        How many of the dimensions, the first, are codes.
    """

    def __init__(self, owners: np.ndarray, n_codes: int) -> None:
        self.owners = torch.as_tensor(owners)
        self.hidden = torch.full((len(owners),), torch.nan)
        self.hidden[:n_codes] = ABSENT

    def hide(self, x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Rows of which some cells are hidden, each in all of its dimensions at once."""
        n_cells = int(self.owners.max()) + 1
        rates = torch.rand(len(x), 1, generator=generator)
        # after the rates, and before the cells: the order of the draws decides what a seed gives
        rates = rates * (torch.rand(len(x), 1, generator=generator) < 0.5)
        hidden_cells = torch.rand(len(x), n_cells, generator=generator) < rates
        hide = hidden_cells[:, self.owners]
        return torch.where(hide.to(x.device), self.hidden.to(x), x)
