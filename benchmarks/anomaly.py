"""Anomalies in twenty labelled tables: skmaf beside other detectors, all with defaults.

    python benchmarks/anomaly.py --seeds 0 1 2 3 4    runs what is missing, then reports
    python benchmarks/anomaly.py --report             prints the report alone

`--tools "PyOD kNN" AutoEncoder VAE DeepSVDD LUNAR` runs more of PyOD's. With --contaminated the
training rows hold anomalies as the table does, and no label is used: half of all rows train.
All tools see the same rows, on one thread.
"""

import time
import warnings
from importlib import import_module
from inspect import signature
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from records import append, is_done, options
from sklearn.ensemble import IsolationForest
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import KernelDensity, LocalOutlierFactor, NearestNeighbors
from sklearn.svm import OneClassSVM
from threadpoolctl import threadpool_limits

from skmaf import DensityOutlierDetector

HERE = Path(__file__).resolve().parent
MAX_ROWS = 20_000
KEY = ["table", "tool", "seed", "contaminated"]


def load(path, seed, contaminated):
    """Standardised training rows, test rows, and labels of these (1: anomaly)."""
    with np.load(path, allow_pickle=False) as archive:
        X = archive["X"].astype(np.float64)
        y = archive["y"]
    rng = np.random.default_rng(seed)
    if len(X) > MAX_ROWS:
        rows = rng.permutation(len(X))[:MAX_ROWS]
        X = X[rows]
        y = y[rows]
    pool = rng.permutation(len(X) if contaminated else np.flatnonzero(y == 0))
    train = pool[: len(pool) // 2]
    rest = pool[len(pool) // 2 :]
    test = rest if contaminated else np.concatenate([rest, np.flatnonzero(y == 1)])
    mean = X[train].mean(axis=0)
    scale = X[train].std(axis=0)
    scale[scale == 0] = 1
    return (X[train] - mean) / scale, (X[test] - mean) / scale, y[test]


def by_score(estimator):
    return lambda X, seed: estimator(seed).fit(X).score_samples


def nearest_neighbours(X, seed):
    neighbours = NearestNeighbors(n_neighbors=5).fit(X)
    return lambda rows: -neighbours.kneighbors(rows)[0][:, -1]


def local_outlier_factor(X, seed):
    return LocalOutlierFactor(novelty=True).fit(X).score_samples


def mixture(X, seed):
    return GaussianMixture(min(8, len(X)), reg_covar=1e-3, random_state=seed).fit(X).score_samples


def pyod(module, name):
    """A detector of PyOD, whose scores are higher for anomalies."""

    def fit(X, seed):
        detector = getattr(import_module(f"pyod.models.{module}"), name)
        known = {"n_features": X.shape[1], "random_state": seed, "verbose": 0}
        taken = signature(detector).parameters
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            fitted = detector(**{key: value for key, value in known.items() if key in taken}).fit(X)
        return lambda rows: -fitted.decision_function(rows)

    return fit


TOOLS = {
    "skmaf": by_score(lambda seed: DensityOutlierDetector(random_state=seed)),
    "IsolationForest": by_score(lambda seed: IsolationForest(random_state=seed)),
    "LOF": local_outlier_factor,
    "kNN": nearest_neighbours,
    "OCSVM": by_score(lambda seed: OneClassSVM(gamma="scale")),
    "GMM": mixture,
    "KDE": by_score(lambda seed: KernelDensity(bandwidth="scott")),
    "ECOD": pyod("ecod", "ECOD"),
}
EXTRAS = {
    "PyOD kNN": pyod("knn", "KNN"),
    "AutoEncoder": pyod("auto_encoder", "AutoEncoder"),
    "VAE": pyod("vae", "VAE"),
    "DeepSVDD": pyod("deep_svdd", "DeepSVDD"),
    "LUNAR": pyod("lunar", "LUNAR"),
}


def run(args):
    """Measure what the file does not have yet."""
    for seed in args.seeds:
        for name in args.tables or sorted(path.stem for path in args.data.glob("*.npz")):
            train, test, y = load(args.data / f"{name}.npz", seed, args.contaminated)
            for tool in args.tools:
                key = dict(zip(KEY, (name, tool, seed, args.contaminated)))
                if is_done(args.out, key):
                    continue
                start = time.process_time()
                score_samples = (TOOLS | EXTRAS)[tool](train, seed)
                fitted = time.process_time()
                # scores that overflow stand at the far end
                scores = np.nan_to_num(
                    -score_samples(test), nan=np.inf, posinf=1e300, neginf=-1e300
                )
                result = key | {
                    "auc": 100 * roc_auc_score(y, scores),
                    "ap": 100 * average_precision_score(y, scores),
                    "fit_s": fitted - start,
                    "score_s": time.process_time() - fitted,
                    "train_rows": len(train),
                    "columns": train.shape[1],
                }
                append(args.out, result)
                line = "{table}, seed {seed}, {tool}: AUC {auc:.1f}, AP {ap:.1f}, {fit_s:.1f} s"
                print(line.format(**result), flush=True)


def report(results):
    """Print ROC AUC, average precision and times to fit by table and tool."""
    tools = [tool for tool in TOOLS | EXTRAS if tool in set(results["tool"])]
    for metric, title in [
        ("auc", "ROC AUC, %"),
        ("ap", "Average precision, %"),
        ("fit_s", "Seconds to fit"),
    ]:
        by_table = results.pivot_table(metric, "table", "tool")[tools]
        by_seed = results.groupby(["seed", "tool"])[metric].mean().unstack()[tools]
        print(f"\n{title}, mean over seeds {sorted(set(results['seed']))}:\n")
        print("| table | " + " | ".join(tools) + " |\n|---|" + "---:|" * len(tools))
        for name, row in by_table.iterrows():
            print(f"| {name} | " + " | ".join(f"{x:.1f}" for x in row) + " |")
        spread = by_seed.std().fillna(0)
        if metric == "auc":
            best = (by_table.sub(by_table.max(axis=1), axis=0) >= -1).sum()
            print("| within 1 of the best | " + " | ".join(f"{n}" for n in best) + " |")
        if metric == "auc" and "kNN" in tools:
            worst = by_table.sub(by_table["kNN"], axis=0).min()
            print("| at worst against kNN | " + " | ".join(f"{d:+.1f}" for d in worst) + " |")
        print(
            "| mean ± sd over seeds | "
            + " | ".join(f"{m:.1f} ± {s:.1f}" for m, s in zip(by_seed.mean(), spread))
            + " |"
        )


def main():
    parser = options(__doc__, "anomaly.csv")
    parser.add_argument(
        "--data",
        type=Path,
        default=HERE.parents[1] / "shared" / "data" / "anomaly",
        help="where NAME.npz are",
    )
    parser.add_argument("--tables", nargs="+", help="all of the directory unless given")
    parser.add_argument(
        "--tools",
        nargs="+",
        choices=TOOLS | EXTRAS,
        default=list(TOOLS),
        help="all but extras unless given",
    )
    parser.add_argument(
        "--contaminated",
        action="store_true",
        help="train on a half of all rows, anomalies included",
    )
    args = parser.parse_args()
    torch.set_num_threads(1)
    threadpool_limits(1)
    if not args.report:
        run(args)
    results = pd.read_csv(args.out)
    report(results[results["contaminated"] == args.contaminated])


if __name__ == "__main__":
    main()
