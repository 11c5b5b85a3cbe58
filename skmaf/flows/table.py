"""The density of the rows of a table: discrete columns first, then the others given these.

A row holds the codes of its discrete columns, then its values; absent values are NaN, absent codes
`ABSENT`. What the density is conditional on, its context, is an argument of its own.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from .discrete import Categories, DiscreteMADE
from .families import make_flow
from .layers import Flow, RowDensity

# times that the layers of the one network of discrete columns are wider than those of a flow,
# which has several networks
CODES_WIDTH_FACTOR = 4
REACH = 4.0  # of layers; columns have a scale of about 1


class CodesDensity(RowDensity):
    """The probabilities of the codes of a row, whatever its values are.

    Parameters
    ----------
    discrete : DiscreteMADE
    """

    def __init__(self, discrete: DiscreteMADE) -> None:
        super().__init__()
        self.discrete = discrete
        self.n_codes = discrete.categories.n_columns
        self.widest = discrete.network.widest
        self.n_units = discrete.network.n_units

    def log_prob(self, x: torch.Tensor, context: torch.Tensor | None = None) -> torch.Tensor:
        """Return the log-probability of the codes of each row, in nats.

        Parameters
        ----------
        x : tensor of shape (rows, codes and values)
            Whole rows.
        context : tensor of shape (rows, n_context) or None, default=None
        """
        return self.discrete.log_prob(x[:, : self.n_codes].T, _transposed(context))

    def draw(self, chance: torch.Tensor, context: torch.Tensor | None = None) -> torch.Tensor:
        """Return codes made of uniform numbers, both of shape (rows, codes)."""
        return self.discrete.draw(chance.T, _transposed(context)).T

    def intervals(
        self, codes: torch.Tensor, context: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the ends of the uniform numbers from which `draw` makes these codes.

        Returns
        -------
        low, high : tensor of shape (rows, codes)
            0 and 1 where a code is absent.
        """
        low, high = self.discrete.intervals(codes.T, _transposed(context))
        return low.T, high.T

    def midpoints(self, codes: torch.Tensor, context: torch.Tensor | None = None) -> torch.Tensor:
        """Return the uniform numbers from which `draw` makes these codes, shape (rows, codes).

        A code has an interval of them, of which this is the middle; an absent one has 1/2.
        """
        return self.discrete.midpoints(codes.T, _transposed(context)).T


def _transposed(context: torch.Tensor | None) -> torch.Tensor | None:
    return None if context is None else context.T


