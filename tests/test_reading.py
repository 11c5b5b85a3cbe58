"""`read_table` reads what people save as a table, says what it assumed, and names what is none."""

import bz2
import gzip
import io
import json
import lzma
import sys
import zipfile

import numpy as np
import pandas as pd
import pytest

import skmaf
from skmaf import read_table
from skmaf.reading.numbers import parse_number
from skmaf.reading.sources import NO_TABLES
from skmaf.table.codec import TableCodec

NAN = np.nan
N_ROWS = 40
HEAD = ["id", "size", "colour"]
COLOURS = ["red", "green", "blue", "red", "red"]
SIZES = [round(17 + 3 * np.sin(i), 2) for i in range(N_ROWS)]


def lines(separator=",", decimal=".", head=HEAD):
    """A table of a number, a decimal number and a word."""
    rows = [
        separator.join([str(i), f"{SIZES[i]:.2f}".replace(".", decimal), COLOURS[i % 5]])
        for i in range(N_ROWS)
    ]
    return "\n".join(([separator.join(head)] if head else []) + rows) + "\n"


def read(content, **options):
    data = content.encode() if isinstance(content, str) else content
    return read_table(io.BytesIO(data), **options)


def notes_of(content, **options):
    return " ".join(read(content, **options).attrs["reading"])


def check(table, names=HEAD):
    """Whether it is the table that `lines` writes."""
    assert list(table.columns) == names
    assert table.iloc[:, 0].tolist() == list(range(N_ROWS))
    np.testing.assert_allclose(table.iloc[:, 1].to_numpy(float), SIZES)
    assert table.iloc[:, 2].tolist() == [COLOURS[i % 5] for i in range(N_ROWS)]


ALIGNED = "\n".join(
    "{:>8}{:>9}{:>9}".format(*cells)
    for cells in [HEAD, *([i, f"{SIZES[i]:.2f}", COLOURS[i % 5]] for i in range(N_ROWS))]
)
SAME_TABLE = {
    "commas": lines(),
    "semicolons": lines(";"),
    "tabs": lines("\t"),
    "pipes": lines("|"),
    "blanks": lines(" "),
    "aligned": ALIGNED,
    "blanks after commas": lines(", "),
    "decimal commas": lines(";", ","),
    "tabs and decimal commas": lines("\t", ","),
    "quoted decimal commas": "\n".join(
        f'{i},"{size:.2f}",{COLOURS[i % 5]}'.replace(".", ",") if i >= 0 else ",".join(HEAD)
        for i, size in zip(range(-1, N_ROWS), [0, *SIZES])
    ),
    "byte order mark": lines().encode("utf-8-sig"),
    "utf-16": lines("\t").encode("utf-16"),
    "utf-16 without a mark": lines().encode("utf-16-le"),
    "carriage returns": lines().replace("\n", "\r"),
    "both ends of lines": lines().replace("\n", "\r\n"),
    "comments": "# made by hand, version 1\n% on a day\n" + lines(),
    "a header in a comment": "# a remark\n# " + lines(" "),
    "a title": "Report of sizes\n2020 to 2021\n\n" + lines(),
    "a title of a spreadsheet": "Report of sizes,,\n,,\n" + lines(),
    "keys and values above": "Station: Oslo\nUnits: mm, C\n" + lines(";"),
    "a line that names the separator": "sep=;\n" + lines(";"),
    "empty lines": lines().replace("\n", "\n\n"),
    "empty lines of a spreadsheet": lines() + ",,\n,,\n",
    "remarks below": lines() + "\nSource: office of numbers, Oslo\n(C) 2020\n",
    "a total": lines() + f"Total,{sum(SIZES):.2f},\n",
    "a total and its mean": lines() + "Total,700.5,\nAverage,17,\n",
    "single quotes": "\n".join(
        ",".join(f"'{cell}'" for cell in line.split(",")) for line in lines().split("\n")[:-1]
    ),
    "names of rows as R writes them": '"size" "colour"\n'
    + "".join(f'"{i}" {SIZES[i]} "{COLOURS[i % 5]}"\n' for i in range(N_ROWS)),
}


