"""DensityOutlierDetector over several densities."""

import copy
import functools

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from short_fits import shorten_detector
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_breast_cancer
from sklearn.exceptions import NotFittedError
from sklearn.metrics import make_scorer, roc_auc_score
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.neighbors import KernelDensity
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from skmaf import DensityOutlierDetector, MAFDensity, MultiscaleDensity
from skmaf.detector_defaults import LEAST_NOISE
from skmaf.models.multiscale_density import N_GAP_LEVELS, MultiscaleTableDensity
from skmaf.models.trusted_score import TrustedScore

ESTIMATORS = {
    "MAFDensity": MAFDensity(
        n_layers=2,
        hidden_layer_sizes=(8,),
        max_iter=30,
        learning_rate_init=0.02,
        early_stopping=False,
        random_state=0,
    ),
    "KernelDensity": KernelDensity(bandwidth=0.5),
    "GaussianMixture": GaussianMixture(random_state=0),
    "Pipeline": make_pipeline(StandardScaler(), KernelDensity(bandwidth=0.5)),
}
every_estimator = pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.slow] if name == "MAFDensity" else [])
        for name in ESTIMATORS
    ],
)


@pytest.fixture(scope="module")
def fit(rows):
    """Fit a detector of an estimator to rows, or return the one that was fitted before.

    Do not change it.
    """

    @functools.cache
    def fit(name, contamination=0.1):
        detector = DensityOutlierDetector(
            ESTIMATORS[name], contamination=contamination, random_state=0
        )
        return detector.fit(rows)

    return fit


@pytest.fixture
def short(monkeypatch):
    """Train the default densities for a moment only."""
    shorten_detector(monkeypatch, 4)


@pytest.mark.parametrize("n_columns, n_steps", [(3, 4), (8, 4), (12, 6), (30, 8)])
@pytest.mark.parametrize("contamination", [0, "auto"])
def test_more_columns_take_more_steps(n_columns, n_steps, contamination, short):
    X = np.random.default_rng(0).standard_normal((200, n_columns))
    detector = DensityOutlierDetector(contamination=contamination, random_state=0).fit(X)
    assert {estimator.max_iter for estimator in detector.estimators_} == {n_steps}


@pytest.mark.parametrize("contamination, least", [(0, 0.05), ("auto", LEAST_NOISE)])
def test_rows_that_may_hold_outliers_are_learned_less_finely(contamination, least, short):
    X = np.random.default_rng(0).standard_normal((200, 3))
    detector = DensityOutlierDetector(contamination=contamination, random_state=0).fit(X)
    assert {estimator.lowest_noise for estimator in detector.estimators_} == {least}
    assert all(density.noise_levels.min() >= least - 1e-9 for density in detector.densities_)


def test_where_anomalies_may_lie_together_training_stays_short(short):
    X = np.random.default_rng(0).standard_normal((200, 30))
    X[:12] = 4 + 0.01 * X[:12]
    detector = DensityOutlierDetector(random_state=0).fit(X)
    assert {estimator.max_iter for estimator in detector.estimators_} == {4}
    assert {estimator.lowest_noise for estimator in detector.estimators_} == {0.05}
    assert detector.p_values(X[:12]).max() < 0.1


def test_categories_that_contradict_each_other_are_found():
    """Each of 12 cities lies in one of 6 countries, but in 12 of 600 rows."""
    rng = np.random.default_rng(0)
    city = rng.integers(12, size=600)
    country = city // 2
    country[:12] = (country[:12] + rng.integers(1, 6, size=12)) % 6
    X = np.column_stack([city, country, *rng.integers(3, size=(3, 600))]).astype(str)
    scores = DensityOutlierDetector(random_state=0).fit(X).score_samples(X)
    assert roc_auc_score(np.arange(600) < 12, -scores) > 0.97


@pytest.fixture(scope="module")
def planted():
    """200 rows of a thin cloud, and 10 far from it in no single column."""
    rng = np.random.default_rng(0)
    t = rng.standard_normal(200)
    X = np.column_stack([t, t, -t]) + 0.1 * rng.standard_normal((200, 3))
    far = np.column_stack([np.ones(10), -np.ones(10), np.ones(10)]) + 0.1 * rng.standard_normal(
        (10, 3)
    )
    return np.vstack([X, far])


