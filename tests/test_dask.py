"""Dask: rows of arrays and dataframes lazily, workers that come and go, fits on a cluster."""

import os
import signal
import time

import joblib
import numpy as np
import pandas as pd
import pytest
from short_fits import shorten_detector
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KernelDensity

import skmaf._dask
from skmaf import (
    ConditionalMAFDensity,
    DensityOutlierDetector,
    MAFClassifier,
    MAFDensity,
    MultiscaleDensity,
    VariationalFlow,
)
from skmaf.persistence.state import PlainState

dask = pytest.importorskip("dask", reason="needs dask, of the extra 'dask'")
distributed = pytest.importorskip("distributed", reason="needs distributed, of the extra 'dask'")
da = pytest.importorskip("dask.array", reason="needs dask[array]")
dd = pytest.importorskip("dask.dataframe", reason="needs dask[dataframe]")

SMALL = {
    "n_layers": 1,
    "hidden_layer_sizes": (8,),
    "max_iter": 2,
    "early_stopping": False,
    "random_state": 0,
}
ROUNDING = {"rtol": 1e-9, "atol": 1e-9}  # products of other numbers of rows round otherwise


class RecordingDensity(MAFDensity):
    """A density that knows in which process it was fitted."""

    def fit(self, X, y=None, sample_weight=None, *, codec=None):
        super().fit(X, y, sample_weight, codec=codec)
        self.process_ = os.getpid()
        return self


class SlowDensity(MAFDensity):
    """A density whose scoring takes long enough to be interrupted."""

    def score_samples(self, X):
        if isinstance(X, np.ndarray):
            time.sleep(0.1)
        return super().score_samples(X)


def mean_score(density, X, y=None):
    return density.score(X)


def process_of(density, X, y=None):
    return density.process_


@pytest.fixture(autouse=True)
def in_this_thread():
    """Compute here, where no test asks for a cluster: warnings are errors, then."""
    with dask.config.set(scheduler="synchronous"):
        yield


@pytest.fixture(scope="module")
def X():
    X = np.random.default_rng(0).standard_normal((120, 3))
    X[:, 1] += X[:, 0]
    return X


@pytest.fixture(scope="module")
def messy(X):
    """A table whose cells are of several kinds, some of them missing."""
    frame = pd.DataFrame(X.copy(), columns=["a", "b", "c"], index=np.arange(120) * 10)
    frame["kind"] = np.where(X[:, 0] > 0, "up", "down")
    frame["level"] = pd.Categorical(np.where(X[:, 2] > 0, "high", "low"))
    frame["count"] = np.arange(120) % 5
    frame.loc[::40, "b"] = np.nan
    frame.loc[10::50, "kind"] = None
    return frame


@pytest.fixture(scope="module")
def density(X):
    return MAFDensity(**SMALL).fit(X)


@pytest.fixture(scope="module")
def messy_density(messy):
    return MAFDensity(**SMALL).fit(messy)


@pytest.fixture(scope="module")
def detector(messy):
    small = MultiscaleDensity(max_iter=2, hidden_layer_sizes=(8,), random_state=0)
    return DensityOutlierDetector(small, n_folds=2, random_state=0).fit(messy)


@pytest.fixture(scope="module")
def classifier(X):
    return MAFClassifier(**SMALL).fit(X, np.where(X[:, 0] > 0, "up", "down"))


@pytest.fixture(scope="module")
def regressor(X):
    return ConditionalMAFDensity(**SMALL).fit(X[:, :2], X[:, 2])


def in_chunks(X):
    """Rows in chunks of unequal sizes, one of them empty, and columns in two."""
    return da.concatenate([da.from_array(part, chunks=(50, 2)) for part in (X[:70], X[:0], X[70:])])


def check_array(lazy, expected, chunks):
    assert isinstance(lazy, da.Array)
    assert lazy.chunks[0] == chunks
    assert lazy.shape == expected.shape and lazy.dtype == expected.dtype
    computed = lazy.compute()
    assert computed.dtype == expected.dtype
    if expected.dtype.kind == "f":
        np.testing.assert_allclose(computed, expected, **ROUNDING)
    else:
        np.testing.assert_array_equal(computed, expected)


