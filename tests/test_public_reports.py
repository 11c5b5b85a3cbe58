"""Bug reports about other tools, tried on skmaf: thresholds, names, units, weights, intervals.

Each comment names a project and an issue or pull request of its public tracker, says what was wrong
there, and what skmaf does. Columns and training have files of their own.
"""

import copy
import warnings

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.ensemble import IsolationForest
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import KernelDensity
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from skmaf import ConditionalMAFDensity, DensityOutlierDetector, MAFDensity
from skmaf._families import FAMILIES

KERNEL = make_pipeline(StandardScaler(), KernelDensity(bandwidth=0.5))
FAR = np.array([[9.0, 0.0, 3.0], [0.0, 300.0, -1.0], [-9.0, 100.0, 2.0]])


def detect(X, estimator=KERNEL, **parameters):
    return DensityOutlierDetector(estimator, random_state=0, **parameters).fit(X)


@pytest.fixture(scope="module")
def fitted_detector(rows):
    return detect(rows)


@pytest.fixture
def detector(fitted_detector):
    """A detector whose threshold a test may move."""
    return copy.copy(fitted_detector)


def share_of_outliers(detector, X):
    return np.mean(detector.predict(X) == -1)


# Moving a threshold without a refit


# PyOD #517: contamination, set after fit, changed no prediction. Here set_threshold moves it.
# scikit-learn #4170: another threshold took another fit of the covariance. Here it takes none.
def test_the_threshold_moves_without_a_refit(detector, rows):
    new = 1.2 * rows - 0.2 * rows.mean(axis=0)
    scores = detector.score_samples(new)
    shares = []
    for rate in (0.02, 0.2, 0.5):
        shares.append(share_of_outliers(detector.set_threshold(rate=rate), new))
        assert np.array_equal(detector.score_samples(new), scores)
    assert 0 < shares[0] < shares[1] < shares[2] < 1


# PyOD #144, #456, #216 and #627: the share of outliers has to be known, "auto" is refused. Here it
# is the default: 5% of normal rows are called outliers, however many the others are.
# PyOD #482: what to set where no training row is one? Here 0 says that all are trusted.
@pytest.mark.parametrize("contamination", ["auto", 0])
def test_the_share_of_outliers_need_not_be_known(contamination, rows):
    half = detect(rows[:100], contamination=contamination)
    assert share_of_outliers(half, rows[100:]) < 0.2
    assert share_of_outliers(half, FAR) == 1


# scikit-learn #30138: IsolationForest calls 40 of 100 points on a straight line outliers. Here 5%.
def test_a_straight_line_has_few_outliers():
    line = pd.DataFrame({"x": range(1, 101), "y": range(1, 101)})
    assert share_of_outliers(detect(line), line) <= 0.05


# PyOD pull request #707: LOCI called 16% outliers whatever contamination said, and a clone lost a
# parameter. Here the share is kept, by a clone as well.
@pytest.mark.parametrize("share", [0.05, 0.25])
def test_contamination_is_the_share_that_is_called_outliers(share, rows):
    found = clone(detect(rows, contamination=share)).fit(rows)
    assert share_of_outliers(found, rows) == pytest.approx(share, abs=1 / len(rows))


# scikit-learn #20833: 13 of 50 rows are equal and the lowest of all, and none of them is called an
# outlier where contamination asks for 10. Here rows that tie there are all called so, or none,
# whichever is nearer.
@pytest.mark.parametrize("share, n_outliers", [(0.1, 0), (0.2, 13), (0.26, 13), (0.3, 13)])
def test_equal_rows_at_the_threshold_are_called_alike(share, n_outliers):
    X = np.repeat([1.0, -1.0], [37, 13])[:, None]
    found = detect(X, KernelDensity(bandwidth=0.2), contamination=share)
    assert np.array_equal(np.flatnonzero(found.predict(X) == -1), np.arange(50)[50 - n_outliers :])


