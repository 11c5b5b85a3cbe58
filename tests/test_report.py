"""The report as an HTML page: its structure, its numbers, its caps, and what it never does."""

import base64
import hashlib
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from report_table import (
    IMPOSSIBLE,
    NUMBERS,
    RARE,
    SHIFTED,
    TOO_LARGE,
    planted_run,
    quick_density,
    with_labels,
)
from scipy.stats import multivariate_normal
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.mixture import GaussianMixture

from skmaf import DensityOutlierDetector
from skmaf.inference.calibration import Calibration
from skmaf.report import Run, report_page
from skmaf.report.association import associations, strongest_pairs
from skmaf.report.columns import kind_text
from skmaf.report.scale import scale_of
from skmaf.report.simple_models import fit_mixtures, log_prob_of_columns
from skmaf.report.words import decimal, mean_and_error, name_label, percent
from skmaf.table.codec import TableCodec

VOID = {"meta", "rect", "path", "br", "link"}


class Node:
    """An element of a page: its tag, attributes, children and text."""

    def __init__(self, tag, attributes, parent=None):
        self.tag = tag
        self.attributes = dict(attributes)
        self.parent = parent
        self.children = []

    def __iter__(self):
        for child in self.children:
            if isinstance(child, Node):
                yield child
                yield from child

    def all(self, tag, **attributes):
        wanted = {name.strip("_").replace("_", "-"): x for name, x in attributes.items()}
        return [n for n in self if n.tag == tag and wanted.items() <= n.attributes.items()]

    def one(self, tag, **attributes):
        (node,) = self.all(tag, **attributes)
        return node

    @property
    def classes(self):
        return self.attributes.get("class", "").split()

    @property
    def text(self):
        parts = [c.text if isinstance(c, Node) else c for c in self.children]
        return " ".join("".join(parts).split())


class Tree(HTMLParser):
    """Reads a page into nodes, and refuses one whose tags do not match."""

    def __init__(self, page):
        super().__init__()
        self.root = self.open = Node("root", {})
        self.feed(page)
        self.close()
        assert self.open is self.root

    def handle_starttag(self, tag, attrs):
        assert len(dict(attrs)) == len(attrs), "an attribute twice"
        node = Node(tag, attrs, self.open)
        self.open.children.append(node)
        if tag not in VOID:
            self.open = node

    def handle_startendtag(self, tag, attrs):
        self.open.children.append(Node(tag, attrs, self.open))

    def handle_endtag(self, tag):
        assert self.open.tag == tag
        self.open = self.open.parent

    def handle_data(self, data):
        self.open.children.append(data)


def tree_of(run):
    return Tree(report_page(run)).root


def section(root, name):
    return root.one("section", id=name)


def body_rows(table):
    return table.one("tbody").all("tr")


def cells(row):
    return [child.text for child in row.children if isinstance(child, Node)]


@pytest.fixture(scope="module")
def run():
    return planted_run()


@pytest.fixture(scope="module")
def page(run):
    return report_page(run)


@pytest.fixture(scope="module")
def root(page):
    return Tree(page).root


@pytest.fixture(scope="module")
def labelled(run):
    return with_labels(run)


def anomaly_rows(root):
    return {cells(row)[0]: row for row in body_rows(section(root, "anomalies").one("table"))}


# structure


def test_landmarks_and_headings(root):
    for tag in ("header", "main", "nav", "footer", "h1"):
        root.one(tag)
    assert root.one("head").one("title").text == "planted.csv: report"
    assert root.one("html").attributes["lang"] == "en"
    assert root.one("h1").text == "planted.csv"
    assert "240 rows, 6 columns: 4 of numbers, 2 of categories." in root.one("header").text
    targets = {node.attributes["id"] for node in root if "id" in node.attributes}
    for link in root.all("a"):
        assert link.attributes["href"].startswith("#")
        assert link.attributes["href"][1:] in targets
    assert root.all("a")[0].attributes["href"] == "#main"
    names = ["columns", "reading", "fit", "anomalies", "drawn", "missing", "next"]
    assert [part.attributes["id"] for part in root.all("section")] == names
    assert [link.attributes["href"] for link in root.one("nav").all("a")] == [
        f"#{name}" for name in names
    ]


