"""ConditionalMAFDensity: closed forms, draws and intervals that agree, tables of all kinds."""

import pickle
import re

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.integrate import cumulative_trapezoid
from scipy.stats import kstest, multivariate_normal, norm
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.linear_model import LinearRegression

from skmaf import ConditionalMAFDensity
from skmaf.table.columns import Constant, Continuous, Discrete, PointMasses

# a short max_iter, on purpose
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

NOISE = 0.5
QUANTILES = np.array([0.05, 0.25, 0.5, 0.75, 0.95])


def small(**parameters):
    defaults = {
        "n_layers": 2,
        "hidden_layer_sizes": (16,),
        "n_bins": 4,
        "max_iter": 5,
        "random_state": 0,
    }
    return ConditionalMAFDensity(**{**defaults, **parameters})


def linear(n, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, 2))
    return X, 3 + 2 * X[:, 0] - X[:, 1] + NOISE * rng.standard_normal(n)


def truth(X):
    return norm(3 + 2 * X[:, 0] - X[:, 1], NOISE)


@pytest.fixture(scope="module")
def normal():
    """A density of a linear mean with normal noise, for tests that do not change it."""
    return small(max_iter=60).fit(*linear(2000))


@pytest.fixture(scope="module")
def pair():
    """A density of two correlated targets."""
    X, y = linear(400)
    return small(max_iter=20).fit(
        X, np.column_stack([y, 100 * (y + np.random.default_rng(1).standard_normal(400))])
    )


@pytest.fixture(scope="module")
def quick():
    return small().fit(*linear(200))


class TestClosedForms:
    def test_log_density(self, normal):
        X, y = linear(2000, seed=1)
        assert normal.score(X, y) == pytest.approx(truth(X).logpdf(y).mean(), abs=0.05)

    def test_mean(self, normal):
        X, _ = linear(300, seed=1)
        assert np.sqrt(np.mean((normal.predict(X) - truth(X).mean()) ** 2)) < 0.2 * NOISE

    def test_quantiles(self, normal):
        X, _ = linear(300, seed=1)
        wanted = norm.ppf(QUANTILES) * NOISE + truth(X).mean()[:, None]
        assert np.abs(normal.predict_quantiles(X, QUANTILES) - wanted).mean() < 0.2 * NOISE

    def test_entropy(self, normal):
        X, _ = linear(100, seed=1)
        entropy = 0.5 * np.log(2 * np.pi * np.e * NOISE**2)
        assert normal.score_samples(X).mean() == pytest.approx(-entropy, abs=0.06)

    def test_scores_without_targets_are_means_over_draws(self, normal):
        X, _ = linear(3, seed=1)
        y = normal.sample(X, 4000, random_state=1)
        scores = normal.score_samples(X.repeat(4000, axis=0), y.ravel()).reshape(3, -1)
        assert normal.score_samples(X) == pytest.approx(
            scores.mean(axis=1), abs=4 * scores.std() / 1000**0.5 * 1.2
        )

    def test_units(self):
        X, y = linear(300)
        one = small().fit(X, y)
        other = small().fit(X * [1, 1e-5], y * 1000)
        assert other.score_samples(X * [1, 1e-5], y * 1000) == pytest.approx(
            one.score_samples(X, y) - np.log(1000), abs=1e-3
        )
        assert other.predict(X * [1, 1e-5]) == pytest.approx(1000 * one.predict(X), rel=1e-3, abs=1)

    @pytest.mark.slow
    def test_noise_that_grows(self):
        rng = np.random.default_rng(0)
        X = rng.uniform(-2, 2, (2400, 1))
        y = np.exp(X[:, 0]) * rng.standard_normal(2400)
        density = small(max_iter=40).fit(X[:1200], y[:1200])
        best = norm(0, np.exp(X[1200:, 0])).logpdf(y[1200:]).mean()
        assert best - 0.1 < density.score(X[1200:], y[1200:]) < best + 0.05
        assert norm(0, y[:1200].std()).logpdf(y[1200:]).mean() < best - 0.5
        low, high = density.predict_interval(np.array([[-1.5], [1.5]]), 0.8).T
        assert high[1] - low[1] > 5 * (high[0] - low[0])

    @pytest.mark.slow
    def test_two_modes(self):
        rng = np.random.default_rng(0)
        X = rng.standard_normal((2400, 2))
        y = X[:, 0] + 2 * rng.choice([-1, 1], 2400) + 0.3 * rng.standard_normal(2400)
        density = small(max_iter=40, n_bins=8).fit(X[:1200], y[:1200])
        line = LinearRegression().fit(X[:1200], y[:1200])
        errors = y - line.predict(X)
        assert (
            density.score(X[1200:], y[1200:])
            > norm(0, errors[:1200].std()).logpdf(errors[1200:]).mean() + 0.4
        )
        assert np.diff(density.score_samples(np.zeros((3, 2)), [0.0, 2.0, 0.0]))[0] > 1.5


