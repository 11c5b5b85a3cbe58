"""What the graphs of ONNX models are written with: ndonnx, which is NumPy's array API, and a few
functions that it lacks or that onnxruntime has not in double precision.
"""

from collections.abc import Callable, Sequence

import ndonnx as ndx
import numpy as np
import spox.opset.ai.onnx.v21 as op
from ndonnx import Array
from numpy.polynomial import Chebyshev, Polynomial
from scipy.special import erfcx, ndtri_exp

LARGEST = float(np.finfo(np.float64).max)
LARGE = 1e8  # from which on 1 beside a square is nothing in double precision
LOG_ROOT = np.log(2 * np.pi) / 2
# degrees of polynomials that are exact to 1e-14 and 1e-12
ERFCX_DEGREE = 24
NDTRI_DEGREE = 35
FARTHEST_RADIUS = 8.8  # to which the latter goes: scores of 8.4
NEWTON_STEPS = 4


def dtype_of(x: Array) -> type[np.floating]:
    """Return the precision of an array as NumPy calls it."""
    return np.float64 if x.dtype == ndx.float64 else np.float32


def constant(values: np.ndarray, like: Array) -> Array:
    """Return a constant in the precision of an array, stored in its own."""
    values = np.asarray(values)
    dtype = dtype_of(like)
    if values.dtype == dtype:
        return ndx.asarray(values)
    return ndx.asarray(op.cast(op.const(values), to=dtype))


def number(value: float, like: Array) -> Array:
    """Return a number in the precision of an array."""
    return constant(np.array(float(value)), like)


def matrix_product(x: Array, y: Array) -> Array:
    """Return the matrix product, without the tests of shapes that ndonnx puts around it."""
    return ndx.asarray(op.matmul(x.unwrap_spox(), y.unwrap_spox()))


def product(x: Array, weight: np.ndarray) -> Array:
    """Return the matrix product with a constant, whose rows are columns of ``x``."""
    return matrix_product(x, constant(weight, x))


def softmax(x: Array) -> Array:
    """Return shares that add up to 1 over the last axis."""
    return ndx.asarray(op.softmax(x.unwrap_spox(), axis=-1))


def log_softmax(x: Array) -> Array:
    """Return the logarithms of `softmax`."""
    return ndx.asarray(op.log_softmax(x.unwrap_spox(), axis=-1))


def sigmoid(x: Array) -> Array:
    """Return the logistic function."""
    return ndx.asarray(op.sigmoid(x.unwrap_spox()))


def softplus(x: Array) -> Array:
    """Return ``log(1 + exp(x))``."""
    return ndx.maximum(x, number(0.0, x)) + ndx.log(1 + ndx.exp(-ndx.abs(x)))


def as_number(condition: Array, like: Array) -> Array:
    """Return truth values as 0 and 1 in the precision of an array."""
    return ndx.astype(condition, like.dtype)


def log_sum_exp(x: Array, axis: int) -> Array:
    """Return the logarithm of the sum of exponentials; minus infinity for a sum of none."""
    largest = ndx.max(x, axis=axis, keepdims=True)
    largest = ndx.where(ndx.isfinite(largest), largest, number(0.0, x))
    total = ndx.sum(ndx.exp(x - largest), axis=axis)
    return ndx.log(total) + ndx.squeeze(largest, axis)


def log_add_exp(parts: Sequence[Array]) -> Array:
    """Return the logarithm of the sum of several densities, from theirs."""
    return log_sum_exp(ndx.stack(list(parts), axis=0), axis=0)


def log_mixture(log_prob: Array, other_log_prob: Array, other_share: float) -> Array:
    """Return the log-density of a mixture of two, of which the other has a share."""
    if other_share == 0:
        return log_prob
    own = log_prob + float(np.log1p(-other_share))
    return log_add_exp([own, other_log_prob + float(np.log(other_share))])


def finite(x: Array) -> Array:
    """Return numbers of which none is larger in magnitude than a float can be."""
    return ndx.clip(x, -LARGEST, LARGEST)


def log_hypot_1(x: Array) -> Array:
    """Return ``log(hypot(1, x))``, whatever the size of the numbers."""
    size = ndx.abs(x)
    small = ndx.minimum(size, number(LARGE, x))
    return ndx.where(size < LARGE, ndx.log(1 + small * small) / 2, ndx.log(size))


def arcsinh(x: Array) -> Array:
    """Return the inverse hyperbolic sine, whatever the size of the numbers."""
    size = ndx.abs(x)
    small = ndx.minimum(size, number(LARGE, x))
    of_small = ndx.log(small + ndx.sqrt(1 + small * small))
    return ndx.sign(x) * ndx.where(size < LARGE, of_small, ndx.log(size) + float(np.log(2)))


