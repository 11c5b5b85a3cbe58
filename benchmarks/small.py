"""Few rows of fourteen tables: skmaf with its defaults, a shrunk Gaussian and a kernel density.

python benchmarks/small.py --seeds 0 1 2 3 4    runs what is missing, then reports
python benchmarks/small.py --report             prints the report alone
"""

from pathlib import Path
from time import process_time

import numpy as np
import pandas as pd
import torch
from records import append, options
from scipy.stats import multivariate_normal
from sklearn.covariance import LedoitWolf
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KernelDensity
from tables import draw
from threadpoolctl import threadpool_limits

from skmaf import MAFDensity

HERE = Path(__file__).resolve().parent
TABLES = {
    "density": ("energy", "concrete", "parkinsons", "bike", "elevators", "keggdirected", "protein"),
    # normal rows alone
    "anomaly": ("glass", "Pima", "wine", "vowels", "Ionosphere", "satellite", "magic.gamma"),
}
SIZES = (50, 100, 200, 500)
MIN_TEST_ROWS = 30


def gaussian(X, seed):
    estimate = LedoitWolf().fit(X)
    return multivariate_normal(estimate.location_, estimate.covariance_).logpdf


def kernel_density(X, seed):
    grid = {"bandwidth": np.geomspace(0.05, 2, 20)}
    return GridSearchCV(KernelDensity(), grid, cv=5).fit(X).best_estimator_.score_samples


def skmaf(X, seed):
    return MAFDensity(random_state=seed).fit(X).score_samples


TOOLS = {"skmaf": skmaf, "gaussian": gaussian, "kde": kernel_density}
KEY = ["table", "n", "seed"]


def measure(fit_rows, test_rows, seed):
    """Scores of all tools on one draw: a row of the CSV file without its key."""
    result = {"columns": fit_rows.shape[1], "test_rows": len(test_rows)}
    scores = {}
    for name, fit in TOOLS.items():
        start = process_time()
        log_prob = fit(fit_rows, seed)
        result[f"{name}_fit_s"] = process_time() - start
        scores[name] = log_prob(test_rows)
        result[name] = scores[name].mean()
        result[f"{name}_lowest"] = scores[name].min()
    peer = max(("gaussian", "kde"), key=lambda name: result[name])
    difference = scores["skmaf"] - scores[peer]
    return result | {
        "lead": difference.mean(),
        "stderr": difference.std(ddof=1) / np.sqrt(len(difference)),
    }


def run(args):
    """Measure what the file does not have yet."""
    done = (
        set(pd.read_csv(args.out)[KEY].itertuples(index=False, name=None))
        if args.out.exists()
        else set()
    )
    for seed in args.seeds:
        for kind, names in TABLES.items():
            for name in names:
                for n in SIZES:
                    if (name, n, seed) in done:
                        continue
                    fit_rows, test_rows = draw(args.data / kind / f"{name}.npz", n, seed)
                    if len(test_rows) < MIN_TEST_ROWS:
                        continue
                    result = dict(zip(KEY, (name, n, seed))) | measure(fit_rows, test_rows, seed)
                    append(args.out, result)
                    print(
                        "{table}, {n} rows, seed {seed}: {lead:+.2f} ± {stderr:.2f}".format(
                            **result
                        ),
                        flush=True,
                    )


def report(results):
    """Print the mean lead over the better peer, with its standard error over draws, by table."""
    seeds = ", ".join(map(str, sorted(set(results["seed"]))))
    print(
        "\nLead over the better of the Gaussian and the kernel density, "
        f"in nats ± standard error over seeds {seeds}:\n"
    )
    sizes = sorted(set(results["n"]))
    print(
        "| table | " + " | ".join(f"{n} rows" for n in sizes) + " |\n|---|" + "---:|" * len(sizes)
    )
    for name in dict.fromkeys(results["table"]):
        cells = [lead(results[(results["table"] == name) & (results["n"] == n)]) for n in sizes]
        print(f"| {name} | " + " | ".join(cells) + " |")
    times = results.groupby("n")["skmaf_fit_s"].agg(["median", "max"])
    lowest = results.groupby("n")[[f"{tool}_lowest" for tool in TOOLS]].min()
    print("\nTime to fit skmaf, in seconds, and the lowest test row of each tool, in nats:\n")
    print(times.join(lowest).round(1).to_string())


def lead(results):
    if len(results) == 0:
        return ""
    best = results[["gaussian", "kde"]].mean().idxmax()
    difference = results["skmaf"] - results[best]
    return f"{difference.mean():+.2f} ± {difference.sem():.2f} ({best})"


def main():
    parser = options(__doc__, "small.csv")
    parser.add_argument(
        "--data",
        type=Path,
        default=HERE.parents[1] / "shared" / "data",
        help="with density/ and anomaly/",
    )
    args = parser.parse_args()
    torch.set_num_threads(1)
    threadpool_limits(1)
    if not args.report:
        run(args)
    report(pd.read_csv(args.out))


if __name__ == "__main__":
    main()
