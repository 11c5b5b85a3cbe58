"""`skmaf impute`: a table with its missing cells filled."""

import argparse

from .options import (
    add_common,
    add_model,
    add_output,
    add_reading_options,
    add_seed,
    add_table,
)

DESCRIPTION = """\
Missing cells are drawn from their density given the other cells of the row, and keep what holds in
every row of the table: sums, orders, columns that follow from others. All other cells stay as they
are written, and so do columns that the model does not know. Without MODEL a density is fitted to
the table itself. Text and Parquet are read in blocks: tables may be larger than memory.
"""
EXAMPLES = """\
examples:
  skmaf impute TABLE.csv -o FULL.csv               by the density of the table itself
  skmaf impute TABLE.skmaf NEW.csv -o FULL.csv     by one that skmaf fit has kept
  skmaf impute TABLE.skmaf NEW.csv --seed 1 -o FULL.1.csv    another draw
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    add_model(parser, is_optional=True)
    add_table(parser)
    add_output(parser, "where the table goes, as .csv or .parquet (standard output, as CSV)")
    add_seed(parser)
    add_common(parser)
    add_reading_options(parser)


def run(args: argparse.Namespace) -> None:
    """Fill the rows as they are read."""
    from ..reading.sources import source_of
    from .fitting import fit_density, given_or_fitted
    from .messages import Messages
    from .options import refuse_with_model
    from .output import Result, check_rows_output
    from .rows import read_rows
    from .written import Filler

    refuse_with_model(args)
    check_rows_output(args)
    messages = Messages(args.quiet)
    source = source_of(args.table)
    model = given_or_fitted(fit_density, source, args, messages)
    model.refuse_unless("density", "skmaf fit TABLE -o MODEL")
    result = Result(args)
    filler = Filler(model, args.seed, result.is_text)
    with result.open() as write:
        for rows in read_rows(model, source, args, messages, "Filled"):
            with messages.of_warnings():
                write(filler.filled(rows))
    messages.say(f"{filler.n_filled:,} missing cells filled in {filler.n_rows:,} rows")
    result.finish({"n_rows": filler.n_rows, "n_filled": filler.n_filled}, messages.notes)