class TestTheDensityAndWhatFollowsFromIt:
    @pytest.mark.slow
    @pytest.mark.parametrize(
        "parameters", [{}, {"early_stopping": False}, {"column_kinds": {0: "heavy-tailed"}}]
    )
    def test_integral_and_quantiles(self, parameters):
        X, y = linear(200)
        density = small(max_iter=20, **parameters).fit(X, y)
        for row in X[:3]:
            centre = density.predict(row[None])[0]
            grid = centre + np.sinh(np.linspace(-9, 9, 4001)) * 0.1
            p = np.exp(density.score_samples(np.tile(row, (len(grid), 1)), grid))
            cdf = cumulative_trapezoid(p, grid, initial=0)
            assert cdf[-1] == pytest.approx(1, abs=2e-3)
            quantiles = density.predict_quantiles(row[None], QUANTILES)[0]
            assert np.interp(quantiles, grid, cdf) == pytest.approx(QUANTILES, abs=0.01)
            assert centre == pytest.approx(np.trapezoid(p * grid, grid), abs=0.03)

    def test_bounds(self):
        X, y = linear(150)
        density = small(max_iter=20, column_kinds={0: (0, None)}).fit(X, np.exp(y))
        grid = np.exp(np.linspace(-15, 15, 4001))
        p = np.exp(density.score_samples(np.tile(X[0], (len(grid), 1)), grid))
        assert np.trapezoid(p, grid) == pytest.approx(1, abs=0.01)  # the rest is at the bound
        assert density.sample(X, 20, random_state=0).min() >= 0
        assert density.predict_interval(X[:10], 0.9).min() >= 0

    @pytest.mark.parametrize("form", ["exact", "counts", "a pile", "two targets"])
    def test_predictions_are_of_the_targets_that_are_drawn(self, form):
        X, y = linear(300)
        y = np.exp(0.4 * (y - 3))
        y = {"counts": np.round(9 * y), "a pile": np.abs(X[:, 1])}.get(form, y)
        Y = np.column_stack([y, 2 * y]) if form == "two targets" else y
        density = small(max_iter=10).fit(X, Y)
        X = X[:60]
        drawn = density.sample(X, 400, random_state=0)
        levels = density.predict_quantiles(X, [0.05, 0.5, 0.95])
        results = [density.predict(X), levels, density.predict_interval(X, 0.9)]
        assert all(result.min() >= 0 <= drawn.min() for result in results)
        below = (drawn[..., None] <= np.expand_dims(levels, 1)).mean(axis=(0, 1))
        assert below == pytest.approx(np.full(below.shape, [0.05, 0.5, 0.95]), abs=0.025)
        error = drawn.std(axis=1) / 400**0.5
        assert (np.abs(drawn.mean(axis=1) - density.predict(X)) < 6 * error).all()
        if form == "two targets":  # which follow from each other in each draw
            assert density.predict(X)[:, 1] == pytest.approx(2 * density.predict(X)[:, 0])

    def test_quantiles_rise(self, normal):
        X, _ = linear(50, seed=2)
        assert (
            np.diff(normal.predict_quantiles(X, np.linspace(0.001, 0.999, 200)), axis=1) >= 0
        ).all()

    def test_draws_follow_the_quantiles(self, normal):
        q = np.linspace(0.002, 0.998, 400)
        for row in linear(3, seed=1)[0]:
            y = normal.sample(row[None], 3000, random_state=0)[0]
            quantiles = normal.predict_quantiles(row[None], q)[0]
            assert (
                kstest(np.interp(y, quantiles, q), "uniform").statistic < 1.63 / 3000**0.5 + 0.005
            )

    def test_mean_of_draws(self, normal, pair):
        X, _ = linear(4, seed=1)
        for density in [normal, pair]:
            y = density.sample(X, 20_000, random_state=0)
            error = y.std(axis=1) / 1000**0.5  # that of 1,000 draws is the larger one
            assert (np.abs(density.predict(X) - y.mean(axis=1)) < 4.5 * error).all()

    def test_mean_where_the_baseline_has_most(self):
        X, y = linear(60)
        density = small(max_iter=1).fit(X, y)
        assert density.baseline_.share > 0.3
        draws = density.sample(X[:2], 40_000, random_state=0)
        assert density.predict(X[:2]) == pytest.approx(
            draws.mean(axis=1), abs=5 * draws.std(axis=1).max() / 200
        )

    def test_two_targets(self, pair):
        x = np.zeros((1, 2))
        grid = np.linspace(0, 6, 121)
        other = np.linspace(-500, 1100, 161)
        points = np.stack(np.meshgrid(grid, other, indexing="ij"), -1)
        scores = pair.score_samples(np.tile(x, (points[..., 0].size, 1)), points.reshape(-1, 2))
        total = np.trapezoid(np.trapezoid(np.exp(scores.reshape(points.shape[:2])), other), grid)
        assert total == pytest.approx(1, abs=0.03)
        draws = pair.sample(x, 2000, random_state=0)[0]
        assert 0.25 < np.corrcoef(draws.T)[0, 1] < 0.65  # truly 0.447
        assert (
            np.abs(np.median(draws, axis=0) - pair.predict_quantiles(x, 0.5)[0])
            < 5 * draws.std(axis=0) / 30
        ).all()

    @pytest.mark.slow
    def test_two_targets_have_their_joint_density(self):
        rng = np.random.default_rng(0)
        X = rng.standard_normal((2000, 1))
        noise = multivariate_normal([0, 0], [[1, 0.8], [0.8, 1]])
        Y = X + noise.rvs(2000, random_state=0)
        density = small(max_iter=30).fit(X[:1000], Y[:1000])
        assert density.score(X[1000:], Y[1000:]) == pytest.approx(
            noise.logpdf(Y[1000:] - X[1000:]).mean(), abs=0.1
        )


