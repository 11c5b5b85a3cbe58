"""`skmaf sample`: rows like those of the table that a density was fitted to."""

import argparse

from .options import add_common, add_model, add_output, add_seed, parse_count

DESCRIPTION = """\
Rows have the columns of the table, and cells as it has them: its categories, dates in its format,
whole numbers, as many decimals, and missing cells as often. The same seed gives the same rows.
"""
EXAMPLES = """\
examples:
  skmaf sample TABLE.skmaf -n 1000 -o NEW.csv
  skmaf sample TABLE.skmaf -n 1000 --seed 7 -o NEW.parquet
  skmaf sample TABLE.skmaf | head -3
"""
CHUNK = 50_000  # rows that are drawn at a time


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    add_model(parser)
    parser.add_argument("-n", type=parse_count, default=100, metavar="N", help="rows (100)")
    parser.add_argument("--complete", action="store_true", help="leave no cell missing")
    add_output(parser, "where the rows go, as .csv or .parquet (standard output, as CSV)")
    add_seed(parser)
    add_common(parser)


def run(args: argparse.Namespace) -> None:
    """Draw rows, and write them as they come."""
    import numpy as np

    from .messages import Messages
    from .model import load_model
    from .output import Result, check_rows_output
    from .written import as_written

    check_rows_output(args)
    if args.n == 0:
        raise ValueError("-n must be 1 or more.")
    messages = Messages(args.quiet)
    with messages.of_warnings():
        model = load_model(args.model)
    model.refuse_unless("density", "skmaf fit TABLE -o MODEL")
    estimator = model.estimator.set_output(transform="pandas")
    # the first chunk is what Python draws with the seed
    seeds = np.random.SeedSequence(args.seed).generate_state(args.n // CHUNK + 1)
    result = Result(args)
    with result.open() as write:
        for k, start in enumerate(range(0, args.n, CHUNK)):
            seed = int(seeds[k]) if k else args.seed
            n_rows = min(CHUNK, args.n - start)
            drawn = estimator.sample(n_rows, random_state=seed, complete=args.complete)
            write(as_written(drawn, model))
    result.finish({"n_rows": args.n}, messages.notes)
