"""One contract for all density objects: `log_prob` and `sample`, complete when they are made."""

import copy
import pickle
from dataclasses import FrozenInstanceError

import numpy as np
import pytest
from sklearn.mixture import GaussianMixture
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skmaf import ConditionalMAFDensity, MAFDensity, MultiscaleDensity
from skmaf.models.estimator_density import EstimatorDensity

N_FEATURES = 2
N_ROWS = 1500  # to fit
ENTROPY = np.log(2 * np.pi * np.e) + np.log(3.0)  # of the two columns below, in nats


def normal_rows(n, seed=0):
    """Independent normal columns with standard deviations 1 and 3: a closed form."""
    return np.random.default_rng(seed).standard_normal((n, N_FEATURES)) * [1.0, 3.0]


def closed_form(N):
    z = N / [1.0, 3.0]
    return -0.5 * (z**2).sum(axis=1) - np.log(2 * np.pi) - np.log(3.0)


SMALL = {
    "n_layers": 2,
    "hidden_layer_sizes": (16,),
    "n_bins": 8,
    "max_iter": 20,
    "early_stopping": False,
    "random_state": 0,
}


def fit_table():
    return MAFDensity(**SMALL).fit(normal_rows(N_ROWS))


def fit_conditional():
    """The two columns given a column that says nothing of them."""
    density = ConditionalMAFDensity(**SMALL)
    return density.fit(np.random.default_rng(1).standard_normal((N_ROWS, 1)), normal_rows(N_ROWS))


def fit_multiscale():
    density = MultiscaleDensity(
        lowest_noise=0.05, highest_noise=0.1, hidden_layer_sizes=(32,), max_iter=300, random_state=0
    )
    return density.fit(normal_rows(N_ROWS))


@pytest.fixture(scope="module")
def densities():
    mixture = GaussianMixture(1, random_state=0).fit(normal_rows(N_ROWS))
    return {
        "table": fit_table().density_,
        "conditional": fit_conditional().density_,
        "multiscale": fit_multiscale().density_,
        "estimator": EstimatorDensity(mixture),
    }


NAMES = ["table", "conditional", "multiscale", "estimator"]
every_density = pytest.mark.parametrize("name", NAMES)
with_module = pytest.mark.parametrize("name", NAMES[:3])


def context_for(name, n):
    """A context of n rows, for the density that takes one."""
    return np.random.default_rng(2).standard_normal((n, 1)) if name == "conditional" else None


def draw(density, name, n, seed=0):
    return density.sample(n, seed, context_for(name, n))


@every_density
def test_shapes_and_types(densities, name):
    density = densities[name]
    N = normal_rows(7)
    log_prob = density.log_prob(N, context_for(name, 7))
    assert log_prob.shape == (7,) and log_prob.dtype == np.float64
    assert draw(density, name, 5).shape == (5, N_FEATURES)


@with_module
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_rows_in_single_precision_are_scored_in_it(densities, name, dtype):
    N = normal_rows(50, seed=3)
    exact = densities[name].log_prob(N, context_for(name, 50))
    log_prob = densities[name].log_prob(N.astype(dtype), context_for(name, 50))
    assert log_prob.dtype == np.float64
    np.testing.assert_allclose(log_prob, exact, atol=1e-3 if dtype == "f4" else 0)


@with_module
def test_finite_for_any_finite_input(densities, name):
    extremes = [0.0, -0.0, 1e-320, 1.0, -1e5, 1e15, 1e154, -1e300, np.finfo(float).max]
    N = np.array([[a, b] for a in extremes for b in extremes])
    log_prob = densities[name].log_prob(N, context_for(name, len(N)))
    assert np.isfinite(log_prob).all()
    # and the farthest are the least likely
    assert log_prob[-1] < log_prob[0]


@every_density
def test_log_prob_and_draws_agree_with_the_closed_form(densities, name):
    density = densities[name]
    N = normal_rows(1000, seed=5)
    error = density.log_prob(N, context_for(name, 1000)) - closed_form(N)
    assert abs(error.mean()) < 0.06 and np.median(np.abs(error)) < 0.2
    drawn = draw(density, name, 2000)
    np.testing.assert_allclose(drawn.mean(axis=0), 0, atol=0.25)
    np.testing.assert_allclose(drawn.std(axis=0), [1, 3], rtol=0.08)
    # the mean log-density of draws is minus the entropy
    of_draws = density.log_prob(drawn, context_for(name, 2000)).mean()
    assert of_draws == pytest.approx(-ENTROPY, abs=0.1)