class TestKindsOfTargets:
    @pytest.mark.parametrize("family", ["maf", "realnvp"])
    def test_few_values(self, family):
        X, y = linear(300)
        y = np.clip(np.round(y), 0, 6)
        density = small(max_iter=30, family=family).fit(X, y)
        assert isinstance(density.columns_.columns[0], Discrete)
        values = np.arange(7.0)
        p = np.exp(density.score_samples(X[:5].repeat(7, axis=0), np.tile(values, 5))).reshape(5, 7)
        assert p.sum(axis=1) == pytest.approx(1, abs=0.02)  # the rest is for new values
        p /= p.sum(axis=1, keepdims=True)
        assert density.predict(X[:5]) == pytest.approx(p @ values)
        medians = values[(p.cumsum(axis=1) < 0.5).sum(axis=1)]
        assert (density.predict_quantiles(X[:5], 0.5) == medians).all()
        assert set(density.sample(X, 3, random_state=0).ravel()) <= set(values)
        shares = (values == density.sample(X[:1], 3000, random_state=0).T).mean(axis=0)
        assert shares == pytest.approx(p[0], abs=0.04)

    def test_step_of_two_values_counts_in_the_measure(self):
        X, y = linear(200)
        one = small().fit(X, y > 3)
        other = small().fit(X, 10.0 * (y > 3))
        assert other.score(X, 10.0 * (y > 3)) == pytest.approx(
            one.score(X, y > 3) - np.log(10), abs=1e-4
        )

    def test_many_integers(self):
        X, y = linear(300)
        y = np.round(50 * y)
        density = small(max_iter=30).fit(X, y)
        assert isinstance(density.columns_.columns[0], Continuous)
        grid = np.arange(-1500.0, 1800)
        assert np.exp(
            density.score_samples(np.tile(X[0], (len(grid), 1)), grid)
        ).sum() == pytest.approx(1, abs=0.01)
        draws = density.sample(X[:1], 500, random_state=0)
        assert (draws == np.round(draws)).all()

    def test_zeros_among_others(self):
        rng = np.random.default_rng(0)
        X, y = linear(400)
        p_zero = 1 / (1 + np.exp(-2 * X[:, 0]))
        y = np.where(rng.random(400) < p_zero, 0.0, np.exp(0.3 * y))
        density = small(max_iter=40).fit(X, y)
        assert isinstance(density.columns_.columns[0], PointMasses)
        rows = np.array([[-2.0, 0.0], [2.0, 0.0]])
        chance = np.exp(density.score_samples(rows, [0.0, 0.0]))
        assert chance[0] < 0.35 and chance[1] > 0.65
        assert (density.sample(rows, 2000, random_state=0) == 0).mean(axis=1) == pytest.approx(
            chance, abs=0.04
        )
        assert (density.predict_quantiles(rows[1:], [0.05, 0.5]) == 0).all()
        grid = 0.05 * np.sinh(np.linspace(-12, 12, 8000))  # 0 is not in it
        for row, own in zip(rows, chance):
            p = np.exp(density.score_samples(np.tile(row, (len(grid), 1)), grid))
            assert np.trapezoid(p, grid) + own == pytest.approx(1, abs=0.05)

    @pytest.mark.parametrize("value", [0.0, -2.5, 1e9])
    def test_constant(self, value):
        X, _ = linear(60)
        density = small().fit(X, np.full(60, value))
        assert isinstance(density.columns_.columns[0], Constant)
        assert (density.predict(X[:3]) == pytest.approx(value)) and (
            density.sample(X[:3], 2) == value
        ).all()
        assert (density.predict_quantiles(X[:3], [0.1, 0.9]) == value).all()
        assert (density.predict_interval(X[:3], 0.8) == value).all()
        right, wrong = density.score_samples(X[:2], [value, value + 1])
        assert np.log(0.9) < right <= 0 and np.isfinite(wrong) and wrong < right

    def test_constant_but_for_one_row(self):
        X, _ = linear(60)
        for odd in range(0, 60, 20):  # in whatever part of the rows it is
            y = (np.arange(60) == odd) * 7.0
            density = small().fit(X, y)
            assert np.isfinite(density.score_samples(X, y)).all()
            assert np.isfinite(density.predict_interval(X, 0.8)).all()

    @pytest.mark.parametrize("power", [3, 25])
    def test_extremely_heavy_tails(self, power):
        rng = np.random.default_rng(0)
        X = rng.standard_normal((300, 2))
        y = X[:, 0] + rng.standard_cauchy(300) ** power
        density = small(max_iter=10).fit(X, y)
        results = [
            density.score_samples(X, y),
            density.predict(X),
            density.predict_interval(X, 0.9),
            density.sample(X, 9),
        ]
        for result in results:
            assert np.isfinite(result).all()
        low, high = density.predict_interval(X, 0.5).T
        assert 0.3 < ((low <= y) & (y <= high)).mean() < 0.75

    def test_duplicates(self):
        X, y = linear(50)
        X = np.tile(X, (4, 1))
        y = np.tile(y, 4)
        density = small().fit(X, y)
        assert np.isfinite(density.score_samples(X, y)).all()

    def test_categories_are_for_the_classifier(self):
        X, y = linear(60)
        with pytest.raises(ValueError, match="for classes use MAFClassifier"):
            small(column_kinds={0: "categorical"}).fit(X, np.round(y))

    def test_kinds_by_name(self):
        X, y = linear(100)
        Y = pd.DataFrame({"price": np.exp(y), "other": y})
        density = small(column_kinds={"price": (0, None)}).fit(X, Y)
        assert density.sample(X, 5, random_state=0)[..., 0].min() >= 0
        density = small(column_kinds={"price": (0, None)}).fit(X, Y["price"])
        assert density.predict(X[:3]).shape == (3,)
        with pytest.raises(ValueError, match="Column 'other' holds .* outside of the bounds"):
            small(column_kinds={"other": (0, None)}).fit(X, Y)
        with pytest.raises(ValueError, match="column_kinds names 'cost'"):
            small(column_kinds={"cost": (0, None)}).fit(X, Y)


