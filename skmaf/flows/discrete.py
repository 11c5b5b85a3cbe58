"""MADE for discrete columns: probabilities of levels, each column given those before it.

Categories have a probability for each level, as in the first MADE [1]_. A column of numbers has a mixture of logistic laws, cut
at the middles between its levels: what the mixture puts between two cuts is the probability of the level there [2]_. That takes
few parameters however many levels there are, and the order of the levels helps.

Codes are floats of shape (columns, rows): the number of the level, or -1 where a column is absent, or -2 minus a level where a
value is new but near that level. Absent and new values get no probability here; new ones are shown to the other columns as the
level they are near to.

References
----------
.. [1] Germain, Gregor, Murray and Larochelle (2015). MADE: masked autoencoder for distribution estimation. ICML.
.. [2] Salimans, Karpathy, Chen and Kingma (2017). PixelCNN++: improving the PixelCNN with discretized logistic mixture
   likelihood. ICLR.
"""

import math

import torch
import torch.nn.functional as F
from torch import nn

from .masked import MaskedNetwork

N_COMPONENTS = 8  # of a mixture
SPREAD, WIDTH = (
    1.5,
    0.3,
)  # of their means at the start, and their scales, in standard deviations of a column
NARROWEST = 0.05  # scale of a component, in steps between levels: all of it fits in one
FAR = 1e4  # a cut beyond all levels, in standard deviations of a column


class Levels(nn.Module):
    """The levels of discrete columns: what codes mean, and what networks are shown of them.

    Parameters
    ----------
    shares : list of array
        Shares of the levels of each column.
    numbers : list of array or None
        What numbers the levels stand for, standardised and in order; None for categories.
    with_gaps : bool
        Whether cells may be missing.
    """

    def __init__(self, shares, numbers, with_gaps):
        super().__init__()
        self.with_gaps = with_gaps
        self.is_number = [own is not None for own in numbers]
        self.is_category = [own is None for own in numbers]
        self._tabulate(
            [torch.as_tensor(own) for own, number in zip(shares, numbers) if number is None]
        )
        self._cut([torch.as_tensor(own) for own in numbers if own is not None])

    def _tabulate(self, shares):
        """Shares of the levels of categories, and where each column begins among all their levels."""
        self.sizes = torch.tensor([len(own) for own in shares], dtype=torch.int64)
        padded = [
            F.pad(own.log().float(), (0, int(self.sizes.max()) - len(own)), value=-torch.inf)
            for own in shares
        ]
        self.register_buffer(
            "log_shares", torch.stack(padded, 1)[:, :, None] if padded else torch.zeros(0, 0, 1)
        )
        self.register_buffer("starts", (self.sizes.cumsum(0) - self.sizes)[:, None])

    def _cut(self, numbers):
        """Numbers of the levels, the cuts between them, and how narrow a component may be."""
        n = max(map(len, numbers), default=0)
        values, cuts, narrowest = (
            torch.zeros(len(numbers), n),
            torch.full((len(numbers), n + 1), FAR),
            [],
        )
        for own, value, cut in zip(numbers, values, cuts):
            value[: len(own)] = own
            cut[0], cut[1 : len(own)] = -FAR, (own[1:] + own[:-1]) / 2
            narrowest.append(NARROWEST * float(own.diff().median()) if len(own) > 1 else 1.0)
        for name, table in [
            ("values", values),
            ("cuts", cuts),
            ("narrowest", torch.tensor(narrowest)[:, None]),
        ]:
            self.register_buffer(name, table)

    def feature_degrees(self, degrees):
        """Degrees of the features of an encoded row, where columns have these."""
        of_categories, of_numbers = (
            degrees[self.is_category].repeat_interleave(self.sizes),
            degrees[self.is_number],
        )
        return torch.cat(
            [of_categories, of_numbers, of_numbers]
            if self.with_gaps
            else [of_categories, of_numbers]
        )

    def split(self, codes):
        """Levels of categories and of numbers, -1 where they are absent; new values have the level that they are near to."""
        level = torch.where(codes < -1, -2 - codes, codes).long()
        return level[self.is_category], level[self.is_number]

    def encode(self, codes):
        """Indicators of categories, numbers, and whether these are there, shape (features, rows); zeros for what is absent."""
        category, number = self.split(codes)
        n_levels = int(self.sizes.sum())
        indicators = self.values.new_zeros(n_levels + 1, codes.shape[1])
        indicators.scatter_(0, torch.where(category < 0, n_levels, self.starts + category), 1.0)
        there = (number >= 0).to(self.values.dtype)
        values = self.values.gather(1, number.clamp(min=0)) * there
        return torch.cat(
            [indicators[:-1], values, there] if self.with_gaps else [indicators[:-1], values]
        )


