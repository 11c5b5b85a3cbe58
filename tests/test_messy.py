"""Tables with integers, categories, point masses, bounds and missing cells, end to end."""

import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st
from scipy import stats
from short_fits import shorten_detector
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from skmaf import DensityOutlierDetector, MAFDensity, MultiscaleDensity


@pytest.fixture(scope="module")
def penguins():
    """Palmer penguins (Horst, Hill and Gorman 2020, CC0).

    Three columns of text, four of numbers, 19 missing cells.
    """
    return pd.read_csv(Path(__file__).parent / "data" / "penguins.csv")


@pytest.fixture(scope="module")
def fitted_penguins(penguins):
    density = MAFDensity(
        n_layers=2,
        hidden_layer_sizes=(32,),
        max_iter=60,
        early_stopping=False,
        random_state=0,
    )
    return density.fit(penguins)


def without_nan(cells):
    return [None if pd.isna(cell) else cell for cell in cells]


def mixed_rows(n, seed):
    """Rows of a known distribution, and their log-density.

    A category, and given it zeros among log-normal values, a normal value, and a count.
    """
    rng = np.random.default_rng(seed)
    group = rng.choice(3, n, p=[0.5, 0.3, 0.2])
    amount = np.where(rng.random(n) < 0.4, 0.0, np.exp(rng.normal(group, 0.5)))
    value = rng.normal(2.0 * group, 1.0)
    count = rng.poisson(1.0 + group)
    with np.errstate(divide="ignore"):
        of_amount = np.where(
            amount == 0,
            np.log(0.4),
            np.log(0.6) + stats.lognorm(0.5, scale=np.exp(group)).logpdf(amount),
        )
    log_density = np.log(np.array([0.5, 0.3, 0.2])[group]) + of_amount
    log_density += stats.norm(2.0 * group, 1.0).logpdf(value) + stats.poisson(1.0 + group).logpmf(
        count
    )
    frame = pd.DataFrame(
        {
            "group": np.array(["a", "b", "c"])[group],
            "amount": amount,
            "value": value,
            "count": count,
        }
    )
    return frame, log_density


@pytest.fixture(scope="module")
def fitted_mixed():
    """A density of 4,000 rows of `mixed_rows`."""
    density = MAFDensity(
        n_layers=2,
        hidden_layer_sizes=(32,),
        max_iter=30,
        early_stopping=False,
        random_state=0,
    )
    return density.fit(mixed_rows(4000, 0)[0])


@pytest.mark.slow
def test_the_score_of_a_mixed_table_is_near_its_entropy(fitted_mixed):
    """On rows that `fit` did not see; 4,000 training rows leave a small difference."""
    density = fitted_mixed
    kinds = [type(column).__name__ for column in density.columns_.columns]
    assert kinds == ["Discrete", "PointMasses", "Continuous", "Discrete"]
    frame, truth = mixed_rows(4000, 1)
    assert density.score(frame) == pytest.approx(truth.mean(), abs=0.06)
    assert density.score(frame) < truth.mean() + 3 * truth.std() / np.sqrt(4000)


@pytest.mark.slow
def test_sampled_rows_are_distributed_like_the_table(fitted_mixed):
    frame = mixed_rows(4000, 0)[0]
    drawn = fitted_mixed.sample(4000, random_state=0)
    assert drawn.dtypes.equals(frame.dtypes) and list(drawn) == list(frame)
    shares = [table["group"].value_counts(normalize=True) for table in (drawn, frame)]
    np.testing.assert_allclose(shares[0][["a", "b", "c"]], shares[1][["a", "b", "c"]], atol=0.03)
    assert np.mean(drawn["amount"] == 0) == pytest.approx(0.4, abs=0.03)
    means = [table.groupby("group")[["value", "count"]].mean() for table in (drawn, frame)]
    np.testing.assert_allclose(means[0], means[1], atol=0.25)


