"""Bug reports about other tools, tried on skmaf: rounded, bounded and constant columns, dtypes.

Each comment names a project and an issue or pull request of its public tracker, says what was wrong
there, and what skmaf does.
"""

from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import make_moons
from sklearn.neighbors import KernelDensity

from skmaf import ConditionalMAFDensity, DensityOutlierDetector, MAFClassifier

FAST = {"n_layers": 1, "hidden_layer_sizes": (8,), "early_stopping": False, "random_state": 0}


def to_decimals(numbers):
    return [Decimal(float(number)) for number in numbers]


@pytest.fixture
def rng():
    return np.random.default_rng(0)


# Rounded columns, of which a density is unbounded


# pzflow #86 and pull request #132: its dequantiser was worse than noise by hand, and was mended.
# Here values are spread over their step: the density times it is a probability, and longer training
# makes no peaks of it.
@pytest.mark.parametrize("max_iter", [2, 60])
def test_a_rounded_column_has_probabilities(max_iter, tiny, rng):
    x = rng.normal(size=(300, 1)).round(1)
    density = tiny(max_iter=max_iter).fit(x)
    probabilities = np.exp(density.score_samples(np.arange(-60, 61)[:, None] / 10)) * 0.1
    assert probabilities.sum() == pytest.approx(1, abs=0.01)
    assert probabilities.max() < 0.08
    assert density.score(x) < -1


# pygmmis #6: integers made a covariance singular. scikit-learn #8453: where one is singular,
# log-densities are as high as one likes. Here the density of rounded columns stays bounded.
def test_columns_that_repeat_each_other(tiny, rng):
    X = rng.integers(0, 100, (100, 1)).repeat(3, axis=1)
    density = tiny(max_iter=60).fit(X)
    assert density.score_samples(X).max() < 0
    drawn = density.sample(100, random_state=0)
    assert np.array_equal(drawn, drawn.round())


# scikit-learn #12056: on 0-1 columns a mixture's covariance was not positive, and it drew numbers
# between 0 and 1. Here rows are drawn of 0 and 1, one 1 in each as in the table.
def test_indicators_stay_indicators(tiny, rng):
    X = np.eye(4)[rng.integers(0, 4, 200)]
    drawn = tiny(max_iter=100, learning_rate_init=0.03).fit(X).sample(300, random_state=0)
    assert set(np.unique(drawn)) == {0, 1}
    assert np.mean(drawn.sum(axis=1) == 1) > 0.9


# Samples outside of what the data can be


# SDV #513: months over 12 and days over 31 were drawn. Here few values are categories; more are so
# if declared.
# SDV #2349: integers came back as floats. Here dtypes stay.
def test_months_and_days_are_drawn_as_they_are(tiny, rng):
    X = pd.DataFrame({"month": rng.integers(1, 13, 300), "day": rng.integers(1, 32, 300)})
    drawn = tiny(column_kinds={"day": "grid"}).fit(X).sample(2000, random_state=0)
    assert set(drawn["month"]) == set(range(1, 13)) and set(drawn["day"]) <= set(range(1, 32))
    assert drawn.dtypes.equals(X.dtypes)


# SDV #745: negative volumes were drawn from positive ones.
# scikit-learn #16349 and #17426: imputed numbers were far outside of a column's range.
# Here a declared bound is exact, in both.
@pytest.mark.parametrize("decimals", [0, 9])
def test_bounds_hold_in_samples_and_imputations(decimals, tiny, rng):
    volume = np.exp(rng.normal(2, 1.5, 150)).round(decimals)
    X = pd.DataFrame({"volume": volume, "price": rng.normal(size=150)})
    X.loc[::5, "volume"] = np.nan
    density = tiny(column_kinds={"volume": (0, None)}).fit(X)
    far = pd.DataFrame({"volume": [1e6, 1e12, 1e18, 1e24], "price": 0.0})
    assert (np.diff(density.score_samples(far)) < -10).all()
    assert density.score_samples(far)[-1] > -1e5
    assert density.sample(2000, random_state=0)["volume"].min() >= 0
    filled = density.impute(X[:50], random_state=0)["volume"]
    assert filled.min() >= 0 and not filled.isna().any()


