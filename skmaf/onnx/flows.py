"""Flows and networks in ONNX: only the way to the base distribution.

What each part does is said in ``flows``. Tensors are (rows, columns, parameters) here, because
onnxruntime is fastest over the last axis.
"""

import math
from collections.abc import Sequence
from functools import singledispatch
from typing import cast

import ndonnx as ndx
import numpy as np
import torch
from ndonnx import Array

from ..flows import (
    Additive,
    Affine,
    AffineSpline,
    Bijector,
    Categories,
    DiscreteMADE,
    Flow,
    MaskedLayer,
    MaskedNetwork,
    Mixture,
    MixtureMADE,
    TableFlow,
    ValuesDensity,
)
from ..flows.bijectors import MAX_LOG_SCALE
from ..flows.discrete import N_COMPONENTS
from ..flows.masked import MaskedLinear
from ..flows.mixture import REACH
from ..flows.spline import Spline
from .arrays import (
    LOG_ROOT,
    as_number,
    constant,
    gather,
    log_normal_cdf,
    log_softmax,
    log_sum_exp,
    normal_quantile_of_log,
    number,
    product,
    sigmoid,
    softmax,
    softplus,
)
from .columns import FlowRows

ACTIVATIONS = {
    "gelu": lambda h: h * sigmoid(math.sqrt(8 / math.pi) * (h + 0.044715 * h * h * h)),
    "relu": lambda h: ndx.maximum(h, number(0.0, h)),
    "tanh": ndx.tanh,
    "silu": lambda h: h * sigmoid(h),
}


def can_export(flow: TableFlow) -> bool:
    """Return whether all layers have an ONNX form: those whose density takes one pass."""
    return all(isinstance(layer, MaskedLayer) for layer in flow.values.flow.layers)


def log_probs(flow: TableFlow, rows: FlowRows, dtype: ndx.DType) -> tuple[Array, Array]:
    """Return log-probabilities of the codes of rows, and log-densities of the values given these.

    They are computed in a precision, and come in double.
    """
    zero = number(0.0, rows.log_jacobian)
    of_codes = zero
    codes = None
    if flow.codes is not None and rows.codes is not None:
        codes = ndx.astype(rows.codes, ndx.int64)
        discrete = flow.codes.discrete
        of_codes = ndx.astype(_log_prob_of_codes(discrete, codes, dtype), ndx.float64)
    if rows.values is None:
        return of_codes, zero
    values = ndx.astype(rows.values, dtype)
    of_values = _log_prob_of_values(flow.values, values, codes)
    return of_codes, ndx.astype(of_values, ndx.float64)


def numpy(tensor: torch.Tensor) -> np.ndarray:
    """Return a tensor as an array."""
    return tensor.detach().cpu().numpy()


def _positions(codes: Array) -> Array:
    """Return the positions of categories; new values have that which they are near to."""
    return ndx.where(codes < -1, -2 - codes, codes)


def _features(categories: Categories, codes: Array, dtype: ndx.DType) -> Array:
    """Return what networks see of codes."""
    positions = _positions(codes)
    nominal = np.flatnonzero(categories.is_nominal)
    numeric = np.flatnonzero(categories.is_numeric)
    features = []
    if len(nominal):
        sizes = categories.sizes.tolist()
        of_owner = ndx.take(positions, ndx.asarray(np.repeat(nominal, sizes)), axis=1)
        category = ndx.asarray(np.concatenate([np.arange(size) for size in sizes]))
        features.append(ndx.astype(of_owner == category, dtype))
    if len(numeric):
        at = ndx.take(positions, ndx.asarray(numeric), axis=1)
        present = ndx.astype(at >= 0, dtype)
        features.append(_at_positions(numpy(categories.values), at, present) * present)
        if categories.has_missing:
            features.append(present)
    return ndx.concat(features, axis=1)


def _at_positions(table: np.ndarray, positions: Array, like: Array) -> Array:
    """Return of each row of a table what is at the positions of its column, or at its first."""
    starts = table.shape[1] * np.arange(len(table))
    places = ndx.maximum(positions, ndx.asarray(np.int64(0))) + ndx.asarray(starts)
    return gather(table.ravel(), places, like)


def _log_prob_of_codes(discrete: DiscreteMADE, codes: Array, dtype: ndx.DType) -> Array:
    """Return the log-probability of codes."""
    categories = discrete.categories
    params = outputs(discrete.network, _features(categories, codes, dtype))
    known = ndx.maximum(codes, ndx.asarray(np.int64(-1)))
    total = []
    for kind, log_prob in (
        (categories.is_nominal, _log_prob_of_nominal),
        (categories.is_numeric, _log_prob_of_numeric),
    ):
        columns = ndx.asarray(np.flatnonzero(kind))
        if any(kind):
            position = ndx.take(known, columns, axis=1)
            of_cells = log_prob(categories, ndx.take(params, columns, axis=1), position)
            of_cells = ndx.where(position >= 0, of_cells, number(0.0, of_cells))
            total.append(ndx.sum(of_cells, axis=1))
    return sum(total[1:], total[0])


