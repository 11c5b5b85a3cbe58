"""Text with a row on each line: to a frame of cells as they are written."""

import csv
import io
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import TextIO

import pandas as pd

from .dialects import NAMES, Dialect, find_decimal, find_dialect
from .layout import COMMENTS, Layout, find_footers, find_header, find_layout
from .rows import Body, RowLines, long_notes, read_rows, short_notes

HEAD_CHARACTERS = 200_000  # of a text that its form is found from
HEAD_LINES = 500
FEWEST_LINES = 20  # that its form is found from, however long they are
MOST_ABOVE = 30  # lines above a header, or as many as there are rows


@dataclass(frozen=True)
class Form:
    """What is known of the form of a text; None is to be found out.

    Attributes
    ----------
    separator : str or None
        One character; a blank stands for any number of blanks and tabs.
    decimal : {".", ","} or None
    header : int or None
        Number of lines of the header.
    skip, footer : int or None
        Number of lines above the header, and at the end, that are no part of the table.
    """

    separator: str | None = None
    decimal: str | None = None
    header: int | None = None
    skip: int | None = None
    footer: int | None = None


@dataclass
class Cells:
    """The cells of a text.

    Attributes
    ----------
    frame : DataFrame
        Numbers where a whole column holds plain ones, and otherwise text; NaN for empty cells.
    names : list of str or None
        None if no line gives them.
    form : Form
        As it was found.
    has_quotes : bool
        Whether quotes stand around cells that hold a separator.
    notes : list of str
        What was assumed.
    """

    frame: pd.DataFrame
    names: list[str] | None
    form: Form
    has_quotes: bool
    notes: list[str]


@dataclass
class DelimitedText:
    """A text whose form is known, and whose rows are still to be read.

    Attributes
    ----------
    layout : Layout
    above : list of str
        Lines above the header that are no part of the table.
    rows : RowLines
    """

    layout: Layout
    above: list[str]
    rows: RowLines


def read_delimited(text: str, form: Form, as_text: Sequence[str]) -> Cells:
    """Return the cells of a text.

    Parameters
    ----------
    text : str
    form : Form
    as_text : sequence of str
        Names of columns whose cells are to stay as they are written.
    """
    opened = open_delimited(io.StringIO(text), form)
    layout = opened.layout
    names = layout.names
    exact = [j for j, name in enumerate(names or []) if name in as_text]
    frame, long, short, has_quotes = read_rows(opened.rows, exact)
    notes = _notes(opened) + long_notes(long, len(frame), layout.width)
    notes += short_notes(short, len(frame))
    n_rows = int(frame.notna().any(axis=1).sum())
    if form.skip is None and len(opened.above) > max(MOST_ABOVE, n_rows):
        raise ValueError(
            f"the first {len(opened.above)} lines do not have the cells of the {n_rows} below "
            "them; say how many are no part of the table (skip), or what divides its cells "
            "(separator)."
        )
    found = replace(
        form,
        separator=opened.rows.dialect.separator,
        decimal=opened.rows.decimal,
        header=0 if names is None else form.header,
    )
    return Cells(frame, names, found, has_quotes, notes)


def open_delimited(
    stream: TextIO, form: Form, like: Form | None = None, known: Collection[str] = ()
) -> DelimitedText:
    """Return a text up to its rows, which are not read yet.

    Parameters
    ----------
    stream : TextIO
    form : Form
        What is certain.
    like : Form, default=None
        That of another text, whose separator counts if the header then holds what is known, and
        whose mark of decimals counts if this text has no decimals.
    known : collection of str, default=()
        Names of columns that a header should hold.
    """
    like = like or Form()
    start_text = _first_lines(stream)
    head = start_text.split("\n")[:HEAD_LINES]
    skip, separator, comment = _lines_above(head, form)
    lines = head[skip:]
    dialect = _find_dialect(lines, form.separator or separator, like.separator, known)
    rows = _split(dialect, lines)
    layout = find_layout(rows, len(lines), form.header, known)
    if layout.names is None and comment and form.header is None:
        layout = _with_comment(layout, comment, dialect)
    rows_below = [(line, cells) for line, cells in rows if line >= layout.start]
    cells_below = [cell for _, row in rows_below for cell in row]
    decimal = form.decimal or find_decimal(cells_below, dialect.separator, like.decimal or ".")

    def footers_of(tail: str) -> list[str]:
        return _find_footers(tail, dialect, layout, rows_below, form)

    body = Body(start_text[_offset(start_text, skip + layout.start) :], stream, footers_of)
    above = start_text[: _offset(start_text, skip + layout.n_skipped)].split("\n")
    above = [line for line in above if line.strip()]
    longest = max([layout.width, *(len(cells) for _, cells in rows)])
    return DelimitedText(layout, above, RowLines(body, dialect, decimal, layout.width, longest))


