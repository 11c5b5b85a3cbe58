"""VariationalFlow against references: four energies, and a posterior of logistic regression.

    python benchmarks/variational.py --seeds 0 1 2    runs what is missing, then reports
    python benchmarks/variational.py --report         prints the report alone

U1 to U4 are the energies of table 1 of Rezende and Mohamed (2015, Variational inference with
normalizing flows, ICML) with a soft wall, ((|x| - 4) / 0.2)² / 2 beyond 4 on both axes, without
which U2 to U4 are not normalisable; a grid gives the evidence. The logistic regression is that of
breast_cancer of scikit-learn, its first 10 columns standardised, and an intercept, each coefficient
with the prior N(0, 2²); Hamiltonian Monte Carlo gives the means and standard deviations of its
posterior. Every result is written to the CSV file as soon as it is known.
"""

import math
import time
import warnings
from functools import cache, partial

import numpy as np
import pandas as pd
import torch
from records import append, is_done, options
from scipy.special import expit
from sklearn.datasets import load_breast_cancer
from sklearn.preprocessing import scale
from threadpoolctl import threadpool_limits

from skmaf import VariationalFlow

FAMILIES = ["iaf", "realnvp", "planar", "radial"]
PRIOR_SD = 2.0
N_CHAINS = 64
N_WARM_UP = 200
N_DRAWS = 500
N_LEAPFROG = 10
N_FLOW_DRAWS = 50_000
KEY = ["target", "family", "seed", "max_iter"]


def wave(x):
    return torch.sin(math.pi / 2 * x[:, 0])


def bump(x):
    return 3 * torch.exp(-0.5 * ((x[:, 0] - 1) / 0.6) ** 2)


def step(x):
    return 3 * torch.sigmoid((x[:, 0] - 1) / 0.3)


def two(a, b):
    """Logarithm of the sum of two bells, of distances ``a`` and ``b``."""
    return torch.logaddexp(-0.5 * a**2, -0.5 * b**2)


ENERGIES = {
    "U1": lambda x: (
        0.5 * ((x.norm(dim=1) - 2) / 0.4) ** 2 - two((x[:, 0] - 2) / 0.6, (x[:, 0] + 2) / 0.6)
    ),
    "U2": lambda x: 0.5 * ((x[:, 1] - wave(x)) / 0.4) ** 2,
    "U3": lambda x: -two((x[:, 1] - wave(x)) / 0.35, (x[:, 1] - wave(x) + bump(x)) / 0.35),
    "U4": lambda x: -two((x[:, 1] - wave(x)) / 0.4, (x[:, 1] - wave(x) + step(x)) / 0.35),
}
LOGISTIC = "logistic regression"
TARGETS = [*ENERGIES, LOGISTIC]


def walled(energy, x):
    """Log-density of an energy with its wall."""
    return -energy(x) - 0.5 * (torch.relu(x.abs() - 4) / 0.2).square().sum(1)


def grid_evidence(energy):
    """Logarithm of the integral on a grid of cells 0.01 wide, far finer than the energies."""
    axis = torch.linspace(-8, 8, 1601, dtype=torch.float64)
    return (
        walled(energy, torch.cartesian_prod(axis, axis)).logsumexp(0) + 2 * math.log(0.01)
    ).item()


def logistic_data():
    """Rows with an intercept first, times the sign of their class: what the likelihood needs."""
    X, y = load_breast_cancer(return_X_y=True)
    X = np.column_stack([np.ones(len(X)), scale(X[:, :10])])
    return X * np.where(y, 1.0, -1.0)[:, None]


def logistic_density(X, coef):
    """Unnormalised log-posterior of rows of coefficients: tensors."""
    prior = torch.distributions.Normal(0.0, PRIOR_SD)
    return torch.nn.functional.logsigmoid(coef @ X.T).sum(1) + prior.log_prob(coef).sum(1)


@cache
def reference():
    """Means, standard deviations, the largest error of both in these, and the largest R-hat."""
    draws = hmc(logistic_data(), np.random.default_rng(0))
    mean = draws.mean((0, 1))
    sd = draws.std((0, 1))
    # chains are independent, so that their standard deviation gives the error
    chains = np.stack([draws.mean(1), np.sqrt(((draws - mean) ** 2).mean(1))])
    error = (chains.std(1, ddof=1) / math.sqrt(N_CHAINS) / sd).max()
    halves = np.concatenate(np.split(draws, 2, axis=1))
    within = halves.var(1, ddof=1).mean(0)
    r_hat = np.sqrt((within + halves.mean(1).var(0, ddof=1)) / within).max()
    return mean, sd, error, r_hat


