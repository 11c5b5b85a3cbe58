"""Categories and dates in every dtype, in all public methods of the estimators.

Rows may hold more categories than in `fit`, or fewer, and their lists may be in another order.
"""

import warnings
from datetime import date, time, timedelta

import numpy as np
import pandas as pd
import pytest

from skmaf import ConditionalMAFDensity, DensityOutlierDetector, MultiscaleDensity

N_ROWS = 40
RNG = np.random.default_rng(0)
CODES = RNG.integers(0, 3, N_ROWS)
LETTERS = np.array(["a", "b", "c"], dtype=object)[CODES]
DAYS = pd.Timestamp("2024-02-20") + pd.to_timedelta(RNG.integers(0, 90, N_ROWS), unit="D")


def listed(categories, ordered=False):
    return pd.CategoricalDtype(categories, ordered=ordered)


def cells(values):
    return pd.Series(values, dtype=object)


# name: cells of `fit`, and cells of other rows, some of which fit did not see
PANDAS = {
    "unordered": (
        pd.Series(LETTERS, dtype=listed(["c", "a", "b", "never"])),
        pd.Series(["a", "d", None, "b"], dtype=listed(["d", "b", "a"])),
    ),
    "ordered": (
        pd.Series(LETTERS, dtype=listed(["c", "a", "b"], ordered=True)),
        pd.Series(["a", None, "c", "b"], dtype=listed(["a", "b", "c"], ordered=True)),
    ),
    "fewer": (
        pd.Series(LETTERS, dtype=listed(["a", "b", "c"])),
        pd.Series(["a", "a", None, "a"], dtype=listed(["a"])),
    ),
    "numbers": (
        pd.Series(CODES, dtype=listed([2, 1, 0])),
        pd.Series([0, 7, None, 1], dtype=listed([7, 0, 1])),
    ),
    "text for a list": (
        pd.Series(LETTERS, dtype=listed(["a", "b", "c"])),
        cells(["a", "d", None, "b"]),
    ),
    "list for text": (
        cells(LETTERS),
        pd.Series(["a", "d", None, "b"], dtype=listed(["d", "b", "a"])),
    ),
    "truth": (pd.Series(CODES > 0), pd.Series([True, None, False, True], dtype="boolean")),
    "nullable truth": (
        pd.Series(CODES > 0, dtype="boolean"),
        pd.Series([True, None, False, True], dtype="boolean"),
    ),
    "only true": (cells([True, None] * 20), pd.Series([True, False, True, False])),
    "mixture": (
        cells([["a", True, 2.5][code] for code in CODES]),
        cells([True, "d", None, 2.5]),
    ),
    "string": (pd.Series(LETTERS, dtype="string"), pd.Series(["a", "d", None, "b"])),
    "arrow text": (
        pd.Series(LETTERS, dtype="string[pyarrow]"),
        pd.Series(["a", "d", None, "b"], dtype="string[pyarrow]"),
    ),
    "nullable integers": (
        pd.Series(CODES * 10, dtype="Int64"),
        pd.Series([10, 7, None, 20], dtype="Int64"),
    ),
    "days": (pd.Series(DAYS), pd.Series(DAYS[:4]).where([True, True, False, True])),
    "zone": (
        pd.Series(DAYS.tz_localize("Asia/Tokyo")),
        pd.Series([*DAYS[:3].tz_localize("Asia/Tokyo"), pd.NaT]),
    ),
    "date text": (pd.Series(DAYS.strftime("%d/%m/%Y")), cells(["29/02/2024", None] * 2)),
    "date objects": (cells(DAYS.date), cells([date(2024, 2, 29), None] * 2)),
    "times": (cells([time(c, 30) for c in CODES]), cells([time(1, 30), None] * 2)),
    "durations": (
        pd.Series(pd.to_timedelta(RNG.integers(0, 90, N_ROWS), unit="h")),
        pd.Series([timedelta(hours=5), pd.NaT] * 2),
    ),
}


def pandas_tables():
    """The table of `fit`, and rows of which some have a missing cell."""
    x = CODES + 0.1 * RNG.standard_normal(N_ROWS)
    x[4] = np.nan
    before = {name: column for name, (column, _) in PANDAS.items()}
    now = {name: column for name, (_, column) in PANDAS.items()}
    return pd.DataFrame({"x": x, **before}), pd.DataFrame({"x": [0.0, 1.5, np.nan, 2.0], **now})


def polars_tables():
    polars = pytest.importorskip("polars")
    dtypes = {
        "enum": (polars.Enum(["c", "a", "b", "never"]), polars.Enum(["d", "a", "b"])),
        "categorical": (polars.Categorical, polars.Categorical),
        "text": (polars.String, polars.String),
        "text now": (polars.Categorical, polars.String),
    }
    before = {name: polars.Series(LETTERS.tolist()).cast(d) for name, (d, _) in dtypes.items()}
    now = ["a", "d", None, "b"]
    rows = {name: polars.Series(now).cast(dtype) for name, (_, dtype) in dtypes.items()}
    before["day"] = polars.Series(DAYS.date.tolist())
    rows["day"] = polars.Series([*DAYS.date[:3].tolist(), None])
    before["zone"] = polars.Series(DAYS.tolist()).dt.replace_time_zone("Asia/Tokyo")
    rows["zone"] = before["zone"][[0, 5, 1, 2]]
    frame = polars.DataFrame({"x": CODES + 0.5, **before})
    missing = polars.DataFrame({name: [None] for name in frame.columns}, schema=frame.schema)
    frame = polars.concat([frame, missing])
    return frame, polars.DataFrame({"x": [0.0, 1.5, None, 2.0], **rows})


