"""Files that are too large to be read into memory for the fit of a density."""

import argparse
import io
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..reading.blocks import open_table
from ..reading.conventions import Conventions
from ..reading.formats import is_json, is_parquet
from ..reading.sources import Source, is_workbook, optional
from ..reading.tables import select_columns
from ..table.codec import TableCodec
from ..table.streams import SAMPLE_ROWS, STREAM_BYTES
from .files import Table, as_rows, load_rows
from .model import expected_of
from .options import form_of, kinds_of, reading_options
from .rows import BLOCK_CELLS

HEAD_BYTES = 2**25  # of a text, from which its form and its columns are found


def is_large(source: Source) -> bool:
    """Return whether a table is a file that a density is to read in blocks, twice."""
    path = Path(source.name)
    if not path.is_file():
        return False
    if not is_parquet(source):
        is_text = not is_workbook(source) and not is_json(source.head().decode("latin-1"))
        return is_text and path.stat().st_size >= STREAM_BYTES
    try:
        metadata = _parquet(source).read_metadata(path)
    except ValueError:  # packed
        return False
    return metadata.num_rows * metadata.num_columns * 8 >= STREAM_BYTES


@contextmanager
def open_large(source: Source, args: argparse.Namespace) -> Iterator[tuple[Any, Table]]:
    """Give a dataset of the columns that a density can use, and its first rows as a table.

    Which columns say something is found from these rows. Of Parquet cells are what the file says
    they are. Text is read as its first rows are, and written to a Parquet file for the time being.
    """
    options = reading_options(args)
    if is_parquet(source):
        yield _parquet_dataset(source, options)
        return
    table = load_rows(Source(source.name, lambda: io.BytesIO(_first_lines(source))), options)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.parquet"
        _write_rows(source, args, table, path)
        dataset = optional("pyarrow.dataset", "pyarrow", f"{source.name}, which is large,")
        yield dataset.dataset(path), table


def _parquet(source: Source) -> Any:
    return optional("pyarrow.parquet", "pyarrow", f"{source.name}, a Parquet file,")


def _parquet_dataset(source: Source, options: dict[str, Any]) -> tuple[Any, Table]:
    import pyarrow
    import pyarrow.dataset

    if options["missing"]:
        raise ValueError(
            f"{source.name} is too large for --missing, since it is not read into memory: write "
            "these cells as null."
        )
    dataset = pyarrow.dataset.dataset(source.name)
    first = dataset.head(SAMPLE_ROWS).to_pandas().reset_index(drop=True)
    kinds = options["column_kinds"]
    frame = select_columns(first, options["only"], options["drop"], [*kinds])
    table = as_rows(frame, Conventions(), source.name, options)
    schema = pyarrow.schema([dataset.schema.field(name) for name in table.X])
    return dataset.replace_schema(schema), table


def _first_lines(source: Source) -> bytes:
    head = source.head(HEAD_BYTES)
    return head[: head.rfind(b"\n") + 1] if len(head) == HEAD_BYTES else head


def _write_rows(source: Source, args: argparse.Namespace, table: Table, path: Path) -> None:
    """Write the columns of a table in all rows of a text to a Parquet file, block by block."""
    parquet = optional("pyarrow.parquet", "pyarrow", f"{source.name}, which is large,")
    import pyarrow

    codec, _, _ = TableCodec.learn(table.X, kinds_of(args, table.X))
    names = list(table.X)
    expected = expected_of(codec, names)
    schema = _schema(table)
    texts = [field.name for field in schema if pyarrow.types.is_large_string(field.type)]
    opened = open_table(source, table.conventions, names, BLOCK_CELLS, form_of(args), args.encoding)
    with opened as rows, parquet.ParquetWriter(path, schema) as writer:
        for block in rows.blocks(expected, table.conventions):
            values = block.values[names].copy()
            for name in texts:
                values[name] = values[name].astype(object).map(str, na_action="ignore")
            writer.write_table(pyarrow.Table.from_pandas(values, schema, preserve_index=False))


def _schema(table: Table) -> Any:
    """Return types that hold all rows: later ones may have decimals, or cells that are missing."""
    import pyarrow

    schema = pyarrow.Schema.from_pandas(table.X, preserve_index=False)
    for i, field in enumerate(schema):
        if pyarrow.types.is_integer(field.type) or pyarrow.types.is_floating(field.type):
            schema = schema.set(i, pyarrow.field(field.name, pyarrow.float64()))
        elif pyarrow.types.is_dictionary(field.type) or pyarrow.types.is_null(field.type):
            schema = schema.set(i, pyarrow.field(field.name, pyarrow.large_string()))
    return schema
