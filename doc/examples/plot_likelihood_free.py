"""
Inference without a likelihood
==============================

A simulator is all there is: it draws data for given parameters, but its likelihood cannot be
computed. A conditional density of the parameters given the data, fitted on simulated pairs, is an
estimate of the posterior for *any* data (neural posterior estimation: Papamakarios and Murray
2016; the same density the other way round is the sequential neural likelihood of Papamakarios,
Sterratt and Murray 2019).

In this example the posterior is known, so that it can be compared: ten normal numbers of unknown
mean and variance, seen through their mean and the logarithm of their variance.
"""

import matplotlib.pyplot as plt
import numpy as np

from skmaf import ConditionalMAFDensity

N_NUMBERS = 10
rng = np.random.default_rng(0)


def prior(n):
    """Mean and log-variance, of a normal and an inverse gamma distribution."""
    variance = 2 / rng.gamma(3, size=n)
    return np.column_stack([rng.normal(0, np.sqrt(variance)), np.log(variance)])


def simulate(parameters):
    """What is seen of ten numbers."""
    mean, log_variance = parameters.T
    numbers = rng.normal(
        mean[:, None], np.exp(log_variance / 2)[:, None], size=(len(parameters), N_NUMBERS)
    )
    return np.column_stack([numbers.mean(axis=1), np.log(numbers.var(axis=1))])


# %%
# Fit on 5,000 simulations, then condition on what was observed.

parameters = prior(5_000)
seen = simulate(parameters)
posterior = ConditionalMAFDensity(n_layers=3, hidden_layer_sizes=(32, 32), random_state=0)
posterior.fit(seen, parameters)
observed = np.array([[0.8, np.log(0.5)]])
drawn = posterior.sample(observed, n_samples=4000, random_state=0)[0]

# %%
# The exact posterior, which is of the family of the prior.

mean = observed[0, 0]
variance = np.exp(observed[0, 1])
shape = 3 + N_NUMBERS / 2
scale = 2 + N_NUMBERS / 2 * variance + N_NUMBERS * mean**2 / (2 * (1 + N_NUMBERS))
exact_variance = scale / rng.gamma(shape, size=4000)
exact_mean = rng.normal(
    N_NUMBERS * mean / (1 + N_NUMBERS), np.sqrt(exact_variance / (1 + N_NUMBERS))
)
exact = np.column_stack([exact_mean, np.log(exact_variance)])

figure, axes = plt.subplots(1, 2, figsize=(8, 4), layout="constrained", sharex=True, sharey=True)
for axis, rows, title in zip(axes, [exact, drawn], ["exact posterior", "conditional density"]):
    axis.plot(*rows.T, ".", markersize=2)
    axis.set(title=title, xlabel="mean", ylabel="log-variance")
for name, a, b in zip(["mean", "log-variance"], exact.T, drawn.T):
    print(
        f"{name}: exact {a.mean():.3f} ± {a.std():.3f}, "
        f"by the density {b.mean():.3f} ± {b.std():.3f}"
    )