# SDV #1039: half moons were drawn rounded to integers. Here they are not rounded.
# SDV #2274: numbers of two decimals were drawn with many. Here they have two.
# imbalanced-learn #154 and #438: integers were drawn with decimals, and dtypes changed. Here they
# are whole, and dtypes stay.
def test_decimals_are_those_of_the_column(tiny, rng):
    moons, _ = make_moons(300, noise=0.05, random_state=0)
    drawn = tiny(max_iter=5).fit(moons).sample(100, random_state=0)
    assert (drawn != drawn.round(6)).all()
    X = pd.DataFrame(
        {"price": rng.uniform(2000, 9900, 300).round(2), "n": rng.integers(0, 999, 300)}
    )
    drawn = tiny(max_iter=5).fit(X).sample(100, random_state=0)
    assert drawn["n"].dtype == X["n"].dtype
    np.testing.assert_allclose(drawn["price"], drawn["price"].round(2), rtol=1e-12)


# SDV #2718: 89% of a column are 0, the rest reaches to 36; what was drawn reached to 5. Here zeros
# are as frequent, and the rest reaches as far.
def test_many_zeros_and_a_long_tail(tiny, rng):
    x = np.where(rng.random(600) < 0.89, 0.0, np.exp(rng.normal(-2, 1.5, 600)))[:, None]
    drawn = tiny(max_iter=10).fit(x).sample(3000, random_state=0)
    assert np.mean(drawn == 0) == pytest.approx(np.mean(x == 0), abs=0.03)
    assert drawn.max() > np.quantile(x, 0.995)


# SDV #1592 and #2542: one value was drawn for a whole column, of two clusters in #2542. Here both
# clusters are drawn, and many values.
def test_a_column_that_varies_is_drawn_varied(tiny, rng):
    x = np.concatenate([rng.normal(1, 0.1, 150), rng.normal(50, 1, 150)])[:, None]
    drawn = tiny(max_iter=60).fit(x).sample(300, random_state=0)
    assert len(np.unique(drawn)) == 300
    assert 0.3 < np.mean(drawn < 25) < 0.7


# imbalanced-learn #662: rows of one class got categories of another. Here they have their own.
# imbalanced-learn #33: text had to be turned into numbers, and back. Here it is taken as it is.
def test_categories_of_a_class_are_its_own(rng):
    y = np.repeat(["small", "large"], 60)
    letters = np.where(y == "small", "x", rng.choice(["y", "z"], 120))
    X = pd.DataFrame({"letter": letters, "size": rng.normal(size=120)})
    classifier = MAFClassifier(**FAST, max_iter=100, learning_rate_init=0.03).fit(X, y)
    drawn, classes = classifier.sample(200, label="small", random_state=0)
    assert set(classes) == {"small"}
    assert np.mean(drawn["letter"] == "x") > 0.95


# Constant columns


# scikit-learn #17794: 1,000 times 14.62 had a deviation of 1e-15, by which it was divided.
# SDV #6 and Copulas #57: a constant column made a covariance of NaN, or needed a way about it.
# evidently #1929: a category that is alone had a p-value of NaN. Here a constant has a probability
# near 1, and is drawn.
@pytest.mark.parametrize("value", [14.62, np.float32(14.62), 0.0, 1e-310, 2**60, "a", True, None])
def test_a_constant_column(value, tiny, rng):
    missing = value is None
    constant = pd.Series([0.1 if missing else value] * 200)
    X = pd.DataFrame({"constant": constant, "x": rng.normal(size=200)})
    if missing:
        X.loc[::2, "constant"] = np.nan
    density = tiny(max_iter=2).fit(X)
    drawn = density.sample(20, random_state=0, complete=True)
    assert (drawn["constant"] == X["constant"].iloc[1]).all()
    alone = tiny(max_iter=2).fit(X[["constant"]]).score(X[["constant"]])
    assert -0.1 < alone <= 0
    assert density.score(X) == pytest.approx(-1.4, abs=0.2)


# scikit-learn #19726 and #19898: columns of small numbers were taken for constant ones. Here a
# change of units changes log-densities by a constant, and no more.
@pytest.mark.parametrize("unit", [1e-300, 1e-13, 1e13, 1e300])
def test_small_numbers_are_no_constant(unit, tiny, rng):
    x = rng.normal(size=(200, 1))
    x -= x.mean()
    scores = tiny(max_iter=2).fit(x * unit).score_samples(x * unit)
    expected = tiny(max_iter=2).fit(x).score_samples(x)
    np.testing.assert_allclose(scores + np.log(unit), expected, atol=0.02)


# DeepOD #45: equal rows scored 0, and the last one NaN. pythresh #18: equal scores stopped 15
# thresholds. Here equal rows score alike, none is an outlier, and another row is one.
@pytest.mark.parametrize("contamination", ["auto", 0.1, 0])
def test_equal_rows(contamination):
    X = np.ones((33, 2))
    detector = DensityOutlierDetector(
        KernelDensity(), contamination=contamination, random_state=0
    ).fit(X)
    assert len(np.unique(detector.score_samples(X))) == 1
    assert (detector.predict(X) == 1).all() and (detector.p_values(X) == 1).all()
    assert (detector.predict(X + 9) == -1).all()