class DiscreteMADE(nn.Module):
    """One masked network that gives every column the probabilities of its levels.

    Categories start with the shares of their levels.

    Parameters
    ----------
    levels : Levels
    hidden_sizes : sequence of int
        Units of each hidden layer.
    activation : str
        A key of ``ACTIVATIONS``.
    generator : torch.Generator
        Draws the initial weights.
    n_context : int, default=0
        Columns of the context that the probabilities are given, shape (n_context, rows).
    """

    def __init__(self, levels, hidden_sizes, activation, generator, n_context=0):
        super().__init__()
        self.levels = levels
        degrees = torch.arange(1, len(levels.is_number) + 1)
        n_params = max(len(levels.log_shares), 3 * N_COMPONENTS)
        inputs = levels.feature_degrees(degrees)
        self.network = MaskedNetwork(
            degrees, n_params, hidden_sizes, activation, generator, n_context, inputs
        )
        with torch.no_grad():
            _, means, widths = (
                self.network.output.bias.view(-1, n_params).T[: 3 * N_COMPONENTS].chunk(3)
            )
            means[:, levels.is_number] = torch.linspace(-SPREAD, SPREAD, N_COMPONENTS)[:, None]
            widths[:, levels.is_number] = math.log(math.expm1(WIDTH))

    def log_prob(self, codes, context=None):
        """Log-probability of each row's codes, in nats."""
        category, number = self.levels.split(codes.clamp(min=-1))
        logits, mixtures = self._params(codes, context)
        of_category = logits.log_softmax(0).gather(0, category.clamp(min=0)[None])[0]
        cuts, level = self.levels.cuts, number.clamp(min=0)
        of_number = _log_mass(mixtures, cuts.gather(1, level), cuts.gather(1, level + 1))
        present = torch.cat([category, number]) >= 0
        return torch.where(present, torch.cat([of_category, of_number]), 0.0).sum(0)

    def _params(self, codes, context):
        """Logits of categories, and logarithms of shares, means and scales of the mixtures of numbers."""
        levels = self.levels
        params = self.network(levels.encode(codes), context)
        logits = params[: len(levels.log_shares), levels.is_category] + levels.log_shares
        shares, means, widths = params[: 3 * N_COMPONENTS, levels.is_number].chunk(3)
        return logits, (shares.log_softmax(0), means, F.softplus(widths) + levels.narrowest)

    def _below(self, i, logits, mixtures):
        """Probability of column i to be at most each level but the last, for which it is 1: shape (levels - 1, rows)."""
        is_number = self.levels.is_number[i]
        place = self.levels.is_number[:i].count(is_number)  # among the columns of its sort
        if not is_number:
            return logits[: self.levels.sizes[place], place].softmax(0).cumsum(0)[:-1]
        cuts = self.levels.cuts[place]
        cuts = cuts[(cuts > -FAR) & (cuts < FAR)]
        log_shares, means, widths = (part[:, None, place] for part in mixtures)
        return (log_shares.exp() * torch.sigmoid((cuts[:, None] - means) / widths)).sum(0)

    @torch.no_grad()
    def draw(self, chance, context=None):
        """Codes from uniform numbers of shape (columns, rows)."""
        codes = torch.full_like(chance, -1)
        for i in range(len(codes)):
            codes[i] = (self._below(i, *self._params(codes, context)) < chance[i]).sum(0)
        return codes

    @torch.no_grad()
    def middles(self, codes, context=None):
        """The uniform numbers that `draw` makes these codes of: of each code that in the middle, of an absent one 1/2."""
        params, chance = self._params(codes, context), torch.empty_like(codes)
        for i, code in enumerate(codes):
            below = F.pad(self._below(i, *params), (0, 0, 0, 1), value=1.0)
            below = F.pad(below, (0, 0, 1, 0))
            level = torch.where(code < -1, -2 - code, code).clamp(min=0).long()[None]
            middle = (below.gather(0, level) + below.gather(0, level + 1))[0] / 2
            chance[i] = torch.where(code == -1, 0.5, middle)
        return chance


def _log_mass(mixtures, low, high):
    """Logarithm of what mixtures of logistic laws put between two cuts."""
    log_shares, means, widths = mixtures
    low, high = (low - means) / widths, (high - means) / widths
    # sigmoid(high) - sigmoid(low), exact in both tails
    log_masses = F.logsigmoid(high) + F.logsigmoid(-low) + torch.log(-torch.expm1(low - high))
    return (log_shares + log_masses).logsumexp(0)