def test_names_of_elements_are_unique_and_exist(root):
    ids = [node.attributes["id"] for node in root if "id" in node.attributes]
    assert len(ids) == len(set(ids))
    for node in root:
        assert node.attributes.get("aria-labelledby", ids[0]) in ids


def test_tables_have_captions_and_headers(root, labelled):
    for tree in (root, tree_of(labelled)):
        assert len(tree.all("table")) >= 4
        for table in tree.all("table"):
            assert table.one("caption").text
            assert all(th.attributes["scope"] in ("col", "row") for th in table.all("th"))
            n_columns = len(table.one("thead").all("th"))
            for row in body_rows(table):
                parts = [child.tag for child in row.children if isinstance(child, Node)]
                assert parts == ["th"] + ["td"] * (n_columns - 1)


def test_what_sorts_is_a_button_in_a_header(root):
    headers = [th for th in root.all("th") if "aria-sort" in th.attributes]
    assert len(headers) == 6
    assert [th.text for th in headers if th.attributes["aria-sort"] != "none"] == ["Score"]
    for header in headers:
        assert header.attributes["scope"] == "col"
        assert header.one("button").attributes["type"] == "button"


def test_every_chart_says_what_it_shows(root):
    charts = root.all("svg")
    assert len(charts) > 20
    for chart in charts:
        assert chart.attributes["role"] == "img"
        assert chart.children[0].tag == "title" and chart.children[0].text


def test_the_page_is_alone(page, root):
    """It asks for nothing, and its own style and script are all that may act."""
    assert not re.search(r"https?:|//[a-z]|@import|url\(|@font-face", page)
    assert not any({"src", "style", "srcset"} & node.attributes.keys() for node in root)
    assert not any(name.startswith("on") for node in root for name in node.attributes)
    policy = root.one("meta", http_equiv="Content-Security-Policy").attributes["content"]
    assert "default-src 'none'" in policy and "unsafe" not in policy
    for tag in ("style", "script"):
        (text,) = root.one(tag).children
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
    assert "width=device-width" in root.one("meta", name="viewport").attributes["content"]
    assert "prefers-color-scheme: dark" in page and "@media print" in page


def test_the_same_run_gives_the_same_page(page):
    assert report_page(planted_run()) == page
    assert report_page(planted_run(seed=1)) != page


# what is said of columns


def test_columns_and_what_they_were_taken_for(root, run):
    rows = {row[0]: row for row in map(cells, body_rows(section(root, "columns").one("table")))}
    assert list(rows) == list(run.X)
    assert rows["size"][1].startswith("numbers with 3 decimals")
    assert rows["shape"][1] == f"{run.X['shape'].iloc[run.train].nunique()} categories"
    assert rows["heat"][4] == percent(run.X["heat"].isna().mean())
    assert rows["size"][4] == "none"
    counts = run.X["colour"].value_counts(normalize=True)
    assert rows["colour"][3].startswith(f"{counts.index[0]} {percent(counts.iloc[0])}, ")
    assert f"{run.X['rate'].min():g} to 9000, median" in rows["rate"][3]


@pytest.mark.parametrize(
    "values, text",
    [
        (np.arange(200.0) % 2, "2 different numbers, a probability for each"),
        (np.full(200, 3.0), "constant: 3"),
        (np.arange(200) ** 2.0, "whole numbers"),
        (np.round(np.linspace(0, 1, 200), 2) / 4, "numbers in steps of 0.0025"),
        (np.random.default_rng(0).normal(size=200), "continuous numbers"),
        (
            np.where(np.arange(200) % 3 == 0, 0.7, np.random.default_rng(0).normal(size=200)),
            "continuous numbers; 0.7 comes again and again",
        ),
        (["yes", "no"] * 100, "2 categories"),
        ([True, False] * 100, "truth values"),
        (pd.date_range("2024-01-05", periods=200, freq="7D"), "dates, in days"),
        (pd.date_range("2024-01-05", periods=200).astype(str), "dates, in days"),
    ],
)
def test_kinds_in_words(values, text):
    X = pd.DataFrame({"x": values, "y": np.linspace(0, 1, 200) ** 2})
    density = quick_density(X, max_iter=1)
    assert kind_text(density.columns_.columns[0], density.codec_, 0).startswith(text)


