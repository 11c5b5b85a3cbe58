"""A table with planted errors, and runs of it whose detectors know the right density."""

import warnings

import numpy as np
import pandas as pd
from scipy.stats import norm
from sklearn.base import BaseEstimator

from skmaf import DensityOutlierDetector, MAFDensity
from skmaf.report import Run

SHAPES = {"disc": "red", "cube": "blue", "cone": "green"}
# positions of rows: a value ten times too large, cells that moved one column to the right, two that
# do not go together, and a category that is nowhere else
TOO_LARGE = 17
SHIFTED = 61
IMPOSSIBLE = 150
RARE = 200
NUMBERS = ["size", "mass", "heat", "rate"]


def planted_table(n_rows=240):
    """Rows of four numbers and two categories that go together, with four errors."""
    rng = np.random.default_rng(0)
    size = rng.uniform(35, 65, n_rows)
    X = pd.DataFrame(
        {
            "size": size,
            "mass": 3 * size + rng.uniform(-10, 10, n_rows),
            "heat": rng.uniform(-24, -16, n_rows),
            "rate": rng.uniform(820, 980, n_rows),
            "shape": rng.choice(list(SHAPES), n_rows),
        }
    ).round(3)
    X["colour"] = X["shape"].map(SHAPES)
    X.loc[[TOO_LARGE, RARE], NUMBERS] = [50.0, 150.0, -20.0, 900.0]
    X.loc[TOO_LARGE, "rate"] = 9000.0
    X.loc[SHIFTED, NUMBERS] = [900.0, 50.0, 150.0, -20.0]
    X.loc[IMPOSSIBLE, "colour"] = "green"
    X.loc[RARE, "shape"] = "ring"
    X.loc[20:70:2, "heat"] = np.nan
    X.loc[20:40:4, "rate"] = np.nan
    return X


class TrueDensity(BaseEstimator):
    """A density like that which `planted_table` draws from, but for the errors."""

    def fit(self, X, y=None):
        self.shares_ = X.groupby(["shape", "colour"]).size() / len(X)
        return self

    def score_samples(self, X):
        numbers = X[NUMBERS].astype(float)
        of_numbers = [
            norm.logpdf(numbers["size"], 50, 8),
            norm.logpdf(numbers["mass"], 3 * numbers["size"], 6),
            norm.logpdf(numbers["heat"], -20, 2),
            norm.logpdf(numbers["rate"], 900, 40),
        ]
        pairs = pd.MultiIndex.from_frame(X[["shape", "colour"]])
        of_pairs = np.log(self.shares_.reindex(pairs, fill_value=0).to_numpy() + 1e-6)
        return np.nansum(of_numbers, axis=0) + of_pairs


def quick_density(X, **parameters):
    """A density of X that is fitted in a moment."""
    small = {"n_layers": 2, "hidden_layer_sizes": (16,), "max_iter": 5, "random_state": 0}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return MAFDensity(**{**small, **parameters}).fit(X)


def planted_run(**changes):
    """A run of `planted_table`, with some things changed."""
    X = planted_table()
    rng = np.random.default_rng(1)
    held_out, train = np.split(rng.permutation(len(X)), [60])
    given = {
        "title": "data/planted.csv",
        "X": X,
        "train": np.sort(train),
        "held_out": np.sort(held_out),
        "density": quick_density(X.iloc[np.sort(train)]),
        "detector": DensityOutlierDetector(TrueDensity(), contamination=0, random_state=0).fit(X),
        "notes": ["The text is in Latin-1."],
        "messages": ["A column is odd."],
        "commands": [("Scores", "skmaf data/planted.csv")],
        "seconds": 12.3,
    }
    return Run(**{**given, **changes})


def with_labels(run):
    """The same rows with a label, of which the rows with errors have the other value."""
    is_odd = np.zeros(len(run.X), dtype=bool)
    is_odd[[TOO_LARGE, SHIFTED, IMPOSSIBLE, RARE, 5]] = True
    labels = pd.Series(np.where(is_odd, "bad", "good"), index=run.X.index, name="verdict")
    normal = np.flatnonzero(~is_odd)
    train = normal[::2]
    known = DensityOutlierDetector(TrueDensity(), contamination=0, random_state=0)
    return Run(
        title="planted.csv",
        X=run.X,
        train=train,
        held_out=normal[1::2],
        density=quick_density(run.X.iloc[train]),
        detector=known.fit(run.X.iloc[train]),
        labels=labels,
        normal="good",
    )
