"""Made columns of known density: how far from it is MAFDensity, at 2,000 rows?

    python benchmarks/columns.py --seeds 0 1           runs what is missing, then reports
    python benchmarks/columns.py --pairs --seeds 0     each with a second column that depends on it
    python benchmarks/columns.py --report              prints the report alone

Each column spans scales, has a grid, an edge, values that come again and again, or none of these.
A fit of a table of it alone scores fresh rows, and so does the density that they were drawn from:
the difference of the means is what the fit loses, in nats. On a grid a density is the probability
over the step, as for MAFDensity; values that come again and again off a grid have probabilities.
Rows of the fit are drawn, too: how many lie outside of what the column can hold. In pairs the
second column is normal with a mean that rises with the rank of the first.
"""

import time
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from records import append, is_done, number, options, show
from scipy import stats
from scipy.special import logsumexp
from threadpoolctl import threadpool_limits

from skmaf import MAFDensity

N_ROWS = 2_000
N_TEST = 5_000
PATIENCE = 15  # epochs without progress after which a fit ends: it saves most of the time
ALONE = (16,)  # hidden units of the networks of one column, which depends on no other
KEY = ["column", "pairs", "version", "seed"]


@dataclass
class Smooth:
    """A density of scipy's."""

    law: stats.rv_continuous

    def draw(self, n, rng):
        return self.law.rvs(n, random_state=rng)

    def log_density(self, x):
        return self.law.logpdf(x)


@dataclass
class Rounded:
    """Draws of a density moved to the nearest multiple of a step, and into bounds.

    In a column whose other values have a smaller step this one is its ``unit``.
    """

    law: stats.rv_continuous
    step: float
    low: float = -np.inf
    high: float = np.inf
    unit: float | None = None

    def draw(self, n, rng):
        x = np.clip(self.law.rvs(n, random_state=rng), self.low, self.high)
        return np.round(np.round(x / self.step) * self.step, 10)

    def log_density(self, x):
        below = np.where(x > self.low + self.step / 4, self.law.cdf(x - self.step / 2), 0.0)
        above = np.where(x < self.high - self.step / 4, self.law.sf(x + self.step / 2), 0.0)
        # of the two differences the one that does not cancel
        upper = np.where(x > self.low + self.step / 4, self.law.sf(x - self.step / 2), 1.0)
        mass = np.where(above < 0.5, upper - above, 1 - above - below)
        off_grid = np.abs(np.round(x / self.step) * self.step - x) > (self.unit or self.step) / 4
        outside = off_grid | (x < self.low) | (x > self.high)
        with np.errstate(divide="ignore"):
            return np.log(np.where(outside, 0.0, mass)) - np.log(self.unit or self.step)


@dataclass
class Counts:
    """A probability mass function of scipy's, with a step of 1."""

    law: stats.rv_discrete

    def draw(self, n, rng):
        return self.law.rvs(n, random_state=rng).astype(float)

    def log_density(self, x):
        return self.law.logpmf(x)


@dataclass
class Point:
    """One value; its log-density is that of its probability, over the step where it has one."""

    value: float
    step: float = 1.0

    def draw(self, n, rng):
        return np.full(n, self.value)

    def log_density(self, x):
        return np.where(x == self.value, -np.log(self.step), -np.inf)


@dataclass
class Mixture:
    """Parts with shares. Where a point off a grid is, no density counts beside it."""

    parts: list
    shares: list

    def draw(self, n, rng):
        which = rng.choice(len(self.parts), n, p=self.shares)
        drawn = np.stack([part.draw(n, rng) for part in self.parts])
        return drawn[which, np.arange(n)]

    def log_density(self, x):
        logs = np.stack([part.log_density(x) for part in self.parts])
        is_smooth = np.array([isinstance(part, Smooth) for part in self.parts])
        at_point = np.isfinite(logs[~is_smooth]).any(axis=0)
        logs[is_smooth] = np.where(at_point, -np.inf, logs[is_smooth])
        return logsumexp(logs, axis=0, b=np.array(self.shares)[:, None])


def clipped(law, low, high):
    """A density of which what is out of bounds lies at them."""
    below, above = law.cdf(low), law.sf(high)
    inside = Smooth(
        stats.truncnorm(*((np.array([low, high]) - law.mean()) / law.std()), law.mean(), law.std())
    )
    return Mixture([Point(low), inside, Point(high)], [below, 1 - below - above, above])


def lognormal(mean, spread):
    """Numbers whose logarithms are normal."""
    return stats.lognorm(spread, scale=np.exp(mean))