@pytest.mark.parametrize("form", SAME_TABLE)
def test_one_table_in_many_forms(form):
    table = read(SAME_TABLE[form])
    if form.startswith("names of rows"):
        table = table.reset_index(names="id")
    check(table)


@pytest.mark.parametrize("separator", ["comma", "semicolon"])
def test_plain_commas_need_no_word(separator):
    assert bool(notes_of(lines("," if separator == "comma" else ";"))) == (separator != "comma")


@pytest.mark.parametrize(
    "encoding, name, said",
    [
        ("latin-1", "größe", "Windows-1252"),
        ("cp1252", "size €", "Windows-1252"),
        ("mac_roman", "größe länge", "Mac Roman"),
        ("cp850", "größe länge", "CP850"),
        ("cp1250", "źródło święta", "Windows-1250"),
        ("iso8859-2", "źródło święta", "ISO-8859-2"),
        ("cp1250", "výška šířka", "Windows-1250"),
        ("cp1250", "erdő szőlő fűz gyümölcs", "Windows-1250"),
        ("cp1254", "İstanbul ağaç", "Windows-1254"),
        ("cp1257", "Liepāja Rēzekne apriņķis", "Windows-1257"),
        ("cp1251", "размер длина", "Windows-1251"),
        ("cp1251", "РАЗМЕР ДЛИНА", "Windows-1251"),
        ("koi8-r", "размер длина", "KOI8-R"),
        ("cp1253", "μέγεθος μήκος", "Windows-1253"),
        ("shift_jis", "大きさ東京", "CP932"),
    ],
)
def test_encodings(encoding, name, said):
    if encoding == "shift_jis":
        pytest.importorskip("charset_normalizer")
    text = lines(head=["id", name, "colour"]).replace("red", name)
    table = read(text.encode(encoding))
    assert list(table.columns) == ["id", name, "colour"]
    assert f"The text is in {said}." in table.attrs["reading"]


@pytest.mark.parametrize(
    "text", ["tea £2.10", "it’s – “hot”, 20°C", "fee £2m", "São Köln Tromsø Bogotá"]
)
def test_signs_and_names_of_many_countries_are_western(text):
    table = read(f"a;b\n1;{text}\n2;none\n".encode("cp1252"))
    assert table["b"][0] == text


def test_an_encoding_that_does_not_fit():
    with pytest.raises(ValueError, match="not text in ascii.*: give another encoding"):
        read("a\nä\n", encoding="ascii")
    with pytest.raises(ValueError, match="'utf-9' is no encoding"):
        read("a\n1\n", encoding="utf-9")


# headers


def numbers(n=30):
    return "".join(f"{i},{i * 1.5},{i % 7}\n" for i in range(n))


@pytest.mark.parametrize(
    "head, names",
    [
        ("", ["x0", "x1", "x2"]),
        ("a,b,c\n", ["a", "b", "c"]),
        ("a,b,c\n(-),(mm),(kg)\n", ["a (-)", "b (mm)", "c (kg)"]),
        ("a,a,b\n", ["a", "a.1", "b"]),
        ("a,,b\n", ["a", "x1", "b"]),
        ("size,size,mass\nleft,right,\n", ["size left", "size right", "mass"]),
    ],
)
def test_headers_above_numbers(head, names):
    table = read(head + numbers())
    assert list(table.columns) == names
    assert len(table) == 30


