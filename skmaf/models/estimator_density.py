"""Any fitted estimator that scores rows, as a density object."""

import copy
from dataclasses import dataclass
from inspect import signature
from typing import Any

import numpy as np

from .._validation import check_count, seed_from
from .contract import check_context, finite_log_prob, refuse_no_rows


@dataclass(frozen=True, eq=False)
class EstimatorDensity:
    """The density of a fitted estimator, on rows as it takes them.

    Attributes
    ----------
    estimator : estimator
        Fitted, with a method ``score_samples``; for draws with ``sample``, too.
    """

    estimator: Any

    def log_prob(self, N: Any, context: np.ndarray | None = None) -> np.ndarray:
        """Return the log-density of each row, as the estimator gives it, but finite."""
        refuse_no_rows(N)
        check_context(context, len(N), n_context=0)
        return finite_log_prob(np.asarray(self.estimator.score_samples(N), dtype=np.float64))

    def sample(
        self, n_samples: int = 1, random_state: Any = None, context: np.ndarray | None = None
    ) -> Any:
        """Draw rows; where the estimator also says where they come from, that is left out.

        Raises
        ------
        ValueError
            If the estimator cannot draw.
        """
        check_count("n_samples", n_samples)
        check_context(context, n_samples, n_context=0)
        estimator = copy.copy(self.estimator)
        if not hasattr(estimator, "sample"):
            raise ValueError(f"{type(estimator).__name__} has no method sample.")
        seed = {"random_state": seed_from(random_state)}
        if "random_state" in signature(estimator.sample).parameters:
            drawn = estimator.sample(n_samples, **seed)
        else:
            # such as a mixture of scikit-learn, whose draws follow a parameter
            if "random_state" in estimator.get_params():
                estimator.set_params(**seed)
            drawn = estimator.sample(n_samples)
        return drawn[0] if isinstance(drawn, tuple) else drawn
