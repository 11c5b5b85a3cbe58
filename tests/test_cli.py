"""The command line, as a user meets it: reports, the scores file, and errors of one line."""

import functools
import io
import warnings

import numpy as np
import pandas as pd
import pytest
from short_fits import shorten_detector
from sklearn.exceptions import ConvergenceWarning
from sklearn.neighbors import KernelDensity

import skmaf
from skmaf import DensityOutlierDetector, MAFDensity, MultiscaleDensity
from skmaf.cli import analysis, command, epochs, files, report
from skmaf.table.codec import TableCodec
from skmaf.training import budget
from skmaf.training.budget import MIN_EPOCHS, auto_batch, auto_epochs

QUICK = {"bijector": "affine", "n_layers": 1, "hidden_layer_sizes": (8,), "max_iter": 3}
KERNEL = KernelDensity(bandwidth=0.5)


@pytest.fixture
def quick(monkeypatch):
    """Let the command fit a tiny flow, and a kernel density in the detector."""
    monkeypatch.setattr(analysis, "MAFDensity", functools.partial(MAFDensity, **QUICK))
    monkeypatch.setattr(analysis, "most_epochs", lambda X, codec: QUICK["max_iter"])
    detector = functools.partial(DensityOutlierDetector, KERNEL)
    monkeypatch.setattr(analysis, "DensityOutlierDetector", detector)


@pytest.fixture
def frame():
    """80 rows: two numeric columns, and 10 rows that lie far away and say so."""
    rng = np.random.default_rng(0)
    fraud = np.repeat([0, 1], [70, 10])[rng.permutation(80)]
    return pd.DataFrame(
        {"height": rng.normal(size=80) + 20 * fraud, "width": rng.normal(size=80), "fraud": fraud}
    )


@pytest.fixture
def save(tmp_path):
    """Write a table or a text to table.csv."""

    def write(content, **options):
        path = tmp_path / "table.csv"
        if isinstance(content, str):
            path.write_text(content)
        else:
            content.to_csv(path, **{"index": False, **options})
        return path

    return write


def run(*arguments):
    return command.main([str(argument) for argument in arguments])


def load(path, label=None, **options):
    return files.load_table(path, label, options)


def fails(capsys, *arguments):
    """The message of a run that must fail: one line on stderr."""
    capsys.readouterr()
    assert run(*arguments) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("skmaf: ")
    return line


def read_scores(path):
    return pd.read_csv(path.with_suffix(".scores.csv"))


@pytest.mark.slow
def test_example(capsys, tmp_path, monkeypatch):
    """No argument: the shipped table, with the real defaults but for fewer steps and folds."""
    shorten_detector(monkeypatch, 30)
    monkeypatch.setattr(budget, "STEPS", (100, 200, 200, 200))
    monkeypatch.chdir(tmp_path)
    assert run() == 0
    out, err = capsys.readouterr()
    assert "569 rows, 30 columns" in out
    assert "benign is normal" in out
    assert "held-out" in err  # the progress line
    auc = float(out.split("ROC AUC")[1].split()[0])
    assert 0.93 < auc <= 1
    top = out.split("most anomalous")[1].split("\n\n")[0]
    assert top.count("malignant") >= 8
    assert top.count("expected") >= 18
    assert "new row 5" in out and "mean radius" in out
    assert "What to try next" in out
    assert max(map(len, out.splitlines())) <= 100
    assert list(tmp_path.iterdir()) == []


def test_scores_are_those_of_the_rows_in_order(quick, save, frame, capsys):
    path = save(frame)
    assert run(path, "--seed", 3, "--contamination", 0.2) == 0
    scores = read_scores(path)
    X = pd.read_csv(path).astype(float)
    train, held_out = analysis.split(load(path), seed=3)
    assert sorted([*train, *held_out]) == list(range(80)) and len(held_out) == 8
    with pytest.warns(ConvergenceWarning):
        density = MAFDensity(**QUICK, random_state=3).fit(X.iloc[train])
    log_density = density.score_samples(X)
    np.testing.assert_allclose(scores["log_density"], log_density, rtol=1e-12)
    detector = DensityOutlierDetector(KERNEL, contamination=0.2, random_state=3).fit(X)
    expected = detector.score_samples(X)
    np.testing.assert_allclose(scores["score"], expected, rtol=1e-12)
    np.testing.assert_allclose(scores["p_value"], detector.p_values(X), rtol=1e-12)
    np.testing.assert_array_equal(scores["outlier"], expected < np.percentile(expected, 20))
    np.testing.assert_array_equal(scores["row"], np.arange(80))
    out = capsys.readouterr().out
    mean = report.number_text(log_density[held_out].mean())
    assert f"Held-out log-likelihood  {mean} nats" in out
    lowest = int(np.argmin(expected))
    first = out.split("most anomalous")[1].splitlines()[2].split()
    assert int(first[0]) == lowest and first[1] == report.number_text(expected[lowest])
    assert "ROC" not in out
    assert "16 of 80 rows" in out  # 20%