@every_estimator
def test_decision_is_the_score_above_the_offset(name, fit, rows):
    detector = copy.copy(fit(name))
    X = np.vstack([rows, rows * 1.5])
    decision = detector.decision_function(X)
    assert np.array_equal(decision, detector.score_samples(X) - detector.offset_)
    assert np.array_equal(detector.predict(X), np.where(decision < 0, -1, 1))
    assert set(detector.predict(X)) == {-1, 1}
    detector.offset_ = detector.score_samples(X[:1])[0]
    assert detector.decision_function(X[:1]) == 0 and detector.predict(X[:1]) == 1


@every_estimator
def test_score_is_the_mean_of_the_densities(name, fit, rows):
    detector = fit(name)
    assert len(detector.estimators_) == 5 and ESTIMATORS[name] not in detector.estimators_
    new = 1.1 * rows
    expected = np.mean([density.score_samples(new) for density in detector.estimators_], axis=0)
    np.testing.assert_allclose(detector.score_samples(new), expected)


CONTAMINATED = [pytest.param("MAFDensity", 0.1, marks=pytest.mark.slow)] + [
    (name, share) for name in ESTIMATORS if name != "MAFDensity" for share in (0.01, 0.1, 0.25, 0.5)
]


@pytest.mark.parametrize("name, contamination", CONTAMINATED)
def test_contamination_is_the_share_of_training_rows(name, contamination, fit, rows):
    """Whatever the folds are."""
    labels = fit(name, contamination).predict(rows)
    assert np.mean(labels == -1) == pytest.approx(contamination, abs=1 / len(rows))


def test_fit_predict_is_fit_and_predict(fit, rows):
    detector = DensityOutlierDetector(
        ESTIMATORS["KernelDensity"], contamination=0.1, random_state=0
    )
    labels = detector.fit_predict(rows)
    assert np.array_equal(labels, fit("KernelDensity", 0.1).predict(rows))


@every_estimator
def test_planted_outliers_are_found(name, planted):
    detector = DensityOutlierDetector(ESTIMATORS[name], contamination=0).fit(planted[:200])
    assert (detector.predict(planted[200:]) == -1).all()
    lowest = np.argsort(detector.score_samples(planted))[:10]
    assert sorted(lowest) == list(range(200, 210))


@every_estimator
def test_data_frame(name, fit, rows):
    frame = pd.DataFrame(rows, columns=["height", "weight", "age"])
    detector = DensityOutlierDetector(ESTIMATORS[name], contamination=0.1, random_state=0)
    detector.fit(frame)
    assert detector.n_features_in_ == 3
    assert detector.feature_names_in_.tolist() == ["height", "weight", "age"]
    assert np.array_equal(detector.predict(frame), fit(name).predict(rows))
    with pytest.raises(ValueError, match="feature names"):
        detector.predict(frame[["age", "weight", "height"]])


@pytest.mark.parametrize("contamination", ["auto", 0.1, 0])
def test_default_is_a_multiscale_density_for_each_fold(rows, short, contamination):
    """Beside it rows are remembered only if they are trusted; folds differ in column order."""
    rows = rows[:80]
    detector = DensityOutlierDetector(contamination=contamination, random_state=7).fit(rows)
    assert all(isinstance(estimator, MultiscaleDensity) for estimator in detector.estimators_)
    assert [density.kernel_share for density in detector.densities_] == [0.0] * 5
    kinds = {type(density) for density in detector.ensemble_.densities}
    assert (kinds == {TrustedScore}) == (contamination == 0)
    assert len({estimator.random_state for estimator in detector.estimators_}) == 5
    assert len({tuple(density.order) for density in detector.densities_}) > 1
    again = DensityOutlierDetector(contamination=contamination, random_state=7, n_jobs=2).fit(rows)
    assert np.array_equal(detector.score_samples(rows), again.score_samples(rows))
    other = DensityOutlierDetector(contamination=contamination, random_state=8).fit(rows)
    assert not np.array_equal(detector.score_samples(rows), other.score_samples(rows))


def test_other_folds_select_the_noise_levels(rows, short, monkeypatch):
    told = []
    excesses = iter(range(5))
    monkeypatch.setattr(
        MultiscaleTableDensity,
        "generalisation_gap",
        lambda self, *rows: np.full(N_GAP_LEVELS, float(next(excesses))),
    )

    def select_noise_levels(self, gap):
        told.append(gap[0])
        return self

    monkeypatch.setattr(MultiscaleTableDensity, "select_noise_levels", select_noise_levels)
    DensityOutlierDetector(random_state=0).fit(rows)
    assert told == [(10 - k) / 4 for k in range(5)]


