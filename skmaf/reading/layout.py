"""Which lines of a text are the table: what stands above and below it, and its header."""

import re
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from .dialects import Dialect, is_value
from .numbers import is_placeholder

COMMENTS = ("#", "%", "//")
TOTAL = re.compile(
    r"(?:(?:grand|sub|overall)[ -]?)?(?:totals?|sums?|averages?|means?|summen?|gesamt|insgesamt|"
    r"mittelwert|durchschnitt|somme|moyenne|totale|suma|media)\b.*",
    re.IGNORECASE,
)
REMARK = re.compile(
    r"(?:notes?|remarks?|sources?|quelle|copyright|data|updated|\(|\*|\u00a9).*", re.IGNORECASE
)
YEAR = re.compile(r"1[89]\d\d|20\d\d")
MOST_FOOTERS = 30
MOST_HEADERS = 4

Rows = Sequence[tuple[int, list[str]]]


@dataclass(frozen=True)
class Layout:
    """Where the table is in a text, and what its columns are called.

    Attributes
    ----------
    names : list of str or None
        None if no line gives them.
    width : int
        Number of columns.
    start : int
        Number of the first line that holds a row.
    n_skipped : int
        How many lines above the header are no part of the table.
    n_headers : int
        How many lines the header has.
    """

    names: list[str] | None
    width: int
    start: int
    n_skipped: int
    n_headers: int


def find_layout(
    rows: Rows, n_lines: int, n_headers: int | None, known: Collection[str] = ()
) -> Layout:
    """Return the layout of the first rows of a text, of ``n_lines`` lines.

    Parameters
    ----------
    rows : sequence of (int, list of str)
        As `Dialect.split` gives them.
    n_lines : int
    n_headers : int or None
        How many lines the header has, None to find it out.
    known : collection of str, default=()
        Names of columns: a line that holds them all is the header.
    """
    width = Counter(len(cells) for _, cells in rows).most_common(1)[0][0]
    first = 0 if n_headers is not None else _first_row(rows, width)
    header = find_header(rows, known) if n_headers is None else None
    if header is not None:
        first = header
        n_headers = 1
    is_number = _number_columns(rows[first + 1 :], width)
    if n_headers is None:
        n_headers = _count_headers([cells for _, cells in rows[first:]], is_number)
    headers = [cells for _, cells in rows[first : first + n_headers]]
    body = rows[first + n_headers :]
    return Layout(
        names=_names(headers, width, [cells for _, cells in body]) if headers else None,
        width=max([width, *map(len, headers)]),
        start=body[0][0] if body else n_lines,
        n_skipped=rows[first][0],
        n_headers=n_headers,
    )


def find_header(rows: Rows, known: Collection[str]) -> int | None:
    """Return the position of the first row that holds the names of known columns, if one does."""
    if not known:
        return None
    wanted = set(known)
    return next((i for i, (_, cells) in enumerate(rows) if wanted <= set(cells)), None)


def _filled(cells: Sequence[str]) -> int:
    return sum(cell != "" for cell in cells)


def _n_used(cells: Sequence[str]) -> int:
    """Return how many cells there are up to the last that is not empty."""
    return max((j + 1 for j, cell in enumerate(cells) if cell), default=0)


def _first_row(rows: Rows, width: int) -> int:
    """Return the position of the first row that is as wide as the table, and is no title.

    A header may lack the name of the rows, or of empty columns at the end.
    """
    for position, (_, cells) in enumerate(rows[:-1]):
        below = rows[position + 1][1]
        n_least = min(width - 1, _n_used(below))
        is_short = n_least <= len(cells) < len(below) == width and any(map(is_value, below))
        is_title = _filled(cells) < min(2, width) and not (width == 2 and cells[0] == "")
        if (len(cells) >= width or is_short) and not is_title:
            return position
    return 0


def _number_columns(rows: Rows, width: int) -> list[bool]:
    """Return which columns hold numbers or dates in most rows."""
    is_number = []
    for j in range(width):
        cells = [cells[j] for _, cells in rows if len(cells) > j and cells[j]]
        cells = [cell for cell in cells if not is_placeholder(cell)]
        is_number.append(sum(map(is_value, cells)) > len(cells) / 2)
    return is_number


def _count_headers(rows: Sequence[list[str]], is_number: list[bool]) -> int:
    """Return how many of the first rows are a header: text above numbers."""
    first, *others = rows
    if not others or not _is_header(first, others, is_number):
        return int(not others)
    n_headers = 1
    while n_headers < min(MOST_HEADERS, len(others)) and _is_second_header(
        rows[n_headers], is_number
    ):
        n_headers += 1
    return n_headers


