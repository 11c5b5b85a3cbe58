"""
A density in two dimensions
===========================

Two columns can be looked at. A Gaussian mixture cuts what is curved into ellipses, and a kernel
density rounds off what is sharp. A masked autoregressive flow bends one normal distribution until
it fits. All are judged by rows that none of them has seen. In two columns with many rows the
kernel density is as good; each further column is a burden to it, and little to a flow.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import make_moons
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KernelDensity

from skmaf import MAFDensity

X, _ = make_moons(1500, noise=0.07, random_state=0)
X_test, _ = make_moons(2000, noise=0.07, random_state=1)

# %%
# The peers choose their size by cross-validation. The flow is smaller than by default, so that this
# page is quick.

models = {
    "GaussianMixture": GridSearchCV(GaussianMixture(random_state=0), {"n_components": [2, 4, 8]}),
    "KernelDensity": GridSearchCV(KernelDensity(), {"bandwidth": [0.03, 0.06, 0.12]}),
    "MAFDensity": MAFDensity(hidden_layer_sizes=(64, 64), max_iter=150, random_state=0),
}
scores = {}
for name, model in models.items():
    model.fit(X)
    best = getattr(model, "best_estimator_", model)
    scores[name] = best.score_samples(X_test)
    print(f"{name}: {scores[name].mean():.3f} nats a row")

# %%
# ``score_samples`` gives the logarithm of the density at each row, here at the points of a grid.

x = np.linspace(-1.6, 2.6, 160)
y = np.linspace(-1.1, 1.6, 110)
grid = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)

figure, axes = plt.subplots(1, 4, figsize=(11, 2.6), layout="constrained", sharex=True, sharey=True)
axes[0].scatter(*X.T, s=2, color="black")
axes[0].set_title("1,500 rows")
for axis, (name, model) in zip(axes[1:], models.items()):
    best = getattr(model, "best_estimator_", model)
    density = np.exp(best.score_samples(grid)).reshape(len(y), len(x))
    axis.pcolormesh(x, y, density, cmap="magma_r", vmin=0, vmax=1.1, rasterized=True)
    axis.set_title(f"{name}: {scores[name].mean():.2f} nats")
for axis in axes:
    axis.set_aspect("equal")
plt.show()
