"""The density of a table's rows: its discrete columns first, then the others given these, of each what is present.

Rows hold the codes, then the values, then what is given: columns that the density is conditional on, if any.
"""

import torch
from torch import nn

from .discrete import DiscreteMADE
from .families import make_flow
from .layers import RowDensity

WIDER = (
    4  # times the layers of the one network of discrete columns, where a flow has several networks
)


class CodesDensity(RowDensity):
    """Probabilities of the codes of a row, whatever its values are.

    Parameters
    ----------
    discrete : DiscreteMADE
    n_values : int
        Number of values, which stand between the codes and what is given.
    """

    def __init__(self, discrete, n_values):
        super().__init__()
        self.discrete = discrete
        self.n_codes = len(discrete.levels.is_number)
        self.n_values = n_values
        self.widest, self.n_units = discrete.network.widest, discrete.network.n_units

    def log_prob(self, x, context=None):
        """Log-probability of the codes of each row, in nats."""
        return self.discrete.log_prob(
            x[:, : self.n_codes].T, self._given(x[:, self.n_codes + self.n_values :])
        )

    def draw(self, chance, given):
        """Codes from uniform numbers, for rows with these given columns."""
        return self.discrete.draw(chance.T, self._given(given)).T

    def middles(self, codes, given):
        """The uniform numbers from which `draw` makes these codes."""
        return self.discrete.middles(codes.T, self._given(given)).T

    def _given(self, given):
        return given.T if given.shape[1] else None


class ValuesDensity(RowDensity):
    """Density of the values of a row, given its codes.

    Parameters
    ----------
    flow : Flow
        Takes a context of ``n_context(levels, n_values, with_gaps)`` columns and those that are given.
    levels : Levels or None
        What the codes mean; None where there are none.
    gates : sequence of pairs of int
        For each value the place and the level of the code with which it is there, or (-1, -1) if it always is.
    with_gaps : bool
        Whether any value may be missing.
    """

    def __init__(self, flow, levels, gates, with_gaps):
        super().__init__()
        self.flow, self.levels, self.with_gaps = flow, levels, with_gaps
        self.n_codes = 0 if levels is None else len(levels.is_number)
        self.n_values = len(gates)
        self.gated = [(i, place, level) for i, (place, level) in enumerate(gates) if place >= 0]
        self.widest, self.n_units, self.scores_by_walk = (
            flow.widest,
            flow.n_units,
            flow.scores_by_walk,
        )

    @staticmethod
    def n_context(levels, n_values, with_gaps):
        """Columns of the context that the flow needs beside those that are given."""
        n_codes = (
            0 if levels is None else len(levels.feature_degrees(torch.ones(len(levels.is_number))))
        )
        return n_codes + (n_values if with_gaps else 0)

    def forward(self, x):
        """Image of the values of each row in base space, zeros where none is there, and log-determinant of the Jacobian."""
        return self.flow(*self._values(x))

    def log_prob(self, x, context=None):
        """Log-density of the values of each row that are there, in nats."""
        return self.flow.log_prob(*self._values(x))

    def _values(self, x):
        """Values, context and presence."""
        codes, values, given = x.tensor_split([self.n_codes, self.n_codes + self.n_values], dim=1)
        present = None
        if self.gated or self.with_gaps:
            present = ~values.isnan()
            values, present = torch.where(present, values, 0.0), present.to(values.dtype)
        return values, self._context(codes, present, given), present

    def draw(self, z, codes, given):
        """Values from standard normal ones, for such rows; where the codes leave no place for a value it is 0."""
        present = torch.ones_like(z) if self.gated or self.with_gaps else None
        for i, place, level in self.gated:
            present[:, i] = codes[:, place] == level
        context = self._context(codes, present, given)
        return self.flow.inverse(z if present is None else z * present, context, present)[0]

    def _context(self, codes, present, given):
        parts = [] if self.levels is None else [self.levels.encode(codes.T).T]
        parts += [present] if self.with_gaps else []
        parts += [given] if given.shape[1] else []
        return torch.cat(parts, 1) if parts else None


class TableFlow(RowDensity):
    """Both, for rows whose absent values are NaN.

    What of a row is present is a context of the flow: an absent value leaves no trace but that. The two parts share no weights,
    so each is trained by itself.

    Parameters
    ----------
    codes : CodesDensity or None
        None where there are no codes.
    values : ValuesDensity
    """

    def __init__(self, codes, values):
        super().__init__()
        self.codes, self.values = codes, values
        self.parts = nn.ModuleList([values] if codes is None else [codes, values])
        self.widest = max(part.widest for part in self.parts)
        self.n_units = max(part.n_units for part in self.parts)
        self.scores_by_walk = values.scores_by_walk

    def log_probs(self, x):
        """Log-probability of the codes of each row, and log-density of its values given these, in nats."""
        return x.new_zeros(len(x)) if self.codes is None else self.codes.log_prob(
            x
        ), self.values.log_prob(x)

    def log_prob(self, x, context=None):
        """Log-density of each row, in nats."""
        return sum(self.log_probs(x))

    def transform(self, x):
        """Rows in base space: normal scores of the codes, then the image of the values.

        A code has a whole interval of the normal law; its score is the middle one.
        """
        n_codes = self.values.n_codes
        z = self.values(x)[0]
        if self.codes is None:
            return z
        eps = torch.finfo(x.dtype).eps
        middles = self.codes.middles(x[:, :n_codes], x[:, n_codes + self.values.n_values :]).clamp(
            eps, 1 - eps
        )
        return torch.cat([torch.special.ndtri(middles), z], 1)

    def draw(self, z, given):
        """Codes and values from rows of base space: the inverse of `transform`."""
        scores, z = z[:, : self.values.n_codes], z[:, self.values.n_codes :]
        codes = scores if self.codes is None else self.codes.draw(torch.special.ndtr(scores), given)
        return codes, self.values.draw(z, codes, given)


def make_table_flow(
    levels, gates, with_gaps, *, hidden_layer_sizes, activation, generator, n_given=0, **shape
):
    """A flow for a table with discrete columns and missing cells.

    Parameters
    ----------
    levels : Levels or None
        Of the discrete columns; None where there are none.
    gates : sequence of pairs of int
        For each value the place and the level of the code with which it is there, or (-1, -1) if it always is.
    with_gaps : bool
        Whether cells may be missing.
    hidden_layer_sizes, activation, generator, **shape
        As those of `make_flow`. The one network of the discrete columns has layers `WIDER` times as wide.
    n_given : int, default=0
        Columns that the density is conditional on.

    Returns
    -------
    TableFlow
    """
    network = dict(activation=activation, generator=generator)
    n_values, codes = len(gates), None
    if levels is not None:
        discrete = DiscreteMADE(
            levels, [WIDER * size for size in hidden_layer_sizes], n_context=n_given, **network
        )
        codes = CodesDensity(discrete, n_values)
    n_context = n_given + ValuesDensity.n_context(levels, n_values, with_gaps)
    flow = make_flow(
        n_values, hidden_layer_sizes=hidden_layer_sizes, n_context=n_context, **network, **shape
    )
    return TableFlow(codes, ValuesDensity(flow, levels, gates, with_gaps))
