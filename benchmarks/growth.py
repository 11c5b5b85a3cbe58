"""How the time of a fit grows with rows and columns, and a million rows against GaussianMixture.

python benchmarks/growth.py              seconds for each epoch, on one thread
python benchmarks/growth.py --million    a whole fit with the defaults, on two threads
"""

import argparse
import time
import warnings

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture
from threadpoolctl import threadpool_limits

from skmaf import MAFDensity
from skmaf.training import loop

ROWS = (1_000, 3_000, 10_000, 30_000, 100_000, 300_000, 1_000_000)
ROWS_AT = 20  # columns
COLUMNS = (2, 4, 8, 16, 32, 64, 128, 256, 512)
COLUMNS_AT = 10_000  # rows
MILLION = (1_000_000, 20)
N_TEST = 100_000
N_CLUSTERS = 10


def curved_clusters(n_rows, n_columns, seed=0):
    """Clusters on curved sheets: random means, and columns that bend with others of their row."""
    rng = np.random.default_rng(seed)
    which = rng.integers(N_CLUSTERS, size=n_rows)
    n_latent = max(1, n_columns // 2)
    latent = rng.standard_normal((n_rows, n_latent))
    mixing = rng.standard_normal((N_CLUSTERS, n_latent, n_columns))
    means = rng.normal(scale=2, size=(N_CLUSTERS, n_columns))
    return bent(
        means[which] + 0.1 * rng.standard_normal((n_rows, n_columns)), which, latent, mixing
    )


def bent(X, which, latent, mixing):
    """Bend the rows of each cluster by their latent numbers, in place."""
    for k in range(len(mixing)):
        rows = which == k
        X[rows] += (
            np.tanh(latent[rows] @ mixing[k])
            + 0.3 * (latent[rows] ** 2) @ mixing[k][:, ::-1] / latent.shape[1]
        )
    return X


def epoch_seconds(X, n_epochs):
    """Median seconds of processor time of an epoch, held-out score included, and the batch size."""
    marks = [time.process_time()]
    batches = []
    run_epoch = loop._run_epoch

    def timed(optimiser, rows, n_batches, generator):
        batches.append(round(len(rows) / n_batches))
        loss = run_epoch(optimiser, rows, n_batches, generator)
        marks.append(time.process_time())
        return loss

    loop._run_epoch = timed
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            MAFDensity(max_iter=n_epochs, random_state=0).fit(X)
    finally:
        loop._run_epoch = run_epoch
    return np.median(np.diff(marks)[1:]), batches[0]


def show_growth(label, tables):
    print(f"\n| {label} | batch | seconds an epoch | microseconds a row | growth, to the power |")
    print("|" + "---:|" * 5)
    before = None
    for size, X in tables:
        seconds, batch = epoch_seconds(X, n_epochs=3 if X.size >= 10**6 else 6)
        power = (
            ""
            if before is None
            else f"{np.log(seconds / before[1]) / np.log(size / before[0]):.2f}"
        )
        print(
            f"| {size:,} | {batch} | {seconds:.3f} | {1e6 * seconds / len(X):.0f} | {power} |",
            flush=True,
        )
        before = (size, seconds)


def show_million():
    X = curved_clusters(MILLION[0] + N_TEST, MILLION[1])
    fit = X[:-N_TEST]
    test = X[-N_TEST:]
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
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--million", action="store_true", help="fit a million rows instead")
    args = parser.parse_args()
    n_threads = 2 if args.million else 1
    torch.set_num_threads(n_threads)
    threadpool_limits(n_threads)
    if args.million:
        show_million()
        return
    show_growth(f"rows of {ROWS_AT} columns", ((n, curved_clusters(n, ROWS_AT)) for n in ROWS))
    show_growth(
        f"columns of {COLUMNS_AT:,} rows", ((d, curved_clusters(COLUMNS_AT, d)) for d in COLUMNS)
    )


if __name__ == "__main__":
    main()
