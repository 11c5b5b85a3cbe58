"""Over-sampling by densities, as imbalanced-learn checks it and on messy tables."""

from collections import Counter

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from skmaf import MAFClassifier, MAFDensity

pytest.importorskip("imblearn", reason="needs imbalanced-learn, of the extra 'imblearn'")

from imblearn.pipeline import make_pipeline
from imblearn.utils.estimator_checks import estimator_checks_generator

from skmaf.imblearn import DensityOverSampler


def sampler(make, **parameters):
    return DensityOverSampler(
        estimator=make(max_iter=2, random_state=None), random_state=0, **parameters
    )


SMALL = MAFDensity(n_layers=1, hidden_layer_sizes=(8,), max_iter=2, early_stopping=False)


# what parametrize_with_checks gives is an iterator, which pytest 9 refuses
@pytest.mark.slow
@pytest.mark.parametrize(
    "estimator, check",
    [*estimator_checks_generator(DensityOverSampler(estimator=SMALL, random_state=0))],
    ids=lambda value: value.func.__name__ if hasattr(value, "func") else "",
)
def test_imbalanced_learn_check(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def messy():
    rng = np.random.default_rng(0)
    n = 120
    x = rng.normal(size=n)
    table = pd.DataFrame(
        {
            "x": np.where(rng.random(n) < 0.2, np.nan, x),
            "kind": pd.Categorical(np.where(x > 0, "a", "b"), categories=["a", "b", "never"]),
            "text": rng.choice(["red", "green"], n),
            "count": rng.integers(0, 40, n),
            "day": pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 99, n), "D"),
            "yes": rng.random(n) < 0.5,
        }
    )
    y = pd.Series(np.repeat(["common", "rare", "rarest"], [80, 30, 10]), name="class")
    return table.set_index(np.arange(n) + 7), y.set_axis(table.index + 7)


def test_a_checkpoint_is_one_of_one_fit(messy, tmp_path):
    X, y = messy
    density = MAFDensity(checkpoint=tmp_path / "fit")
    with pytest.raises(ValueError, match="estimator keeps a checkpoint"):
        DensityOverSampler(estimator=density, random_state=0).fit_resample(X, y)
    classifier = MAFClassifier(max_iter=1, early_stopping=False, checkpoint=tmp_path / "fit")
    DensityOverSampler(estimator=classifier, random_state=0).fit_resample(X, y)
    assert not [*tmp_path.iterdir()]


def test_frames_with_categories(messy, tiny):
    X, y = messy
    X_new, y_new = sampler(tiny).fit_resample(X, y)
    assert Counter(y_new) == {"common": 80, "rare": 80, "rarest": 80}
    pd.testing.assert_series_equal(X_new.dtypes, X.dtypes)
    pd.testing.assert_frame_equal(X_new[:120], X.reset_index(drop=True))  # what came stays
    assert y_new.name == "class"
    drawn = X_new[120:]
    assert set(drawn["kind"]) == {"a", "b"}  # none that the class has not
    assert set(drawn["text"]) == {"red", "green"}
    assert drawn["x"].isna().any()
    assert drawn["x"].notna().any()
    assert (drawn.loc[y_new[120:] == "rarest", "count"] >= 0).all()


def test_rows_are_those_of_their_class(tiny):
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1], [200, 40])
    X = rng.normal(size=(240, 2)) + 10 * y[:, None]
    X_new, y_new = sampler(tiny).fit_resample(X, y)
    assert Counter(y_new.tolist()) == {0: 200, 1: 200}
    drawn = X_new[240:]
    assert abs(drawn.mean(axis=0) - 10).max() < 0.7
    assert len(np.unique(drawn[:, 0])) == 160
    assert not np.isin(drawn, X).any()


def test_a_classifier_as_estimator(messy):
    X, y = messy
    small = MAFClassifier(
        n_layers=1, hidden_layer_sizes=(8,), max_iter=2, early_stopping=False, random_state=5
    )
    over = DensityOverSampler(estimator=small, sampling_strategy="minority", random_state=0)
    X_new, y_new = over.fit_resample(X, y)
    assert Counter(y_new) == {"common": 80, "rare": 30, "rarest": 80}
    assert isinstance(over.estimators_["rarest"], MAFClassifier)
    pd.testing.assert_frame_equal(X_new, over.fit_resample(X, y)[0])
    assert small.random_state == 5


def test_the_random_state_governs_all(tiny):
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1], [30, 20])
    X = rng.normal(size=(50, 2))
    first = sampler(tiny).fit_resample(X, y)[0]
    state = np.random.get_state()[1].copy()
    np.testing.assert_array_equal(first, sampler(tiny).fit_resample(X, y)[0])
    assert (np.random.get_state()[1] == state).all()
    other = sampler(tiny).set_params(random_state=1).fit_resample(X, y)[0]
    assert not np.array_equal(first, other)


def test_in_a_pipeline(tiny):
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1], [95, 10])
    X = rng.normal(size=(105, 2)) + 1.5 * y[:, None]
    plain = LogisticRegression().fit(X, y).predict(X)
    balanced = make_pipeline(sampler(tiny), LogisticRegression()).fit(X, y).predict(X)
    assert balanced[y == 1].sum() > plain[y == 1].sum()


def test_refusals(tiny):
    X = np.arange(20.0).reshape(10, 2)
    with pytest.raises(ValueError, match="Class 1 has one row"):
        sampler(tiny).fit_resample(X, [0] * 9 + [1])
    polars = pytest.importorskip("polars")
    with pytest.raises(ValueError, match="to_pandas"):
        sampler(tiny).fit_resample(polars.DataFrame(X), [0] * 7 + [1] * 3)
