"""The public reader: a file to a data frame, and what was assumed on the way."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np
import pandas as pd

from .conventions import Conventions
from .delimited import Form, read_delimited
from .formats import is_json, is_parquet, read_json, read_parquet, workbook_text
from .numbers import TOTAL_TOLERANCE, CellNotes, as_whole, convert_column, sentinels_in
from .sources import Source, is_workbook, refuse_no_table, source_of
from .text import find_encoding, open_text, refuse_control_characters

ENCODINGS = {
    "latin-1": "Latin-1",
    "iso8859-2": "ISO-8859-2",
    "mac_roman": "Mac Roman",
    **{f"cp125{i}": f"Windows-125{i}" for i in range(10)},
}
MIN_TOTAL_ROWS = 4  # above a last line that is their sum
SHOWN_COLUMNS = 3


def read_table(
    path: str | Path | IO,
    *,
    separator: str | None = None,
    decimal: str | None = None,
    encoding: str | None = None,
    header: int | None = None,
    skip: int | None = None,
    footer: int | None = None,
    missing: Iterable[object] | Mapping[object, Iterable[object]] = (),
    column_kinds: Mapping[str, Any] | None = None,
    only: Collection[str] | None = None,
    drop: Collection[str] = (),
    sheet: str | int = 0,
) -> pd.DataFrame:
    """Read a table from a file, whatever its form.

    CSV and its relatives, Parquet, spreadsheets (.xlsx, .xls, .ods), JSON lines and lists of
    records, packed or not (gzip, zip, bzip2, xz, zstandard). What divides cells, decimal commas,
    groups of thousands, percent signs, currencies, the encoding, lines above the header, headers of
    several lines, totals and remarks at the end, and texts that stand for missing cells are found
    out; the parameters overrule that.

    Parameters
    ----------
    path : str, Path or open file
        "-" is standard input.
    separator : str, default=None
        What divides cells; ``" "`` is any number of blanks and tabs.
    decimal : {".", ","}, default=None
        What marks decimals.
    encoding : str, default=None
    header : int, default=None
        How many lines hold the names of the columns: 0 for none.
    skip, footer : int, default=None
        How many lines above the header, and at the end of the file, are no part of the table.
    missing : iterable, or mapping of column names to iterables, default=()
        More texts and numbers that stand for a missing cell, such as 9999, in all columns or in
        those named.
    column_kinds : mapping of str to str or tuple, default=None
        As in the estimators. "categorical" keeps the cells of a column as they are written, other
        kinds make numbers of them, and missing cells of what is no number.
    only, drop : collection of str, default=None and ()
        The columns to keep, or to leave out.
    sheet : str or int, default=0
        The sheet of a spreadsheet.

    Returns
    -------
    table : DataFrame
        Numbers as numbers, all else as text or as the file has it. A first column without a name is
        the index; otherwise that counts the rows of the file, with those that are left out.
        ``table.attrs["reading"]`` holds what was assumed, a list of sentences.

    Raises
    ------
    ValueError
        If the file is no table (the message says what it is), holds no row, has no such columns, or
        needs a package that is not installed.
    OSError
        If the file cannot be read.

    Examples
    --------
    >>> import io
    >>> from skmaf import read_table
    >>> table = read_table(io.StringIO("town;share\\nOslo;12,5%\\nRome;?\\n"))
    >>> table["share"].tolist()
    [12.5, nan]
    >>> print(*table.attrs["reading"], sep="\\n")
    Semicolons between cells and decimal commas.
    '?' is a missing cell: 1 of 2 in share.
    share is in %.
    """
    table, _ = read_with_conventions(
        path,
        separator=separator,
        decimal=decimal,
        encoding=encoding,
        header=header,
        skip=skip,
        footer=footer,
        missing=missing,
        column_kinds=column_kinds,
        only=only,
        drop=drop,
        sheet=sheet,
    )
    return table.rename_axis(table.index.name or None)


def read_with_conventions(
    path: Any,
    *,
    separator: str | None = None,
    decimal: str | None = None,
    encoding: str | None = None,
    header: int | None = None,
    skip: int | None = None,
    footer: int | None = None,
    missing: Iterable[object] | Mapping[object, Iterable[object]] = (),
    column_kinds: Mapping[str, Any] | None = None,
    only: Collection[str] | None = None,
    drop: Collection[str] = (),
    sheet: str | int = 0,
) -> tuple[pd.DataFrame, Conventions]:
    """Return a table, and how its file was read, to read others like it.

    An index with a name, be it empty, names the rows; others count those of the file. Parameters
    are those of `read_table`.
    """
    if decimal not in (None, ".", ","):
        raise ValueError(f"decimal must be '.' or ',', got {decimal!r}.")
    form = Form(separator, decimal, header, skip, footer)
    source = source_of(path)
    kinds = dict(column_kinds or {})
    as_text = [name for name, kind in kinds.items() if kind == "categorical"]
    content = _read(source, form, encoding, sheet, as_text)
    by_column = missing if isinstance(missing, Mapping) else {}
    frame = select_columns(content.frame, only, drop, [*kinds, *by_column])
    cells = CellNotes()
    declared = {name: _as_list(by_column.get(name, ())) for name in frame}
    if by_column is not missing:
        declared = dict.fromkeys(frame, _as_list(missing))
    frame = _without_sentinels(plain_rows(frame), declared, cells)
    columns = [
        _converted(frame.iloc[:, j], content.form.decimal or ".", kinds.get(name), cells)
        for j, name in enumerate(frame)
    ]
    table = pd.concat(columns, axis=1) if columns else frame
    table, totals = _without_total(table)
    table, empty = _without_empty(table)
    notes = content.notes + _cell_sentences(cells, len(frame)) + totals + empty
    if table.shape[0] == 0 or table.shape[1] == 0:
        what = "row" if len(table) == 0 else "column with values"
        raise ValueError(f"{source.name} has no {what}. {' '.join(notes)}")
    table.attrs["reading"] = notes
    return table, Conventions(
        form=content.form,
        declared=form,
        encoding=encoding,
        old_encoding=content.old_encoding,
        sheet=sheet,
        has_quotes=content.has_quotes,
        has_total=bool(totals),
        missing=_missing_texts(declared, cells),
        marks=cells.marks,
    )


def _missing_texts(declared: dict[str, list], cells: CellNotes) -> dict[str, list[str]]:
    """Return what stands for a missing cell in each column: what was declared, and what was met."""
    texts = {name: [str(value) for value in values] for name, values in declared.items()}
    for text, columns in cells.missing.items():
        for name in columns:
            texts[name].append(text)
    return {name: list(dict.fromkeys(values)) for name, values in texts.items() if values}


@dataclass(frozen=True, eq=False)
class _Content:
    """The cells of a file under their names, and what was assumed."""

    frame: pd.DataFrame
    form: Form
    has_quotes: bool = True
    old_encoding: str | None = None
    notes: list[str] = field(default_factory=list)


def _read(
    source: Source, form: Form, encoding: str | None, sheet: str | int, as_text: list[str]
) -> _Content:
    """Return the cells of a file."""
    refuse_no_table(source)
    if is_parquet(source):
        return _Content(read_parquet(source.read(), source.name), form)
    notes: list[str] = []
    old_encoding = None
    if is_workbook(source):
        text, notes = workbook_text(source.read(), source.name, sheet)
    else:
        found = encoding or find_encoding(source)
        with open_text(source, found) as stream:
            text = stream.read()
        refuse_control_characters(text, source.name)
        if encoding is None and not found.startswith("utf-"):
            old_encoding = found
            notes.append(f"The text is in {ENCODINGS.get(found, found.upper())}.")
        if is_json(text):
            return _Content(read_json(text, source.name), form, notes=notes)
    try:
        cells = read_delimited(text, form, as_text)
    except ValueError as error:
        raise ValueError(f"{source.name}: {error}") from error
    frame = named(cells.frame, cells.names)
    return _Content(frame, cells.form, cells.has_quotes, old_encoding, notes + cells.notes)


def named(frame: pd.DataFrame, names: list[str] | None) -> pd.DataFrame:
    """Return cells under the names of their columns, of which no two are the same.

    An index with a name, be it empty, names the rows; others count them.
    """
    frame = frame.set_axis(column_names(names, frame.shape[1]), axis=1)
    if has_names_of_rows(names) and frame.iloc[:, 0].notna().all():
        frame = frame.set_index(frame.columns[0]).rename_axis("")
    return frame


def column_names(names: list[str] | None, n_columns: int) -> list[str]:
    """Return a name for each column, of which no two are the same."""
    if names is None:
        return [f"x{j}" for j in range(n_columns)]
    unique: list[str] = []
    for j, name in enumerate(names):
        new = name or f"x{j}"
        count = 1
        while new in unique:
            new = f"{name}.{count}"
            count += 1
        unique.append(new)
    return unique


def has_names_of_rows(names: list[str] | None) -> bool:
    """Return whether the first of several columns has no name: it may name the rows."""
    return names is not None and names[0] == "" and len(names) > 1


def select_columns(
    frame: pd.DataFrame, only: Collection[str] | None, drop: Collection[str], others: list
) -> pd.DataFrame:
    """Return the columns that the user wants; refuse names of none."""
    frame = frame.set_axis([str(name) for name in frame.columns], axis=1)
    for name in [*(only or []), *drop, *others]:
        if name not in frame.columns:
            shown = ", ".join(frame.columns[:10])
            raise ValueError(f"no column {name!r} in the table; the columns are {shown}.")
    kept = [n for n in frame.columns if n not in drop and (only is None or n in only)]
    return frame[kept]


def plain_rows(frame: pd.DataFrame) -> pd.DataFrame:
    """Return cells without the rows that are empty, and with text for lists and objects."""
    frame = frame[frame.notna().any(axis=1)] if frame.shape[1] > 1 else frame
    nested = [
        name
        for name, column in frame.items()
        if column.dtype == object
        and column.map(lambda cell: isinstance(cell, list | dict | np.ndarray)).any()
    ]
    return frame.assign(**{name: frame[name].map(str, na_action="ignore") for name in nested})


def _without_sentinels(
    frame: pd.DataFrame, declared: dict[str, list], notes: CellNotes
) -> pd.DataFrame:
    """Return the cells without those that the user declared to be missing."""
    columns = {}
    for name, column in frame.items():
        values = sentinels_in(column, declared[name])
        for value in values:
            notes.add_missing(value, name, int((column == value).sum()))
        columns[name] = column.mask(column.isin(values)) if values else column
    return pd.DataFrame(columns, index=frame.index)


def _as_list(values: Any) -> list:
    return [values] if isinstance(values, str | float | int) else list(values)


def _converted(column: pd.Series, decimal: str, kind: Any, notes: CellNotes) -> pd.Series:
    """Return a column with numbers where it holds such."""
    if isinstance(column.dtype, pd.CategoricalDtype) or column.dtype.kind not in "OUTS":
        return column
    if not column.dropna().map(_is_text_or_number).all():
        return column
    declared = None if kind is None else "text" if kind == "categorical" else "numbers"
    return convert_column(column, decimal, declared, notes)


def _is_text_or_number(cell: object) -> bool:
    return isinstance(cell, str | int | float) and not isinstance(cell, bool)


def _without_total(table: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Return a table without its last row, if that holds the sums of the others."""
    numbers = table.select_dtypes("number")
    if len(table) <= MIN_TOTAL_ROWS or numbers.shape[1] == 0:
        return table, []
    sums = numbers.iloc[:-1].sum()
    last = numbers.iloc[-1]
    is_sum = (last - sums).abs() <= TOTAL_TOLERANCE * sums.abs()
    if not is_sum.all() or (sums == 0).any() or (numbers.iloc[:-1] < 0).any(axis=None):
        return table, []
    table = table.iloc[:-1]
    for name in numbers:
        table = table.assign(**{name: as_whole(table[name])})
    return table, ["The last line holds the sums of the others: left out."]


