"""The same lengths in centimetres and in millimetres: a density is a probability per unit."""

import matplotlib.pyplot as plt
import numpy as np
from scipy.stats import norm

figure, axes = plt.subplots(1, 2, figsize=(9, 3.2), layout="constrained")
for axis, scale, unit, colour in [
    (axes[0], 0.2, "cm", "rebeccapurple"),
    (axes[1], 2.0, "mm", "darkorange"),
]:
    law = norm(25 * scale, scale)
    x = np.linspace(law.ppf(1e-4), law.ppf(1 - 1e-4), 200)
    axis.fill_between(x, law.pdf(x), color=colour, alpha=0.3)
    axis.plot(x, law.pdf(x), color=colour)
    peak = law.pdf(law.mean())
    axis.set(
        xlabel=unit,
        ylabel=f"density, per {unit}",
        ylim=(0, 2.2),
        title=f"at most {peak:.2f} per {unit}: log-density {np.log(peak):+.2f}",
    )
