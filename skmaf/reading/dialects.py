"""What divides the cells of a line of text, and what marks decimals.

A separator is judged by the lines that it makes: as many cells in each, and each cell a number, a
date, or words in which no other separator stands.
"""

import csv
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

BLANKS = " "
SEPARATORS = (",", ";", "\t", "|", BLANKS)
NAMES = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "pipe signs", BLANKS: "blanks"}
# digits, and what stands with them in numbers, dates and times; at the end a unit of few letters
VALUE = re.compile(r"[\s\W]*\d[\d\s\W]*(?:[eE][+-]?\d+|[TZ][\d\W]*Z?|\s?[^\W\d_]{1,3}\W?)?\s*")
DECIMAL_COMMA = re.compile(r"[-+]?(?:0|\d{1,3}(?:\.\d{3})+|\d+),(?:\d{1,2}|\d{4,})|[-+]?0,\d{3}")
DECIMAL_POINT = re.compile(r"[-+]?(?:0|\d{1,3}(?:,\d{3})+|\d+)?\.(?:\d{1,2}|\d{4,})|[-+]?0?\.\d{3}")
EITHER = re.compile(r"[-+]?[1-9]\d{0,2},\d{3}")
# a separator in a cell of another one; before a blank it is punctuation
OTHER = {
    separator: re.compile(f"[{''.join({*SEPARATORS} - {separator, BLANKS})}](?! )|\\S  +\\S")
    for separator in SEPARATORS
}
ONE_NUMBER = re.compile(r"([-+]?\d+)(,\d+)?")  # with a decimal comma
MIN_DECIMAL = 0.05  # share of quoted cells with a comma among numbers, or they are lists
MIN_SCORE = 0.3  # of a separator; below it each line is one cell
ALL_LINES = 0.98  # share of lines in which blanks must make as many cells


@dataclass(frozen=True)
class Dialect:
    """How a line is divided into cells.

    Attributes
    ----------
    separator : str
        One character; a blank stands for any number of blanks and tabs.
    quote : str
        What stands around cells that hold a separator.
    """

    separator: str
    quote: str = '"'

    def split(self, lines: Sequence[str]) -> list[tuple[int, list[str]]]:
        """Return the cells of each row, and the number of the line where it begins.

        Empty lines, and those of empty cells, are no rows.
        """
        return [(start, cells) for start, cells in self.records(lines) if any(cells)]

    def records(self, lines: Sequence[str]) -> Iterator[tuple[int, list[str]]]:
        """Yield the cells of each line, or of several in which a quoted cell is, and its number."""
        if self.separator == BLANKS:
            lines = [line.replace("\t", " ").strip() for line in lines]
        reader = csv.reader(
            [line + "\n" for line in lines],
            delimiter=self.separator,
            quotechar=self.quote,
            skipinitialspace=True,
        )
        start = 0
        for cells in reader:
            yield start, [cell.strip() for cell in cells]
            start = reader.line_num


def is_value(cell: str) -> bool:
    """Return whether a cell looks like a number, a date, or a time."""
    return VALUE.fullmatch(cell) is not None


def find_dialect(lines: Sequence[str]) -> Dialect:
    """Return the dialect of the first lines of a text."""
    if _is_one_column(lines):
        return Dialect(";")
    n_single = sum(bool(re.search(r"(?:^|[,;\t| ])'[^']*'(?:$|[,;\t| ])", line)) for line in lines)
    is_single = n_single > len(lines) / 2 and not any('"' in line for line in lines)
    dialects = [Dialect(separator, "'" if is_single else '"') for separator in SEPARATORS]
    scores = [_score(dialect, lines) for dialect in dialects]
    best = max(scores)
    return dialects[scores.index(best)] if best > MIN_SCORE else Dialect(",")


def _is_one_column(lines: Sequence[str]) -> bool:
    """Return whether lines are numbers with decimal commas, below a name.

    They could be two columns, of which the first names the rows, if no whole part came again.
    """
    name, *numbers = [line.strip() for line in lines] or [""]
    parts = [ONE_NUMBER.fullmatch(number) for number in numbers]
    if len(parts) < 2 or "," in name or is_value(name) or not all(parts):
        return False
    wholes = [part[1] for part in parts if part and part[2]]
    return len(set(wholes)) < len(wholes)


def _score(dialect: Dialect, lines: Sequence[str]) -> float:
    """Return how far lines divided so look like a table, from 0 to 1."""
    try:
        rows = [cells for _, cells in dialect.split(lines)]
    except csv.Error:
        return 0.0
    if not rows:
        return 0.0
    width, n_rows = Counter(map(len, rows)).most_common(1)[0]
    is_blank = dialect.separator == BLANKS
    # R writes no name, but quotes, above the names of the rows
    is_short = len(rows[0]) == width - 1 and lines[0].startswith('"')
    if width == 1 or (is_blank and n_rows + is_short < ALL_LINES * len(rows)):
        return 0.0
    cells = [cell for row in rows if len(row) == width for cell in row]
    if is_blank and sum(map(is_value, cells)) < len(rows) / 2:
        return 0.0
    n_clean = sum(_is_clean(cell, dialect.separator) for cell in cells)
    return n_rows / len(rows) * n_clean / len(cells)


def _is_clean(cell: str, separator: str) -> bool:
    """Return whether no other separator stands in a cell, but for a comma in a number."""
    if OTHER[separator].search(cell) is None:
        return True
    return is_value(cell) and OTHER[separator].search(cell.replace(",", "")) is None


def find_decimal(cells: Sequence[str], separator: str, likely: str = ".") -> str:
    """Return what marks decimals in numbers: a point, or a comma; ``likely`` if none has any.

    What may be either, such as 1,234, is a decimal number only where semicolons divide the cells.
    """
    cells = [cell.strip("%$€£ ") for cell in cells]
    n_comma = sum(DECIMAL_COMMA.fullmatch(cell) is not None for cell in cells)
    n_point = sum(DECIMAL_POINT.fullmatch(cell) is not None for cell in cells)
    if n_comma == n_point == 0 and separator == ";":
        n_comma = sum(EITHER.fullmatch(cell) is not None for cell in cells)
    if n_comma == n_point == 0:
        return likely
    # between commas, 2,3 in quotes may be a list
    is_list = separator == "," and n_comma < MIN_DECIMAL * sum(map(is_value, cells))
    return "," if n_comma > n_point and not is_list else "."