@pytest.mark.parametrize(
    "head, row, is_header",
    [
        ("town,2001,2002,2003", "Oslo,{0},{0},1{0}", True),
        ("town,2021", "Oslo,-{0}.5", True),
        ("born,Anna,1984", "died,Anna,19{0}", False),
        (",0,1,2", "{0},0.5,3,4", True),
        ("0,1,2", "3,{0},5", False),
        ("colour,shape", "red,round", True),
        ("red,round", "red,round", False),
        ("a,x,0.5", "a,y,{0}.5", False),
    ],
)
def test_is_the_first_line_a_header(head, row, is_header):
    rows = "".join(row.format(10 + i % 9) + "\n" for i in range(30))
    assert len(read(f"{head}\n{rows}")) == 30 + (not is_header)
    assert len(read(f"{head}\n{rows}", header=1)) == 30
    table = read(f"{head}\n{rows}", header=0)
    assert len(table) == 31 and all(name.startswith("x") for name in table)


def test_a_first_column_without_a_name_names_the_rows():
    table = read(",a,b\n" + "".join(f"row {i},{i},{i % 4}\n" for i in range(20)))
    assert list(table.index[:2]) == ["row 0", "row 1"] and list(table.columns) == ["a", "b"]


def test_rows_of_one_name():
    table = read(
        ",a,b\n" + "".join(f"{'xy'[i % 2]},{i if i % 5 else '?'},{i}%\n" for i in range(20))
    )
    assert list(table.index[:3]) == ["x", "y", "x"]
    assert table["a"].isna().sum() == 4 and table["b"].tolist() == list(range(20))
    gaps = read(",a\n" + "".join(f"{'xy'[i % 2]},{f'{i}%' if i % 5 else ''}\n" for i in range(20)))
    assert gaps["a"].isna().sum() == 4 and gaps["a"].iloc[6] == 6


# lines that do not fit


def test_ragged_lines():
    short = read("a,b,c\n" + "".join(f"{i},{i}" + ",1" * (i % 5 > 0) + "\n" for i in range(30)))
    assert len(short) == 30 and short["c"].isna().sum() == 6
    assert short.attrs["reading"] == [
        "6 lines (rows 0, 5, 10 and 3 more, counted from 0) have fewer cells than the others: the "
        "rest are missing cells."
    ]
    assert not notes_of("a,b,c\n" + "1,2,\n" * 9 + "1,2,3\n")
    long = "a,b,c\n" + "".join(f"{i},{i},1" + ",oops" * (i % 10 == 5) + "\n" for i in range(30))
    table = read(long)
    assert len(table) == 27 and (table.index == table["a"]).all()
    assert notes_of(long) == (
        "3 lines (rows 5, 15, 25, counted from 0) have more cells than the others: left out."
    )


@pytest.mark.parametrize("more", [",x", ",,,x", ",x" * 9])
def test_lines_that_are_left_out_count_in_the_index(more):
    """Also where the form of the text has been found before the first of them."""
    lines = [f"{i},{i},1" for i in range(900)]
    for number in (0, 700, 899):
        lines[number] += more
    table = read("\n".join(["a,b,c", *lines]))
    assert len(table) == 897 and (table.index == table["a"]).all()
    assert "(rows 0, 700, 899, counted from 0)" in " ".join(table.attrs["reading"])


def test_separators_at_the_ends_of_lines():
    for head in ("a;b;;", "a;b"):
        table = read(f"{head}\n" + "".join(f"{i};{2 * i};;\n" for i in range(30)))
        assert list(table.columns) == ["a", "b"]
        assert "Columns without values are left out" in " ".join(table.attrs["reading"])


def test_quoted_cells_of_several_lines():
    text = "id,note,x\n" + "".join(f'{i},"one\ntwo, ""three"" {i % 3}",{i}\n' for i in range(30))
    table = read(text)
    assert len(table) == 30 and table["note"][4] == 'one\ntwo, "three" 1'
    inches = read("a\tb\n" + "".join(f'{i}"\t{i}\n' for i in range(31)))
    assert len(inches) == 31 and inches["b"].tolist() == list(range(31))


