"""`skmaf detect`: the outliers of a table, and why they are such."""

import argparse

from .options import (
    add_common,
    add_contamination,
    add_model,
    add_output,
    add_reading_options,
    add_seed,
    add_table,
    parse_count,
)

DESCRIPTION = """\
Without MODEL a detector is fitted to the table itself, of which each row is judged by the others.
Outliers are the rows with a score below the threshold of the detector, which 5% of normal rows
would not reach either, or the share that --contamination asked for. The p-value says how often a
normal row looks as odd; the reasons are the few cells that make the row unlikely, with what would
have been likely there. That there are outliers is no error: the exit code is 0.
"""
EXAMPLES = """\
examples:
  skmaf detect TABLE.csv                          the oddest rows of a table, with the reasons
  skmaf detect TABLE.csv --contamination 0.01 -o ODD.csv    the oddest 1% of its rows, to a file
  skmaf detect TABLE.skmaf NEW.csv                by a detector that skmaf fit --detector has kept
  skmaf detect TABLE.skmaf NEW.csv --json | jq .n_outliers
"""
SHOWN = 10  # outliers, in text


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    add_model(parser, is_optional=True)
    add_table(parser)
    add_output(parser, "where all outliers go, as .csv or .parquet (text on standard output)")
    parser.add_argument(
        "--top", type=parse_count, metavar="N", help=f"only the oddest N (of text, {SHOWN})"
    )
    add_contamination(parser)
    add_seed(parser)
    add_common(parser)
    add_reading_options(parser)


def run(args: argparse.Namespace) -> None:
    """Find the outliers, and print or write them."""
    from ..reading.sources import source_of
    from .fitting import fit_detector, given_or_fitted
    from .messages import Messages
    from .options import refuse_with_model
    from .outliers import find_outliers
    from .output import STDOUT, Result, as_json, check_rows_output

    refuse_with_model(args, "contamination")
    check_rows_output(args)
    messages = Messages(args.quiet)
    source = source_of(args.table)
    model = given_or_fitted(fit_detector, source, args, messages)
    model.refuse_unless("detector", "skmaf fit TABLE --detector -o MODEL")
    found = find_outliers(model, source, args, messages)
    is_text = args.output == STDOUT and not args.json
    top = SHOWN if is_text and args.top is None else args.top
    shown = found.oddest(top)
    if is_text:
        print(shown.text())
        return
    result = Result(args)
    if args.output == STDOUT:
        result.rows = shown.records()
    else:
        with result.open() as write:
            write(shown.table())
    summary = {
        "n_rows": found.n_rows,
        "n_outliers": found.n_outliers,
        "threshold": as_json(model.estimator.offset_),
    }
    result.finish(summary, messages.notes)