def test_label(quick, save, frame, capsys):
    path = save(frame)
    assert run(path, "--label", "fraud", "--top", 10) == 0
    out = capsys.readouterr().out
    assert "0 is normal" in out
    assert "Fitting the density to 35 rows" in out
    assert "ROC AUC                  1.000 (35 held-out rows against 10 anomalies)" in out
    top = out.split("most anomalous")[1].splitlines()[2:22]
    assert [line.split()[-1] for line in top[::2]] == ["1"] * 10
    assert all(line.split()[0] == "height" and "expected" in line for line in top[1::2])
    drawn, hints = out.split("drawn from the density")[1].split("What to try next")
    assert "fraud" not in drawn and "--drop fraud" in hints


@pytest.mark.parametrize(
    "values, normal",
    [
        ([0, 1], 0),
        ([1, 0], 0),
        ([True, False], False),
        ([-1, 1], -1),
        (["ok", "bad"], "ok"),
        ([2, 4], 2),
    ],
)
def test_normal_label_is_zero_or_the_majority(frame, values, normal):
    frame["fraud"] = [values[i] for i in frame["fraud"]]
    labels, found = files.take_label(frame, "fraud")
    assert found == normal and len(labels) == 80
    assert "fraud" not in frame


@pytest.mark.parametrize(
    "values, problem",
    [([3] * 80, "1 different"), (range(80), "80 different"), ([0, 1, None, 1] * 20, "20 empty")],
)
def test_bad_label(save, frame, capsys, values, problem):
    frame["fraud"] = list(values)
    message = fails(capsys, save(frame), "--label", "fraud")
    assert "'fraud'" in message and problem in message


def test_unknown_label_lists_the_columns(save, frame, capsys):
    assert "height, width, fraud" in fails(capsys, save(frame), "--label", "froud")


def test_label_without_table(capsys):
    assert "needs a TABLE" in fails(capsys, "--label", "fraud")


def test_anomalies_that_are_all_incomplete(save, frame, capsys):
    frame.loc[frame["fraud"] == 1, "width"] = np.nan
    assert "'width'" in fails(capsys, save(frame), "--label", "fraud")


def test_existing_scores_are_kept_unless_forced(quick, save, frame, capsys, monkeypatch):
    path = save(frame)
    output = path.with_suffix(".scores.csv")
    output.write_text("precious")
    with monkeypatch.context() as patch:
        patch.setattr(analysis, "DensityOutlierDetector", None)  # refused before the fit
        assert "--force" in fails(capsys, path)
    assert output.read_text() == "precious"
    assert run(path, "--force") == 0
    assert len(read_scores(path)) == 80


def test_output_elsewhere(quick, save, frame, tmp_path, capsys):
    path = save(frame)
    output = tmp_path / "else.csv"
    assert run(path, "--output", output) == 0
    assert len(pd.read_csv(output)) == 80
    assert not path.with_suffix(".scores.csv").exists()
    before = path.read_text()
    assert "the table itself" in fails(capsys, path, "--output", path, "--force")
    assert path.read_text() == before
    assert "directory" in fails(capsys, path, "--output", tmp_path, "--force")
    assert "not a directory" in fails(capsys, path, "--output", tmp_path / "none" / "x.csv")


def test_text_and_empty_columns_are_named_and_left_out(quick, save, frame, capsys):
    frame["city"] = [f"town {i}" for i in range(80)]
    frame["age"] = [str(i) for i in range(79)] + ["?"]
    frame["void"] = np.nan
    assert run(save(frame)) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "79 rows, 4 columns: height, width, fraud, age" in out
    assert "say nothing of a row, and are left out: city (such as 'town 0')" in out
    assert "'?' is a missing cell: 1 of 80 in age." in out
    assert "without values are left out: void" in out


