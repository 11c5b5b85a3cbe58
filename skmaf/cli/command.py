"""The command line: its options, and its errors as one line."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from .. import __version__

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
  skmaf TABLE.csv --contamination 0.01    call the lowest 1% of the rows outliers

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
        from .analysis import run  # slow, and nothing that --help needs

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
        help="share of the rows to call outliers; without it, those that 5%% of normal rows would "
        "not reach",
    )
    add("--top", type=int, default=10, metavar="N", help="how many anomalous rows to print (10)")
    add("--seed", type=int, default=0, help="seed of all draws (0)")
    add("--output", type=Path, metavar="FILE", help="where the scores go (TABLE.scores.csv)")
    add("--force", action="store_true", help="overwrite the scores of an earlier run")
    add("--version", action="version", version=f"skmaf {__version__}")
    return parser
