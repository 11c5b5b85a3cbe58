"""The subcommands, as a user meets them: what they write, and that files are read as in the fit."""

import json
import warnings

import numpy as np
import pandas as pd
import pytest
from command_models import COLUMNS, N_ROWS, SMALL, make_table, run, use_small_models, written

import skmaf
from skmaf import MAFDensity, read_table
from skmaf.cli import large, rows, sample
from skmaf.cli.model import load_model
from skmaf.reading.sources import source_of

TABLE = make_table()
X = TABLE[COLUMNS]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The table in two forms, and a model of each kind."""
    path = tmp_path_factory.mktemp("models")
    (path / "table.csv").write_text(written(TABLE))
    (path / "commas.csv").write_text(written(TABLE, ";", ","))
    with pytest.MonkeyPatch.context() as patch:
        use_small_models(patch)
        for name, options in {
            "table": [],
            "detector": ["--detector"],
            "price": ["--target", "price"],
        }.items():
            assert run("fit", path / "table.csv", "-o", path / f"{name}.skmaf", *options) == 0
        assert run("fit", path / "commas.csv", "-o", path / "commas.skmaf", "--quiet") == 0
    return path


@pytest.fixture
def quick(monkeypatch):
    use_small_models(monkeypatch)


@pytest.fixture
def fails(capsys):
    """Run what must fail, and return its one line on stderr."""

    def failed(*arguments):
        capsys.readouterr()
        assert run(*arguments) == 2
        out, err = capsys.readouterr()
        assert out == ""
        lines = [line for line in err.splitlines() if line.startswith("skmaf: ")]
        assert len(lines) == 1 and err.endswith(lines[0] + "\n")
        return lines[0]

    return failed


def read_csv(path):
    return pd.read_csv(path, keep_default_na=False, na_values=[""])


def test_fit_keeps_what_python_fits(folder):
    """The file is one of skmaf.save, of the columns that say something, in all rows."""
    density = skmaf.load(folder / "table.skmaf")
    assert list(density.feature_names_in_) == COLUMNS and not density.verbose
    table = read_table(folder / "table.csv")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = MAFDensity(**SMALL, random_state=0).fit(table[COLUMNS])
    scores = expected.score_samples(table[COLUMNS])
    assert density.score_samples(table[COLUMNS]).tolist() == scores.tolist()


@pytest.mark.parametrize("cells", [1, 35, 10**6])
@pytest.mark.parametrize("name", ["table", "commas"])
def test_score_of_the_same_file_in_any_blocks(folder, tmp_path, monkeypatch, name, cells):
    monkeypatch.setattr(rows, "BLOCK_CELLS", cells)
    output = tmp_path / "scores.csv"
    assert run("score", folder / f"{name}.skmaf", folder / f"{name}.csv", "-o", output) == 0
    scores = read_csv(output)
    assert list(scores) == ["row", "log_density"]
    assert scores["row"].tolist() == TABLE["id"].tolist()  # identifiers name the rows
    density = skmaf.load(folder / f"{name}.skmaf")
    expected = density.score_samples(read_table(folder / f"{name}.csv")[COLUMNS])
    np.testing.assert_allclose(scores["log_density"], expected, rtol=1e-9)


@pytest.mark.parametrize("cells", [100, 10**6])
def test_score_by_a_detector_knows_the_rows_of_its_fit(folder, tmp_path, monkeypatch, cells):
    monkeypatch.setattr(rows, "BLOCK_CELLS", cells)
    output = tmp_path / "scores.parquet"
    assert run("score", folder / "detector.skmaf", folder / "table.csv", "-o", output) == 0
    scores = pd.read_parquet(output)
    detector = skmaf.load(folder / "detector.skmaf")
    score = detector.score_samples(read_table(folder / "table.csv")[COLUMNS])
    np.testing.assert_allclose(scores["score"], score, rtol=1e-9)
    np.testing.assert_allclose(np.sort(scores["score"]), detector.calibration_.scores, rtol=1e-9)
    np.testing.assert_array_equal(scores["outlier"], score < detector.offset_)
    assert scores["p_value"].between(0, 1).all() and scores["outlier"].dtype == "Int64"


def test_score_by_a_conditional_density(folder, tmp_path, capsys):
    new = TABLE.drop(columns="price").assign(price=[None, 41.0] * (N_ROWS // 2))
    (tmp_path / "new.csv").write_text(new.to_csv(index=False))
    assert run("score", folder / "price.skmaf", tmp_path / "new.csv", "-o", tmp_path / "s.csv") == 0
    scores = read_csv(tmp_path / "s.csv")
    assert list(scores) == ["row", "log_density", "mean", "low", "high"]
    assert scores["log_density"].isna().tolist() == [True, False] * (N_ROWS // 2)
    assert (scores["low"] < scores["mean"]).all() and (scores["mean"] < scores["high"]).all()
    assert "45 of 90 rows have no score: their target is not there" in capsys.readouterr().err
    density = skmaf.load(folder / "price.skmaf")
    np.testing.assert_allclose(scores["mean"], density.predict(read_table_x(tmp_path)), rtol=1e-9)


def read_table_x(path):
    return read_table(path / "new.csv")[COLUMNS[:-1]]


def test_other_files_are_read_as_that_of_the_fit(folder, tmp_path, capsys):
    """A block holds what no whole column would be taken for; a short file shows no form."""
    new = TABLE.iloc[[2, 5]].assign(count=None, kind="none", day="07.03.2024")
    (tmp_path / "new.csv").write_text(written(new[["price", "day", "size", "count", "kind"]]))
    (tmp_path / "same.csv").write_text(written(new, ";", ","))
    table = read_table(folder / "table.csv")[COLUMNS].iloc[[2, 5]]
    table = table.assign(count=np.nan, kind="none", day="07.03.2024")
    for name, new_name in (("table", "new"), ("commas", "same"), ("commas", "new")):
        capsys.readouterr()
        assert run("score", folder / f"{name}.skmaf", tmp_path / f"{new_name}.csv") == 0
        lines = capsys.readouterr().out.splitlines()[1:]
        expected = skmaf.load(folder / f"{name}.skmaf").score_samples(table)
        np.testing.assert_allclose([float(line.split(",")[1]) for line in lines], expected)


def test_score_of_rows_that_the_model_cannot_know(folder, tmp_path, capsys, quick):
    complete = TABLE.drop(columns=["count", "kind"])
    (tmp_path / "full.csv").write_text(complete.to_csv(index=False))
    assert run("fit", tmp_path / "full.csv", "-o", tmp_path / "full.skmaf") == 0
    new = complete.iloc[:4].astype({"size": object})
    new.iloc[1, 2] = None
    new.iloc[3, 2] = "inf"
    (tmp_path / "new.csv").write_text(new.to_csv(index=False))
    capsys.readouterr()
    assert run("score", tmp_path / "full.skmaf", tmp_path / "new.csv") == 0
    out, err = capsys.readouterr()
    assert [line.endswith(",") for line in out.splitlines()[1:]] == [False, True, False, True]
    assert "2 of 4 rows have no score: the table of the model had no missing cells." in err
    new = TABLE.iloc[:3].assign(kind=["blue", "red", "grey"])
    (tmp_path / "kinds.csv").write_text(written(new))
    assert run("score", folder / "table.skmaf", tmp_path / "kinds.csv") == 0
    assert "'kind' holds 'blue', 'grey', which the fit did not see" in capsys.readouterr().err


def test_a_wrong_table_is_one_clear_line(folder, tmp_path, fails, capsys):
    model = folder / "table.skmaf"
    table = tmp_path / "other.csv"
    renamed = TABLE.rename(columns={"size": "length"}).drop(columns="kind")
    renamed.to_csv(table, index=False)
    message = fails("score", model, table)
    assert (
        f"{table} lacks the columns 'size', 'kind' of {model}; it has id, name, length" in message
    )
    (tmp_path / "words.csv").write_text(written(TABLE.assign(count="many").iloc[:5]))
    message = fails("score", model, tmp_path / "words.csv")
    assert "'count' should hold numbers, and holds 'many' in row 0" in message
    assert run("score", model, tmp_path / "words.csv", "--missing", "count=many") == 0
    (tmp_path / "days.csv").write_text(written(TABLE.assign(day="2024-01-01")))
    assert "'day' should hold dates like '31.12.2024', and holds '2024-01-01' in row 0" in fails(
        "score", model, tmp_path / "days.csv"
    )
    (tmp_path / "gaps.csv").write_text(written(TABLE.iloc[:3]).replace("501,", ",,,,,,\n501,"))
    assert run("score", model, tmp_path / "gaps.csv") == 0
    assert "1 row is empty: left out." in capsys.readouterr().err
    (tmp_path / "empty.csv").write_text(written(TABLE.iloc[:0]))
    assert "has no row" in fails("score", model, tmp_path / "empty.csv")


def test_a_wrong_model_is_one_clear_line(folder, tmp_path, fails):
    table = folder / "table.csv"
    assert "no file that skmaf.save wrote" in fails("score", table, folder / "table.skmaf")
    assert "No such file" in fails("score", tmp_path / "none.skmaf", table)
    for name, arguments in {
        "detector": ["sample"],
        "price": ["impute", table],
        "table": ["detect", table],
    }.items():
        command, *rest = arguments
        assert "skmaf fit TABLE" in fails(command, folder / f"{name}.skmaf", *rest)
    skmaf.save(skmaf.MAFClassifier(), tmp_path / "classifier.skmaf")
    assert "MAFClassifier" in fails("score", tmp_path / "classifier.skmaf", table)
    assert "MODEL comes first" in fails("score", table, folder / "table.skmaf")
    assert "goes to a file" in fails("fit", table, "-o", "-")
    several = skmaf.ConditionalMAFDensity(**SMALL)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        several.fit(X[["kind"]], X[["size", "price"]])
    skmaf.save(several, tmp_path / "several.skmaf")
    assert "several targets" in fails("score", tmp_path / "several.skmaf", table)
    skmaf.save(MAFDensity(), tmp_path / "blank.skmaf")
    assert "not fitted" in fails("score", tmp_path / "blank.skmaf", table)
    assert "--drop is of a fit" in fails("detect", folder / "detector.skmaf", table, "--drop", "a")


def test_models_of_python_read_files(tmp_path, capsys):
    """Nothing is known of how a file was read, but the kinds of the columns are."""
    table = X.assign(count=X["count"].astype(float), day=pd.to_datetime(X["day"], dayfirst=True))
    table["yes"] = table["price"] > 40
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        density = MAFDensity(**SMALL, random_state=0).fit(table)
    skmaf.save(density, tmp_path / "python.skmaf")
    table.to_csv(tmp_path / "table.csv", index=False)
    assert run("score", tmp_path / "python.skmaf", tmp_path / "table.csv", "--quiet") == 0
    lines = capsys.readouterr().out.splitlines()[1:]
    scores = [float(line.split(",")[1]) for line in lines]
    np.testing.assert_allclose(scores, density.score_samples(table), rtol=1e-9)
    assert [line.split(",")[0] for line in lines] == [str(i) for i in range(N_ROWS)]


def test_sample_has_cells_as_the_table_has_them(folder, tmp_path, monkeypatch):
    model = folder / "table.skmaf"
    assert run("sample", model, "-n", 200, "--seed", 3, "-o", tmp_path / "new.csv") == 0
    drawn = read_csv(tmp_path / "new.csv")
    assert list(drawn) == COLUMNS and len(drawn) == 200
    assert set(drawn["kind"].dropna()) <= {"red", "green", "none"}
    assert pd.to_datetime(drawn["day"], format="%d.%m.%Y").notna().all()
    lines = pd.read_csv(tmp_path / "new.csv", dtype=str)
    assert lines["count"].isna().any() and lines["count"].dropna().str.isdecimal().all()
    assert lines["price"].dropna().str.fullmatch(r"-?\d+\.\d").all()
    expected = skmaf.load(model).sample(200, random_state=3)
    np.testing.assert_array_equal(drawn["size"], expected["size"])
    assert run("sample", model, "-n", 200, "--complete", "-o", tmp_path / "full.parquet") == 0
    full = pd.read_parquet(tmp_path / "full.parquet")
    assert full.notna().all(axis=None) and full["count"].dtype == "Int64"
    monkeypatch.setattr(sample, "CHUNK", 60)
    assert run("sample", model, "-n", 130, "-o", tmp_path / "chunks.parquet") == 0
    chunks = pd.read_parquet(tmp_path / "chunks.parquet")
    assert len(chunks) == 130 and chunks["size"].nunique() > 70


@pytest.mark.parametrize("cells", [100, 10**6])
def test_impute_changes_missing_cells_alone(folder, tmp_path, monkeypatch, capsys, cells):
    monkeypatch.setattr(rows, "BLOCK_CELLS", cells)
    text = written(TABLE).replace(",21.4,", ",21.40,")
    (tmp_path / "table.csv").write_text(text)
    full = tmp_path / "full.csv"
    assert run("impute", folder / "table.skmaf", tmp_path / "table.csv", "-o", full) == 0
    before = pd.read_csv(tmp_path / "table.csv", dtype=str, keep_default_na=False)
    after = pd.read_csv(full, dtype=str, keep_default_na=False)
    assert list(after) == list(before)
    was_missing = before == ""
    assert (after[~was_missing] == before[~was_missing])[~was_missing].all(axis=None)
    assert (after != "").all(axis=None) and after["count"].str.isdecimal().all()
    assert (
        f"{was_missing.to_numpy().sum()} missing cells filled in 90 rows" in capsys.readouterr().err
    )


def test_impute_of_other_forms(folder, tmp_path, quick, fails):
    """Where decimal commas stand the values are written; Parquet keeps its types."""
    full = tmp_path / "full.csv"
    assert run("impute", folder / "commas.skmaf", folder / "commas.csv", "-o", full) == 0
    filled = read_csv(full)
    np.testing.assert_array_equal(filled["size"], TABLE["size"])
    assert filled["name"].tolist() == TABLE["name"].tolist() and filled.notna().all(axis=None)
    indexed = TABLE.drop(columns=["id", "name"]).set_axis([f"r{i}" for i in range(90)], axis=0)
    indexed = indexed.astype({"count": "Int64"})
    indexed.to_parquet(tmp_path / "table.parquet")
    output = tmp_path / "full.parquet"
    assert run("impute", tmp_path / "table.parquet", "-o", output) == 0
    filled = pd.read_parquet(output)
    assert filled.iloc[:, 0].tolist() == list(indexed.index)
    assert filled["count"].dtype == "Int64" and filled.notna().all(axis=None)
    indexed.to_csv(tmp_path / "named.csv")
    assert run("impute", tmp_path / "named.csv", "-o", full, "--force") == 0
    assert full.read_text().startswith(",size,count,kind,day,price\nr0,")
    complete = TABLE[["size", "price"]]
    complete.to_csv(tmp_path / "complete.csv", index=False)
    assert run("fit", tmp_path / "complete.csv", "-o", tmp_path / "complete.skmaf") == 0
    complete.assign(size=None).iloc[:9].to_csv(tmp_path / "gaps.csv", index=False)
    message = fails("impute", tmp_path / "complete.skmaf", tmp_path / "gaps.csv")
    assert "'size' has missing cells" in message and "leave the model out" in message


def test_detect_lists_outliers_with_reasons(folder, capsys):
    assert run("detect", folder / "detector.skmaf", folder / "table.csv") == 0
    out = capsys.readouterr().out
    title, explained, header, first, reason = out.splitlines()[:5]
    assert "row 0" not in explained  # the rows have names
    assert title.split()[1:6] == ["of", "90", "rows", "are", "outliers:"]
    assert header.split() == ["row", "score", "p-value", "name"]
    assert first.split()[0] == "517" and first.endswith("person 17")
    assert "size 95.5 (expected" in reason
    assert max(map(len, out.splitlines())) <= 100


def test_detect_by_itself_and_to_files(folder, tmp_path, quick, capsys):
    table = folder / "table.csv"
    odd = tmp_path / "odd.csv"
    assert run("detect", table, "--contamination", 0.1, "-o", odd) == 0
    assert capsys.readouterr().out == ""
    found = read_csv(odd)
    assert list(found) == ["row", "score", "p_value", "name", "reasons"]
    assert len(found) == 9 and found["row"][0] == 517 and found["score"].is_monotonic_increasing
    assert run("detect", table, "--contamination", 0.1, "--top", 3, "--json", "--quiet") == 0
    out, err = capsys.readouterr()
    result = json.loads(out)
    assert err == "" and result["n_rows"] == 90 and result["n_outliers"] == 9
    assert [line["row"] for line in result["rows"]] == found["row"][:3].tolist()
    reason = result["rows"][0]["reasons"][0]
    assert reason["column"] == "size" and reason["value"] == 95.5 and reason["gain"] > 0
    assert run("detect", table, "--contamination", 0.1, "--top", 3) == 0
    assert "and 6 more" in capsys.readouterr().out


def test_rows_are_numbered_as_in_the_file(tmp_path, quick, capsys):
    lines = written(TABLE.drop(columns="id")).splitlines()
    lines[4] += ",x,y"
    (tmp_path / "table.csv").write_text("\n".join(lines))
    assert run("detect", tmp_path / "table.csv", "--contamination", 0.1) == 0
    out, err = capsys.readouterr()
    assert "; row 0 is the first" in out and out.splitlines()[3].endswith("person 17")
    assert out.splitlines()[3].split()[0] == "17"
    assert "1 line (row 3, counted from 0) has more cells than the others" in err


def test_infinite_numbers_are_noted_once(folder, tmp_path, quick, capsys):
    infinite = TABLE.astype({"count": float})
    infinite.loc[[3, 80], "count"] = np.inf
    (tmp_path / "table.csv").write_text(written(infinite))
    for model in ([], [folder / "detector.skmaf"]):
        assert run("detect", *model, tmp_path / "table.csv") == 0
        err = capsys.readouterr().err
        assert err.count("Infinite numbers are missing cells: 2 of 90 in count.") == 1


def test_parquet_larger_than_memory(folder, tmp_path, monkeypatch, quick, fails):
    """Read in blocks by the fit, too, and scored as in memory."""
    path = tmp_path / "table.parquet"
    read_table(folder / "table.csv").to_parquet(path)
    assert not large.is_large(source_of(path))
    monkeypatch.setattr(large, "STREAM_BYTES", 1)
    assert run("fit", path, "-o", tmp_path / "large.skmaf") == 0
    model = load_model(tmp_path / "large.skmaf")
    assert model.columns == COLUMNS and model.row_names == "id"
    assert run("score", tmp_path / "large.skmaf", path, "-o", tmp_path / "scores.csv") == 0
    expected = model.estimator.score_samples(pd.read_parquet(path)[COLUMNS])
    np.testing.assert_allclose(read_csv(tmp_path / "scores.csv")["log_density"], expected)
    assert run("sample", tmp_path / "large.skmaf", "-o", tmp_path / "new.csv") == 0
    assert list(read_csv(tmp_path / "new.csv")) == COLUMNS
    options = ["--missing", "9", "-o", tmp_path / "m.skmaf"]
    assert "too large for --missing" in fails("fit", path, *options)


def test_text_larger_than_memory(tmp_path, monkeypatch, quick, capsys):
    """Written to Parquet on the way, with the cells that its first rows say what they are."""
    rng = np.random.default_rng(0)
    n = 400
    frame = pd.DataFrame(
        {
            "id": np.arange(n),
            "count": rng.integers(0, 50, n).astype(float),
            "price": rng.gamma(3, 2, n).round(2),
            "day": pd.date_range("2024-01-01", periods=n).strftime("%d.%m.%Y"),
            "colour": rng.choice(["red", "blue"], n),
            "zip": rng.choice([10115, 20095, 50667], n),
        }
    )
    frame.loc[300:320, "count"] = np.nan  # which the first rows do not show
    frame.loc[350, "price"] = np.nan
    frame.loc[:20, "price"] = np.nan
    frame.loc[390, "colour"] = "green"
    path = tmp_path / "table.csv"
    frame.to_csv(path, index=False, sep=";", decimal=",")
    kind = ["--kind", "zip=categorical"]
    assert run("fit", path, *kind, "-o", tmp_path / "whole.skmaf") == 0
    monkeypatch.setattr(large, "STREAM_BYTES", 1)
    monkeypatch.setattr(large, "HEAD_BYTES", 4000)
    monkeypatch.setattr(large, "BLOCK_CELLS", 300)
    capsys.readouterr()
    assert run("fit", path, *kind, "-o", tmp_path / "large.skmaf") == 0
    assert "Fitting to 400 rows of 5 columns" in capsys.readouterr().err
    model = load_model(tmp_path / "large.skmaf")
    whole = load_model(tmp_path / "whole.skmaf")
    assert model.columns == whole.columns == ["count", "price", "day", "colour", "zip"]
    assert model.row_names == whole.row_names == "id"
    types = model.estimator.schema_.cell_types
    assert [set(kinds) for kinds in types[:2]] == [{"numbers"}, {"numbers"}]
    assert model.estimator.schema_.timelines[2] is not None
    assert set(model.estimator.schema_.categories[3]) == {"red", "blue", "green"}
    assert [str(code) for code in model.estimator.schema_.categories[4]] == [
        "10115",
        "20095",
        "50667",
    ]
    for name in ("whole", "large"):
        scores = tmp_path / f"{name}.csv"
        assert run("score", tmp_path / f"{name}.skmaf", path, "-o", scores) == 0
        assert read_csv(scores)["log_density"].notna().all()


def test_options_of_the_fit_go_with_the_model(tmp_path, quick, capsys):
    """What stands for a missing cell, what a column is, which lines are the table."""
    lines = "".join(f"{i % 7};0{i % 3};{999 if i % 5 else i},5\n" for i in range(60))
    (tmp_path / "t.csv").write_text(f"a title\nx;zip;size\n{lines}the end\n")
    words = "--skip 1 --footer 1 --kind zip=categorical --missing size=999.5"
    assert run("fit", tmp_path / "t.csv", "-o", tmp_path / "t.skmaf", *words.split()) == 0
    model = load_model(tmp_path / "t.skmaf")
    assert model.estimator.codec_.has_missing
    assert list(model.estimator.schema_.categories[1]) == ["00", "01", "02"]
    capsys.readouterr()
    assert run("score", tmp_path / "t.skmaf", tmp_path / "t.csv", "--quiet") == 0
    out, err = capsys.readouterr()
    assert len(out.splitlines()) == 61 and err == ""


@pytest.mark.parametrize(
    "options, problem",
    [
        (["--contamination", "0.1"], "of a --detector"),
        (["--target", "weight"], "no column 'weight'"),
        (["--target", "kind"], "must hold numbers"),
        (["--target", "day"], "must hold numbers"),
        (["--drop", "weight"], "no column 'weight'"),
        (["--detector", "--contamination", "2"], "contamination"),
    ],
)
def test_bad_options_of_fit(folder, tmp_path, fails, options, problem):
    assert problem in fails("fit", folder / "table.csv", "-o", tmp_path / "m.skmaf", *options)
    assert list(tmp_path.iterdir()) == []
