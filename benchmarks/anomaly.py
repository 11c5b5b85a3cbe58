"""Anomalies in twenty labelled tables: skmaf beside other detectors, all with defaults.

    python benchmarks/anomaly.py --protocol clean --seeds 0 1 2     runs what is missing
    python benchmarks/anomaly.py --report                           prints the report alone

Protocols; no tool sees a label in any of them:

clean         a random half of the normal rows trains; the other normal rows and all anomalies test
contaminated  a random half of all rows trains, anomalies included; the others test
in-sample     all rows train, and they are the rows that are scored, each tool as its documentation
              says for training rows

All tools see the same rows. Peers run on one thread; skmaf fits two folds at a time. PyOD's IForest
is that of scikit-learn, so it is not here twice.
"""

import time
import warnings
from collections.abc import Callable
from importlib import import_module
from inspect import signature
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from records import append, is_done, options, show
from sklearn.ensemble import IsolationForest
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import KernelDensity, LocalOutlierFactor, NearestNeighbors
from sklearn.svm import OneClassSVM
from threadpoolctl import threadpool_limits

from skmaf import DensityOutlierDetector

HERE = Path(__file__).resolve().parent
MAX_ROWS = 20_000
PROTOCOLS = ["clean", "contaminated", "in-sample"]
KEY = ["table", "tool", "seed", "protocol"]
REFERENCE = "IsolationForest"


class Fitted(NamedTuple):
    """What scores rows, lower for anomalies: new ones, and those of the fit."""

    new: Callable[[np.ndarray], np.ndarray]
    own: Callable[[], np.ndarray]


def by_score(estimator):
    """A detector that scores rows of its fit as it scores new ones."""

    def fit(X, seed):
        fitted = estimator(seed).fit(X)
        return Fitted(fitted.score_samples, lambda: fitted.score_samples(X))

    return fit


def nearest_neighbours(X, seed):
    """The distance to the fifth neighbour; a row of the fit is no neighbour of its own."""
    neighbours = NearestNeighbors(n_neighbors=5).fit(X)
    return Fitted(
        lambda rows: -neighbours.kneighbors(rows)[0][:, -1],
        lambda: -neighbours.kneighbors()[0][:, -1],
    )


def local_outlier_factor(X, seed):
    fitted = LocalOutlierFactor(novelty=True).fit(X)
    return Fitted(fitted.score_samples, lambda: fitted.negative_outlier_factor_)


def mixture(X, seed):
    fitted = GaussianMixture(min(8, len(X)), reg_covar=1e-3, random_state=seed).fit(X)
    return Fitted(fitted.score_samples, lambda: fitted.score_samples(X))


def pyod(module, name):
    """A detector of PyOD, whose scores are higher for anomalies."""

    def fit(X, seed):
        detector = getattr(import_module(f"pyod.models.{module}"), name)
        known = {"n_features": X.shape[1], "random_state": seed, "verbose": 0}
        taken = signature(detector).parameters
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            fitted = detector(**{key: value for key, value in known.items() if key in taken}).fit(X)
        return Fitted(
            lambda rows: -fitted.decision_function(rows), lambda: -fitted.decision_scores_
        )

    return fit


def density_detector(**parameters):
    return by_score(lambda seed: DensityOutlierDetector(n_jobs=2, random_state=seed, **parameters))


TOOLS = {
    "skmaf": density_detector(),
    "skmaf trusted": density_detector(contamination=0),
    "IsolationForest": by_score(lambda seed: IsolationForest(random_state=seed)),
    "LOF": local_outlier_factor,
    "kNN": nearest_neighbours,
    "OCSVM": by_score(lambda seed: OneClassSVM(gamma="scale")),
    "GMM": mixture,
    "KDE": by_score(lambda seed: KernelDensity(bandwidth="scott")),
    "ECOD": pyod("ecod", "ECOD"),
    "COPOD": pyod("copod", "COPOD"),
    "HBOS": pyod("hbos", "HBOS"),
}
EXTRAS = {
    "LUNAR": pyod("lunar", "LUNAR"),
    "DIF": pyod("dif", "DIF"),
    "PyOD kNN": pyod("knn", "KNN"),
    "AutoEncoder": pyod("auto_encoder", "AutoEncoder"),
    "VAE": pyod("vae", "VAE"),
    "DeepSVDD": pyod("deep_svdd", "DeepSVDD"),
}
ONLY_CLEAN = {"skmaf trusted"}  # told that its rows are normal