def test_rare_categories_are_said():
    words = [f"w{i}" for i in range(100)] + ["a", "b"] * 40
    X = pd.DataFrame({"x": words, "y": np.linspace(0, 1, 180)})
    density = quick_density(X, max_iter=1)
    text = kind_text(density.columns_.columns[0], density.codec_, 0)
    assert text == "2 categories; 100 rare ones count as one"


def test_what_was_assumed(root):
    items = [item.text for item in section(root, "reading").all("li")]
    assert items == ["The text is in Latin-1.", "Warning: A column is odd."]


def test_a_category_that_the_fit_did_not_see_is_a_finding(labelled):
    items = [item.text for item in section(tree_of(labelled), "reading").all("li")]
    (item,) = [item for item in items if "'ring'" in item]
    assert "which fit did not see" in item


# the fit


def test_likelihood_of_held_out_rows(root, run):
    complete = run.X.iloc[run.held_out].dropna()
    rows = [cells(row) for row in body_rows(section(root, "fit").one("table"))]
    mean = run.density.score(complete)
    error = run.density.score_samples(complete).std(ddof=1) / np.sqrt(len(complete))
    text = rows[0][1].replace("\u2212", "-")
    shown, shown_error = map(float, text.split("±"))
    assert shown == pytest.approx(mean, abs=0.006) and shown_error == pytest.approx(error, rel=0.1)
    assert f"the same {len(complete)} rows" in section(root, "fit").text
    assert rows[1][0] == "Each column by itself" and rows[2][0] == "Normal distribution"
    facts = [fact.text for fact in root.one("dl", class_="facts").all("dd")]
    everywhere = run.density.score(run.X.iloc[run.held_out])
    assert float(facts[0].split()[0].replace("\u2212", "-")) == pytest.approx(everywhere, abs=0.06)


def test_time_and_epochs(root, run):
    text = section(root, "fit").text
    assert f"Fitted to 180 rows in {run.density.n_iter_} epochs; with the detector in 12 " in text


def test_a_normal_distribution_of_normal_rows():
    """Its log-density is that of scipy, in units of the columns."""
    rng = np.random.default_rng(0)
    covariance = [[4.0, 30.0], [30.0, 900.0]]
    N = rng.multivariate_normal([5.0, -70.0], covariance, 4000)
    single = fit_mixtures(N, seed=0)[0]
    expected = multivariate_normal([5.0, -70.0], covariance).logpdf(N[:100])
    np.testing.assert_allclose(single.log_prob(N[:100]), expected, atol=0.2)
    in_other_units = fit_mixtures(N * [1, 1000], seed=0)[0].log_prob(N[:100] * [1, 1000])
    np.testing.assert_allclose(in_other_units, single.log_prob(N[:100]) - np.log(1000), atol=1e-6)


def test_a_mixture_has_as_many_components_as_rows_ask_for():
    rng = np.random.default_rng(0)
    N = rng.normal(size=(600, 2)) + 20 * rng.integers(0, 3, (600, 1))
    assert [mixture.n_components for mixture in fit_mixtures(N, seed=0)] == [1, 3]


def test_a_mixture_cannot_gain_by_ties():
    """Of numbers on a grid it learns the density over the step, and no more."""
    rng = np.random.default_rng(0)
    N = np.column_stack([rng.integers(0, 3, 900), rng.normal(size=900)]).astype(float)
    collapsed = GaussianMixture(5, random_state=0).fit(N).score(N)
    for mixture in fit_mixtures(N, seed=0):
        gain = mixture.log_prob(N).mean() - norm_of(N[:, 1])
        assert gain < np.log(1 / 3) + 0.35
    assert collapsed > norm_of(N[:, 1]) + 1


