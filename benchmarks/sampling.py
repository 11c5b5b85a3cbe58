"""How fast rows are drawn: skmaf, zuko and nflows at the same shapes, on one thread, in float32.

    python benchmarks/sampling.py

prints a Markdown table. skmaf is timed through its public estimator, so checks and standardisation
are in its times.
"""

import argparse
import time
import warnings
from statistics import median

import numpy as np
import torch
from peers import N_BINS, N_LAYERS, nflows_flow, zuko_flow
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits

from skmaf import MAFDensity

N_ROWS = 2000
HIDDEN = {8: 128, 21: 128, 64: 256, 166: 512}  # units of both hidden layers, by number of columns
SLOW = 5.0  # seconds after which a call is not repeated

HEADER = [
    "D", "hidden", "bijector", "score pass ms", "sample ms", "ratio", "rows/s",
    "zuko sample ms", "speed-up over zuko", "nflows sample ms", "speed-up over nflows",
]  # fmt: skip


def seconds(call, n_repeats):
    """Median processor time of calls after a first one, which counts alone if it is slow."""
    times = []
    for _ in range(n_repeats + 1):
        start = time.process_time()
        call()
        times.append(time.process_time() - start)
        if times[0] > SLOW:
            return times[0]
    return median(times[1:])


def fitted(bijector, n_columns, hidden):
    """An estimator of one epoch, and float32 rows, so that it scores and samples in float32."""
    X = np.random.default_rng(0).standard_normal((N_ROWS, n_columns), dtype=np.float32)
    density = MAFDensity(
        bijector=bijector,
        n_layers=N_LAYERS,
        n_bins=N_BINS,
        hidden_layer_sizes=(hidden, hidden),
        max_iter=1,
        random_state=0,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return density.fit(X), X


def peer_seconds(make, bijector, n_columns, hidden, draw):
    torch.manual_seed(0)
    flow = make(bijector, n_columns, hidden)
    with torch.no_grad():
        return seconds(lambda: draw(flow), n_repeats=3)


def measure(bijector, n_columns, hidden, n_repeats):
    density, X = fitted(bijector, n_columns, hidden)
    score = seconds(lambda: density.score_samples(X), n_repeats)
    sample = seconds(lambda: density.sample(N_ROWS, random_state=0), n_repeats)
    zuko = peer_seconds(
        zuko_flow, bijector, n_columns, hidden, lambda flow: flow().sample((N_ROWS,))
    )
    nflows = peer_seconds(
        nflows_flow, bijector, n_columns, hidden, lambda flow: flow.sample(N_ROWS)
    )
    return [
        n_columns, f"2x{hidden}", bijector, f"{1e3 * score:.1f}", f"{1e3 * sample:.1f}",
        f"{sample / score:.2f}", f"{N_ROWS / sample:,.0f}", f"{1e3 * zuko:,.0f}",
        f"{zuko / sample:.1f}", f"{1e3 * nflows:,.0f}", f"{nflows / sample:.1f}",
    ]  # fmt: skip


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
        "--bijectors", nargs="+", choices=["affine", "spline"], default=["affine", "spline"]
    )
    parser.add_argument(
        "--repeats", type=int, default=15, help="of skmaf's calls; the median counts"
    )
    args = parser.parse_args()
    torch.set_num_threads(1)
    threadpool_limits(1)
    print("| " + " | ".join(HEADER) + " |")
    print("|" + "---|" * len(HEADER))
    for bijector in args.bijectors:
        for n_columns in args.columns:
            row = measure(bijector, n_columns, HIDDEN[n_columns], args.repeats)
            print("| " + " | ".join(map(str, row)) + " |", flush=True)


if __name__ == "__main__":
    main()
