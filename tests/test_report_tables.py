"""Reports on tables of all sorts: hostile names, no numbers, holes, hundreds of columns."""

import re

import numpy as np
import pandas as pd
import pytest
from html_tree import Tree, body_rows, cells, section, tree_of
from report_table import quick_density
from sklearn.mixture import GaussianMixture

from skmaf import DensityOutlierDetector
from skmaf.inference.calibration import Calibration
from skmaf.report import Run, report_page


def run_of(X, **changes):
    """A run of another table."""
    rng = np.random.default_rng(0)
    held_out, train = np.split(rng.permutation(len(X)), [len(X) // 4])
    given = {
        "title": "table.csv",
        "X": X,
        "train": np.sort(train),
        "held_out": np.sort(held_out),
        "density": quick_density(X.iloc[np.sort(train)], max_iter=1),
        "detector": DensityOutlierDetector(OfNumbers(), n_folds=2, random_state=0).fit(X),
    }
    return Run(**{**given, **changes})


class OfNumbers(GaussianMixture):
    """A normal distribution of the numbers of a table, whatever else is in it."""

    def __init__(self):
        super().__init__(random_state=0)

    def _numbers(self, X):
        numbers = X[self.columns_].to_numpy(float, na_value=0.0)
        return np.column_stack([numbers, np.zeros(len(X))])

    def fit(self, X, y=None):
        self.columns_ = list(X.select_dtypes("number"))
        return super().fit(self._numbers(X))

    def score_samples(self, X):
        return super().score_samples(self._numbers(X))


def remarks(root):
    return " ".join(p.text for p in section(root, "fit").all("p", class_="note"))


def models(root):
    return [cells(row)[0] for row in body_rows(section(root, "fit").one("table"))]


def test_where_a_normal_distribution_does_not_compare():
    rng = np.random.default_rng(0)
    words = pd.DataFrame({"a": ["x", "y"] * 60, "b": ["u", "v", "w"] * 40})
    points = pd.DataFrame({"a": np.where(np.arange(120) % 3 == 0, 0.7, rng.normal(size=120))})
    holes = pd.DataFrame(rng.normal(size=(120, 3)), columns=list("abc"))
    holes = holes.mask(np.eye(3, dtype=bool)[np.arange(120) % 3])
    for X, reason in [
        (words, "There are no columns of numbers"),
        (points, "Some numbers come again and again in a: "),
        (holes, "Too few rows have all cells to compare with a normal distribution: 0 of the"),
    ]:
        root = tree_of(run_of(X))
        assert models(root) == ["skmaf", "Each column by itself"]
        assert reason in remarks(root)


def test_no_missing_cells():
    X = pd.DataFrame(np.random.default_rng(0).normal(size=(60, 2)), columns=["a", "b"])
    root = tree_of(run_of(X))
    assert "No cell is missing" in section(root, "missing").text
    assert "Nothing: the table was taken as it is" in section(root, "reading").text
    assert not root.all("section", id="next")


def odd_tables():
    rng = np.random.default_rng(0)
    z = rng.normal(size=120)
    days = pd.date_range("2020-01-01", periods=120)
    moments = pd.Timestamp("2020-01-01 10:00:05", tz="Europe/Berlin") + pd.to_timedelta(
        rng.integers(0, 10**7, 120), unit="s"
    )
    some = np.arange(120) % 4 == 0
    return {
        "a far date": {"d": days.where(days < days[-1], pd.Timestamp("2199-01-01"))},
        "moments in a zone": {"d": moments},
        "times": {"d": (pd.Timestamp(0) + pd.to_timedelta(rng.integers(0, 86400, 120), "s")).time},
        "durations": {"d": pd.to_timedelta(rng.integers(0, 10**5, 120), unit="s")},
        "huge": {"a": np.append(1e140 * z[1:], -1e145), "b": z * 1e-300},
        "large integers": {"a": rng.integers(0, 2**62, 120)},
        "constant": {"a": np.full(120, 3.0), "b": ["k"] * 120},
        "constant where complete": {
            "a": np.where(some, z, np.nan),
            "b": np.where(some, 5, rng.integers(0, 90, 120)),
        },
        "nullable": {
            "a": pd.array([None if i % 5 == 0 else i for i in range(120)], dtype="Int64"),
            "b": pd.array([None if i % 7 == 0 else i % 2 > 0 for i in range(120)], dtype="boolean"),
        },
        "a category without rows": {"a": pd.Categorical(["u", "v"] * 60, ["u", "v", "w"])},
        "many words": {"a": [f"w{i}" if i % 2 else "often" for i in range(120)]},
    }


@pytest.mark.parametrize("name", odd_tables())
def test_tables_of_all_sorts(name):
    X = pd.DataFrame({**odd_tables()[name], "z": np.random.default_rng(1).normal(size=120)})
    root = tree_of(run_of(X))
    names = [cells(row)[0] for row in body_rows(section(root, "columns").one("table"))]
    assert names == list(X)
    assert not re.search(r"\b(nan|NaT|None|inf)\b", root.one("main").text)
    for path in root.all("path"):
        assert not re.search("nan|inf", path.attributes["d"])


# names and cells are text

HOSTILE = [
    "<script>alert(1)</script>",
    "</title></style><img src=x onerror=alert(1)>",
    "\"'><b onmouseover=alert(1)>",
    "javascript:alert(1)",
    "{{ run }} {% raw %}",
    "a & b &amp; c",
    "\u0645\u0631\u062d\u0628\u0627 \u4f60\u597d \U0001f9ea",
    "",
    "x" * 5000,
]


@pytest.fixture(scope="module")
def hostile():
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(80, len(HOSTILE))), columns=HOSTILE)
    X["word"] = [HOSTILE[i % len(HOSTILE)] for i in range(80)]
    index = [f"{text[:30]} {i}" for i, text in enumerate(X["word"])]
    X.index = index
    labels = pd.Series(np.where(np.arange(80) < 70, HOSTILE[0], HOSTILE[2]), index, name=HOSTILE[1])
    normal = np.flatnonzero(labels == HOSTILE[0])
    return run_of(
        X,
        title=HOSTILE[0] + HOSTILE[2],
        labels=labels,
        normal=HOSTILE[0],
        names=X["word"].rename(HOSTILE[2]),
        train=normal[::2],
        held_out=normal[1::2],
        notes=[*HOSTILE, "half of a pair: \ud800"],
        messages=HOSTILE,
        commands=list(zip(HOSTILE, HOSTILE)),
    )


