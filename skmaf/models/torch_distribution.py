"""A fitted density of numbers as a torch distribution, with gradients in its input."""

import copy
import math
from typing import Any

import numpy as np
import torch
from torch.distributions import Distribution, constraints

from ..table.columns import Constant, Continuous, PointMasses
from ..table.schema import Schema
from .table_density import TableDensity
from .torch_baseline import mix
from .torch_columns import standardised_values

MAX_SEED = 2**31 - 1


class DensityDistribution(Distribution):
    """The density of rows of numbers as a torch distribution, in the units of the table.

    `MAFDensity.as_torch_distribution` makes one. It computes in float64 on the CPU; the weights of
    the flow are fixed.

    Parameters
    ----------
    density : TableDensity
        Its columns are `Continuous`, or have `PointMasses`.
    """

    arg_constraints: dict = {}
    support = constraints.real_vector

    def __init__(self, density: TableDensity) -> None:
        self._density = density
        self._flow = copy.deepcopy(density.flow).double()
        n_columns = len(density.columns.columns)
        super().__init__(event_shape=torch.Size([n_columns]), validate_args=True)

    def log_prob(self, value: torch.Tensor) -> torch.Tensor:
        """Return the log-density of each row.

        Parameters
        ----------
        value : tensor of shape (..., n_columns)
            In the units of the table. Gradients go to it; in a cell that holds one of the values
            that come again and again, and so have probabilities, the gradient is 0.

        Returns
        -------
        log_prob : tensor of float64, shape (...)
            In nats. What `MAFDensity.score_samples` gives, but minus infinity where the density
            vanishes.

        Raises
        ------
        ValueError
            If rows have another number of columns, or cells that are NaN.
        """
        self._validate_sample(value)
        # whatever the user's default device is
        with torch.device("cpu"):
            return self._log_prob(value)

    def _log_prob(self, value: torch.Tensor) -> torch.Tensor:
        rows = value.reshape(-1, *self.event_shape).to("cpu", torch.float64)
        columns = self._density.columns
        Z = columns.to_flow(rows.detach().numpy())
        codes, z = np.split(Z, [columns.n_codes], axis=1)
        values, log_jacobian = standardised_values(columns.columns, z, rows)
        whole = torch.cat([torch.from_numpy(codes), values], 1)
        log_prob = self._mixed(self._flow.log_probs(whole), Z, values)
        return (log_prob + log_jacobian).reshape(value.shape[:-1])

    def _mixed(
        self, flow_log_probs: tuple[torch.Tensor, torch.Tensor], Z: np.ndarray, values: torch.Tensor
    ) -> torch.Tensor:
        """Return the log-density of rows in flow space, with the simple densities beside the flow.

        A flow that overflows gives NaN, which counts as nothing.
        """
        of_codes, of_values = (
            torch.where(part.isnan(), -math.inf, part) for part in flow_log_probs
        )
        baseline = self._density.baseline
        if baseline is None:
            return of_codes + of_values
        return mix(baseline, (of_codes, of_values), Z, values)

    def sample(self, sample_shape: Any = ()) -> torch.Tensor:
        """Draw rows; torch's global generator, as of every torch distribution, governs the draw.

        Numbers are on their grids, as `MAFDensity.sample` gives them; relations of columns are not
        imposed. There is no `rsample`: the rows depend on nothing that could have a gradient.

        Parameters
        ----------
        sample_shape : tuple of int, default=()

        Returns
        -------
        value : tensor of float64, shape (*sample_shape, n_columns)
        """
        shape = self._extended_shape(torch.Size(sample_shape))
        n_rows = math.prod(shape[:-1])
        seed = int(torch.randint(MAX_SEED, (), device="cpu"))
        if n_rows == 0:
            return torch.empty(shape, dtype=torch.float64)
        rows = self._density.sample(n_rows, seed).astype(np.float64)
        return torch.from_numpy(rows).reshape(shape)


def as_torch_distribution(density: TableDensity, schema: Schema) -> DensityDistribution:
    """Return the distribution of a table of numbers.

    Raises
    ------
    ValueError
        If a column is none of continuous numbers.
    """
    for j, column in enumerate(density.columns.columns):
        label = schema.label(j)
        if schema.categories[j] is not None:
            raise ValueError(
                f"{label} holds categories, in which a density has no gradient: fit a density of "
                "the columns of numbers, or one for each category."
            )
        if schema.timelines[j] is not None:
            raise ValueError(
                f"{label} holds dates or times, which torch has not: make numbers of them before "
                "the fit."
            )
        if isinstance(column, Constant):
            raise ValueError(f"{label} is constant: fit a density of the other columns.")
        if not isinstance(column, (Continuous, PointMasses)):
            raise ValueError(
                f"{label} is of few, heaped or periodic values, and its density has no gradient: "
                "fit with column_kinds that declare it 'continuous'."
            )
    return DensityDistribution(density)
