"""A density, rows drawn from it, and rows that do not belong: the picture of the front page."""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import make_moons

from skmaf import MAFDensity

X, _ = make_moons(800, noise=0.08, random_state=0)
density = MAFDensity(n_layers=4, hidden_layer_sizes=(32,), max_iter=100, random_state=0).fit(X)
x = np.linspace(-1.7, 2.7, 160)
y = np.linspace(-1.3, 1.8, 120)
grid = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
log_density = density.score_samples(grid).reshape(len(y), len(x))
new = np.random.default_rng(0).uniform([-1.6, -1.2], [2.6, 1.7], size=(60, 2))
is_odd = density.score_samples(new) < np.quantile(density.score_samples(X), 0.01)

figure, axes = plt.subplots(1, 3, figsize=(11, 3.2), layout="constrained", sharex=True, sharey=True)
axes[0].pcolormesh(x, y, np.exp(log_density), cmap="magma_r", rasterized=True)
axes[0].set_title("score_samples: how likely a row is")
axes[1].plot(*density.sample(800, random_state=0).T, ".", markersize=3, color="rebeccapurple")
axes[1].set_title("sample: fresh rows")
axes[2].plot(*X.T, ".", markersize=2, color="lightgrey")
axes[2].plot(*new[~is_odd].T, "o", markersize=5, color="rebeccapurple", label="belong")
axes[2].plot(*new[is_odd].T, "x", markersize=5, color="darkorange", label="do not")
axes[2].set_title("predict: new rows that do not belong")
axes[2].legend(loc="upper right")
for axis in axes:
    axis.set(xticks=[], yticks=[], xlim=(x[0], x[-1]), ylim=(y[0], y[-1]))
