"""`skmaf report TABLE`: what was found in a table and its fit, as one HTML page."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .options import (
    FORM,
    add_force,
    add_reading_options,
    missing_cells,
    reading_options,
    reading_words,
)

if TYPE_CHECKING:
    from .files import Table

DESCRIPTION = """\
The density of the table is fitted, and its anomalies looked for. The page, TABLE.report.html, needs
no network. Without TABLE: a table that scikit-learn ships.
"""
EXAMPLES = """\
examples:
  skmaf report TABLE.csv                  the page goes to TABLE.report.html
  skmaf report TABLE.csv --label fraud    fit the rows with fraud = 0, and look for the others
"""
EXAMPLE_OUTPUT = Path("breast_cancer.report.html")
MOST_NAMED = 40  # columns in the lines of Python


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    add = parser.add_argument
    add("table", nargs="?", type=Path, metavar="TABLE", help="file, or - for standard input")
    add(
        "--label",
        metavar="COLUMN",
        help="two-valued column, not modelled; rows with 0, or else the majority, are normal",
    )
    add("--output", type=Path, metavar="FILE", help="where the page goes (TABLE.report.html)")
    add_force(parser)
    add("--seed", type=int, default=0, help="seed of all draws (0)")
    parser.set_defaults(contamination=None)
    add_reading_options(parser)


def run(args: argparse.Namespace) -> None:
    """Read the table, fit, and write the page."""
    from time import perf_counter

    from ..report import Run, report_page
    from .analysis import fit, split
    from .report import header_text

    table, output = read(args)
    train, held_out = split(table, args.seed)
    print(header_text(table, len(train)), flush=True)
    start = perf_counter()
    density, detector, messages = fit(table, train, args)
    seconds = perf_counter() - start
    page = report_page(
        Run(
            title="standard input" if str(args.table) == "-" else table.title,
            X=table.X,
            train=train,
            held_out=held_out,
            density=density,
            detector=detector,
            labels=table.labels,
            normal=table.normal,
            names=table.names,
            notes=sentences(table),
            messages=messages,
            commands=next_commands(args, table),
            seconds=seconds,
            seed=args.seed,
        )
    )
    output.write_text(page, encoding="utf-8", newline="\n")
    print(f"\nReport  {output}")


def read(args: argparse.Namespace) -> tuple["Table", Path]:
    """Check the options; return the table, and the file for its page."""
    from .files import beside, check_output, example_table, load_table

    if args.seed < 0:
        raise ValueError(f"--seed must be 0 or more, got {args.seed}.")
    output = args.output
    if args.table is None:
        if args.label is not None:
            raise ValueError("--label needs a TABLE.")
        table = example_table()
        output = output or EXAMPLE_OUTPUT
    else:
        table = load_table(args.table, args.label, reading_options(args, args.label))
        if output is None and str(args.table) == "-":
            raise ValueError("standard input has no name: say with --output where the page goes.")
        output = output or beside(args.table, ".report.html")
    check_output(output, args.table, args.force)
    return table, output


def sentences(table: "Table") -> list[str]:
    """Return the notes on a table, what was assumed in reading it sentence by sentence."""
    reading = list(table.X.attrs.get("reading", []))
    return [*reading, *(note for note in table.notes if note != " ".join(reading))]


def next_commands(args: argparse.Namespace, table: "Table") -> list[tuple[str, str]]:
    """Return how to go on: what for, and what to type."""
    from .hints import command

    if args.table is None:
        return [("The same of your own table", command("report", "TABLE.csv"))]
    words = [args.table, *reading_words(args)]
    for name in ("label", "seed"):
        if getattr(args, name):
            words += [f"--{name}", getattr(args, name)]
    return [
        ("The score and the p-value of every row, in a file", command(*words)),
        ("This page again, where the table has changed", command("report", *words, "--force")),
        ("In Python", python_lines(args, table)),
    ]


def python_lines(args: argparse.Namespace, table: "Table") -> str:
    """Return lines of Python that read the table and fit the same."""
    import numpy as np

    options: dict[str, Any] = {
        name: getattr(args, name)
        for name, default in FORM.items()
        if getattr(args, name) != default
    }
    options |= {"missing": missing_cells(args.missing), "column_kinds": dict(args.kind)}
    given = "".join(f", {name}={x!r}" for name, x in options.items() if x not in ([], {}))
    kinds = f"column_kinds={dict(args.kind)!r}, " if args.kind else ""
    rows = "table"
    trust = ""
    if table.labels is not None:
        label = table.labels.name
        rows = f"table[table[{label!r}] == {np.array(table.normal).item()!r}]"
        trust = "contamination=0, "
    is_short = table.X.shape[1] <= MOST_NAMED
    columns = f"[{list(table.X)!r}]" if is_short else ""
    remark = "" if is_short else "  # but for columns that are left out, as the page says"
    complete = "" if table.scored.all() else ".dropna()"
    return "\n".join(
        [
            "from skmaf import DensityOutlierDetector, MAFDensity, read_table",
            "",
            f"table = read_table({str(args.table)!r}{given})",
            f"X = {rows}{columns}{complete}{remark}",
            f"density = MAFDensity({kinds}random_state={args.seed}).fit(X)",
            "density.score(X)  # nats per row; of other rows it says how good the fit is",
            "density.sample(5)  # fresh rows",
            f"detector = DensityOutlierDetector({trust}random_state={args.seed}).fit(X)",
            "odd = X[detector.predict(X) == -1]",
            "detector.explain(odd)  # what each cell adds to it, in nats",
        ]
    )
