"""MAFDensity: what it estimates, in any unit, on grids, ties and constants."""

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn.datasets import load_diabetes
from sklearn.exceptions import ConvergenceWarning

import skmaf.models.table_fit
from skmaf import MAFDensity

short_on_purpose = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
every_bijector = pytest.mark.parametrize("bijector", ["affine", "spline"])


def trained(**parameters):
    """A small density that learns a simple table well."""
    defaults = {
        "n_layers": 2,
        "hidden_layer_sizes": (16,),
        "max_iter": 60,
        "batch_size": 100,
        "early_stopping": False,
        "random_state": 0,
    }
    return MAFDensity(**{**defaults, **parameters})


@pytest.mark.slow
@every_bijector
def test_gaussian_rows_recover_their_entropy(bijector):
    covariance = np.array([[2.0, 1.2, -0.4], [1.2, 1.5, 0.3], [-0.4, 0.3, 0.8]])
    truth = stats.multivariate_normal([5.0, -3.0, 100.0], covariance)
    X = truth.rvs(4000, random_state=0)
    density = trained(bijector=bijector, batch_size=200).fit(X[:2000])
    # on the same rows, so that only the error of the estimate is left
    loss = truth.logpdf(X[2000:]).mean() - density.score(X[2000:])
    assert -0.01 < loss < 0.08
    assert density.score(X[2000:]) == pytest.approx(-truth.entropy(), abs=0.12)


@pytest.mark.slow
@every_bijector
def test_one_column_integrates_to_one(bijector):
    x = np.random.default_rng(0).gamma(2.0, 3.0, 500)[:, None]
    density = trained(bijector=bijector).fit(x)
    t = np.linspace(-9, 9, 8001)
    grid = np.sinh(t) + x.mean()
    mass = np.trapezoid(np.exp(density.score_samples(grid[:, None])) * np.cosh(t), t)
    assert mass == pytest.approx(1, abs=1e-2)


@pytest.mark.slow
def test_two_columns_integrate_to_one():
    rng = np.random.default_rng(0)
    x = rng.standard_normal(500)
    X = np.column_stack([10 * x, 0.1 * (x**2 + 0.5 * rng.standard_normal(500))])
    density = trained().fit(X)
    first = np.linspace(-90, 90, 501)
    second = np.linspace(-1.5, 3, 601)
    grid = np.stack(np.meshgrid(first, second, indexing="ij"), axis=-1).reshape(-1, 2)
    cell = (first[1] - first[0]) * (second[1] - second[0])
    assert np.exp(density.score_samples(grid)).sum() * cell == pytest.approx(1, abs=1e-2)


@pytest.mark.slow
def test_samples_are_distributed_like_the_rows():
    rng = np.random.default_rng(0)
    x = rng.standard_normal(2000)
    X = np.column_stack(
        [x, np.where(rng.random(2000) < 0.5, 3, -3) + x, np.exp(0.5 * rng.standard_normal(2000))]
    )
    sample = trained().fit(X).sample(2000, random_state=0)
    for column, fresh in zip(X.T, sample.T):
        assert stats.ks_2samp(column, fresh).statistic < 0.1
    np.testing.assert_allclose(np.corrcoef(sample.T), np.corrcoef(X.T), atol=0.12)


@pytest.mark.slow
def test_score_of_samples_is_the_entropy():
    """Rows drawn from the density score the integral of p log p on average."""
    x = np.random.default_rng(0).gamma(2.0, 3.0, 500)[:, None]
    density = trained().fit(x)
    grid = np.linspace(-30, 120, 20_001)
    log_density = density.score_samples(grid[:, None])
    entropy = -np.trapezoid(np.exp(log_density) * log_density, grid)
    assert density.score(density.sample(20_000, random_state=0)) == pytest.approx(
        -entropy, abs=0.05
    )


def test_a_real_table_is_fitted_as_well_as_by_a_gaussian():
    X = load_diabetes(scaled=False).data[:, [0, 2, 3, 4, 6, 8]]
    density = MAFDensity(
        n_layers=2,
        hidden_layer_sizes=(32,),
        batch_size=64,
        max_iter=100,
        n_iter_no_change=10,
        random_state=0,
    )
    density.fit(X[:300])
    gaussian = stats.multivariate_normal(X[:300].mean(axis=0), np.cov(X[:300].T))
    assert density.score(X[300:]) > gaussian.logpdf(X[300:]).mean() - 0.2