def check_frame(lazy, expected, partitioned):
    """The numbers of the answer, and the index and divisions of the question."""
    assert lazy.divisions == partitioned.divisions
    expected = np.asarray(expected)
    computed = lazy.compute()
    assert computed.index.equals(partitioned.compute().index)
    meta = lazy.partitions[0].compute()[:0]
    if computed.ndim == 1:
        assert computed.dtype == lazy.dtype == meta.dtype and computed.name == lazy.name
    else:
        assert list(computed.columns) == list(lazy.columns)
        assert list(computed.dtypes) == list(lazy.dtypes)
    values = computed.to_numpy()
    if expected.dtype.kind == "f":
        np.testing.assert_allclose(values.astype(float), expected, **ROUNDING)
    else:
        assert values.tolist() == expected.tolist()


# arrays


def test_methods_of_densities_answer_arrays_lazily(X, density):
    rows = in_chunks(X)
    for method in ("score_samples", "transform"):
        check_array(getattr(density, method)(rows), getattr(density, method)(X), rows.chunks[0])
    score = density.score(rows)
    assert isinstance(score, float) and score == pytest.approx(density.score(X))
    weights = np.arange(len(X))
    assert density.score(rows, sample_weight=weights) == pytest.approx(
        density.score(X, sample_weight=weights)
    )


def test_methods_of_classifiers_answer_arrays_lazily(X, classifier):
    rows = in_chunks(X)
    for method in ("predict", "predict_proba", "predict_log_proba", "score_samples"):
        expected = getattr(classifier, method)(X)
        check_array(getattr(classifier, method)(rows), expected, rows.chunks[0])


@pytest.mark.parametrize("n_targets", [1, 2])
def test_methods_of_conditional_densities_answer_arrays_lazily(X, n_targets):
    y = X[:, 2] if n_targets == 1 else X[:, 1:]
    regressor = ConditionalMAFDensity(**SMALL).fit(X[:, :1], y)
    x = X[:30, :1]
    y = y[:30]
    rows = da.from_array(x, chunks=(12, 1))
    chunks = rows.chunks[0]
    for method, arguments in [
        ("predict", ()),
        ("predict_quantiles", (0.5,)),
        ("predict_quantiles", ([0.1, 0.5, 0.9],)),
        ("predict_interval", (0.5,)),
        ("score_samples", ()),
    ]:
        answer = getattr(regressor, method)
        check_array(answer(rows, *arguments), answer(x, *arguments), chunks)
    expected = regressor.score_samples(x, y)
    targets = da.from_array(y, chunks=(20, *y.shape[1:]))
    check_array(regressor.score_samples(rows, targets), expected, chunks)
    check_array(regressor.score_samples(rows, y=targets), expected, chunks)
    assert regressor.score(rows, targets) == pytest.approx(expected.mean())
    drawn = regressor.sample(rows, 4, random_state=0)
    assert drawn.compute().shape == drawn.shape == regressor.sample(x, 4).shape


def test_a_variational_flow_answers_arrays_lazily(X):
    def log_density(x):
        return -(x**2).sum(1) / 2

    flow = VariationalFlow(log_density, 3, max_iter=2, random_state=0).fit()
    rows = in_chunks(X)
    check_array(flow.score_samples(rows), flow.score_samples(X), rows.chunks[0])


def test_float32_stays_float32(X):
    rows = X.astype(np.float32)
    density = MAFDensity(**SMALL).fit(rows)
    lazy = da.from_array(rows, chunks=(50, 3))
    scores = density.score_samples(lazy)
    assert scores.dtype == np.float64
    np.testing.assert_allclose(scores.compute(), density.score_samples(rows), rtol=1e-5, atol=1e-5)
    for answer in (density.transform(lazy), density.impute(lazy), density.sample_dask(9)):
        assert answer.dtype == answer.compute().dtype == np.float32


