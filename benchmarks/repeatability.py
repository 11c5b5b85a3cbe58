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
KEY = ["table", "size", "seed"]
SIZES = (1, 2, 3)  # of mixtures


def run(args):
    """Fit what is missing, and score what the fits of each table make together."""
    for seed in args.seeds:
        for name in args.tables:
            fit(args, name, seed)
    for name in args.tables:
        for size in SIZES[1:]:
            mix(args, name, size)


def fit(args, name, seed):
    """Fit a table with a seed, unless the file has it, and keep the log-densities of test rows."""
    key = dict(zip(KEY, (name, 1, seed)))
    if is_done(args.out, key) and scores_file(args.out, name, seed).exists():
        return
    table = load(args.data, name, 0)
    start = time.process_time()
    density = MAFDensity(random_state=seed).fit(np.concatenate([table.fit, table.val]))
    fit_time = time.process_time() - start
    scores = density.score_samples(table.test.astype(np.float32))
    scores_file(args.out, name, seed).parent.mkdir(exist_ok=True)
    np.save(scores_file(args.out, name, seed), scores)
    n_rows = len(table.fit) + len(table.val)
    append(args.out, key | {"mean": scores.mean(), "fit_s": fit_time, "rows": n_rows})
    print(f"{name}, seed {seed}: {scores.mean():.3f} nats, {fit_time:.0f} s", flush=True)


def scores_file(out, table, seed):
    return out.with_suffix("") / f"{table}_{seed}.npy"


def mix(args, name, size):
    """Mix the fits of a table whose seeds follow each other."""
    seeds = sorted(args.seeds)
    for start in range(0, len(seeds) - size + 1, size):
        key = dict(zip(KEY, (name, size, seeds[start])))
        if not is_done(args.out, key):
            group = [np.load(scores_file(args.out, name, s)) for s in seeds[start : start + size]]
            mixed = logsumexp(group, axis=0) - np.log(size)
            append(args.out, key | {"mean": mixed.mean(), "fit_s": np.nan, "rows": np.nan})


def report(out):
    """Print mean and standard deviation over seeds, of single fits and of mixtures."""
    results = pd.read_csv(out)
    lines = {}
    for name, of_table in results.groupby("table", sort=False):
        one = of_table[of_table["size"] == 1]
        line = {"rows": f"{one['rows'].iloc[0]:,.0f}", "fits": str(len(one))}
        for size in SIZES:
            means = of_table[of_table["size"] == size]["mean"]
            spread = f" ± {number(means.std())}" if len(means) > 1 else ""
            line["one" if size == 1 else f"{size} mixed"] = number(means.mean()) + spread
        line["fit, s"] = number(one["fit_s"].median(), 0)
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
