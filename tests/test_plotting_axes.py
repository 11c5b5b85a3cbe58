"""How columns lie along axes: intervals, places of cells, ticks."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.dates import ConciseDateFormatter, date2num
from matplotlib.figure import Figure

from skmaf.plotting.axes import fading_map, grid_of_axes, plain, second_colour, styled
from skmaf.plotting.column_axis import MISSING, ColumnAxis, trimmed
from skmaf.plotting.tables import (
    feature_position,
    one_row,
    read_targets,
    subsampled,
    target_names,
)
from skmaf.table.codec import TableCodec

RNG = np.random.RandomState(0)


def axis_of(column, n_bins=10):
    """The axis of a column beside one of numbers, and the column as its codec gives it."""
    table = pd.DataFrame({"a": column, "b": np.arange(len(column)) ** 1.5})
    codec, N, _ = TableCodec.learn(table)
    return ColumnAxis.of_column(codec, 0, [N[:, 0]], n_bins), N[:, 0]


def dressed(axis, name="x"):
    ax = Figure().subplots()
    axis.dress(getattr(ax, f"{name}axis"))
    return ax


def tick_labels(axis):
    axis.axes.figure.draw_without_rendering()
    return [label.get_text() for label in axis.get_ticklabels()]


def test_numbers_have_neighbouring_intervals_over_their_range():
    x = np.random.default_rng(0).normal(size=500)
    axis = ColumnAxis.of_numbers("a", x, 20)
    assert axis.intervals.shape == (20, 2)
    np.testing.assert_array_equal(axis.intervals[1:, 0], axis.intervals[:-1, 1])
    assert axis.ends == (x.min(), x.max())
    counts, _ = np.histogram(x, axis.edges)
    np.testing.assert_allclose(axis.shares(x), counts / 500)


@pytest.mark.parametrize("n_values", [7, 20, 23, 60, 73, 100])
def test_intervals_of_integers_hold_equally_many_of_them(n_values):
    """But for the last one, which is shorter if it holds fewer."""
    values = np.arange(n_values) + 3.0
    axis = ColumnAxis.of_numbers("a", values, 20)
    counts = axis.shares(values) * n_values
    np.testing.assert_allclose(counts, axis.measures)
    assert len(set(counts[:-1].round(6))) == 1
    assert 8 <= len(counts) <= 20 or n_values == len(counts) == 7
    assert axis.step == (n_values <= 20)


def test_numbers_far_out_are_in_the_outermost_intervals():
    x = np.append(np.random.default_rng(0).normal(size=500), 1e6)
    axis = ColumnAxis.of_numbers("a", x, 20)
    assert axis.ends[1] < 10
    assert axis.find(np.array([1e6, -1e6])).tolist() == [19, 0]
    assert axis.dots(np.array([1e6, -1e6]), RNG).tolist() == [axis.ends[1], axis.ends[0]]
    assert axis.shares(x).sum() == pytest.approx(1)


@pytest.mark.parametrize("x", [[2.0] * 5, [0.0], [np.nan, np.nan]])
def test_a_single_number_or_none_has_an_interval(x):
    axis = ColumnAxis.of_numbers("a", np.array(x), 20)
    assert np.isfinite(axis.intervals).all() and (axis.measures > 0).all()
    np.testing.assert_allclose(axis.shares(np.array(x)).sum(), 1)
    dressed(axis)


def test_missing_cells_have_an_interval_beyond_the_values():
    x = np.append(np.random.default_rng(0).normal(size=75), [np.nan] * 25)
    axis = ColumnAxis.of_numbers("a", x, 20)
    assert axis.has_missing and axis.n_values == 20
    assert axis.intervals[-1, 0] > axis.ends[1] == np.nanmax(x)
    assert axis.shares(x)[-1] == 0.25
    low, high = axis.intervals[-1]
    dots = axis.dots(x, RNG)
    assert ((low < dots[75:]) & (dots[75:] < high)).all() and (dots[:75] == x[:75]).all()
    gaps = axis.with_gaps(axis.shares(x))
    assert np.isnan(gaps).sum() == 1 and np.isnan(gaps[-2])


@pytest.mark.parametrize("name", ["x", "y"])
def test_the_tick_of_missing_cells_is_the_last(name):
    x = np.append(np.random.default_rng(0).normal(size=75), np.nan)
    axis = ColumnAxis.of_numbers("a", x, 20)
    ax = dressed(axis, name)
    drawn = getattr(ax, f"{name}axis")
    ticks = drawn.get_majorticklocs()
    assert tick_labels(drawn)[-1] == MISSING and ticks[-1] == axis.centres[-1]
    assert (ticks[:-1] <= axis.ends[1]).all() and len(ticks) > 3
    low, high = drawn.get_view_interval()
    assert low < axis.ends[0] and axis.intervals[-1, 1] < high


def test_categories_are_in_the_order_of_their_codes_and_missing_cells_last():
    axis, codes = axis_of(["b", "a", None, "b", "b"] * 20)
    assert axis.is_categorical and axis.labels == ["a", "b", MISSING]
    np.testing.assert_allclose(axis.shares(codes), [0.2, 0.6, 0.2])
    assert axis.measures.tolist() == [1, 1, 1]
    dots = axis.dots(codes[:5], RNG)
    assert (abs(dots - [1, 0, 2, 1, 1]) < 0.5).all() and dots[0] != dots[3]
    assert tick_labels(dressed(axis).xaxis) == ["a", "b", MISSING]


@pytest.mark.parametrize("side", [-1, 1])
def test_dots_of_a_side_do_not_meet_those_of_the_other(side):
    axis, codes = axis_of(["b", "a"] * 50)
    beside = side * (axis.dots(codes, RNG, side) - axis.find(codes))
    assert beside.min() > 0 and beside.max() < 0.45


def test_many_categories_are_the_most_frequent_ones_and_the_others():
    words = [f"town {min(i, j):02d}" for i in range(40) for j in range(40)]
    axis, codes = axis_of(words)
    assert len(axis.labels) == 20 and axis.labels[-1] == "21 others"
    assert axis.labels[:3] == ["town 00", "town 01", "town 02"]
    counts = pd.Series(words).value_counts()
    assert axis.shares(codes)[-1] == pytest.approx(counts[19:].sum() / 1600)
    assert np.isfinite(axis.numbers).all()


def test_a_new_category_is_one_of_the_others():
    codec, N, _ = TableCodec.learn(pd.DataFrame({"a": ["x", "y"] * 20}))
    new, _ = codec.encode(pd.DataFrame({"a": ["x", "z"]}))
    axis = ColumnAxis.of_column(codec, 0, [N[:, 0], new[:, 0]], 10)
    assert axis.labels == ["x", "y", "others"]
    assert axis.find(new[:, 0]).tolist() == [0, 2]


DATES = pd.date_range("2021-03-01", periods=60, freq="D")


@pytest.mark.parametrize(
    "cells",
    [
        DATES,
        DATES.tz_localize("Europe/Berlin"),
        DATES.strftime("%d.%m.%Y"),
        DATES.date,
        DATES.year * 10000 + DATES.month * 100 + DATES.day,
    ],
    ids=["dates", "zone", "text", "objects", "integers"],
)
def test_dates_are_dates(cells):
    axis, numbers = axis_of(cells)
    expected = DATES.tz_localize("Europe/Berlin").tz_convert("UTC").tz_localize(None)
    expected = expected if getattr(cells, "tz", None) else DATES
    np.testing.assert_allclose(axis.positions(numbers), date2num(expected))
    ax = dressed(axis)
    assert isinstance(ax.xaxis.get_major_formatter(), ConciseDateFormatter)
    assert {"Apr", "Mar"} & set(tick_labels(ax.xaxis))


def test_months_are_as_long_as_they_are():
    months = pd.date_range("2021-01-01", periods=24, freq="MS")
    axis, numbers = axis_of(months, n_bins=30)
    assert len(axis.intervals) == 24
    days = months.days_in_month.to_numpy()
    inner = axis.measures[1:-1]
    np.testing.assert_allclose(inner, (days[:-2] + days[1:-1])[: len(inner)] / 2)
    assert (axis.shares(numbers) == 1 / 24).all()


def test_times_of_day_are_hours_and_minutes():
    axis, _ = axis_of([f"{h:02d}:30" for h in range(24)] * 2)
    labels = tick_labels(dressed(axis).xaxis)
    assert all(len(label) == 5 and label[2] == ":" for label in labels)
    assert 0 <= axis.ends[0] < axis.ends[1] <= 1.05


@pytest.mark.parametrize("unit, name", [("s", "seconds"), ("h", "hours"), ("D", "days")])
def test_durations_are_in_a_unit_that_suits_them(unit, name):
    axis, numbers = axis_of(pd.to_timedelta(np.arange(1, 21), unit=unit))
    np.testing.assert_allclose(axis.positions(numbers), np.arange(1, 21))
    assert dressed(axis).get_xlabel() == f"a, {name}"


def test_dates_beyond_what_matplotlib_writes_are_drawn():
    cells = [pd.Timestamp("9999-12-31").to_pydatetime()] * 5
    cells += [pd.Timestamp("2021-01-01").to_pydatetime() + i * pd.Timedelta("1D") for i in range(9)]
    for missing in ([], [None]):
        axis, _ = axis_of(cells + missing)
        assert tick_labels(dressed(axis).xaxis)


@pytest.mark.parametrize("freq", ["s", "7min", "20min", "1h", "9h", "1D", "2D", "9D", "MS", "QS"])
@pytest.mark.parametrize("n", [30, 100])
def test_dates_of_any_range_have_ticks_on_small_axes(freq, n):
    axis, _ = axis_of(pd.date_range("2021-03-01", periods=n, freq=freq))
    ax = Figure(figsize=(2, 2)).subplots()
    axis.dress(ax.xaxis)
    assert 2 <= len([label for label in tick_labels(ax.xaxis) if label]) <= 7


def test_smoothing_moves_no_probability_out_and_none_to_missing_cells():
    shares = np.append(np.eye(10)[0], 0.0) * 0.7
    shares[-1] = 0.3
    x = np.append(np.linspace(0, 1, 997) ** 1.1, np.nan)
    axis = ColumnAxis.of_numbers("a", x, 10)
    smooth = axis.smoothed(shares)
    assert smooth[-1] == 0.3 and smooth.sum() == pytest.approx(1)
    assert 0 < smooth[1] < smooth[0] < 0.7
    grid = ColumnAxis.of_numbers("a", np.arange(10.0), 10)
    assert grid.smoothed(shares[:-1]) is not None and (grid.smoothed(shares) == shares).all()


def test_smoothing_keeps_what_is_even_though_the_last_interval_is_shorter():
    values = np.arange(73.0)
    axis = ColumnAxis.of_numbers("a", values, 20)
    shares = axis.shares(values)
    assert axis.measures[-1] < axis.measures[0]
    np.testing.assert_allclose(axis.smoothed(shares), shares)


def test_trimmed_draws():
    x = np.append(np.linspace(0, 1, 2000), [1e9, np.nan])
    assert np.nanmax(trimmed(x)) < 1.01 and np.isnan(trimmed(x)).sum() == 1
    assert np.isnan(trimmed(np.array([np.nan]))).all()


@pytest.mark.parametrize("labels, rotation", [(["a", "b"], 0), (["long label"] * 9, 90)])
def test_labels_without_room_are_upright(labels, rotation):
    axis, _ = axis_of([f"{label} {i}" for i, label in enumerate(labels)] * 5)
    ax = dressed(axis)
    ax.figure.draw_without_rendering()
    assert {label.get_rotation() for label in ax.get_xticklabels()} == {rotation}


def test_names_are_shown_as_they_are():
    assert plain("a_b $c$") == r"a_b \$c\$"
    assert plain("two\nlines  here") == "two lines here"
    long = plain("a very long name that ends in number 17")
    assert len(long) <= 22 and long.startswith("a very") and long.endswith("17")
    axis, _ = axis_of(["$x$", "_y"] * 5)
    ax = dressed(axis)
    assert tick_labels(ax.xaxis) == [r"\$x\$", "_y"]


def test_columns_by_name_or_position():
    codec, _, _ = TableCodec.learn(pd.DataFrame({"a": [0.1, 2], "b": [1, 2]}))
    assert [feature_position(codec, name) for name in ("a", "b", 1, 0)] == [0, 1, 1, 0]
    with pytest.raises(ValueError, match=r"no column 'c': give a name or a position of 'a', 'b'"):
        feature_position(codec, "c")
    with pytest.raises(ValueError, match="no column -1"):
        feature_position(codec, -1)
    codec, _, _ = TableCodec.learn(pd.DataFrame({1: [0.1, 2], 0: [1, 2]}))
    assert feature_position(codec, 1) == 0  # a name before a position


def test_rows_chosen_at_random():
    rows = np.arange(20).reshape(10, 2)
    assert subsampled(rows, None, 0) is rows and subsampled(rows, 10, 0) is rows
    chosen = subsampled(rows, 4, 0)
    assert len({row[0] for row in chosen.tolist()}) == 4
    assert set(map(tuple, chosen.tolist())) <= set(map(tuple, rows.tolist()))
    with pytest.raises(ValueError, match="subsample must be a positive integer"):
        subsampled(rows, 0, 0)


def test_one_row_in_any_form(flats):
    for row in (flats.iloc[0], flats.iloc[[0]], flats[:1]):
        assert one_row(row)["since"].iloc[0] is flats["since"].iloc[0] or one_row(row).shape == (
            1,
            5,
        )
    for row in ([1.0, 2.0], np.array([1.0, 2.0]), [[1.0, 2.0]]):
        assert one_row(row).tolist() == [[1.0, 2.0]]
    with pytest.raises(ValueError, match=r"row holds 2 rows: give one, such as X.iloc\[\[0\]\]"):
        one_row(flats[:2])


def test_names_of_targets():
    assert target_names(1) == ["y"] and read_targets(np.zeros((3, 2)), 2)[1] == ["y0", "y1"]
    Y, names = read_targets(pd.Series([1, 2], name="rent"), 1)
    assert names == ["rent"] and Y.tolist() == [[1.0], [2.0]]
    assert read_targets(pd.DataFrame({"a": [1], "b": [2]}), 2)[1] == ["a", "b"]
    with pytest.raises(ValueError, match="y has 2 columns, and it had 1 in fit"):
        read_targets(np.zeros((3, 2)), 1)


@pytest.mark.parametrize("style", ["default", "dark_background", "ggplot", "grayscale"])
def test_colours_follow_the_style(pyplot, style):
    with pyplot.style.context(style):
        _, ax = pyplot.subplots()
        from matplotlib.colors import to_rgb

        fading = fading_map(ax)
        assert to_rgb(fading(0.0)) == pytest.approx(to_rgb(ax.get_facecolor()), abs=0.01)
        assert to_rgb(fading(1.0)) == pytest.approx(to_rgb("C0"), abs=0.01)
        assert np.linalg.norm(np.subtract(second_colour(), to_rgb("C0"))) > 0.3


def test_properties_in_short_names_replace_defaults():
    from matplotlib.lines import Line2D

    assert styled({"color": "C0", "linewidth": 1}, {"c": "C1"}, Line2D) == {
        "color": "C1",
        "linewidth": 1,
    }


def test_axes_that_cannot_hold_a_grid(pyplot):
    figure, axes = pyplot.subplots(2, 2)
    with pytest.raises(ValueError, match=r"4 axes, and the picture needs 1 by 3: give those of"):
        grid_of_axes(axes, "me", (1, 3), (1, 1))
    free = figure.add_axes((0, 0, 0.1, 0.1))
    with pytest.raises(ValueError, match="cannot be divided: give axes of plt.subplots"):
        grid_of_axes(free, "me", (1, 3), (1, 1))
    assert grid_of_axes(axes, "me", (4, 1), (1, 1))[0].shape == (4, 1)
