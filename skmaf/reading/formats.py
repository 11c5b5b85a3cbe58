"""Parquet, spreadsheets and JSON: to frames, or to text that is read as any other."""

import csv
import io
import json
from typing import Any

import pandas as pd

from .sources import Source, optional


def is_parquet(source: Source) -> bool:
    """Return whether this is a Parquet file."""
    return source.head().startswith(b"PAR1")


def read_parquet(data: bytes, name: str) -> pd.DataFrame:
    """Return the frame of a Parquet file; if its index names the rows, it has a name."""
    optional("pyarrow", "pyarrow", f"{name}, a Parquet file,")
    frame = pd.read_parquet(io.BytesIO(data))
    if not isinstance(frame.index, pd.RangeIndex):
        frame.index.name = frame.index.name or ""
    return frame


def workbook_text(data: bytes, name: str, sheet: str | int) -> tuple[str, list[str]]:
    """Return a sheet of a spreadsheet as lines of cells with commas between them, and a note.

    That names the other sheets, if the first is read.
    """
    optional("python_calamine", "python-calamine", f"{name}, a spreadsheet,")
    with pd.ExcelFile(io.BytesIO(data), engine="calamine") as workbook:
        names = [str(sheet_name) for sheet_name in workbook.sheet_names]
        if sheet not in (*names, *range(len(names))):
            raise ValueError(f"{name} has no sheet {sheet!r}; its sheets are {', '.join(names)}.")
        options = {"header": None, "keep_default_na": False, "na_values": [""]}
        cells = pd.read_excel(workbook, sheet_name=sheet, **options)
    lines = io.StringIO()
    writer = csv.writer(lines, lineterminator="\n")
    writer.writerows([_cell_text(cell) for cell in row] for row in cells.to_numpy(object))
    notes = []
    if sheet == 0 and len(names) > 1:
        notes = [f"This is the sheet {names[0]!r}; others (sheet) are {', '.join(names[1:])}."]
    return lines.getvalue(), notes


def _cell_text(cell: Any) -> str:
    if pd.isna(cell):
        return ""
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))  # to a spreadsheet all numbers are floats
    return str(cell).removesuffix(" 00:00:00")


def read_json(text: str, name: str) -> pd.DataFrame:
    """Return the frame of JSON lines, or of one JSON value; objects inside become columns.

    The value is a list of records, an object with one such list in it, or an object of columns.
    """
    try:
        records = _records(json.loads(text))
    except json.JSONDecodeError as not_one_value:
        try:
            records = [json.loads(line) for line in text.split("\n") if line.strip()]
        except json.JSONDecodeError:
            raise ValueError(
                f"{name} is neither JSON lines nor a list of records in JSON: {not_one_value}."
            ) from not_one_value
    if not all(isinstance(record, dict) for record in records):
        raise ValueError(f"{name} is JSON, but no list of records: give one object for each row.")
    return pd.json_normalize(records)


def _records(value: Any) -> list:
    """Return the rows in a JSON value; what is no table gives rows that are no objects."""
    if isinstance(value, list):
        return value
    columns = list(value.values())
    lists = [column for column in columns if isinstance(column, list) and column]
    tables = [rows for rows in lists if all(isinstance(row, dict) for row in rows)]
    if len(tables) == 1:
        return tables[0]
    if len(lists) == len(columns) and len({len(column) for column in columns}) == 1:
        return [dict(zip(value, row)) for row in zip(*columns)]
    is_row = not any(isinstance(column, dict | list) for column in columns)
    return [value] if is_row else [columns]


def is_json(text: str) -> bool:
    """Return whether a text begins as JSON lines or a list of records do."""
    start = text.lstrip()[:100].replace(" ", "").replace("\n", "")
    return start.startswith(('{"', "{}", '[{"', "[]"))
