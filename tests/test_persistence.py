"""Files without code: what is kept, what is refused, and what damaged or hostile files do."""

import hashlib
import json
import os
import pickle
import re
import stat
import struct
import subprocess
import sys
import tracemalloc
from dataclasses import replace
from datetime import date, timedelta, timezone
from decimal import Decimal
from pathlib import Path

import joblib
import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import skops.io
import torch
from dateutil import tz
from safetensors.numpy import load as from_safetensors
from safetensors.numpy import save as to_safetensors
from sklearn.base import BaseEstimator, DensityMixin
from sklearn.compose import make_column_transformer
from sklearn.decomposition import PCA
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import BallTree, KDTree, KernelDensity, LocalOutlierFactor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler
from sklearn.svm import OneClassSVM

import skmaf
from skmaf import (
    ConditionalMAFDensity,
    DensityEnsemble,
    DensityOutlierDetector,
    MAFClassifier,
    MAFDensity,
    MultiscaleDensity,
    VariationalFlow,
)
from skmaf.models.isolation import Isolation
from skmaf.persistence import classes, trees
from skmaf.persistence.archive import BEFORE_HASH, NO_HASH
from skmaf.persistence.decoding import restored
from skmaf.persistence.encoding import NotPlainError, describe
from skmaf.table.missing import MissingPatterns

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

STORED = Path(__file__).parent / "data" / "stored"
BRIEF = {"max_iter": 2, "random_state": 0}
SMALL = {"hidden_layer_sizes": (8,), **BRIEF}


def messy_table(n=90):
    """Return a table with columns of all kinds."""
    rng = np.random.RandomState(0)
    table = pd.DataFrame(
        {
            "length": rng.randn(n),
            "price": rng.exponential(size=n).round(2),
            "colour": rng.choice(["red", "green", "blue"], n),
            "day": pd.date_range("2020-01-01", periods=n, tz="Europe/Berlin"),
            "count": rng.poisson(3, n),
            "dose": np.where(rng.rand(n) < 0.5, 0, rng.randn(n)),
            "size": pd.Categorical(rng.choice(["S", "M"], n), ["S", "M", "L"], ordered=True),
            "angle": np.round(rng.rand(n) * 360),
            "is_new": pd.array(rng.rand(n) < 0.3, dtype="boolean"),
        }
    )
    table.loc[3, "length"] = np.nan
    return table


MESSY = messy_table()
NUMBERS = MESSY[["price", "count", "dose"]]
ARRAY = NUMBERS.to_numpy()
CLASSES = MESSY["colour"]

FITTED = {
    "density": lambda: MAFDensity(column_kinds={"angle": ("periodic", 360)}, **SMALL).fit(MESSY),
    "density_float32": lambda: MAFDensity(**SMALL).fit(ARRAY.astype(np.float32)),
    "density_polars": lambda: MAFDensity(**SMALL).fit(pl.from_pandas(MESSY)),
    "density_affine": lambda: MAFDensity(family="realnvp", **SMALL).fit(ARRAY),
    "density_planar": lambda: MAFDensity(family="planar", **SMALL).fit(ARRAY[:, :2] + 0.1),
    "density_mixture": lambda: MAFDensity(bijector="mixture", **SMALL).fit(NUMBERS),
    "density_inverse": lambda: MAFDensity(family="iaf", **SMALL).fit(NUMBERS),
    "ensemble": lambda: DensityEnsemble(MAFDensity(**SMALL), 2).fit(MESSY),
    "multiscale": lambda: MultiscaleDensity(**SMALL).fit(MESSY),
    "detector": lambda: DensityOutlierDetector(random_state=0).fit(MESSY),
    "detector_trusting": lambda: DensityOutlierDetector(
        MultiscaleDensity(**SMALL), contamination=0, random_state=0
    ).fit(NUMBERS),
    "detector_of_density": lambda: DensityOutlierDetector(MAFDensity(**SMALL)).fit(MESSY),
    "detector_of_pipeline": lambda: DensityOutlierDetector(
        make_pipeline(StandardScaler(), MAFDensity(**SMALL)), random_state=0
    ).fit(ARRAY),
    "detector_of_mixture": lambda: DensityOutlierDetector(GaussianMixture(2)).fit(NUMBERS),
    "detector_of_kernels": lambda: DensityOutlierDetector(
        make_pipeline(StandardScaler(), KernelDensity(bandwidth=0.2, rtol=0.1, leaf_size=5)),
        random_state=0,
    ).fit(NUMBERS),
    "detector_of_balls": lambda: DensityOutlierDetector(
        KernelDensity(kernel="linear", metric="manhattan", algorithm="ball_tree"), random_state=0
    ).fit(ARRAY),
    "detector_of_neighbours": lambda: DensityOutlierDetector(
        LocalOutlierFactor(10, p=3, novelty=True), random_state=0
    ).fit(ARRAY),
    "pipeline": lambda: make_pipeline(StandardScaler(), PCA(2), MAFDensity(**SMALL)).fit(ARRAY),
    "pipeline_of_columns": lambda: make_pipeline(
        make_column_transformer(
            (OneHotEncoder(sparse_output=False), ["colour"]), (StandardScaler(), ["price"])
        ),
        MAFDensity(**SMALL),
    ).fit(MESSY),
}


OF_ARRAYS = {"density_affine", "detector_of_balls", "detector_of_neighbours"}
OF_ARRAYS |= {"detector_of_pipeline", "pipeline"}


