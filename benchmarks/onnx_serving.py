"""What a model in ONNX costs: its file, and the time to score rows beside skmaf.

    python benchmarks/onnx_serving.py       prints a Markdown table of times, on one thread

Estimators have their default sizes and few steps of training, which change no time. A row alone is
what a service is asked; skmaf reads it as an array, so that its time holds the checks of the input.
Scores of both are compared.
"""

import os

os.environ["OMP_NUM_THREADS"] = "1"  # before torch is there

import time
import warnings

import numpy as np
import onnxruntime
import torch

from skmaf import DensityOutlierDetector, MAFDensity, MultiscaleDensity, to_onnx

N_FIT = 1000
N_MANY = 10_000
BATCH = 1000  # rows that the session is given at a time
N_REPEATS = 5
COLUMNS = (5, 30)
ESTIMATORS = {
    "MAFDensity, affine": MAFDensity(bijector="affine", max_iter=2, random_state=0),
    "MAFDensity, spline": MAFDensity(max_iter=2, random_state=0),
    "MultiscaleDensity": MultiscaleDensity(max_iter=20, random_state=0),
    "DensityOutlierDetector": DensityOutlierDetector(random_state=0),
}
HEADER = [
    "estimator",
    "columns",
    "nodes",
    "file MB",
    "export s",
    "load s",
    "one row: skmaf ms",
    "onnxruntime ms",
    f"{N_MANY:,} rows: skmaf ms",
    "onnxruntime ms",
    "largest relative error",
]


def normal_rows(n_rows, n_columns, seed):
    rng = np.random.default_rng(seed)
    mixing = np.random.default_rng(0).standard_normal((n_columns, n_columns))
    return rng.standard_normal((n_rows, n_columns)) @ mixing


def session_of(model):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(model, options)


def scores(session, X):
    parts = [
        session.run(["score_samples"], {"X": X[start : start + BATCH]})[0]
        for start in range(0, len(X), BATCH)
    ]
    return np.concatenate(parts)


def seconds(function, *arguments):
    """Median processor time of calls, after one that is not timed."""
    function(*arguments)
    times = []
    for _ in range(N_REPEATS):
        start = time.process_time()
        function(*arguments)
        times.append(time.process_time() - start)
    return float(np.median(times))


def measure(name, n_columns):
    estimator = ESTIMATORS[name].fit(normal_rows(N_FIT, n_columns, 1))
    start = time.process_time()
    model = to_onnx(estimator)
    exported = time.process_time()
    file = model.SerializeToString()
    session = session_of(file)
    loaded = time.process_time()
    X = normal_rows(N_MANY, n_columns, 2)
    ours = estimator.score_samples(X)
    errors = np.abs(scores(session, X) - ours) / np.maximum(1, np.abs(ours))
    times = [
        1e3 * seconds(function, rows)
        for rows in (X[:1], X)
        for function in (estimator.score_samples, lambda rows: scores(session, rows))
    ]
    return [
        name, n_columns, len(model.graph.node), f"{len(file) / 1e6:.2f}",
        f"{exported - start:.1f}", f"{loaded - exported:.1f}", *(f"{t:,.1f}" for t in times),
        f"{errors.max():.0e}",
    ]  # fmt: skip


def main():
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    print("|", " | ".join(HEADER), "|")
    print("|", " | ".join(["---"] * len(HEADER)), "|")
    for name in ESTIMATORS:
        for n_columns in COLUMNS:
            print("|", " | ".join(map(str, measure(name, n_columns))), "|", flush=True)


if __name__ == "__main__":
    main()