# scikit-learn #27839: values next to one that comes ten times look like outliers to a local outlier
# factor, and the clear ones do not. Here the five clear ones are called so.
def test_a_value_that_repeats_makes_no_outliers_of_its_neighbours():
    x = np.concatenate([np.full(10, 0.1), np.linspace(0.1, 0.2, 30), [27.0, 64, 81, 4, 1.7]])
    found = detect(x[:, None], KernelDensity(bandwidth=0.1), contamination=0.1)
    assert sorted(x[found.predict(x[:, None]) == -1]) == [1.7, 4, 27, 64, 81]


# alibi-detect #10, #99 and #119: a threshold from a false-alarm rate or from labels is wished for.
# alibi-detect pull request #832: a threshold was no float, in one backend. Here it is one.
def test_a_threshold_from_labels(detector, rows):
    X = np.vstack([rows, FAR])
    y = np.repeat([1, -1], [len(rows), len(FAR)])
    detector.set_threshold(labelled=(X, pd.Series(y, dtype="Int64")))
    assert np.array_equal(detector.predict(X), y)
    assert type(detector.offset_) is float


# alibi-detect pull request #677: a review asks to refuse a rate that the rows cannot tell, as below
# 1% from 100 rows. Here it is refused, as is a threshold that is no number.
@pytest.mark.parametrize(
    "wish, message",
    [
        ({"rate": 1e-4}, "finer than the calibration rows can tell: give 0.005"),
        ({"score": np.nan}, "score must be a finite number, in nats, got nan"),
        ({"score": "low"}, "score must be a finite number, in nats, got 'low'"),
        ({"labelled": FAR}, "labelled must be a tuple"),
    ],
)
def test_a_threshold_that_cannot_be_is_refused(wish, message, detector):
    before = detector.offset_
    with pytest.raises(ValueError, match=message):
        detector.set_threshold(**wish)
    assert detector.offset_ == before


# alibi-detect #429: do odd rows score low or high? Here low, in each method alike.
# PyOD #240: are negative scores wrong? Here scores are nats of any sign, and p-values say how odd.
# PyOD #292 and pull request #518: probabilities of one dimension, or of an infinite score, raise.
def test_odd_rows_score_low_however_far_they_are(fitted_detector, rows):
    X = np.vstack([rows[:20], FAR, FAR * 1e100, np.full((1, 3), 1e300)])
    scores = fitted_detector.score_samples(X)
    p_values = fitted_detector.p_values(X)
    assert scores.shape == p_values.shape == (27,) and np.isfinite(scores).all()
    assert scores[20:].max() < scores[:20].min()
    assert (p_values > 0).all() and (p_values <= 1).all()
    assert (np.diff(p_values[np.argsort(scores)]) >= 0).all()


# PyOD #200 and #16: labels of the training rows are not what predict gives for them. Here they are.
def test_training_rows_get_one_label(rows):
    detector = DensityOutlierDetector(KERNEL, contamination=0.1, random_state=0)
    labels = detector.fit_predict(rows)
    assert np.array_equal(labels, detector.predict(rows))
    assert np.array_equal(labels[::-1], detector.predict(rows[::-1]))
    assert labels[7] == detector.predict(rows[7:8])


# Names of columns

NAMED = {
    "density": MAFDensity(n_layers=1, hidden_layer_sizes=(4,), max_iter=1, early_stopping=False),
    "kernel": DensityOutlierDetector(KERNEL, contamination=0.05),
    "forest": DensityOutlierDetector(IsolationForest(n_estimators=5), contamination=0.05),
}


# scikit-learn #25844: fit warns of its own frame where contamination is a number.
# scikit-learn #21577: names in fit and none later warn. Here too, once, and at the user's line.
# PyOD #540 and pull request #475: a frame in fit and the same frame later warn. Here they do not.
@pytest.mark.parametrize("name", NAMED)
def test_names_are_kept(name, rows):
    X = pd.DataFrame(rows[:60], columns=["a", "b", "c"])
    estimator = clone(NAMED[name])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scores = estimator.fit(X).score_samples(X)
    with pytest.warns(UserWarning, match="does not have valid feature names") as caught:
        assert np.array_equal(estimator.score_samples(X.to_numpy()), scores)
    assert [warning.filename for warning in caught] == [__file__]
    with pytest.raises(ValueError, match="same order"):
        estimator.score_samples(X[["b", "a", "c"]])


