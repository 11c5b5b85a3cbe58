"""
Synthetic rows, and whether they look real
==========================================

Rows are drawn from the density of a table. A classifier then tries to tell them from real rows that
no model has seen (the classifier two-sample test of Lopez-Paz and Oquab 2017): a ROC AUC of 0.5
says that it cannot, 1 that it always can.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.datasets import load_diabetes
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import cross_val_predict, train_test_split

from skmaf import MAFDensity

# %%
# Diabetes patients, in the units of the clinic. Ages are integers, sex has two values, and blood
# values are rounded in ways of their own.

table = load_diabetes(as_frame=True, scaled=False).data.drop(columns=["s4", "s5", "s6"])
real, unseen = train_test_split(table, test_size=0.5, random_state=0)
density = MAFDensity(hidden_layer_sizes=(32,), n_layers=3, max_iter=150, random_state=0).fit(real)
n = len(unseen)
rng = np.random.default_rng(0)
mixture = GaussianMixture(3, random_state=0).fit(real)
drawn = {
    "MAFDensity": density.sample(n, random_state=0),
    "GaussianMixture": pd.DataFrame(mixture.sample(n)[0], columns=table.columns),
    "columns shuffled": real.apply(rng.permutation),
    "real rows": real,
}
print(drawn["MAFDensity"].head(3))

# %%
# The test, by gradient boosting and cross-validation. Real rows against other real rows show what
# chance gives on so few: not 0.5 to the dot.


def two_sample_auc(rows, others):
    X = pd.concat([rows, others], ignore_index=True)
    y = np.repeat([0, 1], [len(rows), len(others)])
    judge = HistGradientBoostingClassifier(max_iter=40, random_state=0)
    proba = cross_val_predict(judge, X, y, cv=5, method="predict_proba")[:, 1]
    return roc_auc_score(y, proba)


aucs = {name: two_sample_auc(unseen, rows[: len(unseen)]) for name, rows in drawn.items()}
for name, auc in aucs.items():
    print(f"{name}: ROC AUC {auc:.2f}")

# %%
# A mixture of Gaussians gives itself away by decimals that no clinic writes, shuffled columns by
# the correlations that they have lost.

figure, axes = plt.subplots(
    1, 4, figsize=(11, 3), layout="constrained", width_ratios=[1, 1, 1, 1.1]
)
for axis, name in zip(axes, ["real rows", "MAFDensity", "GaussianMixture"]):
    axis.plot(drawn[name]["s1"], drawn[name]["s2"], ".", markersize=3, color="black")
    axis.set(title=name, xlabel="total cholesterol", xlim=(80, 310), ylim=(20, 260))
axes[0].set_ylabel("low-density lipoproteins")
colours = ["firebrick", "lightsteelblue", "lightsteelblue", "lightgrey"]
axes[3].barh(list(aucs), list(aucs.values()), color=colours)
axes[3].axvline(0.5, color="black", linewidth=1)
axes[3].invert_yaxis()
axes[3].set(xlim=(0.4, 1), title="told from real rows, AUC")
plt.show()