def test_arrays_of_unknown_chunk_sizes(X, density):
    rows = dd.from_pandas(pd.DataFrame(X), npartitions=3).to_dask_array()
    scores = density.score_samples(rows)
    assert np.isnan(scores.shape[0]) and scores.numblocks == (3,)
    np.testing.assert_allclose(scores.compute(), density.score_samples(X), **ROUNDING)
    regressor = ConditionalMAFDensity(**SMALL).fit(X[:, :2], X[:, 2])
    scores = regressor.score_samples(rows[:, :2], rows[:, 2])
    np.testing.assert_allclose(
        scores.compute(), regressor.score_samples(X[:, :2], X[:, 2]), **ROUNDING
    )


# dataframes


def test_methods_of_densities_answer_dataframes_lazily(messy, messy_density):
    rows = dd.from_pandas(messy, npartitions=4)
    check_frame(
        messy_density.score_samples(rows),
        messy_density.score_samples(messy),
        rows,
    )
    base = messy_density.transform(rows)
    assert list(base.columns) == list(messy_density.get_feature_names_out())
    check_frame(base, messy_density.transform(messy), rows)


def test_methods_of_detectors_answer_dataframes_lazily(messy, detector):
    rows = dd.from_pandas(messy, npartitions=4)
    for method in ("score_samples", "decision_function", "predict", "p_values"):
        lazy = getattr(detector, method)(rows)
        assert isinstance(lazy, dd.Series) and lazy.name == method
        check_frame(lazy, getattr(detector, method)(messy), rows)
    assert np.array_equal(detector.select(rows, fdr=0.5), detector.select(messy, fdr=0.5))
    labels = np.where(np.arange(len(messy)) % 9, 1, -1)
    offset = detector.offset_
    moved = detector.set_threshold(labelled=(rows, labels)).offset_
    assert moved == pytest.approx(detector.set_threshold(labelled=(messy, labels)).offset_)
    detector.set_threshold(score=offset)


def test_detectors_explain_dataframes_lazily(messy, detector):
    odd = messy.dropna()[:12].assign(a=9.0)
    rows = dd.from_pandas(odd, npartitions=2)
    gains = detector.explain(rows)
    check_frame(gains, detector.explain(odd), rows)
    assert gains.compute().to_numpy().any()
    values = detector.expected_values(rows)
    assert list(values.columns) == list(odd.columns)
    check_frame(values, detector.expected_values(odd), rows)


def test_any_estimator_in_a_detector(X):
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    detector = DensityOutlierDetector(KernelDensity(), n_folds=2, random_state=0).fit(frame)
    rows = dd.from_pandas(frame, npartitions=3)
    check_frame(detector.p_values(rows), detector.p_values(frame), rows)
    odd = frame[:4] + 9
    rows = dd.from_pandas(odd, npartitions=2)
    check_frame(detector.expected_values(rows), detector.expected_values(odd), rows)


def test_columns_of_probabilities_are_classes(X, classifier):
    frame = dd.from_pandas(pd.DataFrame(X), npartitions=3)
    proba = classifier.predict_proba(frame)
    assert list(proba.columns) == ["down", "up"]
    check_frame(proba, classifier.predict_proba(X), frame)
    check_frame(classifier.predict(frame), classifier.predict(X), frame)


def test_targets_in_dataframes(X):
    frame = dd.from_pandas(pd.DataFrame(X, columns=["a", "b", "c"]), npartitions=3)
    regressor = ConditionalMAFDensity(**SMALL).fit(frame[["a", "b"]].compute(), X[:, 2])
    expected = regressor.score_samples(frame[["a", "b"]].compute(), X[:, 2])
    check_frame(regressor.score_samples(frame[["a", "b"]], frame["c"]), expected, frame)
    check_frame(
        regressor.predict(frame[["a", "b"]]), regressor.predict(frame[["a", "b"]].compute()), frame
    )


