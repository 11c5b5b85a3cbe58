"""Columns of dates, times and durations become numbers of their own step, and come back."""

import zoneinfo
from datetime import date, datetime, time, timedelta

import numpy as np
import pandas as pd
import pytest
from dateutil import tz

from skmaf.table.codec import TableCodec

DAYS = pd.to_datetime(["2024-02-28", "2024-02-29", "2024-03-01", "2023-12-31", "2024-02-29"])
BERLIN = "Europe/Berlin"


def learn_column(values, dtype=None):
    frame = pd.DataFrame({"x": pd.Series(values, dtype=dtype)})
    codec, N, findings = TableCodec.learn(frame)
    assert findings == []
    return frame, codec, N


COLUMNS = {
    "days": (DAYS, None, "D"),
    "seconds since 1970": (DAYS.astype("datetime64[s]"), None, "D"),
    "nanoseconds": (pd.to_datetime(10**18 + np.array([1, 5, 10**15]), unit="ns"), None, "ns"),
    "months": (pd.to_datetime(["2024-01-01", "2023-05-01"]), None, "M"),
    "ends of months": (pd.to_datetime(["2024-02-29", "2023-02-28", "2024-12-31"]), None, "M"),
    "old": (pd.array(["1066-10-14", "9999-12-31"], dtype="datetime64[us]"), None, "D"),
    "days of a zone": (DAYS.tz_localize(BERLIN), None, "D"),
    "all hours of a zone": (
        pd.date_range("2024-10-26", periods=60, freq="h", tz=BERLIN),
        None,
        "h",
    ),
    "minutes of a zone": (
        pd.date_range("2024-03-30", periods=99, freq="30min", tz=BERLIN),
        None,
        "m",
    ),
    "missing": ([pd.Timestamp("2024-01-02 10:00"), pd.NaT], None, "h"),
    "dates": ([date(2024, 1, 2), None, date(1969, 1, 1)], object, "D"),
    "datetimes": ([datetime(2024, 1, 2, 3), datetime(2024, 1, 2, 4)], object, "h"),
    "datetimes of a zone": (
        [datetime(2024, 1, d, 3, tzinfo=zoneinfo.ZoneInfo(BERLIN)) for d in (1, 2)],
        object,
        "h",
    ),
    "timestamps": ([pd.Timestamp("2024-01-02 03:04:05"), None], object, "s"),
    "times": ([time(23, 59), time(0, 1), None], object, "m"),
    "durations": (pd.to_timedelta(["1 days", "-3 days", "2h"]), None, "h"),
    "timedeltas": ([timedelta(seconds=1.5), None], object, "ms"),
    "periods": (pd.period_range("2020-01", periods=4, freq="Q"), None, "M"),
    "weeks": (pd.period_range("2020-01", periods=4, freq="W"), None, "D"),
    "arrow": (DAYS, "timestamp[us][pyarrow]", "D"),
    "arrow of a zone": (DAYS.tz_localize(BERLIN), f"timestamp[us, tz={BERLIN}][pyarrow]", "D"),
    "arrow dates": ([date(2024, 1, 2), date(2024, 1, 3)], "date32[pyarrow]", "D"),
    "arrow durations": (pd.to_timedelta(["1s", "90s"]), "duration[us][pyarrow]", "s"),
    "ISO text": (["2024-02-29", "2024-01-01", None], None, "D"),
    "American text": (["2/29/2024", "12/1/2024"], None, "D"),
    "German text": (["29.02.2024", "01.12.2024"], "string", "D"),
    "day first": (["29/02/2024 9:05", "01/12/2024 19:30"], object, "m"),
    "zulu": (["2024-02-29T10:20:30Z", "2024-03-01T00:00:00Z"], None, "s"),
    "decimals": (["2024-02-29 10:20:30.25", "2024-03-01 00:00:00.50"], None, "ms"),
    "months as text": (["Jan 2024", "Dec 2023"], None, "M"),
    "clock": (["2:30 PM", "11:05 AM"], None, "m"),
    "clock of 24 hours": (["09:30:15", "23:59:59"], None, "s"),
    "integers": ([20240229, 20231231, 20240301], "int64", "D"),
    "integers or missing": ([20240229, 20231231, None, 20240301], "Int64", "D"),
}


