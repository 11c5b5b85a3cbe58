"""The density of a table's rows: its discrete columns first, then the others given these, of each what is present."""

import torch
from torch import nn

from .layers import RowDensity


class CodesDensity(RowDensity):
    """Probabilities of the codes of a row, whatever its values are.

    Parameters
    ----------
    discrete : DiscreteMADE
    """

    def __init__(self, discrete):
        super().__init__()
        self.discrete = discrete
        self.widest, self.n_units = discrete.network.widest, discrete.network.n_units

    def log_prob(self, x, context=None):
        """Log-probability of the codes of each row, in nats."""
        return self.discrete.log_prob(x[:, : len(self.discrete.levels.is_number)].T)


class ValuesDensity(RowDensity):
    """Density of the values of a row, given its codes.

    Parameters
    ----------
    flow : Flow
        Takes a context of ``n_context(levels, n_values, with_gaps)`` columns.
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
        self.gated = [(i, place, level) for i, (place, level) in enumerate(gates) if place >= 0]
        self.widest, self.n_units = flow.widest, flow.n_units

    @staticmethod
    def n_context(levels, n_values, with_gaps):
        """Columns of the context that the flow needs."""
        n_codes = 0 if levels is None else len(levels.feature_degrees(torch.ones(len(levels.is_number))))
        return n_codes + (n_values if with_gaps else 0)

    def log_prob(self, x, context=None):
        """Log-density of the values of each row that are there, in nats."""
        codes, values, present = x[:, : self.n_codes], x[:, self.n_codes :], None
        if self.gated or self.with_gaps:
            present = ~values.isnan()
            values, present = torch.where(present, values, 0.0), present.to(values.dtype)
        return self.flow.log_prob(values, self._context(codes, present), present)

    def draw(self, z, codes):
        """Values from standard normal ones, for rows with these codes; where these leave no place for a value it is 0."""
        present = torch.ones_like(z) if self.gated or self.with_gaps else None
        for i, place, level in self.gated:
            present[:, i] = codes[:, place] == level
        return self.flow.inverse(z if present is None else z * present, self._context(codes, present), present)

    def _context(self, codes, present):
        parts = [] if self.levels is None else [self.levels.encode(codes.T).T]
        parts += [present] if self.with_gaps else []
        return torch.cat(parts, 1) if parts else None


class TableFlow(RowDensity):
    """Both, for rows that hold the codes, then the values; absent values are NaN.

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

    def log_probs(self, x):
        """Log-probability of the codes of each row, and log-density of its values given these, in nats."""
        return x.new_zeros(len(x)) if self.codes is None else self.codes.log_prob(x), self.values.log_prob(x)

    def log_prob(self, x, context=None):
        """Log-density of each row, in nats."""
        return sum(self.log_probs(x))
