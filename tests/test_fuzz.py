"""Random tables through random calls, and the smallest cases of what such tables have found."""

import pickle
import warnings
from datetime import time
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from skmaf import (
    ConditionalMAFDensity,
    DensityOutlierDetector,
    MAFClassifier,
    MAFDensity,
    MultiscaleDensity,
    find_relations,
)
from skmaf.models.gaussian import Gaussian

SMALL = {"n_layers": 1, "hidden_layer_sizes": (4,), "max_iter": 2, "random_state": 0}
RNG = np.random.default_rng(0)
NORMAL = RNG.standard_normal(60)

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.fixture(scope="module")
def fuzz():
    """The module benchmarks/fuzz.py."""
    folder = str(Path(__file__).parents[1] / "benchmarks")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        import fuzz
    return fuzz


@pytest.mark.slow
@pytest.mark.parametrize("first", range(0, 40, 5))
def test_tables(fuzz, first):
    """The first seeds of the sweep, five at a time: one for each estimator."""
    for seed in range(first, first + 5):
        result = fuzz.run_table(seed)
        assert result["failures"] == [], f"seed {seed}"


def test_a_failure_is_noticed(fuzz):
    session = fuzz.MAFSession(np.random.default_rng(0))
    session.failures.clear()

    def computes():
        return np.linalg.cholesky(-np.eye(2))

    def warns():
        return np.log(np.zeros(2))

    def refuses():
        return MAFDensity().fit([[1.0]])

    session.call(computes)
    session.call(warns)
    assert [text.split(": ")[1].split()[0] for text in session.failures] == [
        "LinAlgError",
        "RuntimeWarning",
    ]
    session.refusals.clear()
    session.call(refuses)
    assert len(session.refusals) == 1 and len(session.failures) == 2


EXTREMES = {
    "both ends": np.where(NORMAL > 0, 1.7e308, -1.7e308),
    "spread over both ends": NORMAL / np.abs(NORMAL).max() * 1.7e308,
    "one at an end": np.append(NORMAL[1:], 1.7e308),
    "denormal": np.round(NORMAL * 3) * 5e-324,
    "two denormals": np.where(NORMAL > 1, 5e-324, 0.0),
    "tiny": NORMAL * 1e-200,
    "large": NORMAL * 1e200,
    "all sizes": np.sign(NORMAL) * 10.0 ** (200 * NORMAL / np.abs(NORMAL).max()),
    "ties of the largest": np.round(NORMAL) * 4e307,
    "point masses at both ends": np.where(NORMAL > 1, NORMAL, np.sign(NORMAL) * 1.7e308),
}


@pytest.mark.parametrize("name", EXTREMES)
def test_numbers_near_the_ends_of_floats(name):
    """Arithmetic overflows there, which no warning says, and no score is infinite."""
    x = EXTREMES[name]
    X = np.column_stack([x, NORMAL, x / 2])
    y = (NORMAL > 0).astype(int)
    densities = [
        MAFDensity(**SMALL).fit(X),
        MAFDensity(**SMALL, early_stopping=False).fit(X),
        MultiscaleDensity(hidden_layer_sizes=(4,), max_iter=2, random_state=0).fit(X),
        MAFClassifier(**SMALL).fit(X, y),
    ]
    for density in densities:
        assert np.isfinite(density.score_samples(X)).all()
        assert np.isfinite(density.score_samples(X[::-1] * [1, 1, 0.5])).all()
    conditional = ConditionalMAFDensity(**SMALL).fit(NORMAL[:, None], x)
    assert np.isfinite(conditional.score_samples(X[:, 1:2], x)).all()
    assert np.isfinite(conditional.predict(X[:5, 1:2])).all()
    ends = conditional.predict_interval(X[:5, 1:2], 0.5)
    assert np.isfinite(ends).all() and (ends[:, 0] <= ends[:, 1]).all()


@pytest.mark.parametrize("name", EXTREMES)
def test_relations_of_numbers_near_the_ends_of_floats(name):
    x = EXTREMES[name]
    find_relations(np.column_stack([x, NORMAL, x / 2]))