@pytest.mark.parametrize("name", COLUMNS)
def test_a_column_comes_back_in_its_own_form(name):
    values, dtype, unit = COLUMNS[name]
    frame, codec, N = learn_column(values, dtype)
    assert codec.schema.timelines[0].unit == unit
    assert codec.schema.categories == [None]
    np.testing.assert_array_equal(N, np.rint(N))
    pd.testing.assert_frame_equal(codec.decode(N), frame)
    again, findings = codec.encode(frame)
    assert findings == []
    np.testing.assert_array_equal(again, N)
    # what is drawn is off the grid, and may be far out
    drawn = codec.decode(np.array([[0.3], [-7.4], [1e30], [-1e30], [np.nan]]))
    codec.encode(drawn.iloc[:4])
    assert drawn["x"].dtype == frame["x"].dtype or "int" in str(dtype)
    assert drawn["x"].isna().tolist() == [False] * 4 + [True]


def test_frames_and_arrays_of_dates_come_back():
    polars = pytest.importorskip("polars")
    moments = polars.Series([datetime(2024, 1, 2, 3), datetime(2024, 1, 2, 5), None])
    frame = polars.DataFrame(
        {
            "date": [date(2024, 1, 2), date(2024, 1, 3), None],
            "ns": moments.cast(polars.Datetime("ns")),
            "zone": moments.dt.replace_time_zone(BERLIN),
            "time": [time(1), time(2, 30), None],
            "duration": polars.Series(
                [timedelta(1), timedelta(2), None], dtype=polars.Duration("ms")
            ),
        }
    )
    codec, N, _ = TableCodec.learn(frame)
    np.testing.assert_array_equal(N[0], [0, -1, -1, 60, 1])
    assert codec.decode(N).equals(frame)
    assert codec.decode(N).schema == frame.schema
    arrow = frame.to_arrow()
    codec, M, _ = TableCodec.learn(arrow)
    np.testing.assert_array_equal(M, N)
    assert codec.decode(M).equals(arrow)
    X = np.array([["2020-01-01", "2020-02-04"], ["2020-01-02", "NaT"]], dtype="M8[D]")
    codec, N, _ = TableCodec.learn(X)
    np.testing.assert_array_equal(codec.decode(N), X, strict=True)


def test_integers_of_an_array_are_dates_only_if_all_are():
    X = np.array([[20240229, 1], [20231231, 2], [20240301, 3]])
    codec, N, _ = TableCodec.learn(X)
    np.testing.assert_array_equal(N, [[0, 1], [-60, 2], [1, 3]])
    np.testing.assert_array_equal(codec.decode(N), X)
    np.testing.assert_array_equal(codec.encode(X)[0], N)
    X[0, 0] = 20230229
    assert TableCodec.learn(X)[0].schema.timelines == [None, None]
    declared, _, _ = TableCodec.learn(X + [[10000, 0]], {0: "grid"})
    assert declared.schema.timelines == [None, None]


@pytest.mark.parametrize(
    "texts",
    [
        ["2024-01-01", "unknown"],
        ["2024-01-01", "2024-02-30"],
        ["2024-01-01", "01/02/2024"],
        ["1:30", "1:3"],
        ["10.5", "11.5"],
        ["1.2.3", "1.2.4"],
        ["2020", "2021"],
        ["2024-01-01T00:00:00Z", "2024-01-01T00:00:00+01:00"],
    ],
)
def test_text_that_is_not_dates_throughout(texts):
    _, codec, _ = learn_column(texts)
    assert codec.schema.timelines == [None]


def test_dates_declared_as_categories_and_categorical_dates():
    frame = pd.DataFrame({"x": DAYS, "y": pd.Categorical(DAYS)})
    codec, N, _ = TableCodec.learn(frame, {"x": "categorical"})
    np.testing.assert_array_equal(N, [[1, 1], [2, 2], [3, 3], [0, 0], [2, 2]])
    pd.testing.assert_frame_equal(codec.decode(N), frame)


def test_other_forms_of_the_same_dates():
    text = pd.DataFrame({"x": ["29.02.2024", "01.12.2024", None]})
    codec, N, _ = TableCodec.learn(text)
    dates = pd.to_datetime(text["x"], format="%d.%m.%Y")
    np.testing.assert_array_equal(codec.encode(pd.DataFrame({"x": dates}))[0], N)
    hours = pd.DataFrame({"x": [pd.Timestamp("2024-02-29 06:00")]})
    np.testing.assert_array_equal(codec.encode(hours)[0], N[:1] + 0.25)


