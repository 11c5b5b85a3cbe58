"""Parquet files that are too large to be read into memory for a fit."""

from pathlib import Path
from typing import Any

from ..reading.conventions import Conventions
from ..reading.formats import is_parquet
from ..reading.sources import Source, optional
from ..reading.tables import select_columns
from ..table.streams import SAMPLE_ROWS, STREAM_BYTES
from .files import Table, as_rows


def is_large(source: Source) -> bool:
    """Return whether a table is a file that a density is to read in blocks, twice."""
    path = Path(source.name)
    if not path.is_file() or not is_parquet(source):
        return False
    parquet: Any = optional("pyarrow.parquet", "pyarrow", f"{source.name}, a Parquet file,")
    try:
        metadata = parquet.read_metadata(path)
    except ValueError:  # packed
        return False
    return metadata.num_rows * metadata.num_columns * 8 >= STREAM_BYTES


def load_large(source: Source, options: dict[str, Any]) -> tuple[Any, Table]:
    """Return a dataset of the columns that a density can use, and its first rows as a table.

    Which columns say something is found from these rows; cells are what the file says they are.
    """
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
