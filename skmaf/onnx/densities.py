"""Densities and scores of rows in ONNX.

What each of them is, is said in ``models``: here are only their log-densities, in float64.
"""

from functools import singledispatch
from typing import Any

import ndonnx as ndx
import numpy as np
import spox.opset.ai.onnx.ml.v3 as ml
import spox.opset.ai.onnx.v21 as op
from ndonnx import Array
from scipy.linalg import solve_triangular
from scipy.special import gammaln

from ..models.baseline import Baseline
from ..models.binary_score import BinaryScore
from ..models.contract import LOWEST
from ..models.estimator_density import EstimatorDensity
from ..models.fold_ensemble import FoldEnsemble
from ..models.forest_score import ForestScore
from ..models.gaussian import TAIL_FREEDOM, Gaussian
from ..models.isolation import Isolation
from ..models.kernel import NEGLIGIBLE, Kernel
from ..models.mixture_density import MixtureDensity
from ..models.multiscale_density import MultiscaleTableDensity
from ..models.robust_score import RobustScore
from ..models.table_density import TableDensity
from ..models.trusted_score import TrustedScore
from .arrays import (
    as_number,
    constant,
    gather,
    log_add_exp,
    log_mixture,
    log_sum_exp,
    matrix_product,
    number,
    product,
)
from .columns import FlowRows, copies, to_flow
from .flows import log_probs, log_probs_of_levels


@singledispatch
def log_prob(density: Any, X: Array) -> Array:
    """Return the log-density of each row, shape (n,), float64.

    Parameters
    ----------
    density : density object
    X : Array of shape (n, n_features)
        NaN where a cell is missing.
    """
    raise TypeError(f"{type(density).__name__} has no ONNX form")


def _finite(log_density: Array) -> Array:
    is_finite = ndx.isfinite(log_density)
    return ndx.where(is_finite, log_density, number(LOWEST, log_density))


@log_prob.register
def _(density: EstimatorDensity, X: Array) -> Array:
    return log_prob(density.estimator.density_, X)


@log_prob.register
def _(density: MixtureDensity, X: Array) -> Array:
    parts = [log_prob(member, X) for member in density.members]
    return log_add_exp(parts) - float(np.log(len(parts)))


@log_prob.register
def _(density: FoldEnsemble, X: Array) -> Array:
    parts = [log_prob(part, X) for part in density.densities]
    return ndx.mean(ndx.stack(parts, axis=0), axis=0)


@log_prob.register
def _(density: TableDensity, X: Array) -> Array:
    # the copies one after another, so that the model holds one flow
    many = copies(density.columns, ndx.astype(X, ndx.float64))
    cells = [ndx.concat(list(turns), axis=0) if len(many) > 1 else turns[0] for turns in zip(*many)]
    rows = to_flow(density.columns, cells)
    of_flow = log_probs(density.flow, rows, X.dtype)
    in_flow_space = of_flow[0] + of_flow[1]
    if density.baseline is not None:
        in_flow_space = _mixed(density.baseline, of_flow, rows, _may_be_absent(density))
    log_density = _finite(in_flow_space + rows.log_jacobian)
    if len(many) == 1:
        return log_density
    return log_sum_exp(ndx.reshape(log_density, (len(many), -1)), axis=0)


def _may_be_absent(density: TableDensity) -> bool:
    values = density.flow.values
    return bool(values.presence_conditions) or values.has_missing


def _mixed(
    baseline: Baseline, of_flow: tuple[Array, Array], rows: FlowRows, may_be_absent: bool
) -> Array:
    """Return the log-density of rows under the mixture of a flow and a baseline."""
    of_codes, of_values = (
        ndx.where(ndx.isnan(part), number(-np.inf, part), part) for part in of_flow
    )
    if rows.codes is not None and baseline.code_share:
        independent = _log_prob_of_codes(baseline, rows.codes)
        of_codes = log_mixture(of_codes, independent, baseline.code_share)
    if rows.values is None or baseline.gaussian is None or not baseline.share:
        return of_codes + of_values
    simple = _gaussian(baseline.gaussian, rows.values, may_be_absent)
    if baseline.kernel is not None:
        by_kernel = _kernel(baseline.kernel, rows.values, may_be_absent)
        simple = log_mixture(simple, by_kernel, baseline.kernel_share)
    return of_codes + log_mixture(of_values, simple, baseline.share)