@pytest.mark.parametrize(
    "before, now, message",
    [
        (["2024-01-01", "2024-01-02"], ["2024-13-01"], "fit and holds '2024-13-01' now, which is"),
        (["2024-01-01", "2024-01-02"], ["1"], "held dates in fit and holds '1' now"),
        ([20240101, 20240102, 20240103], [20240199], "held dates in fit and holds 20240199"),
        (DAYS, DAYS.tz_localize("UTC"), "holds dates with a time zone, unlike in fit"),
        (DAYS.tz_localize("UTC"), DAYS, "holds dates without a time zone, unlike in fit"),
        (DAYS, [1, 2], "held dates in fit and holds numbers now"),
        ([1, 2], DAYS, "held numbers in fit and holds dates now"),
        (DAYS, [time(1), time(2)], "held dates in fit and holds times now"),
    ],
)
def test_cells_of_another_form_are_refused(before, now, message):
    _, codec, _ = learn_column(before)
    with pytest.raises(ValueError, match=f"Column 'x' .*{message}"):
        codec.encode(pd.DataFrame({"x": now}))


def test_dates_with_and_without_a_zone():
    cells = pd.Series(
        [datetime(2024, 1, 1), datetime(2024, 1, 1, tzinfo=zoneinfo.ZoneInfo(BERLIN))]
    )
    with pytest.raises(ValueError, match="Column 'x' holds dates with and without a time zone"):
        TableCodec.learn(pd.DataFrame({"x": cells.astype(object)}))


@pytest.mark.parametrize(
    "zone", [tz.gettz(BERLIN), tz.tzlocal(), tz.tzoffset("X", 3600), tz.tzutc()], ids=repr
)
@pytest.mark.parametrize("dtype", [None, object])
def test_zones_that_no_set_takes(zone, dtype):
    days = pd.date_range("2024-03-28", periods=9, freq="12h", tz=zone)
    frame, codec, N = learn_column(days if dtype is None else days.to_pydatetime(), dtype)
    pd.testing.assert_frame_equal(codec.decode(N), frame)


def test_drawn_dates_keep_their_weekday_and_the_range_of_the_table():
    frame = pd.DataFrame({"x": pd.date_range("2024-01-01", "2024-02-29"), "y": 1.0})
    codec, N, _ = TableCodec.learn(frame)
    N[:, 0] += np.arange(-30, 30) * 3
    unlimited = codec.decode(N)["x"]
    N[:, 0] = codec.schema.timelines[0].within_ends(N[:, 0])
    drawn = codec.decode(N)["x"]
    assert drawn.between("2024-01-01", "2024-02-29").all()
    assert not unlimited.between("2024-01-01", "2024-02-29").all()
    assert (drawn.dt.day_of_week == unlimited.dt.day_of_week).all()


def test_drawn_dates_keep_their_step():
    """Every tenth day: whole weeks alone would leave these."""
    timeline = TableCodec.learn(
        pd.DataFrame({"x": pd.date_range("2024-01-01", periods=40, freq="10D")})
    )[0].schema.timelines[0]
    assert timeline.step == 10
    drawn = timeline.within_ends(timeline.ends[0] + 10.0 * np.arange(-30, 90))
    assert set((drawn - timeline.ends[0]) % 10) == {0}
    np.testing.assert_array_equal(timeline.on_grid(drawn + 4.9), drawn)


def test_repeated_dates_as_text_give_valid_dates_of_their_range(tiny):
    i = np.arange(600)
    days = pd.to_datetime({"year": 2024, "month": 1 + i % 12, "day": 1 + i % 28})
    frame = pd.DataFrame({"day": days.dt.strftime("%Y-%m-%d"), "x": 7 * i % 83})
    density = tiny().fit(frame)
    drawn = density.sample(500, random_state=0)
    parsed = pd.to_datetime(drawn["day"], format="%Y-%m-%d")
    assert parsed.between("2024-01-01", "2024-12-28").all()
    assert parsed.dt.strftime("%Y-%m-%d").tolist() == drawn["day"].tolist()
    assert np.isfinite(density.score_samples(frame.assign(day="2025-07-01"))).all()
