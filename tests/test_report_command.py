"""`skmaf report`: where the page goes, what it is told, and the lines that it says to type."""

import argparse
import functools
import shlex
import warnings

import numpy as np
import pandas as pd
import pytest
from html_tree import Tree, body_rows, cells, section
from report_table import IMPOSSIBLE, RARE, SHIFTED, TOO_LARGE, planted_table
from short_fits import shorten_detector
from sklearn.neighbors import KernelDensity

import skmaf
from skmaf import DensityOutlierDetector, MAFDensity
from skmaf.cli import analysis, command, report_page

QUICK = {"n_layers": 1, "hidden_layer_sizes": (8,), "max_iter": 2}


@pytest.fixture(autouse=True)
def called_by_name(monkeypatch):
    """Commands are shown by the name by which this one was called."""
    monkeypatch.setattr("sys.argv", ["skmaf"])


@pytest.fixture
def quick(monkeypatch):
    """Let the command fit a tiny flow, and a kernel density in the detector."""
    monkeypatch.setattr(analysis, "MAFDensity", functools.partial(MAFDensity, **QUICK))
    monkeypatch.setattr(analysis, "most_epochs", lambda X, codec: QUICK["max_iter"])
    kernel = functools.partial(DensityOutlierDetector, KernelDensity(), n_folds=2)
    monkeypatch.setattr(analysis, "DensityOutlierDetector", kernel)


@pytest.fixture
def path(tmp_path):
    """80 rows of two numbers, of which 10 lie far away and say so, with decimal commas."""
    rng = np.random.default_rng(0)
    fraud = np.repeat([0, 1], [70, 10])[rng.permutation(80)]
    frame = pd.DataFrame({"a <b>": rng.normal(size=80) + 20 * fraud, "width": rng.normal(size=80)})
    path = tmp_path / "some table.csv"
    frame.assign(fraud=fraud).to_csv(path, index=False, sep=";", decimal=",")
    return path


def run(*arguments):
    return command.main(["report", *map(str, arguments)])


def fails(capsys, *arguments):
    """The message of a run that must fail: one line on stderr."""
    capsys.readouterr()
    assert run(*arguments) == 2
    (line,) = capsys.readouterr().err.splitlines()
    return line


def parsed(*words):
    parser = argparse.ArgumentParser()
    report_page.add_arguments(parser)
    return parser.parse_args([str(word) for word in words])


def test_the_page_goes_beside_the_table(quick, path, capsys):
    assert run(path) == 0
    output = path.with_suffix(".report.html")
    out = capsys.readouterr().out
    assert "80 rows, 3 columns: a <b>, width, fraud" in out and out.endswith(f"{output}\n")
    text = output.read_bytes().decode()
    assert "\r" not in text
    root = Tree(text).root
    assert root.one("h1").text == "some table.csv"
    notes = [item.text for item in section(root, "reading").all("li")]
    assert notes[0] == "Semicolons between cells and decimal commas."
    assert "exists: overwrite it with --force" in fails(capsys, path)
    assert run(path, "--force", "--seed", 3) == 0
    assert output.read_text(encoding="utf-8") != text


def test_where_the_page_cannot_go(path, capsys, tmp_path):
    assert "the table itself" in fails(capsys, path, "--output", path, "--force")
    assert "not a directory" in fails(capsys, path, "--output", tmp_path / "none" / "x.html")
    assert "--seed must be 0 or more" in fails(capsys, path, "--seed", -1)
    assert "--label needs a TABLE" in fails(capsys, "--label", "fraud")
    assert "no column 'frd'" in fails(capsys, path, "--label", "frd")
    assert list(tmp_path.iterdir()) == [path]


def test_standard_input_needs_an_output(path, capsys, monkeypatch):
    with path.open() as stream:
        monkeypatch.setattr("sys.stdin", stream)
        assert "--output" in fails(capsys, "-")


def test_packed_tables(path):
    args = parsed(path.with_suffix(".csv.gz"))
    pd.read_csv(path, sep=";", decimal=",").to_csv(args.table, index=False)
    _, output = report_page.read(args)
    assert output == path.with_suffix(".report.html")


