"""What each column was taken for, as estimators say it."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from skmaf import MAFClassifier, MAFDensity, MultiscaleDensity
from skmaf.table.column_text import column_text
from skmaf.table.columns import Continuous
from skmaf.table.description import describe_columns
from skmaf.table.flow_space import Columns
from skmaf.table.heaped import CoarseGrid, Heaped

SMALL = {
    "n_layers": 1,
    "hidden_layer_sizes": (8,),
    "max_iter": 1,
    "early_stopping": False,
    "random_state": 0,
}
CIRCLE = {"column_kinds": {"hour": ("periodic", 24)}}
KINDS = {
    "day": "dates, in days, with the weekday as categories",
    "hour": "on a circle of 24",
    "ward": "3 categories",
    "fever": "numbers with 1 decimal",
    "ever": "constant: 3",
    "well": "truth values",
}


@pytest.fixture(scope="module")
def visits():
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "day": pd.date_range("2024-01-01", periods=400),
            "hour": rng.integers(0, 24, size=400),
            "ward": rng.choice(["A", "B", "C", None], size=400),
            "fever": rng.normal(38, 1, size=400).round(1),
            "ever": 3,
            "well": rng.random(400) < 0.5,
        }
    )


@pytest.fixture(scope="module")
def density(visits):
    return MAFDensity(**SMALL, **CIRCLE).fit(visits)


def test_columns_are_described(density, visits):
    described = density.describe_columns()
    assert described.index.name == "column" and described["kind"].to_dict() == KINDS
    missing = visits.isna().mean()
    np.testing.assert_allclose(described["missing"], missing)
    for name in ("day", "hour", "fever", "ever"):
        ends = described.loc[name, ["lowest", "highest"]].tolist()
        assert ends == [visits[name].min(), visits[name].max()]
    assert described.loc[["ward", "well"], ["lowest", "highest"]].isna().all(axis=None)


def test_columns_of_other_estimators(density, visits):
    """Which have other objects for the same kinds."""
    words = density.describe_columns()
    of_noise = MultiscaleDensity(max_iter=1, hidden_layer_sizes=(8,), **CIRCLE).fit(visits)
    of_noise = of_noise.describe_columns()
    of_noise.loc["day", "kind"] += ", with the weekday as categories"  # it sees them otherwise
    pd.testing.assert_frame_equal(of_noise, words)
    classifier = MAFClassifier(**SMALL, **CIRCLE).fit(visits, visits["well"])
    pd.testing.assert_frame_equal(classifier.describe_columns(), words)


def test_columns_without_names_are_counted():
    X = np.random.default_rng(0).normal(size=(50, 2))
    described = MAFDensity(**SMALL).fit(X).describe_columns()
    assert described.index.tolist() == [0, 1]
    assert described["lowest"].tolist() == X.min(axis=0).tolist()


def test_columns_of_several_levels():
    names = [("a", "x"), ("a", "y")]
    X = pd.DataFrame(np.random.default_rng(0).normal(size=(50, 2))).set_axis(
        pd.MultiIndex.from_tuples(names), axis=1
    )
    described = MAFDensity(**SMALL).fit(X).describe_columns()
    assert described.index.tolist() == names
    assert described.index.name == "column"


def test_a_table_of_an_earlier_version(density):
    """Of which the shares of missing cells and the ends of columns are not known."""
    codec = dataclasses.replace(density.codec_, summary=None)
    described = describe_columns(density.columns_.columns, codec)
    assert described["kind"].to_dict() == KINDS
    assert described[["missing", "lowest", "highest"]].isna().all(axis=None)


def test_columns_are_shown_in_words(density):
    shown = repr(density.columns_)
    assert shown.startswith("Columns(0: dates, with the weekday as categories; 1: on a circle of")
    assert shown.endswith("; 3: numbers with 1 decimal; 4: constant; 5: 2 categories)")


def test_many_columns_are_shown_shortly():
    shown = repr(Columns([Continuous(0.0, 1.0)] * 1234))
    assert shown.endswith("; 9: continuous numbers; and 1,224 more)")


def test_heaped_numbers_have_the_step_of_the_table():
    """Not that of the other values put side by side, which is ten ninths of it."""
    rng = np.random.default_rng(0)
    x = np.round(rng.normal(1000, 150, 2000), 2)
    x[::2] = np.round(x[::2], -1)
    grid = CoarseGrid(0.01, 1000, 0)
    column = Continuous(0.0, 1.0, step=0.01, grid=np.unique(x), regular=True)
    heaped = Heaped.of(grid, column, x, np.ones(len(x)))
    assert column_text(heaped) == "numbers with 2 decimals, heaped in steps of 10"