def test_names_and_cells_are_escaped(hostile):
    page = report_page(hostile)
    page.encode("utf-8")
    tree = Tree(page).root
    assert len(tree.all("script")) == len(tree.all("style")) == 1
    assert not tree.all("img")
    assert not any(name.startswith("on") for node in tree for name in node.attributes)
    assert all(link.attributes["href"].startswith("#") for link in tree.all("a"))
    names = [cells(row)[0] for row in body_rows(section(tree, "columns").one("table"))]
    assert names[0] == HOSTILE[0] and names[2] == HOSTILE[2] and names[4] == HOSTILE[4]
    assert names[5] == HOSTILE[5] and names[6] == HOSTILE[6] and names[7] == "(no name)"
    assert len(names[8]) == 48 and names[8].startswith("xxx")
    assert max(map(len, re.findall(r">([^<]*)<", section_text(page, "columns")))) < 200
    text = section(tree, "columns").text
    assert "(empty text)" in text


def section_text(page, name):
    return page.split(f'<section id="{name}"')[1].split("</section>")[0]


# size

N_COLUMNS = 500


class QuickDetector:
    """What the page asks of a detector: the sum of squares, and the cells of the largest ones."""

    offset_ = -1000.0
    calibration_ = Calibration(np.linspace(-5000, 0, 100), np.ones(100))

    def score_samples(self, X):
        return -np.square(X.to_numpy(float, na_value=0.0)).sum(axis=1)

    def counterfactuals(self, X):
        squares = np.square(X.to_numpy(float, na_value=0.0))
        least = np.sort(squares, axis=1)[:, [-6]]
        return np.where(squares > least, squares, 0.0), np.zeros(X.shape)


@pytest.mark.slow
def test_a_wide_table_stays_small_and_says_what_is_left_out():
    rng = np.random.default_rng(0)
    factors = rng.normal(size=(10_000, 5)) @ rng.normal(size=(5, N_COLUMNS))
    names = [f"a column with a name that is rather long, number {j}" for j in range(N_COLUMNS)]
    X = pd.DataFrame(factors + rng.normal(size=factors.shape), columns=names)
    X = X.mask(rng.random(X.shape) < 0.002)
    held_out, train = np.split(rng.permutation(len(X))[:1000], [300])
    quick = {"max_iter": 1, "early_stopping": False, "relations": None}
    density = quick_density(X.iloc[train], **quick)
    page = report_page(Run("wide.csv", X, train, held_out, density, QuickDetector()))
    assert len(page.encode()) < 2_000_000
    text = Tree(page).root.text
    for said in [
        "10,000 rows, 500 columns",
        "The first 200 columns; 300 more",
        "And 300 more cells.",
        "The 24 columns that differ most; 476 more are not shown.",
        "among 200 columns",
        "470 more columns and",
    ]:
        assert said in text
