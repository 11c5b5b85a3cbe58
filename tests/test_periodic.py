"""Columns on a circle: the density is continuous all around, and integrates to 1 over a period."""

from datetime import time

import numpy as np
import pandas as pd
import pytest

from skmaf import ConditionalMAFDensity, MultiscaleDensity
from skmaf.table.column_kinds import declared_kinds, exact_column, standardised_column
from skmaf.table.periodic import OnCircle, Periodic, TwoTurns

RNG = np.random.default_rng(0)
PERIOD = 360.0


def angles(n=300, about=0.0, spread=40.0):
    return np.mod(about + spread * RNG.standard_normal(n), PERIOD)


def column_of(x, period=PERIOD):
    column = exact_column(x, np.finfo(float).eps, np.ones(len(x)), kind=("periodic", period))
    assert isinstance(column, Periodic)
    return column


@pytest.fixture(scope="module")
def density(tiny):
    """The density of an angle about north, and a number that follows it; some cells are missing."""
    angle = angles()
    x = np.cos(np.deg2rad(angle)) + 0.1 * RNG.standard_normal(300)
    X = np.column_stack([angle, x])
    X[:9, 0] = np.nan
    X[9:20, 1] = np.nan
    kinds = {0: ("periodic", PERIOD)}
    return tiny(column_kinds=kinds, early_stopping=True, max_iter=30, n_iter_no_change=30).fit(X)


@pytest.mark.filterwarnings("ignore:Training reached max_iter")
def test_the_density_integrates_to_one_over_a_period(density):
    grid = np.linspace(0, PERIOD, 4001)
    alone = np.exp(density.score_samples(np.column_stack([grid, np.full(4001, np.nan)])))
    np.testing.assert_allclose(np.trapezoid(alone, grid), 1, rtol=1e-4)
    elsewhere = np.exp(density.score_samples(np.column_stack([grid + 5 * PERIOD, grid * np.nan])))
    np.testing.assert_allclose(elsewhere, alone, rtol=1e-5)


@pytest.mark.filterwarnings("ignore:Training reached max_iter")
@pytest.mark.parametrize("second", [0.9, -1.0, np.nan])
def test_the_density_is_continuous_all_around(density, second):
    column = density.columns_.columns[0]
    assert density.baseline_ is not None
    for seam in (0.0, PERIOD, column.cut, column.cut + PERIOD / 2):
        around = np.array([[seam - 1e-7, second], [seam + 1e-7, second]])
        below, above = density.score_samples(around)
        assert abs(below - above) < 1e-3


@pytest.mark.filterwarnings("ignore:Training reached max_iter")
def test_a_missing_angle_counts_once(density):
    grid = np.linspace(0, PERIOD, 2001)
    x = np.linspace(-4, 4, 801)
    alone = np.exp(density.score_samples(np.column_stack([np.full(801, np.nan), x])))
    np.testing.assert_allclose(np.trapezoid(alone, x), 1, atol=0.02)
    assert np.isfinite(density.score_samples(np.array([[np.nan, 0.3], [90.0, np.nan]]))).all()
    assert np.isfinite(density.score_samples(np.column_stack([grid, np.cos(grid)]))).all()


@pytest.mark.filterwarnings("ignore:Training reached max_iter")
def test_draws_lie_in_the_period_and_about_the_seam(density):
    drawn = density.sample(1000, random_state=0, complete=True)[:, 0]
    assert ((drawn >= 0) & (drawn < PERIOD)).all()
    assert 0.3 < (drawn < 180).mean() < 0.7
    assert np.cos(np.deg2rad(drawn)).mean() > 0.5
    filled = density.impute(np.array([[np.nan, 1.0]] * 100), random_state=0)[:, 0]
    assert ((filled >= 0) & (filled < PERIOD)).all()
    assert np.cos(np.deg2rad(filled)).mean() > 0.5
    rows = np.array([[359.0, 0.9], [1.0, 1.0], [0.0, 1.0]])
    np.testing.assert_allclose(density.inverse_transform(density.transform(rows)), rows, atol=1e-3)