def test_words_of_which_none_comes_again_are_names(save, frame):
    frame = frame.iloc[:12].assign(city=[f"town {i}" for i in range(12)])
    assert "city" not in load(save(frame)).X
    assert "city" in load(save(frame), column_kinds={"city": "categorical"}).X
    frame.loc[0, "city"] = "town 1"
    assert "city" in load(save(frame)).X


def test_few_incomplete_rows_get_no_score(quick, save, frame, capsys):
    frame.loc[3, "width"] = np.nan
    frame.loc[[5, 6], "height"] = np.inf
    path = save(frame)
    assert run(path) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert (
        "3 of 80 rows have empty or infinite cells, most in column 'height': too few to learn from"
        in out
    )
    assert "Infinite numbers are missing cells: 2 of 80 in height." in out
    scores = read_scores(path)
    without = [3, 5, 6]
    assert len(scores) == 80
    np.testing.assert_array_equal(np.flatnonzero(scores["log_density"].isna()), without)
    np.testing.assert_array_equal(np.flatnonzero(scores["outlier"].isna()), without)


def test_messy_table(save, frame, capsys, monkeypatch):
    """Words are categories, and rows with empty cells are scored."""
    monkeypatch.setattr(analysis, "MAFDensity", functools.partial(MAFDensity, **QUICK))
    monkeypatch.setattr(analysis, "most_epochs", lambda X, codec: QUICK["max_iter"])
    multiscale = MultiscaleDensity(max_iter=5, hidden_layer_sizes=(8,))
    detector = functools.partial(DensityOutlierDetector, multiscale, n_folds=2)
    monkeypatch.setattr(analysis, "DensityOutlierDetector", detector)
    frame["city"] = np.where(np.arange(80) % 3 == 0, "Oslo", "Rome")
    frame["yes"] = np.arange(80) % 2 == 0
    frame.loc[20:44, "width"] = np.nan
    path = save(frame)
    assert run(path) == 0
    out = capsys.readouterr().out
    assert "80 rows, 5 columns" in out
    assert "25 of 80 rows have empty or infinite cells, most in column 'width'" in out
    drawn = out.split("drawn from the density")[1]
    assert "Oslo" in drawn or "Rome" in drawn
    assert not read_scores(path).isna().any(axis=None)


def test_unnamed_first_column_names_the_rows(quick, save, frame, capsys):
    frame.index = [f"sample {i}" for i in range(80)]
    path = save(frame, index=True)
    assert run(path) == 0
    out = capsys.readouterr().out
    assert "80 rows, 3 columns" in out and "(row 0" not in out
    assert list(read_scores(path)["row"]) == list(frame.index)
    assert "sample " in out.split("most anomalous")[1]


def test_rows_that_are_left_out_count_in_the_scores(quick, save, frame, capsys):
    path = save(frame)
    lines = path.read_text().splitlines()
    lines[1] += ",x"
    path.write_text("\n".join(lines))
    assert run(path) == 0
    assert "(row 0 is the first)" in capsys.readouterr().out
    assert list(read_scores(path)["row"]) == list(range(1, 80))


def test_identifiers_name_the_rows(quick, save, frame, capsys):
    frame.insert(0, "rowNames", np.arange(1, 81))
    frame["CustomerId"] = np.arange(80)[::-1] * 7 + 1000
    path = save(frame)
    assert run(path) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "80 rows, 3 columns: height, width, fraud Note" in out
    assert "Identifiers tell the rows apart, and are left out: rowNames, CustomerId." in out
    assert list(read_scores(path)["row"]) == list(range(1, 81))
    assert list(load(save(frame.iloc[:, 1:])).index) == list(range(80))
    assert "CustomerId" in load(path, only=["CustomerId", "width"]).X
    assert "CustomerId" in load(path, column_kinds={"CustomerId": "grid"}).X


@pytest.mark.parametrize("name", ["year", "paid"])
def test_other_whole_numbers_are_no_identifiers(save, frame, name):
    frame[name] = np.arange(1990, 2070)
    assert name in load(save(frame)).X


def test_top_rows_have_the_names_that_a_person_knows(quick, save, frame, capsys):
    frame["city"] = [f"town {i}" for i in range(80)]
    assert run(save(frame)) == 0
    header, *lines = capsys.readouterr().out.split("most anomalous")[1].splitlines()[1:]
    assert header.split()[-1] == "city"
    assert all(line.endswith(f"town {line.split()[0]}") for line in lines[:20:2])


