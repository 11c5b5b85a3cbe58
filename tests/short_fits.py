"""Fits that take a moment only."""

import numpy as np

from skmaf import MultiscaleDensity, detector_defaults


def shorten_detector(patch, max_iter):
    """Train each density of a default detector for few steps, while a MonkeyPatch lasts."""
    for name in ("LONG", "SHORT"):
        patch.setattr(detector_defaults, name, max_iter)


def densities_of_halves(X):
    """Return densities of every second row, and for each which rows it has not seen."""
    halves = [np.arange(k, len(X), 2) for k in range(2)]
    made = [
        MultiscaleDensity(max_iter=20, hidden_layer_sizes=(16,), random_state=k).fit(X[half])
        for k, half in enumerate(halves)
    ]
    return [estimator.density_ for estimator in made], halves[::-1]
