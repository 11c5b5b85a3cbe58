"""Dates are split into labels of the calendar and places, one to one and with exact densities."""

from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from skmaf.models.context import ContextEncoder
from skmaf.table.calendar import Calendar, WithPhases
from skmaf.table.codec import TableCodec
from skmaf.table.column_kinds import exact_column, standardised_column
from skmaf.table.date_labels import LabelledLine, MonthlyLine

RESOLUTION = np.finfo(float).eps
NAMES = [("weekday",), ("hour",), ("hour", "weekday")]


def learn(dates):
    codec, N, _ = TableCodec.learn(pd.DataFrame({"x": dates}))
    return N[:, 0], codec.schema.timelines[0]


def random_dates(unit, years=8, n=2000, seed=0):
    span = np.timedelta64(365 * years, "D") // np.timedelta64(1, unit)
    counts = np.random.default_rng(seed).integers(0, span, n)
    return pd.to_datetime(np.datetime64("2017-03-05") + counts.astype(f"m8[{unit}]"))


@pytest.mark.parametrize("unit", ["D", "h", "m", "s", "us"])
@pytest.mark.parametrize("names", NAMES)
def test_labels_and_places_are_one_to_one(unit, names):
    if unit == "D" and "hour" in names:
        pytest.skip("days have no hours")
    dates = random_dates(unit)
    x, timeline = learn(dates)
    line = LabelledLine(timeline.cycles, names)
    labels, places = line.split(x)
    expected = {"weekday": dates.day_of_week, "hour": dates.hour}
    assert labels.keys() == set(names)
    for name in names:
        np.testing.assert_array_equal(labels[name], expected[name])
    np.testing.assert_array_equal(line.join(labels, places), x)
    # places rise with dates of one label, and cover about the same stretch
    key = np.ravel_multi_index([labels[name].astype(int) for name in names], [24] * len(names))
    for k in np.unique(key)[:5]:
        assert (np.diff(places[key == k][np.argsort(x[key == k])]) >= 0).all()
    span = np.ptp(x)
    assert abs(np.ptp(places) / span - 1) < 0.01


@given(st.integers(-(10**6), 10**6), st.integers(0, 5), st.sampled_from(NAMES))
def test_far_dates_are_one_to_one(number, rest, names):
    _, timeline = learn(
        pd.to_datetime(["2024-03-01 10:00", "2024-03-02 05:00", "2023-05-07 01:00"])
    )
    line = LabelledLine(timeline.cycles, names)
    x = np.array([number + rest / 7, np.nan])
    labels, places = line.split(x)
    assert np.isnan(places[1])
    back = line.join({name: label[:1] for name, label in labels.items()}, places[:1])
    np.testing.assert_allclose(back, x[:1], rtol=0, atol=1e-6)


def test_months_are_labels_of_dates_by_the_month():
    dates = pd.date_range("2010-01-01", periods=300, freq="MS")
    x, timeline = learn(dates)
    column = exact_column(x, RESOLUTION, np.ones(300), cycles=timeline.cycles)
    assert isinstance(column, Calendar)
    np.testing.assert_array_equal(column.codes(x)[:, 0], dates.month - 1)
    np.testing.assert_array_equal(column.back(column.codes(x), column.values(x)), x)


@pytest.mark.parametrize("has_months", [False, True])
@pytest.mark.parametrize("unit", ["D", "m"])
def test_the_density_of_dates_integrates_to_one(unit, has_months):
    dates = random_dates(unit, years=3 if has_months else 1)
    dates = dates[dates.day_of_week != 6]
    x, timeline = learn(dates)
    cycles = replace(timeline.cycles, has_months=has_months)
    column = exact_column(x, RESOLUTION, np.ones(len(x)), cycles=cycles)
    assert isinstance(column, Calendar)
    assert len(column.parts) == (2 if unit == "m" else 1) + has_months
    assert column.step == 1.0
    day = timeline.day
    # every date of the line, whose places are normal: the sum over steps is 1, but for new labels
    reach = 3000 if has_months else 900
    grid = np.arange(-reach * day, reach * day, 1.0 if unit == "D" else 20.0)
    codes = column.codes(grid)
    z = column.values(grid)[:, 0]
    shares = [
        part.shares[np.maximum(code, 0).astype(int)] for part, code in zip(column.parts, codes.T)
    ]
    is_seen = (codes >= 0).all(axis=1)
    log_prob = norm.logpdf(z) + np.log(np.prod(shares, axis=0)) + column.log_jacobian(grid)
    new = 1 - np.prod([1 - np.exp(part.log_new) for part in column.parts])
    total = np.exp(log_prob[is_seen]).sum() * (grid[1] - grid[0])
    np.testing.assert_allclose(total, 1 - new, rtol=1e-3)
    np.testing.assert_allclose(column.back(codes[is_seen], z[is_seen, None]), grid[is_seen])


