"""MultiscaleDensity: the density of rows with noise of many noise levels."""

import copy
import dataclasses

import numpy as np
import pytest
import torch
from scipy import stats

from skmaf import MultiscaleDensity
from skmaf.models.multiscale_density import (
    N_GAP_LEVELS,
    N_NOISE_LEVELS,
    MultiscaleTableDensity,
)
from skmaf.table.codec import TableCodec
from skmaf.training.noise import NoiseLevels


def small(**parameters):
    defaults = {
        "highest_noise": 1.0,
        "hidden_layer_sizes": (32,),
        "max_iter": 300,
        "random_state": 0,
    }
    return MultiscaleDensity(**{**defaults, **parameters})


@pytest.fixture(scope="module")
def line():
    """A density of rows on a line in the plane, not to be changed, and the rows."""
    t = np.random.default_rng(0).normal(size=500)
    X = np.column_stack([t, 10 * t])
    return small().fit(X), X


def test_the_flow_is_told_the_noise_level():
    noise = NoiseLevels(0.1, 2.0)
    generator = torch.Generator().manual_seed(0)
    x, context = noise.add(torch.zeros(20_000, 4), generator)
    assert context.shape == (20_000, 1) and context.abs().max() <= 1
    # uniform, so that levels are log-uniform
    assert context.mean().abs() < 0.02 and context.std() == pytest.approx(1 / 3**0.5, rel=0.02)
    level = 0.1 * 20 ** ((context[:, 0] + 1) / 2)
    assert (x / level[:, None]).std() == pytest.approx(1, rel=0.02)
    assert (x / level[:, None])[context[:, 0] < -0.9].std() == pytest.approx(1, rel=0.1)
    np.testing.assert_allclose(noise.level(noise.contexts(3)), [0.1, 0.2**0.5, 2.0], rtol=1e-6)


@pytest.mark.slow
def test_density_of_normal_rows_is_that_of_normal_rows_with_noise():
    """Closed form: at each level a normal distribution with the variance of the noise added."""
    X = np.random.default_rng(0).normal(5, 2, size=(2000, 1))
    density = small(max_iter=800, lowest_noise=0.2).fit(X)
    levels = np.geomspace(0.2, 1, N_NOISE_LEVELS)
    x = np.linspace(0, 10, 50)[:, None]
    parts = [stats.norm(X.mean(), X.std() * np.sqrt(1 + level**2)).pdf(x[:, 0]) for level in levels]
    np.testing.assert_allclose(np.exp(density.score_samples(x)), np.mean(parts, axis=0), atol=0.012)


def test_density_integrates_to_one():
    X = np.random.default_rng(0).gamma(2, 3, size=(300, 1))
    density = small(max_iter=100).fit(X)
    t = np.linspace(-9, 9, 4001)
    assert np.trapezoid(
        np.exp(density.score_samples(np.sinh(t)[:, None])) * np.cosh(t), t
    ) == pytest.approx(1, abs=1e-2)


def test_draws_follow_the_mixture_of_noise_levels(line):
    density, X = line
    sample = density.density_.sample(20_000, 0)  # `sample` keeps the line
    blur = np.mean(np.geomspace(0.05, 1, N_NOISE_LEVELS) ** 2)
    covariance = np.cov((sample / X.std(axis=0)).T)
    np.testing.assert_allclose(covariance, np.corrcoef(X.T) + np.eye(2) * blur, atol=0.15)
    assert not np.array_equal(density.sample(5), density.sample(5))


def test_rows_off_the_line_stand_out(line):
    density, X = line
    off = X[:50] * [1, -1]
    far = np.abs(X[:50, 0]) > 0.5
    assert (
        np.quantile(density.score_samples(X), 0.1) > np.median(density.score_samples(off[far])) + 2
    )
    assert density.score(X) > density.score(off[far]) + 2