def _log_prob_of_nominal(categories: Categories, params: Array, position: Array) -> Array:
    log_shares = numpy(categories.log_shares)[:, :, 0].T
    logits = params[:, :, : log_shares.shape[1]] + constant(log_shares, params)
    return _picked(log_softmax(logits), ndx.maximum(position, ndx.asarray(np.int64(0))))


def _picked(x: Array, position: Array) -> Array:
    """Return what is at a position of the last axis."""
    at = ndx.expand_dims(position, axis=-1)
    return ndx.squeeze(ndx.take_along_axis(x, at, axis=-1), -1)


def _log_prob_of_numeric(categories: Categories, params: Array, position: Array) -> Array:
    n = N_COMPONENTS
    log_shares = log_softmax(params[:, :, :n])
    means = params[:, :, n : 2 * n]
    scales = softplus(params[:, :, 2 * n : 3 * n])
    scales = scales + constant(numpy(categories.smallest_scale), params)
    cuts = numpy(categories.cuts)
    low, high = (
        (ndx.expand_dims(_at_positions(part, position, params), axis=-1) - means) / scales
        for part in (cuts[:, :-1], cuts[:, 1:])
    )
    # 1 - exp(low - high), exact where that is small
    half = ndx.tanh((high - low) / 2)
    share = 2 * half / (1 + half)
    log_masses = ndx.log(share) - softplus(-high) - softplus(low)
    return log_sum_exp(log_shares + log_masses, axis=-1)


def _log_prob_of_values(density: ValuesDensity, values: Array, codes: Array | None) -> Array:
    """Return the log-density of the values that are present, given the codes."""
    present = None
    if density.presence_conditions or density.has_missing:
        is_present = ~ndx.isnan(values)
        values = ndx.where(is_present, values, number(0.0, values))
        present = as_number(is_present, values)
    parts = []
    if density.categories is not None and codes is not None:
        parts.append(_features(density.categories, codes, values.dtype))
    if density.has_missing and present is not None:
        parts.append(present)
    context = ndx.concat(parts, axis=1) if parts else None
    return _log_prob_of_flow(density.flow, values, context, present)


def _log_prob_of_flow(flow: Flow, z: Array, context: Array | None, present: Array | None) -> Array:
    layers = cast(Sequence[MaskedLayer], flow.layers)
    total = number(0.0, z)
    for layer in layers:
        seen = z if layer.reach is None else clipped_softly(z, layer.reach)
        inputs = seen if context is None else ndx.concat([context, seen], axis=1)
        z, log_derivative = forward(layer.bijector, z, outputs(layer.conditioner, inputs))
        total = total + log_derivative
        if present is not None:
            z = z * present
            total = total * present
    each = total - z * z / 2 - LOG_ROOT
    return ndx.sum(each if present is None else each * present, axis=1)


def outputs(network: MaskedNetwork, inputs: Array) -> Array:
    """Return the parameters of all columns.

    Parameters
    ----------
    network : MaskedNetwork
    inputs : Array of shape (n, n_context + n_inputs)

    Returns
    -------
    params : Array of shape (n, columns, n_params)
    """
    h = inputs
    for layer in cast(Sequence[MaskedLinear], network.hidden):
        h = ACTIVATIONS[network.activation](_linear(layer, h))
    return _by_column(network, _linear(network.output, h))


def clipped_softly(x: Array, reach: float) -> Array:
    """Return numbers, almost unchanged around 0, bounded by ``reach``."""
    return reach * ndx.tanh(x / reach)


def _linear(layer: MaskedLinear, h: Array) -> Array:
    return product(h, numpy(layer.masked_weight()).T) + constant(numpy(layer.bias), h)


def _by_column(network: MaskedNetwork, params: Array) -> Array:
    return ndx.reshape(params, (-1, len(network.degrees), network.n_params))


@singledispatch
def forward(bijector: Bijector, x: Array, params: Array) -> tuple[Array, Array]:
    """Return the image of numbers of shape (n, columns), and the log-derivative."""
    raise TypeError(f"{type(bijector).__name__} has no ONNX form")


def _bounded(log_scale: Array) -> Array:
    return log_scale / (1 + ndx.abs(log_scale) / MAX_LOG_SCALE)


@forward.register
def _(bijector: Additive, x: Array, params: Array) -> tuple[Array, Array]:
    return x + params[:, :, 0], number(0.0, x)


@forward.register
def _(bijector: Affine, x: Array, params: Array) -> tuple[Array, Array]:
    log_scale = _bounded(params[:, :, 0])
    return x * ndx.exp(log_scale) + params[:, :, 1], log_scale


@forward.register
def _(bijector: AffineSpline, x: Array, params: Array) -> tuple[Array, Array]:
    y, log_scale = forward(bijector.bijectors[0], x, params[:, :, :2])
    z, log_derivative = forward(bijector.spline, y, params[:, :, 2:])
    return z, log_scale + log_derivative


