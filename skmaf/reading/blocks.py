"""Tables that are read a block of rows at a time, in the way that a file like them was read."""

import io
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, TextIO

import pandas as pd

from .conventions import Conventions
from .delimited import Form, footer_notes, open_delimited
from .expected import ExpectedColumn, as_expected
from .formats import is_json, is_parquet, read_json, workbook_text
from .numbers import TOTAL_TOLERANCE
from .rows import long_notes, read_blocks_of_rows
from .sources import Source, is_workbook, optional, refuse_no_table
from .tables import column_names, has_names_of_rows, plain_rows
from .text import HEAD, find_encoding, open_text, refuse_control_characters


@dataclass
class Block:
    """Some rows of a table.

    The index counts the rows of the file; if it has a name, be it empty, it names the rows.

    Attributes
    ----------
    cells : DataFrame
        All columns, as the file has them.
    values : DataFrame
        Those that are expected, with values of the kind that is expected.
    """

    cells: pd.DataFrame
    values: pd.DataFrame


@dataclass
class OpenTable:
    """A table whose columns are known, and whose rows are still to be read.

    Attributes
    ----------
    names : list of str
        Of its columns.
    decimal : str or None
        What marks decimals where cells are text, None where they have types of their own.
    frames : iterator of DataFrame
        The cells of some rows at a time.
    notes : list of str
        What is left out; known when all rows have been read.
    """

    names: list[str]
    decimal: str | None
    frames: Iterator[pd.DataFrame]
    notes: list[str] = field(default_factory=list)

    def blocks(
        self, expected: Mapping[str, ExpectedColumn], conventions: Conventions
    ) -> Iterator[Block]:
        """Yield the rows, with the columns that are expected."""
        columns = {
            name: replace(
                column,
                mark=conventions.marks.get(name, self.decimal or "."),
                is_plain=name not in conventions.marks,
                missing=tuple(conventions.missing.get(name, ())),
            )
            for name, column in expected.items()
        }
        blocks = self._all_blocks(columns)
        return _without_total(blocks, self.notes) if conventions.has_total else blocks

    def _all_blocks(self, columns: dict[str, ExpectedColumn]) -> Iterator[Block]:
        n_empty = 0
        for frame in self.frames:
            cells = plain_rows(frame)
            n_empty += len(frame) - len(cells)
            values = {name: as_expected(cells[name], column) for name, column in columns.items()}
            yield Block(cells, pd.DataFrame(values, index=cells.index))
        if n_empty:
            are = "row is" if n_empty == 1 else "rows are"
            self.notes.append(f"{n_empty:,} {are} empty: left out.")


def _without_total(blocks: Iterator[Block], notes: list[str]) -> Iterator[Block]:
    """Yield blocks without the last row, if that holds the sums of all others."""
    sums: Any = 0
    held: Block | None = None
    for block in blocks:
        if held is not None:
            sums = sums + held.values.select_dtypes("number").sum()
            yield held
        held = block if len(block.cells) else held
    if held is None:
        return
    numbers = held.values.select_dtypes("number")
    sums = sums + numbers.iloc[:-1].sum()
    is_total = ((numbers.iloc[-1] - sums).abs() <= TOTAL_TOLERANCE * sums.abs()) & (sums != 0)
    if len(is_total) and is_total.all():
        notes.append("The last line holds the sums of the others: left out.")
        held = Block(held.cells.iloc[:-1], held.values.iloc[:-1])
    yield held