@pytest.mark.slow
def test_sum_over_a_grid_and_integral_are_one():
    rng = np.random.default_rng(0)
    half = rng.binomial(4, 0.5, 400) * 0.5
    X = np.column_stack([half, rng.standard_normal(400) + half])
    density = MAFDensity(n_layers=2, hidden_layer_sizes=(16,), max_iter=60, random_state=0).fit(X)
    t = np.linspace(-30, 30, 3001)
    mass = 0.0
    for value in np.unique(half):
        mass += 0.5 * np.trapezoid(
            np.exp(density.score_samples(np.column_stack([np.full(len(t), value), t]))), t
        )
    assert mass == pytest.approx(
        1 - 1 / 402, abs=2e-3
    )  # the rest is for values of the grid that were not seen


MIXING = np.array([[1.0, 0.0, 0.0], [0.8, 0.6, 0.0], [-0.5, 0.3, 0.8]])
COVARIANCE = MIXING @ MIXING.T


@pytest.fixture(scope="module")
def fitted_incomplete():
    """A density of normal rows of which a fifth of the cells is missing."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((2000, 3)) @ MIXING.T
    X[rng.random(X.shape) < 0.2] = np.nan
    X = X[~np.isnan(X).all(axis=1)]
    return MAFDensity(n_layers=2, hidden_layer_sizes=(32,), random_state=0).fit(X)


@pytest.mark.slow
@pytest.mark.parametrize("missing", [[0], [1], [2], [0, 2]])
def test_missing_cells_leave_the_marginal_density(missing, fitted_incomplete):
    """Of a Gaussian, in closed form; imputed cells have its conditional distribution."""
    new = np.random.default_rng(1).standard_normal((500, 3)) @ MIXING.T
    there = [j for j in range(3) if j not in missing]
    marginal = COVARIANCE[np.ix_(there, there)]
    truth = stats.multivariate_normal(np.zeros(len(there)), marginal).logpdf(new[:, there])
    incomplete = new.copy()
    incomplete[:, missing] = np.nan
    scores = fitted_incomplete.score_samples(incomplete)
    assert scores.mean() == pytest.approx(truth.mean(), abs=0.03)
    assert np.sqrt(np.mean((scores - truth) ** 2)) < 0.2
    filled = fitted_incomplete.impute(incomplete, random_state=0)
    assert np.array_equal(filled[:, there], new[:, there])
    np.testing.assert_allclose(np.cov(filled.T), COVARIANCE, atol=0.25)


def test_tables_without_missing_cells_pay_nothing_for_them(tiny, rows):
    assert tiny().fit(rows).flow_.values.flow.layers[0].conditioner.n_context == 0


def test_real_table_with_text_and_missing_cells(penguins, fitted_penguins):
    scores = fitted_penguins.score_samples(penguins)
    assert np.isfinite(scores).all()
    with_missing = fitted_penguins.sample(2000, random_state=0)
    shares = [rows.isna().mean() for rows in (with_missing, penguins)]
    np.testing.assert_allclose(*shares, atol=0.015)
    drawn = fitted_penguins.sample(300, random_state=0, complete=True)
    assert drawn.dtypes.equals(penguins.dtypes) and list(drawn) == list(penguins)
    assert not drawn.isna().any(axis=None)
    assert set(drawn["species"]) == set(penguins["species"])
    pairs = set(
        map(tuple, penguins[["species", "island"]].to_numpy())
    )  # Gentoo live on Biscoe alone
    assert (
        np.mean([pair in pairs for pair in map(tuple, drawn[["species", "island"]].to_numpy())])
        > 0.9
    )
    assert np.isfinite(fitted_penguins.score_samples(drawn)).all()


def test_impute_gives_the_table_back_without_missing_cells(penguins, fitted_penguins):
    filled = fitted_penguins.impute(penguins, n_draws=2, random_state=0)
    assert filled.shape == (2 * len(penguins), 7) and not filled.isna().any(axis=None)
    for draw in (filled[: len(penguins)], filled[len(penguins) :]):
        draw = draw.reset_index(drop=True)
        assert draw.where(penguins.notna()).equals(penguins)
    again = fitted_penguins.impute(penguins, n_draws=2, random_state=0)
    assert filled.equals(again)
    for n_draws in (0, 1.5, "two"):
        with pytest.raises(ValueError, match="n_draws must be a positive integer"):
            fitted_penguins.impute(penguins, n_draws=n_draws)


@pytest.mark.parametrize("form", ["pandas", "polars", "array"])
def test_impute_leaves_what_is_there(form, tiny):
    """Numbers beyond the precision of a float, categories that `fit` did not see, and the index."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {"key": 2**60 + rng.integers(0, 1000, 60), "colour": rng.choice(["red", "blue"], 60)}
    )
    frame["size"] = np.where(np.arange(60) % 5 == 0, None, rng.normal(size=60)).astype(float)
    density = tiny()
    new = frame.assign(colour="green").set_index(np.arange(60) + 1000)
    if form == "polars":
        polars = pytest.importorskip("polars")
        frame, new = (
            polars.DataFrame({name: without_nan(cells) for name, cells in table.items()})
            for table in (frame, new)
        )
    elif form == "array":
        frame = frame.to_numpy(object)
        new = new.to_numpy(object)
    density.fit(frame)
    with pytest.warns(UserWarning, match="'green', which fit did not see"):
        filled = density.impute(new, random_state=0)
    names = [0, 1, 2] if form == "array" else ["key", "colour", "size"]
    filled_columns, new_columns = (
        [list(t[:, j]) if form == "array" else list(t[j]) for j in names] for t in (filled, new)
    )
    assert filled_columns[:2] == new_columns[:2]
    assert not pd.isna(filled_columns[2]).any()
    if form == "pandas":
        assert filled.index.equals(new.index)


