"""Pictures of training, and of targets given a column, show the numbers that they should."""

import numpy as np
import pandas as pd
import pytest

from skmaf import (
    ConditionalDisplay,
    ConditionalMAFDensity,
    DensityOutlierDetector,
    MAFDensity,
    MultiscaleDensity,
    PITDisplay,
    TrainingDisplay,
)
from skmaf.plotting.column_axis import MISSING

SMALL = {"n_layers": 2, "hidden_layer_sizes": (8,), "n_bins": 4, "random_state": 0}


def test_curves_are_likelihoods(pyplot, rows):
    density = MAFDensity(**SMALL).fit(rows)
    display = TrainingDisplay.from_estimator(density, linewidth=3)
    epochs, likelihood = display.loss_line_.get_data()
    np.testing.assert_array_equal(likelihood, -np.array(density.loss_curve_))
    assert epochs.tolist() == list(range(1, density.n_iter_ + 1))
    np.testing.assert_array_equal(display.validation_line_.get_ydata(), density.validation_scores_)
    assert display.loss_line_.get_linewidth() == display.validation_line_.get_linewidth() == 3


def test_the_epoch_that_was_kept_is_marked(pyplot, rows):
    density = MAFDensity(**SMALL).fit(rows)
    display = TrainingDisplay.from_estimator(density)
    best = display.best_epoch_
    assert density.validation_scores_[best - 1] == density.best_validation_score_
    assert density.best_validation_score_ == max(density.validation_scores_)
    assert list(display.best_line_.get_xdata()) == [best, best]
    labels = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert labels[:2] == ["training rows", "held-out rows"]
    assert labels[2].startswith(f"kept: epoch {best}, ")


def test_a_score_that_no_epoch_has_is_marked_as_such(pyplot):
    shown = {"loss_curve": [3, 2], "validation_scores": [-3, -2], "best_validation_score": -1.5}
    display = TrainingDisplay(**shown).plot()
    assert display.best_epoch_ is None and list(display.best_line_.get_ydata()) == [-1.5, -1.5]


def test_training_without_held_out_rows(pyplot, fitted, rows):
    display = TrainingDisplay.from_estimator(fitted)
    assert display.validation_line_ is None and display.best_line_ is None
    quick = MultiscaleDensity(max_iter=20, hidden_layer_sizes=(8,), random_state=0).fit(rows)
    shown = TrainingDisplay.from_estimator(quick).loss_line_.get_ydata()
    np.testing.assert_array_equal(shown, -np.array(quick.loss_curve_))


def test_bad_first_epochs_leave_room_for_the_others(pyplot):
    later = list(np.linspace(10, 9, 48))
    display = TrainingDisplay(loss_curve=[1e6, 500.0, *later]).plot()
    low, high = display.ax_.get_ylim()
    assert -12 < low < -10 and -9 < high < -8
    steady = TrainingDisplay(loss_curve=[11.0, 10.5, *later]).plot()
    assert steady.ax_.get_ylim()[0] < -11


def test_one_epoch_is_a_dot(pyplot):
    display = TrainingDisplay(loss_curve=[2.0]).plot()
    assert display.loss_line_.get_marker() == "o"
    display.figure_.draw_without_rendering()
    assert [tick for tick in display.ax_.get_xticks() if tick % 1] == []


def test_estimators_without_a_curve(rows):
    quick = MultiscaleDensity(max_iter=2, hidden_layer_sizes=(8,))
    detector = DensityOutlierDetector(quick, n_folds=2, random_state=0).fit(rows)
    with pytest.raises(ValueError, match=r"has no loss_curve_: give estimators_\[0\]"):
        TrainingDisplay.from_estimator(detector)
    TrainingDisplay.from_estimator(detector.estimators_[0])
    from sklearn.neighbors import KernelDensity

    with pytest.raises(ValueError, match="has no loss_curve_: give an estimator that has, such as"):
        TrainingDisplay.from_estimator(KernelDensity().fit(rows))


