"""
Missing values: scored as they are, and imputed
===============================================

Rows with missing cells are fitted and scored as they are. ``impute`` draws each missing cell given
what its row holds, several times if asked: the spread of the draws tells how uncertain a cell is,
which one filled-in mean does not.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_iris
from sklearn.impute import KNNImputer, SimpleImputer

from skmaf import MAFDensity

X = load_iris(as_frame=True).data
hidden = np.random.default_rng(0).random(X.shape) < 0.2
holes = X.mask(hidden)
density = MAFDensity(n_layers=3, hidden_layer_sizes=(32,), max_iter=150, random_state=0).fit(holes)
print(f"{int(hidden.sum())} cells of {X.size} are missing")

# %%
# Twenty tables without gaps, each as likely as the next; below, how far the filled cells are from
# what was hidden. Their mean is the best single guess, but a table of means is too regular.

draws = density.impute(holes, n_draws=20, random_state=0).to_numpy().reshape(20, *X.shape)
fills = {
    "column mean": SimpleImputer().fit_transform(holes),
    "nearest neighbours": KNNImputer().fit_transform(holes),
    "mean of 20 draws": draws.mean(axis=0),
}
for name, filled in fills.items():
    error = np.sqrt(np.mean((filled - X.to_numpy())[hidden] ** 2))
    print(f"{name}: root mean squared error {error:.2f} cm")
low, high = np.quantile(draws, [0.05, 0.95], axis=0)
truth = X.to_numpy()[hidden]
is_held = (low[hidden] <= truth) & (truth <= high[hidden])
print(f"{is_held.mean():.0%} lie between the 5% and the 95% quantile of the draws")

# %%
# Petals are strongly correlated, which the mean of the column breaks, and draws keep.

length, width = X.columns.get_indexer(["petal length (cm)", "petal width (cm)"])
is_filled = hidden[:, length] | hidden[:, width]
tables = {
    "what was there": X.to_numpy(),
    "column mean": fills["column mean"],
    "one draw": draws[0],
}
figure, axes = plt.subplots(1, 3, figsize=(10, 3.4), layout="constrained", sharex=True, sharey=True)
for axis, (name, table) in zip(axes, tables.items()):
    axis.plot(*table[~is_filled][:, [length, width]].T, ".", color="lightgrey")
    axis.plot(*table[is_filled][:, [length, width]].T, "o", color="firebrick", markersize=4)
    axis.set(title=name, xlabel="petal length, cm")
axes[0].set_ylabel("petal width, cm")
plt.show()