def rows_of(name):
    if "float32" in name:
        return ARRAY.astype(np.float32)
    if "polars" in name:
        return pl.from_pandas(MESSY)
    if "planar" in name:
        return ARRAY[:, :2] + 0.1
    messy = {"density", "ensemble", "multiscale"}
    if name in messy | {"detector", "detector_of_density", "pipeline_of_columns"}:
        return MESSY
    return ARRAY if name in OF_ARRAYS else NUMBERS


@pytest.fixture(scope="module")
def fitted():
    made = {}

    def get(name):
        if name not in made:
            made[name] = FITTED[name]()
        return made[name]

    return get


@pytest.fixture
def density(fitted):
    return fitted("density")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "density.skmaf"


def same(a, b):
    """Return whether two results are equal: arrays, frames or tuples of them."""
    if isinstance(a, tuple):
        return all(same(x, y) for x, y in zip(a, b))
    if isinstance(a, pd.DataFrame):
        pd.testing.assert_frame_equal(a, b)
        return True
    if isinstance(a, pl.DataFrame):
        return a.equals(b) and a.schema == b.schema
    return a.dtype == b.dtype and (a == b)[pd.notna(a)].all() and (pd.isna(a) == pd.isna(b)).all()


def assert_same(again, estimator, rows):
    assert type(again) is type(estimator)
    assert same(again.score_samples(rows), estimator.score_samples(rows))
    if hasattr(estimator, "sample"):
        drawn = [each.sample(30, random_state=1) for each in (again, estimator)]
        assert same(*(x if isinstance(x, (np.ndarray, pd.DataFrame)) else x for x in drawn))
    if hasattr(estimator, "explain"):
        assert same(again.counterfactuals(rows[:3]), estimator.counterfactuals(rows[:3]))
        assert same(again.p_values(rows), estimator.p_values(rows))


@pytest.mark.parametrize("name", FITTED)
def test_all_is_as_before_to_the_last_bit(name, fitted, path):
    skmaf.save(fitted(name), path)
    assert_same(skmaf.load(path), fitted(name), rows_of(name))


@pytest.mark.parametrize("name", FITTED)
def test_other_formats_hold_the_same(name, fitted):
    estimator = fitted(name)
    rows = rows_of(name)
    assert_same(pickle.loads(pickle.dumps(estimator)), estimator, rows)
    content = skops.io.dumps(estimator)
    trusted = skops.io.get_untrusted_types(data=content)
    assert all(kind.startswith("skmaf.") for kind in trusted)
    assert_same(skops.io.loads(content, trusted=trusted), estimator, rows)


def test_joblib_maps_memory(density, path):
    joblib.dump(density, path)
    assert_same(joblib.load(path, mmap_mode="r"), density, MESSY)


def test_products_of_columns_are_the_same_to_the_last_bit(path):
    """LAPACK's arrays stand by columns, and BLAS adds those in another order."""
    rows = np.random.RandomState(0).randn(150, 23)
    pipeline = make_pipeline(PCA(11), MAFDensity(n_layers=1, **SMALL)).fit(rows)
    skmaf.save(pipeline, path)
    assert same(skmaf.load(path)[0].transform(rows), pipeline[0].transform(rows))


@pytest.mark.parametrize("zone", [tz.tzutc(), tz.tzoffset("X", 3600), tz.gettz("Europe/Berlin")])
def test_zones_that_no_file_can_hold(zone, path):
    """Other formats keep them."""
    days = pd.date_range("2020-01-01", periods=90, tz=zone)
    table = pd.DataFrame({"day": days, "kind": pd.Categorical(days[np.arange(90) % 3])})
    density = MAFDensity(**SMALL).fit(table)
    assert_same(pickle.loads(pickle.dumps(density)), density, table)
    with pytest.raises(TypeError, match="is a tz.* of dateutil.*, which a file without code"):
        skmaf.save(density, path)


@pytest.mark.parametrize(
    "value",
    [
        pd.Timestamp("2020-01-01", tz=tz.gettz("Europe/Berlin")),
        pd.ArrowDtype(pa.list_(pa.int8())),
        pd.ArrowDtype(pa.dictionary(pa.int8(), pa.decimal256(50, 5))),
        nw.List(nw.Int8()),
    ],
)
def test_values_that_no_file_can_hold(value):
    with pytest.raises(NotPlainError):
        describe(value)


def test_the_generator_of_numpy_is_the_users():
    described, arrays, _ = describe(Isolation.fit(ARRAY, n_trees=1, seed=0))
    trees._one_leaf.cache_clear()
    before = np.random.get_state()[1:3]
    restored(described, lambda i: arrays[i].copy())
    assert all(map(np.array_equal, np.random.get_state()[1:3], before))


def test_conditional_density_and_classifier(path):
    context = MESSY[["length", "colour", "day"]]
    conditional = ConditionalMAFDensity(**SMALL).fit(context, MESSY[["price", "count"]])
    skmaf.save(conditional, path)
    again = skmaf.load(path)
    targets = MESSY[["price", "count"]]
    assert same(again.score_samples(context, targets), conditional.score_samples(context, targets))
    assert same(again.predict(context), conditional.predict(context))
    classifier = MAFClassifier(**SMALL).fit(NUMBERS, CLASSES)
    skmaf.save(classifier, path)
    assert same(skmaf.load(path).predict_proba(NUMBERS), classifier.predict_proba(NUMBERS))


