"""Rows per second that a Dask cluster scores, against one process that holds all rows in memory.

    python benchmarks/dask_scoring.py
    python benchmarks/dask_scoring.py --keep
    python benchmarks/dask_scoring.py --workers 1 2 4 8 --rows 1000000

A worker is a process of one thread, on this machine. It holds its chunks already: what is timed is
scoring them, sending the estimator there and the scores back, by the clock. In memory it is one
thread, too. Times are the best of a few, after a warm-up that imports torch everywhere.

Workers of Dask give freed memory back to the system at once, and get it again, page by page;
``--keep`` has them keep it.
"""

import argparse
import time
import warnings

import dask
import dask.array as da
import numpy as np
import torch
from distributed import Client, LocalCluster, wait

from skmaf import DensityOutlierDetector, MAFDensity

N_COLUMNS = 10
N_FITTED = 2_000
REPEATS = 3
KEPT = {"distributed.nanny.pre-spawn-environ.MALLOC_MMAP_THRESHOLD_": 2**25}


def best_seconds(call):
    """Seconds that a call takes, the best of a few after a first one, and what it returns."""
    call()
    best = np.inf
    for _ in range(REPEATS):
        start = time.perf_counter()
        result = call()
        best = min(best, time.perf_counter() - start)
    return best, result


def methods():
    """Names of methods, and the methods of fitted estimators; how well these are fitted is all one.

    The sizes are those of the defaults.
    """
    X = np.random.default_rng(0).standard_normal((N_FITTED, N_COLUMNS))
    density = MAFDensity(max_iter=2, random_state=0)
    detector = DensityOutlierDetector(random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return {
            "MAFDensity.score_samples": density.fit(X).score_samples,
            "DensityOutlierDetector.p_values": detector.fit(X).p_values,
        }


def show(n_rows, chunk_size, workers):
    print("| method | workers | rows/s | against in memory |\n|---|---|---:|---:|")
    for name, method in methods().items():
        lazy = da.random.default_rng(1).standard_normal(
            (n_rows, N_COLUMNS), chunks=(chunk_size, N_COLUMNS)
        )
        rows = lazy.compute(scheduler="synchronous")
        in_memory, expected = best_seconds(lambda: method(rows))  # noqa: B023
        print(f"| {name} | none: in memory | {n_rows / in_memory:,.0f} | 1.00 |", flush=True)
        for n_workers in workers:
            taken, scores = on_cluster(method, lazy, n_workers)
            np.testing.assert_allclose(scores, expected, rtol=1e-9, atol=1e-9)
            speed = f"{n_rows / taken:,.0f} | {in_memory / taken:.2f}"
            print(f"| {name} | {n_workers} | {speed} |", flush=True)


def on_cluster(method, lazy, n_workers):
    """Seconds that a cluster takes to answer about rows which it holds, and its answer."""
    with (
        LocalCluster(n_workers=n_workers, threads_per_worker=1, dashboard_address=None) as cluster,
        Client(cluster),
    ):
        there = lazy.persist()
        wait(there)
        return best_seconds(lambda: method(there).compute())


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--chunk-size", type=int, default=10_000)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--keep", action="store_true", help="workers keep freed memory")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if arguments.keep:
        dask.config.set(KEPT)
    show(arguments.rows, arguments.chunk_size, arguments.workers)


if __name__ == "__main__":
    main()