def norm_of(x):
    return multivariate_normal(x.mean(), x.var()).logpdf(x).mean()


def test_columns_by_themselves_are_in_the_units_of_the_density():
    """Shares of categories times normal densities of numbers; probabilities sum to one."""
    rng = np.random.default_rng(0)
    x = rng.normal(3, 2, 500)
    X = pd.DataFrame({"word": np.repeat(["a", "b"], [400, 100]), "x": x})
    density = quick_density(X, max_iter=1, early_stopping=False)
    N, _ = density.codec_.encode(X)
    log_prob = log_prob_of_columns(density.columns_, N)
    expected = np.log(np.repeat([0.8, 0.2], [400, 100])) + multivariate_normal(
        x.mean(), x.var()
    ).logpdf(x)
    np.testing.assert_allclose(log_prob, expected, atol=0.01)
    N[0, 1] = np.nan
    assert log_prob_of_columns(density.columns_, N)[0] == pytest.approx(np.log(0.8), abs=0.01)
    grid = np.column_stack([np.zeros(4001), np.linspace(-20, 20, 4001)])
    total = np.exp(log_prob_of_columns(density.columns_, grid)).sum() * 0.01
    assert total == pytest.approx(0.8, abs=0.01)


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


# anomalies


def test_scores_and_p_values_are_those_of_the_detector(root, run):
    rows = anomaly_rows(root)
    lowest = np.argsort(run.detector.score_samples(run.X))[: len(rows)]
    assert list(rows) == [str(place) for place in lowest]
    scores = run.detector.score_samples(run.X.iloc[lowest])
    p_values = run.detector.p_values(run.X.iloc[lowest])
    for row, score, p_value in zip(rows.values(), scores, p_values):
        of_score, of_p_value = row.all("td")[:2]
        assert float(of_score.attributes["data-value"]) == pytest.approx(score)
        assert float(of_p_value.attributes["data-value"]) == pytest.approx(p_value)
        shown = float(of_score.text.replace("\u2212", "-").replace(",", ""))
        assert shown == pytest.approx(score, abs=0.51 if abs(score) > 999 else 0.051)
    n_below = (run.detector.score_samples(run.X) < run.detector.offset_).sum()
    assert f"{n_below} of 240 rows are below the threshold" in section(root, "anomalies").text


def reasons(row):
    """The cells of each reason of a row, as (name, found, expected)."""
    return [
        [
            tuple(part.text for part in cell)
            for cell in zip(
                item.all("bdi", class_="name"),
                item.all("bdi", class_="found"),
                item.all("bdi", class_="expected"),
            )
        ]
        for item in row.all("li")
    ]


def test_planted_errors_are_found_with_their_reasons(root):
    rows = anomaly_rows(root)
    ((name, found, expected),) = reasons(rows[str(TOO_LARGE)])[0]
    assert (name, found) == ("rate", "9000") and 700 < float(expected) < 1100
    moved = [cell for reason in reasons(rows[str(SHIFTED)]) for cell in reason]
    assert {name for name, _, _ in moved} >= {"size", "rate"}
    assert ("size", "900") in [cell[:2] for cell in moved]
    (reason,) = reasons(rows[str(IMPOSSIBLE)])
    assert reason[0] in [("colour", "blue", "red"), ("shape", "disc", "cube")]
    (reason,) = reasons(rows[str(RARE)])
    assert reason[0][:2] == ("shape", "ring")


def test_gains_are_those_of_the_detector(root, run):
    gains, _ = run.detector.counterfactuals(run.X.iloc[[TOO_LARGE]])
    item = anomaly_rows(root)[str(TOO_LARGE)].all("li")[0]
    shown = item.one("span", class_="gain").text
    assert float(shown.replace(",", "").lstrip("+")) == pytest.approx(gains.max(), abs=0.51)
    assert float(item.all("rect")[1].attributes["width"]) == pytest.approx(
        72 * gains.max() / gains.sum(), abs=1
    )


