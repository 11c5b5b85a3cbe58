"""
Privacy: do synthetic rows give away real ones?
===============================================

A model that remembers its rows draws copies of them. The distance to the closest record tells:
drawn rows should be no nearer to the rows of the fit than other real rows are, which the fit has
not seen. This finds copies; it is no proof of privacy, which only a method with a guarantee has,
such as differential privacy.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KernelDensity, NearestNeighbors
from sklearn.preprocessing import StandardScaler

from skmaf import MAFDensity

X = StandardScaler().fit_transform(load_breast_cancer().data[:, :8])
fitted, unseen = train_test_split(X, test_size=0.5, random_state=0)

# %%
# A density, and what it is to be told from: a kernel density of a tiny bandwidth, which is next to
# a copying machine.

density = MAFDensity(n_layers=3, hidden_layer_sizes=(32,), random_state=0).fit(fitted)
copier = KernelDensity(bandwidth=0.05).fit(fitted)
rows = {
    "unseen real rows": unseen,
    "MAFDensity": density.sample(len(unseen), random_state=0),
    "a copying machine": copier.sample(len(unseen), random_state=0),
}

# %%
# Distances are Euclidean, in standard deviations of the columns. Beside the quantiles stands the
# share of rows that are nearer to a row of the fit than to any unseen one: a half, if nothing is
# remembered. (For unseen rows themselves that has no meaning.) The density is somewhat above: on
# 284 rows it has a small kernel density inside of it, which draws near to rows.

to_fitted = NearestNeighbors(n_neighbors=1).fit(fitted)
to_unseen = NearestNeighbors(n_neighbors=1).fit(unseen)
distances = {name: to_fitted.kneighbors(some)[0][:, 0] for name, some in rows.items()}
for name, distance in distances.items():
    low, middle = np.quantile(distance, [0.05, 0.5])
    print(f"{name}: 5% are nearer than {low:.2f}, half than {middle:.2f}")
for name in ("MAFDensity", "a copying machine"):
    nearer = distances[name] < to_unseen.kneighbors(rows[name])[0][:, 0]
    print(f"{name}: {nearer.mean():.0%} are nearer to a row of the fit than to an unseen one")

# %%
# The curve of the drawn rows should lie on that of unseen rows, or to its right.

figure, axis = plt.subplots(figsize=(7, 3.8), layout="constrained")
colours = ["black", "firebrick", "steelblue"]
for (name, distance), colour in zip(distances.items(), colours):
    axis.ecdf(distance, label=name, color=colour)
axis.set(
    xlim=(0, 3),
    xlabel="distance to the closest row of the fit, standard deviations",
    ylabel="share of rows",
)
axis.legend(loc="lower right")
plt.show()
