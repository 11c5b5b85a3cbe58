"""The command line: its options, and its errors as one line."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from .. import __version__
from . import report_page

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
  skmaf report TABLE.csv                  all that was found, as one HTML page; it has a --help
  skmaf TABLE.csv --drop id --missing 9999 --kind zip=categorical

The table is CSV or a relative of it, Parquet, a spreadsheet (.xlsx, .xls, .ods) or JSON lines, \
perhaps packed.
Its form is found out, and said in a line or two; the options for reading overrule that. Words \
are categories,
and cells may be empty. A first column without a name, or of identifiers, names the rows.
One tenth of the rows is held out from the fit; with --label, half of the normal rows. Training ends
sooner than in Python where it would take over a minute.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command, and return its exit code.

    That is 2 after an error, which is one line on stderr, and 130 after an interrupt.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    is_report = words[:1] == ["report"]
    parser = make_report_parser() if is_report else make_parser()
    args = parser.parse_args(words[is_report:])
    try:
        if is_report:
            report_page.run(args)
        else:
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
    add("table", nargs="?", type=Path, metavar="TABLE", help="file, or - for standard input")
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
    add(
        "--top",
        type=int,
        metavar="N",
        help="how many anomalous rows to print (10; a fifth of under 50, but 3 at least)",
    )
    add("--seed", type=int, default=0, help="seed of all draws (0)")
    add("--output", type=Path, metavar="FILE", help="where the scores go (TABLE.scores.csv)")
    add("--force", action="store_true", help="overwrite the scores of an earlier run")
    add("--version", action="version", version=f"skmaf {__version__}")
    add_reading_options(parser)
    return parser


def make_report_parser() -> argparse.ArgumentParser:
    """The parser of `skmaf report`."""
    parser = argparse.ArgumentParser(prog="skmaf report", description=report_page.DESCRIPTION)
    report_page.add_arguments(parser)
    add_reading_options(parser)
    return parser


def add_reading_options(parser: argparse.ArgumentParser) -> None:
    """Add what overrules the reader: parameters of `skmaf.read_table`."""
    add = parser.add_argument_group("reading").add_argument
    add("--drop", nargs="+", default=[], metavar="COLUMN", help="columns to leave out")
    add("--only", nargs="+", metavar="COLUMN", help="the columns to use")
    add(
        "--kind",
        action="append",
        default=[],
        type=parse_kind,
        metavar="COLUMN=KIND",
        help="what a column is: continuous, grid, categorical, heavy-tailed, or bounds such as 0:1",
    )
    add(
        "--missing",
        action="append",
        default=[],
        type=parse_missing,
        metavar="[COLUMN=]TEXT",
        help="what else stands for a missing cell, such as 9999",
    )
    add("--separator", metavar="SIGN", help="what divides cells; ' ' is any number of blanks")
    add("--decimal", choices=[".", ","], help="what marks decimals")
    add("--encoding", metavar="NAME", help="of the text, such as latin-1")
    add("--header", type=int, metavar="N", help="how many lines hold the names of the columns")
    add("--skip", type=int, metavar="N", help="how many lines above them are no part of the table")
    add("--footer", type=int, metavar="N", help="how many lines at the end are none")
    add("--sheet", default=0, metavar="NAME", help="sheet of a spreadsheet (the first)")


def parse_kind(text: str) -> tuple[str, str | tuple[float | None, float | None]]:
    """The name of a column and its kind, or the bounds of its numbers."""
    name, sign, kind = text.rpartition("=")
    if not sign:
        raise argparse.ArgumentTypeError(f"{text!r} is not COLUMN=KIND")
    low, colon, high = kind.partition(":")
    if not colon:
        return name, kind
    try:
        return name, (float(low) if low else None, float(high) if high else None)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{kind!r} is not LOW:HIGH") from error


def parse_missing(text: str) -> tuple[str | None, str]:
    """The name of a column, None for all, and what stands for a missing cell there."""
    name, sign, cell = text.rpartition("=")
    return (name, cell) if sign else (None, text)