def test_what_fit_keeps_is_kept(density, path):
    skmaf.save(density, path)
    again = skmaf.load(path)
    assert again.get_params() == density.get_params()
    assert again.loss_curve_ == density.loss_curve_
    assert again.validation_scores_ == density.validation_scores_
    assert (again.feature_names_in_ == density.feature_names_in_).all()
    assert list(again.schema_.dtypes) == list(density.schema_.dtypes)
    assert [str(r) for r in again.relations_] == [str(r) for r in density.relations_]
    assert again.n_iter_ == density.n_iter_


def test_goes_on_from_there(density, path):
    skmaf.save(density, path)
    again = skmaf.load(path).set_params(warm_start=True)
    fresh = pickle.loads(pickle.dumps(density)).set_params(warm_start=True)
    assert same(again.fit(MESSY).score_samples(MESSY), fresh.fit(MESSY).score_samples(MESSY))
    assert again.n_iter_ == 2 * density.n_iter_


def test_not_fitted(path):
    density = MAFDensity(n_layers=3, hidden_layer_sizes=(4, 4))
    skmaf.save(density, path)
    assert skmaf.load(path).get_params() == density.get_params()


def test_random_state_goes_on(path):
    rng = np.random.RandomState(3)
    skmaf.save(MAFDensity(random_state=rng), path)
    assert skmaf.load(path).random_state.rand() == rng.rand()


def test_variational_flow_without_its_function(path):
    flow = VariationalFlow(lambda x: -x.square().sum(1), n_dims=2, **SMALL).fit()
    with pytest.raises(TypeError, match="VariationalFlow.log_density is code"):
        skmaf.save(flow, path)
    flow.set_params(log_density=None)
    skmaf.save(flow, path)
    again = skmaf.load(path)
    assert same(again.sample(5, random_state=0), flow.sample(5, random_state=0))
    with pytest.raises(ValueError, match="log_density is None"):
        again.evidence()


def test_scores_are_the_same_on_several_threads(density, path):
    skmaf.save(density, path)
    script = (
        "import sys, pickle, torch, skmaf\n"
        "torch.set_num_threads(3)\n"
        "rows = pickle.load(open(sys.argv[2], 'rb'))\n"
        "print(skmaf.load(sys.argv[1]).score_samples(rows).tobytes().hex())\n"
    )
    rows = path.with_suffix(".pickle")
    rows.write_bytes(pickle.dumps(MESSY))
    command = [sys.executable, "-c", script, str(path), str(rows)]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert printed.strip() == density.score_samples(MESSY).tobytes().hex()


class OwnDensity(DensityMixin, BaseEstimator):
    def fit(self, X, y=None):
        self.mean_ = np.mean(X)
        return self

    def score_samples(self, X):
        return -np.abs(np.asarray(X) - self.mean_).sum(axis=1)


@pytest.mark.parametrize(
    "estimator, words",
    [
        (OwnDensity(), "DensityOutlierDetector.estimator is a OwnDensity"),
        (OneClassSVM(), "is a OneClassSVM of sklearn.svm"),
        (
            KernelDensity(metric="mahalanobis", metric_params={"V": np.eye(3)}),
            "tree_ is a BallTree",
        ),
        (make_pipeline(FunctionTransformer(np.square), OwnDensity()), "is a FunctionTransformer"),
    ],
)
def test_what_no_file_can_hold_is_refused(estimator, words, path):
    detector = DensityOutlierDetector(estimator, random_state=0).fit(ARRAY)
    with pytest.raises(TypeError, match=f"{words}.*joblib.dump"):
        skmaf.save(detector, path)
    assert not path.exists()
    # what these formats can hold
    assert_same(pickle.loads(pickle.dumps(detector)), detector, ARRAY)


@pytest.mark.parametrize("value", [MESSY, ARRAY, "density", None])
def test_what_is_no_estimator_is_refused(value, path):
    with pytest.raises(TypeError, match="takes an estimator"):
        skmaf.save(value, path)


VALUES = [
    None, True, 3, -1.5, float("inf"), "ä\ud800".encode("utf-16", "surrogatepass"), "\x00é",
    (1, (2.0, "x")), [1, [None]], {1: "a", "b": (2,), (1, 2): None}, {"x", "y"}, frozenset({1}),
    slice(1, None), np.float32(0.1), np.int8(3), np.bool_(True), np.str_("x"), np.str_(""),
    np.datetime64("2020-01-01"), np.timedelta64(3, "h"), pd.NA, pd.NaT, Decimal("1.10"), b"\x00",
    date(2020, 1, 2), timedelta(1, 2, 3), timezone(timedelta(hours=2)),
    pd.Timestamp("2020-01-01 12:00"), pd.Timestamp("2020-01-01", tz="Asia/Tokyo"),
    pd.Timestamp("2020-01-01", tz="+02:00"), pd.Timedelta("3h"), pd.Period("2020-02", "M"),
    pd.Interval(0, 1, "left"), pd.Timestamp("2020-06-01").to_pydatetime(),
    np.dtype("<f4"), np.dtype("<M8[ns]"), np.dtype("<U7"), pd.StringDtype(), pd.Int64Dtype(),
    pd.StringDtype("python", np.nan), pd.DatetimeTZDtype("ns", "Europe/Berlin"),
    pd.PeriodDtype("M"), pd.IntervalDtype("int64", "right"),
    timezone(timedelta(hours=2), "CEST"), pd.DatetimeTZDtype("us", timezone(timedelta(0, 7205))),
    pd.Timestamp("2020-06-01", tz=timezone(timedelta(0, 7205), "CEST")),
    pd.SparseDtype(np.int64, 1), pd.SparseDtype(bool, True),
    *map(pd.ArrowDtype, [pa.decimal128(20, 5), pa.dictionary(pa.int8(), pa.string(), True),
                         pa.string(), pa.timestamp("us", "Asia/Tokyo")]),
]  # fmt: skip