@pytest.mark.parametrize("share", [0.0, 0.25, 0.5])
def test_the_kernel_has_its_share(share):
    X = np.random.default_rng(0).normal(size=(100, 2))
    density = small(max_iter=20, kernel_share=share).fit(X).density_
    network = dataclasses.replace(density, kernel_share=0.0).log_prob(X)
    Z = density.columns.to_flow(X)
    kernel = density.kernel.log_prob(Z) + density.columns.log_jacobian(X)
    mixed = (1 - share) * np.exp(network) + share * np.exp(kernel)
    np.testing.assert_allclose(density.log_prob(X), np.log(mixed), rtol=1e-5)


@pytest.mark.parametrize("n_columns", [1, 3, 30])
def test_a_row_scores_the_same_alone_and_among_others(n_columns):
    X = np.random.default_rng(0).normal(size=(400, n_columns))
    density = small(max_iter=20).fit(X).density_
    together = density.log_prob(X)
    assert np.array_equal(together[:300], density.log_prob(X[:300]))
    assert np.array_equal(together[::-1], density.log_prob(X[::-1]))
    alone = [density.log_prob(row[None])[0] for row in X[:20]]
    assert np.array_equal(together[:20], alone)


def test_parts_are_fitted_the_same_for_any_number_of_jobs():
    """And each on its own rows alone, though several are trained side by side."""
    X = np.random.default_rng(0).normal(size=(100, 3))
    codec, N, _ = TableCodec.learn(X)
    parts = [np.arange(100)[np.arange(100) % 4 != k] for k in range(4)]
    estimator = small(max_iter=20)

    def scores(n_jobs, N=N, parts=parts):
        fitted = estimator.fit_parts(codec, N, np.ones(100), parts, n_jobs)
        return [fitted[k][0].log_prob(X) for k in range(len(parts))]

    one = scores(1)
    assert np.array_equal(one, scores(2))
    other = N.copy()
    other[parts[0]] = N[parts[0]]
    other[0] = 9  # the only row that the first part lacks
    parts[0] = np.arange(1, 100)
    changed = scores(1, other)
    assert np.array_equal(changed[0], scores(1)[0])
    assert not np.array_equal(changed[1], one[1])


def test_selection_leaves_out_the_overfitted_noise_levels(line):
    fitted, X = line
    density = copy.deepcopy(fitted)
    levels = np.geomspace(0.05, 1, N_NOISE_LEVELS)
    np.testing.assert_allclose(density.noise_levels_, levels, rtol=1e-5)
    measured = np.geomspace(0.05, 1, N_GAP_LEVELS)

    def selected(gap):
        return density.select_noise_levels(np.asarray(gap)).noise_levels_

    half_way = np.sqrt(measured[1] * measured[2])  # from 4/3 to 2/3
    mixed = selected([9.0, 4 / 3, 2 / 3, 0, 0, 0, 0, -1, 0])
    np.testing.assert_allclose(mixed, np.geomspace(half_way, 1, len(mixed)), rtol=1e-5)
    # no farther from each other than over the whole range
    assert mixed[1] / mixed[0] <= levels[1] / levels[0] < (mixed[1] / mixed[0]) ** 1.5
    assert density.score(X) < fitted.score(X)
    np.testing.assert_allclose(selected(np.full(N_GAP_LEVELS, 9.0)), [1.0], rtol=1e-5)
    last = selected(np.r_[np.full(N_GAP_LEVELS - 1, 4.0), 2] / 3)
    np.testing.assert_allclose(last, [np.sqrt(measured[-2]), 1], rtol=1e-5)
    second = selected(np.r_[4.0, np.full(N_GAP_LEVELS - 1, 2.0)] / 3)
    np.testing.assert_allclose(second[0], np.sqrt(measured[0] * measured[1]), rtol=1e-5)
    np.testing.assert_allclose(selected(np.zeros(N_GAP_LEVELS)), levels, rtol=1e-5)


