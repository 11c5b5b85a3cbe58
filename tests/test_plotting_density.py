"""Pictures of densities and of rows that are drawn show the numbers that they should."""

import numpy as np
import pandas as pd
import pytest
from sklearn.mixture import GaussianMixture

from skmaf import (
    ConditionalMAFDensity,
    DensityDisplay,
    MAFClassifier,
    MAFDensity,
    PairDisplay,
)
from skmaf.plotting.column_axis import MISSING

DRAWS = {"n_samples": 2000, "random_state": 0}


@pytest.fixture(scope="module")
def normal(tiny):
    """A density that has hardly been trained, of independent normal numbers: it is normal."""
    X = np.random.default_rng(0).normal([0, 100], [1, 20], size=(1000, 2))
    return tiny(max_iter=1).fit(X), X


def test_the_map_is_the_density(pyplot, normal):
    density, X = normal
    display = DensityDisplay.from_estimator(density, n_samples=50_000, random_state=0)
    x, y = np.meshgrid(display.x_axis.centres, display.y_axis.centres, indexing="ij")
    expected = np.exp(density.score_samples(np.column_stack([x.ravel(), y.ravel()])))
    high = expected > 0.2 * expected.max()
    np.testing.assert_allclose(display.density.ravel()[high], expected[high], rtol=0.25)
    assert display.density.ravel()[high].mean() == pytest.approx(expected[high].mean(), rel=0.03)
    assert display.scatter_ is None and display.texts_ == []


@pytest.mark.parametrize(
    "features",
    [("area", "since"), ("district", "area"), ("since", "lift"), ("district", "lift"), (1, 2)],
)
def test_colours_times_areas_add_up_to_one(pyplot, flats, flats_density, features):
    display = DensityDisplay.from_estimator(flats_density, flats, features=features, **DRAWS)
    shown = np.asarray(display.mesh_.get_array().filled(np.nan))
    areas = np.outer(display.y_axis.measures, display.x_axis.measures)
    inside = shown[~np.isnan(shown)].reshape(areas.shape)
    assert (inside * areas).sum() == pytest.approx(1)
    assert display.probability.shape == areas.T.shape


def test_other_columns_are_integrated_out(pyplot, flats, flats_density):
    """The share of each value, and of missing cells, is that of the rows that are drawn."""
    display = DensityDisplay.from_estimator(
        flats_density, features=("district", "rooms"), n_samples=3000, random_state=7
    )
    drawn = flats_density.sample(3000, random_state=7)
    shares = pd.crosstab(drawn["district"].astype(object).fillna(MISSING), drawn["rooms"]) / 3000
    shares = shares.reindex(display.x_axis.labels)
    np.testing.assert_allclose(display.probability, shares.to_numpy(), atol=1e-12)


def test_probabilities_of_categories_are_written_beside_those_of_the_rows(
    pyplot, flats, flats_density
):
    features = ("district", "lift")
    display = DensityDisplay.from_estimator(flats_density, flats, features=features, **DRAWS)
    assert len(display.texts_) == 8 and display.scatter_ is None
    share = np.mean((flats["district"] == "north") & ~flats["lift"])
    assert display.texts_[0].get_text().endswith(f"\nrows {share:.0%}")
    assert display.texts_[0].get_text().startswith(f"{display.probability[0, 0]:.0%}")
    assert display.colorbar_.ax.get_ylabel() == "probability"
    bare = DensityDisplay.from_estimator(flats_density, features=features, **DRAWS)
    assert "rows" not in bare.texts_[0].get_text()


def test_rows_are_on_top_where_they_are(pyplot, flats, flats_density):
    display = DensityDisplay.from_estimator(
        flats_density, flats, features=("area", "district"), subsample=None, **DRAWS
    )
    x, y = display.scatter_.get_offsets().T
    present = flats["area"].notna().to_numpy()
    np.testing.assert_allclose(x[present], flats["area"][present])
    assert (x[~present] > display.x_axis.intervals[-1, 0]).all()
    codes = flats["district"].map({"north": 0, "old town": 1, "south": 2}).fillna(3)
    np.testing.assert_array_equal(y.round(), codes)
    few = DensityDisplay.from_estimator(flats_density, flats, subsample=30, **DRAWS)
    assert len(few.scatter_.get_offsets()) == 30


