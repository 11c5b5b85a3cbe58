"""What each default of MAFDensity is worth: one of them changed at a time, on one thread.

    python benchmarks/defaults.py --seeds 0 1    runs what is missing, then reports
    python benchmarks/defaults.py --report       prints the report alone

A tenth of the training rows of the density benchmark judges the fits on the rest; its test rows are
not touched.
"""

import warnings
from contextlib import contextmanager, nullcontext
from pathlib import Path
from time import process_time

import pandas as pd
import torch
from records import append, options
from sklearn.exceptions import ConvergenceWarning
from tables import NAMES, load
from threadpoolctl import threadpool_limits

from skmaf import MAFDensity
from skmaf.training import optimiser

HERE = Path(__file__).resolve().parent
TABLES = ("energy", "concrete")
VARIANTS = {
    "defaults": {},
    "bijector='affine'": {"bijector": "affine"},
    "n_bins=8": {"n_bins": 8},
    "n_bins=32": {"n_bins": 32},
    "n_layers=2": {"n_layers": 2},
    "n_layers=5": {"n_layers": 5},
    "hidden_layer_sizes=(64, 128)": {"hidden_layer_sizes": (64, 128)},
    "hidden_layer_sizes=(128, 128)": {"hidden_layer_sizes": (128, 128)},
    "hidden_layer_sizes=(256, 256)": {"hidden_layer_sizes": (256, 256)},
    "activation='relu'": {"activation": "relu"},
    "activation='silu'": {"activation": "silu"},
    "alpha=0": {"alpha": 0},
    "alpha=0.05": {"alpha": 0.05},
    "alpha=0.5": {"alpha": 0.5},
    "batch_size=256": {"batch_size": 256},
    "batch_size=1024": {"batch_size": 1024},
    "learning_rate_init=0.003": {"learning_rate_init": 0.003},
    "learning_rate_init=0.03": {"learning_rate_init": 0.03},
    "a quarter of max_iter": "quarter",
    "AdamW alone, no Muon": ("MOST_UNITS", 0),
    "updates by Muon half as large": ("UPDATE_SIZE", 0.2),
    "gradients clipped at 5": ("MAX_GRADIENT_NORM", 5.0),
    "no moving average": ("AVERAGE_DECAY", 0.0),
    "no baseline": "flow",
}
KEY = ["table", "variant", "seed"]


@contextmanager
def constant(name, value):
    """Let a constant of the optimiser be another one."""
    usual = getattr(optimiser, name)
    setattr(optimiser, name, value)
    try:
        yield
    finally:
        setattr(optimiser, name, usual)


def measure(table, variant, seed, default_epochs):
    change = VARIANTS[variant]
    if change == "quarter":
        change = {"max_iter": default_epochs // 4}
    density = MAFDensity(random_state=seed, **(change if isinstance(change, dict) else {}))
    start = process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        with constant(*change) if isinstance(change, tuple) else nullcontext():
            density.fit(table.fit)
    fit_time = process_time() - start
    if change == "flow":
        density.density_ = density.density_.without_baseline()
    scores = density.score_samples(table.val)
    return {
        "mean": scores.mean(),
        "lowest": scores.min(),
        "fit_s": fit_time,
        "epochs": density.n_iter_,
    }


def run(args):
    """Measure what the file does not have yet."""
    for seed in args.seeds:
        for name in args.tables:
            table = load(args.data, name, seed)
            for variant in VARIANTS:
                results = (
                    pd.read_csv(args.out)
                    if args.out.exists()
                    else pd.DataFrame(columns=[*KEY, "epochs"])
                )
                here = results[(results["table"] == name) & (results["seed"] == seed)].set_index(
                    "variant"
                )
                if variant in here.index:
                    continue
                default_epochs = here["epochs"].get("defaults")
                result = dict(zip(KEY, (name, variant, seed))) | measure(
                    table, variant, seed, default_epochs
                )
                append(args.out, result)
                print(
                    "{table}, seed {seed}, {variant}: {mean:.2f} nats, {fit_s:.0f} s".format(
                        **result
                    ),
                    flush=True,
                )


def report(results):
    """Print the difference of each variant to the defaults, in nats, and the ratio of fit times."""
    means = results.pivot_table("mean", ["table", "seed"], "variant")
    differences = means.sub(means["defaults"], axis=0).drop(columns="defaults")
    times = results.pivot_table("fit_s", ["table", "seed"], "variant")
    ratios = times.div(times["defaults"], axis=0)
    tables = [name for name in NAMES if name in set(results["table"])]
    print(
        "\nHeld-out score less that of the defaults, in nats "
        f"(seeds {sorted(set(results['seed']))}):\n"
    )
    print(
        "| changed | "
        + " | ".join(tables)
        + " | mean | time |\n|---|"
        + "---:|" * (len(tables) + 2)
    )
    for variant in VARIANTS:
        if variant in differences:
            by_table = differences[variant].groupby("table").mean()
            cells = [f"{by_table[name]:+.2f}" for name in tables]
            print(
                f"| {variant} | "
                + " | ".join(cells)
                + f" | {by_table.mean():+.2f} | {ratios[variant].mean():.1f}x |"
            )


def main():
    parser = options(__doc__, "defaults.csv")
    parser.add_argument(
        "--data",
        type=Path,
        default=HERE.parents[1] / "shared" / "data" / "density",
        help="where NAME.npz are",
    )
    parser.add_argument("--tables", nargs="+", choices=NAMES, default=TABLES)
    args = parser.parse_args()
    torch.set_num_threads(1)
    threadpool_limits(1)
    if not args.report:
        run(args)
    report(pd.read_csv(args.out))


if __name__ == "__main__":
    main()
