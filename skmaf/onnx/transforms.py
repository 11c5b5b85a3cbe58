"""Transforms of columns in ONNX, in double precision.

What each of them is, is said in ``table.transforms``.
"""

from functools import singledispatch

import ndonnx as ndx
import numpy as np
from ndonnx import Array

from ..table.periodic import END, TwoTurns
from ..table.transforms import Asinh, Log, Logit, NormalScores, SoftLogit, Transform
from .arrays import (
    LOG_ROOT,
    arcsinh,
    constant,
    finite,
    log_hypot_1,
    normal_quantile_of_tail,
    normal_tail,
    number,
)


@singledispatch
def forward(transform: Transform, x: Array) -> Array:
    """Return the transformed values."""
    raise TypeError(f"{type(transform).__name__} has no ONNX form")


@singledispatch
def log_slope(transform: Transform, x: Array) -> Array:
    """Return the logarithm of the derivative of `forward`, -inf out of bounds."""
    raise TypeError(f"{type(transform).__name__} has no ONNX form")


def _or_impossible(is_inside: Array, log_derivative: Array) -> Array:
    return ndx.where(is_inside, log_derivative, number(-np.inf, log_derivative))


@forward.register
def _(transform: Log, x: Array) -> Array:
    edge = number(transform.edge, x)
    distance = ndx.maximum(transform.side * (x - transform.bound), edge)
    return transform.side * ndx.log(distance)


@log_slope.register
def _(transform: Log, x: Array) -> Array:
    is_inside = transform.side * (x - transform.bound) >= 0
    return _or_impossible(is_inside, -transform.side * forward(transform, x))


def _position(transform: Logit, x: Array) -> Array:
    position = (x - transform.low) / (transform.high - transform.low)
    return ndx.clip(position, transform.edge, 1 - transform.edge)


@forward.register
def _(transform: Logit, x: Array) -> Array:
    position = _position(transform, x)
    return ndx.log(position) - ndx.log(1 - position)


@log_slope.register
def _(transform: Logit, x: Array) -> Array:
    position = _position(transform, x)
    inside = -ndx.log(position) - ndx.log(1 - position)
    is_inside = (x >= transform.low) & (x <= transform.high)
    return _or_impossible(is_inside, inside - float(np.log(transform.high - transform.low)))


def _distances(transform: SoftLogit, x: Array) -> list[Array]:
    return [finite((x - end) / transform.scale) for end in (transform.low, transform.high)]


@forward.register
def _(transform: SoftLogit, x: Array) -> Array:
    of_low, of_high = _distances(transform, x)
    return arcsinh(of_low) + arcsinh(of_high)


@log_slope.register
def _(transform: SoftLogit, x: Array) -> Array:
    of_low, of_high = _distances(transform, x)
    slopes = ndx.exp(-log_hypot_1(of_low)) + ndx.exp(-log_hypot_1(of_high))
    return ndx.log(slopes) - float(np.log(transform.scale))


@forward.register
def _(transform: Asinh, x: Array) -> Array:
    return arcsinh(finite((x - transform.centre) / transform.scale))


@log_slope.register
def _(transform: Asinh, x: Array) -> Array:
    distances = finite((x - transform.centre) / transform.scale)
    return -float(np.log(transform.scale)) - log_hypot_1(distances)


def _on_two_turns(transform: TwoTurns, x: Array) -> Array:
    position = (x - transform.low) / (transform.high - transform.low) - 0.5
    return ndx.clip(position, END - 0.5, 0.5 - END)


@forward.register
def _(transform: TwoTurns, x: Array) -> Array:
    position = _on_two_turns(transform, x)
    return position / ndx.sqrt(0.25 - position * position)


@log_slope.register
def _(transform: TwoTurns, x: Array) -> Array:
    position = _on_two_turns(transform, x)
    inside = float(np.log(0.25)) - 1.5 * ndx.log(0.25 - position * position)
    is_inside = (x >= transform.low) & (x <= transform.high)
    return _or_impossible(is_inside, inside - float(np.log(transform.high - transform.low)))


@forward.register
def _(transform: NormalScores, x: Array) -> Array:
    u = x if transform.inner is None else forward(transform.inner, x)
    score, _ = _score_and_log_density(transform, u)
    below = transform.low_slope * ndx.minimum(u - transform.low, number(0.0, u))
    above = transform.high_slope * ndx.maximum(u - transform.high, number(0.0, u))
    return score + below + above


@log_slope.register
def _(transform: NormalScores, x: Array) -> Array:
    u = x if transform.inner is None else forward(transform.inner, x)
    score, log_density = _score_and_log_density(transform, u)
    of_scores = log_density + score * score / 2 + LOG_ROOT
    return of_scores if transform.inner is None else of_scores + log_slope(transform.inner, x)


def _score_and_log_density(transform: NormalScores, u: Array) -> tuple[Array, Array]:
    """Return normal scores of a mixture, and its log-density, between the ends of a transform."""
    mixture = transform.mixture
    u = ndx.expand_dims(ndx.clip(u, transform.low, transform.high), axis=1)
    z = (u - constant(mixture.means, u)) / constant(mixture.scales, u)
    tail = normal_tail(z)
    shares = constant(mixture.shares, u)
    below = ndx.sum(shares * ndx.where(z < 0, tail, 1 - tail), axis=1)
    above = ndx.sum(shares * ndx.where(z < 0, 1 - tail, tail), axis=1)
    score = normal_quantile_of_tail(ndx.minimum(below, above))
    score = ndx.where(below < above, score, -score)
    heights = constant(mixture.shares / mixture.scales, u)
    density = ndx.sum(heights * ndx.exp(-z * z / 2 - LOG_ROOT), axis=1)
    least = number(np.finfo(float).tiny, density)
    return score, ndx.log(ndx.maximum(density, least))