def test_a_column_of_names_is_the_short_one_of_most_words(save, frame):
    assert load(save(frame)).names is None
    frame["remark"] = [f"{i} " + "a long story " * 5 for i in range(80)]
    frame["street"] = [f"road {i // 3}" for i in range(80)]
    assert load(save(frame)).names is None
    frame["player"] = [f"player {i // 2}" for i in range(80)]
    frame.loc[3, "player"] = None
    table = load(save(frame), drop=["street"])
    assert table.names.name == "player" and table.names.iloc[3] == ""


def test_rows_that_are_left_out_take_columns_with_them(save, frame):
    """As many categories as half the rows are too many where a row is left out."""
    frame = frame.iloc[:44].assign(kind=[f"k{i // 2}" for i in range(44)])
    assert "kind" in load(save(frame)).X
    frame.loc[0, "width"] = np.nan
    table = load(save(frame))
    assert "kind" not in table.X
    assert any("kind (such as" in note for note in table.notes)


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_separators(save, frame, separator):
    table = load(save(frame, sep=separator))
    assert list(table.X) == ["height", "width", "fraud"]
    np.testing.assert_allclose(table.X, frame)


def test_missing_header_is_noticed(save):
    table = load(save("1.5,2\n" * 20))
    assert len(table.X) == 20 and list(table.X) == ["x0", "x1"]
    assert "No line names the columns" in table.notes[0]


def read(*arguments):
    """The table, and where its scores go, without a fit."""
    args = command.make_parser().parse_args([str(argument) for argument in arguments])
    return analysis.read(args)


def test_options_overrule_the_reader(save):
    rows = "".join(f"{i};0{i % 3};{i % 7},5;n{i};{999 if i % 2 else i}\n" for i in range(60))
    path = save(f"a title\nid;zip;size;name;age\n{rows}the end\n")
    words = "--decimal , --skip 1 --header 1 --footer 1 --separator ; --encoding utf-8 --drop id "
    words += "--kind zip=categorical --kind size=0: --missing age=999"
    table, _ = read(path, *words.split())
    assert list(table.X) == ["zip", "size", "age"] and len(table.X) == 60
    assert list(table.X["zip"][:3]) == ["00", "01", "02"] and table.X["size"][3] == 3.5
    notes = " ".join(table.notes)
    assert "name (such as 'n0')" in notes and "--kind COLUMN=categorical" in notes
    assert "'999' is a missing cell: 30 of 60 in age" in notes
    table, _ = read(path, "--only", "size", "name", "--kind", "name=categorical")
    assert list(table.X) == ["size", "name"] and table.X["name"].nunique() == 60
    path = save(
        "a,b,ill\n" + "".join(f"{i},{i % 7},{'yes' * (i < 9) or 'no'}\n" for i in range(60))
    )
    table, _ = read(path, "--only", "a", "--label", "ill")
    assert list(table.X) == ["a"] and table.normal == "no"


def test_options_of_no_column(save, frame, capsys):
    path = save(frame)
    assert "no column 'wdth'" in fails(capsys, path, "--drop", "wdth")
    assert "no column 'wdth'" in fails(capsys, path, "--kind", "wdth=grid")
    assert "one of continuous" in fails(capsys, path, "--kind", "width=regular")
    assert "not both" in fails(capsys, path, "--missing", "9", "--missing", "width=9")
    for wrong in ("width", "width=a:b"):
        with pytest.raises(SystemExit):
            run(path, "--kind", wrong)


def test_many_categories_stop_nothing(save):
    """Names are left out; where some are frequent, the column stays."""
    code = [f"c{7 * i % 475}" for i in range(640)]
    town = [f"t{i}" if i > 300 else "Oslo" for i in range(640)]
    table = load(save(pd.DataFrame({"x": np.arange(640) / 7, "code": code, "town": town})))
    assert list(table.X) == ["x", "town"]
    assert "left out: code (such as 'c0')" in " ".join(table.notes)
    density = MAFDensity(**QUICK, early_stopping=False, random_state=0)
    with pytest.warns(UserWarning, match="'town' holds 340 different values: .* 1 they count as"):
        density.fit(table.X)
    drawn = density.sample(200, random_state=0)["town"]
    assert drawn.isin(town).all() and 40 < (drawn == "Oslo").sum() < 150 and drawn.nunique() > 40


