"""
Intervals that keep their coverage
==================================

`ConditionalMAFDensity` learns how a target is distributed given the other columns. Its quantiles
follow a spread that changes, its density shows two branches where there are two, and its intervals
are conformal: they hold as many new targets as they promise.
"""

import matplotlib.pyplot as plt
import numpy as np

from skmaf import ConditionalMAFDensity

rng = np.random.default_rng(0)


def draw(n):
    """One branch to the left; to the right two, and more and more noise."""
    x = rng.uniform(0, 10, n)
    branch = rng.choice([-1, 1], n) * np.clip(x - 5, 0, None) * 0.6
    return x[:, None], np.sin(x) + branch + rng.normal(0, 0.1 + 0.04 * x)


X, y = draw(3000)
X_test, y_test = draw(4000)
model = ConditionalMAFDensity(
    n_layers=3,
    hidden_layer_sizes=(32, 32),
    max_iter=60,
    validation_fraction=0.2,  # as many rows calibrate the intervals
    random_state=0,
)
model.fit(X, y)
print(f"{model.score(X_test, y_test):.2f} nats a row")

# %%
# The intervals hold 80% of new targets, whatever the density is worth. That is so on average over
# rows and over fits: 600 rows calibrated here, by whose luck it may be two percent more or less;
# and a region of X may have more or less than its share.

low, high = model.predict_interval(X_test, coverage=0.8).T
is_held = (low <= y_test) & (y_test <= high)
print(f"all test rows: {is_held.mean():.1%}")
for start in (0, 2.5, 5, 7.5):
    region = (X_test[:, 0] >= start) & (X_test[:, 0] < start + 2.5)
    print(f"x from {start} to {start + 2.5}: {is_held[region].mean():.1%}")

# %%
# The density of y at each x, with the interval, and the mean that a regression would give.

x = np.linspace(0.05, 9.95, 100)
values = np.linspace(-5, 5, 120)
pairs = np.stack(np.meshgrid(x, values), axis=-1).reshape(-1, 2)
density = np.exp(model.score_samples(pairs[:, :1], pairs[:, 1])).reshape(len(values), len(x))
low, high = model.predict_interval(x[:, None], coverage=0.8).T

figure, (left, right) = plt.subplots(
    1, 2, figsize=(10, 3.8), layout="constrained", sharex=True, sharey=True
)
left.plot(X[:, 0], y, ".", markersize=2, color="black")
left.set(xlabel="x", ylabel="y", title="3,000 rows")
right.pcolormesh(x, values, density, cmap="magma_r", vmin=0, vmax=1.2, rasterized=True)
right.plot(x, low, color="steelblue", label="80% interval")
right.plot(x, high, color="steelblue")
right.plot(x, model.predict(x[:, None]), "--", color="black", label="mean")
right.set(xlabel="x", ylim=(-5, 5), title="density of y given x")
right.legend(loc="upper left")
plt.show()
