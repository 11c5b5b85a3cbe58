"""
One layer fails, five do not
============================

The example of Figure 1 of Papamakarios, Pavlakou and Murray (2017). Two columns depend on each
other by a parabola: x2 is normal, and x1 given x2 is normal about x2²/4. In the order (x2, x1)
each column is normal given those before it, which is what MADE assumes. In the order (x1, x2) the
second has two modes given the first, and MADE fails. A stack of such layers, MAF, does not.
"""

import matplotlib.pyplot as plt
import numpy as np

from skmaf import MAFDensity

rng = np.random.default_rng(0)


def draw(n):
    x2 = rng.normal(0, 2, size=n)
    return np.column_stack([rng.normal(x2**2 / 4, 1), x2])


X = draw(3000)
X_test = draw(2000)

# %%
# ``transform`` takes rows to the base space of the flow. If the density is right they are standard
# normal there, which shows at a glance what is wrong where they are not. The flow is to stand alone
# in this example, without early stopping and the simple densities that it brings.

settings = {
    "hidden_layer_sizes": (32, 32),
    "max_iter": 40,
    "early_stopping": False,
    "random_state": 0,
}
models = {
    "MADE": MAFDensity(family="made", **settings),
    "MADE with mixtures": MAFDensity(family="made", bijector="mixture", **settings),
    "MAF, 5 layers": MAFDensity(bijector="affine", n_layers=5, **settings),
}
figure, axes = plt.subplots(2, 3, figsize=(9, 6), layout="constrained")
for (name, model), (top, bottom) in zip(models.items(), axes.T):
    model.fit(X)
    drawn = model.sample(2000, random_state=0)
    Z = model.transform(X_test)
    top.plot(*drawn.T, ".", markersize=2)
    top.set(
        title=f"{name}: {model.score(X_test):.2f} nats",
        xlim=(-4, 14),
        ylim=(-8, 8),
        xlabel="x1",
        ylabel="x2",
    )
    bottom.plot(*Z.T, ".", markersize=2)
    bottom.set(xlim=(-4, 4), ylim=(-4, 4), xlabel="z1", ylabel="z2", aspect="equal")
    print(f"{name}: {model.score(X_test):.2f} nats a row")

# %%
# What the true density gives the same rows, to compare: no model can do better on average.

x1, x2 = X_test.T
truth = -0.5 * ((x1 - x2**2 / 4) ** 2 + (x2 / 2) ** 2) - np.log(2 * np.pi * 2)
print(f"truth: {truth.mean():.2f} nats a row")