def test_columns_label_the_axes(pyplot, flats, flats_density):
    display = DensityDisplay.from_estimator(flats_density, features=("since", 1), **DRAWS)
    assert (display.ax_.get_xlabel(), display.ax_.get_ylabel()) == ("since", "area")
    assert display.ax_.get_xticklabels()[-1].get_text() == MISSING


def test_many_categories_have_dots_and_no_text(pyplot, tiny):
    rng = np.random.default_rng(0)
    X = pd.DataFrame({k: rng.choice(list("abcdefghijkl"), 200) for k in ("one", "two")})
    display = DensityDisplay.from_estimator(tiny().fit(X), X, **DRAWS)
    assert display.texts_ == [] and len(display.scatter_.get_offsets()) == 200


def test_properties_of_the_map_and_the_dots(pyplot, normal):
    density, X = normal
    display = DensityDisplay.from_estimator(
        density, X, cmap="magma", norm="log", scatter_kwargs={"c": "red"}, **DRAWS
    )
    assert display.mesh_.get_cmap().name == "magma"
    assert display.scatter_.get_facecolor()[0][:3].tolist() == [1, 0, 0]
    assert display.plot(colorbar=False).colorbar_ is None


def test_the_same_seed_draws_the_same_picture(pyplot, normal):
    density, X = normal
    maps = [
        DensityDisplay.from_estimator(density, X, n_samples=500, random_state=seed).probability
        for seed in (3, 3, 4)
    ]
    assert (maps[0] == maps[1]).all() and maps[0].shape == maps[1].shape
    assert maps[2].shape != maps[0].shape or (maps[2] != maps[0]).any()


@pytest.mark.parametrize("features", ["ab", (0,), (0, 1, 2)])
def test_features_that_are_no_pair(normal, features):
    with pytest.raises(ValueError, match="features must be two columns, by name or position"):
        DensityDisplay.from_estimator(normal[0], features=features)


def test_the_same_column_twice(normal):
    with pytest.raises(ValueError, match="two different columns"):
        DensityDisplay.from_estimator(normal[0], features=(1, 1))


@pytest.mark.parametrize("display", [DensityDisplay, PairDisplay])
def test_estimators_that_draw_no_rows_are_refused(display, normal):
    small = {"n_layers": 1, "hidden_layer_sizes": (4,), "max_iter": 1, "early_stopping": False}
    X = normal[1]
    others = [
        GaussianMixture(random_state=0).fit(X),
        MAFClassifier(**small).fit(X[:40], [0, 1] * 20),
        ConditionalMAFDensity(**small).fit(X[:40], X[:40, 0]),
    ]
    for estimator in others:
        message = f"which {type(estimator).__name__} is not: give a MAFDensity, or"
        with pytest.raises(ValueError, match=message):
            display.from_estimator(estimator, X)


# PairDisplay


@pytest.fixture(scope="module")
def drawn(flats_density):
    return flats_density.sample(150, random_state=0)


@pytest.fixture
def pairs(pyplot, flats, drawn):
    return PairDisplay.from_predictions(flats, drawn)


def shares_of(column, labels):
    return (
        column.astype(object)
        .fillna(MISSING)
        .value_counts(normalize=True)
        .reindex(labels, fill_value=0)
    )


def values_of(bars):
    values = np.asarray(bars.get_data().values)
    return values[~np.isnan(values)]


def test_bars_are_shares_of_rows(pairs, flats, drawn):
    labels = ["north", "old town", "south", MISSING]
    for table, bars in zip((flats, drawn), pairs.bars_[0]):
        np.testing.assert_allclose(values_of(bars), shares_of(table["district"], labels))


def test_missing_cells_have_a_bar_of_their_own(pairs, flats, drawn):
    for k, name in ((1, "area"), (3, "since")):
        for table, bars in zip((flats, drawn), pairs.bars_[k]):
            values = values_of(bars)
            assert values.sum() == pytest.approx(1)
            assert values[-1] == pytest.approx(table[name].isna().mean())


def test_numbers_have_a_histogram(pairs, flats):
    bars = pairs.bars_[1][0]
    edges = pairs.axes[1].edges[:-2]
    counts, _ = np.histogram(flats["area"].dropna(), edges)
    np.testing.assert_allclose(values_of(bars)[:-1], counts / len(flats))


