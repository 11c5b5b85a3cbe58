"""What the public estimators give on small tables of all kinds, stored and compared to the bit.

    python benchmarks/unchanged.py store FILE.npz
    python benchmarks/unchanged.py compare FILE.npz

A redesign must not change a number. Store before it, compare after it, on the same machine: all
runs have seed 0 and one thread.
"""

import argparse
import sys
import warnings

import numpy as np
import pandas as pd
import torch
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.neighbors import KernelDensity
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skmaf import (
    ConditionalMAFDensity,
    DensityOutlierDetector,
    MAFClassifier,
    MAFDensity,
    MultiscaleDensity,
    VariationalFlow,
)

FAMILIES = ["maf", "made", "nice", "realnvp", "iaf", "planar", "radial"]
SMALL = {"hidden_layer_sizes": (24, 24), "max_iter": 12, "random_state": 0}
N_ROWS = 150


def messy_table():
    """Text, truth values, integers, rounded numbers, zeros, a constant, and missing cells."""
    rng = np.random.RandomState(0)
    table = pd.DataFrame(
        {
            "word": rng.choice(["red", "green", "blue"], N_ROWS, p=[0.6, 0.3, 0.1]),
            "flag": rng.random_sample(N_ROWS) < 0.3,
            "count": rng.poisson(3, N_ROWS),
            "price": np.round(rng.lognormal(3, 1, N_ROWS), 1),
            "zeros": np.where(rng.random_sample(N_ROWS) < 0.4, 0.0, rng.gamma(2, 2, N_ROWS)),
            "constant": 7.0,
            "tails": rng.standard_t(1, N_ROWS) * 10,
            "size": pd.Categorical(
                rng.choice(["S", "M", "L"], N_ROWS), categories=["S", "M", "L", "XL"]
            ),
        }
    )
    table["sum"] = table["count"] * 2.0 + rng.standard_normal(N_ROWS)
    return table


def with_missing(table):
    rng = np.random.RandomState(1)
    table = table.copy()
    for name in ["word", "price", "zeros", "sum"]:
        table.loc[rng.random_sample(len(table)) < 0.1, name] = None
    return table


def tables():
    """Name of a table to its rows and weights."""
    rng = np.random.RandomState(0)
    iris = load_iris().data
    noisy = iris + rng.uniform(-0.05, 0.05, iris.shape)
    return {
        "continuous": (noisy, None),
        "grid": (rng.poisson(4, (N_ROWS, 3)) + np.arange(N_ROWS)[:, None] % 40, None),
        "categories": (messy_table(), None),
        "missing": (with_missing(messy_table()), None),
        "weights": (noisy, rng.uniform(0.1, 3, N_ROWS)),
        "counts": (with_missing(messy_table()), rng.randint(0, 3, N_ROWS)),
        "float32": (noisy.astype(np.float32), None),
        "one_column": (noisy[:, :1], None),
        "30_columns": (load_breast_cancer().data[:N_ROWS], None),
    }


def plain(value):
    """Any output as an array that NumPy stores without pickle."""
    if hasattr(value, "to_numpy") and not isinstance(value, np.ndarray):
        value = value.to_numpy()
    value = np.asarray(value)
    return value.astype(str) if value.dtype == object else value


def density_outputs(density, X):
    yield "score_samples", density.score_samples(X)
    yield "sample", density.sample(20, random_state=0)
    yield "loss_curve", density.loss_curve_
    if isinstance(X, pd.DataFrame) and X.isna().any(axis=None):
        yield "impute", density.impute(X[:30], n_draws=2, random_state=0)
    if hasattr(density, "transform"):
        Z = density.transform(X)
        yield "transform", Z
        yield "names_out", density.get_feature_names_out()
        yield "inverse_transform", density.inverse_transform(np.nan_to_num(Z[:20]))
        yield "validation", density.validation_scores_
        yield (
            "best",
            -1.0 if density.best_validation_score_ is None else density.best_validation_score_,
        )