@contextmanager
def open_table(
    source: Source,
    conventions: Conventions,
    known: list[str],
    n_cells: int,
    form: Form | None = None,
    encoding: str | None = None,
) -> Iterator[OpenTable]:
    """Open a table that is read in blocks.

    Text and Parquet are read as the blocks are taken; other files at once.

    Parameters
    ----------
    source : Source
    conventions : Conventions
        Of a file that was read before.
    known : list of str
        Names of columns that the table should have.
    n_cells : int
        Of a block.
    form : Form, default=None
        What the user says of this file.
    encoding : str, default=None
        As well.
    """
    refuse_no_table(source)
    if is_parquet(source):
        with _open_parquet(source, n_cells) as table:
            yield table
        return
    form = _known_form(form or Form(), conventions)
    if is_workbook(source):
        text, _ = workbook_text(source.read(), source.name, conventions.sheet)
        yield _text_table(source, io.StringIO(text), form, conventions, known, n_cells)
        return
    encoding = encoding or conventions.encoding
    encoding = encoding or find_encoding(source, conventions.old_encoding)
    with open_text(source, encoding) as stream:
        start = stream.read(HEAD)
    refuse_control_characters(start, source.name)
    with open_text(source, encoding) as stream:
        if is_json(start):
            frame = read_json(stream.read(), source.name)
            yield OpenTable(list(frame.columns), ".", _parts(frame, n_cells))
        else:
            yield _text_table(source, stream, form, conventions, known, n_cells)


def _known_form(form: Form, conventions: Conventions) -> Form:
    """Return what is certain of the form of a file."""
    header = conventions.form.header if form.header is None else form.header
    skip = conventions.declared.skip if form.skip is None else form.skip
    footer = conventions.declared.footer if form.footer is None else form.footer
    return replace(form, header=header, skip=skip, footer=footer)


def _text_table(
    source: Source,
    stream: TextIO,
    form: Form,
    conventions: Conventions,
    known: list[str],
    n_cells: int,
) -> OpenTable:
    try:
        text = open_delimited(stream, form, conventions.form, known)
    except ValueError as error:
        raise ValueError(f"{source.name}: {error}") from error
    rows = text.rows
    names = column_names(text.layout.names, rows.width)
    n_rows = _rows_of_block(n_cells, names)
    notes: list[str] = []

    def frames() -> Iterator[pd.DataFrame]:
        n_all = 0
        all_long: list[int] = []
        try:
            for frame, long in read_blocks_of_rows(rows, n_rows, conventions.has_quotes):
                n_all += len(frame)
                all_long += long
                frame = frame.set_axis(names, axis=1)
                yield _named_rows(frame) if has_names_of_rows(text.layout.names) else frame
            notes.extend([*long_notes(all_long, n_all, rows.width), *footer_notes(rows)])
        except ValueError as error:
            raise ValueError(f"{source.name}: {error}") from error

    return OpenTable(names, rows.decimal, frames(), notes)


def _named_rows(frame: pd.DataFrame) -> pd.DataFrame:
    """Return rows named by their first column, those without a name by their number."""
    names = frame.iloc[:, 0].astype(object)
    names = names.where(names.notna(), frame.index.to_series())
    return frame.iloc[:, 1:].set_axis(pd.Index(names, name=""), axis=0)


@contextmanager
def _open_parquet(source: Source, n_cells: int) -> Iterator[OpenTable]:
    arrow: Any = optional("pyarrow", "pyarrow", f"{source.name}, a Parquet file,")
    import pyarrow.parquet

    with source.open() as stream:
        file = pyarrow.parquet.ParquetFile(
            stream if stream.seekable() else io.BytesIO(stream.read())
        )

        names = list(file.schema_arrow.names)
        n_rows = _rows_of_block(n_cells, names)

        def frames() -> Iterator[pd.DataFrame]:
            start = 0
            for batch in file.iter_batches(batch_size=n_rows):
                frame = arrow.Table.from_batches([batch]).to_pandas()
                if isinstance(frame.index, pd.RangeIndex):
                    frame.index = range(start, start + len(frame))
                else:
                    frame.index.name = frame.index.name or ""
                yield frame
                start += len(frame)

        yield OpenTable(names, None, frames())


def _parts(frame: pd.DataFrame, n_cells: int) -> Iterator[pd.DataFrame]:
    n_rows = _rows_of_block(n_cells, frame.columns)
    for start in range(0, len(frame), n_rows):
        yield frame.iloc[start : start + n_rows]


def _rows_of_block(n_cells: int, names: Collection[str]) -> int:
    return max(1, n_cells // max(1, len(names)))
