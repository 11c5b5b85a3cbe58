"""Estimators draw and fill rows that could be in the table."""

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from skmaf import (
    ConditionalMAFDensity,
    Determines,
    MAFClassifier,
    MAFDensity,
    MultiscaleDensity,
    Order,
    Sum,
)

SMALL = {"n_layers": 1, "hidden_layer_sizes": (8,), "max_iter": 3, "random_state": 0}
SAID = {
    "total = salary + bonus",
    "code and name determine each other",
    "salary <= total",
    "bonus <= total",
    "start <= end",
}


def table_of(n):
    rng = np.random.default_rng(0)
    start = rng.integers(0, 1000, n)
    code = rng.integers(0, 5, n)
    status = rng.choice(["open", "closed"], n)
    table = pd.DataFrame(
        {
            "salary": rng.lognormal(8, 0.5, n).round(2),
            "bonus": np.where(rng.random(n) < 0.5, 0, rng.lognormal(7, 1, n)).round(2),
            "start": start,
            "end": start + rng.integers(0, 20, n),
            "code": 10 * code,
            "name": np.array(["ash", "elm", "fir", "oak", "yew"])[code],
            "age": rng.integers(18, 91, n),
            "status": status,
            "left": np.where(status == "open", np.nan, rng.random(n)),
        }
    )
    table["total"] = (table["salary"] + table["bonus"]).round(2)
    return table


@pytest.fixture(scope="module")
def table():
    return table_of(600)


@pytest.fixture(scope="module")
def fitted(table):
    with pytest.warns(UserWarning, match="Training reached"):
        return MAFDensity(**SMALL).fit(table)


def assert_possible(rows, table):
    """Hold rows to all that holds in every row of the table."""
    np.testing.assert_allclose(rows["total"], rows["salary"] + rows["bonus"], atol=1e-6)
    assert (rows["start"] <= rows["end"]).all() and rows["age"].between(18, 90).all()
    pairs = set(zip(table["code"], table["name"]))
    assert set(zip(rows["code"], rows["name"])) <= pairs
    for name in ("salary", "bonus", "total"):
        assert np.array_equal(rows[name], rows[name].round(2))
    assert (rows["bonus"] >= 0).all()


def test_relations_and_ranges_are_listed(fitted):
    assert set(map(str, fitted.relations_)) == SAID
    assert fitted.ranges_["age"] == (18, 90) and fitted.ranges_["bonus"] == (0, np.inf)


def test_drawn_rows_could_be_in_the_table(table, fitted):
    rows = fitted.sample(1000, random_state=0)
    assert_possible(rows, table)
    assert rows.dtypes.equals(table.dtypes)
    assert rows["left"].isna().equals(rows["status"] == "open")
    assert not fitted.sample(100, complete=True).isna().any(axis=None)
    again = fitted.sample(1000, random_state=0)
    assert again.equals(rows)
    copied = pickle.loads(pickle.dumps(fitted))
    assert copied.sample(1000, random_state=0).equals(rows)
    assert copied.relations_ == fitted.relations_


def test_filled_rows_could_be_in_the_table(table, fitted):
    holes = table[:40].mask(np.random.default_rng(1).random((40, table.shape[1])) < 0.3)
    filled = fitted.impute(holes, random_state=0)
    assert not filled.isna().any(axis=None)
    assert_possible(filled, table)
    one_of_sum = holes[["salary", "bonus", "total"]].isna().sum(axis=1) == 1
    for name in ("salary", "bonus", "total"):
        np.testing.assert_allclose(filled[name][one_of_sum], table[:40][name][one_of_sum])
    known = holes["code"].notna() & holes["name"].isna()
    assert known.any() and filled["name"][known].equals(table[:40]["name"][known])


def test_relations_leave_the_density_as_it_is(table, fitted):
    with pytest.warns(UserWarning, match="Training reached"):
        refused = MAFDensity(**SMALL, relations=None).fit(table)
    broken = table.assign(total=table["total"] + 500, name=table["name"].to_numpy()[::-1])
    for rows in (table, broken):
        assert np.array_equal(refused.score_samples(rows), fitted.score_samples(rows))
    assert np.isfinite(fitted.score_samples(broken)).all()
    assert refused.relations_ == []
    drawn = refused.sample(500, random_state=0)
    assert (drawn["start"] > drawn["end"]).any()
    assert np.abs(drawn["total"] - drawn["salary"] - drawn["bonus"]).median() > 1


def test_declared_relations_alone_are_kept(table):
    declared = [Order("start", "end"), Determines("code", "name")]
    density = MAFDensity(**SMALL, relations=declared)
    assert clone(density).relations == declared
    with pytest.warns(UserWarning, match="Training reached"):
        density.fit(table)
    assert density.relations_ == declared and density.relations is declared
    with pytest.raises(ValueError, match="total = bonus, which 600 of 600 rows break"):
        clone(density).set_params(relations=[Sum("total", ["bonus"])]).fit(table)
    with pytest.raises(ValueError, match="The 'relations' parameter"):
        clone(density).set_params(relations="none").fit(table)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_arrays_keep_relations_between_positions(dtype):
    rng = np.random.default_rng(0)
    X = np.abs(rng.standard_normal((300, 3))).astype(dtype)
    X[:, 2] = X[:, 0] + X[:, 1]
    density = MultiscaleDensity(max_iter=20, random_state=0).fit(X)
    assert "2 = 0 + 1" in map(str, density.relations_)
    rows = density.sample(200, random_state=0)
    assert rows.dtype == dtype and rows.min() >= 0
    np.testing.assert_allclose(rows[:, 2], rows[:, 0] + rows[:, 1], rtol=1e-6)


def test_classifiers_draw_rows_that_could_be_in_the_table(table):
    with pytest.warns(UserWarning, match="Training reached"):
        classifier = MAFClassifier(**SMALL).fit(table.drop(columns="status"), table["status"])
    rows, _ = classifier.sample(300, label="open", random_state=0)
    assert_possible(rows, table)
    assert rows["left"].isna().any()
    rows, _ = classifier.sample(300, random_state=0, complete=True)
    assert not rows.isna().any(axis=None)


def test_several_targets_keep_relations():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((400, 1))
    Y = pd.DataFrame(np.sort(X + rng.standard_normal((400, 2)), axis=1), columns=["low", "high"])
    with pytest.warns(UserWarning, match="Training reached"):
        density = ConditionalMAFDensity(**SMALL).fit(X, Y)
    assert density.relations_ == [Order("low", "high")]
    drawn = density.sample(X[:50], n_samples=20, random_state=0)
    assert (drawn[..., 0] <= drawn[..., 1]).all()
