"""Resident memory of a process that scores for long, and that fits and drops many estimators.

    python benchmarks/soak.py --minutes 10 --rounds 200

First one fitted density scores, fills and draws rows in a loop; then each round fits an estimator
of another kind, scores with it, copies it by pickle, and drops it. Memory is that which the
operating system counts as resident, in MiB; what matters is whether it grows from the second
quarter to the last.
"""

import argparse
import gc
import pickle
import time
import warnings
from pathlib import Path

import numpy as np
import torch

from skmaf import (
    ConditionalMAFDensity,
    DensityOutlierDetector,
    MAFClassifier,
    MAFDensity,
    MultiscaleDensity,
)

SMALL = {"n_layers": 2, "hidden_layer_sizes": (32,), "max_iter": 3}
PAGE = 4096  # bytes


def resident():
    """Resident memory of this process, in MiB; Linux says it."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE / 2**20


def table(seed, n_rows=400):
    """Rows of numbers, with ties and missing cells."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n_rows, 6))
    X[:, 1] = rng.integers(0, 5, n_rows)
    X[::9, 2] = np.nan
    return X


def score_for(minutes):
    """Score, fill and draw rows; return the memory after each of 20 parts of the time."""
    density = MAFDensity(**SMALL, random_state=0).fit(table(0))
    memory = []
    n_calls = 0
    for part in range(20):
        end = time.monotonic() + minutes * 3
        while time.monotonic() < end:
            X = table(n_calls, n_rows=1 + n_calls % 400)
            density.score_samples(X)
            density.sample(50, random_state=n_calls)
            density.impute(X[:2], random_state=n_calls)
            n_calls += 1
        memory.append(resident())
        print(f"part {part + 1}: {n_calls} rounds of calls, {memory[-1]:.0f} MiB", flush=True)
    return memory


def fit_and_drop(n_rounds):
    """Fit an estimator in each round, and drop it; return the memory after each twentieth."""
    memory = []
    for k in range(n_rounds):
        X = table(k)
        labels = (X[:, 0] > 0).astype(int)
        estimators = [
            MAFDensity(**SMALL, random_state=k),
            MultiscaleDensity(max_iter=3, hidden_layer_sizes=(32,), random_state=k),
            DensityOutlierDetector(MAFDensity(**SMALL), n_folds=2, random_state=k),
            MAFClassifier(**SMALL, random_state=k),
            ConditionalMAFDensity(**SMALL, random_state=k),
        ]
        estimator = estimators[k % len(estimators)].fit(X, labels)
        pickle.loads(pickle.dumps(estimator)).score_samples(X[:50])
        del estimator, estimators
        if (k + 1) % max(1, n_rounds // 20) == 0:
            gc.collect()
            memory.append(resident())
            print(f"round {k + 1}: {memory[-1]:.0f} MiB", flush=True)
    return memory


def growth(memory):
    """How much the memory grew from its second quarter to its last, in MiB."""
    quarter = max(1, len(memory) // 4)
    return np.mean(memory[-quarter:]) - np.mean(memory[quarter : 2 * quarter])


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--rounds", type=int, default=200)
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    print(f"at the start: {resident():.0f} MiB")
    print(f"scoring grew by {growth(score_for(options.minutes)):.1f} MiB")
    print(f"fits grew by {growth(fit_and_drop(options.rounds)):.1f} MiB")


if __name__ == "__main__":
    main()