class ValuesDensity(RowDensity):
    """The density of the values of a row, given its codes.

    Parameters
    ----------
    flow : Flow
        Its context is all that the values depend on: features of the codes, then which values
        are present, if any may be missing, then the context of the density.
    categories : Categories or None
        What the codes mean; None where there are none.
    presence_conditions : sequence of pairs of int
        For each value the position of a code, and the category that this code has in the rows in
        which the value is present; (-1, -1) if it always is.
    has_missing : bool
        Whether any value may be missing.
    """

    def __init__(
        self,
        flow: Flow,
        categories: Categories | None,
        presence_conditions: Sequence[tuple[int, int]],
        has_missing: bool,
    ) -> None:
        super().__init__()
        self.flow = flow
        self.categories = categories
        self.has_missing = has_missing
        self.n_codes = 0 if categories is None else categories.n_columns
        self.n_values = len(presence_conditions)
        self.presence_conditions = [
            (i, position, category)
            for i, (position, category) in enumerate(presence_conditions)
            if position >= 0
        ]
        self.widest = flow.widest
        self.n_units = flow.n_units
        self.density_is_incremental = flow.density_is_incremental

    def forward(
        self, x: torch.Tensor, context: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Map the values of each row to base space.

        Returns
        -------
        z : tensor of shape (rows, values)
            The image, 0 where a value is absent.
        log_det : tensor of shape (rows,)
            Log-determinant of the Jacobian.
        """
        return self.flow(*self._flow_arguments(x, context))

    def log_prob(self, x: torch.Tensor, context: torch.Tensor | None = None) -> torch.Tensor:
        """Return the log-density of the values of each row that are present, in nats."""
        return self.flow.log_prob(*self._flow_arguments(x, context))

    def draw(
        self, z: torch.Tensor, codes: torch.Tensor, context: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Return values made of standard normal numbers, for rows with these codes.

        Where the codes leave no place for a value it is 0.
        """
        present = None
        if self.presence_conditions or self.has_missing:
            present = torch.ones_like(z)
            for i, position, category in self.presence_conditions:
                present[:, i] = codes[:, position] == category
            z = z * present
        return self.flow.inverse(z, self._flow_context(codes, present, context), present)[0]

    def _flow_arguments(
        self, x: torch.Tensor, context: torch.Tensor | None
    ) -> tuple[torch.Tensor, torch.Tensor | None, torch.Tensor | None]:
        """Return the values of rows, and the context of the flow, and what is present."""
        codes, values = x.tensor_split([self.n_codes], dim=1)
        present = None
        if self.presence_conditions or self.has_missing:
            is_present = ~values.isnan()
            values = torch.where(is_present, values, 0.0)
            present = is_present.to(values.dtype)
        return values, self._flow_context(codes, present, context), present

    def _flow_context(
        self, codes: torch.Tensor, present: torch.Tensor | None, context: torch.Tensor | None
    ) -> torch.Tensor | None:
        parts = [] if self.categories is None else [self.categories.encode(codes.T).T]
        if self.has_missing and present is not None:
            parts.append(present)
        if context is not None:
            parts.append(context)
        return torch.cat(parts, 1) if parts else None


class TableFlow(RowDensity):
    """The density of rows: probabilities of the codes, and a density of the values given these.

    Which cells of a row are present is a context of the flow: an absent value leaves no trace but
    that. The two parts share no weights, so each is trained by itself.

    Parameters
    ----------
    codes : CodesDensity or None
        None where there are no codes.
    values : ValuesDensity

    Attributes
    ----------
    parts : ModuleList
        The parts that there are, codes first.
    """

    def __init__(self, codes: CodesDensity | None, values: ValuesDensity) -> None:
        super().__init__()
        self.codes = codes
        self.values = values
        self.parts = nn.ModuleList([values] if codes is None else [codes, values])
        self.widest = values.widest if codes is None else max(codes.widest, values.widest)
        self.n_units = values.n_units if codes is None else max(codes.n_units, values.n_units)
        self.density_is_incremental = values.density_is_incremental

    def log_probs(
        self, x: torch.Tensor, context: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return log-probabilities of the codes of each row, and log-densities of its values.

        Parameters
        ----------
        x : tensor of shape (rows, codes and values)
        context : tensor of shape (rows, n_context) or None, default=None

        Returns
        -------
        of_codes, of_values : tensor of shape (rows,)
            In nats; those of the values are given the codes.
        """
        if self.codes is None:
            return x.new_zeros(len(x)), self.values.log_prob(x, context)
        return self.codes.log_prob(x, context), self.values.log_prob(x, context)

    def log_prob(self, x: torch.Tensor, context: torch.Tensor | None = None) -> torch.Tensor:
        """Return the log-density of each row, in nats."""
        of_codes, of_values = self.log_probs(x, context)
        return of_codes + of_values

    def to_base(self, x: torch.Tensor, context: torch.Tensor | None = None) -> torch.Tensor:
        """Return rows of base space: normal scores of the codes, then the image of the values.

        A code has a whole interval of the normal law; its score is the middle one.
        """
        z = self.values(x, context)[0]
        if self.codes is None:
            return z
        eps = torch.finfo(x.dtype).eps
        midpoints = self.codes.midpoints(x[:, : self.codes.n_codes], context)
        return torch.cat([torch.special.ndtri(midpoints.clamp(eps, 1 - eps)), z], 1)

    def from_base(
        self, z: torch.Tensor, context: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the codes and the values of rows of base space: the inverse of `to_base`."""
        codes, normals = z.tensor_split([self.values.n_codes], dim=1)
        if self.codes is not None:
            codes = self.codes.draw(torch.special.ndtr(codes), context)
        return codes, self.values.draw(normals, codes, context)


def make_table_flow(
    categories: Categories | None,
    presence_conditions: Sequence[tuple[int, int]],
    has_missing: bool,
    *,
    hidden_layer_sizes: Sequence[int],
    activation: str,
    generator: torch.Generator,
    n_context: int = 0,
    spread: float = 1.0,
    **shape: Any,
) -> TableFlow:
    """Make a flow for a table with discrete columns and missing cells.

    Parameters
    ----------
    categories : Categories or None
        Of the discrete columns; None where there are none.
    presence_conditions : sequence of pairs of int
        For each value the position of a code, and the category that this code has in the rows in
        which the value is present; (-1, -1) if it always is.
    has_missing : bool
        Whether cells may be missing.
    hidden_layer_sizes, activation, generator, spread, **shape
        As those of `make_flow`. The one network of the discrete columns has layers
        ``CODES_WIDTH_FACTOR`` times as wide.
    n_context : int, default=0
        Columns of the context that the density is conditional on.

    Returns
    -------
    TableFlow
    """
    codes = None
    n_flow_context = n_context
    if categories is not None:
        sizes = [CODES_WIDTH_FACTOR * size for size in hidden_layer_sizes]
        codes = CodesDensity(
            DiscreteMADE(categories, sizes, activation, generator, n_context, spread)
        )
        n_flow_context += categories.n_features
    if has_missing:
        n_flow_context += len(presence_conditions)
    flow = make_flow(
        len(presence_conditions),
        hidden_layer_sizes=hidden_layer_sizes,
        activation=activation,
        generator=generator,
        n_context=n_flow_context,
        reach=REACH,
        spread=spread,
        **shape,
    )
    return TableFlow(codes, ValuesDensity(flow, categories, presence_conditions, has_missing))
