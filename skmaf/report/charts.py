"""The geometry of charts: shares, values and places as SVG paths.

A chart is one or two paths in a box of some width and height, in pixels; the template draws them.
"""

import numpy as np

MARGIN = 4.0  # around dots


def bar_path(shares: np.ndarray, width: float, height: float, top: float, gap: float = 0.0) -> str:
    """Return bars side by side, the share ``top`` as high as the box."""
    left, right = _sides(len(shares), width)
    heights = _heights(shares, height, top)
    bars = zip(left, right - left - gap, heights)
    return "".join(
        f"M{_n(x)} {_n(height)}v{_n(-bar_height)}h{_n(bar_width)}v{_n(bar_height)}z"
        for x, bar_width, bar_height in bars
        if bar_height > 0
    )


def step_path(shares: np.ndarray, width: float, height: float, top: float) -> str:
    """Return the outline of bars side by side."""
    _, right = _sides(len(shares), width)
    tops = height - _heights(shares, height, top)
    steps = "".join(f"V{_n(y)}H{_n(x)}" for x, y in zip(right, tops))
    return f"M0 {_n(height)}{steps}V{_n(height)}"


def dot_path(x: np.ndarray, y: np.ndarray, width: float, height: float) -> str:
    """Return dots at places from 0 to 1, for a stroke with round ends."""
    inner_width = width - 2 * MARGIN
    inner_height = height - 2 * MARGIN
    return "".join(
        f"M{_n(MARGIN + a * inner_width)} {_n(MARGIN + (1 - b) * inner_height)}h0"
        for a, b in zip(x, y)
    )


def curve_path(values: np.ndarray, width: float, height: float) -> str:
    """Return a line through values at equal distances, from the lowest to the highest."""
    span = np.ptp(values) or 1.0
    places = np.linspace(0, width, len(values))
    heights = height * (1 - (values - values.min()) / span)
    return "M" + "L".join(f"{_n(x)} {_n(y)}" for x, y in zip(places, heights))


def _sides(n_bars: int, width: float) -> tuple[np.ndarray, np.ndarray]:
    edges = np.linspace(0, width, n_bars + 1)
    return edges[:-1], edges[1:]


def _heights(shares: np.ndarray, height: float, top: float) -> np.ndarray:
    """Return heights of bars, of which none that is there is too low to see."""
    heights = height * shares / (top or 1.0)
    return np.where(shares > 0, np.maximum(heights, 1.0), 0.0)


def _n(number: float) -> str:
    """Return a number with one decimal, or none."""
    return f"{round(number, 1) + 0.0:g}"  # there is no -0
