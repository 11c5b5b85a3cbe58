"""Answers about data frames carry their names; arrays get arrays."""

import numpy as np
import pandas as pd
import pytest
from short_fits import shorten_detector
from sklearn.compose import make_column_transformer
from sklearn.neighbors import KernelDensity
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from skmaf import ConditionalMAFDensity, DensityOutlierDetector, MAFDensity

SMALL = {
    "n_layers": 1,
    "hidden_layer_sizes": (8,),
    "max_iter": 3,
    "early_stopping": False,
    "random_state": 0,
}
N = 120


@pytest.fixture(scope="module")
def frame():
    """A table of many dtypes, its first two columns nearly the same."""
    rng = np.random.default_rng(0)
    first = rng.normal(size=N)
    cells = {
        "first": first,
        "second": first + 0.1 * rng.normal(size=N),
        "whole": rng.integers(0, 50, N),
        "kind": pd.Categorical(rng.choice(list("xyz"), N)),
        "text": rng.choice(["u", "v"], N),
        "day": pd.date_range("2024-01-01", periods=N).as_unit("s"),
        "flag": rng.random(N) < 0.5,
        "count": pd.array(rng.integers(0, 9, N), "Int64"),
        "single": rng.normal(size=N).astype(np.float32),
    }
    index = pd.Index([f"row {i}" for i in range(N)], name="name")
    return pd.DataFrame(cells, index=index).rename_axis(columns="cells")


@pytest.fixture(scope="module")
def odd(frame):
    return frame[:4].assign(second=9.0)


@pytest.fixture(scope="module")
def detector(frame):
    with pytest.MonkeyPatch.context() as patch:
        shorten_detector(patch, 20)
        return DensityOutlierDetector(n_folds=2, random_state=0).fit(frame)


# reasons


def test_gains_have_the_names_of_the_rows(detector, odd):
    gains = detector.explain(odd)
    pd.testing.assert_index_equal(gains.columns, odd.columns)
    pd.testing.assert_index_equal(gains.index, odd.index)
    np.testing.assert_array_equal(gains, detector.counterfactuals(odd)[0])
    assert (gains["second"] > 0).any()


def test_expected_values_have_the_names_and_the_dtypes_of_the_rows(detector, odd):
    expected = detector.expected_values(odd)
    gains = detector.explain(odd)
    pd.testing.assert_series_equal(expected.dtypes, odd.dtypes)
    pd.testing.assert_frame_equal(expected.where(gains > 0), expected.where(expected != odd))
    assert not expected.equals(odd)
    assert isinstance(detector.counterfactuals(odd)[1], np.ndarray)


def test_categories_that_fit_did_not_see(detector, frame):
    """They stay where nothing else is expected, in a dtype that lacks others that `fit` saw."""
    rows = frame[:3].assign(kind=pd.Categorical(["new", "x", "new"]))
    with pytest.warns(UserWarning, match="'new'"):
        gains = detector.explain(rows)["kind"].to_numpy()
        expected = detector.expected_values(rows)["kind"]
    assert expected.dtype.categories.tolist()[:2] == ["new", "x"]
    assert (expected == rows["kind"].astype(object)).tolist() == (gains == 0).tolist()


@pytest.mark.parametrize("to", ["polars", "pyarrow"])
def test_frames_of_other_libraries_get_their_like(detector, odd, to):
    polars = pytest.importorskip("polars")
    rows = polars.from_pandas(odd)
    rows = rows if to == "polars" else rows.to_arrow()
    gains = detector.explain(rows)
    expected = detector.expected_values(rows)
    assert type(gains) is type(expected) is type(rows)
    assert expected.schema == rows.schema
    assert list(polars.DataFrame(gains).columns) == list(odd.columns)
    np.testing.assert_array_equal(polars.DataFrame(gains), detector.counterfactuals(rows)[0])
    # beside an integer a value that training rows hold stays one
    assert polars.DataFrame(expected)["whole"].to_list() == odd["whole"].tolist()


