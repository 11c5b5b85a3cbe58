"""Where the result of a run goes: rows to a file or to stdout, or all of it as one JSON object."""

import argparse
import io
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import pandas as pd

from ..persistence.files import open_whole
from ..reading.sources import optional
from .files import check_output

STDOUT = Path("-")
CSV = {".csv", ".txt", ""}
PARQUET = {".parquet", ".pq"}

Write = Callable[[pd.DataFrame], None]


def check_rows_output(args: argparse.Namespace) -> None:
    """Refuse before the work what could not be written after it."""
    if args.output == STDOUT:
        return
    suffix = args.output.suffix.lower()
    if suffix not in CSV | PARQUET:
        raise ValueError(
            f"{args.output}: rows are written to .csv or .parquet; choose such an --output."
        )
    if suffix in PARQUET:
        optional("pyarrow", "pyarrow", f"{args.output}, a Parquet file,")
    source = getattr(args, "table", None)
    check_output(args.output, source, args.force)


class Result:
    """The rows that a run gives, as they come, and what there is to say of them.

    Parameters
    ----------
    args : Namespace
        Says where the rows go, and whether the result is to be JSON.

    Attributes
    ----------
    rows : list of dict
        Those that go into the JSON.
    """

    def __init__(self, args: argparse.Namespace) -> None:
        self._args = args
        self.rows: list[dict] = []

    @property
    def is_text(self) -> bool:
        """Whether rows are written as text."""
        is_csv = self._args.output.suffix.lower() in CSV
        return is_csv and not (self._args.json and self._args.output == STDOUT)

    @contextmanager
    def open(self) -> Iterator[Write]:
        """Give a function that writes rows; a file is there once all of them are written."""
        output = self._args.output
        if output != STDOUT:
            write_to = _parquet if output.suffix.lower() in PARQUET else _csv_file
            with _opened(output) as file, write_to(file) as write:
                yield write
        elif self._args.json:
            yield lambda rows: self.rows.extend(as_records(rows))
        else:
            yield _csv(sys.stdout)

    def finish(self, summary: dict[str, Any], notes: list[str]) -> None:
        """Print JSON if it is to be printed: the summary, and the rows that no file has."""
        if not self._args.json:
            return
        output = self._args.output
        place = {"rows": self.rows} if output == STDOUT else {"output": str(output)}
        print_json({**summary, "notes": notes, **place})


@contextmanager
def _opened(output: Path) -> Iterator[Any]:
    """Open a file that is replaced as a whole, or what is no file, such as a pipe."""
    if output.exists() and not output.is_file():
        with open(output, "wb") as stream:
            yield stream
        return
    with open_whole(output) as file:
        yield file


@contextmanager
def _csv_file(file: Any) -> Iterator[Write]:
    text = io.TextIOWrapper(file, "utf-8", newline="")
    try:
        yield _csv(text)
        text.flush()
    finally:
        text.detach()


def _csv(stream: TextIO) -> Write:
    has_header = False

    def write(rows: pd.DataFrame) -> None:
        nonlocal has_header
        rows.to_csv(stream, index=False, header=not has_header, lineterminator="\n")
        has_header = True

    return write


@contextmanager
def _parquet(file: Any) -> Iterator[Write]:
    import pyarrow
    import pyarrow.parquet

    writers: list[Any] = []

    def write(rows: pd.DataFrame) -> None:
        schema = writers[0].schema if writers else None
        table = pyarrow.Table.from_pandas(rows, schema, preserve_index=False)
        if not writers:
            table = table.cast(_without_null_types(table.schema))
            writers.append(pyarrow.parquet.ParquetWriter(file, table.schema))
        writers[0].write_table(table)

    try:
        yield write
    finally:
        for writer in writers:
            writer.close()


def _without_null_types(schema: Any) -> Any:
    """Return a schema in which a column that has no values yet may get text."""
    import pyarrow

    fields = [
        pyarrow.field(each.name, pyarrow.string()) if pyarrow.types.is_null(each.type) else each
        for each in schema
    ]
    return pyarrow.schema(fields, schema.metadata)


def as_records(rows: pd.DataFrame) -> list[dict]:
    """Rows as objects of JSON."""
    columns = {str(name): [as_json(cell) for cell in column] for name, column in rows.items()}
    return [dict(zip(columns, cells)) for cells in zip(*columns.values())]


def as_json(cell: Any) -> Any:
    """A cell as JSON has it: null where it is missing, or no finite number."""
    if pd.isna(cell):
        return None
    if isinstance(cell, np.generic):
        cell = cell.item()
    if isinstance(cell, float):
        return cell if np.isfinite(cell) else None
    return cell if isinstance(cell, bool | int | str) else str(cell)


def print_json(value: dict[str, Any]) -> None:
    """Print a value on stdout."""
    json.dump(value, sys.stdout, ensure_ascii=False, allow_nan=False)
    sys.stdout.write("\n")