def test_intervals_and_quantiles_of_dataframes_have_names(X):
    frame = pd.DataFrame(X[:, :1], columns=["a"])[:30]
    rows = dd.from_pandas(frame, npartitions=3)
    for targets in (X[:, 1], X[:, 1:]):
        regressor = ConditionalMAFDensity(**SMALL).fit(frame, targets[:30])
        intervals = regressor.predict_interval(rows, 0.5)
        assert intervals.columns.equals(regressor.predict_interval(frame, 0.5).columns)
        check_frame(intervals, regressor.predict_interval(frame, 0.5), rows)
        for q in (0.5, [0.9, 0.1]):
            quantiles = regressor.predict_quantiles(frame, q)
            check_frame(regressor.predict_quantiles(rows, q), quantiles, rows)


def test_draws_of_several_targets_are_arrays(X):
    frame = pd.DataFrame(X[:, :1], columns=["a"])[:30]
    regressor = ConditionalMAFDensity(**SMALL).fit(frame, X[:30, 1:])
    drawn = regressor.sample(dd.from_pandas(frame, npartitions=3), 2, random_state=0)
    assert isinstance(drawn, da.Array)
    assert drawn.compute().shape == (30, 2, X.shape[1] - 1)


def test_integers_whose_expected_values_are_not_whole(X):
    """In all partitions alike, whether a value is changed there or not."""
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    detector = DensityOutlierDetector(KernelDensity(), n_folds=2, random_state=0).fit(frame)
    whole = pd.DataFrame(np.repeat([[9], [0]], 4, axis=0) * [1, 1, 1], columns=list("abc"))
    rows = dd.from_pandas(whole, npartitions=2)
    assert set(detector.expected_values(rows).dtypes) == {np.dtype("float64")}
    check_frame(detector.expected_values(rows), detector.expected_values(whole), rows)


def test_scores_go_beside_the_rows_in_their_order(messy, messy_density):
    """Where divisions are not known, too, as of Parquet files: nothing is aligned or shuffled."""
    rows = dd.from_pandas(messy, npartitions=4).clear_divisions()
    scored = rows.assign(score=messy_density.score_samples(rows)).compute()
    assert scored.index.equals(messy.index)
    np.testing.assert_allclose(scored["score"], messy_density.score_samples(messy), **ROUNDING)


def test_partitions_without_rows(messy, messy_density):
    rows = dd.from_pandas(messy, npartitions=4)
    few = rows[rows["a"] > messy["a"].max() - 1e-9]
    assert sorted(few.map_partitions(len).compute())[:3] == [0, 0, 0]
    assert len(messy_density.score_samples(few).compute()) == 1
    assert len(messy_density.impute(few).compute()) == 1
    none = rows[rows["a"] > 99]
    assert messy_density.score_samples(none).compute().dtype == np.float64


@pytest.mark.parametrize("container", ["pandas", "polars"])
def test_partitions_are_of_pandas_whatever_the_output(X, container):
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    density = MAFDensity(**SMALL).fit(frame)
    expected = density.transform(frame)
    if container == "polars":
        pytest.importorskip("polars", reason="needs polars, of the extra 'test'")
    density.set_output(transform=container)
    rows = dd.from_pandas(frame, npartitions=3)
    check_frame(density.transform(rows), expected, rows)
    check_frame(density.impute(rows), X, rows)
    assert isinstance(density.sample_dask(9).compute(), pd.DataFrame)
    density = MAFDensity(**SMALL).fit(X).set_output(transform=container)
    check_array(density.transform(in_chunks(X)), expected, in_chunks(X).chunks[0])


# draws


def test_impute_fills_the_cells_of_partitions(messy, messy_density):
    rows = dd.from_pandas(messy, npartitions=4)
    filled = messy_density.impute(rows, random_state=0)
    assert filled.divisions == rows.divisions
    computed = filled.compute()
    assert computed.index.equals(messy.index)
    assert list(computed.dtypes) == list(filled.dtypes) == list(rows.dtypes)
    assert not computed.isna().any(axis=None)
    present = messy.notna()
    for name in messy:
        kept = computed.loc[present[name], name].tolist()
        assert kept == messy.loc[present[name], name].tolist()
    whole = messy_density.impute(dd.from_pandas(messy, npartitions=1), random_state=0).compute()
    seed = int(skmaf._dask.part_seeds(0, 1)[0])
    assert whole["b"].tolist() == messy_density.impute(messy, random_state=seed)["b"].tolist()