class TestCoverage:
    @staticmethod
    def mean_coverage(make, n=100, n_new=200, coverage=0.8, n_fits=21, **parameters):
        shares = []
        for seed in range(n_fits):
            X, y = make(np.random.default_rng(seed), n + n_new)
            density = small(
                n_layers=1, hidden_layer_sizes=(8,), random_state=seed, **parameters
            ).fit(X[:n], y[:n])
            low, high = np.moveaxis(density.predict_interval(X[n:], coverage), -1, 0)
            shares.append(((low <= y[n:]) & (y[n:] <= high)).mean(axis=0))
        return np.mean(shares), np.std(shares) / n_fits**0.5

    def check(self, make, most=None, coverage=0.8, **parameters):
        mean, error = self.mean_coverage(make, coverage=coverage, **parameters)
        assert mean > coverage - 3 * error
        assert error < 0.03  # else this tells nothing
        if most is not None:
            assert mean < most + 3 * error

    @pytest.mark.slow
    def test_poor_density(self):
        def make(rng, n):
            X = rng.standard_normal((n, 2))
            return X, np.exp(X[:, 1]) * rng.standard_normal(n)

        self.check(make, most=0.85)

    @pytest.mark.slow
    def test_density_that_is_far_too_sure(self):
        def make(rng, n):
            X = rng.standard_normal((n, 10))
            return X, rng.standard_t(2, n)

        too_sure = {
            "early_stopping": False,
            "max_iter": 40,
            "learning_rate_init": 0.03,
            "column_kinds": {0: "continuous"},
        }
        self.check(make, coverage=0.9, most=0.95, **too_sure)

    @pytest.mark.slow
    def test_integers(self):
        def make(rng, n):
            X = rng.standard_normal((n, 1))
            return X, rng.poisson(np.exp(1 + X[:, 0] / 2))

        self.check(make)

    @pytest.mark.slow
    def test_integers_given_a_category(self):
        """Rows that are alike have the same probabilities, and intervals include their ends."""

        def make(rng, n):
            X = rng.integers(0, 2, (n, 1)).astype(float)
            return X, rng.integers(0, 5, n) + X[:, 0]

        self.check(make, coverage=0.6)

    @pytest.mark.slow
    def test_several_targets_and_zeros(self):
        def make(rng, n):
            X = rng.standard_normal((n, 1))
            y = X[:, 0] + rng.standard_normal(n)
            return X, np.column_stack([np.maximum(y, 0), y + rng.standard_normal(n)])

        mean, error = self.mean_coverage(make, n=50, n_new=15, max_iter=2)
        assert mean > 0.8 - 3 * error

    def test_more_coverage_is_wider(self, quick):
        X, _ = linear(30, seed=1)
        narrow = quick.predict_interval(X, 0.3)
        wide = quick.predict_interval(X, 0.9)
        assert (wide[:, 0] < narrow[:, 0]).all() and (narrow[:, 1] < wide[:, 1]).all()
        none = quick.predict_interval(X, 1e-12)
        assert (none[:, 1] - none[:, 0] < narrow[:, 1] - narrow[:, 0]).all()

    @pytest.mark.parametrize("n", [4, 8, 30, 75, 200])
    def test_more_than_rows_can_tell(self, n):
        density = small(max_iter=1).fit(*linear(n))
        X, _ = linear(3, seed=1)
        n_rows = len(density.calibration_scores_)
        with pytest.raises(
            ValueError, match=f"coverage=0.995 cannot be told from {n_rows} rows"
        ) as info:
            density.predict_interval(X, 0.995)
        most = float(re.search(r"at most ([\d.]+),", str(info.value))[1])
        assert density.predict_interval(X, most).shape == (3, 2)

    @pytest.mark.parametrize("coverage", [0, 1, -0.1, 1.5, np.nan, "0.9", None, True])
    def test_senseless_coverage(self, quick, coverage):
        with pytest.raises(ValueError, match="coverage must be between 0 and 1"):
            quick.predict_interval(np.zeros((2, 2)), coverage)

    @pytest.mark.parametrize("q", [0, 1, [0.5, 1.0], [], np.nan, [[0.5]], -1])
    def test_senseless_quantiles(self, quick, q):
        with pytest.raises(ValueError, match="q must be one or more levels between 0 and 1"):
            quick.predict_quantiles(np.zeros((2, 2)), q)


