"""Conditional densities p(y | X) of skmaf and its peers on seven tables.

    python benchmarks/conditional.py --seeds 0 1 2    runs what is missing, then reports
    python benchmarks/conditional.py --report         prints the report alone

All tools see the same rows, on one thread. The target is the last column of a table. If its
training rows are tied it is spread over its step, training and test rows alike, as in
`tables.spread`; the features stay as they are. All columns are standardised by the training rows,
and all figures are in units of the standardised target. CRPS is twice the mean pinball loss at the
levels 0.01, 0.02, ..., 0.99.

The tools, each with its defaults but for what is said here:

skmaf         ConditionalMAFDensity; its 90% interval is that of `predict_interval`
ngboost       NGBRegressor of a normal; at most 1,000 estimators, stopped after 50 without a better
              held-out score, the best number kept; learning rates 0.1, 0.03 and 0.01 are tried in
              this order and the held-out rows, a tenth of the training rows, choose; on large
              tables each estimator sees 10,000 rows drawn at random (`minibatch_frac`); 180 seconds
              of processor time in all, the best until then counts; not refitted on all rows
hgb-quantile  HistGradientBoostingRegressor for each of the levels 0.01, 0.05, 0.1, ..., 0.95, 0.99,
              sorted for each row, with straight lines between the levels; no density; its median
              stands for the mean
gp            GaussianProcessRegressor, amplitude * anisotropic RBF + white noise, on at most 1,000
              training rows drawn by the seed, at most 100 steps of L-BFGS
linear        BayesianRidge: normal, with the predictive standard deviation

ngboost, gp and linear predict a normal. The 90% interval of every peer lies between its quantiles
0.05 and 0.95. Every result is written to the CSV file as soon as it is known.
"""

import math
import time
import warnings
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from ngboost import NGBRegressor
from ngboost.distns import Normal
from records import append, is_done, number, options, show
from scipy.optimize import minimize
from scipy.stats import norm
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel
from sklearn.linear_model import BayesianRidge
from tables import NAMES, VALIDATION_FRACTION, read, spread, standardise
from threadpoolctl import threadpool_limits

HERE = Path(__file__).resolve().parent
KEY = ["table", "tool", "seed"]
MAX_TEST = 5000
LEVELS = np.arange(1, 100) / 100
COVERAGE = 0.9
TAILS = np.array([0.05, 0.95])

BUDGET = 180.0  # seconds of processor time to fit, for ngboost
LEARNING_RATES = (0.1, 0.03, 0.01)
N_ESTIMATORS = 1000
PATIENCE = 50  # estimators
BATCH_ROWS = 10000
TREE_LEVELS = np.array([0.01, *np.arange(1, 20) / 20, 0.99])
GP_ROWS = 1000
GP_STEPS = 100


class Table(NamedTuple):
    """Features and target of the training and test rows, float64, standardised by the former."""

    X: np.ndarray
    y: np.ndarray
    X_test: np.ndarray
    y_test: np.ndarray


def load(directory, name, seed):
    """Read a table, spread its target if tied, standardise it, and draw up to `MAX_TEST` test rows.

    Raises
    ------
    FileNotFoundError
        If the table is not there.
    """
    X, test = read(directory, name)
    rng = np.random.default_rng(seed)
    X = X.astype(np.float64)
    X[:, -1:] = spread(X[:, -1:], ~test, rng)
    X = standardise(X, ~test)
    train = X[~test]
    test = rng.permutation(X[test])[:MAX_TEST]
    return Table(train[:, :-1], train[:, -1], test[:, :-1], test[:, -1])


class Skmaf:
    """ConditionalMAFDensity with its defaults; it holds out rows itself, in whatever time."""

    def __init__(self, seed):
        from skmaf import ConditionalMAFDensity  # the peers run without it

        self.density = ConditionalMAFDensity(random_state=seed)
        self.detail = ""

    def fit(self, X, y):
        self.density.fit(X, y)

    def log_prob(self, X, y):
        return self.density.score_samples(X, y)

    def quantiles(self, X, levels):
        return self.density.predict_quantiles(X, levels)

    def interval(self, X):
        return self.density.predict_interval(X, COVERAGE)

    def centre(self, X):
        return self.density.predict(X)


class Gaussian:
    """A peer that predicts a normal: ``normal(X)`` gives its mean and standard deviation."""

    def __init__(self, seed):
        self.seed = seed
        self.detail = ""

    def log_prob(self, X, y):
        return norm.logpdf(y, *self.normal(X))

    def quantiles(self, X, levels):
        mean, std = self.normal(X)
        return mean[:, None] + std[:, None] * norm.ppf(levels)

    def interval(self, X):
        return self.quantiles(X, TAILS)

    def centre(self, X):
        return self.normal(X)[0]