def _split_kinds(row: Sequence[str], is_number: list[bool]) -> tuple[list[str], list[str]]:
    """Return the words, and the values, that a row holds in the columns of numbers."""
    cells = [cell for cell, number in zip(row, is_number) if number and cell]
    cells = [cell for cell in cells if not is_placeholder(cell)]
    words = [cell for cell in cells if not is_value(cell)]
    return words, [cell for cell in cells if is_value(cell)]


def _is_header(row: list[str], others: Sequence[list[str]], is_number: list[bool]) -> bool:
    words, values = _split_kinds(row, is_number)
    if words or values:
        return len(words) >= len(values) or _are_labels(row, values, others)
    # columns of words: a header is not among the words below it
    again = [
        any(len(other) > j and other[j] == cell for other in others)
        for j, cell in enumerate(row)
        if cell
    ]
    return sum(again) < max(1, len(again) / 2)


def _are_labels(row: list[str], values: list[str], others: Sequence[list[str]]) -> bool:
    """Return whether the numbers of a row are names of columns: years, or a series.

    Beside them is a column of words, or a first one without a name.
    """
    if not all(value.isdecimal() for value in values):
        return False
    if row[0] != "" and len(values) == sum(cell != "" for cell in row):
        return False
    distances = {int(b) - int(a) for a, b in zip(values, values[1:])}
    if len(distances) == 1 and 0 not in distances:
        return True
    n_years = sum(bool(YEAR.fullmatch(cell)) for other in others for cell in other)
    return all(map(YEAR.fullmatch, values)) and n_years < len(others) / 2


def _is_second_header(row: list[str], is_number: list[bool]) -> bool:
    words, values = _split_kinds(row, is_number)
    return len(words) >= 2 and not values


def _names(headers: list[list[str]], width: int, body: Sequence[list[str]]) -> list[str]:
    """Return the names of the columns: what stands above each, in all lines of the header."""
    if all(len(header) == width - 1 for header in headers) and any(
        len(row) == width and row[-1] for row in body
    ):
        headers = [["", *header] for header in headers]  # the first column names the rows
    longest = max([width, *map(len, headers)])
    padded = [header + [""] * (longest - len(header)) for header in headers]
    parts = [list(dict.fromkeys(part for part in column if part)) for column in zip(*padded)]
    return [" ".join(part) for part in parts]


def find_footers(lines: Sequence[str], dialect: Dialect, layout: Layout, body: Rows) -> list[str]:
    """Return the last lines that are no rows: remarks, and totals.

    Parameters
    ----------
    lines : sequence of str
        The last lines of the table.
    dialect : Dialect
    layout : Layout
    body : sequence of (int, list of str)
        Rows of the table.
    """
    is_number = _number_columns(body, layout.width)
    may_be_name = _have_names_alone([cells for _, cells in body], layout.width)
    footers: list[str] = []
    for line in reversed(lines[-MOST_FOOTERS:]):
        if line.count(dialect.quote) % 2:  # a cell of several lines ends here
            break
        rows = dialect.split([line])
        if any(not _is_footer(cells, layout.width, is_number) for _, cells in rows):
            break
        if may_be_name and any(_is_name_alone(cells, layout.width) for _, cells in rows):
            break
        footers.insert(0, line)
    return footers


def _is_name_alone(cells: list[str], width: int) -> bool:
    """Return whether all cells but the first are empty, and that is no remark."""
    is_alone = len(cells) == width and cells[0] != "" and _filled(cells) == 1
    return is_alone and REMARK.fullmatch(cells[0]) is None


def _have_names_alone(rows: Sequence[list[str]], width: int) -> bool:
    """Return whether a row of a name and nothing else stands above others: in sparse tables."""
    last = max((i for i, cells in enumerate(rows) if _filled(cells) > 1), default=0)
    return any(_is_name_alone(cells, width) for cells in rows[:last])


def _is_footer(cells: list[str], width: int, is_number: list[bool]) -> bool:
    if width < 2 or not any(is_number):
        return False
    label = next(cell for cell in cells if cell)
    is_short = (_filled(cells) == 1 and cells[0] != "") or len(cells) != width
    if is_short and REMARK.fullmatch(label):
        return True
    _, values = _split_kinds(cells, is_number)
    if values:
        return TOTAL.fullmatch(label) is not None
    return is_short and not is_value(label)
