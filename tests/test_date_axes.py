"""Dates of different columns on one axis, and rows of dates that are drawn in order."""

import numpy as np
import pandas as pd
import pytest

from skmaf import Determines, Order, Sum
from skmaf.base import learn_constraints
from skmaf.table.codec import TableCodec
from skmaf.table.date_axes import DateColumns

BERLIN = "Europe/Berlin"
HOURS = pd.date_range("2024-03-29", periods=80, freq="h")
DAYS = pd.date_range("2024-01-04", periods=80, freq="9D")
AUTUMN = pd.date_range("2024-10-25", periods=80, freq="h")

# columns of one quantity, of which the first is never later than the second
PAIRS = {
    "days and hours": (HOURS.floor("D"), HOURS),
    "hours and days": (HOURS, HOURS.ceil("D")),
    "text and days": (HOURS.strftime("%d.%m.%Y"), HOURS.ceil("D")),
    "integers and hours": (HOURS.strftime("%Y%m%d").astype(int), HOURS),
    "months and days": (DAYS.to_period("M"), DAYS),
    "days and ends of months": (DAYS, DAYS.to_period("M").to_timestamp("M").normalize()),
    "starts and ends of months": (
        pd.date_range("2020-01-01", periods=80, freq="MS"),
        pd.date_range("2020-01-31", periods=80, freq="ME"),
    ),
    "Mondays and hours": (HOURS.to_period("W").start_time, HOURS),
    "zones": (
        HOURS.tz_localize("UTC").tz_convert("Asia/Tokyo"),
        HOURS.tz_localize("UTC").tz_convert(BERLIN),
    ),
    "local days": (
        AUTUMN.tz_localize("UTC").tz_convert(BERLIN).floor("D"),
        AUTUMN.tz_localize("UTC").tz_convert(BERLIN),
    ),
    "times": (HOURS.floor("6h").time, HOURS.strftime("%H:%M")),
    "durations": ((HOURS - HOURS[0]).floor("D"), HOURS - HOURS[0]),
    "beyond nanoseconds": (
        pd.to_datetime(10**18 + np.arange(80) * 10**13 + 1),
        np.array(["9999-12-31", "2400-01-01"], dtype="M8[s]")[np.arange(80) % 2],
    ),
}


def learn(name, relations="auto"):
    low, high = PAIRS[name]
    table = pd.DataFrame({"low": low, "high": high})
    codec, N, _ = TableCodec.learn(table)
    return table, codec, N, learn_constraints(codec, N, None, relations)


def as_dates(x):
    """Return dates of any form as comparable ones."""
    if isinstance(x.dtype, pd.PeriodDtype):
        return x.dt.to_timestamp()
    if x.dtype.kind == "i":
        x = x.astype(str)
    if x.dtype.kind == "m":
        return x
    if isinstance(x.iloc[0], str) or not hasattr(x, "dt"):
        format = "%d.%m.%Y" if "." in str(x.iloc[0]) else None
        return pd.to_datetime(x.astype(str), format=format)
    return x.dt.tz_convert("UTC") if x.dt.tz is not None else x


@pytest.mark.parametrize("name", PAIRS)
def test_places_on_an_axis_compare_as_dates_do_and_go_back(name):
    table, codec, N, _ = learn(name, None)
    dates = DateColumns.of(codec.schema.timelines)
    placed = dates.on_axes(N)
    assert (placed[:, 0] <= placed[:, 1]).all()
    again = np.full_like(N, np.nan)
    dates.write_back(placed, again)
    np.testing.assert_allclose(again, N, atol=1e-9)
    for j, axis in dates.axes.items():
        finer = N[:40, j] + 0.25
        assert (axis.places(finer) >= placed[:40, j]).all()
        np.testing.assert_array_equal(axis.round(placed[:, j]), placed[:, j])
        missing = axis.places(np.array([np.nan]))
        assert np.isnan(missing).all() and np.isnan(axis.numbers(missing)).all()


@pytest.mark.parametrize("free", [[True, False], [False, True], [True, True]])
@pytest.mark.parametrize("name", PAIRS)
def test_drawn_dates_keep_an_order_each_on_its_own_grid(name, free):
    table, codec, N, constraints = learn(name, [Order("low", "high")])
    rng = np.random.default_rng(0)
    rows = rng.permuted(N, axis=0)
    drawn = np.tile(free, (len(N), 1))
    before = rows.copy()
    was_broken = constraints.broken(rows, drawn)
    constraints.compute(rows, drawn)
    np.testing.assert_array_equal(rows, before)  # they are on their grids and in their ranges
    constraints.project(rows, drawn)
    assert not constraints.broken(rows, drawn).any()
    np.testing.assert_array_equal(rows[~was_broken], before[~was_broken])
    np.testing.assert_array_equal(rows[~drawn], before[~drawn])
    written = codec.decode(rows)
    assert was_broken.any() or name == "beyond nanoseconds"
    for column in table:
        assert written[column].dtype == table[column].dtype
    if name != "times":
        assert (as_dates(written["low"]) <= as_dates(written["high"])).all()
    else:
        assert (written["low"].astype(str).str[:5] <= written["high"]).all()
    again, _ = codec.encode(written)
    np.testing.assert_allclose(again, rows, atol=1e-9)
    for j, timeline in enumerate(codec.schema.timelines):
        np.testing.assert_array_equal(timeline.on_grid(again[:, j]), again[:, j])


def test_a_date_follows_from_what_determines_it():
    days = pd.Timestamp("2024-01-01") + pd.to_timedelta(7 * (np.arange(200) % 9), unit="D")
    table = pd.DataFrame({"week": days, "paid": days + pd.Timedelta(40, "D")})
    codec, N, _ = TableCodec.learn(table)
    constraints = learn_constraints(codec, N, None, "auto")
    assert list(map(str, constraints.relations)) == ["week and paid determine each other"]
    rows = N[:9].copy()
    rows[:5, 1] = np.nan
    rows[5:, 0] = np.nan
    constraints.deduce(rows)
    np.testing.assert_array_equal(rows, N[:9])


@pytest.mark.parametrize(
    "relation, message",
    [
        (Order("start", "price"), "but 'start' holds dates and 'price' numbers: relate columns"),
        (Order("start", "zoned"), "but 'start' holds dates and 'zoned' dates with a time zone: r"),
        (Order("start", "utc"), "but 'start' holds dates and 'utc' dates written with Z: relate"),
        (Order("start", "name"), "but 'name' holds categories"),
        (Order("start", "angle"), "but 'angle' holds places on a circle"),
        (Sum("end", ["start", "price"]), "but 'end' holds dates"),
        (Order("end", "start"), r"has end <= start, which \d+ of 80 rows break"),
    ],
)
def test_declared_relations_of_dates_that_cannot_be(relation, message):
    table = pd.DataFrame(
        {
            "start": HOURS,
            "end": HOURS + pd.to_timedelta(np.arange(80), unit="h"),
            "zoned": HOURS.tz_localize(BERLIN, nonexistent="shift_forward"),
            "utc": HOURS.strftime("%Y-%m-%dT%H:%MZ"),
            "price": np.arange(80.0),
            "angle": np.arange(80.0),
            "name": np.array(["a", "b"])[np.arange(80) % 2],
        }
    )
    codec, N, _ = TableCodec.learn(table, {"angle": ("periodic", 360)})
    learn_constraints(codec, N, None, [Order("start", "end"), Determines("start", "end")])
    with pytest.raises(ValueError, match=message):
        learn_constraints(codec, N, None, [relation])