def test_arrays_get_arrays():
    X = np.random.default_rng(0).normal(size=(60, 2))
    detector = DensityOutlierDetector(KernelDensity(), n_folds=2, random_state=0).fit(X)
    for rows in (X[:2], X[:2].tolist()):
        for answer in (detector.explain(rows), detector.expected_values(rows)):
            assert type(answer) is np.ndarray and answer.shape == (2, 2)


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_a_pipeline_in_the_detector(frame, library):
    """Which reads the rows itself, without a codec that knows their dtypes."""
    X = frame[["first", "second", "whole", "text"]]
    rows = X[:3].assign(second=9.0)
    if library == "polars":
        polars = pytest.importorskip("polars")
        X = polars.from_pandas(X)
        rows = polars.from_pandas(rows)
    encode = make_column_transformer(
        (OneHotEncoder(sparse_output=False), ["text"]), remainder="passthrough"
    )
    estimator = make_pipeline(encode, KernelDensity())
    detector = DensityOutlierDetector(estimator, n_folds=2, random_state=0).fit(X)
    expected = detector.expected_values(rows)
    assert type(expected) is type(rows)
    assert list(expected.columns) == list(rows.columns)
    assert list(expected.dtypes) == list(rows.dtypes)
    assert max(expected["second"]) < 9


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_integers_become_floats_where_rows_in_fit_were_not_whole(library):
    rng = np.random.default_rng(0)
    first = rng.normal(0, 5, 100)
    X = pd.DataFrame({"a": first, "b": first + 0.1 * rng.normal(size=100)})
    detector = DensityOutlierDetector(KernelDensity(bandwidth=0.3), n_folds=2, random_state=0)
    detector.fit(X)
    for cells in ({"a": [5, 1], "b": [-5, 1]}, {"a": [1], "b": [1]}):
        rows = pd.DataFrame(cells)
        if library == "polars":
            rows = pytest.importorskip("polars").DataFrame(cells)
        expected = detector.expected_values(rows)
        dtypes = pd.DataFrame({name: expected[name].to_numpy() for name in cells}).dtypes
        assert (dtypes == np.float64).all()
        # where nothing is changed, too
        assert expected["a"].to_list()[-1] == 1


def test_rare_categories_keep_their_names():
    """They count as one to the density, and each is still itself."""
    words = [f"word {i}" for i in range(1200)] + ["often"] * 400 + ["also"] * 400
    X = pd.DataFrame({"word": words, "x": np.random.default_rng(0).normal(size=len(words))})
    detector = DensityOutlierDetector(n_folds=2, random_state=0)
    with pytest.MonkeyPatch.context() as patch, pytest.warns(UserWarning, match="count as one"):
        shorten_detector(patch, 1)
        detector.fit(X)
    rows = X[3:6]
    gains, values = detector.counterfactuals(rows)
    assert not gains.any()
    assert values[:, 0].tolist() == rows["word"].tolist()
    assert detector.expected_values(rows).equals(rows)


# intervals and quantiles


@pytest.fixture(scope="module")
def regressors(frame):
    X = frame[["first", "whole"]]
    Y = frame[["second", "single"]]
    targets = {"one": Y["second"], "two": Y, "array": Y.to_numpy()}
    return {name: ConditionalMAFDensity(**SMALL).fit(X, y) for name, y in targets.items()}


PAIRS = {"two": ["second", "single"], "array": ["y0", "y1"]}


@pytest.mark.parametrize("name", ["one", "two", "array"])
def test_intervals_have_names(regressors, frame, name):
    regressor = regressors[name]
    rows = frame[["first", "whole"]][:3]
    interval = regressor.predict_interval(rows, 0.8)
    pd.testing.assert_index_equal(interval.index, rows.index)
    if name == "one":
        assert interval.columns.tolist() == ["lower", "upper"]
        assert (interval["lower"] < interval["upper"]).all()
    else:
        pairs = pd.MultiIndex.from_product([PAIRS[name], ["lower", "upper"]])
        assert interval.columns.names == ["target", "bound"]
        assert interval.columns.tolist() == pairs.tolist()
    with pytest.warns(UserWarning, match="valid feature names"):
        plain = regressor.predict_interval(rows.to_numpy(), 0.8)
    np.testing.assert_array_equal(interval.to_numpy().reshape(plain.shape), plain)


