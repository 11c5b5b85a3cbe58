"""Models of a table: fitted as in Python, to all rows of the columns that say something."""

import argparse
import signal
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pandas as pd

from .._interrupts import interrupts_end_fits
from ..conditional import ConditionalMAFDensity
from ..density import MAFDensity
from ..outlier import DensityOutlierDetector
from ..reading.sources import Source
from .files import Table, listing, load_rows
from .large import is_large, open_large
from .messages import Messages
from .model import Model, load_model
from .options import kinds_of, reading_options
from .report import is_amount

N_JOBS = 2  # of the detector, which has no use for more


def given_or_fitted(
    fit: Callable[[Source, argparse.Namespace, Messages], Model],
    source: Source,
    args: argparse.Namespace,
    messages: Messages,
) -> Model:
    """Return the model of a file, or where none is given one that is fitted to the table."""
    if args.model is None:
        return fit(source, args, messages)
    with messages.of_warnings():
        return load_model(args.model)


def fit_density(source: Source, args: argparse.Namespace, messages: Messages) -> Model:
    """Fit a density to a table."""
    if is_large(source):
        with open_large(source, args) as (rows, table):
            return _fitted(_density(args, table, messages), table, messages, rows)
    table = load_rows(source, reading_options(args))
    return _fitted(_density(args, table, messages), table, messages, table.X)


def _density(args: argparse.Namespace, table: Table, messages: Messages) -> MAFDensity:
    return MAFDensity(
        column_kinds=kinds_of(args, table.X),
        random_state=args.seed,
        verbose=messages.shows_progress,
    )


def fit_detector(source: Source, args: argparse.Namespace, messages: Messages) -> Model:
    """Fit an outlier detector to a table."""
    table = load_rows(source, reading_options(args))
    estimator = DensityOutlierDetector(
        contamination="auto" if args.contamination is None else args.contamination,
        n_jobs=N_JOBS,
        random_state=args.seed,
        verbose=messages.shows_progress,
    )
    return _fitted(estimator, table, messages, table.X)


def fit_conditional(source: Source, args: argparse.Namespace, messages: Messages) -> Model:
    """Fit the density of one column of a table, given the others."""
    table = load_rows(source, reading_options(args, args.target))
    if args.target not in table.X:
        raise ValueError(
            f"{source.name} has no column {args.target!r} to be a target; there are "
            f"{listing(table.X, 10)}."
        )
    if not is_amount(table.X[args.target]):
        raise ValueError(f"the target {args.target!r} must hold numbers.")
    is_there = table.X[args.target].notna()
    if not is_there.all():
        n_left_out = int((~is_there).sum())
        table.notes.append(f"{n_left_out:,} rows are left out: their {args.target} is missing.")
    X = table.X[is_there]
    y = X[args.target]
    X = X.drop(columns=args.target)
    kinds = {name: kind for name, kind in kinds_of(args, table.X).items() if kind != "grid"}
    estimator = ConditionalMAFDensity(
        column_kinds=kinds, random_state=args.seed, verbose=messages.shows_progress
    )
    return _fitted(estimator, table, messages, X, y)


def _fitted(
    estimator: Any, table: Table, messages: Messages, X: Any, y: pd.Series | None = None
) -> Model:
    """Fit an estimator to the rows of a table, and say what there is to know of them."""
    names = listing(table.X.columns)
    messages.note_all(table.notes)
    n_rows = len(X) if isinstance(X, pd.DataFrame) else X.count_rows()
    messages.say(f"Fitting to {n_rows:,} rows of {table.X.shape[1]:,} columns: {names}")
    with messages.of_warnings(), stopped_by_interrupts():
        warnings.filterwarnings("ignore", "Training reached max_iter")  # which is not the user's
        estimator.fit(X, y)
    estimator.set_params(verbose=False)
    return Model(
        table.title,
        estimator,
        table.conventions,
        table.row_names,
        None if table.names is None else str(table.names.name),
    )


@contextmanager
def stopped_by_interrupts() -> Iterator[None]:
    """Let Ctrl-C end a fit inside, which in Python would keep what it has learned so far."""
    came: list[int] = []

    def interrupt(number: int, frame: Any) -> None:
        came.append(number)
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, interrupt)
    try:
        with interrupts_end_fits():
            yield
    finally:
        signal.signal(signal.SIGINT, before)
    if came:
        raise KeyboardInterrupt
