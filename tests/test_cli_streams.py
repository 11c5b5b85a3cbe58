"""The subcommands in a shell: standard input and output, JSON, what is not overwritten, stops."""

import io
import json
import os
import signal
import subprocess
import sys
import warnings
from pathlib import Path

import pandas as pd
import pytest
from command_models import COLUMNS, SMALL, make_table, run, use_small_models, written

import skmaf
from skmaf import MAFDensity, read_table
from skmaf.cli import command, fitting, hints, rows, scoring
from skmaf.cli.command import EXIT_CODES, SUBCOMMANDS

TABLE = make_table()
ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("streams")
    (path / "table.csv").write_text(written(TABLE))
    with pytest.MonkeyPatch.context() as patch:
        use_small_models(patch)
        assert run("fit", path / "table.csv", "-o", path / "table.skmaf", "--quiet") == 0
        options = ["--detector", "--quiet"]
        assert run("fit", path / "table.csv", "-o", path / "odd.skmaf", *options) == 0
    return path


@pytest.fixture
def stdin(monkeypatch):
    """Give a text as standard input."""

    def give(text):
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text.encode())))

    return give


def arguments_of(name, folder, table):
    """A run of a subcommand that prints rows."""
    model = folder / ("odd.skmaf" if name == "detect" else "table.skmaf")
    return [name, model] if name == "sample" else [name, model, table]


ROWS = ["score", "detect", "sample", "impute"]


@pytest.mark.parametrize("name", ROWS)
def test_rows_are_the_same_from_standard_input_and_to_a_file(folder, tmp_path, stdin, name, capsys):
    output = tmp_path / "rows.csv"
    assert run(*arguments_of(name, folder, folder / "table.csv"), "-o", output) == 0
    assert capsys.readouterr().out == ""
    stdin(written(TABLE))
    assert run(*arguments_of(name, folder, "-"), "-o", "-", "--quiet") == 0
    out, err = capsys.readouterr()
    assert err == ""
    if name != "detect":  # which prints text
        assert out == output.read_text()


@pytest.mark.parametrize("name", ROWS)
@pytest.mark.parametrize("has_file", [False, True])
def test_json(folder, tmp_path, name, has_file, capsys):
    output = ["-o", tmp_path / "rows.csv"] if has_file else []
    run_of = arguments_of(name, folder, folder / "table.csv")
    assert run(*run_of, *output, "--json", "--quiet") == 0
    out, err = capsys.readouterr()
    result = json.loads(out)
    assert err == "" and result["n_rows"] == (100 if name == "sample" else 90)
    assert isinstance(result["notes"], list)
    if has_file:
        assert result["output"] == str(output[1]) and "rows" not in result
        assert len(pd.read_csv(output[1])) == result.get("n_outliers", result["n_rows"])
    else:
        assert len(result["rows"]) == result.get("n_outliers", result["n_rows"])
        assert all(isinstance(row, dict) for row in result["rows"])


def test_json_of_a_fit(folder, tmp_path, monkeypatch, capsys):
    use_small_models(monkeypatch)
    for name, options in {"m": [], "d": ["--detector"], "t": ["--target", "size"]}.items():
        path = tmp_path / f"{name}.skmaf"
        assert run("fit", folder / "table.csv", "-o", path, "--json", "--quiet", *options) == 0
        out, err = capsys.readouterr()
        result = json.loads(out)
        assert err == "" and result["output"] == str(path) and path.exists()
        assert set(result["columns"]) == set(COLUMNS) - {result.get("target")}
        assert any("Identifiers" in note for note in result["notes"])
        assert not any("max_iter" in note for note in result["notes"])  # there is no such option
    assert result["target"] == "size" and result["estimator"] == "ConditionalMAFDensity"


def test_notes_are_said_once_on_stderr(folder, tmp_path, monkeypatch, capsys):
    """Also where each block of rows gives cause for the same one."""
    monkeypatch.setattr(rows, "BLOCK_CELLS", 20)
    (tmp_path / "new.csv").write_text(written(TABLE.assign(kind="blue")))
    assert run("score", folder / "table.skmaf", tmp_path / "new.csv", "-o", "-") == 0
    out, err = capsys.readouterr()
    assert len(out.splitlines()) == 91
    assert err.count("'blue'") == 1 and err.count("Mean log-density") == 1
    assert max(map(len, err.splitlines())) <= 100


@pytest.mark.parametrize("name", ["fit", *ROWS])
def test_nothing_is_overwritten_unless_forced(folder, tmp_path, monkeypatch, capsys, name):
    output = tmp_path / ("out.skmaf" if name == "fit" else "out.csv")
    output.write_text("precious")
    run_of = ["fit", folder / "table.csv"]
    if name != "fit":
        run_of = arguments_of(name, folder, folder / "table.csv")
    with monkeypatch.context() as patch:
        patch.setattr(fitting, "MAFDensity", None)  # refused before the work
        patch.setattr(scoring.Scorer, "scores", None)
        patch.setattr(MAFDensity, "sample", None)
        patch.setattr(MAFDensity, "impute", None)
        assert run(*run_of, "-o", output) == 2
    assert "--force" in capsys.readouterr().err
    assert output.read_text() == "precious"
    use_small_models(monkeypatch)
    assert run(*run_of, "-o", output, "--force") == 0
    assert output.read_bytes() != b"precious"
    assert list(tmp_path.iterdir()) == [output]


