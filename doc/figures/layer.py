"""One layer takes a bent cloud to a round one: each column given those before it."""

import matplotlib.pyplot as plt
import numpy as np

rng = np.random.default_rng(0)
z = rng.normal(size=(1200, 2))
spread = 0.25 + 0.2 * np.abs(z[:, 0])
X = np.column_stack([z[:, 0], 0.6 * z[:, 0] ** 2 + spread * z[:, 1]])

figure, axes = plt.subplots(1, 3, figsize=(11, 3.4), layout="constrained")
for axis, rows, title in [(axes[0], X, "rows"), (axes[2], z, "base space: standard normal")]:
    axis.scatter(*rows.T, c=z[:, 1], s=4, cmap="PuOr", vmin=-2.5, vmax=2.5)
    axis.set_title(title)
axes[0].set(xlabel="$x_1$", ylabel="$x_2$")
axes[2].set(xlabel="$z_1$", ylabel="$z_2$", xlim=(-3.5, 3.5), ylim=(-3.5, 3.5))
x = np.linspace(-3.2, 3.2, 100)
mean = 0.6 * x**2
width = 0.25 + 0.2 * np.abs(x)
axes[1].plot(*X.T, ".", markersize=2, color="lightgrey")
axes[1].plot(x, mean, color="rebeccapurple", label=r"$\mu(x_1)$")
axes[1].fill_between(
    x,
    mean - 2 * width,
    mean + 2 * width,
    color="rebeccapurple",
    alpha=0.2,
    label=r"$\pm 2\sigma(x_1)$",
)
axes[1].set(title="what the network says of $x_2$", xlabel="$x_1$")
axes[1].legend(loc="upper center")