class OutOfTime(Exception):
    """The budget is spent."""


class NGBoost(Gaussian):
    """Natural gradient boosting of a normal.

    Held-out rows choose learning rate and number of estimators, as the budget allows.
    """

    def fit(self, X, y):
        deadline = time.process_time() + BUDGET
        rows = np.random.default_rng(self.seed).permutation(len(X))
        n_val = round(VALIDATION_FRACTION * len(X))
        val = rows[:n_val]
        fit = rows[n_val:]
        best = math.inf
        for learning_rate in LEARNING_RATES:
            if time.process_time() > deadline:
                break
            model, losses = self._boost(X[fit], y[fit], X[val], y[val], learning_rate, deadline)
            if losses and np.nanmin(losses) < best:
                best = np.nanmin(losses)
                self.model = model
                self.n_estimators = int(np.nanargmin(losses)) + 1
                self.detail = (
                    f"learning rate {learning_rate}, estimator {self.n_estimators} of {len(losses)}"
                )

    def _boost(self, X, y, X_val, y_val, learning_rate, deadline):
        losses = []

        def monitor(normal, y):
            loss = normal.total_score(y)
            losses.append(loss if np.isfinite(loss) else math.inf)
            if time.process_time() > deadline:
                raise OutOfTime  # ngboost has no deadline; its estimators so far stay usable
            return losses[-1]

        model = NGBRegressor(
            Dist=Normal,
            n_estimators=N_ESTIMATORS,
            learning_rate=learning_rate,
            minibatch_frac=min(1.0, BATCH_ROWS / len(X)),
            random_state=self.seed,
            verbose=False,
        )
        # a vanishing variance is a failure of numbers: what was before counts
        with np.errstate(all="ignore"), suppress(OutOfTime, np.linalg.LinAlgError):
            model.fit(X, y, X_val, y_val, val_loss_monitor=monitor, early_stopping_rounds=PATIENCE)
        return model, losses

    def normal(self, X):
        params = self.model.pred_dist(X, max_iter=self.n_estimators).params
        return params["loc"], params["scale"]


class QuantileTrees:
    """Boosted trees, a model for each level of `TREE_LEVELS`."""

    def __init__(self, seed):
        self.models = [
            HistGradientBoostingRegressor(loss="quantile", quantile=q, random_state=seed)
            for q in TREE_LEVELS
        ]

    def fit(self, X, y):
        for model in self.models:
            model.fit(X, y)
        steps = [model.n_iter_ for model in self.models]
        self.detail = f"{min(steps)} to {max(steps)} iterations"

    def log_prob(self, X, y):
        return None

    def quantiles(self, X, levels):
        known = np.sort([model.predict(X) for model in self.models], axis=0)
        right = np.clip(np.searchsorted(TREE_LEVELS, levels), 1, len(TREE_LEVELS) - 1)
        weight = (levels - TREE_LEVELS[right - 1]) / (TREE_LEVELS[right] - TREE_LEVELS[right - 1])
        return known[right - 1].T * (1 - weight) + known[right].T * weight

    def interval(self, X):
        return self.quantiles(X, TAILS)

    def centre(self, X):
        return self.quantiles(X, np.array([0.5]))[:, 0]


class GaussianProcess(Gaussian):
    """Gaussian process on at most `GP_ROWS` rows, its kernel fitted by at most `GP_STEPS` steps."""

    def fit(self, X, y):
        rows = np.random.default_rng(self.seed).permutation(len(X))[:GP_ROWS]
        kernel = ConstantKernel(1.0, (1e-2, 1e3)) * RBF(
            np.full(X.shape[1], math.sqrt(X.shape[1])), (1e-2, 1e4)
        )
        kernel += WhiteKernel(0.1, (1e-6, 1e1))
        self.model = GaussianProcessRegressor(
            kernel, optimizer=self._optimize, random_state=self.seed
        )
        with warnings.catch_warnings():
            # a length scale at its bound: a column of no use
            warnings.simplefilter("ignore", ConvergenceWarning)
            self.model.fit(X[rows], y[rows])

    def _optimize(self, objective, start, bounds):
        found = minimize(
            objective,
            start,
            jac=True,
            bounds=bounds,
            method="L-BFGS-B",
            options={"maxiter": GP_STEPS},
        )
        self.detail = f"{found.nit} steps"
        return found.x, found.fun

    def normal(self, X):
        return self.model.predict(X, return_std=True)


class Linear(Gaussian):
    """Linear regression with a normal residual, Bayesian."""

    def fit(self, X, y):
        self.model = BayesianRidge().fit(X, y)

    def normal(self, X):
        return self.model.predict(X, return_std=True)


