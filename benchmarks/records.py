"""Results in a CSV file, and tables of them.

Each is a line, so that an interrupted benchmark goes on where it was.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

RESULTS = Path(__file__).resolve().parent / "results"


def options(description, name):
    """A parser of what all benchmarks take that keep results in a CSV file, by default ``name``."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=RESULTS / name, help="the CSV file")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument(
        "--report", action="store_true", help="print the report of the CSV file and run nothing"
    )
    return parser


def is_done(path, key):
    """Whether the file has a line with all the values of ``key``, a dictionary."""
    if not path.exists():
        return False
    names = list(key)
    return bool((pd.read_csv(path)[names] == pd.Series(key)[names]).all(axis=1).any())


def append(path, result):
    """Add a line, a dictionary, to the file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pd.DataFrame([result]).to_csv(path, mode="a", header=not path.exists(), index=False)


def number(x, digits=2):
    """A number as a cell of a table."""
    if np.isnan(x):
        return ""
    return f"{x:.{digits}f}" if abs(x) < 1e5 else f"{x:.1e}"


def show(title, frame):
    """Print a frame of text as a Markdown table."""
    print(f"\n{title}:\n")
    print("| " + " | ".join(["table", *frame.columns]) + " |")
    print("|---|" + "---:|" * len(frame.columns))
    for name, row in frame.iterrows():
        print("| " + " | ".join([name, *row]) + " |")