@pytest.mark.parametrize("name", ["one", "two"])
def test_quantiles_have_names(regressors, frame, name):
    """Their levels in the order in which they were asked for."""
    regressor = regressors[name]
    rows = frame[["first", "whole"]][:3]
    several = regressor.predict_quantiles(rows, [0.9, 0.1])
    median = regressor.predict_quantiles(rows, 0.5)
    if name == "one":
        assert several.columns.tolist() == [0.9, 0.1]
        assert type(median) is np.ndarray and median.shape == (3,)
        assert (several[0.9] > several[0.1]).all()
    else:
        assert several.columns.tolist() == [
            (target, level) for target in PAIRS[name] for level in (0.9, 0.1)
        ]
        assert median.columns.tolist() == PAIRS[name]
        assert (several["single", 0.9] > several["single", 0.1]).all()
    assert type(regressor.predict(rows)) is np.ndarray
    assert type(regressor.sample(rows, 2, random_state=0)) is np.ndarray


def test_frames_without_levels_have_flat_names(regressors, frame):
    polars = pytest.importorskip("polars")
    rows = polars.from_pandas(frame[["first", "whole"]][:3])
    assert regressors["one"].predict_interval(rows).columns == ["lower", "upper"]
    interval = regressors["two"].predict_interval(rows)
    assert interval.columns == ["second_lower", "second_upper", "single_lower", "single_upper"]
    assert regressors["array"].predict_quantiles(rows, [0.1]).columns == ["y0_0.1", "y1_0.1"]


# several draws


@pytest.fixture(scope="module")
def holes(frame):
    return frame[["first", "second"]].mask(np.arange(2 * N).reshape(N, 2) % 3 == 0)


@pytest.fixture(scope="module")
def density(holes):
    return MAFDensity(**SMALL).fit(holes)


def test_draws_are_a_level_of_the_index(density, holes):
    drawn = density.impute(holes, n_draws=3, random_state=0)
    assert drawn.index.names == ["draw", "name"]
    for draw in range(3):
        kept = drawn.loc[draw].where(holes.notna())
        pd.testing.assert_frame_equal(kept, holes, check_names=False)
    one = density.impute(holes, random_state=0)
    pd.testing.assert_index_equal(one.index, holes.index)


def test_draws_of_rows_with_several_levels(density, holes):
    rows = holes.set_axis(pd.MultiIndex.from_product([range(N // 2), [0, 1]], names=["i", "draw"]))
    drawn = density.impute(rows, n_draws=2, random_state=0)
    assert drawn.index.names == ["draw_", "i", "draw"]
    pd.testing.assert_index_equal(drawn.loc[1].index, rows.index)


def test_draws_are_a_column_of_other_frames(holes):
    polars = pytest.importorskip("polars")
    rows = polars.from_pandas(holes.rename(columns={"first": "draw"}))
    density = MAFDensity(**SMALL).fit(rows)
    drawn = density.impute(rows[:2], n_draws=2, random_state=0)
    assert drawn.columns == ["draw_", "draw", "second"]
    assert drawn["draw_"].to_list() == [0, 0, 1, 1]


def test_draws_of_arrays_are_one_below_the_other(holes):
    X = holes.to_numpy()
    assert MAFDensity(**SMALL).fit(X).impute(X[:2], n_draws=2).shape == (4, 2)


def test_draws_of_rows_without_names(density, holes):
    """Of a density of a frame, whose index they lack."""
    with pytest.warns(UserWarning, match="valid feature names"):
        drawn = density.impute(holes.to_numpy()[:2], n_draws=2)
    assert drawn.index.tolist() == [(0, 0), (0, 1), (1, 0), (1, 1)]


@pytest.mark.parametrize("dtype", ["Int64", "int64[pyarrow]", "polars"])
def test_whole_cells_become_floats_where_a_fraction_is_filled_in(dtype):
    """`fit` saw fractions; the rows to fill have whole numbers in a column that holds only such."""
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"first": rng.normal(3, 2, 100), "second": rng.normal(size=100)})
    X.loc[::9, "first"] = np.nan
    holes = pd.DataFrame({"first": pd.array([1, None, 3], dtype="Int64"), "second": [0.5, 1, 2]})
    if dtype == "polars":
        polars = pytest.importorskip("polars")
        X = polars.from_pandas(X)
        holes = polars.from_pandas(holes)
    else:
        holes = holes.astype({"first": dtype})
    parameters = {"max_iter": 2, "early_stopping": False, "hidden_layer_sizes": (8,)}
    density = MAFDensity(n_layers=1, random_state=0, **parameters).fit(X)
    first = density.impute(holes, random_state=0)["first"].to_list()
    assert first[0] == 1 and first[2] == 3
    assert first[1] != round(first[1])
