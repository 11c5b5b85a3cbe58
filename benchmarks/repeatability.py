"""How much the held-out log-likelihood of MAFDensity depends on its seed, and what ensembles gain.

    python benchmarks/repeatability.py --seeds 0 1 2 3 4 5 6 7 8 9    runs what is missing
    python benchmarks/repeatability.py --report                       prints the report alone

The seven tables of the density benchmark, all fits with the same rows: only the seed of the fit
differs, and with it the rows that it holds out, the weights it starts from, and its batches. A
mixture is that of fits whose seeds follow each other, as `DensityEnsemble` makes it. Log-densities
of the test rows are kept in a folder beside the CSV file, which holds their means.
"""

import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from records import append, is_done, number, options, show
from scipy.special import logsumexp
from tables import NAMES, load
from threadpoolctl import threadpool_limits

from skmaf import MAFDensity

HERE = Path(__file__).resolve().parent
KEY = ["table", "seed"]
SIZES = (1, 2, 5)  # of mixtures


def scores_file(out, table, seed):
    return out.with_suffix("") / f"{table}_{seed}.npy"


def run(args):
    """Fit what the file does not have yet."""
    for seed in args.seeds:
        for name in args.tables:
            key = dict(zip(KEY, (name, seed)))
            file = scores_file(args.out, name, seed)
            if is_done(args.out, key) and file.exists():
                continue
            table = load(args.data, name, 0)
            start = time.process_time()
            density = MAFDensity(random_state=seed).fit(np.concatenate([table.fit, table.val]))
            fit_time = time.process_time() - start
            scores = density.score_samples(table.test.astype(np.float32))
            file.parent.mkdir(exist_ok=True)
            np.save(file, scores)
            result = {"mean": scores.mean(), "lowest": scores.min(), "fit_s": fit_time}
            append(args.out, key | result | {"rows": len(table.fit) + len(table.val)})
            print(f"{name}, seed {seed}: {scores.mean():.3f} nats, {fit_time:.0f} s", flush=True)


def report(out):
    """Print mean and standard deviation over seeds, of single fits and of mixtures."""
    results = pd.read_csv(out)
    lines = {}
    for name, of_table in results.groupby("table", sort=False):
        seeds = sorted(of_table["seed"])
        scores = np.array([np.load(scores_file(out, name, seed)) for seed in seeds])
        line = {"rows": f"{of_table['rows'].iloc[0]:,}", "fits": str(len(seeds))}
        for size in SIZES:
            groups = scores[: len(seeds) // size * size].reshape(-1, size, scores.shape[1])
            means = (logsumexp(groups, axis=1) - np.log(size)).mean(axis=1)
            spread = f" ± {number(means.std(ddof=1))}" if len(means) > 1 else ""
            line["one" if size == 1 else f"{size} mixed"] = number(means.mean()) + spread
        line["fit, s"] = number(of_table["fit_s"].median(), 0)
        lines[name] = line
    show(
        "Test log-likelihood in nats, mean and standard deviation over seeds",
        pd.DataFrame.from_dict(lines, orient="index"),
    )


def main():
    parser = options(__doc__, "repeatability.csv")
    parser.add_argument("--data", type=Path, default=HERE.parents[1] / "shared/data/density")
    parser.add_argument("--tables", nargs="+", default=list(NAMES), choices=NAMES)
    args = parser.parse_args()
    torch.set_num_threads(1)
    threadpool_limits(1)
    if not args.report:
        run(args)
    report(args.out)


if __name__ == "__main__":
    main()
