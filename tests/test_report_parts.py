"""What a report is made of: simple models, associations, axes, and words."""

import numpy as np
import pandas as pd
import pytest
from report_table import quick_density
from scipy.stats import multivariate_normal
from sklearn.mixture import GaussianMixture

from skmaf.report.association import associations, strongest_pairs
from skmaf.report.scale import scale_of
from skmaf.report.simple_models import fit_mixtures, log_prob_of_columns
from skmaf.report.words import decimal, mean_and_error, name_label, percent
from skmaf.table.codec import TableCodec
from skmaf.table.description import kind_text


@pytest.mark.parametrize(
    "values, text",
    [
        (np.arange(200.0) % 2, "2 different numbers, a probability for each"),
        (np.full(200, 3.0), "constant: 3"),
        (np.arange(200) ** 2.0, "whole numbers"),
        (np.round(np.linspace(0, 1, 200), 2) / 4, "numbers in steps of 0.0025"),
        (np.random.default_rng(0).normal(size=200), "continuous numbers"),
        (
            np.where(np.arange(200) % 3 == 0, 0.7, np.random.default_rng(0).normal(size=200)),
            "continuous numbers; 0.7 comes again and again",
        ),
        (["yes", "no"] * 100, "2 categories"),
        ([True, False] * 100, "truth values"),
        (pd.date_range("2024-01-05", periods=200, freq="7D"), "dates, in days"),
        (pd.date_range("2024-01-05", periods=200).astype(str), "dates, in days"),
    ],
)
def test_kinds_in_words(values, text):
    X = pd.DataFrame({"x": values, "y": np.linspace(0, 1, 200) ** 2})
    density = quick_density(X, max_iter=1)
    assert kind_text(density.columns_.columns[0], density.codec_, 0).startswith(text)


def test_rare_categories_are_said():
    words = [f"w{i}" for i in range(100)] + ["a", "b"] * 40
    X = pd.DataFrame({"x": words, "y": np.linspace(0, 1, 180)})
    density = quick_density(X, max_iter=1)
    text = kind_text(density.columns_.columns[0], density.codec_, 0)
    assert text == "2 categories; 100 rare ones count as one"


def test_a_normal_distribution_of_normal_rows():
    """Its log-density is that of scipy, in units of the columns."""
    rng = np.random.default_rng(0)
    covariance = [[4.0, 30.0], [30.0, 900.0]]
    N = rng.multivariate_normal([5.0, -70.0], covariance, 4000)
    single = fit_mixtures(N, seed=0)[0]
    expected = multivariate_normal([5.0, -70.0], covariance).logpdf(N[:100])
    np.testing.assert_allclose(single.log_prob(N[:100]), expected, atol=0.2)
    in_other_units = fit_mixtures(N * [1, 1000], seed=0)[0].log_prob(N[:100] * [1, 1000])
    np.testing.assert_allclose(in_other_units, single.log_prob(N[:100]) - np.log(1000), atol=1e-6)


def test_a_mixture_has_as_many_components_as_rows_ask_for():
    rng = np.random.default_rng(0)
    N = rng.normal(size=(600, 2)) + 20 * rng.integers(0, 3, (600, 1))
    assert [mixture.n_components for mixture in fit_mixtures(N, seed=0)] == [1, 3]


def test_a_mixture_cannot_gain_by_ties():
    """Of numbers on a grid it learns the density over the step, and no more."""
    rng = np.random.default_rng(0)
    N = np.column_stack([rng.integers(0, 3, 900), rng.normal(size=900)]).astype(float)
    collapsed = GaussianMixture(5, random_state=0).fit(N).score(N)
    for mixture in fit_mixtures(N, seed=0):
        gain = mixture.log_prob(N).mean() - norm_of(N[:, 1])
        assert gain < np.log(1 / 3) + 0.35
    assert collapsed > norm_of(N[:, 1]) + 1


def norm_of(x):
    return multivariate_normal(x.mean(), x.var()).logpdf(x).mean()


