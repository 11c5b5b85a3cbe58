"""How time and memory of a fit and of scores grow with rows and columns.

    python benchmarks/growth.py              runs what is missing, on one thread, then reports
    python benchmarks/growth.py --million    a whole fit of a million rows, on two threads, beside
                                             GaussianMixture

Each table has a process of its own. Memory is the peak of the resident set of a call, less what was
there before it, the table among that; it is measured on Linux alone. Seconds are of processor time.
"""

import time
import warnings
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from records import append, is_done, number, options
from sklearn.mixture import GaussianMixture
from threadpoolctl import threadpool_limits

from skmaf import DensityOutlierDetector, MAFDensity

TOOLS = {
    "MAFDensity": partial(MAFDensity, random_state=0),
    "DensityOutlierDetector": partial(DensityOutlierDetector, random_state=0),
}
ROWS = (1_000, 10_000, 100_000, 1_000_000, 10_000_000)
ROWS_AT = 20  # columns
MOST_ROWS = {"MAFDensity": ROWS[-1], "DensityOutlierDetector": 1_000_000}
COLUMNS = (2, 8, 32, 128, 500)
COLUMNS_AT = 10_000  # rows
KEY = ["tool", "rows", "columns"]
MEASURES = {"fit_s": "fit, s", "score_s": "score, s", "fit_mb": "fit, MB", "score_mb": "score, MB"}
MILLION = (1_000_000, 20)
N_SCORED = 100_000  # rows, or all of a table
N_CLUSTERS = 10
CHUNK = 100_000  # rows that are made at once


def curved_clusters(n_rows, n_columns, seed=0):
    """Clusters on curved sheets: random means, and columns that bend with others of their row."""
    rng = np.random.default_rng(seed)
    n_latent = max(1, n_columns // 2)
    mixing = rng.standard_normal((N_CLUSTERS, n_latent, n_columns))
    means = rng.normal(scale=2, size=(N_CLUSTERS, n_columns))
    X = np.empty((n_rows, n_columns))
    for start in range(0, n_rows, CHUNK):
        n = min(CHUNK, n_rows - start)
        which = rng.integers(N_CLUSTERS, size=n)
        latent = rng.standard_normal((n, n_latent))
        noise = 0.1 * rng.standard_normal((n, n_columns))
        X[start : start + n] = bent(means[which] + noise, which, latent, mixing)
    return X


def bent(X, which, latent, mixing):
    """Bend the rows of each cluster by their latent numbers, in place."""
    for k in range(len(mixing)):
        rows = which == k
        X[rows] += (
            np.tanh(latent[rows] @ mixing[k])
            + 0.3 * (latent[rows] ** 2) @ mixing[k][:, ::-1] / latent.shape[1]
        )
    return X


def set_threads(n_threads):
    torch.set_num_threads(n_threads)
    threadpool_limits(n_threads)


class Meter:
    """Seconds of processor time, and the peak of memory, of a block."""

    def __enter__(self):
        Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
        self.before = memory("VmRSS")
        self.start = time.process_time()
        return self

    def __exit__(self, *_):
        self.seconds = time.process_time() - self.start
        self.megabytes = memory("VmHWM") - self.before


def memory(name):
    """What the kernel says of the memory of this process, in megabytes."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1]) / 1000
    raise RuntimeError(f"Memory is measured on Linux alone: no {name} here.")


def measure(tool, n_rows, n_columns):
    """Fit a tool to a table and score rows: a line of the CSV file without its key."""
    set_threads(1)
    n_scored = min(n_rows, N_SCORED)
    rows = curved_clusters(n_rows + n_scored, n_columns)
    X = rows[:n_rows]
    # what a first fit imports and compiles is no growth
    TOOLS[tool]().fit(X[:50, : min(n_columns, 3)])
    model = TOOLS[tool]()
    with warnings.catch_warnings(), Meter() as fit:
        warnings.simplefilter("ignore")
        model.fit(X)
    with Meter() as score:
        model.score_samples(rows[n_rows:])
    return {
        "fit_s": fit.seconds,
        "fit_mb": fit.megabytes,
        "score_s": score.seconds * N_SCORED / n_scored,
        "score_mb": score.megabytes,
        "table_mb": X.nbytes / 1e6,
    }


def run(args):
    """Measure what the file does not have yet, small tables first."""
    sizes = [(n, ROWS_AT) for n in ROWS] + [(COLUMNS_AT, d) for d in COLUMNS]
    for n_rows, n_columns in sorted(sizes, key=np.prod):
        for tool in TOOLS:
            key = dict(zip(KEY, (tool, n_rows, n_columns)))
            if n_rows > MOST_ROWS[tool] or is_done(args.out, key):
                continue
            with get_context("spawn").Pool(1) as pool:
                result = key | pool.apply(measure, (tool, n_rows, n_columns))
            append(args.out, result)
            print(result, flush=True)


def report(path):
    """Print all that was measured, and the powers with which it grows."""
    results = pd.read_csv(path)
    for tool, of_tool in results.groupby("tool", sort=False):
        for by, other, at in [("rows", "columns", ROWS_AT), ("columns", "rows", COLUMNS_AT)]:
            lines = of_tool[of_tool[other] == at].sort_values(by)
            if len(lines) < 2:
                continue
            print(f"\n{tool}, {at:,} {other}; scores of {N_SCORED:,} rows:\n")
            print(f"| {by} | " + " | ".join(MEASURES.values()) + " |")
            print("|---:" * (1 + len(MEASURES)) + "|")
            for _, line in lines.iterrows():
                cells = [number(line[name], 0 if line[name] >= 10 else 1) for name in MEASURES]
                print(f"| {line[by]:,} | " + " | ".join(cells) + " |")
            powers = [f"{power(lines[by], lines[name]):.2f}" for name in MEASURES]
            print("| growth, to the power | " + " | ".join(powers) + " |")


def power(sizes, costs):
    """The power with which a cost grows: the slope of a line through the logarithms."""
    return np.polyfit(np.log(sizes), np.log(np.maximum(costs, 1e-3)), 1)[0]


def show_million():
    set_threads(2)
    X = curved_clusters(MILLION[0] + N_SCORED, MILLION[1])
    fit = X[:-N_SCORED]
    test = X[-N_SCORED:]
    models = {"MAFDensity()": MAFDensity(random_state=0)}
    models[f"GaussianMixture({N_CLUSTERS})"] = GaussianMixture(N_CLUSTERS, random_state=0)
    print(
        "| model | fit, s | test score, nats | lowest test row | score 100,000 rows, s |\n"
        "|---|---:|---:|---:|---:|"
    )
    for name, model in models.items():
        start = time.perf_counter()
        model.fit(fit)
        fitted = time.perf_counter()
        scores = model.score_samples(test)
        end = time.perf_counter()
        print(
            f"| {name} | {fitted - start:.0f} | {scores.mean():.2f} | {scores.min():.0f} | "
            f"{end - fitted:.1f} |",
            flush=True,
        )


def main():
    parser = options(__doc__, "growth.csv")
    parser.add_argument("--million", action="store_true", help="fit a million rows instead")
    args = parser.parse_args()
    if args.million:
        show_million()
        return
    if not args.report:
        run(args)
    report(args.out)


if __name__ == "__main__":
    main()
