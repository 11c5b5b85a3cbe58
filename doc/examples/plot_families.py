"""
Families of flows
=================

``family`` chooses how a flow is made. All densities are exact; they differ in what they can follow
with few layers, and in which direction is fast. Here each has its default layers, and learns a ring
inside of a square.
"""

import matplotlib.pyplot as plt
import numpy as np

from skmaf import MAFDensity

rng = np.random.default_rng(0)


def draw(n):
    """Half of the rows on a ring, half on the edge of a square."""
    angle = rng.uniform(0, 2 * np.pi, n)
    circle = 1.1 * np.column_stack([np.cos(angle), np.sin(angle)])
    side = rng.uniform(-2.4, 2.4, n)
    edge = np.column_stack([side, rng.choice([-2.4, 2.4], n)])
    edge[: n // 2] = edge[: n // 2, ::-1]
    X = np.where(rng.random(n)[:, None] < 0.5, circle, edge)
    return X + rng.normal(0, 0.12, X.shape)


X = draw(1500)
X_test = draw(3000)

# %%
# Few epochs of small networks, so that this page is quick.

settings = {"max_iter": 40, "early_stopping": False, "random_state": 0}
families = ["maf", "realnvp", "made", "nice", "planar"]
models = {}
scores = {}
for family in families:
    model = MAFDensity(family=family, **settings)
    if family != "planar":
        model.set_params(hidden_layer_sizes=(32,))
    models[family] = model.fit(X)
    scores[family] = model.score(X_test)
    print(f"{family}: {scores[family]:.2f} nats a row")

# %%
# The default, ``maf`` with splines, follows best. Layers that only stretch and move, as those of
# ``made``, ``nice`` and ``realnvp`` here, leave bridges; planar ones move all columns along one
# direction at a time.

points = np.linspace(-3, 3, 90)
grid = np.stack(np.meshgrid(points, points), axis=-1).reshape(-1, 2)
figure, axes = plt.subplots(2, 3, figsize=(9, 6), layout="constrained", sharex=True, sharey=True)
axes[0, 0].plot(*X.T, ".", markersize=2, color="black")
axes[0, 0].set_title("1,500 rows")
for axis, (family, model) in zip(axes.flat[1:], models.items()):
    density = np.exp(model.score_samples(grid)).reshape(90, 90)
    axis.pcolormesh(points, points, density, cmap="magma_r", vmin=0, vmax=0.2, rasterized=True)
    axis.set_title(f"{family}: {scores[family]:.2f} nats")
for axis in axes.flat:
    axis.set_aspect("equal")
plt.show()