def test_columns_by_themselves_are_in_the_units_of_the_density():
    """Shares of categories times normal densities of numbers; probabilities sum to one."""
    rng = np.random.default_rng(0)
    x = rng.normal(3, 2, 500)
    X = pd.DataFrame({"word": np.repeat(["a", "b"], [400, 100]), "x": x})
    density = quick_density(X, max_iter=1, early_stopping=False)
    N, _ = density.codec_.encode(X)
    log_prob = log_prob_of_columns(density.columns_, N)
    expected = np.log(np.repeat([0.8, 0.2], [400, 100])) + multivariate_normal(
        x.mean(), x.var()
    ).logpdf(x)
    np.testing.assert_allclose(log_prob, expected, atol=0.01)
    N[0, 1] = np.nan
    assert log_prob_of_columns(density.columns_, N)[0] == pytest.approx(np.log(0.8), abs=0.01)
    grid = np.column_stack([np.zeros(4001), np.linspace(-20, 20, 4001)])
    total = np.exp(log_prob_of_columns(density.columns_, grid)).sum() * 0.01
    assert total == pytest.approx(0.8, abs=0.01)


def test_associations():
    rng = np.random.default_rng(0)
    x = rng.normal(size=1500)
    word = rng.integers(0, 3, 1500).astype(float)
    N = np.column_stack([x, x**3, x**2, rng.normal(size=1500), word, word])
    N[::7, 3] = np.nan
    V = associations(N, np.array([False] * 4 + [True] * 2), rng)
    np.testing.assert_allclose(V, V.T, atol=1e-12)
    assert V[0, 1] == pytest.approx(1, abs=0.01) and V[4, 5] == pytest.approx(1, abs=0.01)
    assert V[0, 2] > 0.5  # though they do not correlate
    assert V[0, 3] < 0.1 and V[3, 4] < 0.1
    pairs = strongest_pairs(V, 3)
    assert len(pairs) == 2 and set(pairs) == {(0, 1), (4, 5)}


def scale(values):
    X = pd.DataFrame({"x": values})
    codec, N, _ = TableCodec.learn(X)
    return scale_of(codec, 0, N[:, 0]), N[:, 0]


def test_bins_of_whole_numbers_hold_as_many_of_them():
    axis, x = scale(np.arange(100.0))
    shares = axis.shares(x)
    assert np.ptp(shares[:-1]) == 0 and axis.axis == ["0", "99"]


def test_far_values_are_in_the_outermost_bar():
    axis, x = scale(np.append(np.linspace(0, 1, 300) ** 1.1, 1e6))
    shares = axis.shares(x)
    assert shares.sum() == pytest.approx(1) and (shares > 0).sum() > 10
    assert axis.axis[1].startswith("\u2265 ")


def test_bars_of_categories():
    axis, x = scale([f"w{i}" for i in range(20) for _ in range(i + 1)])
    assert axis.labels[0] == "w19" and axis.labels[-1] == "others" and axis.n_bars == 13
    assert axis.shares(x)[-1] == pytest.approx(36 / 210)
    assert axis.shares(np.array([99.0, np.nan])).tolist() == [0.0] * 12 + [1.0]


def test_places_are_inside_the_box():
    rng = np.random.RandomState(0)
    for values in [np.arange(50.0), ["a", "b"] * 30, np.append(np.linspace(0, 1, 300), 1e9)]:
        axis, x = scale(values)
        places = axis.places(x, rng)
        assert places.shape == x.shape and places.min() >= 0 and places.max() <= 1


@pytest.mark.parametrize(
    "share, text",
    [
        (0.0, "0%"),
        (1.0, "100%"),
        (0.0004, "< 0.1%"),
        (0.9999, "> 99.9%"),
        (0.0123, "1.2%"),
        (0.0995, "10%"),
        (0.456, "46%"),
        (0.999, "99.9%"),
    ],
)
def test_shares_in_words(share, text):
    assert percent(share) == text


def test_statistics_in_words():
    assert decimal(-0.04, 1) == "0.0" and decimal(-12.34, 1) == "\u221212.3"
    assert decimal(1234.5, 0) == "1,234" and decimal(-1e300, 1) == "\u22121e+300"
    assert mean_and_error(np.array([1.0, 2.0, 3.0])) == ("2.00", "0.58")
    assert mean_and_error(np.full(3, 2.0), sign="+") == ("+2.0", "0.0")
    lowest = np.full(3, np.finfo(float).min)
    assert mean_and_error(lowest)[0] == "\u2212inf"
    assert name_label(" \t") == "(no name)"