@pytest.mark.slow
@pytest.mark.parametrize("name", ["density/concrete", "anomaly/glass", "anomaly/Pima"])
def test_real_tables_have_finite_scores(name, load_table, tiny):
    X = load_table(name)["X"][:500]
    density = tiny(max_iter=20).fit(X)
    assert np.isfinite(density.score_samples(X)).all()
    assert density.sample(10, random_state=0).shape == (10, X.shape[1])


@pytest.mark.parametrize("exponents", [(3, -2, 10), (99, -99, 0), (-99, -99, -99), (99, 99, 99)])
def test_change_of_units_changes_the_score_by_the_log_jacobian(exponents, rows, tiny):
    """Powers of 2 change no digit, so the standardised rows and their flow are the same."""
    units = 2.0 ** np.array(exponents)
    expected = tiny().fit(rows).score_samples(rows) - np.log(units).sum()
    np.testing.assert_allclose(
        tiny().fit(rows * units).score_samples(rows * units), expected, rtol=0, atol=1e-6
    )


@pytest.mark.slow
@pytest.mark.parametrize("scale", [1e-30, 1e-3, 1e30])
@pytest.mark.parametrize("offset", [0.0, 1e3])
def test_any_unit_and_offset_costs_little(scale, offset, rows, tiny):
    """A generous tolerance, because rounding makes another flow of every unit."""
    expected = tiny(max_iter=20).fit(rows).score(rows) - 3 * np.log(scale)
    X = (rows + offset) * scale
    assert tiny(max_iter=20).fit(X).score(X) == pytest.approx(expected, abs=0.3)


@short_on_purpose
@given(
    shape=st.tuples(st.integers(2, 30), st.integers(1, 5)),
    exponent=st.integers(-30, 30),
    offset=st.sampled_from([0.0, 1.0, -1e3, 1e6]),
    decimals=st.sampled_from([None, 0, 1, 3]),
    n_duplicates=st.integers(0, 10),
    bijector=st.sampled_from(["affine", "spline"]),
    n_layers=st.integers(1, 2),
    early_stopping=st.booleans(),
    dtype=st.sampled_from([np.float64, np.float32]),
    seed=st.integers(0, 1000),
)
def test_any_table_gets_finite_scores_and_rows(
    shape, exponent, offset, decimals, n_duplicates, bijector, n_layers, early_stopping, dtype, seed
):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal(shape) + offset
    if decimals is not None:
        X = X.round(decimals)
    X = (np.vstack([X, X[rng.integers(0, len(X), n_duplicates)]]) * 10.0**exponent).astype(dtype)
    density = MAFDensity(
        bijector=bijector,
        n_layers=n_layers,
        n_bins=3,
        hidden_layer_sizes=(8,),
        max_iter=3,
        early_stopping=early_stopping,
        random_state=seed,
    ).fit(X)
    scores = density.score_samples(X)
    assert scores.shape == (len(X),) and scores.dtype == np.float64
    assert np.isfinite(scores).all()
    sample = density.sample(7, random_state=seed)
    assert sample.shape == (7, X.shape[1]) and sample.dtype == dtype
    assert np.isfinite(sample).all()
    assert np.isfinite(density.score_samples(sample)).all()


def grid_table(n=200):
    rng = np.random.default_rng(0)
    return np.column_stack(
        [rng.integers(0, 2, n), rng.poisson(4, n), rng.integers(0, 30, n)]
    ).astype(float)


@pytest.mark.slow
@short_on_purpose
def test_grid_columns_do_not_blow_up():
    """The density times the step is near a probability, however long the training lasts."""
    X = grid_table()
    probability = stats.poisson(4).entropy() + np.log(2) + np.log(30)
    for max_iter in [20, 100]:
        assert trained(max_iter=max_iter).fit(X).score(X) < -probability + 0.7
    long = trained(max_iter=100, early_stopping=True, n_iter_no_change=100)
    long.fit(X)
    assert max(long.validation_scores_) < -probability + 0.5


@short_on_purpose
def test_validation_rows_are_dequantised(monkeypatch, tiny):
    """On the grid itself they would reward a density that climbs there without end."""
    genuine = skmaf.models.table_fit.train
    seen = []

    def train(flow, rows, validation, **settings):
        seen.append((validation.x, settings["steps"]))
        return genuine(flow, rows, validation, **settings)

    monkeypatch.setattr("skmaf.models.table_fit.train", train)
    tiny(early_stopping=True, validation_fraction=0.5).fit(grid_table())
    x_val, steps = seen[0]
    # the first two have probabilities, and no step
    assert [len(column.unique()) for column in x_val.T] == [2, 9, 100]
    place = (x_val[:, 2] - x_val[:, 2].min()) / steps[0, 2] % 1
    assert len((place * 10).int().unique()) == 10


