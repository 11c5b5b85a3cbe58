"""The score of rows in a table whose rows are all trusted: a network, and distances by ranges.

The network knows how columns depend on each other, in standard deviations: a column that is nearly
always zero counts a lot where it is not. A kernel density remembers rows one by one, and here it
measures columns by their ranges, where such a column counts no more than another. What is a usual
distance no label tells; the mean of both log-densities finds more anomalies than either alone.
Of a column of two values, or of categories, the range says nothing: they stay as far apart as they
are in flow space, but no farther than the ends of others.
"""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from .contract import check_context
from .kernel import Kernel
from .multiscale_density import MultiscaleTableDensity

USUAL_RANGE = 6.0  # standard deviations from end to end of a normal column of some hundred rows


@dataclass(frozen=True, eq=False)
class TrustedScore:
    """The mean of two log-densities: by a network, and by a kernel that measures by ranges.

    Attributes
    ----------
    density : MultiscaleTableDensity
    scales : ndarray of shape (n_values,)
        What each value of flow space is divided by before distances are measured.
    """

    density: MultiscaleTableDensity
    scales: np.ndarray

    @classmethod
    def of(cls, density: MultiscaleTableDensity) -> "TrustedScore":
        """Return the score by a density, with scales by the rows that its kernel remembers."""
        centres = density.kernel.centres
        scales = np.ones(centres.shape[1])
        known = ~np.isnan(centres).all(axis=0)
        ranges = np.nanmax(centres[:, known], axis=0) - np.nanmin(centres[:, known], axis=0)
        of_measures = np.where(ranges > 0, ranges / USUAL_RANGE, 1.0)
        of_others = np.maximum(ranges / USUAL_RANGE, 1.0)
        scales[known] = np.where(density.columns.are_measures[known], of_measures, of_others)
        return cls(density, scales)

    @cached_property
    def kernel(self) -> Kernel:
        """The rows that the density's kernel remembers, measured by the scales."""
        kernel = self.density.kernel
        return replace(kernel, centres=kernel.centres / self.scales)

    def log_prob(self, N: np.ndarray, context: np.ndarray | None = None) -> np.ndarray:
        """Return the score of each row, in nats.

        Parameters
        ----------
        N : ndarray of shape (n, n_features)
            NaN where a cell is missing.
        context : None
        """
        check_context(context, len(N), n_context=0)
        by_network = self.density.network_log_probs(N)[0]
        by_ranges = self.density.log_prob_of_kernel(N, self.kernel, self.scales)
        return (by_network + by_ranges) / 2