def test_packed_files_and_standard_input(frame, tmp_path, monkeypatch):
    path = tmp_path / "table.csv.gz"
    frame.to_csv(path, index=False)
    table, output = read(path)
    assert len(table.X) == 80 and output == tmp_path / "table.scores.csv"
    stream = io.TextIOWrapper(io.BytesIO(frame.to_csv(index=False).encode()))
    monkeypatch.setattr("sys.stdin", stream)
    table, output = read("-")
    assert len(table.X) == 80 and output is None


def test_booleans_and_words(save, frame):
    frame["yes"] = frame["fraud"] == 1
    frame["city"] = "Oslo"
    X = load(save(frame)).X
    assert X["yes"].dtype == bool and set(X["city"]) == {"Oslo"}


@pytest.mark.parametrize(
    "text, problem",
    [
        ("", "empty"),
        ("a,b\n", "has no row"),
        ("a,b\n1,2\n", "too few rows"),
        ("name\nx\ny\n", "too few rows"),
        ("a,b\n1,2\n3,4,5,6\n", "looks like no table"),
        ("name\n" + "".join(f"n{i}\n" for i in range(30)), "no column to fit. Columns of names"),
        ("<!doctype html><html>", "an HTML page"),
    ],
)
def test_bad_files(save, capsys, text, problem):
    assert problem in fails(capsys, save(text))


def test_binary_missing_and_directory(tmp_path, capsys):
    path = tmp_path / "table.csv"
    path.write_bytes(bytes(range(256)) * 50)
    assert "not text" in fails(capsys, path)
    assert "No such file" in fails(capsys, tmp_path / "none.csv")
    assert str(tmp_path) in fails(capsys, tmp_path)


@pytest.mark.parametrize(
    "option, value",
    [("--contamination", 2), ("--contamination", -0.1), ("--top", -1), ("--seed", -1)],
)
def test_bad_options(quick, save, frame, capsys, option, value):
    path = save(frame)
    assert option.strip("-") in fails(capsys, path, option, value)
    assert not path.with_suffix(".scores.csv").exists()


def test_interrupt(save, frame, capsys, monkeypatch):
    def interrupt(*arguments, **parameters):
        raise KeyboardInterrupt

    path = save(frame)
    monkeypatch.setattr(analysis, "DensityOutlierDetector", interrupt)
    assert run(path) == 130
    assert "interrupted" in capsys.readouterr().err
    assert not path.with_suffix(".scores.csv").exists()


def test_interrupted_fit_still_reports(quick, save, frame, capsys, monkeypatch):
    def warn(self, history):
        warnings.warn("Training was interrupted", stacklevel=2)

    monkeypatch.setattr(MAFDensity, "_warn_of_training", warn)
    assert run(save(frame)) == 0
    out = capsys.readouterr().out
    assert "Note: Training was interrupted" in out and "Held-out log-likelihood" in out


def test_rows_with_a_vanishing_density(frame):
    """The lowest scores, whose sum overflows, print without a warning."""
    table = files.Table("t", frame, np.ones(80, dtype=bool), frame.index)
    lowest = np.full(80, np.finfo(float).min)
    scores = files.Scores(lowest, lowest, np.ones(80), 0.0)
    text = report.quality_text(table, scores, np.arange(70), np.arange(70, 80))
    assert "-inf nats" in text


def reasons_of(gains, cells=(211.0, 35060.0, 0.00021, "blue"), expected=(27.3, 12, 1.5, "red")):
    names = ["body mass index", "income", "rate", "colour"]
    rows = pd.DataFrame([cells], columns=names)
    (text,) = report.reason_texts(rows, np.array([gains]), np.array([expected], dtype=object))
    return text


def test_row_without_a_guilty_cell():
    assert reasons_of([0, 0, 0, 0]) == "    no cell or pair of cells stands out"


def test_reasons_are_the_cells_that_gain_most_first():
    assert reasons_of([120.5, 0, 0, 0]) == "    body mass index 211 (expected 27.3)"
    assert reasons_of([0, 9.0, 30.0, 0]) == (
        "    rate 0.00021 (expected 1.5), income 35,060 (expected 12)"
    )
    assert " ".join(reasons_of([1.0, 2.0, 3.0, 4.0]).split()) == (
        "colour blue (expected red), rate 0.00021 (expected 1.5), income 35,060 (expected 12)"
    )