def test_a_partition_has_the_draws_of_its_position(messy, messy_density):
    """Whichever others are computed with it, and however often."""
    rows = dd.from_pandas(messy, npartitions=4)
    filled = messy_density.impute(rows, random_state=0)
    third = filled.partitions[[2]].compute()
    pd.testing.assert_frame_equal(third, filled.compute().loc[third.index])
    other = messy_density.impute(rows, random_state=1)
    assert other.compute()["b"].tolist() != filled.compute()["b"].tolist()
    afresh = messy_density.impute(rows)
    pd.testing.assert_frame_equal(afresh.compute(), afresh.compute())


def test_impute_arrays(X):
    rows = X.copy()
    rows[::7, 0] = np.nan
    density = MAFDensity(**SMALL).fit(rows)
    lazy = da.from_array(rows, chunks=(50, 3))
    filled = density.impute(lazy, random_state=0)
    assert filled.chunks == lazy.chunks and filled.dtype == np.float64
    computed = filled.compute()
    assert np.isfinite(computed).all()
    assert np.array_equal(computed[~np.isnan(rows)], rows[~np.isnan(rows)])


def test_seeds_of_parts_are_distinct():
    seeds = np.concatenate([skmaf._dask.part_seeds(seed, 10_000) for seed in range(5)])
    assert len(np.unique(seeds)) == 50_000
    assert seeds.min() >= 0 and seeds.max() < 2**32


def test_sample_dask_gives_arrays(density):
    drawn = density.sample_dask(250, random_state=0, chunk_size=100)
    assert drawn.chunks == ((100, 100, 50), (3,)) and drawn.dtype == np.float64
    rows = drawn.compute()
    assert len(np.unique(rows, axis=0)) == 250
    seeds = skmaf._dask.part_seeds(0, 3)
    parts = [density.sample(n, random_state=int(s)) for n, s in zip((100, 100, 50), seeds)]
    assert np.array_equal(rows, np.concatenate(parts))
    assert np.array_equal(drawn[100:].compute(), rows[100:])


def test_sample_dask_gives_dataframes(messy, messy_density):
    drawn = messy_density.sample_dask(250, random_state=0, chunk_size=100, complete=True)
    assert drawn.divisions == (0, 100, 200, 249)
    rows = drawn.compute()
    assert rows.index.tolist() == list(range(250))
    assert list(rows.dtypes) == list(drawn.dtypes) == list(messy.dtypes)
    assert not rows.isna().any(axis=None)
    pd.testing.assert_frame_equal(drawn.partitions[1].compute(), rows[100:200])
    for name in ("n_samples", "chunk_size"):
        with pytest.raises(ValueError, match=name):
            messy_density.sample_dask(**{"n_samples": 5, name: 0})


# what is refused, and when


def test_answers_do_not_change_with_the_estimator(X):
    density = MAFDensity(**SMALL).fit(X)
    lazy = density.score_samples(da.from_array(X))
    before = density.score_samples(X)
    density.fit(X * 10)
    np.testing.assert_allclose(lazy.compute(), before, **ROUNDING)


def test_the_same_question_has_the_same_key(X, density):
    rows = da.from_array(X)
    assert density.score_samples(rows).name == density.score_samples(rows).name


def test_wrong_rows_are_refused_at_once(X, messy, density, messy_density):
    rows = dd.from_pandas(messy, npartitions=2)
    for wrong, message in [
        (rows[["a", "b"]], "feature names"),
        (rows["a"], "Series"),
        (rows.rename(columns={"a": "q"}), "feature names"),
    ]:
        with pytest.raises(ValueError, match=message):
            messy_density.score_samples(wrong)
    for wrong, message in [
        (da.zeros((9, 2)), "2 features"),
        (da.zeros(9), "2D array"),
        (dask.delayed(X), "no table"),
    ]:
        with pytest.raises(ValueError, match=message):
            density.score_samples(wrong)
    with pytest.raises(NotFittedError):
        MAFDensity().score_samples(da.zeros((9, 2)))
    with pytest.raises(ValueError, match="one draw at a time"):
        messy_density.impute(rows, n_draws=2)