# ConditionalDisplay


@pytest.fixture(scope="module")
def rents(flats):
    rng = np.random.default_rng(0)
    size = flats["area"].fillna(60)
    return (12 * size + rng.normal(size=len(flats)) * size).rename("rent")


@pytest.fixture(scope="module")
def regressor(flats, rents):
    return ConditionalMAFDensity(**SMALL, max_iter=3, early_stopping=False).fit(flats, rents)


DRAWS = {"n_samples": 100, "random_state": 0}


def context(flats, **cells):
    """A row of what is typical of the columns, in as many copies as a column needs."""
    typical = {
        "district": flats["district"].mode()[0],
        "area": flats["area"].quantile(0.5, "lower"),
        "rooms": flats["rooms"].quantile(0.5, "lower"),
        "since": flats["since"].quantile(0.5, "lower"),
        "lift": False,
    }
    n = max(len(values) for values in cells.values())
    table = pd.DataFrame({name: [value] * n for name, value in typical.items()}).assign(**cells)
    return table.astype(flats.dtypes.to_dict())


def test_lines_are_the_median_and_the_interval(pyplot, flats, regressor):
    display = ConditionalDisplay.from_estimator(
        regressor, flats, feature="area", coverage=0.8, **DRAWS
    )
    area = display.median_line_.get_xdata()
    rows = context(flats, area=area)
    np.testing.assert_allclose(
        display.median_line_.get_ydata(), regressor.predict_quantiles(rows, 0.5), rtol=1e-6
    )
    ends = np.column_stack([line.get_ydata() for line in display.interval_lines_])
    np.testing.assert_allclose(ends, regressor.predict_interval(rows, 0.8), rtol=1e-6)
    texts = [text.get_text() for text in display.legend_.get_texts()]
    assert texts == ["median", "80% interval"]
    assert (display.ax_.get_xlabel(), display.ax_.get_ylabel()) == ("area", "y")


def test_each_density_integrates_to_one(pyplot, flats, rents, regressor):
    for feature in ("area", "district", "since"):
        display = ConditionalDisplay.from_estimator(
            regressor, flats, rents, feature=feature, **DRAWS
        )
        integrals = (display.density * display.y_axis.measures).sum(axis=1)
        np.testing.assert_allclose(integrals, 1)
        assert display.ax_.get_ylabel() == "rent"