def test_reasons_of_a_pair_stay_together():
    assert reasons_of([0, 7.5, 0, 7.5]) == (
        "    income 35,060 (expected 12) together with colour blue (expected red)"
    )
    text = reasons_of([7.0, 7.5, 8.0, 7.5])
    assert " ".join(text.split()) == (
        "rate 0.00021 (expected 1.5), income 35,060 (expected 12) together with colour blue "
        "(expected red)"
    )
    assert text.splitlines()[1] == "      colour blue (expected red)"
    assert max(map(len, text.splitlines())) <= 100
    assert "together" not in reasons_of([7.5, 8.0, 9.0, 7.5])  # but for one half, no room


def test_long_names_of_columns_keep_their_ends():
    assert report.short("How do you like the food of Chile", 24) == "How do you l…od of Chile"
    assert report.short("food", 24) == "food"


def epochs_of(table):
    return epochs.most_epochs(table, TableCodec.learn(table)[0])


def test_only_tables_that_take_long_are_trained_for_fewer_epochs():
    rng = np.random.default_rng(0)
    numbers = pd.DataFrame(rng.normal(size=(1500, 50)))
    words = rng.integers(1000, size=4000).astype(str)
    words = pd.DataFrame({"a": words, "b": rng.normal(size=4000)})
    assert epochs_of(numbers.iloc[:500, :5]) == epochs_of(numbers.iloc[:200]) == "auto"
    assert 0 < epochs_of(numbers) < auto_epochs(1500, 50, auto_batch(1500))
    assert 0 < epochs_of(words) < auto_epochs(4000, 2, auto_batch(4000))
    assert epochs_of(pd.concat([numbers] * 100)) >= MIN_EPOCHS


@pytest.mark.parametrize("n_rows, n_shown", [(10, 3), (30, 6), (80, 10)])
def test_a_small_table_shows_few_anomalous_rows(quick, save, frame, capsys, n_rows, n_shown):
    path = save(frame.iloc[:n_rows])
    assert run(path) == 0
    assert f"The {n_shown} most anomalous of all rows (row 0" in capsys.readouterr().out
    assert run(path, "--top", 4, "--force") == 0
    assert "The 4 most anomalous of all rows" in capsys.readouterr().out


def test_long_texts_in_reasons_are_told_apart():
    cells = (1.0, 2.0, 3.0, "Chips and Tomatillo Salsa, green and red")
    text = reasons_of([0, 0, 0, 9.0], cells, (1.0, 2.0, 3.0, "Chips and Fresh Tomato Salsa"))
    assert text == "    colour Chips and Tomatillo Salsa… (expected Chips and Fresh Tomato Sa…)"


@pytest.mark.parametrize(
    "number, text",
    [
        (35060.0, "35,060"),
        (np.int64(1234567), "1,234,567"),
        (123456789012345.0, "123,456,789,012,345"),
        (1e15, "1e+15"),
        (-2.5e-7, "-2.5e-07"),
        (0.00021, "0.00021"),
        (1 / 121, "0.008264"),
        (1234.5, "1234.5"),
        (2019, "2019"),
        (1234.567, "1235"),
        (9.999961, "10"),
        (99999.96, "100,000"),
        (np.float32(0.1), "0.1"),
        (-12.34567, "-12.35"),
        (-0.0, "0"),
        (np.nan, "nan"),
        (-np.inf, "-inf"),
    ],
)
def test_numbers_are_as_a_person_writes_them(number, text):
    assert report.number_text(number) == text


def test_drawn_rows_of_many_columns():
    X = pd.DataFrame(
        np.zeros((3, 20)), columns=[f"a column with a very long name {i}" for i in range(20)]
    )
    lines = report.drawn_text(X, pd.DataFrame(np.ones((5, 20)))).splitlines()
    assert lines[-1] == "(and 12 more columns)"
    assert max(map(len, lines)) <= 100


def test_help_and_version(capsys):
    for option, expected in [("--help", "examples:"), ("--version", f"skmaf {skmaf.__version__}")]:
        with pytest.raises(SystemExit) as stopped:
            run(option)
        assert stopped.value.code == 0
        assert expected in capsys.readouterr().out
