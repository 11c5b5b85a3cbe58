"""The report as an HTML page: its structure, its numbers and its reasons."""

import base64
import hashlib
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from html_tree import Node, Tree, body_rows, cells, section, tree_of
from report_table import (
    IMPOSSIBLE,
    NUMBERS,
    RARE,
    SHIFTED,
    TOO_LARGE,
    planted_run,
    with_labels,
)
from sklearn.metrics import average_precision_score, roc_auc_score

from skmaf.report import report_page
from skmaf.report.words import percent


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
    assert rows["colour"][3].startswith(f"{counts.index[0]} ({percent(counts.iloc[0])}), ")
    assert f"{run.X['rate'].min():g} to 9000, median" in rows["rate"][3]


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
    assert reason[0] in [("colour", "green", "blue"), ("shape", "cube", "cone")]
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