@pytest.mark.parametrize(
    "text, columns",
    [
        ("id,note,x\n" + "".join(f"{i},a; b; c {i % 4},{i}\n" for i in range(30)), 3),
        ("id\tnote\tx\n" + "".join(f"{i}\tHello, you, {i % 4}\t{i}\n" for i in range(30)), 3),
        ("".join(f"{'ham' if i % 3 else 'spam'}\tGo, you {i} win\n" for i in range(30)), 2),
        ("when,x\n" + "".join(f"2020-01-{i + 1:02d} 10:00:00,{i}\n" for i in range(30)), 2),
        ("x\n" + "".join(f"{i * 1.7:.1f}\n" for i in range(30)), 1),
        ("name\n" + "".join(f"word {i % 5}\n" for i in range(30)), 1),
        ("".join(f'{i}.0   8  {i * 3}.   ?\t"a car {i % 3}"\n' for i in range(30)), 4),
    ],
)
def test_other_separators_in_cells(text, columns):
    table = read(text)
    assert len(table) == 30 and table.shape[1] + ("?" in text) * 1 == columns + ("?" in text)


def test_wide_and_long_tables():
    names = [f"a_rather_long_name_of_a_column_{j}" for j in range(300)]
    row = ",".join(str(j) for j in range(300))
    wide = read(",".join(names) + "\n" + f"{row}\n" * 300)
    assert list(wide.columns) == names and len(wide) == 300
    late = read("a,b\n" + "".join(f"{i},{2 * i}\n" for i in range(5000)) + "5000,n/a\nthe end\n")
    assert len(late) == 5001 and late["b"].isna().sum() == 1


def test_sums_without_a_word():
    body = "".join(f"town {i},{i + 1},{2 * i + 1}\n" for i in range(10))
    table = read("town,a,b\n" + body + ",55,100\n")
    assert len(table) == 10 and table["a"].dtype == np.int64
    assert "The last line holds the sums" in table.attrs["reading"][-1]
    assert len(read("town,a,b\n" + body + "town 10,55,101\n")) == 11


# cells


@pytest.mark.parametrize(
    "cell, decimal, number, unit",
    [
        ("1,234.5", ".", 1234.5, ""),
        ("1.234,5", ",", 1234.5, ""),
        ("12,34,567", ".", 1234567, ""),
        ("1 234 567", ",", 1234567, ""),
        ("1'234'567.8", ".", 1234567.8, ""),
        ("80%", ".", 80, "%"),
        ("12,5 %", ",", 12.5, "%"),
        ("$3.70", ".", 3.7, "$"),
        ("-$1,003.10", ".", -1003.1, "$"),
        ("3,10 €", ",", 3.1, "€"),
        ("USD 5", ".", 5, "USD"),
        ("€1.5M", ".", 1.5e6, "€"),
        ("(1.50)", ".", -1.5, ""),
        ("\u22122.5", ".", -2.5, ""),
        ("+.5", ".", 0.5, ""),
        ("1e-7", ".", 1e-7, ""),
        ("90 min", ".", 90, "min"),
        ("inf", ".", np.inf, ""),
    ],
)
def test_numbers_as_people_write_them(cell, decimal, number, unit):
    assert parse_number(cell, decimal) == (pytest.approx(number), unit)


@pytest.mark.parametrize(
    "cell",
    ["red", "city7", "1,23", "12,3456", "2020-01-01", "10:30", "1/2", "192.168.100.200", "1.2.3"]
    + ["5'11", "(2", "3)", "10-19", "$", "%", "."],
)
def test_what_is_no_number(cell):
    assert parse_number(cell, ".") is None


@pytest.mark.parametrize(
    "placeholder",
    ["?", "-", "--", "#NULL!", "#N/A", "n/a", ".", "None", "NA", "null", "unknown", "***"],
)
def test_placeholders(placeholder):
    table = read("a,b\n" + "".join(f"{i},{placeholder if i % 9 == 4 else i}\n" for i in range(60)))
    np.testing.assert_array_equal(table["b"], [NAN if i % 9 == 4 else i for i in range(60)])
    assert f"{placeholder!r} is a missing cell: 7 of 60 in b." in table.attrs["reading"]


