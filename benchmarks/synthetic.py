"""Sampled rows beside real ones, by skmaf and other tools: can a classifier tell them apart?

    python benchmarks/synthetic.py --seeds 0 1 2     runs what is missing, then reports
    python benchmarks/synthetic.py --frames DIR      the same for CSV files, as mixed tables
    python benchmarks/synthetic.py --report          prints the report alone

A classifier two-sample test (Lopez-Paz and Oquab, 2017). A seed cuts the rows in halves: one fits
the tool, the other are the real rows; at most 5,000 of each. The tool draws as many as are real,
and gradient boosting learns to tell which are: its ROC AUC over five folds is best at 0.5. Rows are
judged as the tools return them, in the units of the table: nothing is rounded for anyone, so ties,
grids and zeros count. Of labelled tables only normal rows are used. "training rows" draws from its
fit rows, with replacement: what memory alone reaches; it does not compete. SDV, which is installed
by `pip install "sdv>=2"`, takes no seed. All tools run on one thread.

In mixed tables text becomes categories; constant columns are dropped, and text that is distinct in
over half the rows or has more than 255 values, the most that the classifier takes. skmaf and SDV
get the frame itself. GMM and KDE get categories as one-hot columns, missing as one more category,
and missing numbers as the median, with an indicator beside them; back, the largest of the one-hot
columns counts, and an indicator over 0.5. Where a table has missing cells, all tools are compared
by complete rows, against real rows that are complete; skmaf is asked for such rows.
"""

import time
import warnings
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from records import append, is_done, options
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import StratifiedKFold, cross_val_predict, train_test_split
from sklearn.neighbors import KernelDensity
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from skmaf import MAFDensity

HERE = Path(__file__).resolve().parent
MAX_ROWS = 5_000
MAX_CATEGORIES = 255
KEY = ["table", "tool", "seed"]
FOLDERS = ("anomaly", "density")


def load(path):
    """A table as a frame, of float64 columns and, from a CSV file, categories."""
    if path.suffix == ".csv":
        frame = pd.read_csv(path)
        text = frame.select_dtypes(exclude=["number", "bool"]).columns
        n_values = frame.nunique()
        names = text[n_values[text] > min(len(frame) / 2, MAX_CATEGORIES)]
        frame = frame.astype({name: "category" if name in text else "float64" for name in frame})
        return frame.drop(columns=names.union(n_values.index[n_values < 2]))
    with np.load(path, allow_pickle=False) as archive:
        X = archive["X"][archive["y"] == 0] if "y" in archive else archive["X"]
    return pd.DataFrame(X.astype(np.float64)).add_prefix("x")


class Encoding:
    """A frame as standardised numbers ``Z``, and the way back."""

    def __init__(self, frame):
        self.frame = frame
        self.categories = {}
        columns = []
        for name, x in frame.items():
            if x.dtype == "category":
                codes, self.categories[name] = pd.factorize(x, use_na_sentinel=False)
                columns.append(np.eye(len(self.categories[name]))[codes])
            else:
                columns += [x.fillna(x.median())] + [x.isna()] * x.hasnans
        self.scaler = StandardScaler()
        self.Z = self.scaler.fit_transform(np.column_stack(columns))

    def decode(self, Z):
        columns = iter(self.scaler.inverse_transform(Z).T)
        decoded = {}
        for name, x in self.frame.items():
            if name in self.categories:
                one_hot = [next(columns) for _ in self.categories[name]]
                decoded[name] = self.categories[name].take(np.argmax(one_hot, axis=0))
            else:
                number = next(columns)
                decoded[name] = (
                    np.where(next(columns) > 0.5, np.nan, number) if x.hasnans else number
                )
        return pd.DataFrame(decoded)


def best_of(models, Z, seed):
    """The model under which a fifth of the rows, held out, is the most likely; refitted on all."""
    fit, held_out = train_test_split(Z, test_size=0.2, random_state=seed)
    return max(models, key=lambda model: model.fit(fit).score(held_out)).fit(Z)


def skmaf(frame, seed):
    density = MAFDensity(random_state=seed).fit(frame)
    return lambda n: density.sample(n, random_state=seed, complete=True)


def mixture(frame, seed):
    encoding = Encoding(frame)
    counts = [k for k in (1, 2, 4, 8, 16, 32) if k <= 0.8 * len(frame)]
    best = best_of(
        [GaussianMixture(k, reg_covar=1e-4, random_state=seed) for k in counts], encoding.Z, seed
    )
    return lambda n: encoding.decode(best.sample(n)[0])


def kernel_density(frame, seed):
    encoding = Encoding(frame)
    best = best_of(
        [KernelDensity(bandwidth=h) for h in np.geomspace(0.02, 1, 12)], encoding.Z, seed
    )
    return lambda n: encoding.decode(best.sample(n, random_state=seed))


def sdv_copula(frame, seed):
    from sdv.metadata import Metadata
    from sdv.single_table import GaussianCopulaSynthesizer

    kinds = {
        name: {"sdtype": "categorical" if x.dtype == "category" else "numerical"}
        for name, x in frame.items()
    }
    copula = GaussianCopulaSynthesizer(
        Metadata.load_from_dict({"tables": {"rows": {"columns": kinds}}})
    )
    copula.fit({"rows": frame})
    return lambda n: copula.sample(n)["rows"]