def test_the_whole_row_is_there(root, run):
    details = anomaly_rows(root)[str(TOO_LARGE)].one("details")
    assert "open" not in details.attributes
    names = [name.text for name in details.all("dt")]
    values = [value.text for value in details.all("dd")]
    assert names == list(run.X)
    assert values[:2] == [f"{run.X.loc[TOO_LARGE, name]:g}" for name in NUMBERS[:2]]
    odd = [part.one("dt").text for part in details.all("div", class_="odd")]
    assert odd == ["rate"]


def test_rows_are_called_as_the_table_calls_them(run):
    index = [f"sample {i}" for i in range(len(run.X))]
    names = pd.Series(["Ann", "Bo"] * 120, index=index, name="who")
    root = tree_of(replace(run, X=run.X.set_axis(index), names=names))
    rows = anomaly_rows(root)
    assert cells(rows[f"sample {TOO_LARGE}"])[1] == "Bo"
    assert "Row 0 is the first" not in section(root, "anomalies").text


def test_labels(labelled):
    root = tree_of(labelled)
    assert "Label verdict: good in 235 rows and bad in 5 rows; good is normal." in root.text
    table = section(root, "fit").all("table")[1]
    rows = [cells(row) for row in body_rows(table)]
    assert [row[0] for row in rows] == ["skmaf", "IsolationForest", "by chance"]
    judged = np.concatenate([labelled.held_out, labelled.abnormal_rows])
    is_odd = labelled.labels.iloc[judged] == "bad"
    score = -labelled.detector.score_samples(labelled.X.iloc[judged])
    assert rows[0][1] == f"{roc_auc_score(is_odd, score):.3f}"
    assert rows[0][2] == f"{average_precision_score(is_odd, score):.3f}"
    assert rows[2][1:] == ["0.500", f"{is_odd.mean():.3f}"]
    assert 0 < float(rows[1][1]) <= 1
    facts = root.one("dl", class_="facts").text
    assert f"ROC AUC{rows[0][1]} IsolationForest {rows[1][1]}" in facts
    assert cells(anomaly_rows(root)[str(TOO_LARGE)])[3] == "bad"


# drawn rows


def test_marginals_of_all_columns(root, run):
    figures = section(root, "drawn").one("div", class_="grid marginals").all("figure")
    assert {figure.one("b").text for figure in figures} == set(run.X)
    assert "500 drawn rows beside 240 rows" in section(root, "drawn").text


def test_pairs_are_the_strongest(root):
    figures = section(root, "drawn").one("div", class_="grid pairs").all("figure")
    pairs = [{name.text for name in figure.all("b")} for figure in figures]
    assert pairs[:2] == [{"shape", "colour"}, {"size", "mass"}]


def test_associations():
    rng = np.random.default_rng(0)
    x = rng.normal(size=1500)
    word = rng.integers(0, 3, 1500).astype(float)
    N = np.column_stack([x, x**3, x**2, rng.normal(size=1500), word, word])
    N[::7, 3] = np.nan
    V = associations(N, np.array([False] * 4 + [True] * 2), rng)
    np.testing.assert_allclose(V, V.T, atol=1e-12)
    assert V[0, 1] == pytest.approx(1, abs=0.01) and V[4, 5] == pytest.approx(1, abs=0.01)
    assert V[0, 2] > 0.5  # though they do not correlate
    assert V[0, 3] < 0.1 and V[3, 4] < 0.1
    pairs = strongest_pairs(V, 3)
    assert len(pairs) == 2 and set(pairs) == {(0, 1), (4, 5)}


def test_relations_are_listed(root, run):
    shown = [item.text for item in section(root, "drawn").all("li")]
    assert shown == [str(relation) for relation in run.density.relations_]