def gather(values: np.ndarray, positions: Array, like: Array) -> Array:
    """Return the constants at some positions."""
    flat = ndx.reshape(positions, (-1,))
    return ndx.reshape(ndx.take(constant(values, like), flat, axis=0), positions.dynamic_shape)


def count_of(sorted_values: np.ndarray, x: Array, side: str) -> Array:
    """Return how many of some sorted numbers are below each one, or at most as large ("right").

    It is what ``np.searchsorted`` gives, by bisection.
    """
    count = ndx.zeros_like(x, dtype=ndx.int64)
    n = len(sorted_values)
    for exponent in reversed(range(n.bit_length())):
        following = count + 2**exponent
        at = gather(sorted_values, ndx.clip(following - 1, 0, n - 1), x)
        is_below = at <= x if side == "right" else at < x
        count = ndx.where((following <= n) & is_below, following, count)
    return count


def _polynomial(function: Callable, degree: int, domain: tuple[float, float]) -> np.ndarray:
    """Return the coefficients of a polynomial on [-1, 1] that is a function on a domain."""
    chebyshev = Chebyshev.interpolate(function, degree, domain=domain)
    return Chebyshev(chebyshev.coef).convert(kind=Polynomial).coef


def _value_at(coefficients: np.ndarray, y: Array) -> Array:
    """Return a polynomial at numbers in [-1, 1]: powers of powers, which takes few operations."""
    n = int(np.ceil(np.sqrt(len(coefficients))))
    table = np.zeros((n, n))
    table.flat[: len(coefficients)] = coefficients
    y = ndx.expand_dims(y, axis=-1)
    low = y ** constant(np.arange(n, dtype=np.float64), y)
    high = y ** constant(n * np.arange(n, dtype=np.float64), y)
    return ndx.sum(product(low, table.T) * high, axis=-1)


def _log_erfcx_over(s: np.ndarray) -> np.ndarray:
    """Return ``log(erfcx(2 / s - 2) / s)``, which is smooth from 0 to 1."""
    at_zero = -np.log(2 * np.sqrt(np.pi))
    s = np.maximum(s, 1e-12)
    return np.where(s > 1e-12, np.log(erfcx(2 / s - 2) / s), at_zero)


def _tail_over_bell(t: Array) -> Array:
    """Return what a standard normal has beyond ``|t|``, over ``exp(-t² / 2)``."""
    s = 2 / (2 + ndx.abs(t) * float(np.sqrt(0.5)))
    coefficients = _polynomial(_log_erfcx_over, ERFCX_DEGREE, (0, 1))
    return s * ndx.exp(_value_at(coefficients, 2 * s - 1)) / 2


def normal_tail(t: Array) -> Array:
    """Return what a standard normal has beyond ``|t|``."""
    return _tail_over_bell(t) * ndx.exp(-t * t / 2)


def log_normal_cdf(t: Array) -> tuple[Array, Array]:
    """Return the logarithm of the standard normal distribution function, and its slope."""
    tail = _tail_over_bell(t)
    bell = ndx.exp(-t * t / 2)
    is_left = t < 0
    rest = 1 - tail * bell
    value = ndx.where(is_left, ndx.log(tail) - t * t / 2, ndx.log(rest))
    slope = ndx.where(is_left, 1 / tail, bell / rest)
    return value, slope / float(np.sqrt(2 * np.pi))


def normal_quantile_of_tail(tail: Array) -> Array:
    """Return the score, at most 0, below which a standard normal has 1e-16 to 1/2."""
    ends = (float(np.sqrt(2 * np.log(2))), FARTHEST_RADIUS)
    coefficients = _polynomial(lambda radius: ndtri_exp(-(radius**2) / 2), NDTRI_DEGREE, ends)
    radius = ndx.sqrt(-2 * ndx.log(tail))
    return _value_at(coefficients, (2 * radius - sum(ends)) / (ends[1] - ends[0]))


def normal_quantile_of_log(log_p: Array) -> Array:
    """Return the score below which a standard normal has ``exp(log_p)``, at most about 1/2."""
    square = ndx.maximum(-2 * (log_p + float(np.log(2))), number(0.0, log_p))
    t = -square / ndx.sqrt(square + 8 / np.pi)
    for _ in range(NEWTON_STEPS):
        value, slope = log_normal_cdf(t)
        t = t + (log_p - value) / slope
    return t