def test_sums_are_found_beside_such_numbers():
    a = RNG.integers(0, 50, (80, 2)).astype(float)
    X = np.column_stack([a, a.sum(axis=1), RNG.standard_normal(80) * 1e200])
    assert "sum" in str(type(find_relations(X)[0])).lower()


def test_a_column_that_the_searched_rows_do_not_have():
    frame = pd.DataFrame({"x": NORMAL, "y": NORMAL + 1, "rare": np.nan})
    frame.loc[:1, "rare"] = [1.0, 2.0]
    codec_of_all = MAFDensity(**SMALL).fit(frame).codec_
    density = MAFDensity(**SMALL).fit(frame[2:], codec=codec_of_all)
    assert np.isfinite(density.score_samples(frame)).all()


def test_masked_cells_are_missing():
    X = RNG.standard_normal((40, 3))
    mask = RNG.random(X.shape) < 0.2
    masked = np.ma.masked_array(X, mask)
    density = MAFDensity(**SMALL).fit(masked)
    expected = MAFDensity(**SMALL).fit(np.where(mask, np.nan, X))
    np.testing.assert_array_equal(density.score_samples(masked), expected.score_samples(masked))
    assert not np.isnan(density.impute(masked)).any()
    np.testing.assert_array_equal(density.impute(masked)[~mask], X[~mask])
    whole = MAFDensity(**SMALL).fit(np.ma.masked_array(X))
    with pytest.raises(ValueError, match="no cell was missing in fit"):
        whole.score_samples(masked)


def test_masked_cells_of_every_dtype():
    words = np.ma.masked_array(np.array([["a"], ["b"]] * 20, dtype=object), [[True], [False]] * 20)
    density = MAFDensity(**SMALL).fit(words)
    assert density.columns_.columns[0].categories.size == 1
    counts = np.ma.masked_array(np.arange(40)[:, None] % 3, np.arange(40)[:, None] % 4 == 0)
    assert MAFDensity(**SMALL).fit(counts).codec_.has_missing
    days = np.arange("2024-01-01", "2024-02-10", dtype="datetime64[D]")[:, None]
    days = np.ma.masked_array(days, np.arange(40)[:, None] % 4 == 0)
    assert MAFDensity(**SMALL).fit(days).codec_.has_missing


def test_masked_targets_are_refused():
    y = np.ma.masked_array(NORMAL, NORMAL > 1)
    with pytest.raises(ValueError, match="y contains NaN"):
        ConditionalMAFDensity(**SMALL).fit(NORMAL[:, None], y)
    with pytest.raises(ValueError, match="y contains NaN"):
        MAFClassifier(**SMALL).fit(NORMAL[:, None], np.ma.masked_array(NORMAL > 0, NORMAL > 1))


@pytest.mark.parametrize("make", [pa.table, pl.DataFrame])
def test_integers_beyond_the_precision_of_floats(make):
    table = make({"id": RNG.integers(2**60, 2**62, 40).tolist(), "x": NORMAL[:40].tolist()})
    density = MAFDensity(**SMALL).fit(table)
    assert np.isfinite(density.score_samples(table)).all()
    assert type(density.sample(5, random_state=0)) is type(table)


@pytest.mark.parametrize("make", [pa.table, pl.from_arrow])
def test_decimals_are_drawn_within_their_digits(make):
    cells = [Decimal(int(i)) / 100 for i in RNG.integers(-999, 1000, 60)]
    table = pa.table({"price": pa.array(cells, pa.decimal128(3, 2)), "x": NORMAL})
    table = table if make is pa.table else pl.from_arrow(table)
    drawn = MAFDensity(**SMALL).fit(table).sample(200, random_state=0)
    assert (np.abs(drawn["price"].to_numpy().astype(float)) < 10).all()


def test_dictionaries_of_numbers():
    table = pa.table({"kind": pa.array([1, 2, 3] * 20).dictionary_encode(), "x": NORMAL})
    drawn = MAFDensity(**SMALL).fit(table).sample(9, random_state=0)
    assert set(drawn["kind"].to_pylist()) <= {1, 2, 3}