NORMAL = Smooth(stats.norm())
# of each its density, and the least and the largest value that it can have
COLUMNS = {
    "normal": (NORMAL, -np.inf, np.inf),
    "uniform": (Smooth(stats.uniform()), 0, 1),
    "exponential": (Smooth(stats.expon(scale=50)), 0, np.inf),
    "gamma, shape 0.3": (Smooth(stats.gamma(0.3, scale=10)), 0, np.inf),
    "beta, U-shaped": (Smooth(stats.beta(0.5, 0.5)), 0, 1),
    "t, 2 degrees": (Smooth(stats.t(2)), -np.inf, np.inf),
    "t, 1.2 degrees": (Smooth(stats.t(1.2, 100, 5)), -np.inf, np.inf),
    "Pareto, 1.5": (Smooth(stats.pareto(1.5)), 1, np.inf),
    "log-normal, 1": (Smooth(lognormal(3, 1)), 0, np.inf),
    "log-normal, 2.5": (Smooth(lognormal(0, 2.5)), 0, np.inf),
    "bimodal": (Mixture([NORMAL, Smooth(stats.norm(5))], [0.4, 0.6]), -np.inf, np.inf),
    "clusters far apart": (
        Mixture([NORMAL, Smooth(stats.norm(9999))], [0.5, 0.5]),
        -np.inf,
        np.inf,
    ),
    "three scales": (
        Mixture([Smooth(stats.norm(0, s)) for s in (0.01, 1, 100)], [0.5, 0.3, 0.2]),
        -np.inf,
        np.inf,
    ),
    "far outliers": (
        Mixture([NORMAL, Smooth(stats.uniform(100, 1e5))], [0.95, 0.05]),
        -np.inf,
        np.inf,
    ),
    "Poisson, 40": (Counts(stats.poisson(40)), 0, np.inf),
    "Poisson with a far tail": (
        Mixture(
            [Counts(stats.poisson(3)), Counts(stats.randint(100_000, 1_000_001))], [0.95, 0.05]
        ),
        0,
        np.inf,
    ),
    "negative binomial": (Counts(stats.nbinom(0.5, 0.5 / 20.5)), 0, np.inf),
    "Zipf, 2": (Counts(stats.zipf(2)), 1, np.inf),
    "log-normal counts": (Rounded(lognormal(3, 2), 1.0), 0, np.inf),
    "cents": (Rounded(lognormal(3, 1), 0.01), 0, np.inf),
    "cents, wide": (Rounded(lognormal(4, 2.5), 0.01), 0, np.inf),
    "cents, evenly to 100,000": (Rounded(stats.uniform(0, 1e5), 0.01), 0, 1e5),
    "profits and losses": (Rounded(stats.t(1.5, 0, 300), 0.01), -np.inf, np.inf),
    "money, 60% zeros": (
        Mixture([Point(0.0, 0.01), Rounded(lognormal(5, 1.5), 0.01)], [0.6, 0.4]),
        0,
        np.inf,
    ),
    "money, 30% zeros, not rounded": (
        Mixture([Point(0.0), Smooth(lognormal(8, 1))], [0.3, 0.7]),
        0,
        np.inf,
    ),
    "prices, half in tens": (
        Mixture(
            [Rounded(lognormal(4.5, 0.7), 0.01), Rounded(lognormal(4.5, 0.7), 10.0, unit=0.01)],
            [0.5, 0.5],
        ),
        0,
        np.inf,
    ),
    "percentages": (Rounded(stats.norm(60, 35), 1.0, 0, 100), 0, 100),
    "percentages, not rounded": (clipped(stats.norm(60, 35), 0, 100), 0, 100),
    "ages": (Rounded(stats.norm(45, 18), 1.0, 18, 90), 18, 90),
    "seconds since 1970": (Rounded(stats.uniform(1.6e9, 3e7), 1.0), 1.6e9, 1.63e9),
}


def table(density, pairs, n, rng):
    """Rows of a table, and their log-density."""
    x = density.draw(n, rng)
    log_density = density.log_density(x)
    if not pairs:
        return x[:, None], log_density
    reference = np.sort(density.draw(100_001, np.random.default_rng(1)))
    law = stats.norm(3 * np.searchsorted(reference, x) / len(reference), 0.5)
    y = law.rvs(random_state=rng)
    return np.column_stack([x, y]), log_density + law.logpdf(y)


def measure(name, pairs, seed):
    """Fit a column and score fresh rows: a row of the CSV file without its key."""
    density, low, high = COLUMNS[name]
    rng = np.random.default_rng([seed, list(COLUMNS).index(name)])
    train, _ = table(density, pairs, N_ROWS, rng)
    test, true = table(density, pairs, N_TEST, rng)
    start = time.process_time()
    sizes = "auto" if pairs else ALONE
    model = MAFDensity(hidden_layer_sizes=sizes, n_iter_no_change=PATIENCE, random_state=seed).fit(
        train
    )
    fit_time = time.process_time() - start
    scores = model.score_samples(test)
    drawn = model.sample(N_TEST, random_state=seed)[:, 0]
    return {
        "true": true.mean(),
        "loss": (true - scores).mean(),
        "stderr": (true - scores).std() / np.sqrt(N_TEST),
        "outside": ((drawn < low) | (drawn > high)).mean(),
        "fit_s": fit_time,
        "kind": type(model.columns_.columns[0]).__name__,
    }


def run(args):
    """Measure what the file does not have yet."""
    for seed in args.seeds:
        for name in args.columns:
            key = dict(zip(KEY, (name, args.pairs, args.version, seed)))
            if is_done(args.out, key):
                continue
            result = key | measure(name, args.pairs, seed)
            append(args.out, result)
            print(
                "{column}, seed {seed}: {loss:.3f} nats, {fit_s:.0f} s".format(**result), flush=True
            )


def report(path):
    """Print, for tables of one column and of pairs, what each version loses."""
    results = pd.read_csv(path)
    for pairs, rows in results.groupby("pairs"):
        of_columns = rows.groupby(["column", "version"], sort=False)
        loss = of_columns["loss"].mean().unstack().reindex(COLUMNS)
        outside = of_columns["outside"].mean().unstack().reindex(COLUMNS)
        text = {v: loss[v].map(lambda x: number(x, 3)) for v in loss}
        text |= {f"{v}: outside, %": outside[v].map(lambda x: number(100 * x, 1)) for v in loss}
        show("Two columns" if pairs else "One column", pd.DataFrame(text))


def main():
    parser = options(__doc__, "columns.csv")
    parser.add_argument("--columns", nargs="+", default=list(COLUMNS), choices=COLUMNS)
    parser.add_argument("--pairs", action="store_true", help="with a second column")
    parser.add_argument("--version", default="now", help="what the results are called")
    args = parser.parse_args()
    if not args.report:
        torch.set_num_threads(1)
        with threadpool_limits(1):
            run(args)
    report(args.out)


if __name__ == "__main__":
    main()
