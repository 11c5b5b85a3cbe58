"""The linear trend of values in their context."""

import numpy as np
import pytest

from skmaf.models.trend import Trend

CONTEXT = np.random.default_rng(1).standard_normal((300, 2))
LINE = 1 + CONTEXT @ [2.0, -3.0]


def test_trend_of_a_line():
    incomplete = np.where(np.arange(300) % 3, LINE, np.nan)
    values = np.column_stack([LINE, incomplete, np.full(300, np.nan)])
    found = Trend.learn(values, CONTEXT, np.ones(300)).predict(CONTEXT)
    assert found[:, 0] == pytest.approx(LINE, abs=0.05)
    assert found[:, 1] == pytest.approx(LINE, abs=0.05)
    assert (found[:, 2] == 0).all()  # of a column without values nothing is known


def test_weights_count():
    """Rows of next to no weight lie on another line."""
    first = np.arange(300) < 150
    values = np.where(first, LINE, -5 * LINE)[:, None]
    trend = Trend.learn(values, CONTEXT, np.where(first, 1.0, 1e-9))
    assert trend.predict(CONTEXT)[:, 0] == pytest.approx(LINE, abs=0.05)
    assert trend.slopes.shape == (2, 1) and trend.intercepts.shape == (1,)
