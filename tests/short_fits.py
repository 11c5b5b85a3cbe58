"""Fits of default detectors that take a moment only."""

from skmaf import outlier


def shorten_detector(patch, max_iter):
    """Train each density of a default detector for few steps, while a MonkeyPatch lasts."""
    for training in (outlier.TRUSTED, outlier.SCATTERED, outlier.ROBUST):
        patch.setitem(training, "max_iter", max_iter)