def test_wrong_levels_are_refused_at_once(X, regressor):
    rows = da.from_array(X[:, :2], chunks=(50, 2))
    with pytest.raises(ValueError, match="q must be one or more levels between 0 and 1"):
        regressor.predict_quantiles(rows, 1.5)
    with pytest.raises(ValueError, match="coverage must be between 0 and 1"):
        regressor.predict_interval(rows, 1.5)
    with pytest.raises(ValueError, match="coverage=0.999 cannot be told"):
        regressor.predict_interval(rows, coverage=0.999)
    with pytest.raises(ValueError, match="n_samples must be a positive integer"):
        regressor.sample(rows, 0)


def test_fit_says_how_to_get_rows_into_memory(X, messy):
    array = da.from_array(X)
    frame = dd.from_pandas(messy, npartitions=2)
    with pytest.raises(ValueError, match=r"X is a Dask Array.*X\.compute\(\)"):
        MAFDensity().fit(array)
    with pytest.raises(ValueError, match=r"X is a Dask DataFrame.*X\.compute\(\)"):
        DensityOutlierDetector().fit(frame)
    with pytest.raises(ValueError, match=r"y is a Dask Array.*y\.compute\(\)"):
        MAFClassifier().fit(X, array[:, 0])


def test_targets_come_in_the_parts_of_the_rows(X, regressor):
    rows = da.from_array(X[:, :2], chunks=(50, 2))
    with pytest.raises(ValueError, match="y is a ndarray"):
        regressor.score_samples(rows, X[:, 2])
    with pytest.raises(ValueError, match="y is a Dask Array"):
        regressor.score_samples(X[:, :2], rows[:, 0])
    frame = dd.from_pandas(pd.DataFrame(X), npartitions=3)
    with pytest.raises(ValueError, match="X has 3 partitions, and y has 2"):
        regressor.score_samples(frame[[0, 1]], frame[2].repartition(npartitions=2))
    with pytest.raises(ValueError, match=f"X has {len(X)} rows, and y has {len(X) - 1}"):
        regressor.score_samples(rows, rows[:-1, 0])


def test_targets_of_unknown_chunk_sizes(X, regressor):
    rows = da.from_array(X[:, :2], chunks=(50, 1))
    targets = da.from_array(X[:, 2], chunks=50)
    expected = regressor.score_samples(X[:, :2], X[:, 2])
    some = rows[:, 0] < np.inf
    for x, y in [(rows[some], targets[some]), (rows, targets[some]), (rows[some], targets)]:
        np.testing.assert_allclose(regressor.score_samples(x, y).compute(), expected, **ROUNDING)
    halves = targets.rechunk(25)
    with pytest.raises(ValueError, match="X has 3 chunks of rows, and y has 5"):
        regressor.score_samples(rows[some], halves[halves < np.inf])


def test_threads_share_one_estimator(X, density, messy, detector):
    rows = da.from_array(np.tile(X, (5, 1)), chunks=(50, 3))
    frame = dd.from_pandas(messy, npartitions=6)
    with dask.config.set(scheduler="threads", num_workers=4):
        scores = density.score_samples(rows).compute()
        p_values = detector.p_values(frame).compute()
    np.testing.assert_allclose(scores, np.tile(density.score_samples(X), 5), **ROUNDING)
    np.testing.assert_allclose(p_values, detector.p_values(messy), **ROUNDING)


# a cluster


@pytest.fixture(scope="module")
def client():
    """A scheduler and two worker processes."""
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


@pytest.fixture
def on_cluster(client):
    with dask.config.set(scheduler="distributed"):
        yield client


def count_states():
    """Count in this process how often an estimator is unpickled, and how often it is pickled."""
    counts = {"read": 0, "written": 0}

    def counted(name, function):
        def call(*args):
            counts[name] += 1
            return function(*args)

        return call

    PlainState.__setstate__ = counted("read", PlainState.__setstate__)
    PlainState.__getstate__ = counted("written", PlainState.__getstate__)
    PlainState.counts = counts


