"""A masked network of four columns, and the step in which each of its units is computed."""

import matplotlib.pyplot as plt
import numpy as np

inputs = np.array([1, 2, 3, 4])
hidden = np.array([1, 1, 2, 2, 3, 3])
colours = np.array(plt.colormaps["viridis"](np.linspace(0, 0.85, 4)))


def column(axis, x, degrees, name, step):
    """Units of a layer, coloured by the step in which each is known."""
    y = -np.linspace(0, 5, len(degrees))
    axis.scatter([x] * len(y), y, s=420, c=colours[np.asarray(step) - 1], zorder=2)
    for place, degree in zip(y, degrees):
        axis.text(x, place, name.format(degree), ha="center", va="center", color="white", zorder=3)
    return y


figure, axis = plt.subplots(figsize=(8, 4.2), layout="constrained")
axis.set(xlim=(-0.6, 6.6), ylim=(-6, 0.9))
axis.axis("off")
layers = [
    column(axis, 0, inputs, "$x_{}$", inputs),
    column(axis, 2, hidden, "{}", hidden),
    column(axis, 4, hidden, "{}", hidden),
    column(axis, 6, inputs, r"$\theta_{}$", [1, 1, 2, 3]),
]
degrees = [inputs, hidden, hidden, inputs]
for k in range(3):
    for y, a in zip(layers[k], degrees[k]):
        for y_next, b in zip(layers[k + 1], degrees[k + 1]):
            if a < b or (a == b and k < 2):
                axis.plot([2 * k, 2 * k + 2], [y, y_next], color="lightgrey", linewidth=1, zorder=1)
for x, title in [(0, "columns"), (2, "hidden units"), (4, "hidden units"), (6, "parameters")]:
    axis.text(x, 0.65, title, ha="center")
for step in range(1, 5):
    axis.scatter([], [], s=80, color=colours[step - 1], label=f"after step {step}")
axis.legend(loc="lower center", ncols=4, frameon=False)