@pytest.mark.slow
def test_generalisation_gap_grows_as_rows_become_fewer_and_noise_finer():
    rng = np.random.default_rng(0)
    few, many, new = (rng.normal(size=(n, 8)) for n in (20, 2000, 2000))
    of_few = small(max_iter=600).fit(few).generalisation_gap(few, new)
    of_many = small(max_iter=600).fit(many).generalisation_gap(many, new)
    assert of_few.min() > 1
    assert (np.diff(of_many) < 0).all() and of_many[-1] > 0 and of_many[0] < 0.3


def test_generalisation_gap_is_the_gain_beside_the_spread_of_rows(line, monkeypatch):
    density, X = line
    held_out = np.linspace(-1, 1, 1001)  # percentiles 16 and 84 are at -0.68 and 0.68
    spreads = np.geomspace(0.1, 100, N_GAP_LEVELS)[:, None]
    scores = iter([spreads * (held_out + 3), spreads * held_out])
    monkeypatch.setattr(
        MultiscaleTableDensity, "_log_probs_of_levels", lambda self, N: next(scores)
    )
    expected = 3 * spreads[:, 0] / np.maximum(1, 0.75 * 0.68 * spreads[:, 0])
    np.testing.assert_allclose(density.generalisation_gap(X, X), expected)


def test_generalisation_gap_is_not_decided_by_outliers(line):
    _, X = line
    density = small().fit(X[:250])
    odd = X[250:].copy()
    odd[::20] *= 1000
    np.testing.assert_allclose(
        density.generalisation_gap(X[:250], odd),
        density.generalisation_gap(X[:250], X[250:]),
        atol=0.3,
    )


@pytest.mark.slow
def test_lower_noise_scores_training_rows_higher(line):
    _, X = line
    low = small(highest_noise=0.1, max_iter=100).fit(X)
    high = small(lowest_noise=0.9, max_iter=100).fit(X)
    assert low.score(X) > high.score(X) + 1


def test_fewer_rows_than_a_batch_and_more_than_the_steps_take():
    X = np.random.default_rng(0).normal(size=(2000, 2))
    few = small(max_iter=3).fit(X[:30])
    many = small(max_iter=3).fit(X)
    assert len(few.loss_curve_) == 3 and len(many.loss_curve_) == 3
    assert np.isfinite(few.score_samples(X[:200])).all()
    assert np.isfinite(many.score_samples(X[:200])).all()


def test_weights_of_rows():
    X = np.random.default_rng(0).normal(size=(60, 2))
    counts = np.arange(60) % 3
    weighted = small(max_iter=20).fit(X, sample_weight=counts)
    repeated = small(max_iter=20).fit(X.repeat(counts, axis=0))
    assert np.array_equal(weighted.score_samples(X), repeated.score_samples(X))


def test_constant_columns_and_grids():
    X = np.column_stack([np.random.default_rng(0).integers(0, 4, 200), np.full(200, 7.0)])
    density = small(max_iter=50).fit(X)
    sample = density.sample(50, random_state=0)
    assert (sample[:, 1] == 7).all() and (sample[:, 0] == np.round(sample[:, 0])).all()
    assert density.score_samples([[1, 8.0]]) < density.score_samples([[1, 7.0]]) - 4


def test_interrupt_keeps_what_was_learned(monkeypatch):
    from skmaf.flows.mixture import MixtureStack

    genuine = MixtureStack.log_prob
    steps = []

    def log_prob(self, x, context):
        steps.append(None)
        if len(steps) == 20:
            raise KeyboardInterrupt
        return genuine(self, x, context)

    monkeypatch.setattr(MixtureStack, "log_prob", log_prob)
    X = np.random.default_rng(0).normal(size=(300, 2))
    with pytest.warns(UserWarning, match="interrupted after 19"):
        density = small().fit(X)
    assert np.isfinite(density.score_samples(X)).all()


@pytest.mark.parametrize(
    "bad", [{"lowest_noise": 2.0}, {"lowest_noise": 0}, {"max_iter": 0}, {"hidden_layer_sizes": 3}]
)
def test_bad_parameters(bad):
    (name,) = bad
    with pytest.raises(ValueError, match=name):
        small(**bad).fit(np.random.default_rng(0).normal(size=(20, 2)))