@pytest.fixture(params=[pandas_tables, polars_tables])
def table_and_rows(request):
    return request.param()


def is_missing(table):
    frame = table if isinstance(table, pd.DataFrame) else table.to_pandas()
    return frame.isna().to_numpy()


def cells_of(table):
    return (
        table.to_dict("list") if isinstance(table, pd.DataFrame) else table.to_dict(as_series=False)
    )


def check_cells_are_kept(filled, rows):
    missing = is_missing(rows)
    for j, (before, after) in enumerate(zip(cells_of(rows).values(), cells_of(filled).values())):
        for i, kept in enumerate(~missing[:, j]):
            assert not kept or before[i] == after[i]


@pytest.fixture
def quiet():
    """Let new categories pass: that they are said is tested elsewhere."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Column .* holds .*, which fit did not see")
        yield


def test_density(table_and_rows, tiny, quiet):
    frame, rows = table_and_rows
    density = tiny(early_stopping=True, max_iter=2, tol=1e9, n_iter_no_change=1).fit(frame)
    for table in (frame, rows, rows[:1]):
        assert np.isfinite(density.score_samples(table)).all()
        assert np.isfinite(density.score(table))
    whole = ~np.isnan(density.transform(frame)).any(axis=1)
    back = density.inverse_transform(density.transform(frame)[whole])
    assert type(back) is type(frame)
    assert len(back) == whole.sum() > 5
    drawn = density.sample(20, random_state=0)
    assert list(drawn.columns) == list(frame.columns)
    assert np.isfinite(density.score_samples(drawn)).all()
    filled = density.impute(rows, n_draws=2, random_state=0)
    assert type(filled) is type(rows)
    if not isinstance(rows, pd.DataFrame):
        assert filled["draw"].to_list() == [0] * 4 + [1] * 4
        filled = filled.drop("draw")
    assert not is_missing(filled).any()
    check_cells_are_kept(filled[:4], rows)
    check_cells_are_kept(filled[4:], rows)
    assert np.isfinite(density.score_samples(filled)).all()
    density.set_output(transform="pandas" if not isinstance(frame, pd.DataFrame) else "polars")
    density.sample(3)
    density.impute(rows)


def check_detector(detector, frame, rows):
    detector.fit(frame)
    assert set(detector.predict(frame)) <= {-1, 1}
    for table in (frame, rows):
        assert np.isfinite(detector.decision_function(table)).all()
        assert (detector.p_values(table) > 0).all()
    gains, values = detector.counterfactuals(rows)
    np.testing.assert_array_equal(gains, detector.explain(rows))
    expected = detector.expected_values(rows)
    assert type(expected) is type(rows)
    assert [list(cells) for cells in cells_of(expected).values()] == values.T.tolist()
    assert gains.shape == values.shape == rows.shape
    assert not pd.isna(values).any()
    columns = list(zip(cells_of(frame).values(), cells_of(rows).values()))
    for j, (before, now) in list(enumerate(columns))[1:]:
        changed = (gains[:, j] > 0) | is_missing(rows)[:, j]
        assert all(cell in before for cell in values[changed, j])
        kept = [cell for cell, is_changed in zip(now, changed) if not is_changed]
        assert values[~changed, j].tolist() == kept


def test_detector(table_and_rows, quiet):
    frame, rows = table_and_rows
    check_detector(DensityOutlierDetector(n_folds=2, random_state=0), frame, rows)


def test_detector_of_a_density(table_and_rows, tiny, quiet):
    frame, rows = table_and_rows
    check_detector(DensityOutlierDetector(tiny(), n_folds=2, random_state=0), frame, rows)


def test_conditional_density(table_and_rows, quiet):
    frame, rows = table_and_rows
    y = np.arange(len(frame)) % 7.3
    density = ConditionalMAFDensity(
        n_layers=1, hidden_layer_sizes=(4,), max_iter=2, early_stopping=False, random_state=0
    ).fit(frame, y)
    assert np.isfinite(density.score_samples(rows, np.ones(4))).all()
    assert np.isfinite(density.score_samples(rows)).all()
    assert np.isfinite(density.sample(rows, 3, random_state=0)).all()
    assert np.isfinite(density.predict(rows)).all()
    assert np.isfinite(np.asarray(density.predict_quantiles(rows, [0.1, 0.9]))).all()
    assert np.isfinite(np.asarray(density.predict_interval(rows, 0.5))).all()


def test_multiscale_density(table_and_rows, quiet):
    frame, rows = table_and_rows
    density = MultiscaleDensity(max_iter=2, random_state=0).fit(frame)
    assert np.isfinite(density.score_samples(rows)).all()
    filled = density.impute(rows, random_state=0)
    assert not is_missing(filled).any()
    check_cells_are_kept(filled, rows)
    assert np.isfinite(density.score_samples(density.sample(5, random_state=0))).all()
