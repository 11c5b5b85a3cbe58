"""
Anomalies in a stream
=====================

Rows of the past are trusted, and new ones come in batches. The detector is fitted once. Of each
batch ``select`` names the rows to look at, such that few of them are expected to be normal; and the
p-values tell when the source itself has changed, so that it is time for another fit.
"""

import matplotlib.pyplot as plt
import numpy as np
from scipy.stats import kstest

from skmaf import DensityOutlierDetector, MultiscaleDensity

rng = np.random.default_rng(0)


def machine(n, warmth=0.0):
    """Load, temperature and vibration of a machine; it runs warmer as it wears."""
    load = rng.uniform(0.2, 1, n)
    temperature = 40 + 25 * load**2 + warmth + rng.normal(0, 1, n)
    vibration = 0.5 + 0.8 * np.sin(3 * load) ** 2 + rng.normal(0, 0.05, n)
    return np.column_stack([load, temperature, vibration])


# %%
# ``contamination=0`` says that the rows are trusted. The density is a small one, to be quick.

density = MultiscaleDensity(hidden_layer_sizes=(32, 32), max_iter=150)
detector = DensityOutlierDetector(density, contamination=0, random_state=0).fit(machine(800))

# %%
# Thirty batches of 100 rows. In each from the sixth on two rows are of a machine that vibrates too
# much for its load; from the twentieth on all rows become warmer, little by little.

batches = []
for k in range(30):
    batch = machine(100, warmth=0.25 * max(0, k - 20))
    if k > 5:
        batch[:2, 2] += 0.6
    batches.append(batch)

p_values = [detector.p_values(batch) for batch in batches]
selected = [detector.select(batch, fdr=0.1) for batch in batches]
before = range(6, 21)
found = sum(selected[k][:2].sum() for k in before)
false = sum(selected[k][2:].sum() for k in before)
print(f"batches 6 to 20: {found} of {2 * len(before)} odd rows found, {false} normal ones named")

# %%
# P-values of normal rows are spread evenly between 0 and 1. Where they no longer are, which a
# Kolmogorov-Smirnov test tells, the source has changed. Half of the last ten batches are enough.

evenness = np.array([kstest(p[2:], "uniform").pvalue for p in p_values])

figure, (top, bottom) = plt.subplots(
    2, 1, figsize=(9, 5), layout="constrained", sharex=True, height_ratios=[2, 1]
)
for k, (p, is_odd) in enumerate(zip(p_values, selected)):
    places = k + np.linspace(-0.35, 0.35, len(p))
    top.plot(places, p, ".", color="lightsteelblue", markersize=3)
    top.plot(places[is_odd], p[is_odd], "v", color="firebrick", markersize=5)
top.plot([], [], "v", color="firebrick", label="selected, with 10% false discoveries at most")
top.set(yscale="log", ylabel="p-value of a row", title="A row is judged as it comes")
top.legend(loc="lower left")
bottom.semilogy(evenness, "o-", color="black", markersize=3)
bottom.axhline(0.001, color="grey", linewidth=1, linestyle="--")
bottom.axvspan(20.5, 29.5, color="moccasin", zorder=0, label="the machine becomes warmer")
bottom.set(
    xlabel="batch", ylabel="evenness, p", title="A batch as a whole: fit again where it falls"
)
bottom.legend(loc="lower left")
plt.show()