def test_both_copies_of_an_angle_are_on_the_line():
    column = column_of(angles())
    x = np.append(np.linspace(-2 * PERIOD, 2 * PERIOD, 1001), np.nan)
    first, second = column.copies(x)
    assert ((first[:-1] >= column.cut) & (first[:-1] < column.cut + PERIOD)).all()
    turns = (second - x)[:-1] / PERIOD
    np.testing.assert_allclose(turns, np.round(turns), atol=1e-9)
    np.testing.assert_allclose(np.abs(first - second)[:-1], PERIOD)
    half = PERIOD / 2 * (1 + 1e-9)
    assert (np.abs(second[:-1] - column.cut - PERIOD / 2) <= 2 * half).all()
    assert np.isnan(first[-1])
    assert second[-1] == np.inf


def test_the_circle_is_cut_where_rows_are_fewest():
    assert abs(column_of(angles(about=90)).cut - 270) < 60
    assert abs(np.mod(column_of(angles(about=270)).cut, 360) - 90) < 60
    assert column_of(np.mod(angles() + 180, 360) - 180.0).start == -180


def test_hours_stay_on_their_grid(tiny):
    hours = np.mod(RNG.normal(23.5, 2, 400).round(), 24)
    density = tiny(column_kinds={0: ("periodic", 24)}, max_iter=30).fit(hours[:, None])
    assert density.columns_.columns[0].step == 1
    drawn = density.sample(300, random_state=0)[:, 0]
    assert set(drawn) <= set(range(24))
    assert {22.0, 23.0, 0.0, 1.0} <= set(drawn)
    probability = np.exp(density.score_samples(np.arange(24.0)[:, None]))
    np.testing.assert_allclose(probability.sum(), 1, rtol=0.03)


def test_times_of_day_are_on_a_circle_by_themselves(tiny):
    minutes = np.mod(RNG.normal(0, 60, 300).round(), 1440).astype(int)
    cells = [time(*divmod(minute, 60)) for minute in minutes.tolist()]
    frame = pd.DataFrame({"at": pd.Series(cells, dtype=object), "x": 1.0})
    density = tiny(max_iter=30).fit(frame)
    column = density.columns_.columns[0]
    assert isinstance(column, Periodic)
    assert column.period == 1440
    drawn = density.sample(300, random_state=0)["at"]
    hours = np.array([cell.hour for cell in drawn])
    assert set(map(type, drawn)) == {time}
    assert ((hours < 6) | (hours >= 18)).mean() > 0.9
    assert (hours < 6).any()
    assert (hours >= 18).any()


def test_two_turns_rise_and_have_an_inverse_and_a_derivative():
    turns = TwoTurns(-1.0, 3.0)
    x = np.linspace(-0.999, 2.999, 999)
    t = turns.forward(x)
    np.testing.assert_allclose(turns.inverse(t), x, rtol=1e-9, atol=1e-9)
    numeric = (turns.forward(x + 1e-7) - turns.forward(x - 1e-7)) / 2e-7
    np.testing.assert_allclose(np.exp(turns.log_derivative(x)), numeric, rtol=1e-4)
    np.testing.assert_array_equal(turns.log_derivative(np.array([-1.1, 3.1, np.inf])), -np.inf)


@pytest.mark.parametrize("kind", [("periodic", 0), ("periodic", -1), ("periodic", "day")])
def test_periods_are_positive_numbers(kind):
    with pytest.raises(ValueError, match=r"or \('periodic', period\); got"):
        declared_kinds(np.ones((2, 1)), {0: kind})


def test_a_periodic_target_is_refused():
    density = ConditionalMAFDensity(column_kinds={0: ("periodic", 360)})
    with pytest.raises(ValueError, match="its sine and its cosine as two targets"):
        density.fit(np.ones((9, 1)), np.arange(9.0))


# points on a circle, for densities of values with noise and for contexts