@pytest.mark.slow
def test_ties_do_not_blow_up():
    """Every row three times: the dequantisation of the ties limits the score."""
    X = np.repeat(np.random.default_rng(0).standard_normal((100, 2)), 3, axis=0)
    assert trained(max_iter=100).fit(X).score(X) < 10


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_samples_fall_on_the_grid(dtype):
    rng = np.random.default_rng(0)
    tenths = rng.integers(0, 20, 400) * 0.1
    quarters = 7 + rng.integers(0, 9, 400) * 0.25
    zeros = np.where(rng.random(400) < 0.4, 0.0, rng.exponential(size=400))
    X = np.column_stack([tenths, quarters, rng.standard_normal(400), zeros]).astype(dtype)
    sample = trained(max_iter=20).fit(X).sample(1000, random_state=0)
    for j in [0, 1]:
        within = (sample[:, j] >= X[:, j].min()) & (sample[:, j] <= X[:, j].max())
        assert within.mean() > 0.9
        assert np.isin(sample[within, j], X[:, j]).all()
    beyond = (sample[:, 1] - 7) / 0.25
    assert np.array_equal(beyond, beyond.round())
    assert len(np.unique(sample[:, 2])) == 1000
    assert np.any(sample[:, 3] == 0)


def test_a_constant_column_is_kept_and_its_breach_flagged(rows, tiny):
    X = np.insert(rows, 1, 42.0, axis=1)
    density = tiny(max_iter=10).fit(X)
    assert (density.sample(20, random_state=0)[:, 1] == 42.0).all()
    scores = density.score_samples(X)
    np.testing.assert_allclose(
        scores, tiny(max_iter=10).fit(rows).score_samples(rows) + np.log(201 / 202), atol=1e-9
    )
    breached = [
        density.score_samples(np.insert(rows, 1, 42.0 + shift, axis=1))
        for shift in [1e-6, 1.0, 1e3, 1e300]
    ]
    assert np.isfinite(breached).all()
    for nearer, farther in zip([scores, *breached], breached):
        assert (farther < nearer).all()


def test_a_constant_column_learned_in_float32_holds_in_float64(rows, tiny):
    """0.1 is another number in float32; that is rounding, not a breach."""
    X = np.insert(rows, 1, 0.1, axis=1)
    density = tiny().fit(X.astype(np.float32))
    assert density.score(X) == pytest.approx(density.score(X.astype(np.float32)), abs=1e-2)


@pytest.mark.parametrize("early_stopping", [True, False])
@pytest.mark.parametrize("shape", [(2, 1), (20, 3)])
def test_all_columns_constant(shape, early_stopping, tiny):
    X = np.full(shape, 3.5)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        density = tiny(early_stopping=early_stopping).fit(X)
    assert np.isfinite(density.score_samples(X)).all()
    assert (density.score_samples(X + 1) < density.score_samples(X)).all()
    assert np.array_equal(density.sample(4, random_state=0), X[:1].repeat(4, axis=0))


def test_two_rows_are_enough(tiny):
    X = np.array([[0.0, 1.3], [2.0, 7.1]])
    assert np.isfinite(tiny().fit(X).score(X))


@short_on_purpose
@pytest.mark.parametrize("early_stopping", [True, False])
def test_one_column(early_stopping, tiny):
    x = np.random.default_rng(0).standard_normal((60, 1))
    density = tiny(early_stopping=early_stopping).fit(x)
    assert np.isfinite(density.score_samples(x)).all()
    assert density.sample(5, random_state=0).shape == (5, 1)


@pytest.mark.slow
@short_on_purpose
def test_a_thousand_columns(tiny):
    X = np.random.default_rng(0).standard_normal((60, 1000))
    density = tiny(hidden_layer_sizes=(16,), max_iter=2, early_stopping=True).fit(X)
    assert np.isfinite(density.score_samples(X)).all()
    sample = density.sample(3, random_state=0)
    assert sample.shape == (3, 1000) and np.isfinite(sample).all()


@pytest.mark.slow
def test_curves_are_in_the_units_of_the_rows():
    """Trained to the end, the loss curve ends at minus the score of the training rows."""
    X = np.random.default_rng(0).standard_normal((500, 2)) * [1e3, 1e-5]
    density = trained().fit(X)
    assert density.loss_curve_[-1] == pytest.approx(-density.score(X), abs=0.1)
    held = trained(early_stopping=True, n_iter_no_change=5, max_iter=200).fit(X)
    assert held.best_validation_score_ == pytest.approx(held.score(X), abs=0.5)