def _log_prob_of_codes(baseline: Baseline, codes: Array) -> Array:
    """Return the log-probability of independent codes; those below 0 add nothing."""
    log_prob = number(0.0, codes)
    for i, shares in enumerate(baseline.code_shares):
        code = codes[:, i]
        position = ndx.astype(ndx.maximum(code, number(0.0, code)), ndx.int64)
        of_code = gather(np.log(np.asarray(shares, dtype=np.float64)), position, codes)
        log_prob = log_prob + ndx.where(code >= 0, of_code, number(0.0, code))
    return log_prob


def _gaussian(gaussian: Gaussian, Z: Array, may_be_absent: bool) -> Array:
    """Return log-densities of the mixture of a normal distribution and Student's t."""
    d = len(gaussian.mean)
    centred = Z - constant(gaussian.mean, Z)
    if may_be_absent:
        squares, log_det, n_present = _eliminated(centred, gaussian.covariance)
    else:
        root = np.linalg.cholesky(gaussian.covariance)
        inverse = solve_triangular(root, np.eye(d), lower=True)
        whitened = product(centred, inverse.T)
        squares = ndx.sum(whitened * whitened, axis=1)
        log_det = constant(2 * np.log(np.diag(root)).sum(), Z)
        n_present = ndx.asarray(np.int64(d))
    counts = np.arange(d + 1.0)
    df = TAIL_FREEDOM
    shrink = 1 - 2 / df
    of_count = gammaln((df + counts) / 2) - gammaln(df / 2)
    of_count = of_count - counts * np.log(df * np.pi * shrink) / 2
    half_det = log_det / 2
    tail_size = gather(of_count, n_present, Z) - half_det
    exponent = (df + ndx.astype(n_present, ndx.float64)) / 2
    tails = tail_size - exponent * ndx.log(1 + squares / (df * shrink))
    normal_size = gather(counts * np.log(2 * np.pi) / 2, n_present, Z) + half_det
    return log_mixture(-squares / 2 - normal_size, tails, gaussian.tail_share)


def _eliminated(centred: Array, covariance: np.ndarray) -> tuple[Array, Array, Array]:
    """Return squared Mahalanobis distances, log-determinants and counts of what is present.

    Column after column is eliminated from the covariance of each row, in which absent columns are
    independent, with variance 1.
    """
    is_present = ~ndx.isnan(centred)
    present = as_number(is_present, centred)
    offsets = ndx.where(is_present, centred, number(0.0, centred))
    both = ndx.expand_dims(present, axis=2) * ndx.expand_dims(present, axis=1)
    absent = ndx.expand_dims(1 - present, axis=1)
    rests = both * constant(covariance, centred) + absent * constant(
        np.eye(len(covariance)), centred
    )
    zeros = ndx.sum(offsets * 0, axis=1)

    def eliminate(step, going_on, rests, offsets, squares, log_det):
        step = op.reshape(step, op.const(np.empty(0, dtype=np.int64)))  # to no dimension
        rests, offsets, squares, log_det = map(ndx.asarray, (rests, offsets, squares, log_det))
        pivot_row = ndx.asarray(op.gather(rests.unwrap_spox(), step, axis=1))
        pivot = ndx.asarray(op.gather(pivot_row.unwrap_spox(), step, axis=1))
        offset = ndx.asarray(op.gather(offsets.unwrap_spox(), step, axis=1))
        squares = squares + offset * offset / pivot
        log_det = log_det + ndx.log(pivot)
        slopes = pivot_row / ndx.expand_dims(pivot, axis=1)
        offsets = offsets - slopes * ndx.expand_dims(offset, axis=1)
        rests = rests - ndx.expand_dims(slopes, axis=2) * ndx.expand_dims(pivot_row, axis=1)
        state = (rests, offsets, squares, log_det)
        return [going_on, *(part.unwrap_spox() for part in state)]

    state = [part.unwrap_spox() for part in (rests, offsets, zeros, zeros)]
    n_steps = op.const(np.array([len(covariance)]))
    results = op.loop(n_steps, op.const(np.array([True])), v_initial=state, body=eliminate)
    count = ndx.astype(ndx.sum(present, axis=1), ndx.int64)
    return ndx.asarray(results[2]), ndx.asarray(results[3]), count