def test_rows_without_weight_are_not_there_with_all_they_hold(tiny):
    """Categories and missing cells that only they have are unknown."""
    frame = pd.DataFrame({"a": ["x", "y"] * 50 + ["z"], "b": [0.5, 1.5] * 50 + [np.nan]})
    weights = np.append(np.ones(100), 0)
    for make in (
        tiny,
        lambda: MultiscaleDensity(max_iter=5, hidden_layer_sizes=(8,), random_state=0),
    ):
        weighted = make().fit(frame, sample_weight=weights)
        short = make().fit(frame[:100])
        np.testing.assert_array_equal(
            weighted.score_samples(frame[:9]), short.score_samples(frame[:9])
        )
        with pytest.raises(ValueError, match="Column 'b' contains NaN"):
            weighted.score_samples(frame.assign(a="x"))


@pytest.mark.slow
def test_detector_of_a_density_of_few_missing_cells_and_rare_categories(tiny):
    """What the whole table says goes for all folds, without a warning."""
    polars = pytest.importorskip("polars")
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {"a": ["rare"] + ["x", "y"] * 30, "b": np.append(np.nan, rng.normal(size=60))}
    )
    frame["c"] = rng.normal(size=61)
    detector = DensityOutlierDetector(tiny(column_kinds={"c": "continuous"}), random_state=0).fit(
        frame
    )
    scores = detector.score_samples(frame)
    assert np.isfinite(scores).all()
    other = polars.DataFrame({name: without_nan(cells) for name, cells in frame.items()})
    of_polars = clone(detector).fit(other)
    np.testing.assert_array_equal(of_polars.score_samples(other), scores)
    assert list(of_polars.feature_names_in_) == ["a", "b", "c"]


def test_a_category_that_was_not_seen_is_no_usual_one():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {"a": rng.choice([f"c{i:02d}" for i in range(60)], 300), "b": rng.normal(size=300)}
    )
    density = MultiscaleDensity(max_iter=300, hidden_layer_sizes=(64,), random_state=0).fit(frame)
    with pytest.warns(UserWarning, match="'new', which fit did not see"):
        scores = density.score_samples(frame.assign(a="new"))
    assert np.median(density.score_samples(frame) - scores) > 5


def test_changed_kinds_stop_a_warm_start(tiny):
    x = np.random.default_rng(0).gamma(2, 1, size=(100, 1))
    density = tiny(warm_start=True).fit(x)
    with pytest.raises(ValueError, match="column_kinds has changed since the last fit"):
        density.set_params(column_kinds={0: (0, None)}).fit(x)