def of_densities():
    for name, (X, weights) in tables().items():
        density = MAFDensity(**SMALL).fit(X, sample_weight=weights)
        yield from ((f"maf/{name}/{key}", value) for key, value in density_outputs(density, X))
        multiscale = MultiscaleDensity(max_iter=30, hidden_layer_sizes=(32, 32), random_state=0)
        multiscale.fit(X, sample_weight=weights)
        yield from (
            (f"multiscale/{name}/{key}", value) for key, value in density_outputs(multiscale, X)
        )
        gap = getattr(multiscale, "generalisation_gap", None) or multiscale.overfit
        gaps = gap(X[:40], X[100:])
        yield f"multiscale/{name}/gaps", gaps
        select = getattr(multiscale, "select_noise_levels", None) or multiscale.settle
        select(np.linspace(2, 0.5, len(gaps)))
        yield f"multiscale/{name}/settled", multiscale.score_samples(X)


def of_families():
    X = tables()["continuous"][0]
    for family in FAMILIES:
        density = MAFDensity(**SMALL, family=family).fit(X)
        yield from ((f"family/{family}/{key}", out) for key, out in density_outputs(density, X))
    for bijector in ["affine", "mixture"]:
        density = MAFDensity(**SMALL, bijector=bijector).fit(X)
        yield from ((f"bijector/{bijector}/{key}", out) for key, out in density_outputs(density, X))


def of_settings():
    X = tables()["continuous"][0]
    messy = with_missing(messy_table())
    settings = {
        "no_early_stopping": (MAFDensity(**SMALL, early_stopping=False), X),
        "kinds": (
            MAFDensity(**SMALL, column_kinds={0: (3, None), 1: "grid", 2: "heavy-tailed"}),
            X,
        ),
        "kinds_messy": (
            MAFDensity(**SMALL, column_kinds={"count": "categorical", "price": (0, None)}),
            messy,
        ),
        "defaults": (MAFDensity(random_state=0), X),
    }
    for name, (density, table) in settings.items():
        density.fit(table)
        yield from ((f"setting/{name}/{key}", out) for key, out in density_outputs(density, table))
    warm = MAFDensity(**SMALL, warm_start=True).fit(messy)
    warm.fit(messy)
    yield from ((f"setting/warm/{key}", out) for key, out in density_outputs(warm, messy))


def detector_outputs(detector, X):
    rows = X[:4]
    yield "score_samples", detector.score_samples(X)
    yield "p_values", detector.p_values(X)
    yield "offset", detector.offset_
    yield "predict", detector.predict(X)
    yield "explain", detector.explain(rows)
    yield "expected_values", detector.expected_values(rows)
    yield "select", detector.select(X, fdr=0.5)
    yield "rate", detector.set_threshold(rate=0.2).offset_


def of_detectors():
    all_tables = tables()
    small = MAFDensity(**SMALL)
    detectors = {
        "default": (DensityOutlierDetector(random_state=0), ["continuous", "missing", "weights"]),
        "share": (
            DensityOutlierDetector(contamination=0.1, n_folds=2, random_state=0),
            ["float32"],
        ),
        "maf": (
            DensityOutlierDetector(small, random_state=0),
            ["continuous", "missing", "counts", "weights"],
        ),
        "multiscale": (
            DensityOutlierDetector(
                MultiscaleDensity(max_iter=20, hidden_layer_sizes=(16,), random_state=0),
                random_state=0,
            ),
            ["categories"],
        ),
        "kernel": (
            DensityOutlierDetector(KernelDensity(bandwidth=0.3), random_state=0),
            ["continuous", "counts_only"],
        ),
        "pipeline": (
            DensityOutlierDetector(make_pipeline(StandardScaler(), small), random_state=0),
            ["continuous"],
        ),
        "pipeline_kernel": (
            DensityOutlierDetector(
                make_pipeline(StandardScaler(), KernelDensity(bandwidth=0.3)),
                n_folds=3,
                random_state=0,
            ),
            ["continuous"],
        ),
    }
    all_tables["counts_only"] = (all_tables["continuous"][0], all_tables["counts"][1])
    for kind, (detector, names) in detectors.items():
        for name in names:
            X, weights = all_tables[name]
            detector.fit(X, sample_weight=weights)
            yield from (
                (f"detector/{kind}/{name}/{key}", out) for key, out in detector_outputs(detector, X)
            )


