"""Text with a row on each line: to a frame of cells as they are written."""

import csv
import io
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace

import pandas as pd

from .dialects import BLANKS, NAMES, Dialect, find_decimal, find_dialect
from .layout import COMMENTS, Layout, find_footers, find_layout

HEAD_CHARACTERS = 200_000  # of a text that its form is found from
HEAD_LINES = 500
TAIL_CHARACTERS = 10_000
MOST_ABOVE = 30  # lines above a header, or as many as there are rows
MOST_LONG = 0.25  # lines with too many cells, for each other line


@dataclass(frozen=True)
class Form:
    """What the user says of the form of a text; None is to be found out.

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
    decimal : str
    notes : list of str
        What was assumed.
    """

    frame: pd.DataFrame
    names: list[str] | None
    decimal: str
    notes: list[str]


def read_delimited(text: str, form: Form, as_text: Sequence[str]) -> Cells:
    """Return the cells of a text.

    Parameters
    ----------
    text : str
    form : Form
    as_text : sequence of str
        Names of columns whose cells are to stay as they are written.
    """
    head = text[:HEAD_CHARACTERS].split("\n")
    if len(text) > HEAD_CHARACTERS and len(head) > 1:
        head.pop()  # cut in its middle
    head = head[:HEAD_LINES]
    skip, separator, comment = _lines_above(head, form)
    dialect = find_dialect([line for line in head[skip:] if line.strip()])
    separator = form.separator or separator
    dialect = replace(dialect, separator=separator) if separator else dialect
    rows = _split(dialect, head[skip:])
    layout = find_layout(rows, len(head) - skip, form.header)
    if layout.names is None and comment and form.header is None:
        layout = _with_comment(layout, comment, dialect)
    body = [(line, cells) for line, cells in rows if line >= layout.start]
    start = _offset(text, skip + layout.start)
    footers = _find_footers(text[start:], dialect, layout, body, form)
    end = len(text) - len("\n".join(footers))
    decimal = form.decimal or find_decimal([c for _, row in body for c in row], dialect.separator)
    names = layout.names
    exact = [j for j, name in enumerate(names or []) if name in as_text]
    longest = max(len(cells) for _, cells in rows)
    frame, n_long = _parse(text[start:end], dialect, decimal, max(longest, layout.width), exact)
    frame, more_notes = _fitting(frame, layout.width, n_long)
    n_rows = int(frame.notna().any(axis=1).sum())
    above = _lines_left_out(text, skip + layout.n_skipped, n_rows, form)
    notes = _notes(above, dialect, decimal, layout, footers) + more_notes
    return Cells(frame, names, decimal, notes)


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
    body_text: str,
    dialect: Dialect,
    layout: Layout,
    body: list[tuple[int, list[str]]],
    form: Form,
) -> list[str]:
    """Return the lines at the end of a text that are no rows."""
    lines = body_text[-TAIL_CHARACTERS:].split("\n")
    if form.footer is not None:
        n_empty = len(lines) - len("\n".join(lines).rstrip("\n").split("\n"))
        n_lines = form.footer + n_empty
        return lines[len(lines) - n_lines :]
    return find_footers(lines[1:], dialect, layout, body)


def _parse(
    text: str, dialect: Dialect, decimal: str, width: int, exact: list[int]
) -> tuple[pd.DataFrame, int]:
    """Return the cells of lines without a header, and how many lines have more than ``width``."""
    options = {
        "sep": r"\s+" if dialect.separator == BLANKS else dialect.separator,
        "quotechar": dialect.quote,
        "header": None,
        "names": range(width),
        "dtype": dict.fromkeys(exact, str),
        "index_col": False,
        "decimal": decimal,
        "na_values": [""],
        "keep_default_na": False,
        "skipinitialspace": True,
        "low_memory": False,
        "on_bad_lines": "warn",
    }
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            frame = pd.read_csv(io.StringIO(text), **options)
        except pd.errors.EmptyDataError:
            return pd.DataFrame(columns=range(width)), 0
        except pd.errors.ParserError:  # a quote that does not end
            frame = pd.read_csv(io.StringIO(text), **options, quoting=csv.QUOTE_NONE)
    n_long = sum(str(warning.message).count("Skipping line") for warning in caught)
    return frame, n_long


def _fitting(frame: pd.DataFrame, width: int, n_long: int) -> tuple[pd.DataFrame, list[str]]:
    """Return the rows of at most ``width`` cells; refuse a frame in which they are few."""
    is_long = frame.iloc[:, width:].notna().any(axis=1)
    n_long += int(is_long.sum())
    frame = frame.loc[~is_long, : width - 1].reset_index(drop=True)
    if n_long > MOST_LONG * len(frame):
        raise ValueError(
            f"{n_long} of {n_long + len(frame)} lines have more than {width} cells, so that this "
            "looks like no table; if it is one, say what divides its cells (separator)."
        )
    if n_long == 0:
        return frame, []
    return frame, [f"{n_long} lines have more cells than the others: left out."]


def _lines_left_out(text: str, n_above: int, n_rows: int, form: Form) -> list[str]:
    """Return the lines above the header; refuse more of them than rows, unless declared."""
    above = [line for line in text[: _offset(text, n_above)].split("\n") if line.strip()]
    if form.skip is None and len(above) > max(MOST_ABOVE, n_rows):
        raise ValueError(
            f"the first {len(above)} lines do not have the cells of the {n_rows} below them; say "
            "how many are no part of the table (skip), or what divides its cells (separator)."
        )
    return above


def _notes(
    above: list[str], dialect: Dialect, decimal: str, layout: Layout, footers: list[str]
) -> list[str]:
    notes = []
    forms = []
    if dialect.separator != "," and layout.width > 1:
        forms.append(f"{NAMES.get(dialect.separator, repr(dialect.separator))} between cells")
    if decimal == ",":
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
    below = [line for line in footers if line.strip(f" {dialect.separator}")]
    if below:
        notes.append(
            f"{_lines(len(below), 'last')} a remark or a total: left out ({below[-1][:40]!r})."
        )
    return notes


def _lines(n: int, which: str) -> str:
    return f"The {which} line is" if n == 1 else f"The {which} {n} lines are"


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."
