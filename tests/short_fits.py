"""Fits of default detectors that take a moment only."""

from skmaf import detector_defaults


def shorten_detector(patch, max_iter):
    """Train each density of a default detector for few steps, while a MonkeyPatch lasts."""
    for name in ("LONG", "SHORT"):
        patch.setattr(detector_defaults, name, max_iter)
