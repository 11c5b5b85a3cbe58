"""DensityEnsemble: the mean of the densities of its fits."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.neighbors import KernelDensity

from skmaf import DensityEnsemble, DensityOutlierDetector, MAFDensity, MultiscaleDensity
from skmaf.models.mixture_density import MixtureDensity

SMALL = {"n_layers": 2, "hidden_layer_sizes": (16,), "max_iter": 5, "early_stopping": False}


def rows(n=120, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(n)
    return np.column_stack([x, x + rng.standard_normal(n)])


def messy(n=120):
    rng = np.random.default_rng(1)
    frame = pd.DataFrame(rows(n), columns=["a", "b"])
    frame["colour"] = rng.choice(["red", "green"], n)
    frame["day"] = pd.date_range("2024-01-01", periods=n)
    frame.loc[rng.random(n) < 0.2, "b"] = np.nan
    return frame


@pytest.fixture(scope="module")
def ensemble():
    return DensityEnsemble(MAFDensity(**SMALL), 3, random_state=0).fit(messy())


def test_the_density_is_the_mean_of_those_of_the_fits(ensemble):
    X = messy()
    densities = [np.exp(member.score_samples(X)) for member in ensemble.estimators_]
    np.testing.assert_allclose(ensemble.score_samples(X), np.log(np.mean(densities, axis=0)))
    assert len({member.random_state for member in ensemble.estimators_}) == 3
    assert not np.array_equal(densities[0], densities[1])


def test_each_fit_is_that_of_its_seed():
    ensemble = DensityEnsemble(MAFDensity(**SMALL), 2, random_state=0).fit(rows())
    for member in ensemble.estimators_:
        alone = MAFDensity(**SMALL, random_state=member.random_state).fit(rows())
        assert np.array_equal(alone.score_samples(rows()), member.score_samples(rows()))


class Normal:
    """Rows of one column that are normal with some mean."""

    columns = None

    def __init__(self, mean):
        self.law = stats.norm(mean)

    def log_prob(self, N):
        return self.law.logpdf(N[:, 0])

    def sample(self, n_samples, random_state):
        return self.law.rvs((n_samples, 1), random_state=random_state)

    def without_baseline(self):
        return self


def test_draws_have_the_density_of_the_mixture():
    """Closed form: normal laws at -3 and 3, and draws in no order."""
    mixture = MixtureDensity((Normal(-3.0), Normal(3.0)))
    drawn = mixture.sample(4000, 0)[:, 0]

    def cdf(x):
        return (stats.norm.cdf(x, -3) + stats.norm.cdf(x, 3)) / 2

    assert stats.kstest(drawn, cdf).pvalue > 0.01
    assert abs(np.corrcoef(drawn[:-1] > 0, drawn[1:] > 0)[0, 1]) < 0.06
    grid = np.linspace(-12, 12, 2001)[:, None]
    mass = np.trapezoid(np.exp(mixture.log_prob(grid)), grid[:, 0])
    assert mass == pytest.approx(1, abs=1e-6)
    assert np.array_equal(mixture.sample(10, 1), mixture.sample(10, 1))


def test_it_does_what_other_densities_do(ensemble):
    X = messy()
    drawn = ensemble.sample(20, random_state=0)
    assert list(drawn) == list(X)
    assert drawn.dtypes.equals(X.dtypes)
    filled = ensemble.impute(X, random_state=0)
    assert filled.notna().all(axis=None)
    kept = X["b"].notna()
    assert filled.loc[kept, "b"].equals(X.loc[kept, "b"])
    assert not hasattr(ensemble, "flow_")
    # a mixture is no farther from the rows than the mean of its members, by Jensen's inequality
    assert ensemble.score(X) >= np.mean([member.score(X) for member in ensemble.estimators_])


def test_the_result_does_not_depend_on_the_number_of_jobs():
    alone = DensityEnsemble(MAFDensity(**SMALL), 2, random_state=0).fit(rows())
    together = DensityEnsemble(MAFDensity(**SMALL), 2, n_jobs=2, random_state=0).fit(rows())
    assert np.array_equal(alone.score_samples(rows()), together.score_samples(rows()))


def test_weights_reach_every_fit():
    X = rows()
    weights = np.repeat([1, 3], len(X) // 2)
    weighted = DensityEnsemble(MAFDensity(**SMALL), 2, random_state=0)
    repeated = DensityEnsemble(MAFDensity(**SMALL), 2, random_state=0)
    weighted.fit(X, sample_weight=weights)
    repeated.fit(X.repeat(weights, axis=0))
    assert np.array_equal(weighted.score_samples(X), repeated.score_samples(X))


def test_the_detector_takes_it():
    multiscale = MultiscaleDensity(max_iter=5, hidden_layer_sizes=(8,))
    detector = DensityOutlierDetector(DensityEnsemble(multiscale, 2), n_folds=2, random_state=0)
    scores = detector.fit(rows()).score_samples(np.array([[0.0, 0.0], [30.0, -30.0]]))
    assert scores[0] > scores[1]


@pytest.mark.parametrize("estimator", [KernelDensity(), DensityEnsemble()])
def test_other_estimators_are_refused(estimator):
    with pytest.raises(ValueError, match="estimator must be a MAFDensity or"):
        DensityEnsemble(estimator).fit(rows())


def test_an_interrupt_keeps_the_fits_that_are_done(monkeypatch):
    fit = MAFDensity.fit
    n_begun = []

    def interrupted(self, *args, **kwargs):
        n_begun.append(self)
        if len(n_begun) == 3:
            raise KeyboardInterrupt
        return fit(self, *args, **kwargs)

    monkeypatch.setattr(MAFDensity, "fit", interrupted)
    ensemble = DensityEnsemble(MAFDensity(**SMALL), 4, random_state=0)
    with pytest.warns(UserWarning, match="interrupted after 2 of 4 fits"):
        ensemble.fit(rows())
    assert len(ensemble.estimators_) == 2
    assert np.isfinite(ensemble.score_samples(rows())).all()