def counts():
    return PlainState.counts


def test_the_estimator_is_sent_once_to_a_worker(on_cluster, X, density, monkeypatch):
    for name in ("__setstate__", "__getstate__"):
        monkeypatch.setattr(PlainState, name, getattr(PlainState, name))
    monkeypatch.setattr(PlainState, "counts", None, raising=False)
    count_states()
    on_cluster.run(count_states)
    rows = da.from_array(np.tile(X, (20, 1)), chunks=(60, 3))
    scores = density.score_samples(rows)
    assert scores.numblocks == (40,)
    computed = scores.compute()
    assert counts() == {"read": 0, "written": 1}
    of_workers = list(on_cluster.run(counts).values())
    assert all(of_worker["read"] <= 1 for of_worker in of_workers)
    assert sum(of_worker["written"] for of_worker in of_workers) <= 1
    np.testing.assert_allclose(computed, np.tile(density.score_samples(X), 20), **ROUNDING)


def test_draws_are_the_same_on_a_cluster(on_cluster, messy, messy_density):
    rows = dd.from_pandas(messy, npartitions=6)
    lazy = [
        messy_density.impute(rows, random_state=0),
        messy_density.sample_dask(200, random_state=0, chunk_size=50),
    ]
    for collection in lazy:
        there = collection.compute()
        here = collection.compute(scheduler="synchronous")
        pd.testing.assert_frame_equal(there, here)


def test_a_worker_killed_in_the_middle_changes_no_result(on_cluster, X):
    density = SlowDensity(**SMALL).fit(X)
    rows = da.from_array(np.tile(X, (4, 1)), chunks=(20, 3))
    scores = density.score_samples(rows)
    expected = scores.compute(scheduler="synchronous")
    running = on_cluster.persist(scores)
    futures = distributed.futures_of(running)
    distributed.wait(futures, return_when="FIRST_COMPLETED")
    done = next(future for future in futures if future.done())
    address = on_cluster.who_has([done])[done.key][0]
    pid = on_cluster.run(os.getpid, workers=[address])[address]
    os.kill(pid, signal.SIGKILL)
    assert not all(future.done() for future in futures)
    assert np.array_equal(running.compute(), expected)
    on_cluster.wait_for_workers(2, timeout=300)


# fits on a cluster


def test_grid_search_on_a_cluster(on_cluster, X):
    def results():
        scoring = {"score": mean_score, "process": process_of}
        search = GridSearchCV(
            RecordingDensity(**SMALL), {"n_layers": [1, 2]}, scoring=scoring, cv=2, refit=False
        )
        return search.fit(X).cv_results_

    here = results()
    with joblib.parallel_config(backend="dask"):
        there = results()
    assert os.getpid() in here["split0_test_process"]
    assert os.getpid() not in there["split0_test_process"]
    np.testing.assert_allclose(there["mean_test_score"], here["mean_test_score"], **ROUNDING)


def test_folds_of_a_detector_on_a_cluster(on_cluster, X):
    def fitted():
        estimator = RecordingDensity(**SMALL)
        return DensityOutlierDetector(estimator, n_folds=2, n_jobs=2, random_state=0).fit(X)

    here = fitted()
    with joblib.parallel_config(backend="dask"):
        there = fitted()
        scores = there.score_samples(X)
    assert os.getpid() not in [density.process_ for density in there.estimators_]
    np.testing.assert_allclose(scores, here.score_samples(X), **ROUNDING)
    assert there.offset_ == pytest.approx(here.offset_)


def test_default_folds_of_a_detector_on_a_cluster(on_cluster, X, monkeypatch):
    """Their networks were left untrained where they were trained in other processes."""
    shorten_detector(monkeypatch, 5)

    def fitted():
        return DensityOutlierDetector(n_folds=3, n_jobs=2, random_state=0).fit(X)

    here = fitted()
    with joblib.parallel_config(backend="dask"):
        there = fitted()
    np.testing.assert_allclose(there.score_samples(X), here.score_samples(X), **ROUNDING)