class TestShapes:
    @pytest.mark.slow
    @pytest.mark.parametrize("kind", ["normal", "integers", "zeros"])
    @pytest.mark.parametrize("n_targets", [None, 1, 2])
    def test_shapes(self, kind, n_targets):
        X, y = linear(60)
        y = {"normal": y, "integers": np.round(y), "zeros": np.maximum(y - 3, 0)}[kind]
        Y = y if n_targets is None else np.column_stack([y, linear(60, seed=1)[1]][:n_targets])
        density = small(max_iter=1).fit(X, Y)
        k = () if n_targets is None else (n_targets,)
        X = X[:7]
        Y = Y[:7]
        assert density.predict(X).shape == (7, *k)
        assert density.sample(X).shape == (7, 1, *k)
        assert density.sample(X, 3).shape == (7, 3, *k)
        assert density.predict_quantiles(X, 0.3).shape == (7, *k)
        assert density.predict_quantiles(X, [0.3]).shape == (7, *k, 1)
        quantiles = density.predict_quantiles(X, QUANTILES)
        assert quantiles.shape == (7, *k, 5)
        assert (quantiles[..., 2] == density.predict_quantiles(X, 0.5)).all()
        assert density.predict_interval(X, 0.8).shape == (7, *k, 2)
        assert density.score_samples(X, Y).shape == density.score_samples(X).shape == (7,)
        assert density.calibration_scores_.shape[1] == (n_targets or 1)
        assert (np.diff(density.calibration_scores_, axis=0) >= 0).all()

    def test_interval_of_each_target_has_its_own_reach(self, pair):
        X, _ = linear(5, seed=1)
        rank = int(np.ceil((len(pair.calibration_scores_) + 1) * 0.7))
        intervals = pair.predict_interval(X, 0.7)
        for j, reach in enumerate(pair.calibration_scores_[rank - 1]):
            assert intervals[:, j] == pytest.approx(
                pair.predict_quantiles(X, [0.5 - reach, 0.5 + reach])[:, j]
            )

    def test_one_column_is_a_vector_too(self):
        X, y = linear(60)
        one = small(max_iter=1).fit(X, y)
        other = small(max_iter=1).fit(X, y[:, None])
        assert (one.score_samples(X, y[:, None]) == other.score_samples(X, y)).all()
        assert (one.predict(X) == other.predict(X)[:, 0]).all()


