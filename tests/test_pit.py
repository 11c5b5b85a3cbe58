"""The probability integral transform of rows that a flow itself draws is uniform."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import kstest, norm

from skmaf import MAFDensity, PITDisplay
from skmaf.inference.pit import randomised_pit
from skmaf.plotting.pit import uniform_band


def pit_of(density, N, seed=0):
    return randomised_pit(density.density_, N, np.random.RandomState(seed))


@pytest.fixture(scope="module")
def mixed(tiny):
    """A density, with a step of training, of all kinds of columns, whose draws have no ends."""
    rng = np.random.default_rng(0)
    n = 1500
    x = rng.normal(size=n)
    table = pd.DataFrame(
        {
            "word": rng.choice(["a", "b", "c"], n, p=[0.7, 0.2, 0.1]),
            "few": rng.poisson(2, n) - 3,
            "real": x,
            "whole": (40 * (x + rng.normal(size=n))).round(),
            "masses": np.where(rng.random(n) < 0.4, 0.0, rng.normal(size=n)),
            "hour": pd.to_datetime(rng.normal(13, 3, n) % 24 * 3600, unit="s").floor("min").time,
        }
    )
    table.loc[::5, "real"] = None
    table.loc[::7, "word"] = None
    return tiny(max_iter=1).fit(table)


def test_rows_of_the_flow_are_uniform_in_every_dimension(mixed):
    flow = mixed.density_.without_baseline()
    N = flow.sample(3000, random_state=1)
    pit = randomised_pit(flow, N, np.random.RandomState(0))
    for name, x in zip(mixed.get_feature_names_out(), pit.T):
        x = x[~np.isnan(x)]
        assert len(x) > 1000 and kstest(x, "uniform").pvalue > 1e-3, name
    assert np.isnan(pit).any(axis=0).sum() == 1  # the values beside point masses


def test_categories_by_themselves_would_not_be_uniform(mixed):
    """Nor are the middles of their intervals, which `transform` gives."""
    N = mixed.density_.without_baseline().sample(3000, random_state=1)
    middles = norm.cdf(mixed.density_.to_base(N)[:, 0])
    assert kstest(middles, "uniform").pvalue < 1e-6


def test_continuous_columns_are_as_transform_has_them(fitted, rows):
    pit = pit_of(fitted, rows)
    np.testing.assert_allclose(pit, norm.cdf(fitted.transform(rows)))


def test_missing_cells_have_none(mixed):
    columns = mixed.columns_
    N = mixed.density_.sample(50, random_state=0)
    N[::2, 2] = np.nan
    N[::3, 0] = np.nan
    pit = pit_of(mixed, N)
    np.testing.assert_array_equal(np.isnan(pit[:, columns.owners == 2])[:, 0], np.isnan(N[:, 2]))
    np.testing.assert_array_equal(np.isnan(pit[:, columns.owners == 0])[:, 0], np.isnan(N[:, 0]))


def test_chance_is_private_and_repeats(mixed):
    N = mixed.density_.sample(50, random_state=0)
    before = np.random.get_state()[1].copy()
    np.testing.assert_array_equal(pit_of(mixed, N), pit_of(mixed, N))
    assert (np.random.get_state()[1] == before).all()
    assert not np.array_equal(pit_of(mixed, N)[:, 0], pit_of(mixed, N, seed=1)[:, 0])


@pytest.mark.parametrize("n", [5, 60, 2000])
def test_curves_of_uniform_numbers_keep_to_the_band(n):
    low, high = uniform_band(n, 0.9)
    points = np.linspace(0, 1, len(low))
    rng = np.random.default_rng(1)
    inside = 0
    for _ in range(400):
        below = np.searchsorted(np.sort(rng.random(n)), points, side="right") / n
        inside += bool(((low <= below) & (below <= high)).all())
    # 90%, or more where numbers are few, up to the chance of 400 curves
    assert 0.85 < inside / 400 < (0.99 if n < 10 else 0.95)


def test_the_band_is_wide_in_the_middle_and_tight_at_the_ends():
    low, high = uniform_band(500, 0.95)
    widths = high - low
    assert widths[0] == widths[-1] == 0 < widths[2] < widths[50] / 3
    assert (uniform_band(500, 0.99)[1] >= high).all()
    assert (uniform_band(5000, 0.95)[1][50] < high[50]) and high.max() == 1


# PITDisplay


def test_curves_are_those_of_the_numbers(pyplot):
    rng = np.random.default_rng(1)
    pit = np.column_stack([rng.random(300), rng.beta(0.5, 0.5, 300), rng.beta(3, 3, 300)])
    pit[::4, 0] = np.nan
    display = PITDisplay.from_predictions(pit, names=["right", "narrow", "wide"])
    assert display.outside_.tolist() == [False, True, True]
    for x, line in zip(pit.T, display.lines_):
        points, above = line.get_data()
        x = x[~np.isnan(x)]
        np.testing.assert_allclose(above, [(x <= p).mean() - p for p in points], atol=1e-12)
    assert [ax.get_title() for ax in display.axes_.flat] == ["right", "narrow", "wide"]
    assert display.lines_[1].get_ydata()[20] > 0 > display.lines_[2].get_ydata()[20]
    colours = {line.get_color() for line in display.lines_}
    assert len(colours) == 2
    assert len({ax.get_ylim() for ax in display.axes_.flat}) == 1


def test_bands_leave_room_for_all_panels(pyplot):
    """All curves keep to them with the probability of one."""
    pit = np.random.default_rng(0).random((200, 12))
    one = PITDisplay.from_predictions(pit[:, 0])
    many = PITDisplay.from_predictions(pit)

    def height(display):
        return np.ptp(display.bands_[0].get_paths()[0].vertices[:, 1])

    assert height(many) > height(one) and not many.outside_.any()
    assert one.axes_.shape == (1, 1) and many.axes_.shape == (3, 4)
    assert PITDisplay.from_predictions(pit[:, :5]).axes_[1, 2].axison is False


def test_panels_of_a_table(pyplot, flats, flats_density):
    display = PITDisplay.from_estimator(flats_density, flats, random_state=0)
    names = list(flats_density.get_feature_names_out())
    assert display.names == names and len(display.lines_) == len(names)
    counts = {name: len(x) for name, x in zip(display.names, display.pit)}
    assert counts["area"] == flats["area"].notna().sum()
    some = PITDisplay.from_estimator(flats_density, flats, features=["area", 0], random_state=0)
    assert set(some.names) == {"area", "district"}
    pooled = PITDisplay.from_estimator(flats_density, flats, pooled=True, random_state=0)
    assert len(pooled.pit) == 1 and len(pooled.pit[0]) == sum(counts.values())
    again = PITDisplay.from_estimator(flats_density, flats, random_state=0)
    assert all((x == y).all() for x, y in zip(display.pit, again.pit))


def test_a_density_that_is_wrong_is_seen(pyplot, tiny):
    rng = np.random.default_rng(0)
    density = tiny(max_iter=1).fit(rng.normal(size=(2000, 2)))
    right = PITDisplay.from_estimator(density, rng.normal(size=(150, 2)), random_state=0)
    assert not right.outside_.any()
    shifted = rng.normal([0, 1], size=(150, 2))
    wrong = PITDisplay.from_estimator(density, shifted, random_state=0)
    assert wrong.outside_.tolist() == [False, True]


@pytest.mark.parametrize(
    "pit, more, message",
    [
        ([0.5, 1.5], {}, "pit must be numbers from 0 to 1"),
        (np.zeros((2, 2, 2)), {}, "pit must be numbers from 0 to 1"),
        ([np.nan], {}, "There is no PIT to show"),
        ([0.5], {"coverage": 1}, "coverage must be between 0 and 1"),
        ([0.5], {"names": ["a", "b"]}, "2 names and 1 columns"),
        (
            np.full((3, 40), 0.5),
            {},
            "40 columns to show, and room for 36: name some in features, or",
        ),
    ],
)
def test_what_cannot_be_shown(pit, more, message):
    with pytest.raises(ValueError, match=message):
        PITDisplay.from_predictions(pit, **more)


def test_estimators_without_base_space(rows):
    from sklearn.neighbors import KernelDensity

    with pytest.raises(ValueError, match="KernelDensity has no base space: give a MAFDensity"):
        PITDisplay.from_estimator(KernelDensity().fit(rows), rows)
    from sklearn.exceptions import NotFittedError

    with pytest.raises(NotFittedError):
        PITDisplay.from_estimator(MAFDensity(), rows)
