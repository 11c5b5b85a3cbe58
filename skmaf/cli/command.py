"""The `skmaf` command: the density of a table, its anomalous rows and fresh ones, in one report."""

import argparse
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.model_selection import train_test_split

from .. import __version__
from ..density import MAFDensity
from ..outlier import DensityOutlierDetector
from .files import (
    MIN_ROWS,
    Scores,
    Table,
    check_output,
    example_table,
    read_table,
    write_scores,
)
from .report import (
    NEXT,
    drawn_text,
    header_text,
    lowest_rows,
    quality_text,
    reason_texts,
    top_text,
)

N_DRAWN = 5

DESCRIPTION = """\
Fit the density of a table; print its held-out log-likelihood, its most anomalous rows with \
the reasons, and
a few fresh rows; write the scores of each row to TABLE.scores.csv. Without TABLE: a table \
that scikit-learn ships.
"""
EXAMPLES = """\
examples:
  skmaf                                   breast cancer table, benign rows as the normal ones
  skmaf TABLE.csv                         your table; scores go to TABLE.scores.csv
  skmaf TABLE.csv --label fraud           fit the rows with fraud = 0, and measure how well \
the others are found
  skmaf TABLE.csv --contamination 0.01    call the lowest 1% of the training rows outliers

The table has a header line, and commas, semicolons or tabs between cells; words are categories, \
and cells
may be empty. A first column without a name names the rows. One tenth of the rows is held out \
from the
fit; with --label, half of the normal rows.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command, and return its exit code.

    That is 2 after an error, which is one line on stderr, and 130 after an interrupt.
    """
    args = make_parser().parse_args(argv)
    try:
        run(args)
    except OSError as error:
        print(f"skmaf: {error.filename or 'output'}: {error.strerror or error}", file=sys.stderr)
        return 2
    except ValueError as error:
        print("skmaf:", " ".join(str(error).split()), file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("skmaf: interrupted", file=sys.stderr)
        return 130
    return 0


def make_parser() -> argparse.ArgumentParser:
    """The parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="skmaf",
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("table", nargs="?", type=Path, metavar="TABLE", help="CSV file with a header line")
    add(
        "--label",
        metavar="COLUMN",
        help="two-valued column, not modelled; rows with 0, or else the majority, are normal",
    )
    add(
        "--contamination",
        type=float,
        metavar="SHARE",
        help="share of the fitted rows to call outliers; without it, those that 5%% of normal "
        "rows would not reach",
    )
    add("--top", type=int, default=10, metavar="N", help="how many anomalous rows to print (10)")
    add("--seed", type=int, default=0, help="seed of all draws (0)")
    add("--output", type=Path, metavar="FILE", help="where the scores go (TABLE.scores.csv)")
    add("--force", action="store_true", help="overwrite the scores of an earlier run")
    add("--version", action="version", version=f"skmaf {__version__}")
    return parser


def run(args: argparse.Namespace) -> None:
    """Read the table, fit, write the scores and print the report."""
    table, output = read(args)
    train, held_out = split(table, args.seed)
    print(header_text(table, len(train)), flush=True)
    fitted = table.X.iloc[train]
    density, detector, messages = fit(fitted, args)
    scores = Scores(
        log_density=density.score_samples(table.X),
        score=detector.score_samples(table.X),
        p_value=detector.p_values(table.X),
        threshold=detector.offset_,
    )
    for message in messages:
        print(f"Note: {message}")
    print("\n" + quality_text(table, scores, train, held_out))
    if output is not None:
        write_scores(output, table, scores, args.force)
        print(f"Scores                   {output}")
    drawn = density.sample(N_DRAWN, random_state=args.seed)
    lowest = lowest_rows(scores.score, args.top)
    top = top_text(table, scores, lowest, reasons(detector, table.X.iloc[lowest]))
    print("", top, "", drawn_text(fitted, drawn), "", NEXT, sep="\n")


def read(args: argparse.Namespace) -> tuple[Table, Path | None]:
    """Check the options; return the table, and the file for its scores, if there is to be one."""
    if args.label is not None and args.table is None:
        raise ValueError("--label needs a TABLE.")
    for name in ("top", "seed"):
        if getattr(args, name) < 0:
            raise ValueError(f"--{name} must be 0 or more, got {getattr(args, name)}.")
    output = args.output
    if args.table is None:
        table = example_table()
    else:
        table = read_table(args.table, args.label)
        output = output or args.table.with_suffix(".scores.csv")
    if output is not None:
        check_output(output, args.table, args.force)
    return table, output


def split(table: Table, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Positions of the rows to fit, and of normal rows held out from the fit."""
    if table.labels is None:
        normal = np.arange(len(table.X))
        share = 0.1
    else:
        normal = np.flatnonzero(table.labels == table.normal)
        share = 0.5
    if len(normal) < MIN_ROWS:
        raise ValueError(
            f"too few rows to fit: {len(normal)}; a density needs {MIN_ROWS} at the very least."
        )
    n_held_out = max(2, round(share * len(normal)))
    train, held_out = train_test_split(normal, test_size=n_held_out, random_state=seed)
    return train, held_out


def fit(
    X: pd.DataFrame, args: argparse.Namespace
) -> tuple[MAFDensity, DensityOutlierDetector, list[str]]:
    """Fit a density and an outlier detector to the rows; return them, and what they warned of."""
    density = MAFDensity(random_state=args.seed, verbose=True)
    detector = DensityOutlierDetector(
        contamination="auto" if args.contamination is None else args.contamination,
        random_state=args.seed,
        verbose=True,
    )
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        detector.fit(X)
        density.fit(X)
    return density, detector, [str(warning.message) for warning in caught]


def reasons(detector: DensityOutlierDetector, rows: pd.DataFrame) -> list[str]:
    """For each row, the cells that make it most unlikely."""
    if len(rows) == 0:
        return []
    return list(reason_texts(rows, *detector.counterfactuals(rows)))