# no text of a set, whose order is another one in each process
@pytest.mark.parametrize("value", VALUES, ids=[type(value).__name__ for value in VALUES])
def test_values(value):
    again = written_and_read(value)
    assert type(again) is type(value)
    assert again is value or again == value or pd.isna(value)
    assert str(again) == str(value) or isinstance(value, set)


@pytest.mark.parametrize(
    "value",
    [
        np.arange(6.0).reshape(2, 3).T,
        np.arange(12.0).reshape(4, 3).T[:2],
        np.arange(12.0).reshape(4, 3)[:, :2],
        np.array([["a", "b"], ["", "c"]]).T,
        np.arange(24, dtype=np.float32).reshape(2, 3, 4).T,
        np.array(5),
        np.zeros((0, 3), dtype=np.float32),
        np.array(["a", ""]),
        np.array([["a", None], [1, np.nan]], dtype=object),
        np.array(["2020-01-01", "NaT"], dtype="M8[D]"),
        np.arange(3, dtype=">i4"),
        np.array([True, False]),
        np.array([1 + 2j]),
    ],
    ids=lambda value: str(value.dtype),
)
def test_arrays(value):
    again = written_and_read(value)
    assert again.dtype == value.dtype
    assert again.shape == value.shape
    assert again.flags.writeable
    assert same(again, value)
    is_sorted = [list(x.strides) == sorted(x.strides, reverse=True) for x in (again, value)]
    assert is_sorted[0] == is_sorted[1]


@pytest.mark.parametrize("n_rows, n_columns", [(1, 1), (2, 3), (90, 2), (1000, 3)])
@pytest.mark.parametrize("is_weighted", [False, True])
@pytest.mark.parametrize("metric", ["euclidean", "chebyshev", {"metric": "minkowski", "p": 3}])
@pytest.mark.parametrize("kind", [KDTree, BallTree])
def test_search_trees(kind, metric, is_weighted, n_rows, n_columns):
    rng = np.random.RandomState(0)
    rows = rng.randn(n_rows, n_columns).round(1)
    weights = rng.rand(n_rows) if is_weighted else None
    parameters = metric if isinstance(metric, dict) else {"metric": metric}
    tree = kind(rows, leaf_size=3, sample_weight=weights, **parameters)
    again = written_and_read(tree)
    assert type(again) is kind
    for one, other in zip(again.get_arrays(), tree.get_arrays()):
        assert np.asarray(one).tobytes() == np.asarray(other).tobytes()
    new = rng.randn(20, n_columns)
    assert (again.kernel_density(new, 0.5) == tree.kernel_density(new, 0.5)).all()
    assert (again.query(new)[0] == tree.query(new)[0]).all()


@pytest.mark.parametrize(
    "key, value",
    [
        ("metric", {"dict": [["metric", "pyfunc"]]}),
        ("metric", {"dict": [["metric", "minkowski"], ["p", -1]]}),
        ("metric", {"dict": [["metric", "minkowski"], ["p", 3], ["w", {"array": 1}]]}),
        ("kind", "Tree"),
        ("weights", {"array": 1}),
        ("rows", {"array": 1}),
        ("leaf_size", 0),
    ],
)
def test_search_trees_that_lead_astray_are_refused(key, value):
    described, arrays, _ = describe(KDTree(np.zeros((9, 2))))
    parts = described["root"]["search_tree"]["dict"]
    parts[:] = [[name, value if name == key else part] for name, part in parts]
    arrays.append(np.full(5, -1.0))
    with pytest.raises((ValueError, KeyError)):
        restored(described, lambda i: arrays[i].copy())


def test_search_trees_of_tiny_leaves_are_refused(path):
    kernel = KernelDensity(algorithm="kd_tree", leaf_size=1).fit(np.arange(400_000.0)[:, None])
    with pytest.raises(ValueError, match="bytes of search trees .* larger leaf_size"):
        skmaf.save(make_pipeline(StandardScaler(), kernel), path)
    kernel.set_params(leaf_size=40).fit(np.arange(400_000.0)[:, None])
    skmaf.save(make_pipeline(StandardScaler(), kernel), path)
    assert peak_of_load(path) < 2 * path.stat().st_size + 2**24


@pytest.mark.parametrize(
    "index",
    [
        pd.Index([1, 2, 3], name="n"),
        pd.Index(["a", "b"]),
        pd.Index([True, "b", 1.5, None, (1, 2)]),
        pd.CategoricalIndex(["a", "b", "a"], ["b", "a"], ordered=True),
        pd.date_range("2020-01-01", periods=3, tz="UTC"),
        pd.interval_range(0, 3),
        pd.MultiIndex.from_tuples([("a", 1), ("b", 2)], names=["x", None]),
    ],
    ids=lambda index: type(index).__name__ + str(len(index)),
)
def test_indexes(index):
    again = written_and_read(index)
    pd.testing.assert_frame_equal(
        pd.DataFrame(index=again), pd.DataFrame(index=index), check_freq=False
    )
    frame = pd.DataFrame({"x": range(len(index)), "y": "a"}, index=index)
    pd.testing.assert_frame_equal(written_and_read(frame), frame, check_freq=False)


def test_what_is_shared_is_written_once():
    array = np.arange(3)
    first, second = written_and_read([array, array])
    assert np.array_equal(first, second)
    assert len(describe([array, array]).arrays) == 1


