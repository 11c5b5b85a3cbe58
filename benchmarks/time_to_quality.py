"""How soon MAFDensity passes what zuko's MAF reaches in the end.

    python benchmarks/time_to_quality.py --seeds 0 1 2 3 4    runs what is missing, then reports
    python benchmarks/time_to_quality.py --report             prints the report alone

Both are compared on the test rows of the density benchmark, on one thread; the lines of zuko-maf
have to be in results/density.csv.

The weights that a fit would give back if it ended now are judged after each epoch, the time of that
not counted; the fit is interrupted when they pass.
"""

import warnings
from pathlib import Path
from time import process_time

import numpy as np
import pandas as pd
import torch
from records import append, options
from tables import NAMES, load
from threadpoolctl import threadpool_limits

from skmaf import MAFDensity
from skmaf.models import table_fit
from skmaf.training import loop

HERE = Path(__file__).resolve().parent
KEY = ["table", "seed"]


class Stopwatch:
    """Interrupts the fit of a density when the weights it keeps pass a target on test rows."""

    def __init__(self, test, target):
        self.columns = None
        self.test = test
        self.target = target
        self.paused = 0.0
        self.seconds = np.nan
        self.score = np.nan
        self.n_epochs = 0
        self.started = process_time()

    def find_columns(self, *args):
        """Takes the place of the function that finds the columns, and calls it."""
        self.columns = find_columns(*args)
        return self.columns

    def compare(self, best, flow, tol, loss):
        """Takes the place of ``_Best.compare``, and calls it."""
        compare(best, flow, tol, loss)
        now = process_time()
        seconds = now - self.started - self.paused
        if best.n_stale_epochs == 0:  # the weights just compared are those that are kept
            columns = self.columns
            x = flow.tensor(columns.to_flow(self.test))
            self.score = loop.in_batches(flow.log_prob, flow, x).double().mean().item()
            self.score += columns.log_jacobian(self.test).mean()
        if self.score > self.target:
            self.seconds = seconds
            raise KeyboardInterrupt
        self.n_epochs += 1
        self.paused += process_time() - now


compare = loop._Best.compare
find_columns = table_fit.find_columns


def measure(table, seed, target):
    """Seconds until the target is passed (NaN if it never is), the score then, and the epochs."""
    density = MAFDensity(random_state=seed)
    watch = Stopwatch(table.test, target)
    loop._Best.compare = lambda best, *args: watch.compare(best, *args)
    table_fit.find_columns = watch.find_columns
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # that it was interrupted
            density.fit(np.concatenate([table.fit, table.val]))
    finally:
        loop._Best.compare = compare
        table_fit.find_columns = find_columns
    return {"seconds": watch.seconds, "score": watch.score, "epochs": watch.n_epochs}


def run(args, peers):
    """Measure what the file does not have yet."""
    done = (
        set(pd.read_csv(args.out)[KEY].itertuples(index=False, name=None))
        if args.out.exists()
        else set()
    )
    for peer in peers.itertuples():
        if (peer.table, peer.seed) in done or peer.seed not in args.seeds:
            continue
        table = load(args.data, peer.table, peer.seed)
        result = dict(zip(KEY, (peer.table, peer.seed))) | measure(table, peer.seed, peer.mean)
        append(args.out, result)
        print(
            "{table}, seed {seed}: {score:.2f} nats after {seconds:.1f} s, {epochs} epochs".format(
                **result
            ),
            flush=True,
        )


def report(results, peers):
    """Print times, and their ratios to zuko's whole fit and to the part up to its best epoch."""
    both = results.merge(peers, on=KEY, suffixes=("", "_zuko"))
    epochs = both["detail"].str.extract(r"epoch (\d+) of (\d+)").astype(float)
    both["best_s"] = both["fit_s"] * epochs[0] / epochs[1]
    both["to fit"] = both["seconds"] / both["fit_s"]
    both["to best epoch"] = both["seconds"] / both["best_s"]
    print(
        "\nSeconds of skmaf to pass the final test score of zuko-maf "
        f"(seeds {sorted(set(both['seed']))}):\n"
    )
    print(
        "| table | zuko-maf | its best epoch, s | its fit, s | skmaf passes, s "
        "| share of its fit | of its best epoch |"
    )
    print("|---|" + "---:|" * 6)
    for name, rows in both.groupby("table", sort=False):
        means = rows[["mean", "best_s", "fit_s", "seconds"]].mean()
        cells = [
            f"{means['mean']:.2f}",
            *(f"{means[c]:.1f}" for c in ("best_s", "fit_s", "seconds")),
        ]
        cells += [spread(rows["to fit"]), spread(rows["to best epoch"])]
        print(f"| {name} | " + " | ".join(cells) + " |")
    print(
        f"| geometric mean | | | | | {geometric_mean(both['to fit']):.2f} "
        f"| {geometric_mean(both['to best epoch']):.2f} |"
    )


def spread(ratios):
    return f"{geometric_mean(ratios):.2f} ({ratios.min():.2f} to {ratios.max():.2f})"


def geometric_mean(x):
    return np.exp(np.log(x).mean(skipna=False))


def main():
    parser = options(__doc__, "time_to_quality.csv")
    parser.add_argument(
        "--data",
        type=Path,
        default=HERE.parents[1] / "shared" / "data" / "density",
        help="where NAME.npz are",
    )
    parser.add_argument(
        "--density",
        type=Path,
        default=HERE / "results" / "density.csv",
        help="results of density.py",
    )
    parser.add_argument("--tables", nargs="+", choices=NAMES, default=NAMES)
    args = parser.parse_args()
    torch.set_num_threads(1)
    threadpool_limits(1)
    peers = pd.read_csv(args.density)
    peers = peers[(peers["tool"] == "zuko-maf") & peers["table"].isin(args.tables)]
    if not args.report:
        run(args, peers)
    report(pd.read_csv(args.out), peers)


if __name__ == "__main__":
    main()