@pytest.mark.parametrize("unit", ["D", "h", "m", "us"])
@pytest.mark.parametrize("others", [(), *NAMES])
def test_months_labels_and_places_are_one_to_one(unit, others):
    if unit == "D" and "hour" in others:
        pytest.skip("days have no hours")
    dates = random_dates(unit, n=4000)
    x, timeline = learn(dates)
    line = MonthlyLine(timeline.cycles, (*others, "month"), 1.0)
    labels, places = line.split(np.append(x, np.nan))
    assert np.isnan(places[-1]) and all(np.isnan(label[-1]) for label in labels.values())
    labels = {name: label[:-1] for name, label in labels.items()}
    places = places[:-1]
    np.testing.assert_array_equal(labels["month"], dates.month - 1)
    if "weekday" in others:
        np.testing.assert_array_equal(labels["weekday"], dates.day_of_week)
    np.testing.assert_allclose(line.join(labels, places), x, rtol=0, atol=0.1)
    # a year of one month is a year long, whatever the number of its days
    year = 365.2425 * timeline.day
    np.testing.assert_array_equal(np.floor(places / year) + line.first_year, dates.year - 1970)
    # between the places of neighbours with the same labels nothing is left out
    apart = line.width / 1e4
    after = line.split(x + apart)[1]
    same = np.flatnonzero(np.floor(after / year) == np.floor(places / year))
    slope = (after - places)[same] / apart
    np.testing.assert_allclose(slope, line.stretch_at(x)[same], rtol=1e-2)


@pytest.mark.parametrize("others", [("month",), ("weekday", "month")])
def test_all_days_of_a_year_fill_the_line_of_each_label(others):
    days = pd.date_range("2023-01-01", "2024-12-31")
    x, timeline = learn(days)
    line = MonthlyLine(timeline.cycles, others, 1.0)
    labels, places = line.split(x)
    key = np.ravel_multi_index([labels[name].astype(int) for name in others], [12] * len(others))
    low = places - line.stretch_at(x) / 2
    high = places + line.stretch_at(x) / 2
    for k in np.unique(key):
        order = np.flatnonzero(key == k)
        np.testing.assert_allclose(high[order][:-1], low[order][1:], atol=1e-9)
        assert high[order][-1] - low[order][0] == pytest.approx(2 * 365.2425)