class TestTablesOfAllKinds:
    def frame(self, n=200):
        rng = np.random.default_rng(0)
        group = rng.choice(["a", "b", "c"], n)
        x = np.where(rng.random(n) < 0.3, np.nan, rng.standard_normal(n))
        y = (
            np.where(np.isnan(x), 8.0, np.nan_to_num(x))
            + 3 * (group == "a")
            + 0.3 * rng.standard_normal(n)
        )
        return pd.DataFrame({"group": group, "x": x, "z": rng.standard_normal(n)}), y

    def test_categories_and_missing_cells(self):
        X, y = self.frame(400)
        density = small(max_iter=40).fit(X, y)
        rows = pd.DataFrame(
            {"group": ["a", "b", "a", "b"], "x": [0.0, 0.0, np.nan, np.nan], "z": 0.0}
        )
        assert density.predict(rows) == pytest.approx([3, 0, 11, 8], abs=0.5)
        assert density.n_features_in_ == 3 and density.feature_names_in_.tolist() == [
            "group",
            "x",
            "z",
        ]
        all_missing = X.assign(z=np.nan)[:5]
        assert np.isfinite(density.predict(all_missing)).all()
        with pytest.warns(UserWarning, match="'new'.*fit did not see"):
            found = density.predict_interval(rows.assign(group="new"))
        assert np.isfinite(found).all(axis=None)

    def test_polars(self):
        polars = pytest.importorskip("polars")
        X, y = self.frame()
        one = small().fit(X, y).predict(X)
        X = polars.DataFrame({name: X[name].tolist() for name in X})
        other = small().fit(X, polars.Series("y", y)).predict(X)
        assert other == pytest.approx(one)

    @pytest.mark.slow
    @pytest.mark.parametrize(
        "make",
        [np.float32, lambda y: pd.Series(y, index=np.arange(200) * 7 - 3), list, pd.DataFrame],
    )
    def test_forms_of_targets(self, make):
        X, y = linear(200)
        y = y.astype(np.float32).astype(float)
        given = y.astype(np.float32) if make is np.float32 else make(y)
        found = small().fit(X, given).score_samples(X, given)
        assert found == pytest.approx(small().fit(X, y).score_samples(X, y))

    def test_single_precision(self):
        X, y = (a.astype(np.float32) for a in linear(200))
        one = small().fit(X, y)
        other = small().fit(X.astype(float), y.astype(float))
        assert one.predict(X) == pytest.approx(other.predict(X), abs=1e-3)

    def test_truth_values_as_targets(self):
        X, y = linear(300)
        density = small(max_iter=20).fit(X, y > 3)
        chance = density.predict(X)
        assert ((chance >= 0) & (chance <= 1)).all()
        assert chance[y > 4].min() > 0.5 > chance[y < 2].max()

    def test_missing_cells_where_fit_saw_none(self, quick):
        with pytest.raises(ValueError, match="Column 1 contains NaN in 1 of 2 rows"):
            quick.predict(np.array([[0, 1], [0, np.nan]]))

    def test_one_column_and_five_hundred(self):
        rng = np.random.default_rng(0)
        X = rng.standard_normal((300, 500))
        y = X[:, 0] + 0.1 * rng.standard_normal(300)
        one = small(max_iter=30).fit(X[:200, :1], y[:200])
        many = small(max_iter=10).fit(X[:200], y[:200])
        assert one.score(X[200:, :1], y[200:]) > 0.4
        assert (
            many.score(X[200:], y[200:]) > norm(0, 1).logpdf(y[200:]).mean() - 0.3
        )  # as if it knew nothing

    def test_columns_that_say_nothing(self):
        X = np.ones((100, 2))
        y = linear(100)[1]
        density = small().fit(X, y)
        assert density.predict(X[:2]) == pytest.approx([y.mean()] * 2, abs=0.8)
        assert density.predict_interval(X[:2]).shape == (2, 2)
        assert density.score_samples(X[:2]).shape == (2,)
        assert density.sample(X[:2], 3).shape == (2, 3)

    def test_far_rows(self, quick):
        X = np.array([[1e12, -1e300], [0, 0]])
        assert np.isfinite(quick.predict(X)).all()
        assert np.isfinite(quick.score_samples(X, [1e300, -1e300])).all()

    @pytest.mark.parametrize("n", [1, 2, 3])
    def test_too_few_rows(self, n):
        with pytest.raises(ValueError, match="4 rows at least|minimum of 2"):
            small().fit(*linear(n))

    @pytest.mark.parametrize("validation_fraction", ["auto", 0.5, 0.99])
    @pytest.mark.parametrize("n", [4, 5, 12])
    def test_few_rows(self, n, validation_fraction):
        X, y = linear(n)
        density = small(validation_fraction=validation_fraction).fit(X, y)
        assert np.isfinite(density.predict(X)).all()
        assert np.isfinite(density.score(X, y))


class TestWeights:
    def test_weights_choose_the_rows(self):
        X, y = linear(600)
        other = np.arange(600) % 2 == 0
        y = np.where(other, y + 20, y)
        density = small(max_iter=20).fit(X, y, sample_weight=np.where(other, 0.02, 1.3))
        assert np.median(density.predict_quantiles(X, 0.5) - truth(X).mean()) == pytest.approx(
            0, abs=0.5
        )

    @pytest.mark.parametrize("as_lists", [False, True])
    def test_rows_without_weight_are_not_there(self, as_lists):
        X, y = linear(120)
        weights = np.r_[np.ones(80), np.zeros(40)]
        far = np.where(weights > 0, y, 1e6)
        given = (X.tolist(), far.tolist()) if as_lists else (X, far)
        found = small().fit(*given, sample_weight=weights).score_samples(X, y)
        assert (found == small().fit(X[:80], y[:80]).score_samples(X, y)).all()
        mixed = small().fit(X.tolist(), far, sample_weight=weights).score_samples(X, y)
        assert (found == mixed).all()

    def test_counts_are_repeated_rows(self):
        X, y = linear(60)
        counts = 1 + np.arange(60) % 3
        one = small().fit(X, y, sample_weight=counts)
        other = small().fit(X.repeat(counts, axis=0), y.repeat(counts))
        assert (one.predict(X) == other.predict(X)).all()

    def test_score(self, quick):
        X, y = linear(50, seed=1)
        weights = np.arange(50.0)
        assert quick.score(X, y, weights) == pytest.approx(
            np.average(quick.score_samples(X, y), weights=weights)
        )


