"""Missing cells: a density that is told which cells are there learns from rows in which some more are hidden.

What it then gives for a row with missing cells is the density of the cells that are there, without any integral. This needs
cells hidden at random in training: half of the rows lose each cell with a probability that is drawn for the row.
"""

import torch

from ..table.columns import ABSENT


class Hiding:
    """Hides cells of rows in flow space.

    Parameters
    ----------
    owners : ndarray of int, shape (n_codes + n_values,)
        The column of the table that a dimension of flow space belongs to.
    n_codes : int
        How many of the dimensions, the first, are codes.
    """

    def __init__(self, owners, n_codes):
        self.owners = torch.as_tensor(owners)
        self.hidden = torch.full((len(owners),), torch.nan)
        self.hidden[:n_codes] = ABSENT

    def __call__(self, x, generator):
        """Rows with cells hidden, all dimensions of a cell at once; what comes after these dimensions stays."""
        rates = torch.rand(len(x), 1, generator=generator) * (
            torch.rand(len(x), 1, generator=generator) < 0.5
        )
        hide = (torch.rand(len(x), int(self.owners.max()) + 1, generator=generator) < rates)[
            :, self.owners
        ]
        shown, given = x.tensor_split([len(self.owners)], dim=1)
        return torch.cat([torch.where(hide.to(x.device), self.hidden.to(x), shown), given], 1)