# missing cells


def test_missing_cells(root, run):
    missing = run.X.isna()
    of_columns, together = section(root, "missing").all("table")
    rows = [cells(row) for row in body_rows(of_columns)]
    assert [(row[0], row[1]) for row in rows] == [
        ("heat", str(missing["heat"].sum())),
        ("rate", str(missing["rate"].sum())),
    ]
    (row,) = map(cells, body_rows(together))
    both = (missing["heat"] & missing["rate"]).sum()
    assert (row[0], row[1], row[3]) == ("heat, rate", str(both), percent(both / 240))
    assert f"{missing.sum().sum()} cells of 1,440 are missing" in section(root, "missing").text


def test_no_missing_cells():
    X = pd.DataFrame(np.random.default_rng(0).normal(size=(60, 2)), columns=["a", "b"])
    root = tree_of(run_of(X))
    assert "No cell is missing" in section(root, "missing").text
    assert "Nothing: the table was taken as it is" in section(root, "reading").text
    assert not root.all("section", id="next")


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


def test_names_and_cells_are_escaped(hostile, root):
    page = report_page(hostile)
    page.encode("utf-8")
    tree = Tree(page).root
    assert len(tree.all("script")) == len(tree.all("style")) == 1
    known = {node.tag for node in root} | {"p", "li"}
    assert {node.tag for node in tree} <= known
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


# parts


def scale(values):
    X = pd.DataFrame({"x": values})
    codec, N, _ = TableCodec.learn(X)
    return scale_of(codec, 0, N[:, 0]), N[:, 0]


def test_bins_of_whole_numbers_hold_as_many_of_them():
    axis, x = scale(np.arange(100.0))
    shares = axis.shares(x)
    assert np.ptp(shares[:-1]) == 0 and axis.axis == ["0", "99"]


def test_far_values_are_in_the_outermost_bar():
    axis, x = scale(np.append(np.linspace(0, 1, 300) ** 1.1, 1e6))
    shares = axis.shares(x)
    assert shares.sum() == pytest.approx(1) and (shares > 0).sum() > 10
    assert axis.axis[1].startswith("\u2265 ")


def test_bars_of_categories():
    axis, x = scale([f"w{i}" for i in range(20) for _ in range(i + 1)])
    assert axis.labels[0] == "w19" and axis.labels[-1] == "others" and axis.n_bars == 13
    assert axis.shares(x)[-1] == pytest.approx(36 / 210)
    assert axis.shares(np.array([99.0, np.nan])).tolist() == [0.0] * 12 + [1.0]


def test_places_are_inside_the_box():
    rng = np.random.RandomState(0)
    for values in [np.arange(50.0), ["a", "b"] * 30, np.append(np.linspace(0, 1, 300), 1e9)]:
        axis, x = scale(values)
        places = axis.places(x, rng)
        assert places.shape == x.shape and places.min() >= 0 and places.max() <= 1


@pytest.mark.parametrize(
    "share, text",
    [
        (0.0, "0%"),
        (1.0, "100%"),
        (0.0004, "< 0.1%"),
        (0.9999, "> 99.9%"),
        (0.0123, "1.2%"),
        (0.0995, "10%"),
        (0.456, "46%"),
        (0.999, "99.9%"),
    ],
)
def test_shares_in_words(share, text):
    assert percent(share) == text


def test_statistics_in_words():
    assert decimal(-0.04, 1) == "0.0" and decimal(-12.34, 1) == "\u221212.3"
    assert decimal(1234.5, 0) == "1,234" and decimal(-1e300, 1) == "\u22121e+300"
    assert mean_and_error(np.array([1.0, 2.0, 3.0])) == ("2.00", "0.58")
    assert mean_and_error(np.full(3, 2.0), sign="+") == ("+2.0", "0.0")
    lowest = np.full(3, np.finfo(float).min)
    assert mean_and_error(lowest)[0] == "\u2212inf"
    assert name_label(" \t") == "(no name)"
