"""
Anomalies in one table: why is a row an outlier?
================================================

A table is given, and nobody knows which of its rows are odd. `DensityOutlierDetector` scores each
row by densities that have not seen it, says how often a row looks as odd, and names the cells that
make it so. Here three cells of scikit-learn's wine table are spoiled; the detector is told neither
which nor how many.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.colors import PowerNorm
from sklearn.datasets import load_wine

from skmaf import DensityOutlierDetector

X = load_wine(as_frame=True).data.iloc[:, [0, 1, 3, 4, 6, 9, 12]]
X.columns = ["alcohol", "malic acid", "alcalinity", "magnesium", "flavanoids", "colour", "proline"]
X.loc[20, "alcohol"] = 1.42  # a decimal point that slipped
X.loc[70, "proline"] = 6800.0  # a zero too many
X.loc[100, "flavanoids"] = 20.3  # and another one

detector = DensityOutlierDetector(random_state=0).fit(X)

# %%
# The lower the log-density, the odder the row. The p-value is the share of the table's rows that
# look at least as odd.

scores = detector.score_samples(X)
oddest = np.argsort(scores)[:6]
report = pd.DataFrame({"log-density": scores, "p-value": detector.p_values(X)}).iloc[oddest]
print(report.round(3))

# %%
# ``counterfactuals`` says for each of these rows which few cells would have to change, how many
# nats that gains, and to which values.

gains, values = detector.counterfactuals(X.iloc[oddest])
for row, gain, value in zip(oddest, gains, values):
    for j in np.flatnonzero(gain):
        found = f"{X.columns[j]} is {X.iat[row, j]:g}, expected {float(value[j]):g}"
        print(f"row {row}: {found} (+{gain[j]:.1f} nats)")

# %%
# Where rows lie, and why they are odd.

figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.6), layout="constrained")
left.hist(scores, bins=40, color="lightsteelblue")
left.axvline(detector.offset_, color="black", linewidth=1, label="threshold")
left.plot(scores[oddest], np.full(6, 0.6), "v", color="firebrick", label="the six oddest rows")
left.set(xlabel="log-density, nats", ylabel="rows", title="All rows of the table")
left.legend(loc="upper left")
image = right.imshow(gains, cmap="Reds", norm=PowerNorm(0.4, vmin=0), aspect="auto")
right.set(
    xticks=range(X.shape[1]),
    yticks=range(6),
    yticklabels=[f"row {row}" for row in oddest],
    title="What each cell would gain, nats",
)
right.set_xticks(range(X.shape[1]), X.columns, rotation=40, ha="right")
figure.colorbar(image, ax=right)
plt.show()
