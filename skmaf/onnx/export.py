"""`to_onnx`: a fitted density or detector as an ONNX model."""

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from .. import __version__
from ..density import MAFDensity
from ..ensemble import DensityEnsemble
from ..inference.calibration import TIE
from ..multiscale import MultiscaleDensity
from ..outlier import DensityOutlierDetector
from ..table.codec import TableCodec

if TYPE_CHECKING:
    from ndonnx import Array
    from onnx import ModelProto

DENSITIES = (MAFDensity, MultiscaleDensity, DensityEnsemble)


def to_onnx(estimator: Any) -> "ModelProto":
    """Return a fitted estimator as an ONNX model, which scores rows without skmaf and torch.

    The model has one input, ``X`` of shape (n, n_features): numbers, and codes of categories, as
    ``codec_.encode`` of the estimator makes them of a table. Its precision is that of
    ``codec_.dtype``: double, or single if `fit` saw nothing but float32. Flows compute in that
    precision, as in skmaf, and columns always in double.

    The outputs are called like the methods: ``score_samples``, float64 of shape (n,), in nats and
    in the units of X; of a detector also ``predict``, int64, and ``p_values``, float64. All rows
    are new ones to the model: a detector scores rows that `fit` saw by the folds that did not see
    them, and the model scores every row by all folds.

    A category has its position among those of its column, ``codec_.schema.categories``; one that
    is not among them has the number of these. A missing cell is NaN. A row gets the score NaN, the
    label -1 and the smallest p-value where it holds an infinite number, or NaN though no cell was
    missing in `fit`: a model cannot raise an error.

    The metadata of the model tell this to readers without skmaf: ``columns`` is JSON, a list with
    ``name``, ``quantity`` and ``categories`` of each column; ``units``, ``missing`` ("true" if X
    may hold NaN), ``estimator`` and ``skmaf_version`` are text.

    Parameters
    ----------
    estimator : MAFDensity, MultiscaleDensity, DensityEnsemble or DensityOutlierDetector
        Fitted. Detectors are the default, or of one of the densities. The families "iaf", "planar"
        and "radial" have no ONNX form, nor have columns of dates.

    Returns
    -------
    model : onnx.ModelProto
        With operators of version 21, for onnxruntime 1.18 or later; ``onnx.save`` writes it.

    Raises
    ------
    ImportError
        If the packages of the extra ``onnx`` are not installed.
    ValueError
        If the estimator, a column or the family of the flow has no ONNX form.

    See Also
    --------
    save : A file from which skmaf reads the estimator itself.

    Examples
    --------
    >>> import onnxruntime
    >>> from sklearn.datasets import load_iris
    >>> import skmaf
    >>> X = load_iris().data
    >>> density = skmaf.MAFDensity(max_iter=5, random_state=0).fit(X)
    >>> model = skmaf.to_onnx(density).SerializeToString()
    >>> session = onnxruntime.InferenceSession(model)
    >>> [scores] = session.run(None, {"X": X})
    >>> bool(abs(scores - density.score_samples(X)).max() < 1e-6)
    True
    """
    try:
        import ndonnx as ndx
        import onnx
    except ImportError as error:
        raise ImportError("to_onnx needs more packages: pip install 'skmaf[onnx]'") from error
    _refuse_others(estimator)
    check_is_fitted(estimator)
    codec = _codec(estimator)
    _refuse_parts(_density(estimator), codec)
    X = ndx.argument(shape=("n", codec.n_features), dtype=ndx.from_numpy_dtype(codec.dtype))
    model = ndx.build({"X": X}, _outputs(estimator, codec, X))
    # the oldest form of the file that has these operators: older runtimes read it
    model.ir_version = onnx.helper.find_min_ir_version_for(model.opset_import)
    model.producer_name = "skmaf"
    model.producer_version = __version__
    onnx.helper.set_model_props(model, _metadata(estimator, codec))
    return model


def _refuse_others(estimator: Any) -> None:
    """Refuse estimators that have no ONNX form."""
    names = "MAFDensity, MultiscaleDensity or DensityEnsemble"
    if isinstance(estimator, DensityOutlierDetector):
        density = estimator.estimator
        if not (density is None or isinstance(density, DENSITIES)):
            raise ValueError(
                f"estimator detects by a {type(density).__name__}, which has no ONNX form: give "
                f"the detector a {names}, or leave its estimator at None."
            )
    elif not isinstance(estimator, DENSITIES):
        raise ValueError(
            f"estimator is a {type(estimator).__name__}, which has no ONNX form: give a {names}, "
            "or a DensityOutlierDetector."
        )