def load(path, seed, protocol):
    """Standardised training rows, test rows, and labels of these (1: anomaly)."""
    with np.load(path, allow_pickle=False) as archive:
        X = archive["X"].astype(np.float64)
        y = archive["y"]
    rng = np.random.default_rng(seed)
    if len(X) > MAX_ROWS:
        rows = rng.permutation(len(X))[:MAX_ROWS]
        X = X[rows]
        y = y[rows]
    pool = rng.permutation(np.flatnonzero(y == 0) if protocol == "clean" else len(X))
    if protocol == "in-sample":
        train = pool
        test = pool
    else:
        train = pool[: len(pool) // 2]
        test = pool[len(pool) // 2 :]
    if protocol == "clean":
        test = np.concatenate([test, np.flatnonzero(y == 1)])
    mean = X[train].mean(axis=0)
    scale = X[train].std(axis=0)
    scale[scale == 0] = 1
    return (X[train] - mean) / scale, (X[test] - mean) / scale, y[test]


def measure(fit, train, test, y, seed, protocol):
    """Fit and score; the quality of the scores, and the times on the clock and of the processor."""
    started = time.process_time()
    start = time.perf_counter()
    fitted = fit(train, seed)
    middle = time.perf_counter()
    scores = fitted.own() if protocol == "in-sample" else fitted.new(test)
    end = time.perf_counter()
    processor = time.process_time() - started
    # scores that overflow stand at the far end
    scores = -scores.astype(np.float64)
    scores = np.nan_to_num(scores, nan=1e300, posinf=1e300, neginf=-1e300)
    return {
        "auc": 100 * roc_auc_score(y, scores),
        "ap": 100 * average_precision_score(y, scores),
        "fit_s": middle - start,
        "score_s": end - middle,
        "cpu_s": processor,
        "train_rows": len(train),
        "test_rows": len(test),
        "columns": train.shape[1],
    }


def warm_up(tools):
    """Fit each peer once on a few rows: no table is to pay for imports and compilation."""
    X = np.random.default_rng(0).normal(size=(64, 3))
    for tool in tools:
        if not tool.startswith("skmaf"):
            (TOOLS | EXTRAS)[tool](X, 0).new(X)


def run(args, tools, protocol):
    """Measure what the file does not have yet."""
    tools = [tool for tool in tools if protocol == "clean" or tool not in ONLY_CLEAN]
    warm_up(tools)
    for seed in args.seeds:
        for name in args.tables or sorted(path.stem for path in args.data.glob("*.npz")):
            train, test, y = load(args.data / f"{name}.npz", seed, protocol)
            for tool in tools:
                key = dict(zip(KEY, (name, tool, seed, protocol)))
                if is_done(args.out, key):
                    continue
                fit = (TOOLS | EXTRAS)[tool]
                result = key | measure(fit, train, test, y, seed, protocol)
                append(args.out, result)
                line = "{table}, seed {seed}, {tool}: AUC {auc:.1f}, AP {ap:.1f}, {fit_s:.1f} s"
                print(line.format(**result), flush=True)


def mean_and_sd(by_seed):
    """Texts of the mean over seeds, with the standard deviation where there are several."""
    means = by_seed.mean()
    texts = [f"{m:.1f}" + (f" ± {s:.1f}" if s == s else "") for m, s in zip(means, by_seed.std())]
    return pd.Series(texts, means.index)


def summary(results, tools):
    """A line for each tool, of results of one protocol on the same tables."""
    grid = results.set_index(["table", "seed", "tool"])
    auc = grid["auc"].unstack()[tools]
    by_table = auc.groupby("table").mean()
    by_seed = results.groupby(["seed", "tool"])[["auc", "ap"]].mean().unstack()
    per_tool = results.groupby("tool")
    per_row = 1e6 * results["score_s"] / results["test_rows"]
    lines = pd.DataFrame(index=tools)
    lines["seeds"] = per_tool["seed"].nunique().map(str)
    lines["ROC AUC, %"] = mean_and_sd(by_seed["auc"])
    lines["average precision, %"] = mean_and_sd(by_seed["ap"])
    near = by_table.ge(by_table.max(axis=1) - 1, axis=0).sum()
    lines["within 1 AUC of the best"] = near.map(str)
    if REFERENCE in tools:
        # on the seeds that both have
        over = auc.sub(auc[REFERENCE], axis=0).groupby("table").mean()
        lines[f"AUC at worst against {REFERENCE}"] = over.min().map("{:+.1f}".format)
    lines["fit, median s"] = per_tool["fit_s"].median().map("{:.2f}".format)
    lines["fit, largest s"] = per_tool["fit_s"].max().map("{:.1f}".format)
    score = per_row.groupby(results["tool"]).median()
    lines["score a row, median µs"] = score.map("{:.0f}".format)
    return lines


def report(results, only=None):
    """Print for each protocol a summary of the tools, then AUC and AP table by table."""
    known = [tool for tool in TOOLS | EXTRAS if tool in (only or TOOLS | EXTRAS)]
    for protocol in PROTOCOLS:
        chosen = results[(results["protocol"] == protocol) & results["tool"].isin(known)]
        tools = [tool for tool in known if tool in set(chosen["tool"])]
        if not tools:
            continue
        seeds = chosen.groupby(["table", "tool"])["seed"].nunique().unstack(fill_value=0)
        complete = seeds.eq(seeds.max()).all(axis=1)
        common = seeds.index[complete]
        missing = list(seeds.index[~complete])
        title = f"{protocol}, means over {len(common)} tables"
        if missing:
            title += f" (not all tools have {', '.join(missing)})"
        if len(common):
            show(title, summary(chosen[chosen["table"].isin(common)], tools))
        for metric, name in [("auc", "ROC AUC, %"), ("ap", "average precision, %")]:
            by_table = chosen.pivot_table(metric, "table", "tool")[tools]
            texts = by_table.map(lambda x: f"{x:.1f}" if x == x else "")
            show(f"{protocol}, {name}, means over the seeds of each tool", texts)


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
        help="to run, all but extras unless given; to report, all",
    )
    parser.add_argument("--protocol", choices=PROTOCOLS, help="clean unless given; to report, all")
    args = parser.parse_args()
    torch.set_num_threads(1)
    threadpool_limits(1)
    if not args.report:
        run(args, args.tools or list(TOOLS), args.protocol or "clean")
    results = pd.read_csv(args.out)
    if args.protocol:
        results = results[results["protocol"] == args.protocol]
    report(results, args.tools)


if __name__ == "__main__":
    main()
