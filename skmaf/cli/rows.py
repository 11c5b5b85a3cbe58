"""The rows of a table as a model takes them, a block at a time."""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from tqdm import tqdm

from ..reading.blocks import Block, open_table
from ..reading.conventions import Conventions
from ..reading.expected import ExpectedColumn
from ..reading.sources import Source
from .files import count_infinite, infinite_notes, listing
from .messages import Messages
from .model import Model
from .options import form_of, missing_cells

BLOCK_CELLS = 500_000
PATIENCE = 2  # seconds before a progress bar is shown


@dataclass
class Rows:
    """Some rows of a table.

    Attributes
    ----------
    names : Index
        Of the rows: identifiers, or without a name of its own their numbers in the file.
    cells : DataFrame
        All columns, as the file has them.
    is_text : bool
        Whether these cells are text with decimal points.
    X : DataFrame
        The columns of the model.
    y : Series or None
        The target of a conditional density, if the table has it.
    """

    names: pd.Index
    cells: pd.DataFrame
    is_text: bool
    X: pd.DataFrame
    y: pd.Series | None


def read_rows(
    model: Model, source: Source, args: argparse.Namespace, messages: Messages, done: str
) -> Iterator[Rows]:
    """Yield the rows of a table.

    Parameters
    ----------
    model : Model
    source : Source
    args : Namespace
        What the user says of the form of the file.
    messages : Messages
    done : str
        What happens to the rows, as the progress bar says it.

    Raises
    ------
    ValueError
        If the table has not the columns of the model, or no row.
    """
    expected = model.expected_columns()
    form = form_of(args)
    conventions = _overruled(model, args)
    known = list(expected)
    n_read = 0
    n_infinite: Any = 0
    with (
        open_table(source, conventions, known, BLOCK_CELLS, form, args.encoding) as table,
        tqdm(desc=done, unit=" rows", delay=PATIENCE, disable=not messages.shows_progress) as bar,
    ):
        _refuse_lacking(model, source, table.names)
        if model.target in table.names:
            expected = {**expected, str(model.target): ExpectedColumn("numbers")}
        try:
            for block in table.blocks(expected, conventions):
                n_read += len(block.cells)
                n_infinite = n_infinite + count_infinite(block.values)
                bar.update(len(block.cells))
                if len(block.cells):
                    yield _rows(model, block, table.decimal == ".")
        except ValueError as error:
            raise ValueError(_with_name(source, error)) from error
        messages.note_all(table.notes)
    if n_read == 0:
        raise ValueError(f"{source.name} has no row.")
    messages.note_all(infinite_notes(n_infinite, n_read))


def _with_name(source: Source, error: ValueError) -> str:
    text = str(error)
    return text if text.startswith(source.name) else f"{source.name}: {text}"


def _overruled(model: Model, args: argparse.Namespace) -> Conventions:
    """Return how to read a table: as that of the model, but for what the user says."""
    conventions = model.conventions
    missing = missing_cells(args.missing)
    names = [*model.columns, *([model.target] if model.target else [])]
    declared = missing if isinstance(missing, dict) else dict.fromkeys(names, missing)
    together = {
        name: [*conventions.missing.get(name, []), *declared.get(name, [])]
        for name in {*conventions.missing, *declared}
    }
    sheet = args.sheet or conventions.sheet
    return replace(conventions, missing=together, sheet=sheet)


def _refuse_lacking(model: Model, source: Source, names: list[str]) -> None:
    lacking = [name for name in model.columns if name not in names]
    if lacking:
        columns = "the column" if len(lacking) == 1 else "the columns"
        raise ValueError(
            f"{source.name} lacks {columns} {listing(map(repr, lacking))} of {model.name}; it has "
            f"{listing(names, 10)}. Give the table that the model is of."
        )


def _rows(model: Model, block: Block, is_text: bool) -> Rows:
    values = block.values.replace([np.inf, -np.inf], np.nan)
    y = values.get(model.target)
    return Rows(_names_of(model, block), block.cells, is_text, values[model.columns], y)


def _names_of(model: Model, block: Block) -> pd.Index:
    """Return the names of rows; those that are written as whole numbers are such."""
    names: pd.Index = block.cells.index
    if model.row_names in block.cells:
        names = pd.Index(block.cells[model.row_names])
    if pd.api.types.is_integer_dtype(names):
        return names
    cells = [int(name) if isinstance(name, str) and name.isdecimal() else name for name in names]
    return pd.Index(cells, dtype=object, name=names.name)
