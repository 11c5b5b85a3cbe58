"""MADE for discrete columns: probabilities of categories, each column given those before it.

A nominal column has a probability for each category, as in the first MADE [1]_. The categories of
a numeric column are numbers, in order: it has a mixture of logistic laws, cut at the midpoints
between these, and what the mixture puts between two cuts is the probability of the number there
[2]_. That takes few parameters however many numbers there are, and their order helps.

Codes are floats of shape (columns, rows): the position of the category, or `ABSENT` where a cell
is missing, or -2 minus a position where a value is new but near that category. Absent and new
values add nothing to a log-probability; new ones are shown to the other columns as the category
that they are near to.

References
----------
.. [1] Germain, Gregor, Murray and Larochelle (2015). MADE: masked autoencoder for distribution
   estimation. ICML.
.. [2] Salimans, Karpathy, Chen and Kingma (2017). PixelCNN++: improving the PixelCNN with
   discretized logistic mixture likelihood. ICLR.
"""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from numpy.typing import ArrayLike
from torch import nn

from .masked import MaskedNetwork

ABSENT = -1  # the code of a missing cell
N_COMPONENTS = 8  # of the mixture of a numeric column
# in standard deviations of a column:
INITIAL_SPREAD = 1.5  # of the means of a mixture
INITIAL_SCALE = 0.3  # of its components
FAR = 1e4  # a cut beyond all numbers
SMALLEST_SCALE = 0.05  # of a component, in steps between numbers: all of it fits in one

Mixtures = tuple[torch.Tensor, torch.Tensor, torch.Tensor]  # log-shares, means and scales


