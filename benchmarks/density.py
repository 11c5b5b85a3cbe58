"""Held-out log-likelihood of skmaf and its peers on seven tables, the same rows, on one thread.

    python benchmarks/density.py --seeds 0 1 2 3 4    runs what is missing, then reports
    python benchmarks/density.py --report             prints the report alone

Every result is written to the CSV file as soon as it is known.
"""

import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from peers import PEERS
from records import append, is_done, number, options, show
from tables import NAMES, load
from threadpoolctl import threadpool_limits

from skmaf import MAFDensity

BUDGET = 180.0  # seconds of processor time to fit, for each peer
OURS = "skmaf"
TOOLS = [OURS, *PEERS]
HERE = Path(__file__).resolve().parent
KEY = ["table", "tool", "seed", "budget"]


class Skmaf:
    """MAFDensity with its defaults; it holds out rows itself, and takes the time it takes."""

    def __init__(self, budget, seed):
        self.density = MAFDensity(random_state=seed)

    def fit(self, X_train, X_val):
        self.density.fit(np.concatenate([X_train, X_val]))
        self.detail = (
            f"epoch {np.argmax(self.density.validation_scores_) + 1} of {self.density.n_iter_}"
        )

    def log_prob(self, X):
        # rows in float32 are scored in float32, as the other flows do
        return self.density.score_samples(X.astype(np.float32))


def measure(tool, table, budget, seed):
    """Fit a tool on a table and score the test rows: a row of the CSV file without its key."""
    model = {OURS: Skmaf, **PEERS}[tool](budget, seed)
    start = time.process_time()
    model.fit(table.fit, table.val)
    fit_time = time.process_time() - start
    model.log_prob(table.test[:1])  # warm up
    start = time.process_time()
    scores = model.log_prob(table.test)
    score_time = time.process_time() - start
    with np.errstate(over="ignore", invalid="ignore"):
        return {
            "mean": scores.mean(),
            "stderr": scores.std(ddof=1) / np.sqrt(len(scores)),
            "lowest": scores.min(),
            "fit_s": fit_time,
            "score_ms": 1e6 * score_time / len(scores),
            "test_rows": len(scores),
            "detail": model.detail,
        }


def run(args):
    """Measure what the file does not have yet."""
    for seed in args.seeds:
        for name in args.tables:
            table = load(args.data, name, seed)
            for tool in args.tools:
                key = dict(zip(KEY, (name, tool, seed, args.budget)))
                if is_done(args.out, key):
                    continue
                result = key | measure(tool, table, args.budget, seed)
                append(args.out, result)
                print(
                    "{table}, seed {seed}, {tool}: {mean:.2f} nats, {fit_s:.0f} s, {detail}".format(
                        **result
                    ),
                    flush=True,
                )


def report(results):
    """Print score, lowest row, fit time and score time by table and tool, in Markdown."""
    tables = [name for name in NAMES if name in set(results["table"])]
    tools = [tool for tool in TOOLS if tool in set(results["tool"])]

    def over_seeds(column, how="mean"):
        return results.pivot_table(column, "table", "tool", how).reindex(
            index=tables, columns=tools
        )

    means = over_seeds("mean")
    scores = (means.map(number) + " ± " + over_seeds("stderr").map(number)).where(means.notna(), "")
    scores[f"{OURS} - best peer"] = [lead(results[results["table"] == name]) for name in tables]
    scores.loc["mean"] = [*means.mean(skipna=False).map(number), ""]
    seeds = ", ".join(map(str, sorted(set(results["seed"]))))
    show(f"Mean test log-likelihood in nats ± its standard error (seeds {seeds})", scores)
    show("Lowest test row, in nats", over_seeds("lowest", "min").map(number))
    show("Time to fit, in seconds", over_seeds("fit_s").map(number))
    show("Time to score a thousand test rows, in milliseconds", over_seeds("score_ms").map(number))


def lead(results):
    """How far skmaf is above the best peer, with the standard error over the seeds of both."""
    by_seed = results.pivot(index="seed", columns="tool", values="mean")
    peers = by_seed.columns.drop(OURS, errors="ignore")
    if OURS not in by_seed or len(peers) == 0:
        return ""
    best = by_seed[peers].mean().idxmax()
    difference = (by_seed[OURS] - by_seed[best]).dropna()
    spread = f" ± {number(difference.sem())}" if len(difference) > 1 else ""
    return f"{number(difference.mean())}{spread} ({best})"


def main():
    parser = options(__doc__, "density.csv")
    parser.add_argument(
        "--data",
        type=Path,
        default=HERE.parents[1] / "shared" / "data" / "density",
        help="where NAME.npz are",
    )
    parser.add_argument("--tables", nargs="+", choices=NAMES, default=NAMES)
    parser.add_argument("--tools", nargs="+", choices=TOOLS, default=TOOLS)
    parser.add_argument(
        "--budget", type=float, default=BUDGET, help="seconds to fit, for each peer"
    )
    args = parser.parse_args()
    torch.set_num_threads(1)
    threadpool_limits(1)
    if not args.report:
        try:
            run(args)
        except FileNotFoundError as error:
            parser.error(str(error))
    if not args.out.exists():
        parser.error(
            f"no results at {args.out}: run without --report first, or name the file by --out."
        )
    results = pd.read_csv(args.out)
    report(results[results["budget"] == args.budget])


if __name__ == "__main__":
    main()