def hmc(X, rng):
    """Draws of the logistic posterior, shape (chains, draws, coefficients).

    They are made in coordinates in which it is about spherical.
    """

    def negative_log(coef):
        return np.logaddexp(0, -coef @ X.T).sum(1) + 0.5 * (coef**2).sum(1) / PRIOR_SD**2

    def gradient(coef):
        return -expit(-coef @ X.T) @ X + coef / PRIOR_SD**2

    mode = np.zeros(X.shape[1])
    for _ in range(20):  # Newton's method
        chance = expit(X @ mode)
        hessian = (X.T * chance * (1 - chance)) @ X + np.eye(len(mode)) / PRIOR_SD**2
        mode = mode - np.linalg.solve(hessian, gradient(mode[None])[0])
    root = np.linalg.cholesky(np.linalg.inv(hessian))
    u = rng.standard_normal((N_CHAINS, len(mode)))
    draws = []
    for i in range(N_WARM_UP + N_DRAWS):
        v = u
        momentum = rng.standard_normal(u.shape)
        size = rng.uniform(0.1, 0.3)  # so that no orbit closes
        moved = momentum - size / 2 * gradient(mode + v @ root.T) @ root
        for j in range(N_LEAPFROG):
            v = v + size * moved
            part = size if j < N_LEAPFROG - 1 else size / 2
            moved = moved - part * gradient(mode + v @ root.T) @ root
        before, after = (
            negative_log(mode + w @ root.T) + 0.5 * (p**2).sum(1)
            for w, p in ((u, momentum), (v, moved))
        )
        u = np.where((rng.random(N_CHAINS) < np.exp(np.minimum(0, before - after)))[:, None], v, u)
        if i >= N_WARM_UP:
            draws.append(mode + u @ root.T)
    return np.stack(draws, axis=1)


def measure(target, family, seed, max_iter):
    """Fit a family to a target: a row of the CSV file without its key."""
    if target == LOGISTIC:
        X = torch.as_tensor(logistic_data(), dtype=torch.get_default_dtype())
        log_density = partial(logistic_density, X)
        n_dims = X.shape[1]
    else:
        log_density = partial(walled, ENERGIES[target])
        n_dims = 2
    flow = VariationalFlow(
        log_density, n_dims, family=family, max_iter=max_iter, device="cpu", random_state=seed
    )
    start = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # k-hat is in the report
        flow.fit()
    result = {
        "fit_s": time.process_time() - start,
        "k_hat": flow.k_hat_,
        "standard_error": flow.log_evidence_error_,
    }
    truth = flow.log_evidence_ if target == LOGISTIC else grid_evidence(ENERGIES[target])
    result |= {
        "evidence_error": flow.log_evidence_ - truth,
        "gap": truth + np.mean(flow.loss_curve_[-100:]),
    }
    result |= dict.fromkeys(["mean_error", "sd_error", "reference_error", "r_hat"], np.nan)
    if target == LOGISTIC:
        mean, sd, error, r_hat = reference()
        result["reference_error"] = error
        result["r_hat"] = r_hat
        draws = flow.sample(N_FLOW_DRAWS, random_state=seed)
        result["evidence_error"] = np.nan  # it has no reference
        result["mean_error"] = (abs(draws.mean(0) - mean) / sd).max()
        result["sd_error"] = (abs(draws.std(0) - sd) / sd).max()
    return result


def run(args):
    """Measure what the file does not have yet."""
    for seed in args.seeds:
        for target in args.targets:
            for family in args.families:
                key = dict(zip(KEY, (target, family, seed, args.max_iter)))
                if is_done(args.out, key):
                    continue
                result = key | measure(target, family, seed, args.max_iter)
                append(args.out, result)
                print(
                    "{target}, seed {seed}, {family}: gap {gap:.3f} nats, {fit_s:.0f} s".format(
                        **result
                    ),
                    flush=True,
                )


def report(results):
    """Print a Markdown table, a line for each target and family: means over the seeds."""
    names = {
        "evidence_error": "log-evidence - grid (nats)",
        "standard_error": "its standard error",
        "k_hat": "k-hat",
        "gap": "log-evidence - ELBO (nats)",
        "mean_error": "means (sd)",
        "sd_error": "sds (sd)",
        "fit_s": "fit (s)",
    }
    print(
        f"\nSeeds {sorted(set(results['seed']))}; largest errors of posterior means and sds "
        "in units of the reference's sd."
    )
    print("Of the logistic regression the ELBO is compared with the flow's own evidence.\n")
    print("| target | family | " + " | ".join(names.values()) + " |")
    print("|---|---|" + "---:|" * len(names))
    for (target, family), mean in (
        results.groupby(["target", "family"])[list(names)].mean().iterrows()
    ):
        cells = ["" if np.isnan(value) else f"{value:.3f}" for value in mean[:-1]] + [
            f"{mean['fit_s']:.0f}"
        ]
        print("| " + " | ".join([target, family, *cells]) + " |")
    errors = results[["reference_error", "r_hat"]].max()
    if errors.notna().all():
        print(
            f"\nMonte Carlo error of the reference {errors['reference_error']:.4f} sd at most, "
            f"R-hat {errors['r_hat']:.4f}."
        )


def main():
    parser = options(__doc__, "variational.csv")
    parser.add_argument("--targets", nargs="+", choices=TARGETS, default=TARGETS)
    parser.add_argument("--families", nargs="+", choices=FAMILIES, default=FAMILIES)
    parser.add_argument(
        "--max-iter", type=int, default=VariationalFlow(None, 1).max_iter, help="steps of each fit"
    )
    args = parser.parse_args()
    torch.set_num_threads(1)
    threadpool_limits(1)
    if not args.report:
        run(args)
    if not args.out.exists():
        parser.error(
            f"no results at {args.out}: run without --report first, or name the file by --out."
        )
    results = pd.read_csv(args.out)
    report(results[results["max_iter"] == args.max_iter])


if __name__ == "__main__":
    main()