def test_dots_are_the_rows(pairs, flats, drawn):
    assert pairs.scatters_.keys() == {(i, k) for i in range(5) for k in range(i)}
    real, made = pairs.scatters_[1, 0]
    assert len(real.get_offsets()) == len(flats) and len(made.get_offsets()) == len(drawn)
    present = flats["area"].notna()
    np.testing.assert_allclose(real.get_offsets()[present, 1], flats["area"][present])
    beside = [dots.get_offsets()[:, 0] for dots in (real, made)]
    assert (beside[0] < beside[0].round()).all() and (beside[1] > beside[1].round()).all()


def test_the_grid_is_labelled_at_its_left_and_bottom(pairs, flats):
    assert pairs.axes_.shape == (5, 5)
    assert [ax.get_xlabel() for ax in pairs.axes_[-1]] == list(flats.columns)
    assert [ax.get_ylabel() for ax in pairs.axes_[1:, 0]] == list(flats.columns[1:])
    assert not any(ax.get_xlabel() for ax in pairs.axes_[:-1].flat)
    assert not any(ax.axison for ax in pairs.axes_[np.triu_indices(5, 1)])
    texts = [text.get_text() for text in pairs.legend_.get_texts()]
    assert texts == ["real, 200 rows", "drawn, 150 rows"]


def test_pairs_of_an_estimator(pyplot, flats, flats_density):
    features = ["area", "lift"]
    display = PairDisplay.from_estimator(
        flats_density, flats, features=features, n_samples=90, subsample=50, random_state=3
    )
    drawn = flats_density.sample(90, random_state=3)
    np.testing.assert_allclose(
        values_of(display.bars_[1][1]), drawn["lift"].value_counts(normalize=True).sort_index()
    )
    assert {len(dots.get_offsets()) for dots in display.scatters_[1, 0]} == {50}
    assert len(PairDisplay.from_estimator(flats_density, flats, features=["area"]).X) == 200


def test_rows_from_anywhere(pyplot):
    X = np.random.default_rng(0).normal(size=(100, 3))
    drawn, _ = GaussianMixture(random_state=0).fit(X).sample(80)
    display = PairDisplay.from_predictions(X, drawn, column_kinds=None)
    assert display.axes_[2, 0].get_xlabel() == "x0"
    codes = np.random.default_rng(0).integers(0, 3, size=(100, 2))
    display = PairDisplay.from_predictions(codes, codes, column_kinds={0: "categorical"})
    assert display.axes[0].labels == ["0.0", "1.0", "2.0"] and not display.axes[1].is_categorical


def test_axes_take_the_place_of_one_or_are_given(pyplot, flats, drawn):
    figure, axes = pyplot.subplots(1, 2)
    features = ["area", "rooms"]
    display = PairDisplay.from_predictions(flats, drawn, features=features, ax=axes[1])
    assert display.bounding_ax_ is axes[1] and not axes[1].axison and display.figure_ is figure
    assert len(figure.axes) == 6
    again = PairDisplay.from_predictions(flats, drawn, features=features, ax=display.axes_)
    assert (again.axes_ == display.axes_).all() and len(figure.axes) == 6


def test_too_many_columns_ask_for_some(pyplot):
    X = np.random.default_rng(0).normal(size=(30, 30))
    with pytest.raises(ValueError, match="30 columns, of which a picture shows 8 by itself: name"):
        PairDisplay.from_predictions(X, X)
    assert PairDisplay.from_predictions(X, X, features=range(3)).axes_.shape == (3, 3)
    for features in ("x", []):
        with pytest.raises(ValueError, match="features must be a list of columns"):
            PairDisplay.from_predictions(X, X, features=features)


def test_rows_of_other_columns_are_refused(flats):
    with pytest.raises(ValueError, match="columns"):
        PairDisplay.from_predictions(flats, flats[["area"]])


def test_estimators_must_be_fitted(flats):
    from sklearn.exceptions import NotFittedError

    for display in (DensityDisplay, PairDisplay):
        with pytest.raises(NotFittedError):
            display.from_estimator(MAFDensity(), flats)
