"""
Thresholds and costs
====================

A score becomes a decision by a threshold. It may come from the false alarms that are affordable,
from some labelled rows, or from what an error costs; the detector is fitted once, and the threshold
moves. The benign rows of scikit-learn's breast cancer table are the normal ones here.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split

from skmaf import DensityOutlierDetector, MultiscaleDensity

X, y = load_breast_cancer(return_X_y=True)
X = X[:, :10]  # the means of ten measurements of cells
y = np.where(y == 1, 1, -1)  # benign rows are inliers
X_train, X_test, y_train, y_test = train_test_split(X, y, stratify=y, random_state=0)
trusted = X_train[y_train == 1]
density = MultiscaleDensity(hidden_layer_sizes=(32, 32), max_iter=150)
detector = DensityOutlierDetector(density, contamination=0, random_state=0).fit(trusted)
scores = detector.score_samples(X_test)
print(f"ROC AUC {roc_auc_score(y_test == 1, scores):.3f}")

# %%
# **By false alarms.** With trusted rows 5% of normal ones fall below the threshold. Another rate
# needs no other fit.

thresholds = {"5% false alarms": detector.offset_}
thresholds["20% false alarms"] = detector.set_threshold(rate=0.2).offset_

# %%
# **By labels.** A few labelled rows move it to where both kinds are told best.

thresholds["by 100 labels"] = detector.set_threshold(
    labelled=(X_train[:100], y_train[:100])
).offset_

# %%
# **By costs.** A malignant row that is missed is to cost as much as ten false alarms. The cheapest
# threshold on the training rows is a score to set by hand. (Trusted rows are scored by densities
# that have not seen them, so that their scores are honest.)

MISS, FALSE_ALARM = 10, 1


def costs(scores, y, thresholds):
    """Mean cost of a row at each threshold."""
    called = scores < np.asarray(thresholds)[:, None]
    return np.mean(np.where(y == -1, MISS * ~called, FALSE_ALARM * called), axis=1)


candidates = np.linspace(-80, 20, 400)
cheapest = candidates[costs(detector.score_samples(X_train), y_train, candidates).argmin()]
thresholds["by costs"] = detector.set_threshold(score=cheapest).offset_

for name, threshold in thresholds.items():
    called = scores < threshold
    print(
        f"{name}: at {threshold:.1f} nats finds {called[y_test == -1].mean():.0%}, "
        f"false alarms {called[y_test == 1].mean():.0%}, "
        f"cost of a row {costs(scores, y_test, [threshold])[0]:.2f}"
    )

# %%
# The scores of the test rows, and what each threshold costs there.

figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.6), layout="constrained")
bins = np.linspace(-80, 30, 45)
shown = scores.clip(bins[0], bins[-1])
left.hist(shown[y_test == 1], bins, color="lightsteelblue", label="benign")
left.hist(shown[y_test == -1], bins, color="firebrick", alpha=0.6, label="malignant")
left.set(xlabel="log-density, nats", ylabel="test rows")
left.legend(loc="upper left")
right.plot(candidates, costs(scores, y_test, candidates), color="black")
for (name, threshold), marker in zip(thresholds.items(), "os^D"):
    cost = costs(scores, y_test, [threshold])
    right.plot([threshold], cost, marker, markersize=8, label=name)
right.set(xlabel="threshold, nats", ylabel="mean cost of a test row")
right.legend()
plt.show()