@pytest.mark.parametrize(
    "output, problem",
    [("rows.xlsx", ".csv or .parquet"), ("none/rows.csv", "not a directory")],
)
def test_outputs_that_cannot_be_written(folder, tmp_path, capsys, output, problem):
    run_of = arguments_of("score", folder, folder / "table.csv")
    assert run(*run_of, "-o", tmp_path / output) == 2
    assert problem in capsys.readouterr().err
    assert run(*run_of, "-o", folder / "table.csv", "--force") == 2
    assert "the table itself" in capsys.readouterr().err


def test_what_is_no_file_is_written_as_it_comes(folder, capsys):
    assert run(*arguments_of("score", folder, folder / "table.csv"), "-o", os.devnull) == 0


def test_interrupts_leave_no_half_file(folder, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(rows, "BLOCK_CELLS", 200)
    scores = scoring.Scorer.scores

    def interrupted(self, these):
        if self.n_rows:
            raise KeyboardInterrupt
        return scores(self, these)

    monkeypatch.setattr(scoring.Scorer, "scores", interrupted)
    for suffix in ("csv", "parquet"):
        output = tmp_path / f"scores.{suffix}"
        assert run(*arguments_of("score", folder, folder / "table.csv"), "-o", output) == 130
    assert capsys.readouterr().err.splitlines()[-1] == "skmaf: interrupted"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("is_kept", [False, True])
def test_an_interrupt_ends_a_fit(folder, tmp_path, monkeypatch, capsys, is_kept):
    """Also where the estimator would make do with what it has learned so far."""
    use_small_models(monkeypatch)
    fit = MAFDensity.fit

    def stopped(self, X, y=None):
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt:
            if not is_kept:
                raise
        return fit(self, X, y)

    monkeypatch.setattr(MAFDensity, "fit", stopped)
    before = signal.getsignal(signal.SIGINT)
    assert run("fit", folder / "table.csv", "-o", tmp_path / "m.skmaf") == 130
    assert signal.getsignal(signal.SIGINT) is before
    assert list(tmp_path.iterdir()) == []


def test_a_table_may_have_the_name_of_a_subcommand(folder, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "fit").write_text(written(TABLE))
    assert command.make_parser().parse_args(["./fit"]).table == Path("fit")
    with pytest.raises(SystemExit) as stopped:
        run("fit")
    assert stopped.value.code == 2
    assert run("score", folder / "table.skmaf", "fit", "--quiet") == 0


@pytest.mark.parametrize("name", SUBCOMMANDS)
def test_help_has_examples_and_exit_codes(name, capsys):
    with pytest.raises(SystemExit) as stopped:
        run(name, "--help")
    assert stopped.value.code == 0
    out = capsys.readouterr().out
    assert f"  skmaf {name} " in out and EXIT_CODES in out
    assert max(map(len, out.splitlines())) <= 100
    with pytest.raises(SystemExit):
        run("--help")
    assert f"  {name} " in capsys.readouterr().out


def test_options_stand_anywhere(folder, tmp_path):
    output = tmp_path / "full.csv"
    assert run("impute", folder / "table.skmaf", "-o", output, folder / "table.csv") == 0
    assert len(pd.read_csv(output)) == 90


def test_hints_name_what_was_given(folder, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["skmaf"])
    words = "--label kind --missing 9 --kind size=0: --drop id --decimal ."
    args = command.make_parser().parse_args(["my table.csv.gz", *words.split()])
    text = hints.after_report(args)
    assert (
        "  skmaf fit 'my table.csv.gz' --decimal=. --missing=9 --kind=size=0: --drop id kind "
        "-o 'my table.skmaf'" in text
    )
    for table in ("table.csv", None, "-"):
        args = command.make_parser().parse_args([] if table is None else [table])
        text = hints.after_report(args)
        assert ("skmaf fit table.csv -o table.skmaf" in text) == (table == "table.csv")
        assert max(map(len, text.splitlines())) <= 100


def shell(line, folder):
    """Run a line in a shell, in which `skmaf` is the command."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    text = f'skmaf() {{ "{sys.executable}" -m skmaf "$@"; }}; {line}'
    return subprocess.run(
        ["bash", "-c", text], cwd=folder, env=environment, capture_output=True, text=True
    )


@pytest.mark.slow
def test_a_reader_that_goes_away(folder):
    done = shell("set -o pipefail; skmaf sample table.skmaf -n 20000 | head -1", folder)
    assert done.stdout == ",".join(COLUMNS) + "\n"
    assert done.stderr == "" and done.returncode == 141


@pytest.mark.slow
def test_pipes(folder):
    line = (
        "skmaf sample table.skmaf -n 50 | skmaf score table.skmaf <(cat table.csv) --quiet | wc -l"
    )
    done = shell(line, folder)
    assert done.stdout.strip() == "91" and done.returncode == 0
    done = shell("skmaf sample table.skmaf -n 50 | skmaf score table.skmaf - | tail -1", folder)
    assert done.stdout.startswith("49,") and "50 rows" in done.stderr


def test_models_that_python_has_saved(tmp_path, capsys):
    """Of a frame without names nothing can be read from a file."""
    table = read_table(io.StringIO(written(TABLE)))[["size", "price"]]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        skmaf.save(MAFDensity(**SMALL).fit(table.to_numpy()), tmp_path / "m.skmaf")
    table.to_csv(tmp_path / "t.csv", index=False)
    assert run("score", tmp_path / "m.skmaf", tmp_path / "t.csv") == 2
    assert "knows no names of columns" in capsys.readouterr().err