# MAPIE #128 and #149: a pipeline that takes columns by name was given an array. Here it is given
# the frame, also for the variants of a row that explain it.
def test_a_pipeline_takes_columns_by_name():
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"kind": rng.choice(["a", "b"], 60), "size": rng.normal(size=60)})
    encode = make_column_transformer(
        (OneHotEncoder(sparse_output=False), ["kind"]), ("passthrough", ["size"])
    )
    found = detect(X, make_pipeline(encode, KernelDensity(bandwidth=0.5)))
    odd = pd.DataFrame({"kind": ["a"], "size": [9.0]})
    assert found.predict(odd) == -1
    assert found.explain(odd).loc[0].idxmax() == "size"
    assert found.expected_values(odd).loc[0, "kind"] == "a"


@pytest.mark.parametrize("name", NAMED)
def test_two_columns_of_one_name_are_refused_by_name(name, rows):
    X = pd.DataFrame(rows[:20], columns=["a", "b", "a"])
    with pytest.raises(ValueError, match="X has several columns called 'a': give each a name"):
        clone(NAMED[name]).fit(X)


# Positive log-densities


# scikit-learn #6872 and #8453, nflows #56 and #76: is a positive log-density, or a negative loss,
# a mistake? scikit-learn #5129: is it one of a density at all? Here it is nats in the units of X:
# it changes by a constant with these, and the density integrates to 1.
def test_log_densities_may_be_positive(fitted, tiny, rows):
    small = tiny(max_iter=30).fit(rows * 1e-3)
    assert small.score(rows * 1e-3) > 0
    expected = fitted.score_samples(rows) + 3 * np.log(1e3)
    np.testing.assert_allclose(small.score_samples(rows * 1e-3), expected, atol=0.05)
    one = tiny(max_iter=5).fit(rows[:, :1] * 1e-3)
    x = np.linspace(-0.02, 0.02, 4001)
    density = np.exp(one.score_samples(x[:, None]))
    assert density.max() > 1
    assert np.trapezoid(density, x) == pytest.approx(1, abs=0.01)


# scikit-learn #4353 and #2473: score gave a number or an array, and the docs the other.
def test_score_is_one_number(fitted, rows):
    assert type(fitted.score(rows)) is float
    assert fitted.score(rows) == fitted.score_samples(rows).mean()


# zuko #55: a neural autoregressive flow gives new rows a likelihood above that of their source,
# which no density can have. Here no family does.
@pytest.mark.parametrize("family", FAMILIES)
def test_no_density_beats_the_true_one(family, tiny):
    rng = np.random.default_rng(0)
    new = rng.normal(size=(4000, 2))
    density = tiny(family=family, n_layers="auto", max_iter=10).fit(rng.normal(size=(300, 2)))
    excess = density.score(new) - stats.norm.logpdf(new).sum(axis=1).mean()
    assert -0.5 < excess < 0.01


# Weights


# scikit-learn #15647 and #4394: mixtures and kernel densities took no weights. Here they count.
# skorch #630: weights of 1 gave another model than none. Here ratios matter alone.
# MAPIE pull request #48: rows of weight 0 are to be left out. Here they are as if not there.
def test_weights_count(tiny, rows):
    plain = tiny().fit(rows).score_samples(rows)
    for weights in (np.ones(200), np.full(200, 0.3)):
        np.testing.assert_allclose(
            tiny().fit(rows, sample_weight=weights).score_samples(rows), plain, rtol=1e-5
        )
    first = np.repeat([1.0, 0.0], 100)
    weighted = tiny().fit(rows, sample_weight=first).score_samples(rows)
    assert np.array_equal(weighted, tiny().fit(rows[:100]).score_samples(rows))
    X = np.random.default_rng(0).normal(np.repeat([-3, 3], 100)[:, None], 0.1)
    drawn = tiny().fit(X, sample_weight=np.repeat([9.0, 1.5], 100)).sample(500, random_state=0)
    assert plain.std() > 0 and np.mean(drawn < 0) > 0.7


