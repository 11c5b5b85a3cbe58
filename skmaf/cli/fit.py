"""`skmaf fit`: a density, or an outlier detector, of a table, kept in a file."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .options import (
    add_common,
    add_contamination,
    add_force,
    add_reading_options,
    add_seed,
    add_table,
)

if TYPE_CHECKING:
    from .model import Model

DESCRIPTION = """\
All rows are fitted, with the defaults that Python has. The file holds no code: skmaf.load reads it
in Python. How the table is written, which of its columns say something, and what stands for a
missing cell is kept, too, so that the other subcommands read tables in the same way. Ctrl-C ends
the fit, and no file is written.
"""
EXAMPLES = """\
examples:
  skmaf fit TABLE.csv -o TABLE.skmaf                 the density of the rows
  skmaf fit TABLE.csv -o TABLE.skmaf --detector      what outliers are; each row is judged by others
  skmaf fit TABLE.csv -o TABLE.skmaf --detector --contamination 0    all rows are normal
  skmaf fit TABLE.csv -o PRICE.skmaf --target price  the density of one column given the others
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    add_table(parser)
    add = parser.add_argument
    add("-o", "--output", type=Path, required=True, metavar="MODEL", help="file of the model")
    add_force(parser)
    what = parser.add_mutually_exclusive_group().add_argument
    what("--detector", action="store_true", help="a detector of outliers, not a density")
    what("--target", metavar="COLUMN", help="the density of this column, given the others")
    add_contamination(parser)
    add_seed(parser)
    add_common(parser)
    add_reading_options(parser)


def run(args: argparse.Namespace) -> None:
    """Fit the model, and write it."""
    from ..reading.sources import source_of
    from .files import check_output
    from .fitting import fit_conditional, fit_density, fit_detector
    from .hints import after_fit
    from .messages import Messages
    from .model import save_model
    from .output import print_json

    if args.contamination is not None and not args.detector:
        raise ValueError("--contamination is of a --detector.")
    if str(args.output) == "-":
        raise ValueError("a model goes to a file: give --output a name.")
    check_output(args.output, args.table, args.force)
    messages = Messages(args.quiet)
    fit = fit_detector if args.detector else fit_conditional if args.target else fit_density
    model = fit(source_of(args.table), args, messages)
    save_model(model, args.output)
    messages.say(f"{_quality(model)}\nSaved {args.output}\n\n{after_fit(args.output, model.kind)}")
    if args.json:
        print_json({"output": str(args.output), **_summary(model), "notes": messages.notes})


def _quality(model: "Model") -> str:
    """How good the model is, in words."""
    from .._text import number_text

    if model.kind == "detector":
        threshold = number_text(model.estimator.offset_)
        return f"Threshold  {threshold} nats; rows with a score below it are outliers"
    score = number_text(model.estimator.best_validation_score_)
    return f"Held-out log-likelihood  {score} nats per row"


def _summary(model: "Model") -> dict[str, Any]:
    estimator = model.estimator
    if model.kind == "detector":
        quality = {"threshold": estimator.offset_}
    else:
        quality = {"validation_score": estimator.best_validation_score_}
    target = {"target": model.target} if model.target else {}
    return {
        "estimator": type(estimator).__name__,
        "columns": model.columns,
        **target,
        **{name: float(value) for name, value in quality.items()},
    }
