"""Where the threshold of a detector lies: at a score, by a rate of false alarms, or by labels."""

from numbers import Real
from typing import Any

import numpy as np

from .calibration import Calibration, tie_width


def check_rate(name: str, rate: Any) -> None:
    """Raise a ValueError unless a parameter is between 0 and 1."""
    if not (isinstance(rate, Real) and 0 < float(rate) < 1):
        raise ValueError(f"{name} must be a number between 0 and 1, got {rate!r}.")


def given_threshold(score: Any) -> float:
    """Return a score as the threshold, in nats."""
    if not (isinstance(score, Real) and np.isfinite(float(score))):
        raise ValueError(f"score must be a finite number, in nats, got {score!r}.")
    return float(score)


def threshold_of_rate(calibration: Calibration, rate: Any) -> float:
    """Return the threshold that a new normal row may fall below with a probability."""
    check_rate("rate", rate)
    finest = calibration.finest_rate
    if rate < finest:
        raise ValueError(
            f"rate={rate} is finer than the calibration rows can tell: give {finest:.2g} or more."
        )
    return calibration.threshold(rate)


def best_threshold(scores: np.ndarray, y: np.ndarray) -> float:
    """Return the threshold of the highest balanced accuracy.

    Parameters
    ----------
    scores : ndarray of shape (n,)
    y : ndarray of shape (n,)
        -1 for outliers and 1 for others.
    """
    from sklearn.metrics import roc_curve

    if set(np.unique(y)) != {-1, 1}:
        raise ValueError(
            "Labels must be -1 for outliers and 1 for others, and hold both; got "
            f"{np.unique(y)[:5]}."
        )
    false_alarms, found, thresholds = roc_curve(y == -1, -scores)
    # an outlier is below the threshold, not at it
    threshold = -thresholds[np.argmax(found - false_alarms)]
    return float(threshold + tie_width(threshold))