class TestBadInput:
    @pytest.mark.parametrize(
        "y, message",
        [
            (None, "requires y to be passed, but the target y is None"),
            (np.zeros(9), "inconsistent numbers of samples"),
            (np.where(np.arange(50) == 3, np.nan, 1.0), "y contains NaN"),
            (np.where(np.arange(50) == 3, np.inf, 1.0), "y contains infinity"),
            (np.array(["a", "b"] * 25), "y must hold numbers; for classes use MAFClassifier"),
            (["a", "b"] * 25, "y must hold numbers; for classes use MAFClassifier"),
            (
                np.array(["a", "b"] * 25, dtype=object),
                "y must hold numbers; for classes use MAFClassifier",
            ),
            (np.array([1.0, np.inf] * 25, dtype=object), "y contains infinity"),
            (np.array([1.0, None] * 25, dtype=object), "y must hold numbers|y contains NaN"),
            (np.zeros((50, 2, 2)), "dim 3"),
            (np.zeros((50, 0)), "0 feature"),
            (np.zeros(50) + 1j, "Complex data not supported"),
            (np.full(50, "2020-01-01", dtype="M8[D]"), "y must hold numbers"),
        ],
    )
    def test_targets(self, y, message):
        with pytest.raises(ValueError, match=message):
            small().fit(linear(50)[0], y)

    def test_other_targets_than_in_fit(self, quick, pair):
        X, y = linear(20)
        with pytest.raises(ValueError, match="y has 2 columns, and it had 1 in fit"):
            quick.score_samples(X, np.column_stack([y, y]))
        with pytest.raises(ValueError, match="y has 1 columns, and it had 2 in fit"):
            pair.score(X, y)
        with pytest.raises(ValueError, match="inconsistent numbers of samples"):
            quick.score(X, y[:5])
        with pytest.raises(ValueError, match="y contains NaN"):
            quick.score(X, np.full(20, np.nan))

    def test_other_names_of_targets_than_in_fit(self):
        X, y = linear(60)
        Y = pd.DataFrame({"a": y, "b": 2 - y})
        density = small(max_iter=1, warm_start=True).fit(X, Y)
        scores = density.score_samples(X, Y)
        assert (density.score_samples(X, Y.to_numpy()) == scores).all()
        for other in [Y[["b", "a"]], Y.rename(columns={"b": "c"})]:
            message = re.escape(f"y has {list(other)}, and fit had ['a', 'b'], in that order")
            for method in [density.score_samples, density.score, density.fit]:
                with pytest.raises(ValueError, match=message):
                    method(X, other)

    def test_targets_that_are_called_by_their_positions(self):
        X, y = linear(60)
        Y = pd.DataFrame(np.column_stack([y, 2 - y]))
        density = small(max_iter=1).fit(X, Y)
        scores = density.score_samples(X, Y)
        for other in [Y.to_numpy(), Y.set_axis(["a", "b"], axis=1)]:
            assert (density.score_samples(X, other) == scores).all()
        with pytest.raises(ValueError, match="y has .1, 0., and fit had .0, 1., in that order"):
            density.score_samples(X, Y.set_axis([1, 0], axis=1))

    def test_the_name_of_a_single_target_does_not_matter(self):
        X, y = linear(60)
        density = small(max_iter=1, warm_start=True).fit(X, pd.Series(y, name="a"))
        scores = density.score_samples(X, y)
        for other in [pd.Series(y, name="b"), pd.DataFrame({"c": y})]:
            assert (density.score_samples(X, other) == scores).all()
        assert density.fit(X, pd.Series(y, name="b")).n_iter_ == 2

    def test_other_columns_than_in_fit(self, quick):
        for method in [quick.predict, quick.sample, quick.score_samples, quick.predict_interval]:
            with pytest.raises(
                ValueError, match="X has 3 features, but ConditionalMAFDensity is expecting 2"
            ):
                method(np.zeros((4, 3)))

    @pytest.mark.parametrize("family", ["planar", "radial"])
    def test_families_without_a_context(self, family):
        with pytest.raises(ValueError, match=f"family='{family}' takes no context"):
            small(family=family).fit(*linear(50))

    @pytest.mark.parametrize(
        "parameters, message",
        [
            ({"family": "glow"}, "'family' parameter"),
            (
                {"family": "nice", "bijector": "spline"},
                "bijector='spline' makes no sense with family='nice'",
            ),
            ({"family": "made", "n_layers": 3}, "family='made' has one layer"),
            ({"validation_fraction": 1.0}, "'validation_fraction' parameter"),
            ({"hidden_layer_sizes": ()}, "hidden_layer_sizes"),
        ],
    )
    def test_parameters(self, parameters, message):
        with pytest.raises(ValueError, match=message):
            small(**parameters).fit(*linear(50))

    @pytest.mark.parametrize("n_samples", [0, -1, 1.5, "many"])
    def test_number_of_draws(self, quick, n_samples):
        with pytest.raises(ValueError, match="n_samples must be a positive integer"):
            quick.sample(np.zeros((1, 2)), n_samples)

    def test_not_fitted(self):
        X, y = linear(5)
        density = small()
        for call in [
            density.predict,
            density.sample,
            density.score_samples,
            density.predict_interval,
        ]:
            with pytest.raises(NotFittedError):
                call(X)
        with pytest.raises(NotFittedError):
            density.predict_quantiles(X, 0.5)