@forward.register
def _(bijector: Spline, x: Array, params: Array) -> tuple[Array, Array]:
    n = bijector.n_bins
    is_inside = ndx.abs(x) < bijector.bound
    value = (ndx.where(is_inside, x, number(0.0, x)) + bijector.bound) / bijector.scale
    widths, heights = (
        softmax(part) + bijector.least for part in (params[:, :, :n], params[:, :, n : 2 * n])
    )
    before_each = np.triu(np.ones((n, n - 1), dtype=np.float32))
    knots = product(widths, before_each)
    before = as_number(ndx.expand_dims(value, axis=-1) >= knots, x)
    bin_of = ndx.astype(ndx.sum(before, axis=-1), ndx.int64)
    left, bottom = (ndx.sum(part[:, :, :-1] * before, axis=-1) for part in (widths, heights))
    width, height = (_picked(part, bin_of) for part in (widths, heights))
    # the slopes at both ends have no parameter
    raw = params[:, :, 2 * n :]
    ends = raw[:, :, :1] * 0
    raw = ndx.concat([ends, raw, ends], axis=-1)
    slope_0, slope_1 = (
        softplus(_picked(raw, at) + bijector.slope_offset) + bijector.min_slope
        for at in (bin_of, bin_of + 1)
    )
    t = ndx.clip((value - left) / width, 0.0, 1.0)
    rest = 1 - t
    u = t * rest
    secant = height / width
    below = secant + (slope_0 + slope_1 - 2 * secant) * u
    rise = (slope_0 * u + secant * t * t) / below
    slant = slope_1 * t * t + 2 * secant * u + slope_0 * rest * rest
    z = (bottom + height * rise) * bijector.scale - bijector.bound
    slope = secant / below
    log_derivative = ndx.log(slope * slope * slant)
    return ndx.where(is_inside, z, x), ndx.where(is_inside, log_derivative, number(0.0, x))


@forward.register
def _(bijector: Mixture, x: Array, params: Array) -> tuple[Array, Array]:
    n = bijector.n_components
    log_shares = log_softmax(params[:, :, :n])
    means = params[:, :, n : 2 * n] + constant(np.array(bijector.means), x)
    log_scales = _bounded(params[:, :, 2 * n :]) + bijector.log_scale
    t = (ndx.expand_dims(x, axis=-1) - means) * ndx.exp(-log_scales)
    of_left, of_right = (
        log_sum_exp(log_shares + log_normal_cdf(side * t)[0], axis=-1) for side in (1, -1)
    )
    is_left = of_left < of_right
    score = normal_quantile_of_log(ndx.where(is_left, of_left, of_right))
    z = ndx.where(is_left, score, -score)
    log_densities = log_sum_exp(log_shares - log_scales - t * t / 2, axis=-1)
    return z, log_densities + z * z / 2


def log_probs_of_levels(network: MixtureMADE, x: Array, contexts: np.ndarray) -> Array:
    """Return the log-density of rows at levels of noise, shape (n_levels, n), in float32.

    Parameters
    ----------
    network : MixtureMADE
    x : Array of shape (n, columns), float32
        Missing cells are NaN.
    contexts : ndarray of shape (n_levels,)
    """
    present = None
    if network.has_missing:
        is_present = ~ndx.isnan(x)
        x = ndx.where(is_present, x, number(0.0, x))
        present = as_number(is_present, x)
    seen = clipped_softly(x, REACH)
    inputs = seen if present is None else ndx.concat([present, seen], axis=1)
    params = _outputs_of_levels(network.network, inputs, contexts.astype(np.float32))
    variances = np.square(network.noise.level(contexts.astype(np.float32)))
    n = network.network.n_params // 3
    shares, means, spreads = (params[..., i * n : (i + 1) * n] for i in range(3))
    deviations = softplus(spreads)
    of_noise = constant(variances.reshape(-1, 1, 1, 1), x)
    variance = of_noise + deviations * deviations
    offsets = ndx.expand_dims(x, axis=-1) - means
    parts = shares - (ndx.log(variance) + offsets * offsets / variance) / 2
    each = log_sum_exp(parts, axis=-1) - log_sum_exp(shares, axis=-1) - LOG_ROOT
    return ndx.sum(each if present is None else each * present, axis=-1)


def _outputs_of_levels(network: MaskedNetwork, inputs: Array, contexts: np.ndarray) -> Array:
    """Return the parameters at all levels, shape (n_levels, n, columns, n_params).

    The first input is the context, which is the same for all rows: its products are constants.
    """
    first, *others = cast(Sequence[MaskedLinear], network.hidden)
    weight = numpy(first.masked_weight())
    h = product(inputs, weight[:, 1:].T) + constant(numpy(first.bias), inputs)
    of_levels = contexts[:, None] * weight[:, 0]
    h = ndx.expand_dims(h, axis=0) + constant(of_levels[:, None], inputs)
    activate = ACTIVATIONS[network.activation]
    h = activate(h)
    for layer in others:
        h = activate(_linear(layer, h))
    params = _linear(network.output, h)
    shape = (len(contexts), -1, len(network.degrees), network.n_params)
    return ndx.reshape(params, shape)