def test_words_among_numbers():
    def column(words):
        return read("a,b\n" + "".join(f"{word},{i}\n" for i, word in enumerate(words)))["a"]

    few = column(["x", "y"] + list(range(30)))
    assert few.isna().sum() == 2 and few.dtype == float
    many = column(["x", "y", "z"] * 5 + list(range(30)))
    assert many.isna().sum() == 0 and many[0] == "x"
    tickets = column(["A 21"] * 10 + list(range(30)))
    assert tickets[0] == "A 21"
    units = column(["5 kg", "3 cm"] * 10)
    assert units[0] == "5 kg"
    assert column(["5 kg", "3 kg"] * 10).tolist()[:2] == [5, 3]


def test_names_without_values_are_rows_if_others_are():
    sparse = "".join(f"town {i}," + ("\n" if i % 4 == 3 else f"{i}\n") for i in range(40))
    table = read("town,size\n" + sparse)
    assert len(table) == 40 and table["size"].isna().sum() == 10
    table = read("town,size\n" + sparse + "Source: an office,\n")
    assert len(table) == 40
    full = "".join(f"town {i},{i}\n" for i in range(40))
    assert len(read("town,size\n" + full + "as of October 10,\n")) == 40


def test_more_lines_above_than_rows_are_no_title():
    text = '"' + "a report\n" * 40 + '"\n' + "a;b\n" + "one;2\n" * 35
    with pytest.raises(ValueError, match=r"first 41 lines.*\(skip\)"):
        read(text)
    assert len(read(text, skip=41)) == 35


def test_few_lists_of_numbers_are_no_decimal_commas():
    text = "a,b,c\n" + "".join(
        f'{i},{i + 1},"{i},2"\n' if i == 7 else f"{i},2,3\n" for i in range(40)
    )
    assert not read(text).attrs["reading"] or "commas" not in read(text).attrs["reading"][0]


def test_one_column_of_decimal_commas():
    table = read("value\n12,5\n12,25\n-3\n0,75\n")
    assert table.columns.tolist() == ["value"]
    assert table["value"].tolist() == [12.5, 12.25, -3, 0.75]
    assert read("a title\n1,5\n2,25\n3,75\n4,75\n").shape == (4, 2)  # the first may name rows


def test_none_is_a_level_among_words():
    def column(words, **options):
        rows = "".join(f"{word},{i}\n" for i, word in enumerate(words))
        return read("a,b\n" + rows, **options)["a"]

    assert column(["None", "some", "many"] * 9)[0] == "None"
    assert column(["None", "NA", "many"] * 9).isna().sum() == 9
    assert column(["None", "NA", "many"] * 9, column_kinds={"a": "categorical"})[1] == "NA"
    assert column(["None", "2020-01-05"] * 9).isna().sum() == 9


def test_few_cells_of_a_column_of_dates_are_none():
    days = [f"{1 + i % 28}/{1 + i % 12}/2020" for i in range(40)]
    table = read("a,b\n" + "".join(f"{day},1\n" for day in ["11:34", *days]))
    assert table["a"].isna().sum() == 1
    assert "'11:34' is a missing cell: 1 of 41 in a." in table.attrs["reading"]
    half = read("a,b\n" + "".join(f"{day},1\n" for day in ["soon"] * 9 + days))
    assert half["a"].isna().sum() == 0