def _first_lines(stream: TextIO) -> str:
    """Return the start of a text, to the end of a line; of very long lines some, too."""
    text = stream.read(HEAD_CHARACTERS) + stream.readline()
    while text.count("\n") < FEWEST_LINES and (line := stream.readline()):
        text += line
    return text


def _find_dialect(
    lines: list[str], separator: str | None, likely: str | None, known: Collection[str]
) -> Dialect:
    """Return the dialect of the first lines of a text, from its comments on."""
    dialect = find_dialect([line for line in lines if line.strip()])
    if separator:
        return replace(dialect, separator=separator)
    if likely and known:
        other = replace(dialect, separator=likely)
        if find_header(_split(other, lines), known) is not None:
            return other
    return dialect


def _lines_above(head: list[str], form: Form) -> tuple[int, str | None, str | None]:
    """Return how many lines are comments, the separator that one declares, and the last comment."""
    if form.skip is not None:
        return form.skip, None, None
    skip = 0
    separator = None
    comment = None
    for line in head:
        if skip == 0 and line.lower().startswith("sep=") and len(line.rstrip()) <= 5:
            separator = line[4:5] or "\t"
        elif line.strip().startswith(COMMENTS):
            comment = line.strip().lstrip("#%/ \t")
        elif line.strip():
            break
        skip += 1
    return skip, separator, comment


def _split(dialect: Dialect, lines: list[str]) -> list[tuple[int, list[str]]]:
    try:
        rows = dialect.split(lines)
    except (csv.Error, TypeError) as error:
        raise ValueError(f"the text is no table: {error}.") from error
    if not rows:
        raise ValueError("the file has no rows.")
    return rows


def _with_comment(layout: Layout, comment: str, dialect: Dialect) -> Layout:
    """Return the layout with the names in the last comment, if it is a header."""
    cells = [cells for _, cells in dialect.split([comment])]
    if not cells or len(cells[0]) != layout.width:
        return layout
    return replace(layout, names=cells[0], n_skipped=layout.n_skipped - 1)


def _offset(text: str, n_lines: int) -> int:
    """Return where a text goes on after so many lines."""
    offset = 0
    for _ in range(n_lines):
        offset = text.find("\n", offset) + 1 or len(text)
    return offset


def _find_footers(
    tail: str,
    dialect: Dialect,
    layout: Layout,
    body: list[tuple[int, list[str]]],
    form: Form,
) -> list[str]:
    """Return the lines at the end of a text that are no rows."""
    lines = tail.split("\n")
    if form.footer is not None:
        n_empty = len(lines) - len("\n".join(lines).rstrip("\n").split("\n"))
        n_lines = form.footer + n_empty
        return lines[len(lines) - n_lines :]
    return find_footers(lines[1:], dialect, layout, body)


def _notes(text: DelimitedText) -> list[str]:
    """Return what was assumed of a text whose rows have been read."""
    layout = text.layout
    separator = text.rows.dialect.separator
    above = text.above
    notes = []
    forms = []
    if separator != "," and layout.width > 1:
        forms.append(f"{NAMES.get(separator, repr(separator))} between cells")
    if text.rows.decimal == ",":
        forms.append("decimal commas")
    if forms:
        notes.append(_sentence(" and ".join(forms)))
    if above:
        what = "no row" if len(above) == 1 else "no rows"
        notes.append(f"{_lines(len(above), 'first')} {what}: left out ({above[0][:40]!r}).")
    if layout.names is None:
        notes.append("No line names the columns: they are called x0, x1, ...")
    if layout.n_headers > 1:
        notes.append(f"The first {layout.n_headers} lines of the table are its header.")
    return notes + footer_notes(text.rows)


def footer_notes(rows: RowLines) -> list[str]:
    """Return what to say of lines at the end of a text that are no rows."""
    below = [line for line in rows.body.footers if line.strip(f" {rows.dialect.separator}")]
    if not below:
        return []
    return [f"{_lines(len(below), 'last')} a remark or a total: left out ({below[-1][:40]!r})."]


def _lines(n: int, which: str) -> str:
    return f"The {which} line is" if n == 1 else f"The {which} {n} lines are"


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."
