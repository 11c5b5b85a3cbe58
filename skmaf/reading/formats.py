"""Parquet, spreadsheets and JSON: to frames, or to text that is read as any other."""

import csv
import io
import json
from typing import Any

import pandas as pd

from .sources import optional


def read_parquet(data: bytes, name: str) -> pd.DataFrame:
    """Return the frame of a Parquet file."""
    optional("pyarrow", "pyarrow", f"{name}, a Parquet file,")
    return pd.read_parquet(io.BytesIO(data))


def workbook_text(data: bytes, name: str, sheet: str | int) -> str:
    """Return a sheet of a spreadsheet as lines of cells with commas between them."""
    optional("python_calamine", "python-calamine", f"{name}, a spreadsheet,")
    with pd.ExcelFile(io.BytesIO(data), engine="calamine") as workbook:
        if sheet not in (*workbook.sheet_names, *range(len(workbook.sheet_names))):
            raise ValueError(
                f"{name} has no sheet {sheet!r}; its sheets are "
                f"{', '.join(map(str, workbook.sheet_names))}."
            )
        options = {"header": None, "keep_default_na": False, "na_values": [""]}
        cells = pd.read_excel(workbook, sheet_name=sheet, **options)
    lines = io.StringIO()
    writer = csv.writer(lines, lineterminator="\n")
    writer.writerows([_cell_text(cell) for cell in row] for row in cells.to_numpy(object))
    return lines.getvalue()


def _cell_text(cell: Any) -> str:
    if pd.isna(cell):
        return ""
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))  # to a spreadsheet all numbers are floats
    return str(cell).removesuffix(" 00:00:00")


def read_json(text: str, name: str) -> pd.DataFrame:
    """Return the frame of JSON lines, or of a list of records; objects inside become columns."""
    try:
        if text.lstrip().startswith("["):
            records = json.loads(text)
        else:
            records = [json.loads(line) for line in text.split("\n") if line.strip()]
    except json.JSONDecodeError as error:
        raise ValueError(
            f"{name} is neither JSON lines nor a list of records in JSON: {error}."
        ) from error
    if not all(isinstance(record, dict) for record in records):
        raise ValueError(f"{name} is JSON, but no list of records: give one object for each row.")
    return pd.json_normalize(records)


def is_json(text: str) -> bool:
    """Return whether a text begins as JSON lines or a list of records do."""
    start = text.lstrip()[:100].replace(" ", "").replace("\n", "")
    return start.startswith(('{"', "{}", '[{"', "[]"))