class Seen(KernelDensity):
    """Gives the highest score to rows that it has seen, and to no others."""

    def fit(self, X):
        self.rows_ = X
        return self

    def score_samples(self, X):
        return -np.abs(X[:, None] - self.rows_).sum(axis=2).min(axis=1)


@pytest.mark.parametrize("contamination", [0, "auto"])
@pytest.mark.parametrize("n_folds", [2, 4])
def test_no_row_speaks_for_itself(n_folds, contamination, rows):
    detector = DensityOutlierDetector(Seen(), n_folds=n_folds, contamination=contamination)
    detector.fit(rows)
    assert len(detector.estimators_) == n_folds
    assert (detector.calibration_.scores < 0).all()
    scores = detector.score_samples(rows)
    assert (scores < 0).all()
    np.testing.assert_array_equal(np.sort(scores), detector.calibration_.scores)
    # in another order, dtype and container, and one by one
    shuffled = pd.DataFrame(rows[::-1])
    assert np.array_equal(detector.score_samples(shuffled.to_numpy())[::-1], scores)
    assert detector.score_samples(rows[7:8])[0] == scores[7]


def test_copies_in_other_folds_are_evidence(rows):
    """Each of two copies is known to the density of the other's fold, if that is another one."""
    twice = np.vstack([rows, rows[:40]])
    detector = DensityOutlierDetector(Seen(), n_folds=5, contamination=0, random_state=0)
    scores = detector.fit(twice).score_samples(twice)
    assert np.array_equal(scores[:40], scores[-40:])
    known = scores[:40] == 0
    assert 0.6 < known.mean() < 1
    assert (scores[40:-40] < 0).all()


class Shifted(KernelDensity):
    """Adds a constant of its own to all scores, and knows no rows below a bound."""

    def fit(self, X):
        self.shift_ = self.bandwidth * abs(X.sum()) % 7
        return super().fit(X)

    def score_samples(self, X):
        scores = super().score_samples(X) + self.shift_
        return np.where(X[:, 0] < -1, -np.inf, scores)


@pytest.mark.parametrize("n_folds", [3, 5])
def test_no_row_is_odd_by_the_fold_that_it_is_in(n_folds, rows):
    """Folds that differ by a constant score rows as folds that do not."""
    scores = {}
    for estimator in (KernelDensity, Shifted):
        detector = DensityOutlierDetector(
            estimator(), n_folds=n_folds, contamination=0, random_state=0
        )
        scores[estimator] = detector.fit(rows).score_samples(rows)
    shifts = [density.shift_ for density in detector.estimators_]
    assert np.ptp(shifts) > 1
    known = rows[:, 0] >= -1
    difference = (scores[Shifted] - scores[KernelDensity])[known]
    assert difference.mean() == pytest.approx(np.mean(shifts), abs=0.02)
    assert np.ptp(difference) < 0.2
    new = rows[known] + 0.01
    means = np.mean([density.score_samples(new) for density in detector.estimators_], axis=0)
    np.testing.assert_allclose(detector.score_samples(new), means)


def test_two_folds_have_nothing_to_be_compared_by(rows):
    detector = DensityOutlierDetector(KernelDensity(), n_folds=2, random_state=0).fit(rows)
    assert (detector.ensemble_.offsets == 0).all()


def test_odd_rows_are_left_out_of_the_densities(rows):
    """A few rows far out are not fitted, unless rows are trusted; their own fold scores them."""
    odd = np.vstack([rows, rows[:5] + 50])
    for contamination, n_seen in (("auto", 0), (0, 5)):
        detector = DensityOutlierDetector(Seen(), contamination=contamination, random_state=0)
        detector.fit(odd)
        seen = np.vstack([estimator.rows_ for estimator in detector.estimators_])
        assert len(np.unique(seen[seen[:, 0] > 25], axis=0)) == n_seen
        assert (detector.ensemble_.speakers(odd).sum(axis=1) == 1).all()
        assert detector.ensemble_.speakers(odd + 0.5).all()


@pytest.mark.parametrize("share", [0.02, 0.1])
def test_a_share_of_new_rows_is_called_outliers_too(share):
    """By scores that no row had a say in itself, over 20 seeds."""
    alarms = []
    for seed in range(20):
        X = np.random.default_rng(seed).standard_normal((500, 3))
        detector = DensityOutlierDetector(KernelDensity(bandwidth=0.5), contamination=share)
        detector.fit(X[:300])
        assert np.mean(detector.predict(X[:300]) == -1) == pytest.approx(share, abs=0.01)
        alarms.append(np.mean(detector.predict(X[300:]) == -1))
    assert np.mean(alarms) == pytest.approx(share, abs=3 * stats.sem(alarms) + 0.005)


