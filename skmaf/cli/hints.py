"""What to try next: commands with the names that the user has given."""

import argparse
import shlex
import sys
from pathlib import Path

from .files import beside
from .model import SUFFIX
from .options import reading_words

LONGEST = 100  # characters of a line
IN_PYTHON = """\
In Python
  from skmaf import MAFDensity
  density = MAFDensity().fit(X)
  density.score(X_test)         held-out log-likelihood: compare models by it, on the same rows
  density.sample(1000)          fresh rows
  from skmaf import DensityOutlierDetector
  detector = DensityOutlierDetector().fit(X)
  detector.p_values(X_new)      how often a normal row looks as odd; select(X_new) picks by them
  detector.explain(X_new)       the few cells that make a row unlikely, and how much"""


def after_report(args: argparse.Namespace) -> str:
    """What to try after the form without a subcommand."""
    if args.table is None or str(args.table) == "-":
        hints = {command("TABLE.csv"): "the same for your own table; --help lists the options"}
    else:
        model = beside(args.table, SUFFIX)
        words = reading_words(args, *([] if args.label is None else [args.label]))
        hints = {
            command("fit", args.table, *words, "-o", model): "keep the density of all rows",
            command("sample", model, "-n", 1000): "rows like those of the table",
            command("detect", args.table, *words): "all outliers, with the reasons",
        }
    return "\n".join(["What to try next", *hint_lines(hints), IN_PYTHON])


def after_fit(model: Path, kind: str) -> str:
    """What to try with a model that has just been saved."""
    if kind == "detector":
        hints = {
            command("detect", model, "NEW.csv"): "the outliers of a table, and why",
            command("score", model, "NEW.csv"): "score and p-value of each row",
        }
    elif kind == "conditional density":
        hints = {command("score", model, "NEW.csv"): "what to expect of the target, row by row"}
    else:
        hints = {
            command("score", model, "NEW.csv"): "log-density of each row",
            command("sample", model, "-n", 1000): "rows like those of the table",
            command("impute", model, "NEW.csv"): "the table with its missing cells filled",
        }
    return "\n".join(["What to try next", *hint_lines(hints)])


def command(*words: object) -> str:
    """A command as it is typed in a shell, by the name by which this one was called."""
    is_module = Path(sys.argv[0]).name == "__main__.py"
    return f"{'python -m skmaf' if is_module else 'skmaf'} {shlex.join(map(str, words))}"


def hint_lines(hints: dict[str, str]) -> list[str]:
    """Commands, each with what it does beside it, or below where there is no room."""
    width = max(map(len, hints))
    if width + max(map(len, hints.values())) + 6 <= LONGEST:
        return [f"  {text:{width}}   {meaning}" for text, meaning in hints.items()]
    return [line for text, meaning in hints.items() for line in (f"  {text}", f"      {meaning}")]