def test_the_shipped_table(capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    table, output = report_page.read(parsed())
    assert "Breast cancer" in table.title and output.name == "breast_cancer.report.html"
    assert report_page.next_commands(parsed(), table)[0][1] == "skmaf report TABLE.csv"


def test_label(quick, path):
    assert run(path, "--label", "fraud") == 0
    root = Tree(path.with_suffix(".report.html").read_text(encoding="utf-8")).root
    assert "Label fraud: 0 in 70 rows and 1 in 10 rows; 0 is normal." in root.text
    row = cells(body_rows(section(root, "fit").all("table")[1])[0])
    assert row[:2] == ["skmaf", "1.000"]
    names = [cells(row)[0] for row in body_rows(section(root, "columns").one("table"))]
    assert names == ["a <b>", "width"]


WORDS = [
    ("--label", "fraud", "--seed", "7"),
    ("--drop", "fraud", "width"),
    ("--only", "a <b>", "--missing", "a <b>=-9", "--kind", "a <b>=-9.5:"),
    ("--separator", ";", "--decimal", ",", "--encoding", "latin-1", "--header", "1"),
    ("--missing", "-9", "--missing", "n; a", "--kind", "width=continuous", "--footer", "1"),
]


@pytest.mark.parametrize("words", WORDS)
def test_commands_on_the_page_are_those_that_made_it(path, words):
    args = parsed(path, *words)
    table, _ = report_page.read(args)
    (_, scores), (_, again), _ = report_page.next_commands(args, table)
    name, *typed = shlex.split(scores)
    assert name == "skmaf"
    given = vars(command.make_parser().parse_args(typed))
    assert {key: given[key] for key in vars(args)} == vars(args)
    name, subcommand, *typed = shlex.split(again)
    assert (name, subcommand) == ("skmaf", "report")
    assert vars(parsed(*typed)) == vars(args) | {"force": True}


@pytest.mark.parametrize("words", WORDS)
def test_lines_of_python_run(path, words, monkeypatch):
    """As they stand on the page, with small estimators; they fit the columns of the report."""
    args = parsed(path, *words)
    table, _ = report_page.read(args)
    lines = report_page.python_lines(args, table)
    quick = {"MAFDensity": QUICK, "DensityOutlierDetector": {"estimator": KernelDensity()}}
    for name, parameters in quick.items():
        monkeypatch.setattr(skmaf, name, functools.partial(getattr(skmaf, name), **parameters))
    names = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exec(lines, names)
    assert list(names["X"]) == list(table.X)
    n_rows = len(table.X) if table.labels is None else (table.labels == table.normal).sum()
    assert len(names["X"].dropna()) == n_rows
    assert (names["detector"].contamination == 0) == (table.labels is not None)


def test_rows_that_are_left_out_are_so_in_python(tmp_path):
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(900, 50)))
    frame.columns = [f"c{j}" for j in range(50)]
    frame.loc[3, "c0"] = np.nan
    frame.to_csv(tmp_path / "wide.csv", index=False)
    args = parsed(tmp_path / "wide.csv")
    lines = report_page.python_lines(args, report_page.read(args)[0])
    assert "X = table.dropna()  # but for columns that are left out" in lines


@pytest.mark.slow
def test_planted_errors_from_file_to_page(tmp_path, monkeypatch):
    """By the default detector, trained less: each error among the first rows, with its cell."""
    shorten_detector(monkeypatch, 100)
    monkeypatch.setattr(analysis, "MAFDensity", functools.partial(MAFDensity, **QUICK))
    monkeypatch.setattr(analysis, "most_epochs", lambda X, codec: QUICK["max_iter"])
    path = tmp_path / "planted.csv"
    planted_table().to_csv(path, index=False)
    assert run(path) == 0
    root = Tree(path.with_suffix(".report.html").read_text(encoding="utf-8")).root
    rows = body_rows(section(root, "anomalies").one("table"))
    found = {
        int(cells(row)[0]): [
            (name.text, cell.text)
            for name, cell in zip(row.all("bdi", class_="name"), row.all("bdi", class_="found"))
        ]
        for row in rows
    }
    assert set(list(found)[:4]) == {TOO_LARGE, SHIFTED, IMPOSSIBLE, RARE}
    assert found[TOO_LARGE] == [("rate", "9000")]
    shifted = {("size", "900"), ("mass", "50"), ("heat", "150"), ("rate", "-20")}
    assert len(shifted & set(found[SHIFTED])) == len(found[SHIFTED]) >= 2
    assert found[RARE] == [("shape", "ring")]
    assert found[IMPOSSIBLE] in ([("shape", "cube")], [("colour", "green")])


def test_help(capsys):
    with pytest.raises(SystemExit) as stopped:
        run("--help")
    out = capsys.readouterr().out
    assert stopped.value.code == 0 and "usage: skmaf report" in out and "--separator" in out
