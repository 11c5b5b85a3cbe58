"""What a p-value promises: those of normal rows are even, whatever the score is worth."""

import matplotlib.pyplot as plt
import numpy as np

rng = np.random.default_rng(0)
n_rows = 500


def p_values(scores, calibration):
    """Share of the calibration rows that look at least as odd, the row itself counted."""
    return (1 + np.searchsorted(np.sort(calibration), scores, side="right")) / (n_rows + 1)


def good(X):
    return -0.5 * (X**2).sum(axis=1)


def poor(X):
    return -np.abs(X[:, 0] - 1)  # sees one of two columns, and has its centre wrong


normal = rng.normal(size=(n_rows, 2))
new = rng.normal(size=(5000, 2))
odd = rng.normal([0, 3.5], 0.5, size=(5000, 2))

figure, axes = plt.subplots(1, 2, figsize=(9, 3.2), layout="constrained", sharex=True, sharey=True)
bins = np.linspace(0, 1, 21)
for axis, score, title in [(axes[0], good, "a good density"), (axes[1], poor, "a poor one")]:
    for rows, name, colour in [
        (odd, "odd rows", "darkorange"),
        (new, "normal rows", "rebeccapurple"),
    ]:
        p = p_values(score(rows), score(normal))
        axis.hist(p, bins, weights=np.full(len(p), 1 / len(p)), alpha=0.6, color=colour, label=name)
    axis.axhline(0.05, color="black", linewidth=1, linestyle="--")
    axis.set(title=title, xlabel="p-value", ylim=(0, 0.5))
axes[0].set_ylabel("share of rows")
axes[0].legend()