def test_other_forms_of_the_table_have_the_same_scores(penguins, fitted_penguins):
    scores = fitted_penguins.score_samples(penguins)
    numbers = penguins.select_dtypes("number").columns
    nullable = penguins.convert_dtypes()
    categorical = penguins.astype(dict.fromkeys(["species", "island", "sex"], "category"))
    for frame in (nullable, categorical, penguins.astype(dict.fromkeys(numbers, "Float64"))):
        np.testing.assert_array_equal(fitted_penguins.score_samples(frame), scores)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # arrays have no names
        np.testing.assert_array_equal(
            fitted_penguins.score_samples(penguins.to_numpy(object)), scores
        )


def test_polars_in_and_out(penguins, fitted_penguins):
    polars = pytest.importorskip("polars")
    frame = polars.DataFrame({name: without_nan(cells) for name, cells in penguins.items()})
    density = clone(fitted_penguins).fit(frame)
    np.testing.assert_array_equal(
        density.score_samples(frame), fitted_penguins.score_samples(penguins)
    )
    drawn = density.sample(5, random_state=0)
    assert isinstance(drawn, polars.DataFrame) and drawn.schema == frame.schema


def test_set_output_chooses_the_form_of_rows(penguins, fitted_penguins, tiny, rows):
    polars = pytest.importorskip("polars")
    of_array = tiny().fit(rows)
    expected = of_array.sample(3, random_state=0)
    for name, kind in [("pandas", pd.DataFrame), ("polars", polars.DataFrame)]:
        drawn = clone(of_array).set_output(transform=name).fit(rows).sample(3, random_state=0)
        assert isinstance(drawn, kind) and list(drawn.columns) == ["x0", "x1", "x2"]
        np.testing.assert_array_equal(drawn.to_numpy(), expected)
    assert isinstance(of_array.set_output(transform="default").set_output().sample(3), np.ndarray)
    density = (
        clone(fitted_penguins)
        .set_output(transform="polars")
        .set_params(max_iter=2, early_stopping=False)
        .fit(penguins)
    )
    assert list(density.sample(3, random_state=0).columns) == list(penguins)
    with pytest.raises(ValueError, match="transform must be"):
        of_array.set_output(transform="arrow")


def test_a_category_that_fit_did_not_see_is_said_and_unlikely(penguins, fitted_penguins):
    rows = penguins.head(5)
    with pytest.warns(UserWarning, match="Column 'species' holds 'Emperor', which fit did not see"):
        scores = fitted_penguins.score_samples(rows.assign(species="Emperor"))
    assert np.isfinite(scores).all() and (scores < fitted_penguins.score_samples(rows) - 2).all()


def test_declared_bounds_hold_for_samples_and_scores(tiny):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"share": rng.beta(0.5, 0.5, 500), "price": rng.exponential(1.0, 500)})
    density = tiny(max_iter=20, column_kinds={"share": (0, 1), "price": (0, None)}).fit(frame)
    drawn = density.sample(2000, random_state=0)
    assert drawn["share"].between(0, 1).all() and (drawn["price"] >= 0).all()
    outside = density.score_samples(pd.DataFrame({"share": [1.2, 0.5], "price": [1.0, -1.0]}))
    assert (outside == -1e300).all()


def test_numbers_declared_as_categories(tiny):
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.choice([10, 20, 99], 300), rng.standard_normal(300)])
    density = tiny(max_iter=20, column_kinds={0: "categorical"}).fit(X)
    assert not density.columns_.columns[0].ordered
    assert set(density.sample(200, random_state=0)[:, 0]) == {10, 20, 99}


@pytest.mark.slow
def test_in_pipelines_and_searches(penguins, tiny):
    penguins = penguins.sample(frac=1, random_state=0)  # by species in the file
    same = FunctionTransformer(feature_names_out="one-to-one")
    pipeline = make_pipeline(same, tiny(max_iter=5)).fit(penguins)
    assert np.isfinite(pipeline.score(penguins))
    assert np.isfinite(cross_val_score(tiny(max_iter=5), penguins, cv=2)).all()
    search = GridSearchCV(tiny(max_iter=5), {"n_layers": [1, 2]}, cv=2).fit(penguins)
    assert list(search.best_estimator_.sample(2, random_state=0)) == list(penguins)