def _kernel(kernel: Kernel, Z: Array, may_be_absent: bool) -> Array:
    """Return log-densities by a kernel density."""
    if may_be_absent or np.isnan(kernel.centres).any():
        return _kernel_of_parts(kernel, Z)
    rows = ndx.sum(Z * Z, axis=1, keepdims=True)
    distances = rows - 2 * product(Z, kernel.centres.T)
    distances = distances + constant((kernel.centres**2).sum(1), Z)
    distances = ndx.maximum(distances, number(0.0, Z))
    nearest = ndx.min(distances, axis=1, keepdims=True)
    # beyond the nearest centre single precision is exact enough, and fast
    beyond = ndx.astype(distances - nearest, ndx.float32)
    d = kernel.centres.shape[1]
    shares = kernel.shares.astype(np.float32)[:, None]
    log_probs = []
    for h in kernel.bandwidths:
        exponents = ndx.maximum(beyond * float(-0.5 / h**2), number(NEGLIGIBLE, beyond))
        sums = ndx.astype(product(ndx.exp(exponents), shares), ndx.float64)
        log_size = d * float(np.log(h * np.sqrt(2 * np.pi)))
        log_probs.append(ndx.log(sums[:, 0]) - nearest[:, 0] / float(2 * h**2) - log_size)
    return log_add_exp(log_probs) - float(np.log(len(log_probs)))


def _kernel_of_parts(kernel: Kernel, Z: Array) -> Array:
    """Return log-densities by a kernel density where cells of rows or of centres are missing."""
    is_present = ~ndx.isnan(Z)
    in_row = as_number(is_present, Z)
    rows = ndx.where(is_present, Z, number(0.0, Z))
    # from one constant, so that the model holds the centres once
    centres = constant(kernel.centres.T, Z)
    is_known = ~ndx.isnan(centres)
    in_centre = as_number(is_known, Z)
    centres = ndx.where(is_known, centres, number(0.0, Z))
    squares = matrix_product(rows * rows, in_centre) - 2 * matrix_product(rows, centres)
    squares = squares + matrix_product(in_row, centres * centres)
    squares = ndx.maximum(squares, number(0.0, Z))
    n_shared = matrix_product(in_row, in_centre)
    n_unknown = matrix_product(in_row, 1 - in_centre)
    unknown_squares = matrix_product(rows * rows, 1 - in_centre)
    log_probs = []
    for h in kernel.bandwidths:
        variance = float(1 + h**2)
        log_size = n_shared * float(np.log(h * np.sqrt(2 * np.pi)))
        log_size = log_size + n_unknown * float(0.5 * np.log(2 * np.pi * variance))
        exponents = constant(np.log(kernel.shares), Z) - log_size - squares / float(2 * h**2)
        exponents = exponents - unknown_squares / (2 * variance)
        log_probs.append(log_sum_exp(exponents, axis=1))
    return log_add_exp(log_probs) - float(np.log(len(log_probs)))


@log_prob.register
def _(density: MultiscaleTableDensity, X: Array) -> Array:
    rows = _rows_of(density, X)
    by_network, by_kernel = _log_prob_of_parts(density, rows)
    return log_mixture(by_network, by_kernel, density.kernel_share)


@log_prob.register
def _(density: BinaryScore, X: Array) -> Array:
    rows = _rows_of(density.density, X)
    own, coarse = _own_and_coarse(density.density, rows)
    return own + (coarse - density.centre) * density.weight


@log_prob.register
def _(density: ForestScore, X: Array) -> Array:
    rows = _rows_of(density.density, X)
    own = _log_prob_of_network(density.density, rows)
    # one without a say is left out of the model
    if not density.weight:
        return own
    look = _isolation(density.forest, rows, density.density.columns.are_measures)
    return own + ndx.minimum(look - density.centre, number(0.0, own)) * density.weight


@log_prob.register
def _(density: RobustScore, X: Array) -> Array:
    rows = _rows_of(density.density, X)
    own, coarse = _own_and_coarse(density.density, rows)
    of_all = np.ones(density.density.columns.n_values, dtype=bool)
    isolation = _isolation(density.forest, rows, of_all)
    for look, centre, weight in zip((coarse, isolation), density.centres, density.weights):
        if weight:
            own = own + ndx.minimum(look - float(centre), number(0.0, own)) * float(weight)
    return own


@log_prob.register
def _(density: TrustedScore, X: Array) -> Array:
    rows = _rows_of(density.density, X)
    by_network = _log_prob_of_network(density.density, rows)
    by_ranges = rows.log_jacobian
    if rows.values is not None:
        is_present = as_number(~ndx.isnan(rows.values), by_ranges)
        by_ranges = by_ranges - product(is_present, np.log(density.scales)[:, None])[:, 0]
        values = rows.values / constant(density.scales, rows.values)
        by_ranges = by_ranges + _kernel(density.kernel, values, density.density.flow.has_missing)
    return (by_network + _finite(by_ranges)) / 2


def _rows_of(density: MultiscaleTableDensity, X: Array) -> FlowRows:
    in_double = ndx.astype(X, ndx.float64)
    cells = [in_double[:, j] for j in range(len(density.columns.columns))]
    return to_flow(density.columns, cells)