def test_held_out_rows_choose_whether_months_are_labels(tiny):
    rng = np.random.default_rng(0)
    days = pd.date_range("2015-01-01", "2020-12-31")
    is_summer = days.month.isin([6, 7, 8])
    chosen = rng.choice(len(days), 1500, p=np.where(is_summer, 9, 1) / np.sum(1 + 8 * is_summer))
    sold = rng.standard_normal(1500) * 0.3 + 3 * is_summer[chosen]
    frame = pd.DataFrame({"day": days[chosen], "sold": sold})
    make = partial(tiny, early_stopping=True, max_iter=60, learning_rate_init=0.02, tol=0.01)
    density = make(n_iter_no_change=2).fit(frame)
    assert density.columns_.columns[0].dates.names == ("weekday", "month")
    drawn = density.sample(1000, random_state=0)
    in_summer = drawn["day"].dt.month.isin([6, 7, 8])
    share = is_summer[chosen].mean()
    assert in_summer.mean() == pytest.approx(share, abs=0.05)
    assert ((drawn["sold"] > 1.5) == in_summer).mean() > 0.9
    assert drawn["day"].between(days[0], days[-1]).all()
    rising = pd.DataFrame({"day": days[:: len(days) // 1000], "index": 0.0})
    rising["index"] = np.arange(len(rising)) + rng.standard_normal(len(rising))
    density = make(n_iter_no_change=2).fit(rising)
    assert density.columns_.columns[0].dates.names == ("weekday",)


def test_few_dates_have_no_labels():
    x, timeline = learn(random_dates("D", n=60))
    column = exact_column(x, RESOLUTION, np.ones(60), cycles=timeline.cycles)
    assert not isinstance(column, Calendar)


def test_phases_tell_all_weekdays_hours_and_months():
    x, timeline = learn(random_dates("h", n=500))
    column = standardised_column(x, RESOLUTION, np.ones(500), cycles=timeline.cycles)
    assert isinstance(column, WithPhases)
    values = column.values(np.append(x, np.nan))
    assert values.shape == (501, 1 + 4 + 6 + 2)
    assert np.isnan(values[-1]).all()
    np.testing.assert_allclose(values[:-1].mean(axis=0), 0, atol=1e-9)
    np.testing.assert_allclose(values[:-1].std(axis=0), 1)
    week = column.values(x[0] + 24 * 7 * np.arange(3))
    np.testing.assert_allclose(week[:, 1:11], week[[0, 0, 0], 1:11], atol=1e-9)
    np.testing.assert_array_equal(column.back(np.empty((500, 0)), values[:-1]), x)


def test_a_context_sees_the_weekday():
    dates = pd.date_range("2020-01-01", periods=400)
    _, timeline = learn(dates)
    codec, N, _ = TableCodec.learn(pd.DataFrame({"day": dates}))
    encoder = ContextEncoder.learn(N, np.ones(400), [None], codec.schema.cycles)
    context = encoder.encode(N)
    is_sunday = (dates.day_of_week == 6).astype(float)
    design = np.column_stack([np.ones(400), context])
    # a linear function of the context is the indicator of Sundays
    residual = is_sunday - design @ np.linalg.lstsq(design, is_sunday, rcond=None)[0]
    assert np.abs(residual).max() < 1e-8


def test_drawn_dates_have_the_weekdays_and_hours_of_the_table(tiny):
    dates = random_dates("m", years=2, n=6000)
    dates = dates[(dates.day_of_week < 5) & (dates.hour >= 8) & (dates.hour < 18)]
    frame = pd.DataFrame({"x": dates, "is_monday": (dates.day_of_week == 0).astype(float)})
    frame.loc[:9, "x"] = pd.NaT
    density = tiny(max_iter=30).fit(frame)
    drawn = density.sample(500, random_state=0, complete=True)
    assert drawn["x"].dtype == frame["x"].dtype
    assert (drawn["x"].dt.day_of_week < 5).all()
    assert drawn["x"].dt.hour.between(8, 17).all()
    assert drawn["x"].between(dates.min(), dates.max()).all()
    assert ((drawn["x"].dt.day_of_week == 0) == drawn["is_monday"]).mean() > 0.9
    monday, other = (
        density.impute(
            pd.DataFrame({"x": frame["x"][[0] * 60], "is_monday": [1.0, 0.0] * 30}), random_state=0
        )["x"]
        .to_numpy()
        .reshape(30, 2)
        .T
    )
    for dates in (monday, other):
        assert pd.Series(dates).dt.hour.between(8, 17).mean() > 0.9
    assert (pd.Series(monday).dt.day_of_week == 0).mean() > 0.9
    assert pd.Series(other).dt.day_of_week.between(1, 4).mean() > 0.9


def test_bounds_of_dates_are_refused():
    frame = pd.DataFrame({"x": random_dates("D", n=9)})
    with pytest.raises(ValueError, match="Column 'x' holds dates, which column_kinds calls"):
        TableCodec.learn(frame, {"x": (0, None)})