def written_and_read(value):
    described = describe(value)
    # as a file has them
    arrays = {str(i): array for i, array in enumerate(described.arrays)}
    arrays = from_safetensors(to_safetensors(arrays))
    again, _ = restored(json.loads(json.dumps(described.json)), lambda i: arrays[str(i)].copy())
    return again


# ---- files that are not as they were written


@pytest.fixture(scope="module")
def content(tmp_path_factory):
    path = tmp_path_factory.mktemp("stored") / "density.skmaf"
    skmaf.save(MAFDensity(**SMALL).fit(ARRAY[:, :2]), path)
    return path.read_bytes()


def test_any_changed_byte_is_noticed(content, path):
    rng = np.random.RandomState(0)
    header = 8 + int.from_bytes(content[:8], "little")
    places = [*range(8), *rng.randint(8, header, 150), *rng.randint(header, len(content), 150)]
    for place in places:
        damaged = bytearray(content)
        damaged[place] ^= 1 << rng.randint(8)
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match="density.skmaf"):
            skmaf.load(path)


def test_any_missing_end_is_noticed(content, path):
    rng = np.random.RandomState(0)
    for length in [*range(12), *rng.randint(12, len(content), 60), len(content) - 1]:
        path.write_bytes(content[:length])
        with pytest.raises(ValueError, match="density.skmaf"):
            skmaf.load(path)
    path.write_bytes(content + b"\x00")
    with pytest.raises(ValueError, match="damaged"):
        skmaf.load(path)


@pytest.mark.parametrize(
    "written",
    [
        b"",
        b"{}",
        b"\xff" * 100,
        struct.pack("<Q", 2**63) + b"{}",
        struct.pack("<Q", 2) + b"{}",
        struct.pack("<Q", 2) + b"[]",
        struct.pack("<Q", 100_000) + b"[" * 100_000,
        pickle.dumps({"a": 1}),
        to_safetensors({"0": np.zeros(3)}),
        to_safetensors({"0": np.zeros(3)}, {"skmaf": "{}"}),
        struct.pack("<Q", 9) + '{"ä": 1}'.encode(),
    ],
    ids=range(11),
)
def test_other_files_are_refused(written, path):
    path.write_bytes(written)
    with pytest.raises(ValueError, match="no file that skmaf.save wrote"):
        skmaf.load(path)


def forged(content, change):
    """Return a file whose description was changed, and whose hash is right."""
    length = int.from_bytes(content[:8], "little")
    metadata = json.loads(content[8 : 8 + length])["__metadata__"]
    described = json.loads(metadata["skmaf"])
    arrays = from_safetensors(content)
    described = change(described, arrays) or described
    return sealed(json.dumps(described), arrays)


def sealed(text, arrays):
    """Return a file of these, whose hash is right."""
    made = to_safetensors(arrays, {"sha256": NO_HASH.decode(), "skmaf": text})
    digest = hashlib.sha256(made).hexdigest().encode()
    return made.replace(BEFORE_HASH + NO_HASH, BEFORE_HASH + digest, 1)


@pytest.mark.parametrize("text", ["", "{}", "[]", "[" * 9999, '{"format": []}'])
def test_other_texts_are_refused(text, path):
    path.write_bytes(sealed(text, {"0": np.zeros(3)}))
    with pytest.raises(ValueError, match="no file that skmaf.save wrote"):
        skmaf.load(path)


def put(key, value):
    def change(described, arrays):
        described[key] = value

    return change


def put_object(name, **parts):
    def change(described, arrays):
        described["objects"].append({"class": name, **parts})
        described["root"] = {"object": len(described["objects"]) - 1}

    return change


def put_state(key, value):
    def change(described, arrays):
        state = {"bit_generator": "MT19937", "has_gauss": 0, "gauss": 0.0}
        inner = {"key": {"array": 0}, "pos": 624, key: value}
        arrays["0"] = np.zeros(624, np.uint32)
        state = [*map(list, state.items()), ["state", {"dict": [*map(list, inner.items())]}]]
        described["root"] = {"random_state": {"dict": state}}

    return change


def shared_parts(holder):
    """Return what makes a chain of objects, each of which holds the one before twice."""

    def change(described, arrays):
        described["objects"] = [holder([])]
        for place in range(60):
            described["objects"].append(holder([{"object": place}] * 2))
        described["root"] = {"set": [{"object": 60}]}

    return change


def module_of(parts):
    parts = {str(i): part for i, part in enumerate(parts)}
    return {"class": "ModuleList", "state": {}, "parameters": {}, "buffers": {}, "parts": parts}


def categories_of(parts):
    return {
        "class": "table.cells.NewCategories",
        "state": {"column": "x", "categories": {"tuple": parts}},
    }