def _log_prob_of_parts(density: MultiscaleTableDensity, rows: FlowRows) -> tuple[Array, Array]:
    """Return log-densities by the network, and by the kernel, whose are zeros without a share."""
    by_kernel = rows.log_jacobian
    if density.kernel_share and rows.values is not None:
        may_be_absent = density.flow.has_missing
        by_kernel = by_kernel + _kernel(density.kernel, rows.values, may_be_absent)
    return _log_prob_of_network(density, rows), _finite(by_kernel)


def _log_prob_of_network(density: MultiscaleTableDensity, rows: FlowRows) -> Array:
    of_levels = _network_log_probs(density, rows)
    return _finite(_mean_density(density, of_levels) + rows.log_jacobian)


def _own_and_coarse(density: MultiscaleTableDensity, rows: FlowRows) -> tuple[Array, Array]:
    """Return log-densities by the network, and those at its highest noise level."""
    of_levels = _network_log_probs(density, rows)
    own = _finite(_mean_density(density, of_levels) + rows.log_jacobian)
    return own, _finite(of_levels[-1, :] + rows.log_jacobian)


def _network_log_probs(density: MultiscaleTableDensity, rows: FlowRows) -> Array:
    """Return log-densities of rows of flow space at noise levels, shape (n_levels, n)."""
    contexts = density.noise_contexts
    if rows.values is None:
        zeros = number(0.0, rows.log_jacobian) * rows.log_jacobian
        return ndx.stack([zeros] * len(contexts), axis=0)
    ordered = ndx.take(rows.values, ndx.asarray(density.order), axis=1)
    x = ndx.astype(ordered, ndx.float32)
    return ndx.astype(log_probs_of_levels(density.flow, x, contexts), ndx.float64)


def _mean_density(density: MultiscaleTableDensity, of_levels: Array) -> Array:
    return log_sum_exp(of_levels, axis=0) - float(np.log(len(density.noise_contexts)))


def _isolation(forest: Isolation, rows: FlowRows, of_values: np.ndarray) -> Array:
    """Return the score of each row by a forest of some of the values of flow space."""
    Z = rows.values
    if Z is not None and of_values.any():
        Z = ndx.take(Z, ndx.asarray(np.flatnonzero(of_values)), axis=1)
    else:
        Z = ndx.expand_dims(number(0.0, rows.log_jacobian) * rows.log_jacobian, axis=1)
    Z = ndx.where(ndx.isnan(Z), number(0.0, Z), Z)
    inputs = ndx.astype(Z, ndx.float32).unwrap_spox()
    total = ndx.asarray(ml.tree_ensemble_regressor(inputs, n_targets=1, **_trees(forest)))
    total = ndx.astype(total[:, 0], ndx.float64)
    usual = max(len(forest.trees) * forest.usual, np.finfo(float).tiny)
    return -ndx.exp(total * float(-np.log(2) / usual))


def _trees(forest: Isolation) -> dict[str, Any]:
    """Return the trees as attributes of the operator."""
    attributes: dict[str, list] = {
        name: []
        for name in (
            "nodes_treeids",
            "nodes_nodeids",
            "nodes_featureids",
            "nodes_values",
            "nodes_modes",
            "nodes_truenodeids",
            "nodes_falsenodeids",
            "target_treeids",
            "target_nodeids",
            "target_ids",
            "target_weights",
        )
    }
    for i, (tree, lengths) in enumerate(zip(forest.trees, forest.path_lengths)):
        is_leaf = tree.children_left < 0
        leaves = np.flatnonzero(is_leaf)
        columns = {
            "nodes_treeids": np.full(tree.node_count, i),
            "nodes_nodeids": np.arange(tree.node_count),
            "nodes_featureids": np.maximum(tree.feature, 0),
            "nodes_values": np.where(is_leaf, 0.0, _float32_below(tree.threshold)),
            "nodes_modes": np.where(is_leaf, "LEAF", "BRANCH_LEQ"),
            "nodes_truenodeids": np.maximum(tree.children_left, 0),
            "nodes_falsenodeids": np.maximum(tree.children_right, 0),
            "target_treeids": np.full(len(leaves), i),
            "target_nodeids": leaves,
            "target_ids": np.zeros(len(leaves), dtype=int),
            "target_weights": lengths[leaves],
        }
        for name, column in columns.items():
            attributes[name] += column.tolist()
    return attributes


def _float32_below(thresholds: np.ndarray) -> np.ndarray:
    """Return the largest numbers of single precision that are no larger: cuts stay the same."""
    rounded = thresholds.astype(np.float32)
    lower = np.nextafter(rounded, np.float32(-np.inf))
    return np.where(rounded > thresholds, lower, rounded).astype(np.float64)