def test_the_map_is_the_density(pyplot):
    """Of a target that is normal about 3 x, by a flow that has been trained for a moment."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2000, 1))
    y = 3 * x[:, 0] + rng.normal(size=2000)
    density = ConditionalMAFDensity(**SMALL, max_iter=20, early_stopping=False).fit(x, y)
    display = ConditionalDisplay.from_estimator(density, x, feature=0, random_state=0)
    places = np.flatnonzero(np.abs(display.x_axis.centres) < 1)
    for i in places:
        at = np.full((len(display.y_axis.centres), 1), display.x_axis.centres[i])
        exact = np.exp(density.score_samples(at, display.y_axis.centres))
        assert np.abs(display.density[i] - exact).max() < 0.25 * exact.max()


def test_categories_have_violins(pyplot, flats, rents, regressor):
    display = ConditionalDisplay.from_estimator(
        regressor, flats, rents, feature="district", coverage=0.8, **DRAWS
    )
    assert display.mesh_ is None and display.median_line_ is None
    assert display.x_axis.labels == ["north", "old town", "south", MISSING]
    assert len(display.violins_) == 4
    rows = context(flats, district=["north", "old town", "south", None])
    points, _, _ = display.error_bars_.lines
    np.testing.assert_allclose(
        points.get_ydata(), regressor.predict_quantiles(rows, 0.5), rtol=1e-6
    )
    [bars] = display.error_bars_.lines[2]
    ends = np.array([segment[:, 1] for segment in bars.get_segments()])
    np.testing.assert_allclose(ends, regressor.predict_interval(rows, 0.8), rtol=1e-6)
    assert len(display.scatter_.get_offsets()) == 200


def test_violins_are_as_wide_as_the_density_is_high(pyplot, flats, regressor):
    display = ConditionalDisplay.from_estimator(regressor, flats, feature="district", **DRAWS)
    widths = [np.ptp(violin.get_paths()[0].vertices[:, 0]) for violin in display.violins_]
    highest = display.density.max(axis=1)
    np.testing.assert_allclose(widths, 0.81 * highest / highest.max(), rtol=1e-6)


def test_missing_cells_beside_numbers_have_a_violin(pyplot, flats, regressor):
    display = ConditionalDisplay.from_estimator(regressor, flats, feature="area", **DRAWS)
    assert len(display.violins_) == 1 and display.mesh_ is not None
    x = display.error_bars_.lines[0].get_xdata()
    assert x[0] == display.x_axis.centres[-1] > display.x_axis.ends[1]
    whole = ConditionalDisplay.from_estimator(regressor, flats, feature="rooms", **DRAWS)
    assert whole.violins_ == [] and whole.error_bars_ is None


def test_other_columns_are_those_of_a_row(pyplot, flats, regressor):
    row = flats.iloc[[1]]
    display = ConditionalDisplay.from_estimator(
        regressor, flats, feature="rooms", row=flats.iloc[1], **DRAWS
    )
    rooms = display.x_axis.numbers.astype(int)
    rows = row.loc[row.index.repeat(len(rooms))].assign(rooms=rooms)
    np.testing.assert_allclose(
        display.median_line_.get_ydata(), regressor.predict_quantiles(rows, 0.5), rtol=1e-6
    )


def test_one_of_several_targets(pyplot, flats, rents):
    Y = pd.DataFrame({"rent": rents, "half": rents / 2})
    X = flats[["rooms"]]
    density = ConditionalMAFDensity(**SMALL, max_iter=2, early_stopping=False).fit(X, Y)
    for target in ("half", 1):
        display = ConditionalDisplay.from_estimator(
            density, X, Y, feature="rooms", target=target, **DRAWS
        )
        rows = pd.DataFrame({"rooms": display.x_axis.numbers.astype(int)})
        expected = density.predict_quantiles(rows, 0.5)["half"]
        np.testing.assert_allclose(display.median_line_.get_ydata(), expected)
        assert display.ax_.get_ylabel() == "half"
    with pytest.raises(ValueError, match="no column 'third': give a name or a position of 'rent'"):
        ConditionalDisplay.from_estimator(density, X, Y, feature="rooms", target="third")
    ranks = PITDisplay.from_estimator(density, X, Y, features=["half"], random_state=0)
    assert ranks.names == ["half"] and len(ranks.pit[0]) == 200


def test_what_has_no_conditional_density(flats, rents, flats_density, regressor):
    with pytest.raises(ValueError, match="is no density of a target: give a ConditionalMAFDensity"):
        ConditionalDisplay.from_estimator(flats_density, flats)
    with pytest.raises(ValueError, match="There is no column 'height'"):
        ConditionalDisplay.from_estimator(regressor, flats, feature="height")
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        ConditionalDisplay.from_estimator(regressor, flats, rents[:9], feature="area")
    with pytest.raises(ValueError, match="ConditionalMAFDensity needs y: give the targets"):
        PITDisplay.from_estimator(regressor, flats)


def test_ranks_of_targets_are_uniform_if_the_density_is_right(pyplot):
    """A target of few values too, whose ranks have ties."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(600, 1))
    for y in (rng.normal(size=600), rng.poisson(1, 600)):
        density = ConditionalMAFDensity(**SMALL, max_iter=5, early_stopping=False).fit(x, y)
        drawn = density.sample(x, random_state=1)[:, 0]
        assert not PITDisplay.from_estimator(density, x, drawn, random_state=0).outside_.any()
        assert PITDisplay.from_estimator(density, x, drawn + 1, random_state=0).outside_.all()