def _without_empty(table: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    empty = [name for name in table if table[name].isna().all()]
    if not empty or len(table) == 0:
        return table, []
    note = f"Columns without values are left out: {_listing(empty)}."
    return table.drop(columns=empty), [note]


def _cell_sentences(notes: CellNotes, n_rows: int) -> list[str]:
    """Return what was assumed of cells, in sentences."""
    sentences = []
    for text, columns in notes.missing.items():
        places = [f"{n:,} of {n_rows:,} in {name}" for name, n in columns.items()]
        sentences.append(f"{text!r} is a missing cell: {_listing(places)}.")
    if len(sentences) > SHOWN_COLUMNS:
        n_more = len(sentences) - SHOWN_COLUMNS
        more = "is another text" if n_more == 1 else f"are {n_more} other texts"
        sentences = [*sentences[:SHOWN_COLUMNS], f"So {more}."]
    for cell, names in notes.bounds.items():
        sentences.append(f"{cell!r} counts as the number in it, in {_listing(names)}.")
    for unit, names in notes.units.items():
        verb = "is" if len(names) == 1 else "are"
        sentences.append(f"{_listing(names)} {verb} in {unit}.")
    return sentences


def _listing(texts: Collection[object]) -> str:
    shown = [str(text) for text in list(texts)[:SHOWN_COLUMNS]]
    n_more = len(texts) - len(shown)
    return ", ".join(shown) + (f" and {n_more} more" if n_more else "")
