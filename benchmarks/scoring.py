"""How fast rows are scored, and in how much memory: skmaf, zuko and nflows at the same shapes.

    python benchmarks/scoring.py            prints a Markdown table of times, on one thread
    python benchmarks/scoring.py --memory   the peak of extra memory for a million rows (Linux)

skmaf is timed through its public estimator, so checks, standardisation and the baseline are in its
times.
"""

import argparse
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from peers import nflows_flow, zuko_flow
from sampling import HIDDEN, fitted, seconds
from threadpoolctl import threadpool_limits

N_ROWS = 20_000
MILLION = (1_000_000, 20)
HEADER = [
    "D",
    "hidden",
    "bijector",
    "dtype",
    "skmaf ms",
    "zuko ms",
    "speed-up over zuko",
    "nflows ms",
    "speed-up over nflows",
]


def peer_seconds(make, X, bijector, hidden, log_prob, n_repeats):
    torch.manual_seed(0)
    x = torch.as_tensor(X)
    flow = make(bijector, X.shape[1], hidden).to(x.dtype)

    def score():
        # in the batches that are fastest for the peer's networks, too, rather than all rows at once
        return [log_prob(flow, rows) for rows in x.split(1024)]

    with torch.no_grad():
        return seconds(score, n_repeats)


def measure(bijector, n_columns, hidden, dtype, n_repeats):
    density, _ = fitted(bijector, n_columns, hidden)
    X = np.random.default_rng(1).standard_normal((N_ROWS, n_columns)).astype(dtype)
    ours = seconds(lambda: density.score_samples(X), n_repeats)
    zuko = peer_seconds(
        zuko_flow, X, bijector, hidden, lambda flow, x: flow().log_prob(x), n_repeats
    )
    nflows = peer_seconds(
        nflows_flow, X, bijector, hidden, lambda flow, x: flow.log_prob(x), n_repeats
    )
    return [
        n_columns, f"2x{hidden}", bijector, dtype, f"{1e3 * ours:,.0f}", f"{1e3 * zuko:,.0f}",
        f"{zuko / ours:.2f}", f"{1e3 * nflows:,.0f}", f"{nflows / ours:.2f}",
    ]  # fmt: skip


def peak_memory(dtype):
    """Megabytes by which the process grew, at most, while it scored rows that were in memory."""
    torch.set_num_threads(1)
    density, _ = fitted("spline", MILLION[1], 128)
    X = np.random.default_rng(0).standard_normal(MILLION, dtype=dtype)
    density.score_samples(X[:10_000])  # libraries load
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak so far
    before = kilobytes("VmRSS")
    density.score_samples(X)
    return (kilobytes("VmHWM") - before) / 1024


def kilobytes(name):
    """What Linux says of this process: VmRSS, the memory that it holds, or VmHWM, its peak."""
    (line,) = [
        line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name)
    ]
    return int(line.split()[1])


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--columns",
        type=int,
        nargs="+",
        choices=HIDDEN,
        default=list(HIDDEN),
        help="numbers of columns",
    )
    parser.add_argument(
        "--dtypes", nargs="+", choices=["float32", "float64"], default=["float32", "float64"]
    )
    parser.add_argument(
        "--repeats", type=int, default=5, help="calls of each tool; the median counts"
    )
    parser.add_argument("--memory", action="store_true", help="measure memory instead of time")
    args = parser.parse_args()
    torch.set_num_threads(1)
    threadpool_limits(1)
    if args.memory:
        for dtype in args.dtypes:
            # a new process for each: the peak of a process never falls
            with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
                megabytes = pool.submit(peak_memory, dtype).result()
            print(
                f"{MILLION[0]:,} x {MILLION[1]}, {dtype}: {megabytes:.0f} MB beside the rows",
                flush=True,
            )
        return
    print("| " + " | ".join(HEADER) + " |")
    print("|" + "---|" * len(HEADER))
    for dtype in args.dtypes:
        for bijector in ("affine", "spline"):
            for n_columns in args.columns:
                row = measure(bijector, n_columns, HIDDEN[n_columns], dtype, args.repeats)
                print("| " + " | ".join(map(str, row)) + " |", flush=True)


if __name__ == "__main__":
    main()