TREE = {
    "n_features": 2,
    "max_depth": 1,
    "nodes": {
        "dict": [
            ["left_child", {"array": 0}],
            ["right_child", {"array": 0}],
            ["feature", {"array": 0}],
        ]
    },
}
HOSTILE = {
    "no root": lambda described, arrays: described.pop("root") and None,
    "no estimator": put("root", {"list": []}),
    "own class": put_object("os.system", state={}),
    "other module": put_object("..os.path", state={}),
    "command line": put_object("__main__.X", state={}),
    "integration": put_object("pyod.DensityDetector", state={}),
    "function": put_object("persistence.files.save", state={}),
    "imported": put_object("density.np", state={}),
    "not of here": put_object("density.TransformerMixin", state={}),
    "other attributes": put_object("table.codec.TableCodec", state={"schema": None}),
    "no parameters": put_object("variational.VariationalFlow", state={}),
    "itself": put_object("density.MAFDensity", state={"x": {"object": 10**6}}),
    "unknown kind": put("root", {"eval": "1"}),
    "two kinds": put("root", {"list": [], "tuple": []}),
    "bare list": put("root", [1]),
    "deep": put("root", eval('{"list": [' * 80 + "1" + "]}" * 80)),
    "huge shape": put("root", {"cells": [{"list": []}, [10**12, 10**12]]}),
    "huge dtype": put("root", {"dtype": "V999999999999"}),
    "no array": put("root", {"array": 10**9}),
    "negative": put("root", {"array": -1}),
    "unhashable": put("root", {"set": [{"list": []}]}),
    "zone": put("root", {"zone": "../../etc/passwd"}),
    "tree": put("root", {"tree": {"dict": [[key, value if isinstance(value, (int, dict)) else value]
                                            for key, value in TREE.items()]}}),
    "weights": put_object("flows.layers.Flow", state={}, parameters={"w": 3}, buffers={}, parts={}),
    "state beyond its end": put_state("pos", 625),
    "state before its start": put_state("pos", -1),
    "modules by many ways": shared_parts(module_of),
    "hashes by many ways": shared_parts(categories_of),
    "dtype of others": put(
        "root", {"frame_dtype": ["Array", {"dict": [["inner", {"frame_dtype": ["Int8",
                 {"dict": []}]}], ["shape", {"tuple": [1]}]]}]}),
    "later format": put("format", 99),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_are_refused(name, content, path):
    path.write_bytes(forged(content, HOSTILE[name]))
    with pytest.raises(ValueError, match="density.skmaf"):
        skmaf.load(path)


@pytest.mark.parametrize("name", ["__main__.X", "cli.model.Model", "pyod.DensityDetector"])
def test_modules_without_classes_of_files_are_not_imported(name, monkeypatch):
    monkeypatch.setattr(classes, "import_module", lambda path: pytest.fail(f"imports {path}"))
    with pytest.raises(ValueError, match="knows no class"):
        classes.class_of(name)


def test_files_may_name_all_estimators():
    public = [getattr(skmaf, name) for name in skmaf.__all__]
    estimators = [kind for kind in public if isinstance(kind, type)]
    estimators = [kind for kind in estimators if issubclass(kind, BaseEstimator)]
    assert all(classes.class_of(classes.name_of(kind)) is kind for kind in estimators)
    assert MAFDensity in estimators


def test_parameters_that_came_later_have_their_defaults(content, path):
    def forget(described, arrays):
        for written in described["objects"]:
            if written["class"] == "density.MAFDensity":
                del written["state"]["checkpoint"]

    path.write_bytes(forged(content, forget))
    assert skmaf.load(path).checkpoint is None


def test_forging_as_such_works(content, path):
    path.write_bytes(forged(content, lambda described, arrays: None))
    assert skmaf.load(path).n_features_in_ == 2


def test_a_tree_that_leads_astray_is_refused():
    detector = DensityOutlierDetector(MultiscaleDensity(**SMALL)).fit(MESSY)
    described, written, _ = describe(detector.estimators_[0])
    places = [i for i, x in enumerate(written) if x.dtype == np.int64 and (x == -1).any()]
    for place in places:
        for wrong in (-5, 0, 10**6):
            arrays = list(written)
            arrays[place] = np.where(arrays[place] == -1, arrays[place], wrong)
            try:
                again, _ = restored(described, lambda i, arrays=arrays: arrays[i].copy())
            except ValueError:
                continue
            # no child, and so no harm
            again.sample(20, random_state=0)


@pytest.mark.parametrize("is_table", [True, False])
def test_a_tree_of_other_columns_is_refused(is_table):
    """No row is as wide as it says."""
    rows = np.random.RandomState(0).randn(99, 3)
    if is_table:
        rows[rows[:, 0] > 0, 2] = np.nan
        holder = MissingPatterns.learn(rows, np.ones(99))
    else:
        holder = Isolation.fit(rows, n_trees=1, seed=0)
    described, arrays, _ = describe(holder)
    text = re.sub(r'"n_features", \d+', '"n_features", 2000000001', json.dumps(described))
    place = int(re.search(r'"feature", {"array": (\d+)', text).group(1))
    arrays[place] = np.where(arrays[place] < 0, -2, 2_000_000_000)
    again, _ = restored(json.loads(text), lambda i: arrays[i].copy())
    ask = (lambda: again.draw(rows, np.random)) if is_table else (lambda: again.score_samples(rows))
    with pytest.raises(ValueError, match="a tree sorts rows of 2000000001 columns"):
        ask()


def test_neighbours_of_other_columns_are_refused():
    estimator = LocalOutlierFactor(3, algorithm="brute", novelty=True).fit(ARRAY)
    assert same(written_and_read(estimator).score_samples(ARRAY), estimator.score_samples(ARRAY))
    estimator.n_features_in_ = 30_000
    with pytest.raises(ValueError, match="neighbours have other columns"):
        written_and_read(estimator)


def test_mutated_descriptions_raise_one_kind_of_error(content, path):
    rng = np.random.RandomState(0)
    for _ in range(150):
        path.write_bytes(forged(content, lambda described, arrays: mutate(described, rng)))
        try:
            again = skmaf.load(path)
        except ValueError as error:
            assert "density.skmaf" in str(error)
            continue
        assert isinstance(again, BaseEstimator)


def mutate(described, rng):
    """Change one thing somewhere in a description."""
    places = []

    def visit(value):
        if isinstance(value, dict | list):
            keys = list(value) if isinstance(value, dict) else range(len(value))
            for key in keys:
                places.append((value, key))
                visit(value[key])

    visit(described)
    holder, key = places[rng.randint(len(places))]
    values = [None, -1, 10**12, 0.5, "x", [], {}, {"list": []}, {"object": 0}, {"array": 0}]
    holder[key] = values[rng.randint(len(values))]


# ---- memory: a file takes no more than twice its size, whoever wrote it


def peak_of_load(path):
    """Return the bytes that `load` takes at most beside what was there before."""
    tracemalloc.start()
    try:
        skmaf.load(path)
    except ValueError as error:
        assert str(path) in str(error)  # noqa: PT017 - or it is loaded
    finally:
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    return peak


def test_arrays_are_in_memory_once(path):
    density = MultiscaleDensity(**SMALL).fit(ARRAY)
    n_rows = 400_000
    kernel = density.density_.kernel
    kernel = replace(kernel, centres=np.zeros((n_rows, 3)), weights=np.ones(n_rows))
    density.density_ = replace(density.density_, kernel=kernel)
    skmaf.save(density, path)
    assert peak_of_load(path) < 1.2 * path.stat().st_size


def test_forests_are_in_memory_once(fitted, path):
    skmaf.save(fitted("detector"), path)
    assert peak_of_load(path) < 1.5 * path.stat().st_size


def test_words_are_many_but_not_too_many(path):
    """What can be saved can be loaded; a detector would not be told by its names."""
    words = [f"number {i}" for i in range(150_000)]
    with pytest.raises(ValueError, match=r"hold 2,\d+,\d+ bytes of text.*joblib.dump"):
        skmaf.save(MAFDensity(column_kinds={0: words}), path)
    assert not path.exists()
    skmaf.save(MAFDensity(column_kinds={0: words[:50_000]}), path)
    assert skmaf.load(path).column_kinds == {0: words[:50_000]}
    assert peak_of_load(path) < 2 * path.stat().st_size + 2**24


def of_text(root, objects=()):
    about = '"format":1,"kind":"estimator","version":"0.1.0"'
    return f'{{{about},"root":{root},"objects":[{",".join(objects)}]}}'


def times(n, text):
    return f'{{"list":[{",".join([text] * n)}]}}'


INDEX = '{"index":[{"array":0},{"dtype":"|i1"},null]}'
NO_INDEX = '{"index":[{"list":[]},{"dtype":"|O"},null]}'
TREE_OF_LEAVES = (
    '{"tree":{"dict":[["n_features",1],["max_depth",1],["nodes",{"dict":[["left_child",{"array":0}]'
    "]}]]}}"
)
STATE = (
    '{"random_state":{"dict":[["bit_generator","MT19937"],["has_gauss",0],["gauss",0.0],'
    '["state",{"dict":[["key",{"array":0}],["pos",1]]}]]}}'
)
MODULE = '{"class":"flows.layers.Flow","state":{},"parameters":{},"buffers":{},"parts":{}}'
LEVELS = f'{{"tuple":[{",".join("1" * 30_000)}]}}'
LEAVES = np.full(200_000, -1, dtype=np.int8)
ONE = np.zeros(1, dtype=np.int8)
# texts of files that ask for many times their size, and the array in them
GREEDY = {
    "lists": (times(2_000_000, "[]"), ONE),
    "nested lists": (times(2_000, "[" * 300 + "]" * 300), ONE),
    "objects": (times(400_000, '{"":0}'), ONE),
    "numbers": (times(1_500_000, "1.5"), ONE),
    "one wide string": (f'"{"a" * 9_000_000}\\ud83d\\ude00"', ONE),
    "one number": ("1" * 9_000_000, ONE),
    "array again and again": (times(500, '{"array":0}'), LEAVES),
    "tensor again and again": (times(500, '{"tensor":0}'), LEAVES),
    "array as cells": ('{"cells":[{"array":0},[200000]]}', LEAVES),
    "trees": (times(60, TREE_OF_LEAVES), LEAVES),
    "small trees": (times(20_000, TREE_OF_LEAVES), ONE),
    "frame": (f'{{"frame":[{times(60, INDEX)},{times(60, "1")},{INDEX}]}}', LEAVES),
    "frame of one cell": (f'{{"frame":[{times(60, "1")},{times(60, "1")},{INDEX}]}}', LEAVES),
    "small frames": (times(20_000, f'{{"frame":[{{"list":[]}},{NO_INDEX},{NO_INDEX}]}}'), ONE),
    "index": ('{"index":[{"array":0},{"dtype":"<f8"},null]}', np.zeros(9_000_000, np.int8)),
    "index of wide cells": ('{"index":[{"list":[1]},{"dtype":"<V99999999"},null]}', ONE),
    "indexes": (times(40_000, NO_INDEX), ONE),
    "tuples": (f'{{"multi_index":[{times(200_000, """{"tuple":[1,2]}""")},{times(2, "0")}]}}', ONE),
    "levels": (f'{{"multi_index":[{{"list":[{LEVELS}]}},{times(30_000, "0")}]}}', ONE),
    "sets": (f'{{"set":[{",".join(map(str, range(500_000)))}]}}', ONE),
    "random states": (times(20_000, STATE), np.zeros(624, np.uint32)),
    "modules": (times(1, "1"), ONE, [MODULE] * 30_000),
    "small arrays": (times(150_000, '{"array":0}'), ONE),
    "small tensors": (times(100_000, '{"tensor":0}'), ONE),
    "periods": (times(100_000, '{"period":[1,"D"]}'), ONE),
    "instants": (times(100_000, '{"timestamp":[0,"s","Asia/Tokyo"]}'), ONE),
    "intervals": (times(100_000, '{"interval":[0,1,"left"]}'), ONE),
}


@pytest.mark.parametrize("name", GREEDY)
def test_greedy_files_are_refused(name, path):
    root, array, *objects = GREEDY[name]
    path.write_bytes(sealed(of_text(root, *objects), {"0": array}))
    assert peak_of_load(path) < 2 * path.stat().st_size + 2**24


def test_headers_of_many_arrays_are_refused(path):
    path.write_bytes(sealed(of_text("1"), {str(i): ONE for i in range(60_000)}))
    assert peak_of_load(path) < 2 * path.stat().st_size + 2**24


@pytest.mark.parametrize(
    "entry",
    [
        {"dtype": "F64", "shape": [10**12], "data_offsets": [0, 8]},
        {"dtype": "F64", "shape": [10**9], "data_offsets": [0, 8 * 10**9]},
        {"dtype": "F64", "shape": [-1, -1], "data_offsets": [0, 8]},
        {"dtype": "F64", "shape": ["a" * 1000, 10**9], "data_offsets": [0, 8]},
        {"dtype": "F64", "shape": [1], "data_offsets": [-8, 0]},
        {"dtype": "F64", "shape": [0, 10**30], "data_offsets": [0, 0]},
        {"dtype": "O", "shape": [1], "data_offsets": [0, 8]},
        [],
    ],
    ids=range(8),
)
def test_claims_of_a_header(entry, path):
    text = of_text('{"array":0}')
    header = {"__metadata__": {"sha256": NO_HASH.decode(), "skmaf": text}, "0": entry}
    written = json.dumps(header, separators=(",", ":")).encode()
    made = struct.pack("<Q", len(written)) + written + bytes(8)
    digest = hashlib.sha256(made).hexdigest().encode()
    path.write_bytes(made.replace(NO_HASH, digest, 1))
    assert peak_of_load(path) < 2**20
    with pytest.raises(ValueError, match="density.skmaf"):
        skmaf.load(path)


# ---- writing


def test_a_file_that_was_there_stays_if_writing_fails(content, path, monkeypatch):
    path.write_bytes(content)

    def full(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        skmaf.save(MAFDensity(), path)
    assert path.read_bytes() == content
    assert list(path.parent.iterdir()) == [path]


def test_an_interrupt_leaves_no_half_file(path, monkeypatch):
    def stop(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", stop)
    with pytest.raises(KeyboardInterrupt):
        skmaf.save(MAFDensity(), path)
    assert list(path.parent.iterdir()) == []


def test_rights_of_files(path):
    mask = os.umask(0o027)
    try:
        skmaf.save(MAFDensity(), path)
    finally:
        os.umask(mask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    path.chmod(0o600)
    skmaf.save(MAFDensity(), path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_mask_of_rights_is_never_another(path, monkeypatch):
    """All threads of a process share it."""
    monkeypatch.setattr(os, "umask", lambda mask: pytest.fail("sets the mask"))
    skmaf.save(MAFDensity(), path)
    skmaf.save(MAFDensity(), path)


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
@pytest.mark.parametrize("is_there", [True, False])
def test_links_stay(is_there, path, tmp_path):
    (tmp_path / "models").mkdir()
    target = tmp_path / "models" / "target.skmaf"
    if is_there:
        target.write_bytes(b"")
    path.symlink_to("models/target.skmaf")
    skmaf.save(MAFDensity(n_layers=3), path)
    assert path.is_symlink()
    assert skmaf.load(target).n_layers == 3
    assert os.listdir(target.parent) == [target.name]


def test_folders_and_files_that_are_not_there(tmp_path):
    with pytest.raises(IsADirectoryError, match="is a folder"):
        skmaf.load(tmp_path)
    with pytest.raises(FileNotFoundError):
        skmaf.load(tmp_path / "none.skmaf")
    with pytest.raises(FileNotFoundError):
        skmaf.save(MAFDensity(), tmp_path / "none" / "density.skmaf")


def test_a_device_of_another_machine(path):
    density = MAFDensity(**SMALL).fit(ARRAY)
    scores = density.score_samples(ARRAY)
    density.density_.precisions.device = "cuda"
    density.set_params(device="cuda")
    skmaf.save(density, path)
    again = skmaf.load(path)
    if not torch.cuda.is_available():
        assert same(again.score_samples(ARRAY), scores)


def test_steps_of_another_version_of_scikit_learn(path, monkeypatch):
    skmaf.save(make_pipeline(StandardScaler(), KernelDensity()).fit(np.eye(3)), path)
    monkeypatch.setattr("sklearn.__version__", "1.0")
    with pytest.warns(UserWarning, match="holds steps of scikit-learn .* and this is 1.0"):
        skmaf.load(path)


@pytest.mark.filterwarnings("ignore:.* holds steps of scikit-learn")
@pytest.mark.parametrize("stored", sorted(STORED.glob("*/*.skmaf")), ids=lambda p: p.parent.name)
def test_files_of_earlier_versions(stored):
    known = json.loads(stored.with_suffix(".json").read_text())
    estimator = skmaf.load(stored)
    rows = pd.DataFrame(known["rows"])
    np.testing.assert_allclose(estimator.score_samples(rows), known["scores"], rtol=1e-5)