# SDV #1466: a column of nothing but missing cells failed in sample, with a TypeError. Here fit says
# so, by name.
def test_a_column_without_values_is_named():
    X = pd.DataFrame({"A": [np.nan] * 5, "B": [23.12, 59.12, 10.0, 12.01, 10.11]})
    with pytest.raises(ValueError, match="Column 'A' has no value in any row: drop it"):
        DensityOutlierDetector().fit(X)


# Categories and dtypes


# SDV #1154, #1335 and #2514: nullable or missing integers failed in fit, or in sample.
# SDV #1835: text of pandas' string dtype failed where it was missing.
# imbalanced-learn #734: an array came back for a frame. Here dtypes and missing cells stay.
@pytest.mark.parametrize("convert", [pd.DataFrame.convert_dtypes, lambda frame: frame])
def test_dtypes_that_may_miss(convert, tiny, rng):
    X = pd.DataFrame(
        {
            "count": pd.Series([123500, 56832, None, 7, 9] * 20).astype("Int64"),
            "flag": pd.Series([True, None, False, True, True] * 20).astype("boolean"),
            "word": ["x", "y", None, "z", "x"] * 20,
            "size": np.append(rng.normal(size=99), np.nan),
        }
    )
    X = convert(X)
    density = tiny().fit(X)
    assert density.sample(5, random_state=0).dtypes.equals(X.dtypes)
    filled = density.impute(X, random_state=0)
    assert filled.dtypes.equals(X.dtypes) and not filled.isna().any(axis=None)
    given = X.notna().to_numpy()
    cells = [table.astype(object).to_numpy()[given] for table in (filled, X)]
    assert (cells[0] == cells[1]).all()


# imbalanced-learn #974: a column of truth values made floats of a categorical one beside it.
# imbalanced-learn #562: a table of nothing but categories was refused.
@pytest.mark.parametrize("flag_dtype", [bool, "category", "boolean", object])
@pytest.mark.parametrize("columns", [["letter", "flag", "size"], ["letter", "flag"]])
def test_truth_values_beside_categories(flag_dtype, columns, tiny):
    X = pd.DataFrame(
        {
            "letter": pd.Categorical(list("abbacaba" * 6), categories=list("cab")),
            "flag": pd.Series([False, False, True] * 16).astype(flag_dtype),
            "size": [0.3, 0.5, 0.1, 0.2] * 12,
        }
    )[columns]
    drawn = tiny().fit(X).sample(20, random_state=0)
    assert drawn.dtypes.equals(X.dtypes)
    assert set(drawn["letter"]) <= set("abc") and set(drawn["flag"]) <= {True, False}


# imbalanced-learn #969: a target of a nullable dtype was refused. Here classes keep their type.
@pytest.mark.parametrize("dtype", ["Int64", "boolean", "int8", bool, "string", "category", float])
def test_classes_of_every_dtype(dtype, rows):
    y = pd.Series([1, 0] * 100).astype(dtype)
    classifier = MAFClassifier(**FAST, max_iter=1).fit(rows, y)
    expected = np.unique(y.to_numpy())
    assert np.array_equal(classifier.classes_, expected)
    assert classifier.classes_.dtype == classifier.predict(rows).dtype == expected.dtype


@pytest.mark.parametrize("convert", [lambda y: pd.Series(y, dtype="Float64"), to_decimals])
def test_targets_of_other_numbers(convert, rows):
    targets = convert(rows[:, 2])
    fits = [
        ConditionalMAFDensity(**FAST, max_iter=1).fit(rows[:, :2], y) for y in (targets, rows[:, 2])
    ]
    predicted = [fit.predict(rows[:5, :2]) for fit in fits]
    assert np.array_equal(*predicted) and predicted[0].dtype == np.float64


# alibi-detect #191 and #193: a category that the reference lacks broke the test for drift. Here it
# counts as a new value, with a warning that names it, and is less likely than each known one.
def test_a_category_that_fit_did_not_see(tiny, rng):
    X = pd.DataFrame({"kind": rng.choice(list("abc"), 100), "x": rng.normal(size=100)})
    density = tiny().fit(X)
    same = pd.DataFrame({"kind": list("abcq"), "x": 0.0})
    with pytest.warns(UserWarning, match="Column 'kind' holds 'q'"):
        scores = density.score_samples(same)
    assert np.isfinite(scores).all() and scores[3] < scores[:3].min() - 1
