"""The `skmaf` command: the density of a table, its odd rows and fresh ones, in one report."""

import argparse
import os
import sys
import textwrap
import warnings
from numbers import Real
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split

from .. import __version__
from ..density import MAFDensity
from ..outlier import DensityOutlierDetector
from .tables import MIN_ROWS, example_table, listing, read_table

N_DRAWN = 5
SHOWN_COLUMNS = 8
NUMBER = "{:.6g}"

DESCRIPTION = """\
Fit the density of a table; print its held-out log-likelihood, its most anomalous rows with the reasons, and
a few fresh rows; write the scores of each row to TABLE.scores.csv. Without TABLE: a table that scikit-learn ships.
"""
EXAMPLES = """\
examples:
  skmaf                                   breast cancer table, benign rows as the normal ones
  skmaf TABLE.csv                         your table; scores go to TABLE.scores.csv
  skmaf TABLE.csv --label fraud           fit the rows with fraud = 0, and measure how well the others are found
  skmaf TABLE.csv --contamination 0.01    call the lowest 1% of the training rows outliers

The table has a header line, and commas, semicolons or tabs between cells; words are categories, and cells
may be empty. A first column without a name names the rows. One tenth of the rows is held out from the
fit; with --label, half of the normal rows.
"""
NEXT = """\
What to try next
  python -m skmaf TABLE.csv     the same for your own table; --help lists the options
In Python
  from skmaf import MAFDensity
  density = MAFDensity().fit(X)
  density.score(X_test)         held-out log-likelihood: compare models by it, on the same rows
  density.sample(1000)          fresh rows
  from skmaf import DensityOutlierDetector
  detector = DensityOutlierDetector().fit(X)
  detector.p_values(X_new)      how often a normal row looks as odd; select(X_new) picks by them
  detector.explain(X_new)       how much each cell makes its row unlikely"""


def split(table, seed):
    """Positions of the rows to fit, and of normal rows held out from the fit."""
    normal = (
        np.arange(len(table.X))
        if table.labels is None
        else np.flatnonzero(table.labels == table.normal)
    )
    if len(normal) < MIN_ROWS:
        raise ValueError(
            f"too few rows to fit: {len(normal)}; a density needs {MIN_ROWS} at the very least."
        )
    share = 0.1 if table.labels is None else 0.5
    return train_test_split(normal, test_size=max(2, round(share * len(normal))), random_state=seed)


def header_text(table, n_train):
    """What the table is, and what is about to happen."""
    lines = [table.title, f"{len(table.X)} rows, {table.X.shape[1]} columns: {listing(table.X)}"]
    if table.labels is not None:
        counts = ", ".join(
            f"{value} ({n} rows)" for value, n in table.labels.value_counts().items()
        )
        lines.append(f"Label {table.labels.name}: {counts}; {table.normal} is normal")
    lines += [f"Note: {note}" for note in table.notes]
    lines = [textwrap.fill(line, 100, subsequent_indent="  ") for line in lines]
    return "\n".join([*lines, "", f"Fitting the density to {n_train} rows ..."])


def quality_text(table, log_density, scores, offset, train, held_out):
    """Held-out log-likelihood, ROC AUC where there are labels, and who is below the threshold."""
    kept = log_density[held_out]
    with np.errstate(over="ignore", invalid="ignore"):  # scores may be as low as float64 goes
        mean, error = kept.mean(), kept.std(ddof=1) / np.sqrt(len(kept))
    groups = {"fitted rows": train, "held-out rows": held_out}
    lines = [
        f"Held-out log-likelihood  {mean:.2f} nats per row (standard error {error:.2f}, {len(kept)} rows)"
    ]
    if table.labels is not None:
        abnormal = np.flatnonzero(table.labels != table.normal)
        labels = np.repeat([0, 1], [len(held_out), len(abnormal)])
        auc = roc_auc_score(labels, -scores[np.concatenate([held_out, abnormal])])
        groups[f"rows with {table.labels.name} = {table.labels.iloc[abnormal[0]]}"] = abnormal
        lines.append(
            f"ROC AUC                  {auc:.3f} ({len(held_out)} held-out rows against {len(abnormal)} anomalies)"
        )
    lines.append(f"Threshold                {offset:.2f} nats; below it are")
    lines += [
        f"{'':25}{(scores[rows] < offset).sum()} of {len(rows)} {name}"
        for name, rows in groups.items()
    ]
    return "\n".join(lines)


def top_text(table, detector, scores, p_values, n_top):
    """The rows of lowest score, lowest first, each with the two cells that make it most unlikely."""
    lowest = np.argsort(scores, kind="stable")[:n_top]
    title = f"The {len(lowest)} most anomalous of all rows; p-value: how often a normal row looks as odd"
    if len(lowest) == 0:
        return title
    top = pd.DataFrame(
        {"row": table.X.index[lowest], "score": scores[lowest], "p-value": p_values[lowest]}
    )
    if table.labels is not None:
        top[table.labels.name] = table.labels.to_numpy()[lowest]
    header, *lines = top.to_string(index=False, float_format=NUMBER.format).splitlines()
    rows = table.X.iloc[lowest]
    reasons = reason_texts(rows, *detector.repair(rows))
    return "\n".join(
        [title, header, *(f"{line}\n{reason}" for line, reason in zip(lines, reasons))]
    )


