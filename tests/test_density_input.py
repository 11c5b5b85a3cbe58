"""MAFDensity refuses bad input, and says which column or parameter is bad."""

import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import NotFittedError

from skmaf import MAFDensity


def with_cell(rows, value, dtype=float):
    X = rows.astype(dtype)
    X[[3, 5], 1] = value
    return X


@pytest.mark.parametrize("value", [np.inf, -np.inf])
def test_infinite_cells(value, rows, fitted, tiny):
    for method in [tiny().fit, fitted.score_samples, fitted.score]:
        with pytest.raises(ValueError, match="Column 1 contains inf in 2 of 200 rows: replace it"):
            method(with_cell(rows, value))


def test_missing_cells_where_fit_saw_none(rows, fitted, tiny):
    frame = pd.DataFrame(rows, columns=["height", "weight", "age"])
    of_frame = tiny().fit(frame)
    for method in ["score_samples", "score", "impute"]:
        with pytest.raises(
            ValueError,
            match="Column 1 contains NaN in 2 of 200 rows, and no cell was missing in fit: impute",
        ):
            getattr(fitted, method)(with_cell(rows, np.nan))
        with pytest.raises(ValueError, match="Column 'weight' contains NaN in 2 of 200 rows"):
            getattr(of_frame, method)(frame.assign(weight=with_cell(rows, np.nan)[:, 1]))


def test_text_where_fit_saw_numbers(rows, fitted):
    for X in [
        with_cell(rows, "heavy", object),
        with_cell(rows, "heavy", object).tolist(),
        with_cell(rows, "heavy", str),
    ]:
        with pytest.raises(ValueError, match="Column [01] held numbers in fit and holds text now"):
            fitted.score_samples(X)


def test_dates_where_numbers_were(rows, tiny):
    frame = pd.DataFrame(rows, columns=["a", "b", "c"])
    dates = frame.assign(b=pd.date_range("2020-01-01", periods=200))
    with pytest.raises(ValueError, match="Column 'b' held numbers in fit and holds dates now"):
        tiny().fit(frame).score_samples(dates)


def test_text_that_names_rows(rows, tiny):
    """It says nothing: a density of the other columns, and some name for each row drawn."""
    frame = pd.DataFrame(rows, columns=["a", "b", "c"])
    named = frame.assign(name=[f"row {i}" for i in range(200)])
    with pytest.warns(UserWarning, match="Column 'name' holds 200 .* says nothing of a row"):
        density = tiny().fit(named)
    scores = density.score_samples(named)
    np.testing.assert_array_equal(density.score_samples(named.assign(name="nobody")), scores)
    drawn = density.sample(20, random_state=0)["name"]
    assert drawn.isin(named["name"]).all() and drawn.nunique() > 10


def test_kinds_that_values_speak_against(rows, tiny):
    frame = pd.DataFrame(rows, columns=["a", "b", "c"]).assign(d=["x", "y"] * 100)
    with pytest.raises(
        ValueError, match="Column 'd' holds categories, which column_kinds calls 'grid'"
    ):
        tiny(column_kinds={"d": "grid"}).fit(frame)
    with pytest.raises(
        ValueError, match=r"Column 'a' holds -?[\d.]+, outside of the bounds \(0, None\)"
    ):
        tiny(column_kinds={"a": (0, None)}).fit(frame)


@pytest.mark.parametrize(
    "X, message",
    [
        (np.ones((1, 3)), "1 sample.* minimum of 2"),
        (np.ones((0, 3)), "0 sample"),
        (np.ones((5, 0)), r"0 feature"),
        (np.ones(5), "Expected 2D array, got 1D array"),
        (np.ones((5, 2, 2)), "dim 3"),
        (np.ones((5, 2)) + 1j, "Complex data not supported"),
    ],
)
def test_tables_of_the_wrong_shape(X, message, tiny):
    with pytest.raises(ValueError, match=message):
        tiny().fit(X)


def test_wrong_width(fitted, rows):
    with pytest.raises(
        ValueError, match="X has 2 features, but MAFDensity is expecting 3 features"
    ):
        fitted.score_samples(rows[:, :2])


@pytest.mark.parametrize(
    "parameter, value",
    [
        ("bijector", "cubic"),
        ("n_layers", 0),
        ("n_layers", 1.5),
        ("hidden_layer_sizes", ()),
        ("hidden_layer_sizes", (8, 0)),
        ("hidden_layer_sizes", (8, -3)),
        ("hidden_layer_sizes", (8.5,)),
        ("hidden_layer_sizes", ((8, 8), (8, 8))),
        ("hidden_layer_sizes", ((8, 8), 8)),
        ("hidden_layer_sizes", "large"),
        ("hidden_layer_sizes", -8),
        ("activation", "step"),
        ("n_bins", 1),
        ("n_bins", -4),
        ("alpha", -1e-4),
        ("batch_size", 0),
        ("batch_size", -32),
        ("batch_size", "large"),
        ("learning_rate_init", 0),
        ("learning_rate_init", -1e-3),
        ("max_iter", 0),
        ("max_iter", -5),
        ("max_iter", "many"),
        ("early_stopping", "yes"),
        ("validation_fraction", 0),
        ("validation_fraction", 1.0),
        ("validation_fraction", -0.1),
        ("n_iter_no_change", 0),
        ("tol", -1e-4),
        ("device", None),
        ("verbose", "loud"),
        ("random_state", "seed"),
        ("random_state", -1),
    ],
)
def test_bad_parameters_are_named(parameter, value, rows, tiny):
    with pytest.raises(ValueError, match=parameter):
        tiny(**{parameter: value}).fit(rows)


@pytest.mark.parametrize("method", ["score_samples", "score"])
def test_not_fitted(method, rows):
    with pytest.raises(NotFittedError, match="MAFDensity instance is not fitted yet"):
        getattr(MAFDensity(), method)(rows)


def test_sample_not_fitted():
    with pytest.raises(NotFittedError, match="MAFDensity instance is not fitted yet"):
        MAFDensity().sample()


def test_a_failed_fit_does_not_spoil_the_next(rows, tiny):
    density = tiny()
    with pytest.raises(ValueError):
        density.fit(with_cell(rows, np.inf))
    assert np.isfinite(density.fit(rows).score(rows))
