"""Weights of rows, and fits that go on where the last one ended."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import clone

short_on_purpose = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.mark.slow
@short_on_purpose
@given(st.booleans(), st.sampled_from([None, 1]), st.integers(0, 1000))
def test_whole_weights_are_counts_of_rows(tiny, early_stopping, decimals, seed):
    """To the last digit, in any order of the rows."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((40, 2))
    counts = rng.integers(0, 4, 40)
    if decimals is not None:
        X = X.round(decimals)
    order = rng.permutation(40)
    density = tiny(early_stopping=early_stopping)
    weighted = clone(density).fit(X[order], sample_weight=counts[order])
    repeated = clone(density).fit(X.repeat(counts, axis=0))
    assert np.array_equal(weighted.score_samples(X), repeated.score_samples(X))


def test_the_order_of_rows_does_not_matter(rows, tiny):
    scores = tiny().fit(rows).score_samples(rows)
    assert np.array_equal(tiny().fit(rows[::-1]).score_samples(rows), scores)


@short_on_purpose
@pytest.mark.parametrize("early_stopping", [True, False])
def test_only_ratios_of_fractions_matter(early_stopping, rows, tiny):
    weights = np.random.default_rng(0).uniform(0.1, 3, len(rows))
    density = tiny(early_stopping=early_stopping)
    expected = clone(density).fit(rows, sample_weight=weights).score_samples(rows)
    scaled = clone(density).fit(rows, sample_weight=weights * 2.0**-8)
    assert np.array_equal(scaled.score_samples(rows), expected)
    assert not np.array_equal(clone(density).fit(rows).score_samples(rows), expected)


@short_on_purpose
@pytest.mark.parametrize("early_stopping", [True, False])
@pytest.mark.parametrize("unit", [1, 0.37])
def test_rows_without_weight_are_not_there(early_stopping, unit, rows, tiny):
    weights = unit * (np.arange(len(rows)) % 3 > 0)
    X = np.where(weights[:, None] > 0, rows, 1e6)
    density = tiny(early_stopping=early_stopping)
    expected = clone(density).fit(rows[weights > 0]).score_samples(rows)
    np.testing.assert_allclose(
        clone(density).fit(X, sample_weight=weights).score_samples(rows), expected, atol=1e-4
    )


@pytest.mark.slow
@short_on_purpose
@pytest.mark.parametrize("unit", [1, 1 / 3])
@pytest.mark.parametrize("early_stopping", [True, False])
def test_density_follows_the_weights(unit, early_stopping, tiny):
    """Two clouds of as many rows, one of them three times as heavy: its mass is 3/4."""
    rng = np.random.default_rng(0)
    X = np.concatenate([rng.normal(-3, 1, 300), rng.normal(3, 1, 300)])[:, None]
    weights = unit * np.repeat([1, 3], 300)
    density = tiny(
        max_iter=20,
        batch_size=100,
        n_bins=8,
        learning_rate_init=0.02,
        early_stopping=early_stopping,
    )
    sample = density.fit(X, sample_weight=weights).sample(4000, random_state=0)
    assert np.mean(sample > 0) == pytest.approx(0.75, abs=0.04)
    assert density.columns_.columns[0].mean == pytest.approx(1.5, abs=0.2)


def test_large_counts_are_ratios(rows, tiny):
    """Of 100,000 times the number of rows, as in a census: rows are not repeated."""
    weights = np.random.default_rng(0).integers(50_000, 150_000, len(rows))
    scores = tiny().fit(rows, sample_weight=weights).score_samples(rows)
    np.testing.assert_allclose(
        tiny().fit(rows, sample_weight=weights / 1e5).score_samples(rows), scores, atol=1e-4
    )


def test_score_is_the_weighted_mean(fitted, rows):
    weights = np.random.default_rng(0).uniform(0, 2, len(rows))
    assert fitted.score(rows, sample_weight=weights) == pytest.approx(
        np.average(fitted.score_samples(rows), weights=weights)
    )


@pytest.mark.parametrize(
    "weight, message", [(0.0, "zero"), (-1.0, "[Nn]egative"), (np.inf, "infinity")]
)
def test_score_with_bad_weights(weight, message, fitted, rows):
    with pytest.raises(ValueError, match=message):
        fitted.score(rows, sample_weight=np.full(len(rows), weight))


@pytest.mark.parametrize(
    "weights, message",
    [
        (np.full(200, np.nan), "contains NaN"),
        (np.full(200, -1.0), "[Nn]egative"),
        (np.ones(199), "sample_weight.shape|inconsistent"),
        (np.zeros(200), "zero"),
        (np.eye(200)[0], "give a positive weight to 2 rows or more"),
    ],
)
def test_bad_weights(weights, message, rows, tiny):
    with pytest.raises(ValueError, match=message):
        tiny().fit(rows, sample_weight=weights)


def test_weights_are_not_changed(rows, tiny):
    weights = np.arange(200.0)
    tiny().fit(rows, sample_weight=weights)
    assert np.array_equal(weights, np.arange(200.0))


@short_on_purpose
def test_warm_start_goes_on(rows, tiny):
    density = tiny(early_stopping=True, warm_start=True, max_iter=30, n_iter_no_change=100).fit(
        rows
    )
    columns = density.columns_
    first = density.best_validation_score_
    curve = list(density.loss_curve_)
    density.set_params(max_iter=20).fit(rows)
    assert density.columns_ is columns
    assert density.n_iter_ == len(density.loss_curve_) == len(density.validation_scores_) == 50
    assert density.loss_curve_[:30] == curve
    assert density.loss_curve_[30] < curve[5]
    assert (
        density.best_validation_score_ >= first
    )  # the validation rows are the same, and the weights kept are scored first


def test_warm_start_learns_from_other_rows(rows, tiny):
    density = tiny(warm_start=True, max_iter=30).fit(rows)
    before = density.score(rows * 1.3)
    assert density.set_params(max_iter=60).fit(rows * 1.3).score(rows * 1.3) > before


def test_without_warm_start_fit_starts_anew(rows, tiny):
    density = tiny()
    scores = density.fit(rows).score_samples(rows)
    assert np.array_equal(density.fit(rows).score_samples(rows), scores)
    assert density.n_iter_ == 3


def test_first_fit_of_a_warm_start_is_a_cold_one(rows, tiny):
    assert np.array_equal(
        tiny(warm_start=True).fit(rows).score_samples(rows), tiny().fit(rows).score_samples(rows)
    )


@pytest.mark.parametrize(
    "change", [{"n_layers": 3}, {"hidden_layer_sizes": (4,)}, {"bijector": "affine"}, {"n_bins": 3}]
)
def test_warm_start_of_another_shape(change, rows, tiny):
    density = tiny(warm_start=True).fit(rows).set_params(**change)
    with pytest.raises(
        ValueError, match=f"{list(change)[0]} has changed since the last fit: set it back"
    ):
        density.fit(rows)


def test_warm_start_of_another_table(rows, tiny):
    density = tiny(warm_start=True).fit(rows)
    with pytest.raises(ValueError, match="2 features"):
        density.fit(rows[:, :2])
