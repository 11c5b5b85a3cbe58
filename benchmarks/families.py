"""Seven tables by every family of flows, with its defaults and with the bijectors of the papers.

    python benchmarks/families.py            runs what is missing, then reports
    python benchmarks/families.py --report   prints the report alone

Rows are scored in float32 and drawn in float64, on one thread. A fit that takes more than --limit
seconds of processor time is given up. Every result is written to the CSV file as soon as it is
known.
"""

import signal
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from records import append, is_done, number, options, show
from tables import NAMES, load
from threadpoolctl import threadpool_limits

from skmaf import MAFDensity

TOOLS = {
    "maf": {},
    "maf+affine": {"bijector": "affine"},
    "made": {},
    "made+mixture": {"bijector": "mixture"},
    "nice": {},
    "realnvp": {},
    "realnvp+spline": {"bijector": "spline"},
    "iaf": {},
    "planar": {},
    "radial": {},
}
HERE = Path(__file__).resolve().parent
KEY = ["table", "tool", "seed"]
N_SAMPLES = 10_000
LIMIT = 900.0


def give_up(signum, frame):
    raise TimeoutError


def measure(tool, table, seed, limit):
    """A row of the CSV file without its key: a family fitted on a table, test scores, and draws."""
    density = MAFDensity(family=tool.split("+")[0], **TOOLS[tool], random_state=seed)
    start = time.process_time()
    signal.setitimer(signal.ITIMER_PROF, limit)  # which counts the time of the processor too
    try:
        density.fit(np.concatenate([table.fit, table.val]))
    except TimeoutError:
        return dict(
            dict.fromkeys(["mean", "stderr", "lowest"]),
            fit_s=time.process_time() - start,
            detail="given up",
        )
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    fit_time = time.process_time() - start
    test = table.test.astype(np.float32)
    density.score_samples(test[:1])  # warm up
    start = time.process_time()
    scores = density.score_samples(test)
    score_time = time.process_time() - start
    start = time.process_time()
    density.sample(N_SAMPLES, random_state=seed)
    sample_time = time.process_time() - start
    return {
        "mean": scores.mean(),
        "stderr": scores.std(ddof=1) / np.sqrt(len(scores)),
        "lowest": scores.min(),
        "fit_s": fit_time,
        "detail": f"epoch {np.argmax(density.validation_scores_) + 1} of {density.n_iter_}",
        "score_ms": 1e6 * score_time / len(scores),
        "sample_ms": 1e6 * sample_time / N_SAMPLES,
        "baseline": density.baseline_.share,
    }


def run(args):
    """Measure what the file does not have yet."""
    for seed in args.seeds:
        for name in args.tables:
            table = load(args.data, name, seed)
            for tool in args.tools:
                key = dict(zip(KEY, (name, tool, seed)))
                if is_done(args.out, key):
                    continue
                result = key | measure(tool, table, seed, args.limit)
                append(args.out, result)
                score = "-" if result["mean"] is None else f"{result['mean']:.2f}"
                print(
                    f"{name}, seed {seed}, {tool}: {score} nats, {result['fit_s']:.0f} s, "
                    f"{result['detail']}",
                    flush=True,
                )


def report(results):
    """Print score, and times to fit, score and draw by table and tool, in Markdown."""
    tables = [name for name in NAMES if name in set(results["table"])]
    tools = [tool for tool in TOOLS if tool in set(results["tool"])]
    done = results[results["mean"].notna()]

    def over_seeds(column):
        return done.pivot_table(column, "table", "tool").reindex(index=tables, columns=tools)

    means = over_seeds("mean")
    scores = (means.map(number) + " ± " + over_seeds("stderr").map(number)).where(means.notna(), "")
    scores.loc["mean"] = means.mean(skipna=False).map(number)
    seeds = ", ".join(map(str, sorted(set(results["seed"]))))
    show(
        f"Mean test log-likelihood in nats ± its standard error (seeds {seeds}; empty: given up)",
        scores,
    )
    show("Time to fit, in seconds", over_seeds("fit_s").map(number))
    show("Time to score a thousand test rows, in milliseconds", over_seeds("score_ms").map(number))
    show("Time to draw a thousand rows, in milliseconds", over_seeds("sample_ms").map(number))
    show("Share of the simple densities beside the flow", over_seeds("baseline").map(number))


def main():
    parser = options(__doc__, "families.csv")
    parser.add_argument(
        "--data",
        type=Path,
        default=HERE.parents[1] / "shared" / "data" / "density",
        help="where NAME.npz are",
    )
    parser.add_argument("--tables", nargs="+", choices=NAMES, default=NAMES)
    parser.add_argument("--tools", nargs="+", choices=TOOLS, default=list(TOOLS))
    parser.add_argument(
        "--limit", type=float, default=LIMIT, help="seconds of processor time for a fit"
    )
    args = parser.parse_args()
    torch.set_num_threads(1)
    threadpool_limits(1)
    if not args.report:
        signal.signal(signal.SIGPROF, give_up)
        try:
            run(args)
        except FileNotFoundError as error:
            parser.error(str(error))
    if not args.out.exists():
        parser.error(
            f"no results at {args.out}: run without --report first, or name the file by --out."
        )
    report(pd.read_csv(args.out))


if __name__ == "__main__":
    main()
