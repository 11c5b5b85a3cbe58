"""
Pipelines
=========

A density may be the last step of a Pipeline. Its score is then in the units of what the steps
before it give, so that scores of Pipelines with different steps do not compare. Samples come back
through ``inverse_transform`` of these steps. Here principal components make 64 pixels 12 columns.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline

from skmaf import MAFDensity

X, y = load_digits(return_X_y=True)
threes = X[y == 3]
model = make_pipeline(
    PCA(n_components=12, random_state=0),
    MAFDensity(n_layers=3, hidden_layer_sizes=(32,), max_iter=100, random_state=0),
)
model.fit(threes)

# %%
# The Pipeline scores images. Other digits are far less likely under the density of threes; what
# components leave out is not seen, which is why some pass.

scores = model.score_samples(X)
for digit in (3, 8, 0):
    print(f"digit {digit}: median log-density {np.median(scores[y == digit]):.1f} nats")

# %%
# Draws of the last step go back through the first.

drawn = model[:-1].inverse_transform(model[-1].sample(24, random_state=0))
figure = plt.figure(figsize=(10, 3.6), layout="constrained")
left, middle, right = figure.subfigures(1, 3, width_ratios=[1, 1, 1.2])
for part, images, title in [(left, threes[:24], "real threes"), (middle, drawn, "drawn threes")]:
    part.suptitle(title)
    for axis, image in zip(part.subplots(4, 6).flat, images):
        axis.imshow(image.reshape(8, 8), cmap="gray_r", vmin=0, vmax=16)
        axis.axis("off")
axis = right.subplots()
axis.boxplot([scores[y == digit] for digit in range(10)], tick_labels=range(10), showfliers=False)
axis.set(xlabel="digit", ylabel="log-density, nats", title="under the density of threes")
plt.show()