# skorch #203 and #801: weights were not divided with the rows into those to train on and those that
# validate. pzflow pull request #107: they had to be as many in both. Here they go with their rows.
@pytest.mark.filterwarnings("ignore:Training reached max_iter")
def test_weights_go_with_their_rows_into_validation(tiny, rows):
    counts = np.random.default_rng(0).integers(0, 4, 200)
    weighted = tiny(early_stopping=True).fit(rows, sample_weight=counts)
    repeated = tiny(early_stopping=True).fit(rows.repeat(counts, axis=0))
    assert weighted.validation_scores_ == repeated.validation_scores_
    assert np.array_equal(weighted.score_samples(rows), repeated.score_samples(rows))


# MAPIE #798: weights were dropped without a word on the way into a pipeline. Here they arrive, or
# are refused.
def test_weights_reach_a_pipeline_or_are_refused(fitted_detector, rows):
    weights = np.where(rows[:, 0] > 0, 3.5, 0.5)
    weighted = DensityOutlierDetector(KERNEL, random_state=0).fit(rows, sample_weight=weights)
    right = rows[:, 0] > 1
    gain = weighted.score_samples(rows) - fitted_detector.score_samples(rows)
    assert gain[right].mean() > 0 > gain[~right].mean()
    blind = make_pipeline(StandardScaler(), GaussianMixture())
    with pytest.raises(ValueError, match="GaussianMixture takes no sample_weight"):
        DensityOutlierDetector(blind).fit(rows, sample_weight=weights)


# pomegranate #151: 356 weights of 3 rows were taken, and none counted. Here the number is checked.
@pytest.mark.parametrize("weights", [np.ones(199), np.ones((200, 2)), np.full(200, np.nan)])
def test_weights_that_are_none_are_refused(weights, tiny, rows):
    with pytest.raises(ValueError, match="(?i)sample.weight"):
        tiny().fit(rows, sample_weight=weights)


# Intervals


@pytest.fixture(scope="module")
def regressor(rows):
    density = ConditionalMAFDensity(
        n_layers=1, hidden_layer_sizes=(8,), max_iter=10, early_stopping=False, random_state=0
    )
    return density.fit(rows[:, :2], rows[:, 2])


# MAPIE #450 and #248: lower ends lay above upper ends, and quantiles crossed. Here all come from
# one density: they rise with the level, and a wider interval holds a narrower one.
def test_quantiles_do_not_cross(regressor, rows):
    X = np.vstack([rows[:, :2], 5 * rows[:, :2]])
    assert (np.diff(regressor.predict_quantiles(X, [0.01, 0.3, 0.5, 0.7, 0.99])) >= 0).all()
    narrow = regressor.predict_interval(X, 0.5)
    wide = regressor.predict_interval(X, 0.9)
    assert (wide[:, 0] <= narrow[:, 0]).all() and (narrow[:, 1] <= wide[:, 1]).all()
    assert (narrow[:, 0] <= narrow[:, 1]).all()


# MAPIE #452, #974 and #980: with too few calibration rows an interval was the range of these, and
# had less coverage than was asked for. Here it is refused, with what can be had.
def test_coverage_that_the_rows_cannot_tell_is_refused(regressor, rows):
    n = len(regressor.calibration_scores_)
    most = n / (n + 1)
    assert np.isfinite(regressor.predict_interval(rows[:, :2], most)).all()
    with pytest.raises(ValueError, match=f"cannot be told from {n} rows that calibrate"):
        regressor.predict_interval(rows[:, :2], most + 0.01)


# Draws and fits that repeat


# SDV #157: no seed reached the draws. SDV #1130: draws could not be had again.
# skorch pull request #879: seeds have to be set outside, for the data and the weights apart.
# skorch #1073: does a second fit start from the weights of the first? Here it starts anew.
def test_a_seed_repeats_draws_and_fits(fitted, tiny, rows):
    again = tiny(max_iter=30)
    for _ in range(2):
        drawn = again.fit(rows).sample(5, random_state=1)
        assert np.array_equal(drawn, fitted.sample(5, random_state=1))
    assert not np.array_equal(again.sample(5), again.sample(5))