@pytest.mark.parametrize("position", [0, 25])
@pytest.mark.parametrize("wrong", ["31.02.2021", "2021-02-31", "1900-01-00", "2O23-05-03"])
def test_one_malformed_date_leaves_a_column_of_dates(wrong, position):
    days = [f"2021-{1 + i % 12:02}-{1 + i % 28:02}" for i in range(40)]
    days[position] = wrong
    table = read("a,b\n" + "".join(f"{day},1\n" for day in days))
    assert np.flatnonzero(table["a"].isna()).tolist() == [position]
    assert table.attrs["reading"] == [f"{wrong!r} is a missing cell: 1 of 40 in a."]
    assert TableCodec.learn(table)[0].quantities == ["dates", "numbers"]


@pytest.mark.parametrize(
    "others",
    [
        ["03.04.2021"] * 5,  # more than a few
        ["25/04/2021", "04/25/2021"],  # the day comes first in one, and second in another
    ],
)
def test_texts_of_several_kinds_are_no_dates(others):
    days = [f"{1 + i % 12:02}/{1 + i % 9:02}/2021" for i in range(40)]
    table = read("a,b\n" + "".join(f"{day},1\n" for day in others + days))
    assert table["a"].tolist() == others + days


def test_blanks_around_words_are_none_of_them():
    table = read("a;b\n" + " red ;1\nred;2\n" * 9)
    assert set(table["a"]) == {"red"}


@pytest.mark.parametrize(
    "numbers, bound, value",
    [
        ([10, 20, 30], "<10", 10),
        ([10000, 20000, 30000], "< 10,000", 10000),
        ([1, 2, 3], "3+", 3),
        ([0.5, 1, 2], ">= 5", 5),
        (["50%", "60%", "70%"], ">90%", 90),
    ],
)
def test_bounds_at_the_ends_of_numbers_count_as_these(numbers, bound, value):
    cells = [*numbers, bound, bound] * 9
    table = read("a;b\n" + "".join(f"{cell};1\n" for cell in cells))
    assert table["a"][3] == value
    assert f"{bound!r} counts as the number in it, in a." in table.attrs["reading"]


@pytest.mark.parametrize("cells", [["<=3cm", ">3cm"], ["1", "<5", "9", "12"], ["1", "2", "2+"]])
def test_other_bounds_are_words(cells):
    table = read("a;b\n" + "".join(f"{cell};1\n" for cell in cells * 9))
    assert table["a"].tolist() == cells * 9


def test_declared_sentinels():
    text = "a,b\n" + "".join(f"{i},{9999 if i % 9 == 4 else i}\n" for i in range(60))
    assert read(text)["b"].max() == 9999
    for missing in ([9999], ["9999"], {"b": [9999]}, {"b": "9999"}):
        table = read(text, missing=missing)
        assert table["b"].isna().sum() == 7 and table["a"].notna().all()
        assert "'9999' is a missing cell: 7 of 60 in b." in table.attrs["reading"]
    assert read(text, missing={"a": [9999]})["b"].max() == 9999


def test_the_user_has_the_last_word():
    text = "zip;size;name\n" + "".join(f"0{i};{i},{i % 10};n{i}\n" for i in range(30))
    table = read(text, column_kinds={"zip": "categorical"}, decimal=",")
    assert table["zip"][3] == "03" and table["size"][13] == 13.3
    grades = "grade,x\n" + "".join(f"{'AB'[i % 2] if i % 3 else i},{i}\n" for i in range(30))
    assert read(grades)["grade"][1] == "B"
    assert read(grades, column_kinds={"grade": "continuous"})["grade"].isna().sum() == 20
    assert list(read(text, drop=["name"]).columns) == ["zip", "size"]
    assert list(read(text, only=["name", "zip"]).columns) == ["zip", "name"]
    assert list(read("a:b\n1:2\n3:4\n", separator=":").columns) == ["a", "b"]
    assert read(text, skip=1, header=0)["x2"][0] == "n0"
    assert len(read(text, footer=3)) == 27
    for option in ({"drop": ["nam"]}, {"only": ["nam"]}, {"missing": {"nam": [1]}}):
        with pytest.raises(ValueError, match="no column 'nam' .*; the columns are zip, size, name"):
            read(text, **option)
    with pytest.raises(ValueError, match="decimal must be"):
        read(text, decimal=";")