def _density(estimator: Any) -> Any:
    is_detector = isinstance(estimator, DensityOutlierDetector)
    return estimator.ensemble_ if is_detector else estimator.density_


def _codec(estimator: Any) -> TableCodec:
    """Return what reads tables for the densities: all folds of a detector have the same."""
    if isinstance(estimator.codec_, TableCodec):
        return estimator.codec_
    return estimator.estimators_[0].codec_


def _members(density: Any) -> Iterator[Any]:
    """Yield the densities of which one is made that have columns."""
    from ..models.binary_score import BinaryScore
    from ..models.estimator_density import EstimatorDensity
    from ..models.fold_ensemble import FoldEnsemble
    from ..models.forest_score import ForestScore
    from ..models.mixture_density import MixtureDensity
    from ..models.robust_score import RobustScore
    from ..models.trusted_score import TrustedScore

    if isinstance(density, MixtureDensity):
        parts = list(density.members)
    elif isinstance(density, FoldEnsemble):
        parts = list(density.densities)
    elif isinstance(density, EstimatorDensity):
        parts = [density.estimator.density_]
    elif isinstance(density, (BinaryScore, ForestScore, RobustScore, TrustedScore)):
        parts = [density.density]
    else:
        yield density
        return
    for part in parts:
        yield from _members(part)


def _refuse_parts(density: Any, codec: TableCodec) -> None:
    """Refuse columns and flows that have no ONNX form."""
    from . import columns, flows

    for member in _members(density):
        for j, column in enumerate(member.columns.columns):
            if not columns.can_export(column):
                raise ValueError(
                    f"{codec.schema.label(j)} holds {codec.quantities[j]}, whose place in the "
                    "calendar has no ONNX form: fit on numbers in its place, such as days since "
                    "a date."
                )
            if columns.spread(column) < columns.LEAST_SPREAD:
                raise ValueError(
                    f"{codec.schema.label(j)} holds numbers so small that onnxruntime takes them "
                    "for 0: fit on larger ones, in another unit."
                )
        spec = getattr(member, "spec", None)
        if spec is not None and not flows.can_export(member.flow):
            raise ValueError(
                f"family={spec.family!r} has no ONNX form: fit with family='maf', 'made', "
                "'realnvp' or 'nice'."
            )


def _outputs(estimator: Any, codec: TableCodec, X: "Array") -> dict[str, "Array"]:
    """Return what the model computes, by the names of the methods."""
    import ndonnx as ndx

    from .arrays import count_of, gather, number
    from .densities import log_prob

    is_readable = ndx.isfinite(X)
    if codec.has_missing:
        is_readable = is_readable | ndx.isnan(X)
    scores = log_prob(_density(estimator), X)
    nan = number(np.nan, scores)
    scores = ndx.where(ndx.all(is_readable, axis=1), scores, nan)
    if not isinstance(estimator, DensityOutlierDetector):
        return {"score_samples": scores}
    calibration = estimator.calibration_
    no_higher = np.concatenate([[0.0], np.cumsum(calibration.weights)])
    p_values = (no_higher + 1) / (calibration.total + 1)
    size = ndx.maximum(ndx.abs(scores), number(1.0, scores))
    position = count_of(calibration.scores, scores + TIE * size, side="right")
    one = ndx.asarray(np.int64(1))
    return {
        "score_samples": scores,
        "predict": ndx.where(scores - estimator.offset_ >= 0, one, -one),
        "p_values": gather(p_values, position, scores),
    }


def _metadata(estimator: Any, codec: TableCodec) -> dict[str, str]:
    """Return what a reader of the model has to know."""
    schema = codec.schema
    names = schema.names or list(range(codec.n_features))
    columns = [
        {
            "name": str(name),
            "quantity": quantity,
            "categories": None if known is None else list(known),
        }
        for name, quantity, known in zip(names, codec.quantities, schema.categories)
    ]
    return {
        "columns": json.dumps(columns, default=_plain, ensure_ascii=False),
        "estimator": type(estimator).__name__,
        "missing": "true" if codec.has_missing else "false",
        "skmaf_version": __version__,
        "units": "scores in nats, log-densities in the units of X; categories are counted",
    }


def _plain(value: Any) -> Any:
    """Return a category that JSON has no form for as a number or as text."""
    return value.item() if isinstance(value, np.generic) else str(value)
