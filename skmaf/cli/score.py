"""`skmaf score`: what a model says of each row of a table."""

import argparse

from .options import add_common, add_form_options, add_model, add_output, add_table

DESCRIPTION = """\
A density gives log_density, in nats. A detector gives score (the log-density by what has not seen
the row), p_value (how often a normal row looks as odd) and outlier (1 for those below the
threshold). A density of a target gives log_density where the target is known, its mean, and low
and high, between which it is in 90% of such rows. Tables are read as that of the fit was, and in
blocks, if they are text or Parquet: they may be larger than memory. The first column names the
row, or is its number in the file, from 0.
"""
EXAMPLES = """\
examples:
  skmaf score TABLE.skmaf NEW.csv -o NEW.scores.csv
  skmaf score TABLE.skmaf NEW.parquet -o NEW.scores.parquet
  zcat NEW.csv.gz | skmaf score TABLE.skmaf - | sort -t , -g -k 2 | head
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    add_model(parser)
    add_table(parser)
    add_output(parser, "where the scores go, as .csv or .parquet (standard output, as CSV)")
    add_common(parser)
    add_form_options(parser)


def run(args: argparse.Namespace) -> None:
    """Score the rows as they are read."""
    from ..reading.sources import source_of
    from .messages import Messages
    from .model import load_model
    from .output import Result, as_json, check_rows_output
    from .rows import read_rows
    from .scoring import Scorer

    check_rows_output(args)
    messages = Messages(args.quiet)
    with messages.of_warnings():
        scorer = Scorer(load_model(args.model))
    result = Result(args)
    with result.open() as write:
        for rows in read_rows(scorer.model, source_of(args.table), args, messages, "Scored"):
            write(scorer.scores(rows))
    scorer.report(messages)
    messages.say(scorer.summary)
    summary = {
        "n_rows": scorer.n_rows,
        "n_scored": scorer.n_scored,
        "mean": as_json(scorer.mean),
    }
    result.finish(summary, messages.notes)
