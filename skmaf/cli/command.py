"""The command line: which form of the command is meant, and its errors as one line."""

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from .. import __version__
from .options import add_contamination, add_reading_options

# of each subcommand its module here, and what it does
SUBCOMMANDS = {
    "fit": ("fit", "learn the density of a table, or what its outliers are, and keep it in a file"),
    "score": ("score", "log-densities of the rows of a table; outlier scores and p-values"),
    "detect": ("detect", "the outliers of a table, and why they are such"),
    "sample": ("sample", "rows like those of the table"),
    "impute": ("impute", "a table with its missing cells filled"),
    "report": ("report_page", "what was found in a table, as one HTML page"),
}
EXIT_CODES = """\
exit codes:
  0  done
  2  an error, which is said in one line on stderr
  130  interrupted; no file is left half written
  141  whatever read the output has gone, as head does
"""
DESCRIPTION = """\
Fit the density of a table; print its held-out log-likelihood, its most anomalous rows with \
the reasons, and
a few fresh rows; write the scores of each row to TABLE.scores.csv. Without TABLE: a table \
that scikit-learn ships.

Subcommands do one thing each: skmaf SUBCOMMAND --help
"""
EXAMPLES = """\
examples:
  skmaf                                   breast cancer table, benign rows as the normal ones
  skmaf TABLE.csv                         your table; scores go to TABLE.scores.csv
  skmaf TABLE.csv --label fraud           fit the rows with fraud = 0, and measure how well \
the others are found
  skmaf TABLE.csv --contamination 0.01    call the lowest 1% of the rows outliers
  skmaf TABLE.csv --drop id --missing 9999 --kind zip=categorical
  skmaf ./fit                             a table whose name is that of a subcommand

The table is CSV or a relative of it, Parquet, a spreadsheet (.xlsx, .xls, .ods) or JSON lines, \
perhaps packed.
Its form is found out, and said in a line or two; the options for reading overrule that. Words \
are categories,
and cells may be empty. A first column without a name, or of identifiers, names the rows.
One tenth of the rows is held out from the fit; with --label, half of the normal rows. Training ends
sooner than in Python where it would take over a minute.

"""
GONE = 141  # as of a program that SIGPIPE has ended


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command, and return its exit code; an error is one line on stderr."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        if arguments and arguments[0] in SUBCOMMANDS:
            _run_subcommand(*arguments)
        else:
            args = make_parser().parse_args(arguments)
            from .analysis import run  # slow, and nothing that --help needs

            run(args)
        sys.stdout.flush()
    except BrokenPipeError:
        # what is left in the buffer of stdout would fail again when Python ends
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return GONE
    except OSError as error:
        problem = f"{error.filename or 'output'}: {error.strerror or error}"
        if arguments[:1] == [str(error.filename)] and "." not in arguments[0]:
            problem += f"; subcommands are {', '.join(SUBCOMMANDS)}"
        print(f"skmaf: {problem}", file=sys.stderr)
        return 2
    except ValueError as error:
        print("skmaf:", " ".join(str(error).split()), file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("skmaf: interrupted", file=sys.stderr)
        return 130
    return 0


def _run_subcommand(name: str, *arguments: str) -> None:
    module_name, summary = SUBCOMMANDS[name]
    module = import_module(f".{module_name}", __package__)
    parser = argparse.ArgumentParser(
        prog=f"skmaf {name}",
        description=f"{summary[0].upper()}{summary[1:]}.\n\n{module.DESCRIPTION}",
        epilog=f"{module.EXAMPLES}\n{EXIT_CODES}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    module.add_arguments(parser)
    # options may stand between the files
    module.run(parser.parse_intermixed_args(arguments))


def make_parser() -> argparse.ArgumentParser:
    """The parser of the form without a subcommand."""
    listed = [f"  {name:9}{summary}" for name, (_, summary) in SUBCOMMANDS.items()]
    parser = argparse.ArgumentParser(
        prog="skmaf",
        description="\n".join([DESCRIPTION, "subcommands:", *listed]),
        epilog=EXAMPLES + EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        usage="skmaf [TABLE] [options]\n       skmaf SUBCOMMAND ...",
    )
    add = parser.add_argument
    add("table", nargs="?", type=Path, metavar="TABLE", help="file, or - for standard input")
    add(
        "--label",
        metavar="COLUMN",
        help="two-valued column, not modelled; rows with 0, or else the majority, are normal",
    )
    add_contamination(parser)
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