# other formats


@pytest.fixture
def frame():
    return pd.DataFrame({"id": range(N_ROWS), "size": SIZES, "colour": COLOURS * 8})


def packed_zip(data):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("table.csv", data)
        archive.writestr("__MACOSX/._table.csv", b"x")
    return buffer.getvalue()


def packed_zstandard(data):
    pa = pytest.importorskip("pyarrow")
    return pa.compress(data, "zstd", asbytes=True)


@pytest.mark.parametrize(
    "pack", [gzip.compress, bz2.compress, lzma.compress, packed_zip, packed_zstandard]
)
def test_packed(pack, tmp_path):
    path = tmp_path / "table.dat"
    path.write_bytes(pack(lines().encode()))
    check(read_table(path))
    check(read_table(str(path)))


def test_several_files_in_one():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a.csv", lines())
        archive.writestr("b.csv", lines())
    with pytest.raises(ValueError, match="holds 2 files .a.csv, b.csv.: unpack it"):
        read(buffer.getvalue())
    with pytest.raises(ValueError, match="broken gzip"):
        read(gzip.compress(lines().encode())[:50])


def test_parquet(frame):
    pytest.importorskip("pyarrow")
    frame["price"] = [f"${i}.50" for i in range(N_ROWS)]
    table = read(frame.to_parquet())
    check(table[HEAD])
    assert table["price"][3] == 3.5


def test_json(frame):
    check(read(frame.to_json(orient="records", lines=True)))
    check(read(frame.to_json(orient="records")))
    check(read(frame.to_json(orient="records", indent=2)))
    check(read(json.dumps({"name": "sizes", "rows": frame.to_dict(orient="records")}, indent=1)))
    check(read(json.dumps(frame.to_dict(orient="list"))))
    nested = [{"a": {"b": i, "c": "?" if i % 7 == 0 else i}, "d": [1, i]} for i in range(20)]
    table = read("\n".join(map(json.dumps, nested)))
    assert table["a.b"].tolist() == list(range(20))
    assert table["a.c"].isna().sum() == 3 and table["d"][2] == "[1, 2]"
    with pytest.raises(ValueError, match="neither JSON lines nor a list of records"):
        read('{"a": 1}\n{"a": \n')
    with pytest.raises(ValueError, match="one object for each row"):
        read('[{"a": 1}, 2]')


WORKBOOK = {
    "[Content_Types].xml": '<Types xmlns="http://schemas.openxmlformats.org/package/2006/'
    'content-types"/>',
    "_rels/.rels": '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/'
    'relationships"><Relationship Id="r1" Type="http://schemas.openxmlformats.org/officeDocument/'
    '2006/relationships/officeDocument" Target="xl/workbook.xml"/></Relationships>',
    "xl/workbook.xml": '<workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
    ' xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"><sheets>'
    '<sheet name="sizes" sheetId="1" r:id="r1"/></sheets></workbook>',
    "xl/_rels/workbook.xml.rels": '<Relationships xmlns="http://schemas.openxmlformats.org/package/'
    '2006/relationships"><Relationship Id="r1" Type="http://schemas.openxmlformats.org/'
    'officeDocument/2006/relationships/worksheet" Target="worksheets/sheet1.xml"/></Relationships>',
}


