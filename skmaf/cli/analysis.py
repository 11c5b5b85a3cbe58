"""What the command does: a density of the table, its anomalous rows, fresh rows, one report."""

import argparse
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.model_selection import train_test_split

from ..density import MAFDensity
from ..outlier import DensityOutlierDetector
from ..table.codec import TableCodec
from .epochs import most_epochs
from .files import (
    MIN_ROWS,
    Scores,
    Table,
    beside,
    check_output,
    example_table,
    load_table,
    write_scores,
)
from .hints import after_report
from .options import kinds_of, reading_options
from .report import (
    drawn_text,
    header_text,
    lowest_rows,
    quality_text,
    reason_texts,
    top_text,
)

N_DRAWN = 5
MOST_SHOWN = 10  # anomalous rows
FEWEST_SHOWN = 3
N_JOBS = 2  # of the detector, which has no use for more


def run(args: argparse.Namespace) -> None:
    """Read the table, fit, write the scores and print the report."""
    table, output = read(args)
    train, held_out = split(table, args.seed)
    print(header_text(table, len(train)), flush=True)
    density, detector, messages = fit(table, train, args)
    score = detector.score_samples(table.X)
    scores = Scores(
        log_density=density.score_samples(table.X),
        score=score,
        p_value=detector.calibration_.p_values(score),
        threshold=detector.offset_,
    )
    for message in messages:
        print(f"Note: {message}")
    print("\n" + quality_text(table, scores, train, held_out))
    if output is not None:
        write_scores(output, table, scores, args.force)
        print(f"Scores                   {output}")
    drawn = density.sample(N_DRAWN, random_state=args.seed)
    lowest = lowest_rows(scores.score, n_shown(len(table.X)) if args.top is None else args.top)
    top = top_text(table, scores, lowest, reasons(detector, table.X.iloc[lowest]))
    print("", top, "", drawn_text(table.X.iloc[train], drawn), "", after_report(args), sep="\n")


def n_shown(n_rows: int) -> int:
    """How many anomalous rows to print: in a small table few can be."""
    return max(FEWEST_SHOWN, min(MOST_SHOWN, n_rows // 5))


def read(args: argparse.Namespace) -> tuple[Table, Path | None]:
    """Check the options; return the table, and the file for its scores, if there is to be one."""
    if args.label is not None and args.table is None:
        raise ValueError("--label needs a TABLE.")
    for name in ("top", "seed"):
        if (getattr(args, name) or 0) < 0:
            raise ValueError(f"--{name} must be 0 or more, got {getattr(args, name)}.")
    output = args.output
    if args.table is None:
        table = example_table()
    else:
        table = load_table(args.table, args.label, reading_options(args, args.label))
        output = output or scores_path(args.table)
    if output is not None:
        check_output(output, args.table, args.force)
    return table, output


def scores_path(source: Path) -> Path | None:
    """Where the scores of a table go: beside its file, for standard input nowhere."""
    return None if str(source) == "-" else beside(source, ".scores.csv")


def split(table: Table, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Positions of the rows to fit, and of normal rows held out from the fit."""
    if table.labels is None:
        normal = np.arange(len(table.X))
        share = 0.1
    else:
        normal = np.flatnonzero(table.labels == table.normal)
        share = 0.5
    if len(normal) < MIN_ROWS:
        raise ValueError(
            f"too few rows to fit: {len(normal)}; a density needs {MIN_ROWS} at the very least."
        )
    n_held_out = max(2, round(share * len(normal)))
    train, held_out = train_test_split(normal, test_size=n_held_out, random_state=seed)
    return train, held_out


def fit(
    table: Table, train: np.ndarray, args: argparse.Namespace
) -> tuple[MAFDensity, DensityOutlierDetector, list[str]]:
    """Fit a density to some rows of a table, and a detector to those that it judges, or trusts.

    Return both, and what they warned of.
    """
    X = table.X.iloc[train]
    # without labels the detector is asked about the rows of the table itself
    judged = table.X if table.labels is None else X
    contamination = args.contamination
    if contamination is None:
        contamination = "auto" if table.labels is None else 0
    detector = DensityOutlierDetector(
        contamination=contamination, n_jobs=N_JOBS, random_state=args.seed, verbose=True
    )
    codec, _, _ = TableCodec.learn(judged, kinds_of(args, judged))
    max_iter = most_epochs(X, codec)
    density = MAFDensity(max_iter=max_iter, random_state=args.seed, verbose=True)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        warnings.filterwarnings("ignore", "Training reached max_iter")  # which is not the user's
        detector.fit(judged)
        density.fit(X, codec=codec)
    return density, detector, [str(warning.message) for warning in caught]


def reasons(detector: DensityOutlierDetector, rows: pd.DataFrame) -> list[str]:
    """For each row, the cells that make it most unlikely."""
    if len(rows) == 0:
        return []
    return list(reason_texts(rows, *detector.counterfactuals(rows)))
