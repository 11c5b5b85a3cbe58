"""The conditional distribution of each target of a row, from a conditional density."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.utils import gen_batches

from ..table.columns import Continuous, Discrete
from ..table.constraints import RowConstraints
from .drawing import draw_rows
from .prediction import BASE_NODES, INTERPOLATION, QUADRATURE_WEIGHTS, ConditionalDistribution

if TYPE_CHECKING:
    from ..models.table_density import TableDensity

N_DRAWS = 1000  # for each row, where base space is wider than a line
MODERATE = 500.0  # nats, beyond which densities are taken relative to the highest
N_BASELINE_NODES = 200  # that stand for the baseline beside the flow
N_ERRORS = 20_000  # draws that these are means of
BATCH_NUMBERS = 2**18  # nodes at a time

# of distributions, the rows that they belong to, and the position of their target
RowFunction = Callable[[ConditionalDistribution, slice, int], np.ndarray]


@dataclass(frozen=True, eq=False)
class Predictor:
    """Gives the distribution of each target by weighted nodes: that of targets that are drawn.

    So methods take the constraints that these keep.

    Attributes
    ----------
    density : TableDensity
        Of the targets given a context.
    seed : int
        Governs the draws, which are the same for a row whatever the other rows are.
    errors : ndarray of shape (N_BASELINE_NODES,) or None
        Nodes that stand for the baseline, off its trend; None but for one continuous target.
    """

    density: TableDensity
    seed: int
    errors: np.ndarray | None

    @classmethod
    def of(cls, density: TableDensity, seed: int) -> Predictor:
        """Return the predictor of a density, its baseline drawn from by the seed."""
        columns = density.columns
        is_one_number = columns.n_codes == 0 and columns.n_values == 1
        if density.baseline is None or not is_one_number:
            return cls(density, seed, None)
        errors = density.baseline.errors(N_ERRORS, np.random.RandomState(seed))
        nodes = np.sort(errors, axis=None).reshape(N_BASELINE_NODES, -1).mean(axis=1)
        return cls(density, seed, nodes)

    def apply(
        self, context: np.ndarray, constraints: RowConstraints, function: RowFunction
    ) -> np.ndarray:
        """Return what a function of distributions gives for all rows; targets come last."""
        parts = []
        for rows in gen_batches(
            len(context), max(1, BATCH_NUMBERS // (N_BASELINE_NODES + N_DRAWS))
        ):
            distributions = self.distributions(context[rows], constraints)
            results = [function(each, rows, j) for j, each in enumerate(distributions)]
            parts.append(np.stack(results, axis=-1))
        return np.concatenate(parts)

    def excess(self, context: np.ndarray, constraints: RowConstraints, Y: np.ndarray) -> np.ndarray:
        """Return how far from the median targets are, in probability, shape (n, n_targets)."""
        return self.apply(
            context, constraints, lambda distribution, rows, j: distribution.excess(Y[rows, j])
        )

    def distributions(
        self, context: np.ndarray, constraints: RowConstraints
    ) -> list[ConditionalDistribution]:
        """Return the distribution of each target, given each row of the context."""
        columns = self.density.columns.columns
        if len(columns) == 1 and isinstance(columns[0], Discrete):
            return [self._of_categories(columns[0], context)]
        if len(columns) == 1 and isinstance(columns[0], Continuous):
            return [self._of_quadrature(columns[0], context, constraints)]
        drawn = np.stack(
            [
                draw_rows(self.density, constraints, N_DRAWS, self.seed, repeated)
                for repeated in _repeated(context)
            ]
        )
        weights = np.full(drawn.shape[:2], 1 / N_DRAWS)
        return [
            ConditionalDistribution(values, weights, is_discrete=True)
            for values in np.moveaxis(drawn, 2, 0)
        ]

    def negative_entropies(self, context: np.ndarray) -> np.ndarray:
        """Return the mean log-density of draws of each row, which keep no constraints."""
        means = []
        for repeated in _repeated(context):
            Y = self.density.sample(N_DRAWS, self.seed, context=repeated)
            means.append(self.density.log_prob(Y, repeated).mean())
        return np.array(means)

    def _of_categories(self, column: Any, context: np.ndarray) -> ConditionalDistribution:
        values = np.tile(column.categories, (len(context), 1))
        repeated = context.repeat(values.shape[1], axis=0)
        log_prob = self.density.log_prob(values.reshape(-1, 1), repeated)
        log_prob = log_prob.reshape(values.shape)
        highest = log_prob.max(axis=1, keepdims=True)
        # densities in tiny or huge units neither overflow nor vanish
        weights = np.exp(log_prob - np.where(np.abs(highest) > MODERATE, highest, 0.0))
        weights = weights / weights.sum(axis=1, keepdims=True)
        return ConditionalDistribution(values, weights, is_discrete=True)

    def _of_quadrature(
        self, column: Any, context: np.ndarray, constraints: RowConstraints
    ) -> ConditionalDistribution:
        """Return nodes of base space taken through the flow, and those of the baseline.

        They are mirrored as draws are, but not moved to a grid.
        """
        values = self.density.from_base_nodes(BASE_NODES, context) @ INTERPOLATION
        weights = np.tile(QUADRATURE_WEIGHTS, (len(context), 1))
        baseline = self.density.baseline
        if baseline is not None:
            trend = baseline.predict_trend(context, len(context))
            values = np.hstack([values, self.errors + trend])
            share = baseline.share
            beside = np.full((len(context), N_BASELINE_NODES), share / N_BASELINE_NODES)
            weights = np.hstack([weights * (1 - share), beside])
        values = constraints.ends.mirrored(column.reflected(column.untransform(values)))
        return ConditionalDistribution(values, weights, is_discrete=False)


def _repeated(context: np.ndarray) -> Iterator[np.ndarray]:
    """Return the context of the draws for each row."""
    return (np.tile(row, (N_DRAWS, 1)) for row in context)