def workbook(rows, names=("sizes",)):
    """A spreadsheet as bytes of .xlsx, of which all sheets hold the same rows."""
    cells = ""
    for r, row in enumerate(rows, 1):
        texts = [
            f'<c r="{"ABCDEF"[j]}{r}"><v>{cell}</v></c>'
            if isinstance(cell, int | float)
            else f'<c r="{"ABCDEF"[j]}{r}" t="inlineStr"><is><t>{cell}</t></is></c>'
            for j, cell in enumerate(row)
        ]
        cells += f'<row r="{r}">{"".join(texts)}</row>'
    sheet = (
        '<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>'
        f"{cells}</sheetData></worksheet>"
    )
    buffer = io.BytesIO()
    one = '<sheet name="sizes" sheetId="1" r:id="r1"/>'
    every = "".join(one.replace("sizes", name) for name in names)
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in {**WORKBOOK, "xl/worksheets/sheet1.xml": sheet}.items():
            content = content.replace(one, every)
            archive.writestr(name, '<?xml version="1.0" encoding="UTF-8"?>' + content)
    return buffer.getvalue()


def test_spreadsheets(frame):
    pytest.importorskip("python_calamine")
    rows = [["Report of sizes"], [], HEAD, *frame.to_numpy(object).tolist(), ["Total", 700.5]]
    table = read(workbook(rows))
    check(table)
    assert "Report of sizes" in " ".join(table.attrs["reading"])
    assert not any("sheet" in note for note in table.attrs["reading"])
    check(read(workbook(rows), sheet="sizes"))
    several = workbook(rows, ["sizes", "prices", "towns"])
    note = "This is the sheet 'sizes'; others (sheet) are prices, towns."
    assert read(several).attrs["reading"][0] == note
    assert note not in read(several, sheet="sizes").attrs["reading"]
    with pytest.raises(ValueError, match="no sheet 'prices'; its sheets are sizes"):
        read(workbook(rows), sheet="prices")


@pytest.mark.parametrize(
    "module, content, package",
    [
        ("python_calamine", workbook([HEAD]), "python-calamine"),
        ("pyarrow", b"PAR1", "pyarrow"),
        ("pyarrow", b"\x28\xb5\x2f\xfd", "pyarrow"),
        ("charset_normalizer", "大きさ,東京\n1,2\n".encode("shift_jis"), "charset-normalizer"),
    ],
)
def test_missing_packages_are_named(monkeypatch, module, content, package):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ValueError, match=f"pip install {package}"):
        read(content)


def test_standard_input(monkeypatch):
    stream = io.TextIOWrapper(io.BytesIO(lines().encode()))
    monkeypatch.setattr(sys, "stdin", stream)
    check(read_table("-"))
    check(read_table(io.StringIO(lines())))


# what is no table


@pytest.mark.parametrize("magic", NO_TABLES)
def test_other_files_are_called_by_their_names(magic):
    with pytest.raises(ValueError, match="is no table but an? "):
        read(magic + b" rest of it\x00\x01")


def test_an_html_page_after_blanks():
    with pytest.raises(ValueError, match="an HTML page: download the file that it links to"):
        read("\ufeff \n<!DOCTYPE HTML><html>")


@pytest.mark.parametrize(
    "content, problem",
    [
        ("", "the file is empty"),
        (" \n\n", "the file is empty"),
        ("a,b\n", "has no row"),
        ("a,b\n,\n,\n", "has no row"),
        (bytes(range(256)) * 9, "is not text"),
        ("a;b\n1;?\n2;?\n", None),
    ],
)
def test_files_with_too_little(content, problem):
    if problem is None:
        assert list(read(content).columns) == ["a"]
        return
    with pytest.raises(ValueError, match=problem):
        read(content)


def test_the_message_says_what_was_assumed():
    with pytest.raises(ValueError, match="no column with values.*'-' is a missing cell: 4 of 4"):
        read("a,b\n" + "-,-\n" * 4)


def test_prose():
    text = "Dear all,\nthis, as you see, is a letter, and no table.\nIt has words, and more.\nBye\n"
    with pytest.raises(ValueError, match="looks like no table.*separator"):
        read(text * 9)


def test_the_public_name():
    assert skmaf.read_table is read_table
    with pytest.raises(OSError):
        read_table("no/such/file.csv")