TOOLS = {
    "skmaf": Skmaf,
    "ngboost": NGBoost,
    "hgb-quantile": QuantileTrees,
    "gp": GaussianProcess,
    "linear": Linear,
}


def measure(tool, table, seed):
    """A row of the CSV file without its key: a tool fitted on a table, judged on its test rows."""
    model = TOOLS[tool](seed)
    X = table.X_test
    y = table.y_test
    _, fit_time = timed(model.fit, table.X, table.y)
    model.log_prob(X[:1], y[:1])  # warm up
    scores, score_time = timed(model.log_prob, X, y)
    if scores is None:
        scores = np.full(len(y), np.nan)
        score_time = np.nan
    quantiles, quantile_time = timed(model.quantiles, X, LEVELS)
    low, high = model.interval(X).T
    crps = 2 * pinball(y, quantiles).mean(axis=1)
    with np.errstate(over="ignore", invalid="ignore"):
        return {
            "mean": scores.mean(),
            "stderr": standard_error(scores),
            "lowest": scores.min(),
            "crps": crps.mean(),
            "crps_stderr": standard_error(crps),
            "coverage": ((low <= y) & (y <= high)).mean(),
            "width": (high - low).mean(),
            "rmse": np.sqrt(((model.centre(X) - y) ** 2).mean()),
            "fit_s": fit_time,
            "score_ms": 1e6 * score_time / len(y),
            "quantiles_ms": 1e6 * quantile_time / len(y),
            "test_rows": len(y),
            "detail": model.detail,
        }


def timed(function, *args):
    """What a function returns, and the processor time it took, in seconds."""
    start = time.process_time()
    result = function(*args)
    return result, time.process_time() - start


def pinball(y, quantiles):
    """The pinball loss of each row (n,) at each of `LEVELS`: (n, levels)."""
    error = y[:, None] - quantiles
    return np.maximum(LEVELS * error, (LEVELS - 1) * error)


def standard_error(values):
    return values.std(ddof=1) / np.sqrt(len(values))


def run(args):
    """Measure what the file does not have yet."""
    for seed in args.seeds:
        for name in args.tables:
            table = load(args.data, name, seed)
            for tool in args.tools:
                key = dict(zip(KEY, (name, tool, seed)))
                if is_done(args.out, key):
                    continue
                result = key | measure(tool, table, seed)
                append(args.out, result)
                line = (
                    "{table}, seed {seed}, {tool}: {mean:.3f} nats, CRPS {crps:.4f}, "
                    "{coverage:.1%} covered, {fit_s:.0f} s"
                )
                print(line.format(**result), result["detail"], flush=True)


def report(results):
    """Print Markdown tables, a line for each table, a column for each tool: means over seeds."""
    tables = [name for name in NAMES if name in set(results["table"])]
    tools = [tool for tool in TOOLS if tool in set(results["tool"])]

    def over_seeds(column, how):
        return results.pivot_table(column, "table", "tool", how).reindex(
            index=tables, columns=tools
        )

    def show_measure(title, column, digits, factor=1):
        means, spreads = (
            over_seeds(column, how).map(lambda x: number(factor * x, digits))
            for how in ("mean", "std")
        )
        show(title, means + spreads.map(lambda std: std and f" ± {std}"))

    seeds = ", ".join(map(str, sorted(set(results["seed"]))))
    print(
        f"Seeds {seeds}: means over them, ± the standard deviation over seeds. "
        "Units of the standardised target."
    )
    counts = over_seeds("seed", "count").fillna(0)
    if counts.stack().nunique() > 1:
        show("Seeds measured so far", counts.map(lambda x: number(x, 0)))
    show_measure("Mean test log-likelihood in nats", "mean", 3)
    show(
        "Its standard error over the test rows",
        over_seeds("stderr", "mean").map(lambda x: number(x, 3)),
    )
    show_measure("CRPS (twice the mean pinball loss at 99 levels)", "crps", 4)
    show_measure("Coverage of the central 90% interval, in percent", "coverage", 1, 100)
    show_measure("Mean width of the central 90% interval", "width", 3)
    show_measure("Root mean squared error of the mean (of the median for hgb-quantile)", "rmse", 4)
    show_measure("Time to fit, in seconds", "fit_s", 1)


def main():
    parser = options(__doc__, "conditional.csv")
    parser.add_argument(
        "--data",
        type=Path,
        default=HERE.parents[1] / "shared" / "data" / "density",
        help="where NAME.npz are",
    )
    parser.add_argument("--tables", nargs="+", choices=NAMES, default=NAMES)
    parser.add_argument("--tools", nargs="+", choices=TOOLS, default=list(TOOLS))
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
    report(pd.read_csv(args.out))


if __name__ == "__main__":
    main()
