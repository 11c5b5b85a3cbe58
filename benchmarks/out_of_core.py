"""A table larger than memory: time and peak memory of a fit, and its scores beside one in memory.

    python benchmarks/out_of_core.py            writes a file of 4 GB, fits it and scores it
    python benchmarks/out_of_core.py --rows 1000000 --compare       the same rows in memory, too

Rows are curved clusters of 20 columns in a file of NumPy, or of Parquet with ``--parquet``, which
another process writes. Memory is the peak of the resident set, less what it was after the imports.
"""

import argparse
import os
import resource
import tempfile
import time
import warnings
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from growth import N_CLUSTERS, bent

import skmaf.models.table_fit  # noqa: F401 - what a fit imports is no memory of the fit
from skmaf import MAFDensity

N_COLUMNS = 20
CHUNK = 250_000
N_TEST = 100_000


def write(path, n_rows, as_parquet):
    """Write a table of some rows, a part at a time."""
    if as_parquet:
        import pyarrow as pa
        import pyarrow.parquet as pq

        names = [f"x{j}" for j in range(N_COLUMNS)]
        schema = pa.schema([(name, pa.float64()) for name in names])
        with pq.ParquetWriter(path, schema) as writer:
            for rows in chunks(n_rows):
                writer.write_table(pa.table(dict(zip(names, rows.T)), schema=schema))
        return
    array = np.lib.format.open_memmap(path, "w+", np.float64, (n_rows, N_COLUMNS))
    start = 0
    for rows in chunks(n_rows):
        array[start : start + len(rows)] = rows
        start += len(rows)
    array.flush()


def chunks(n_rows):
    """Rows of one table, a part at a time."""
    for start in range(0, n_rows, CHUNK):
        yield curved_rows(min(CHUNK, n_rows - start), 1 + start)


def curved_rows(n_rows, seed):
    """Rows of clusters on curved sheets, which are the same for all seeds."""
    of_clusters = np.random.default_rng(0)
    mixing = of_clusters.standard_normal((N_CLUSTERS, N_COLUMNS // 2, N_COLUMNS))
    means = of_clusters.normal(scale=2, size=(N_CLUSTERS, N_COLUMNS))
    rng = np.random.default_rng(seed)
    which = rng.integers(N_CLUSTERS, size=n_rows)
    latent = rng.standard_normal((n_rows, N_COLUMNS // 2))
    noise = 0.1 * rng.standard_normal((n_rows, N_COLUMNS))
    return bent(means[which] + noise, which, latent, mixing)


def opened(path, as_parquet):
    if as_parquet:
        import pyarrow.dataset

        return pyarrow.dataset.dataset(path)
    return np.load(path, mmap_mode="r")


def in_memory(X):
    return np.array(X) if isinstance(X, np.ndarray) else X.to_table().to_pandas()


def peak_mb():
    """The largest resident set that the process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def fit_and_show(name, X, max_iter, imported_mb, seed=0):
    start = time.perf_counter()
    density = MAFDensity(max_iter=max_iter, random_state=seed).fit(X)
    fitted = time.perf_counter()
    peak = peak_mb() - imported_mb
    score = density.score(curved_rows(N_TEST, 0))
    print(
        f"| {name} | {seed} | {density.n_iter_} | {fitted - start:.0f} | "
        f"{peak:.0f} | {score:.3f} |",
        flush=True,
    )
    return density


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=25_000_000)
    parser.add_argument("--parquet", action="store_true")
    parser.add_argument("--compare", action="store_true", help="fit the rows in memory, too")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--max-iter", type=int, default=None)
    args = parser.parse_args()
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", 2)))
    warnings.simplefilter("ignore")
    max_iter = "auto" if args.max_iter is None else args.max_iter
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "table"
        path = path if args.parquet else path.with_suffix(".npy")
        writer = get_context("spawn").Process(target=write, args=(path, args.rows, args.parquet))
        writer.start()
        writer.join()
        imported_mb = peak_mb()
        X = opened(path, args.parquet)
        print(
            "| table | seed | epochs | fit, s | peak memory, MB | held-out score |\n|" + "---|" * 6
        )
        for seed in args.seeds:
            density = fit_and_show("in blocks", X, max_iter, imported_mb, seed)
        start = time.perf_counter()
        n_scored = len(density.score_samples(X)) if not args.compare else 0
        print(f"scored {n_scored:,} rows in {time.perf_counter() - start:.0f} s", flush=True)
        if args.compare:
            for seed in args.seeds:
                fit_and_show("in memory", in_memory(X), max_iter, imported_mb, seed)


if __name__ == "__main__":
    main()