class TestEstimator:
    @pytest.mark.slow
    @pytest.mark.parametrize(
        "family, bijector",
        [
            ("maf", "affine"),
            ("maf", "mixture"),
            ("made", "auto"),
            ("nice", "auto"),
            ("realnvp", "spline"),
            ("iaf", "auto"),
        ],
    )
    def test_families(self, family, bijector):
        X, y = linear(600)
        Y = np.column_stack([y, y + linear(600, seed=1)[1]])
        n_layers = "auto" if family == "made" else 2
        density = small(family=family, bijector=bijector, n_layers=n_layers, max_iter=30).fit(
            X[:500], Y[:500]
        )
        assert (
            density.score(X[500:], Y[500:])
            > multivariate_normal(Y.mean(axis=0), np.cov(Y.T)).logpdf(Y[500:]).mean() + 0.5
        )
        one = small(family=family, bijector=bijector, n_layers=n_layers, max_iter=30).fit(
            X[:500], y[:500]
        )
        assert one.score(X[500:], y[500:]) > norm(y.mean(), y.std()).logpdf(y[500:]).mean() + 0.5
        for row in X[:2]:
            grid = np.linspace(-15, 20, 4001)
            assert np.trapezoid(
                np.exp(one.score_samples(np.tile(row, (4001, 1)), grid)), grid
            ) == pytest.approx(1, abs=0.02)

    def test_pickle_and_clone(self, pair):
        X, _ = linear(5, seed=1)
        again = pickle.loads(pickle.dumps(pair))
        assert (again.predict(X) == pair.predict(X)).all()
        assert (again.predict_interval(X, 0.8) == pair.predict_interval(X, 0.8)).all()
        assert clone(pair).get_params() == pair.get_params() and not hasattr(clone(pair), "flow_")

    @pytest.mark.slow
    @pytest.mark.parametrize("form", [lambda y: y, np.round, lambda y: np.column_stack([y, y**2])])
    def test_same_seed_same_results(self, form):
        X, y = linear(80)
        one = small(random_state=3).fit(X, form(y))
        other = small(random_state=3).fit(X, form(y))
        X = X[:10]
        assert (one.predict_interval(X, 0.5) == other.predict_interval(X, 0.5)).all()
        assert (one.score_samples(X) == other.score_samples(X)).all()
        assert (one.sample(X, 2, random_state=1) == other.sample(X, 2, random_state=1)).all()
        assert (one.sample(X, 2, random_state=1) != one.sample(X, 2, random_state=2)).any()

    def test_order_of_rows_does_not_matter(self):
        X, y = linear(80)
        order = np.random.default_rng(0).permutation(80)
        one = small().fit(X, y)
        other = small().fit(X[order], y[order])
        assert other.predict_interval(X, 0.5) == pytest.approx(one.predict_interval(X, 0.5))

    @pytest.mark.slow
    @pytest.mark.parametrize(
        "form",
        [lambda y: y, np.round, lambda y: np.maximum(y, 3), lambda y: np.column_stack([y, y**2])],
    )
    def test_rows_one_by_one(self, form):
        X, y = linear(80)
        density = small().fit(X, form(y))
        for method in [density.predict, density.predict_interval, density.score_samples]:
            assert np.concatenate([method(row[None]) for row in X[:4]]) == pytest.approx(
                method(X[:4]), rel=1e-6, abs=1e-9
            )

    def test_more_rows_than_a_batch(self, quick):
        X, _ = linear(700, seed=1)
        assert np.concatenate([quick.predict(X[:300]), quick.predict(X[300:])]) == pytest.approx(
            quick.predict(X)
        )

    def test_global_generators_are_left_alone(self):
        X, y = linear(60)
        np.random.seed(0)
        torch.manual_seed(0)
        before = np.random.get_state()[1].copy(), torch.get_rng_state()
        density = small(random_state=None).fit(X, np.column_stack([y, y]))
        density.predict_interval(X[:2], 0.5), density.sample(X[:2]), density.score_samples(X[:2])
        assert (np.random.get_state()[1] == before[0]).all() and (
            torch.get_rng_state() == before[1]
        ).all()

    def test_input_is_left_alone(self):
        X, y = linear(60)
        kept = X.copy(), y.copy()
        small().fit(X, y).predict(X)
        assert (kept[0] == X).all() and (y == kept[1]).all()

    def test_warm_start(self):
        X, y = linear(300)
        density = small(warm_start=True, max_iter=10).fit(X, y)
        first = density.best_validation_score_
        n_first = density.n_iter_
        held = density.calibration_scores_.shape
        density.fit(X, y)
        assert density.n_iter_ > n_first and density.best_validation_score_ >= first
        assert density.calibration_scores_.shape == held
        with pytest.raises(ValueError, match="y has 2 columns, and it had 1 in fit"):
            density.fit(X, np.column_stack([y, y]))
        with pytest.raises(ValueError, match="n_bins has changed since the last fit"):
            density.set_params(n_bins=5).fit(X, y)

    def test_rows_that_calibrate_do_not_train(self):
        X, y = linear(100)
        density = small(max_iter=1, early_stopping=False)
        assert density.fit(X, y).calibration_scores_.shape == (20, 1)
        assert small(max_iter=1, validation_fraction=0.4).fit(X, y).calibration_scores_.shape == (
            40,
            1,
        )

    def test_short_training_warns(self):
        with pytest.warns(ConvergenceWarning, match="max_iter=1"):
            small(max_iter=1).fit(*linear(50))
