"""
Save and load: fit here, score there
====================================

``skmaf.save`` writes a fitted estimator to one file without code, ``skmaf.load`` reads it: on
another machine, in another version of Python, with the same scores to the last bit. A file that was
damaged or changed is refused.
"""

import pathlib
import tempfile

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.datasets import load_iris

import skmaf

X = load_iris(as_frame=True).data[["petal length (cm)", "petal width (cm)"]]
density = skmaf.MAFDensity(n_layers=3, hidden_layer_sizes=(32,), max_iter=150, random_state=0).fit(
    X
)

# %%
# Written, and read again.

folder = tempfile.TemporaryDirectory()
path = pathlib.Path(folder.name) / "petals.skmaf"
skmaf.save(density, path)
loaded = skmaf.load(path)
is_same = bool(np.all(loaded.score_samples(X) == density.score_samples(X)))
print(f"{path.name}: {path.stat().st_size / 1024:.0f} KiB, equal scores: {is_same}")

# %%
# One byte that is another.

content = bytearray(path.read_bytes())
content[len(content) // 2] ^= 1
damaged = path.with_name("damaged.skmaf")
damaged.write_bytes(content)
try:
    skmaf.load(damaged)
except ValueError as error:
    refusal = str(error).replace(folder.name, "...")
    print(refusal)
folder.cleanup()

# %%
# What was loaded does all that the estimator did.

length = np.linspace(0, 7.5, 140)
width = np.linspace(-0.2, 3, 100)
grid = np.stack(np.meshgrid(length, width), axis=-1).reshape(-1, 2)
values = loaded.score_samples(pd.DataFrame(grid, columns=X.columns))
figure, axis = plt.subplots(figsize=(6.5, 4), layout="constrained")
image = axis.contourf(
    length, width, values.reshape(100, 140), levels=np.arange(-12, 4), cmap="magma_r", extend="min"
)
drawn = loaded.sample(150, random_state=0)
axis.plot(*X.to_numpy().T, ".", color="black", label="rows")
axis.plot(*drawn.to_numpy().T, "+", color="steelblue", label="drawn by the loaded density")
axis.set(xlabel=X.columns[0], ylabel=X.columns[1])
axis.legend(loc="upper left")
figure.colorbar(image, label="log-density, nats")
plt.show()