def reason_texts(rows, gains, expected):
    """A line for each row: its two cells with the largest gains, and the values that were expected there."""
    for (_, row), gain, values in zip(rows.iterrows(), gains, expected):
        guilty = [j for j in np.argsort(-gain, kind="stable")[:2] if gain[j] > 0]
        cells = [
            f"{str(rows.columns[j])[:24]} {short(row.iloc[j])} (expected {short(values[j])})"
            for j in guilty
        ]
        yield "    " + (", ".join(cells) or "no single cell makes it unlikely")


def short(value):
    """A number to four digits, or the first letters of a text."""
    return (
        f"{value:.4g}"
        if isinstance(value, Real) and not isinstance(value, bool)
        else str(value)[:12]
    )


def drawn_text(X, drawn):
    """Fresh rows side by side, a line for each column, beside the median or most frequent value of those fitted."""
    typical = {
        name: x.mode().iloc[0] if x.dtype == "category" else x.median() for name, x in X.items()
    }
    shown = pd.DataFrame(
        {"typical": typical.values()}, index=[str(name)[:28] for name in X], dtype=object
    )
    for i, (_, row) in enumerate(drawn.iterrows(), 1):
        shown[f"new row {i}"] = row.to_numpy(object)
    hidden = len(shown) - SHOWN_COLUMNS
    more = f"\n(and {hidden} more columns)" if hidden > 0 else ""
    text = shown.head(SHOWN_COLUMNS).map(short).to_string()
    return f"{len(drawn)} rows drawn from the density\n{text}{more}"


def check_output(output, source, force):
    """Refuse before the fit what could not be written after it."""
    if not output.parent.is_dir():
        problem = f"{output.parent} is not a directory"
    elif output.is_dir() or source is not None and output.exists() and output.samefile(source):
        problem = f"{output} is a directory or the table itself"
    elif output.exists() and not force:
        problem = f"{output} exists: overwrite it with --force"
    elif not os.access(output if output.exists() else output.parent, os.W_OK):
        problem = f"{output} may not be written"
    else:
        return
    raise ValueError(f"{problem}; or choose another --output.")


def write_scores(output, table, log_density, scores, p_values, offset, force):
    """A line for each row of the table, also for those without a score."""
    numbers = {"log_density": log_density, "score": scores, "p_value": p_values}
    result = pd.DataFrame({**dict.fromkeys(numbers, np.nan), "outlier": pd.NA}, index=table.index)
    result["outlier"] = result["outlier"].astype("Int64")
    for name, values in numbers.items():
        result.loc[table.scored, name] = values
    result.loc[table.scored, "outlier"] = (scores < offset).astype(int)
    result.to_csv(output, index_label="row", mode="w" if force else "x")


def run(args):
    """Read, fit, write and report."""
    if args.label is not None and args.table is None:
        raise ValueError("--label needs a TABLE.")
    for name in ("top", "seed"):
        if getattr(args, name) < 0:
            raise ValueError(f"--{name} must be 0 or more, got {getattr(args, name)}.")
    if args.table is None:
        table, output = example_table(), args.output
    else:
        table = read_table(args.table, args.label)
        output = args.output or args.table.with_suffix(".scores.csv")
    if output is not None:
        check_output(output, args.table, args.force)
    train, held_out = split(table, args.seed)
    print(header_text(table, len(train)), flush=True)
    X, fitted = table.X, table.X.iloc[train]
    density = MAFDensity(random_state=args.seed, verbose=True)
    contamination = "auto" if args.contamination is None else args.contamination
    detector = DensityOutlierDetector(
        contamination=contamination, random_state=args.seed, verbose=True
    )
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        detector.fit(fitted)
        density.fit(fitted)
    log_density, scores, p_values = (
        density.score_samples(X),
        detector.score_samples(X),
        detector.p_values(X),
    )
    for warning in caught:
        print(f"Note: {warning.message}")
    print("\n" + quality_text(table, log_density, scores, detector.offset_, train, held_out))
    if output is not None:
        write_scores(output, table, log_density, scores, p_values, detector.offset_, args.force)
        print(f"Scores                   {output}")
    drawn = density.sample(N_DRAWN, random_state=args.seed)
    top = top_text(table, detector, scores, p_values, args.top)
    print("", top, "", drawn_text(fitted, drawn), "", NEXT, sep="\n")


def make_parser():
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
        help="share of the fitted rows to call outliers; without it, those that 5%% of normal rows would not reach",
    )
    add("--top", type=int, default=10, metavar="N", help="how many anomalous rows to print (10)")
    add("--seed", type=int, default=0, help="seed of all draws (0)")
    add("--output", type=Path, metavar="FILE", help="where the scores go (TABLE.scores.csv)")
    add("--force", action="store_true", help="overwrite the scores of an earlier run")
    add("--version", action="version", version=f"skmaf {__version__}")
    return parser


def main(argv=None):
    """Run the command; return the exit code: 2 after an error, which is one line on stderr, and 130 after an interrupt."""
    parser = make_parser()
    args = parser.parse_args(argv)
    try:
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