def test_a_detector_of_half_precision_columns_is_kept():
    frame = pd.DataFrame({"half": NORMAL.astype(np.float16), "x": NORMAL})
    detector = DensityOutlierDetector(MAFDensity(**SMALL), n_folds=2, random_state=0).fit(frame)
    copied = pickle.loads(pickle.dumps(detector))
    np.testing.assert_array_equal(copied.score_samples(frame), detector.score_samples(frame))
    np.testing.assert_array_equal(copied.explain(frame[:3]), detector.explain(frame[:3]))


def test_a_column_of_another_kind_is_refused_by_explanations_too():
    days = pd.Timestamp("2024-01-01") + pd.to_timedelta(np.arange(60), "D")
    frame = pd.DataFrame({"day": days, "x": NORMAL})
    detector = DensityOutlierDetector(MAFDensity(**SMALL), n_folds=2, random_state=0).fit(frame)
    rows = frame.assign(day=frame["day"] - days[0])[:3]
    for method in (detector.score_samples, detector.explain, detector.expected_values):
        with pytest.raises(ValueError, match="'day'"):
            method(rows)


def test_many_times_of_day_cost_no_more_than_four():
    """Each circle doubles the places of a row."""
    clocks = RNG.integers(0, 24 * 60, (60, 9))
    frame = pd.DataFrame(
        {f"t{j}": [time(int(i) // 60, int(i) % 60) for i in x] for j, x in enumerate(clocks.T)}
    )
    density = MAFDensity(**SMALL).fit(frame)
    assert len(density.columns_.copies(density.codec_.encode(frame)[0])) == 2**4
    drawn = density.sample(50, random_state=0)
    assert np.isfinite(density.score_samples(drawn)).all()


def test_rows_far_out_with_missing_cells():
    """The covariance of such rows is none, if rounding is all that is left of the other cells."""
    Z = RNG.standard_normal((14, 40))
    Z[0, ::3] = 1e15
    Z[3, 1::3] = -1e15
    Z[RNG.random(Z.shape) < 0.15] = np.nan
    gaussian = Gaussian.learn(Z, np.ones(14))
    assert np.isfinite(gaussian.log_prob(Z)).all()
    np.linalg.cholesky(gaussian.covariance)


def test_one_row_to_fit_on_is_no_matter_for_scikit_learn():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        gaussian = Gaussian.learn(np.array([[1.0, 2.0]]), np.ones(1))
    assert np.isfinite(gaussian.log_prob(np.zeros((1, 2)))).all()


@pytest.mark.parametrize("make", [np.asarray, pd.DataFrame])
def test_cells_too_large_for_the_dtype_of_fit_stay(make):
    X = np.column_stack([NORMAL, NORMAL**2]).astype(np.float32)
    X[3, 1] = np.nan
    density = MAFDensity(**SMALL).fit(make(X))
    filled = np.asarray(density.impute(make([[1e300, np.nan], [-1e300, 2.0]]), random_state=0))
    assert np.isfinite(filled).all()
    np.testing.assert_array_equal(filled[:, 0], [1e300, -1e300])
    assert np.isfinite(np.asarray(density.inverse_transform([[1e9, 1e9]]))).all()


LARGEST = 1.7e308
TINY = 5e-324
FAR_APART = [LARGEST, 0.0, -LARGEST]
COLUMNS = {
    "as far apart as floats can be": (FAR_APART, None),
    "the same without a transform": (FAR_APART, "continuous"),
    "a median that overflows": ([-2.3, LARGEST, LARGEST, LARGEST, 0.6, LARGEST], None),
    "log-distances from a bound that are one": ([i * TINY for i in range(9)], (-1e9, None)),
}


@pytest.mark.parametrize("name", COLUMNS)
def test_transforms_neither_overflow_nor_collapse(name):
    """No warning of NumPy, and finite scores."""
    cells, kind = COLUMNS[name]
    X = np.array([cells, NORMAL[: len(cells)]]).T
    density = MAFDensity(**SMALL, column_kinds=None if kind is None else {0: kind}).fit(X)
    assert np.isfinite(density.score_samples(X)).all()


def test_a_circle_of_one_place_but_for_rounding():
    places = np.array([0.0, 24.0, 48.0, 24.0 - 1e-15] * 10)
    X = np.column_stack([places, NORMAL[:40]])
    density = MultiscaleDensity(
        max_iter=2, hidden_layer_sizes=(4,), column_kinds={0: ("periodic", 24)}, random_state=0
    ).fit(X)
    assert np.isfinite(density.score_samples(X)).all()


def test_a_circle_of_numbers_near_the_ends_of_floats():
    X = np.column_stack([np.where(np.arange(60) % 9, NORMAL, LARGEST), NORMAL[::-1]])
    density = MultiscaleDensity(
        max_iter=2, hidden_layer_sizes=(4,), column_kinds={0: ("periodic", 24)}, random_state=0
    ).fit(X)
    assert np.isfinite(density.score_samples(X)).all()


def test_a_class_with_one_row_to_learn_from():
    X = np.column_stack([np.where(np.arange(12) == 3, 1.5, np.nan), NORMAL[:12]])
    classes = np.arange(12) % 2
    model = MAFClassifier(**SMALL, validation_fraction=0.2).fit(X, classes)
    assert np.isfinite(model.score_samples(X)).all()


def test_weights_whose_sum_overflows():
    X = np.column_stack([NORMAL, NORMAL**2])
    weights = RNG.random(60)
    fitted = MAFDensity(**SMALL).fit(X, sample_weight=weights * 1e308)
    expected = MAFDensity(**SMALL).fit(X, sample_weight=weights)
    np.testing.assert_allclose(fitted.score_samples(X), expected.score_samples(X), rtol=1e-6)


COLOURS = pd.DataFrame({"colour": ["red", "blue", None] * 20, "x": NORMAL})


@pytest.mark.parametrize(
    "given",
    [
        lambda frame: frame,
        lambda frame: frame.to_numpy(object),
        pl.from_pandas,
        pa.Table.from_pandas,
    ],
    ids=["pandas", "array", "polars", "pyarrow"],
)
@pytest.mark.parametrize("fitted", ["pandas", "array", "polars", "pyarrow"])
@pytest.mark.parametrize("output", ["default", "pandas", "polars"])
def test_a_new_category_is_not_lost_where_others_are_filled(given, fitted, output):
    """Whatever the form of the table, in the fit, in the rows, and in what is given back."""
    tables = {
        "pandas": COLOURS,
        "array": COLOURS.to_numpy(object),
        "polars": pl.from_pandas(COLOURS),
        "pyarrow": pa.Table.from_pandas(COLOURS),
    }
    density = MultiscaleDensity(max_iter=2, hidden_layer_sizes=(4,), random_state=0)
    density.set_output(transform=output).fit(tables[fitted])
    rows = pd.DataFrame({"colour": ["green", None, "red"], "x": [0.0, 1.0, 2.0]})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        filled = density.impute(given(rows), random_state=0)
    colours = np.asarray(filled)[:, 0].tolist()
    assert colours[0] == "green"
    assert colours[1] in ("red", "blue")
    assert colours[2] == "red"


@pytest.mark.parametrize("make", [lambda frame: frame, pl.from_pandas, pa.Table.from_pandas])
def test_kinds_are_declared_by_the_names_of_any_frame(make):
    frame = pd.DataFrame({"code": np.arange(60) % 3 + 0.0, "x": NORMAL, "angle": NORMAL % 6})
    kinds = {"code": "categorical", "angle": ("periodic", 6)}
    density = MAFDensity(**SMALL, column_kinds=kinds).fit(make(frame))
    assert density.codec_.declared[2] == ("periodic", 6)
    conditional = ConditionalMAFDensity(**SMALL, column_kinds=kinds).fit(make(frame), NORMAL)
    assert conditional.codec_.declared[2] == ("periodic", 6)
