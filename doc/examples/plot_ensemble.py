"""
Ensembles: several fits are better than one
===========================================

What a flow learns depends on its seed. `DensityEnsemble` fits several and mixes their densities in
equal parts: they err in other places, so that the mixture is better than its members, and smoother.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import make_moons

from skmaf import DensityEnsemble, MAFDensity

X, _ = make_moons(600, noise=0.1, random_state=0)
X_test, _ = make_moons(4000, noise=0.1, random_state=1)
member = MAFDensity(n_layers=4, hidden_layer_sizes=(32,), max_iter=60, early_stopping=False)
ensemble = DensityEnsemble(member, n_estimators=3, random_state=0).fit(X)

# %%
# Held-out scores: of each member, and of the mixture.

scores = [estimator.score(X_test) for estimator in ensemble.estimators_]
print("members:", *(f"{score:.3f}" for score in scores), "nats a row")
print(f"mixture: {ensemble.score(X_test):.3f} nats a row")

# %%
# Each member makes up details of its own, where there is nothing. In the mixture they count a
# third.

x = np.linspace(-1.6, 2.6, 120)
y = np.linspace(-1.1, 1.6, 80)
grid = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
shown = [*ensemble.estimators_, ensemble]
titles = [f"seed {k}: {score:.2f} nats" for k, score in enumerate(scores, 1)]
titles.append(f"mixture of three: {ensemble.score(X_test):.2f} nats")
figure, axes = plt.subplots(1, 4, figsize=(11, 2.6), layout="constrained", sharex=True, sharey=True)
for axis, density, title in zip(axes, shown, titles):
    values = np.exp(density.score_samples(grid)).reshape(80, 120)
    axis.pcolormesh(x, y, values, cmap="magma_r", vmin=0, vmax=1, rasterized=True)
    axis.set(title=title, aspect="equal")
plt.show()