class Categories(nn.Module):
    """The categories of discrete columns: what codes mean, and what networks see of them.

    Parameters
    ----------
    shares : sequence of array
        Shares of the categories of each column.
    numbers : sequence of array or None
        Of each column the numbers that its categories are, standardised and in order; None for a
        nominal column.
    has_missing : bool
        Whether cells may be missing.

    Attributes
    ----------
    is_numeric, is_nominal : list of bool
        What each column is.
    sizes : tensor of int64
        How many categories each nominal column has.
    log_shares : tensor of shape (categories, nominal columns, 1)
        Logarithms of the shares, minus infinity beyond the last category of a column.
    starts : tensor of shape (nominal columns, 1)
        Where each nominal column begins among all their categories.
    values, cuts : tensor of shape (numeric columns, numbers), (numeric columns, numbers + 1)
        The numbers of each column, and the cuts around them.
    smallest_scale : tensor of shape (numeric columns, 1)
        How narrow a component of a mixture may be.
    """

    log_shares: torch.Tensor
    starts: torch.Tensor
    values: torch.Tensor
    cuts: torch.Tensor
    smallest_scale: torch.Tensor

    def __init__(
        self,
        shares: Sequence[ArrayLike],
        numbers: Sequence[ArrayLike | None],
        has_missing: bool,
    ) -> None:
        super().__init__()
        self.has_missing = has_missing
        self.is_numeric = [values is not None for values in numbers]
        self.is_nominal = [values is None for values in numbers]
        self._tabulate_shares(
            [torch.as_tensor(share) for share, values in zip(shares, numbers) if values is None]
        )
        self._cut_numbers([torch.as_tensor(values) for values in numbers if values is not None])

    def _tabulate_shares(self, shares: list[torch.Tensor]) -> None:
        """Set sizes, shares and places of the categories of nominal columns."""
        self.sizes = torch.tensor([len(share) for share in shares], dtype=torch.int64)
        padded = [
            F.pad(share.log().float(), (0, int(self.sizes.max()) - len(share)), value=-torch.inf)
            for share in shares
        ]
        log_shares = torch.stack(padded, 1)[:, :, None] if padded else torch.zeros(0, 0, 1)
        self.register_buffer("log_shares", log_shares)
        self.register_buffer("starts", (self.sizes.cumsum(0) - self.sizes)[:, None])

    def _cut_numbers(self, numbers: list[torch.Tensor]) -> None:
        """Set numbers, cuts and smallest scales of numeric columns."""
        most = max(map(len, numbers), default=0)
        values = torch.zeros(len(numbers), most)
        cuts = torch.full((len(numbers), most + 1), FAR)
        smallest_scale = torch.ones(len(numbers), 1)
        for i, column in enumerate(numbers):
            n = len(column)
            values[i, :n] = column
            cuts[i, 0] = -FAR
            cuts[i, 1:n] = (column[1:] + column[:-1]) / 2
            if n > 1:
                smallest_scale[i] = SMALLEST_SCALE * float(column.diff().median())
        self.register_buffer("values", values)
        self.register_buffer("cuts", cuts)
        self.register_buffer("smallest_scale", smallest_scale)

    @property
    def n_columns(self) -> int:
        """Number of columns."""
        return len(self.is_numeric)

    @property
    def n_features(self) -> int:
        """Number of features of an encoded row."""
        return len(self.feature_degrees(torch.ones(self.n_columns)))

    def feature_degrees(self, degrees: torch.Tensor) -> torch.Tensor:
        """Return the degrees of the features of an encoded row from those of the columns."""
        of_nominal = degrees[self.is_nominal].repeat_interleave(self.sizes)
        of_numeric = degrees[self.is_numeric]
        if self.has_missing:
            return torch.cat([of_nominal, of_numeric, of_numeric])
        return torch.cat([of_nominal, of_numeric])

    def positions(self, codes: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the positions that codes of nominal, and of numeric, columns stand for."""
        position = _positions(codes).long()
        return position[self.is_nominal], position[self.is_numeric]

    def encode(self, codes: torch.Tensor) -> torch.Tensor:
        """Return what networks see of rows, zeros for what is absent.

        Parameters
        ----------
        codes : tensor of shape (columns, rows)

        Returns
        -------
        features : tensor of shape (features, rows)
            Indicators of the categories of nominal columns; numbers of the numeric ones; and,
            where cells may be missing, whether these are present.
        """
        nominal, numeric = self.positions(codes)
        n_indicators = int(self.sizes.sum())
        indicators = self.values.new_zeros(n_indicators + 1, codes.shape[1])
        # the last row, which is dropped, takes what is absent
        indicators.scatter_(0, torch.where(nominal < 0, n_indicators, self.starts + nominal), 1.0)
        present = (numeric >= 0).to(self.values.dtype)
        values = self.values.gather(1, numeric.clamp(min=0)) * present
        if self.has_missing:
            return torch.cat([indicators[:-1], values, present])
        return torch.cat([indicators[:-1], values])


def _positions(codes: torch.Tensor) -> torch.Tensor:
    """Return the positions of categories; new values have that which they are near to."""
    return torch.where(codes < ABSENT, -2 - codes, codes)


class DiscreteMADE(nn.Module):
    """One masked network that gives every discrete column the probabilities of its categories.

    Nominal columns start with the shares of their categories.

    Parameters
    ----------
    categories : Categories
    hidden_sizes : sequence of int
        Units of each hidden layer.
    activation : str
        A key of ``ACTIVATIONS``.
    generator : torch.Generator
        Draws the initial weights.
    n_context : int, default=0
        Columns of the context that the probabilities are conditional on.
    spread : float, default=1.0
        Of the initial weights of the `MaskedNetwork`.
    """

    def __init__(
        self,
        categories: Categories,
        hidden_sizes: Sequence[int],
        activation: str,
        generator: torch.Generator,
        n_context: int = 0,
        spread: float = 1.0,
    ) -> None:
        super().__init__()
        self.categories = categories
        degrees = torch.arange(1, categories.n_columns + 1)
        n_params = max(len(categories.log_shares), 3 * N_COMPONENTS)
        inputs = categories.feature_degrees(degrees)
        self.network = MaskedNetwork(
            degrees, n_params, hidden_sizes, activation, generator, n_context, inputs, spread
        )
        with torch.no_grad():
            biases = self.network.output.bias.view(-1, n_params).T[: 3 * N_COMPONENTS]
            _, means, raw_scales = biases.chunk(3)
            means[:, categories.is_numeric] = torch.linspace(
                -INITIAL_SPREAD, INITIAL_SPREAD, N_COMPONENTS
            )[:, None]
            raw_scales[:, categories.is_numeric] = math.log(math.expm1(INITIAL_SCALE))

    def log_prob(self, codes: torch.Tensor, context: torch.Tensor | None = None) -> torch.Tensor:
        """Return the log-probability of each row's codes, in nats.

        Parameters
        ----------
        codes : tensor of shape (columns, rows)
        context : tensor of shape (n_context, rows) or None, default=None
        """
        nominal, numeric = self.categories.positions(codes.clamp(min=ABSENT))
        logits, mixtures = self._params(codes, context)
        of_nominal = logits.log_softmax(0).gather(0, nominal.clamp(min=0)[None])[0]
        cuts = self.categories.cuts
        position = numeric.clamp(min=0)
        of_numeric = _log_mass(mixtures, cuts.gather(1, position), cuts.gather(1, position + 1))
        present = torch.cat([nominal, numeric]) >= 0
        return torch.where(present, torch.cat([of_nominal, of_numeric]), 0.0).sum(0)

    def _params(
        self, codes: torch.Tensor, context: torch.Tensor | None
    ) -> tuple[torch.Tensor, Mixtures]:
        """Return the logits of nominal columns, and the mixtures of numeric ones."""
        categories = self.categories
        params = self.network(categories.encode(codes), context)
        of_nominal = params[: len(categories.log_shares), categories.is_nominal]
        of_numeric = params[: 3 * N_COMPONENTS, categories.is_numeric]
        shares, means, raw_scales = of_numeric.chunk(3)
        scales = F.softplus(raw_scales) + categories.smallest_scale
        return of_nominal + categories.log_shares, (shares.log_softmax(0), means, scales)

    def _cumulative(self, i: int, logits: torch.Tensor, mixtures: Mixtures) -> torch.Tensor:
        """Return the probabilities of column i to be at most each category, but for the last.

        For that one it would be 1. The shape is (categories - 1, rows).
        """
        is_numeric = self.categories.is_numeric[i]
        place = self.categories.is_numeric[:i].count(is_numeric)  # among the columns like it
        if not is_numeric:
            return logits[: self.categories.sizes[place], place].softmax(0).cumsum(0)[:-1]
        cuts = self.categories.cuts[place]
        cuts = cuts[(cuts > -FAR) & (cuts < FAR)]
        log_shares, means, scales = (part[:, None, place] for part in mixtures)
        return (log_shares.exp() * torch.sigmoid((cuts[:, None] - means) / scales)).sum(0)

    @torch.no_grad()
    def draw(self, chance: torch.Tensor, context: torch.Tensor | None = None) -> torch.Tensor:
        """Return codes made of uniform numbers, both of shape (columns, rows)."""
        codes = torch.full_like(chance, ABSENT)
        for i in range(len(codes)):
            codes[i] = (self._cumulative(i, *self._params(codes, context)) < chance[i]).sum(0)
        return codes

    @torch.no_grad()
    def intervals(
        self, codes: torch.Tensor, context: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the ends of the uniform numbers that `draw` makes these codes of.

        Returns
        -------
        low, high : tensor of shape (columns, rows)
            0 and 1 where a code is absent.
        """
        logits, mixtures = self._params(codes, context)
        low = torch.zeros_like(codes)
        high = torch.ones_like(codes)
        for i, code in enumerate(codes):
            cumulative = self._cumulative(i, logits, mixtures)
            one = cumulative.new_ones(1, len(code))
            cumulative = torch.cat([torch.zeros_like(one), cumulative, one])
            position = _positions(code).clamp(min=0).long()[None]
            present = code != ABSENT
            low[i] = torch.where(present, cumulative.gather(0, position)[0], low[i])
            high[i] = torch.where(present, cumulative.gather(0, position + 1)[0], high[i])
        return low, high

    def midpoints(self, codes: torch.Tensor, context: torch.Tensor | None = None) -> torch.Tensor:
        """Return the middles of `intervals`, shape (columns, rows): 1/2 for an absent code."""
        low, high = self.intervals(codes, context)
        return (low + high) / 2


def _log_mass(mixtures: Mixtures, low: torch.Tensor, high: torch.Tensor) -> torch.Tensor:
    """Return the logarithm of what mixtures of logistic laws put between two cuts."""
    log_shares, means, scales = mixtures
    low = (low - means) / scales
    high = (high - means) / scales
    # sigmoid(high) - sigmoid(low), exact in both tails
    log_masses = F.logsigmoid(high) + F.logsigmoid(-low) + torch.log(-torch.expm1(low - high))
    return (log_shares + log_masses).logsumexp(0)
