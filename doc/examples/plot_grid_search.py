"""
Tuning: a grid search
=====================

The defaults are meant to need no search. Where one is wanted, ``score`` is the held-out
log-likelihood, so that `sklearn.model_selection.GridSearchCV` works as with any estimator. Rows of
one seed differ by luck: standard errors tell which differences are worth a thought.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.datasets import load_wine
from sklearn.model_selection import GridSearchCV

from skmaf import MAFDensity

X = load_wine().data[:, :6]

# %%
# Without ``early_stopping`` the flow stands alone and is trained for ``max_iter`` epochs: the
# search sees what it can do by itself. With it, which is the default, training ends in time, a
# Gaussian and a kernel density share in, and a choice matters less.

density = MAFDensity(early_stopping=False, random_state=0)
grid = {"max_iter": [15, 60], "n_layers": [1, 3], "hidden_layer_sizes": [(16,), (64,)]}
search = GridSearchCV(density, grid, cv=3).fit(X)
print(search.best_params_, f"{search.best_score_:.2f} nats a row")

# %%
# The picture has the mean over the folds, and their standard error. On so few rows a large flow
# that is trained for long learns them by heart.

results = pd.DataFrame(search.cv_results_).sort_values("mean_test_score")
labels = [
    f"{p['n_layers']} layer{'s' * (p['n_layers'] > 1)} of {p['hidden_layer_sizes'][0]} units, "
    f"{p['max_iter']} epochs"
    for p in results["params"]
]
figure, axis = plt.subplots(figsize=(8, 3.4), layout="constrained")
axis.errorbar(
    results["mean_test_score"],
    np.arange(len(results)),
    xerr=results["std_test_score"] / np.sqrt(3),
    fmt="o",
    color="firebrick",
    ecolor="lightgrey",
    elinewidth=4,
)
axis.set_yticks(np.arange(len(results)), labels)
axis.set(xlabel="held-out log-likelihood of a row, nats", title="178 rows, 6 columns, 3 folds")
axis.grid(axis="x", alpha=0.3)
plt.show()