@pytest.mark.slow
def test_breast_cancer_is_told_from_benign():
    data = load_breast_cancer()
    benign = data.data[data.target == 1]
    density = MAFDensity(
        n_layers=2, hidden_layer_sizes=(16,), max_iter=20, early_stopping=False, random_state=0
    )
    detector = DensityOutlierDetector(density, n_folds=2, random_state=0).fit(benign[:250])
    X = np.vstack([benign[250:], data.data[data.target == 0]])
    y = np.repeat([0, 1], [len(benign) - 250, len(X) - len(benign) + 250])
    assert roc_auc_score(y, -detector.decision_function(X)) > 0.9


@pytest.mark.parametrize("n", [4, 5, 9])
def test_as_few_rows_as_there_may_be(n, rows):
    detector = DensityOutlierDetector(KernelDensity()).fit(rows[:n])
    assert len(detector.calibration_.scores) == n
    assert np.isfinite(detector.decision_function(rows)).all()
    for n_too_few in (1, 3):
        with pytest.raises(ValueError, match="minimum of 4"):
            DensityOutlierDetector(KernelDensity()).fit(rows[:n_too_few])
    with pytest.raises(ValueError, match="3 .* of positive weight"):
        DensityOutlierDetector(KernelDensity()).fit(rows[:9], sample_weight=np.arange(9) < 3)


def test_grid_search_by_a_labelled_scorer(planted):
    y = np.repeat([1, -1], [200, 10])
    search = GridSearchCV(
        DensityOutlierDetector(KernelDensity(), random_state=0),
        {"estimator__bandwidth": [0.3, 300.0]},
        scoring=make_scorer(roc_auc_score, response_method="decision_function"),
        cv=StratifiedKFold(3, shuffle=True, random_state=0),
    ).fit(planted, y)
    assert search.best_params_ == {"estimator__bandwidth": 0.3} and search.best_score_ > 0.85


def test_in_a_pipeline_with_text(planted):
    """Columns of any kind, where the density inside knows them."""
    frame = pd.DataFrame(planted[:200], columns=["a", "b", "c"])
    frame["d"] = np.where(frame["a"] > 0, "up", "down")
    encode = make_column_transformer((OneHotEncoder(), ["d"]), remainder="passthrough")
    detector = DensityOutlierDetector(
        make_pipeline(encode, KernelDensity(bandwidth=0.3)), contamination=0, random_state=0
    ).fit(frame)
    odd = frame[frame["a"] > 1].head(3).assign(d="down")
    assert (detector.explain(odd).idxmax(axis=1) == "d").all()
    assert (detector.expected_values(odd)["d"] == "up").all()
    assert (detector.p_values(odd) < 0.02).all()


@pytest.mark.parametrize("contamination", [-0.1, 0.51, 1, "many", None, np.nan])
def test_bad_contamination(contamination, rows):
    with pytest.raises(ValueError, match="contamination"):
        DensityOutlierDetector(KernelDensity(), contamination=contamination).fit(rows)


def test_bad_estimator(rows):
    with pytest.raises(ValueError, match="estimator"):
        DensityOutlierDetector(StandardScaler()).fit(rows)


def test_bad_rows_are_named(fit, rows):
    infinite = rows.copy()
    infinite[3, 1] = np.inf
    missing = rows.copy()
    missing[3, 1] = np.nan
    with pytest.raises(ValueError, match="Column 1 contains inf"):
        DensityOutlierDetector(ESTIMATORS["MAFDensity"]).fit(infinite)
    with pytest.raises(ValueError, match="Column 1 contains inf in 1 of 200 rows"):
        DensityOutlierDetector().fit(infinite)
    with pytest.raises(
        ValueError, match="Column 1 contains NaN in 1 of 200 rows, and no cell was missing in fit"
    ):
        fit("MAFDensity").predict(missing)
    with pytest.raises(ValueError, match="2 features"):
        fit("MAFDensity").predict(rows[:, :2])


METHODS = [
    "predict",
    "decision_function",
    "score_samples",
    "p_values",
    "select",
    "explain",
    "expected_values",
]


@pytest.mark.parametrize("method", METHODS)
def test_not_fitted(method, rows):
    with pytest.raises(NotFittedError, match="not fitted"):
        getattr(DensityOutlierDetector(), method)(rows)