def test_points_on_a_circle_go_back_and_know_no_seam():
    x = np.round(angles(500))
    shifted = np.mod(x + 100, PERIOD)
    columns = [
        standardised_column(values, 1e-16, np.ones(500), kind=("periodic", PERIOD))
        for values in (x, shifted)
    ]
    assert all(isinstance(column, OnCircle) for column in columns)
    points, of_shifted = (column.values(values) for column, values in zip(columns, (x, shifted)))
    np.testing.assert_array_equal(columns[0].back(np.empty((500, 0)), points), np.mod(x, PERIOD))
    np.testing.assert_allclose(points.mean(axis=0), 0, atol=1e-9)
    # distances are the same wherever the period begins
    np.testing.assert_allclose(
        np.linalg.norm(points - points[0], axis=1),
        np.linalg.norm(of_shifted - of_shifted[0], axis=1),
        atol=1e-9,
    )
    seam = columns[0].values(np.array([-1e-9, 0.0, PERIOD, np.nan]))
    np.testing.assert_allclose(seam[:3], seam[[0, 0, 0]], atol=1e-9)
    assert np.isnan(seam[3]).all()
    constant = standardised_column(np.full(9, 3.0), 1e-16, np.ones(9), kind=("periodic", PERIOD))
    assert constant.n_values == 0


def test_the_density_of_values_with_noise_sees_no_seam():
    rng = np.random.default_rng(0)
    hour = np.mod(rng.normal(0, 1.5, 600), 24)
    minutes = (hour * 60).astype(int)
    clock = [time(m // 60, m % 60) for m in minutes]
    table = pd.DataFrame({"hour": hour, "clock": clock, "x": rng.standard_normal(600)})
    table.loc[:20, "hour"] = np.nan
    kinds = {"hour": ("periodic", 24)}
    density = MultiscaleDensity(column_kinds=kinds, max_iter=200, random_state=0).fit(table)
    assert [type(column) for column in density.columns_.columns[:2]] == [OnCircle, OnCircle]
    noon = table.iloc[[30] * 5].assign(
        hour=[0.0, 24.0, 1e-9, 12.0, 0.0], clock=[time(0, 0)] * 4 + [time(12, 0)], x=0.0
    )
    scores = density.score_samples(noon)
    np.testing.assert_allclose(scores[:3], scores[0], atol=1e-4)
    assert (scores[3:] < scores[0] - 3).all()
    midnight = density.score_samples(noon.iloc[:2].assign(clock=[time(23, 59), time(0, 1)]))
    assert abs(midnight[0] - midnight[1]) < 0.2
    drawn = density.sample(300, random_state=0, complete=True)
    assert drawn["hour"].between(0, 24, inclusive="left").all()
    filled = density.impute(table.iloc[:20], random_state=0)["hour"]
    for hours in (drawn["hour"], filled):
        assert np.cos(2 * np.pi * hours / 24).mean() > 0.5


def test_a_context_is_on_a_circle():
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"hour": rng.uniform(0, 24, 400), "z": rng.standard_normal(400)})
    y = np.cos(2 * np.pi * X["hour"].to_numpy() / 24) + 0.1 * rng.standard_normal(400)
    density = ConditionalMAFDensity(
        column_kinds={"hour": ("periodic", 24)},
        n_layers=1,
        hidden_layer_sizes=(8,),
        max_iter=2,
        early_stopping=False,
        random_state=0,
    ).fit(X, y)
    assert isinstance(density.context_encoder_.columns.columns[0], OnCircle)
    around = X.iloc[[0, 0]].assign(hour=[0.0, 24.0])
    before, after = density.score_samples(around, y[[0, 0]])
    assert before == pytest.approx(after, abs=1e-5)


@pytest.mark.parametrize("kind", ["grid", "heavy-tailed", (0, None)])
def test_kinds_that_mean_nothing_where_a_network_looks_at_values(kind):
    X = pd.DataFrame({"hour": np.arange(20.0) % 24, "y": np.arange(20.0)})
    message = r"column_kinds\['hour'\] must be 'categorical' or \('periodic', period\) here"
    with pytest.raises(ValueError, match=message):
        MultiscaleDensity(column_kinds={"hour": kind}).fit(X)
    with pytest.raises(ValueError, match=message):
        ConditionalMAFDensity(column_kinds={"hour": kind}).fit(X[["hour"]], X["y"])