@every_density
def test_a_row_does_not_depend_on_its_neighbours(densities, name):
    N = normal_rows(40)
    context = context_for(name, 40)
    together = densities[name].log_prob(N, context)
    for i in (0, 17, 39):
        row = slice(i, i + 1)
        alone = densities[name].log_prob(N[row], None if context is None else context[row])
        np.testing.assert_allclose(alone, together[row], rtol=1e-9)


@every_density
def test_zero_rows_are_refused(densities, name):
    with pytest.raises(ValueError, match="N has no rows: give one row at least"):
        densities[name].log_prob(np.empty((0, N_FEATURES)), context_for(name, 0))


@with_module
@pytest.mark.parametrize("n", [0, -1, 2.5])
def test_draws_of_no_number_are_refused(densities, name, n):
    with pytest.raises(ValueError, match="n_samples must be a positive integer"):
        densities[name].sample(n, 0, context_for(name, 3))


@every_density
def test_context_that_does_not_fit_is_refused(densities, name):
    N = normal_rows(3)
    if name == "conditional":
        with pytest.raises(ValueError, match="The density is conditional: give a context of 1"):
            densities[name].log_prob(N)
    with pytest.raises(ValueError, match=r"context has shape \(2, 1\), and the density needs \(3,"):
        densities[name].log_prob(N, np.zeros((2, 1)))


@with_module
def test_rows_of_other_columns_are_refused(densities, name):
    for N in [np.zeros((3, 1)), np.zeros((3, 3)), np.zeros(2)]:
        with pytest.raises(ValueError, match=r"N has shape .*, and the density needs \(n, 2\)"):
            densities[name].log_prob(N, context_for(name, 3))


@with_module
@pytest.mark.parametrize("form", [lambda N: N.astype(int), lambda N: N.astype(">f8"), list])
def test_all_but_single_precision_is_double_precision(densities, name, form):
    N = np.round(normal_rows(8, seed=4))
    context = context_for(name, 8)
    expected = densities[name].log_prob(N, context)
    np.testing.assert_array_equal(densities[name].log_prob(form(N), context), expected)


def test_draws_of_a_mixture_follow_the_seed(densities):
    first, again, other = (densities["estimator"].sample(4, seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert (first != other).all()


def test_context_rows_matter(rows):
    density = ConditionalMAFDensity(**SMALL)
    density = density.fit(rows[:, :1], rows[:, 1:]).density_
    Y = np.tile(rows[0, 1:], (2, 1))
    one, other = density.log_prob(Y, np.array([[-1.0], [1.0]]))
    assert one != other
    low, high = (density.sample(300, 0, np.full((300, 1), x))[:, 0].mean() for x in (-1.5, 1.5))
    assert low < high  # the first target rises with the context


@every_density
@pytest.mark.parametrize("copied", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_copies_are_equal_to_the_last_bit(densities, name, copied):
    density = densities[name]
    N = normal_rows(30)
    context = context_for(name, 30)
    expected = density.log_prob(N, context)
    twin = copied(density)
    assert twin.log_prob(N, context).tobytes() == expected.tobytes()
    if name != "estimator":  # whose draws go on with its own random state
        assert draw(twin, name, 9).tobytes() == draw(density, name, 9).tobytes()


@every_density
def test_a_density_is_frozen(densities, name):
    field = next(iter(vars(densities[name])))
    with pytest.raises(FrozenInstanceError):
        setattr(densities[name], field, None)


@with_module
def test_what_it_is_made_of_is_plain(densities, name):
    density = densities[name]
    assert density.flow is density.precisions.module
    assert density.device == "auto" and density.dtype == np.float64
    assert len(density.columns.columns) == N_FEATURES


@with_module
def test_one_copy_of_the_module_for_each_precision(densities, name):
    precisions = densities[name].precisions
    double = precisions.in_precision(np.dtype("f8"))
    assert precisions.in_precision(np.dtype("f8")) is double
    assert next(double.parameters()).dtype.itemsize == 8
    assert precisions.in_precision(np.dtype("f4")) is densities[name].flow
    # pickles hold one precision
    assert len(pickle.dumps(precisions)) == len(pickle.dumps(copy.deepcopy(precisions)))
    assert copy.deepcopy(precisions).in_precision(np.dtype("f8")) is not double


def test_an_estimator_that_cannot_draw():
    pipeline = make_pipeline(StandardScaler(), GaussianMixture()).fit(normal_rows(50))
    density = EstimatorDensity(pipeline)
    assert density.log_prob(normal_rows(3)).shape == (3,)
    with pytest.raises(ValueError, match="Pipeline has no method sample"):
        density.sample(3)


def test_to_base_and_back(densities):
    N = normal_rows(20)
    Z = densities["table"].to_base(N)
    np.testing.assert_allclose(densities["table"].from_base(Z), N, atol=1e-6)
