"""Tables read in blocks, in the way that a file was read before, are what they are as a whole."""

import gzip
import io
import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_reading import SAME_TABLE

from skmaf._date_text import DateText
from skmaf.reading.blocks import open_table
from skmaf.reading.conventions import Conventions
from skmaf.reading.delimited import Form
from skmaf.reading.expected import ExpectedColumn, as_expected
from skmaf.reading.sources import source_of
from skmaf.reading.tables import read_with_conventions

N_ROWS = 40


def source(content):
    return source_of(io.BytesIO(content.encode() if isinstance(content, str) else content))


def kinds_of(table):
    """What a model of a table would expect."""
    expected = {}
    for name, column in table.items():
        cells = column.dropna().astype(object)
        kind = "text" if cells.map(lambda cell: isinstance(cell, str)).all() else "numbers"
        if cells.map(lambda cell: isinstance(cell, bool)).all():
            kind = "truth values"
        expected[name] = ExpectedColumn(kind, frozenset(cells))
    return expected


def in_blocks(content, n_cells, expected, conventions=None, **options):
    conventions = conventions or Conventions()
    given_source = source(content)
    with open_table(given_source, conventions, list(expected), n_cells, **options) as table:
        blocks = list(table.blocks(expected, conventions))
    n_rows = max(1, n_cells // len(table.names))
    assert all(len(block.cells) == len(block.values) <= n_rows for block in blocks)
    return pd.concat([block.values for block in blocks])


def check(content, n_cells, **options):
    """Whether blocks hold what the whole table does, to the last bit, and name rows alike."""
    whole, conventions = read_with_conventions(source(content), **options)
    assert json.loads(json.dumps(conventions.as_json())) == conventions.as_json()
    conventions = Conventions.from_json(json.loads(json.dumps(conventions.as_json())))
    values = in_blocks(content, n_cells, kinds_of(whole), conventions)
    assert [str(name) for name in values.index] == [str(name) for name in whole.index]
    for name, column in whole.items():
        found = values[name].astype(object)
        assert found.isna().tolist() == column.isna().tolist()
        assert found.dropna().tolist() == column.dropna().astype(object).tolist()


@pytest.mark.parametrize("n_cells", [1, 20, 1000])
@pytest.mark.parametrize("form", SAME_TABLE)
def test_the_forms_of_one_table(form, n_cells):
    check(SAME_TABLE[form], n_cells)


def rows_of(cell, n=N_ROWS):
    return "a,b\n" + "".join(f"{cell(i)},{i}\n" for i in range(n))


@pytest.mark.parametrize("n_cells", [1, 8, 1000])
@pytest.mark.parametrize(
    "content",
    [
        rows_of(lambda i: f"{i / 3!r}" if i > 4 else ""),
        rows_of(lambda i: i if i % 9 else "?"),
        rows_of(lambda i: i if i % 9 else "unknown"),
        rows_of(lambda i: f'"1,{i:03}"' if i % 2 else i),
        rows_of(lambda i: f"{i}%" if i % 3 else "n/a"),
        rows_of(lambda i: f"{i}" if i % 20 else f"{i} stones"),
        rows_of(lambda i: f"{min(i, 30)}" if i else "<5"),
        rows_of(lambda i: ["none", "some", "many", "-"][i % 4]),
        rows_of(lambda i: i if i % 2 else "word"),
        rows_of(lambda i: i % 2 == 0),
        rows_of(lambda i: i % 2 == 0 if i % 5 else ""),
        rows_of(lambda i: f"2024-01-{i % 28 + 1:02}" if i % 15 else "soon"),
        rows_of(lambda i: f'"two\nlines {i % 3}"'),
        rows_of(lambda i: f"{i},1" if i % 10 == 5 else i),
        rows_of(lambda i: "" if i % 3 else "   x "),
        rows_of(lambda i: f"{i + 1}", 10) + "55,45\n",
        rows_of(lambda i: f"{i}") + "\nSource: an office\n",
        ",a\n" + "".join(f"row {i},{i}\n" for i in range(N_ROWS)),
        ",a\n" + "".join(f"{i},{i if i % 4 else ''}\n" for i in range(N_ROWS)),
        rows_of(lambda i: i).replace("\n7,7\n", "\n,\n"),
        "a\n" + "".join(f"{i}.5\n" for i in range(N_ROWS)),
        "".join(f"{i},{i % 3}\n" for i in range(N_ROWS)),
        'a\tb\n1\t"x\n' + "".join(f"{i}\ty\n" for i in range(N_ROWS)),
    ],
)
def test_messy_columns(content, n_cells):
    check(content, n_cells)


CELLS = st.one_of(
    st.integers(-(10**6), 10**6).map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.decimals(-1000, 1000, places=2).map(str),
    st.sampled_from(["", "?", "NA", "none", "yes", "1,5", "12%", "$3", "<5", "True", "false"]),
    st.sampled_from(["2024-01-31", "31.12.2024", "x y", "007", "unknown", "1 000", " 5 "]),
)


@given(st.lists(st.tuples(CELLS, CELLS, CELLS), min_size=1, max_size=12), st.integers(1, 20))
def test_any_cells(rows, n_cells):
    text = "k;x;y;z\n" + "".join(f"{i}.5;{';'.join(row)}\n" for i, row in enumerate(rows))
    whole, _ = read_with_conventions(source(text), header=1, footer=0, separator=";")
    check(text, n_cells, header=1, footer=0, separator=";")
    assert whole.shape[0] in (len(rows), len(rows) - 1)  # the last may hold sums


def test_what_was_declared_goes_for_other_files():
    first = "".join(f"{i};{i if i % 7 else 9999};k{i % 3}\n" for i in range(30))
    options = {"header": 0, "missing": {"x1": ["9999"], "x2": ["k2"]}}
    _, conventions = read_with_conventions(source(first), **options)
    expected = {"x0": ExpectedColumn("numbers"), "x1": ExpectedColumn("numbers")}
    expected["x2"] = ExpectedColumn("text", frozenset({"k0", "k1"}))
    values = in_blocks("1;9999.0;k2\n2;5;k0\n", 1, expected, conventions)
    assert values["x1"].isna().tolist() == [True, False]
    assert values["x2"].tolist() == [None, "k0"] or values["x2"].isna().tolist() == [True, False]


FEW = {"size": ExpectedColumn("numbers"), "name": ExpectedColumn("text", frozenset({"a", "b"}))}


@pytest.mark.parametrize(
    "content",
    [
        "size;name\n1,5;a\n",
        "name;size\na;1,5\n",
        "A title\n\nname;size;more\na;1,5;x\n",
        "size,name\n1.5,a\n",
        "size\tname\n1,5\ta\n".replace(",", "."),
        json.dumps([{"size": 1.5, "name": "a"}]),
    ],
)
def test_a_short_file_in_another_form(content):
    """The header is known, and so is what divides cells, if the header then holds the columns."""
    conventions = Conventions(form=Form(separator=";", decimal=","))
    values = in_blocks(content, 10, FEW, conventions)
    assert values.to_dict("records") == [{"size": 1.5, "name": "a"}]


def test_packed_and_typed_files(tmp_path):
    table = pd.DataFrame({"size": np.arange(9) / 4, "name": list("abbabbabb")})
    csv = table.to_csv(index=False)
    for content in (csv, gzip.compress(csv.encode())):
        values = in_blocks(content, 4, FEW)
        assert values["size"].tolist() == table["size"].tolist()
    pytest.importorskip("pyarrow")
    for index in (table.index, pd.Index([f"r{i}" for i in range(9)], name="id")):
        path = tmp_path / "table.parquet"
        table.set_axis(index, axis=0).to_parquet(path)
        for content in (path.read_bytes(), gzip.compress(path.read_bytes())):
            values = in_blocks(content, 4, FEW)
            assert values["size"].tolist() == table["size"].tolist()
            assert list(values.index) == list(index)


@pytest.mark.parametrize("more", [",x", ",x" * 9])
def test_lines_that_are_left_out_count_in_any_blocks(more):
    lines = [f"{i},{i}" + more * (i in (3, 700, 899)) for i in range(900)]
    values = in_blocks("\n".join(["a,b", *lines]), 50, {"a": ExpectedColumn("numbers")})
    assert len(values) == 897 and (values.index == values["a"]).all()


def test_broken_files_are_named_while_they_are_read():
    packed = gzip.compress(rows_of(lambda i: i * 7919 % 1013, 20000).encode())
    expected = {"a": ExpectedColumn("numbers")}
    for content in (packed[:-2000], packed[:9000] + b"\0\0\0\0" + packed[9004:]):
        with pytest.raises(ValueError, match="broken gzip file"):
            in_blocks(content, 100, expected)
    with pytest.raises(ValueError, match="not text in utf-8"):
        bad = rows_of(lambda i: "ä", 3).encode("latin-1")
        in_blocks(bad, 1, {"a": ExpectedColumn("text")}, encoding="utf-8")
    late = "a,b\n" + "1,2\n" * 50_000 + '"1,2\n'
    with pytest.raises(ValueError, match="a quote does not end"):
        in_blocks(late, 1000, expected)
    with pytest.raises(ValueError, match="4 of 12 lines have more than 2 cells"):
        in_blocks("a,b\n" + "1,2\n" * 8 + "1,2,3\n" * 4, 3, expected)


def test_cells_of_another_kind_are_refused_by_their_place():
    column = pd.Series(["1", "2", "many"], index=[5, 6, 7], name="size")
    with pytest.raises(ValueError, match="'size' should hold numbers, and holds 'many' in row 7"):
        as_expected(column, ExpectedColumn("numbers"))
    with pytest.raises(ValueError, match="'size' should hold dates"):
        as_expected(pd.Series(["2024-01-01", "x"], name="size"), ExpectedColumn("dates"))
    times = ExpectedColumn("text", dates=DateText.find(np.array(["09:30", "17:05"])))
    cells = pd.Series([None, "NA", " 10:00 ", "1O:00"], name="at")
    with pytest.raises(ValueError, match="times like '13:45', and holds '1O:00' in row 3"):
        as_expected(cells, times)
    assert as_expected(cells[:3], times).tolist()[2] == "10:00"


@pytest.mark.parametrize(
    "cells, expected, values",
    [
        ([1, 2.5, None], ExpectedColumn("text"), ["1", "2.5", None]),
        (["12", "x"], ExpectedColumn(None), ["12", "x"]),
        (["NA", "-", "none"], ExpectedColumn("text", frozenset({"NA"})), ["NA", None, "none"]),
        (["TRUE", "false", "?"], ExpectedColumn("truth values"), [True, False, None]),
        (["1.200,5", "7"], ExpectedColumn("numbers", mark=","), [1200.5, 7]),
        (["2024-05-01", ""], ExpectedColumn("dates"), [pd.Timestamp("2024-05-01"), None]),
        ([True, False], ExpectedColumn("truth values"), [True, False]),
        ([9999, 1], ExpectedColumn("numbers", missing=("9999",)), [None, 1]),
    ],
)
def test_cells_of_other_files(cells, expected, values):
    """A file may have types where another had text, and the other way round."""
    found = as_expected(pd.Series(cells, dtype=None if 9999 in cells else object), expected)
    assert [None if pd.isna(cell) else cell for cell in found] == values