TOOLS = {  # from a frame and a seed to a function that draws n rows
    "skmaf": skmaf,
    "GMM": mixture,
    "KDE": kernel_density,
    "SDV copula": sdv_copula,
    "training rows": lambda frame, seed: lambda n: frame.sample(n, replace=True, random_state=seed),
}


def measure(tool, frame, seed):
    """A row of the CSV file without its key: draws of a tool told from real rows of a table."""
    halves = np.array_split(np.random.default_rng(seed).permutation(len(frame)), 2)
    fit, real = (frame.iloc[half[:MAX_ROWS]].reset_index(drop=True) for half in halves)
    start = time.process_time()
    sample = TOOLS[tool](fit, seed)
    fitted = time.process_time()
    drawn = sample(len(real))
    times = {"fit_s": fitted - start, "sample_s": time.process_time() - fitted}
    drawn = pd.DataFrame(drawn, columns=frame.columns).astype(frame.dtypes)
    if frame.isna().any(axis=None):
        real = real.dropna()
        drawn = drawn.dropna()[: len(real)]
    rows = pd.concat([real, drawn], ignore_index=True)
    is_real = np.repeat([1, 0], [len(real), len(drawn)])
    classifier = HistGradientBoostingClassifier(
        categorical_features="from_dtype", random_state=seed
    )
    folds = StratifiedKFold(5, shuffle=True, random_state=seed)
    scores = cross_val_predict(classifier, rows, is_real, cv=folds, method="predict_proba")[:, 1]
    return {
        "auc": roc_auc_score(is_real, scores),
        **times,
        "rows": len(fit),
        "columns": fit.shape[1],
    }


def run(args):
    """Measure what the file does not have yet."""
    if args.frames:
        paths = {path.name: path for path in sorted(args.frames.glob("*.csv"))}
    else:
        files = [path for folder in FOLDERS for path in (args.data / folder).glob("*.npz")]
        paths = {path.stem: path for path in sorted(files)}
    for seed in args.seeds:
        for name in args.tables or paths:
            frame = load(paths[name])
            for tool in args.tools:
                key = dict(zip(KEY, (name, tool, seed)))
                if is_done(args.out, key):
                    continue
                result = key | measure(tool, frame, seed)
                append(args.out, result)
                print(
                    "{table}, seed {seed}, {tool}: AUC {auc:.3f}, {fit_s:.1f} s".format(**result),
                    flush=True,
                )


def report(results):
    """Print ROC AUC by table and tool, and means over the tables that all these tools have."""
    tools = [tool for tool in TOOLS if tool in set(results["tool"])]
    results["distance"] = (results["auc"] - 0.5).abs()
    by_table = results.pivot_table(["auc", "distance", "fit_s", "sample_s"], "table", "tool")
    shared = by_table.dropna()
    means = shared.mean().unstack()
    rivals = shared["distance"].drop(columns="training rows", errors="ignore")
    closest = rivals.eq(rivals.min(axis=1), axis=0).sum()
    lines = [(name, row, ".3f") for name, row in by_table["auc"].iterrows()]
    lines += [
        ("mean distance to 0.5", means.loc["distance"], ".3f"),
        (f"closest, of {len(shared)} tables", closest, ".0f"),
    ]
    lines += [
        ("seconds to fit", means.loc["fit_s"], ".1f"),
        ("seconds to sample", means.loc["sample_s"], ".2f"),
    ]
    print(
        "\nROC AUC of real rows against sampled ones, "
        f"mean over seeds {sorted(set(results['seed']))}; 0.5 is best:\n"
    )
    print("| table | " + " | ".join(tools) + " |\n|---|" + "---:|" * len(tools))
    for name, row, form in lines:
        print(
            f"| {name} | "
            + " | ".join("" if np.isnan(x) else f"{x:{form}}" for x in row.reindex(tools))
            + " |"
        )


def main():
    parser = options(__doc__, "synthetic.csv")
    parser.add_argument(
        "--data",
        type=Path,
        default=HERE.parents[1] / "shared" / "data",
        help="with density/ and anomaly/",
    )
    parser.add_argument(
        "--frames",
        type=Path,
        help="a directory of CSV files, mixed tables, in place of those of --data",
    )
    parser.add_argument(
        "--tables",
        nargs="+",
        help="all of the directory unless given; NAME.csv for those of --frames",
    )
    parser.add_argument(
        "--tools", nargs="+", choices=TOOLS, default=list(TOOLS), help="all unless given"
    )
    args = parser.parse_args()
    torch.set_num_threads(1)
    threadpool_limits(1)
    warnings.simplefilter("ignore")
    if not args.report:
        if "SDV copula" in args.tools and not find_spec("sdv"):
            args.tools.remove("SDV copula")
            print(
                "SDV copula is left out: sdv is not installed. It wants pandas below 3: give it an "
                "environment of its own."
            )
        run(args)
    report(pd.read_csv(args.out))


if __name__ == "__main__":
    main()