@pytest.mark.slow
def test_detector_of_a_messy_table(penguins):
    """A row with two cells of another species stands out, and a wrong cell is named."""
    small = penguins.sample(150, random_state=0)
    detector = DensityOutlierDetector(n_folds=2, random_state=0)
    with pytest.MonkeyPatch.context() as patch:
        shorten_detector(patch, 75)
        detector.fit(small)
    assert np.isfinite(detector.score_samples(penguins)).all()
    gentoo = penguins[(penguins["species"] == "Gentoo") & penguins["sex"].notna()].head(8)
    wrong = gentoo.assign(species="Adelie", island="Torgersen")
    assert np.median(detector.p_values(wrong)) < 0.05 < np.median(detector.p_values(gentoo))
    gains, expected = detector.counterfactuals(gentoo.assign(island="Torgersen"))
    assert np.mean(gains.argmax(axis=1) == 1) >= 0.75
    assert np.mean(expected[:, 1] == "Biscoe") >= 0.75
    gains, expected = detector.counterfactuals(penguins.iloc[[3]])  # four cells are missing
    assert (gains[0, 2:6] == 0).all() and not pd.isna(expected).any()


@pytest.mark.slow
def test_multiscale_density_samples_a_messy_table(penguins):
    density = MultiscaleDensity(max_iter=200, hidden_layer_sizes=(32,), random_state=0).fit(
        penguins
    )
    drawn = density.sample(50, random_state=0)
    assert drawn.dtypes.equals(penguins.dtypes) and set(drawn["island"]) <= set(penguins["island"])
    assert np.isfinite(density.score_samples(drawn)).all()
    filled = density.impute(penguins.head(20), random_state=0)
    assert not filled.isna().any(axis=None)


CELLS = {
    "number": st.floats(-1e6, 1e6, allow_subnormal=False) | st.just(0.0),
    "large": st.floats(-1e300, 1e300, allow_subnormal=False),
    "count": st.integers(0, 5).map(float) | st.integers(0, 10**9).map(float),
    "text": st.sampled_from(["a", "b", "c", ""]),
    "truth": st.booleans(),
    "constant": st.just(3.5),
}


@st.composite
def frames(draw):
    n = draw(st.integers(4, 30))
    kinds = draw(st.lists(st.sampled_from(sorted(CELLS)), min_size=1, max_size=5))
    columns = {}
    for j, kind in enumerate(kinds):
        rate = draw(st.sampled_from([0.0, 0.3]))
        cells = [draw(CELLS[kind]) for _ in range(n)]
        missing = [draw(st.floats(0, 1)) < rate for _ in range(n)]
        missing[0] = False
        dtype = object if kind in ("text", "truth") else float
        columns[f"{kind} {j}"] = pd.Series(
            [None if is_missing else cell for cell, is_missing in zip(cells, missing)], dtype=dtype
        )
    return pd.DataFrame(columns)


@pytest.mark.slow
@settings(
    max_examples=40, phases=set(Phase) - {Phase.shrink, Phase.explain}
)  # to shrink frames takes long
@example(pd.DataFrame({"large": [0.0] * 9 + [1.0, 1.0, 2.0, 2e17]}), True)
@example(pd.DataFrame({"small": [-2e-245] + [0.0] * 5}), False)
@example(pd.DataFrame({"large": [1e200, -1e184, 0.0, 1.0], "x": [np.nan, 1.0, 2.0, 3.0]}), False)
@given(frames(), st.booleans())
def test_any_frame_gives_finite_scores_and_rows_that_are_taken_back(tiny, frame, early_stopping):
    density = tiny(early_stopping=early_stopping)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a short max_iter, and rounding at the ends of float64
        density.fit(frame)
    scores = density.score_samples(frame)
    assert np.isfinite(scores).all()
    assert not density.sample(6, random_state=0, complete=True).isna().any(axis=None)
    drawn = density.sample(6, random_state=0)
    assert np.isfinite(density.score_samples(drawn)).all()
    assert not density.impute(frame.head(3), random_state=0).isna().any(axis=None)