def conditional_outputs(density, X, y):
    yield "score_samples", density.score_samples(X, y)
    yield "entropy", density.score_samples(X[:3])
    yield "sample", density.sample(X[:10], n_samples=3, random_state=0)
    yield "predict", density.predict(X[:20])
    yield "quantiles", density.predict_quantiles(X[:20], [0.1, 0.9])
    yield "interval", density.predict_interval(X[:20], coverage=0.8)
    yield "calibration", density.calibration_scores_


def of_conditionals():
    X, y = load_diabetes(return_X_y=True)
    X = X[:200]
    y = y[:200]
    messy = with_missing(messy_table())
    rng = np.random.RandomState(2)
    cases = {
        "one": (X, y + rng.uniform(-0.4, 0.4, len(y)), None),
        "grid": (X, y, None),
        "few": (X, (y > 100) + (y > 200).astype(float), None),
        "two": (X, np.column_stack([y, X[:, 0] + 0.01 * rng.standard_normal(len(y))]), None),
        "messy": (messy, rng.standard_normal(N_ROWS), None),
        "zeros": (X, np.where(y < 120, 0.0, y + rng.uniform(-0.4, 0.4, len(y))), None),
        "weights": (X, y, rng.uniform(0.1, 2, len(y))),
    }
    for name, (table, target, weights) in cases.items():
        density = ConditionalMAFDensity(**SMALL).fit(table, target, sample_weight=weights)
        yield from (
            (f"conditional/{name}/{key}", out)
            for key, out in conditional_outputs(density, table, target)
        )


def of_classifiers():
    iris = load_iris()
    messy = with_missing(messy_table()).drop(columns="flag")
    rng = np.random.RandomState(0)
    cases = {
        "iris": (iris.data, iris.target, None),
        "weights": (iris.data, iris.target, rng.uniform(0.1, 3, N_ROWS)),
        "messy": (messy, messy_table()["flag"].to_numpy(), None),
    }
    for name, (X, y, weights) in cases.items():
        classifier = MAFClassifier(**SMALL).fit(X, y, sample_weight=weights)
        rows, classes = classifier.sample(10, random_state=0)
        outputs = {
            "log_proba": classifier.predict_log_proba(X),
            "score_samples": classifier.score_samples(X),
            "sample": rows,
            "classes": classes,
            "powers": classifier.powers_,
            "predict": classifier.predict(X),
            "of_class": classifier.sample(5, label=classifier.classes_[1], random_state=0)[0],
        }
        yield from ((f"classifier/{name}/{key}", out) for key, out in outputs.items())


def log_normal(x):
    return -((x - 1) ** 2).sum(1) / 2


def of_variational():
    for family in FAMILIES:
        flow = VariationalFlow(log_normal, 2, family=family, max_iter=40, random_state=0).fit()
        yield f"variational/{family}/loss", flow.loss_curve_
        yield f"variational/{family}/evidence", [flow.log_evidence_, flow.log_evidence_error_]
        yield f"variational/{family}/sample", flow.sample(10, random_state=0)
        yield f"variational/{family}/score", flow.score_samples(np.eye(2))


PARTS = [
    of_densities,
    of_families,
    of_settings,
    of_detectors,
    of_conditionals,
    of_classifiers,
    of_variational,
]


def collected():
    """All outputs by name; what could not be computed is stored as the error's text."""
    outputs = {}
    for part in PARTS:
        for name, value in part():
            outputs[name] = plain(value)
        print(part.__name__, len(outputs), flush=True)
    return outputs


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("action", choices=["store", "compare"])
    parser.add_argument("file")
    args = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    new = collected()
    if args.action == "store":
        np.savez_compressed(args.file, **new)
        return 0
    old = np.load(args.file, allow_pickle=False)
    different = [name for name in old.files if name not in new]
    for name in set(old.files) & set(new):
        same_form = (
            old[name].shape == new[name].shape and old[name].dtype.kind == new[name].dtype.kind
        )
        if not same_form or old[name].tobytes() != new[name].astype(old[name].dtype).tobytes():
            different.append(name)
    for name in sorted(different):
        print("differs:", name)
    print(
        f"{len(old.files) - len(different)} of {len(old.files)} outputs are equal to the last bit"
    )
    return int(bool(different))


if __name__ == "__main__":
    sys.exit(main())
