"""Standardising columns of numbers in torch, with gradients, as `Columns.to_flow` does."""

import math
from collections.abc import Sequence
from functools import singledispatch

import numpy as np
import torch

from ..table.columns import (
    MAX_STANDARDISED,
    MIN_TRANSFORMED_STEP,
    Column,
    Continuous,
    PointMasses,
)
from ..table.normal_mixture import LOG_ROOT, NormalMixture
from ..table.transforms import Asinh, Log, Logit, NormalScores, SoftLogit, Transform

Pair = tuple[torch.Tensor, torch.Tensor]


def standardised_values(columns: Sequence[Column], Z: np.ndarray, rows: torch.Tensor) -> Pair:
    """Return the values of rows in flow space, and what takes log-densities to units of the rows.

    Parameters
    ----------
    columns : sequence of Continuous or PointMasses
    Z : ndarray of shape (n, n_values)
        The values, without gradients: NaN where a point mass has none.
    rows : tensor of float64, shape (n, n_values)

    Returns
    -------
    values : tensor of shape (n, n_values)
    log_jacobian : tensor of shape (n,)
    """
    pairs = [_of_column(*each) for each in zip(columns, torch.from_numpy(Z).T, rows.T)]
    values, log_jacobians = (torch.stack(each, 1) for each in zip(*pairs))
    return values, log_jacobians.sum(1)


def _of_column(column: Column, z: torch.Tensor, x: torch.Tensor) -> Pair:
    if isinstance(column, Continuous):
        return _standardised(column, x)
    assert isinstance(column, PointMasses)
    value, log_jacobian = _standardised(column.others, x)
    is_point = z.isnan()
    of_point = -math.log(column.others.step) if column.others.regular else 0.0
    return (
        torch.where(is_point, math.nan, value),
        torch.where(is_point, of_point, log_jacobian),
    )


def _standardised(column: Continuous, x: torch.Tensor) -> Pair:
    """Return standardised values, and what takes log-densities to units: -inf beyond a bound."""
    t, log_derivative = _transformed(column.transform, x)
    if column.is_step_stretched:
        low, _ = _transformed(column.transform, x - column.step / 2)
        high, _ = _transformed(column.transform, x + column.step / 2)
        t = (low + high) / 2
        width = high - low
        is_exact = ~torch.isneginf(log_derivative) & (width > MIN_TRANSFORMED_STEP)
        # where it is not exact the width may be 0, whose logarithm has no gradient
        mean_derivative = torch.where(is_exact, width, 1.0).log() - math.log(column.step)
        log_derivative = torch.where(is_exact, mean_derivative, log_derivative)
    z = ((t - column.mean) / column.scale).clamp(-MAX_STANDARDISED, MAX_STANDARDISED)
    return z, log_derivative - math.log(column.scale)


def _transformed(transform: Transform | None, x: torch.Tensor) -> Pair:
    """Return transformed values, and the logarithm of their derivative, -inf out of bounds."""
    return (x, torch.zeros_like(x)) if transform is None else _apply(transform, x)


@singledispatch
def _apply(transform: Transform, x: torch.Tensor) -> Pair:
    raise TypeError(f"{type(transform).__name__} is not known to torch.")


@_apply.register
def _(transform: Log, x: torch.Tensor) -> Pair:
    distance = transform.side * (x - transform.bound)
    log_distance = distance.clamp(min=transform.edge).log()
    log_derivative = torch.where(distance >= 0, -log_distance, -math.inf)
    return transform.side * log_distance, log_derivative


@_apply.register
def _(transform: Logit, x: torch.Tensor) -> Pair:
    width = transform.high - transform.low
    position = ((x - transform.low) / width).clamp(transform.edge, 1 - transform.edge)
    log_below = position.log()
    log_above = torch.log1p(-position)
    is_inside = (x >= transform.low) & (x <= transform.high)
    inside = -log_below - log_above - math.log(width)
    return log_below - log_above, torch.where(is_inside, inside, -math.inf)


@_apply.register
def _(transform: SoftLogit, x: torch.Tensor) -> Pair:
    of_low = (x - transform.low) / transform.scale
    of_high = (x - transform.high) / transform.scale
    one = torch.ones_like(x)
    slopes = 1 / torch.hypot(one, of_low) + 1 / torch.hypot(one, of_high)
    return of_low.asinh() + of_high.asinh(), slopes.log() - math.log(transform.scale)


@_apply.register
def _(transform: Asinh, x: torch.Tensor) -> Pair:
    distance = (x - transform.centre) / transform.scale
    log_slope = -torch.hypot(torch.ones_like(x), distance).log()
    return distance.asinh(), log_slope - math.log(transform.scale)


@_apply.register
def _(transform: NormalScores, x: torch.Tensor) -> Pair:
    u, log_derivative = _transformed(transform.inner, x)
    inside = u.clamp(transform.low, transform.high)
    score, log_slope = _scores(transform.mixture, inside)
    below = transform.low_slope * (u - transform.low).clamp(max=0.0)
    above = transform.high_slope * (u - transform.high).clamp(min=0.0)
    return score + below + above, log_slope + log_derivative


def _scores(mixture: NormalMixture, u: torch.Tensor) -> Pair:
    """Return normal scores, and the logarithms of their derivatives."""
    shares = torch.from_numpy(mixture.shares)
    scales = torch.from_numpy(mixture.scales)
    z = (u[:, None] - torch.from_numpy(mixture.means)) / scales
    below = torch.special.ndtr(z) @ shares
    above = torch.special.ndtr(-z) @ shares
    is_low = below < 0.5
    # of the smaller one: near 1 neither the number nor its gradient would be exact
    tail = torch.special.ndtri(torch.where(is_low, below, above))
    score = torch.where(is_low, tail, -tail)
    log_density = torch.logsumexp((shares / scales).log() - z**2 / 2 - LOG_ROOT, dim=1)
    return score, log_density + score**2 / 2 + LOG_ROOT
