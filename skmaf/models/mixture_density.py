"""The mixture of several densities of the same rows."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from .._validation import check_count, seed_from
from ..table.flow_space import Columns
from .contract import ColumnDensity, check_context, refuse_no_rows


@dataclass(frozen=True, eq=False)
class MixtureDensity:
    """The mean of densities, which all have the same say.

    Attributes
    ----------
    members : tuple of density
        At least one.
    """

    members: tuple[ColumnDensity, ...]

    @property
    def columns(self) -> Columns:
        """What each column is, for the first of the densities."""
        return self.members[0].columns

    def without_baseline(self) -> "MixtureDensity":
        """Return the mixture of the densities without their baselines."""
        return MixtureDensity(tuple(member.without_baseline() for member in self.members))

    def log_prob(self, N: np.ndarray, context: np.ndarray | None = None) -> np.ndarray:
        """Return the log-density of each row, in nats and in the units of N."""
        refuse_no_rows(N)
        check_context(context, len(N), n_context=0)
        log_probs = [member.log_prob(N) for member in self.members]
        return np.logaddexp.reduce(log_probs, axis=0) - np.log(len(self.members))

    def sample(
        self, n_samples: int = 1, random_state: Any = None, context: np.ndarray | None = None
    ) -> np.ndarray:
        """Draw rows, each from one of the densities at random."""
        check_count("n_samples", n_samples)
        check_context(context, n_samples, n_context=0)
        seed = seed_from(random_state)
        member_of_row = np.random.RandomState(seed).randint(len(self.members), size=n_samples)
        drawn = [
            self.members[k].sample(int(n), seed)
            for k, n in zip(*np.unique(member_of_row, return_counts=True))
        ]
        rows = np.concatenate(drawn)
        rows[np.argsort(member_of_row, kind="stable")] = rows.copy()
        return rows
