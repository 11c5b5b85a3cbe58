"""Any fitted estimator that scores rows, as a density object."""

from dataclasses import dataclass
from inspect import signature
from typing import Any

import numpy as np

from .contract import check_rows


@dataclass(frozen=True)
class EstimatorDensity:
    """The density of a fitted estimator, on rows as it takes them.

    Attributes
    ----------
    estimator : estimator
        Fitted, with a method ``score_samples``; for draws with ``sample``, too.
    """

    estimator: Any

    def log_prob(self, N: Any, context: np.ndarray | None = None) -> np.ndarray:
        """Return the log-density of each row, as the estimator gives it."""
        check_rows(N, context, n_context=0)
        return np.asarray(self.estimator.score_samples(N), dtype=np.float64)

    def sample(
        self, n_samples: int = 1, random_state: Any = None, context: np.ndarray | None = None
    ) -> Any:
        """Draw rows; where the estimator also says where they come from, that is left out.

        Raises
        ------
        ValueError
            If the estimator cannot draw.
        """
        draw = getattr(self.estimator, "sample", None)
        if draw is None:
            raise ValueError(f"{type(self.estimator).__name__} has no method sample.")
        seeds = "random_state" in signature(draw).parameters
        drawn = draw(n_samples, random_state=random_state) if seeds else draw(n_samples)
        return drawn[0] if isinstance(drawn, tuple) else drawn
