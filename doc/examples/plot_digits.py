"""
Digits: a classifier that can draw
==================================

One conditional density of scikit-learn's digits, 8 by 8 pixels, with the digit as its context. By
Bayes' rule it is a classifier; and as a density it draws digits, the image-generation
demonstration of the papers in small.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split

from skmaf import MAFClassifier

# %%
# Pixels are integers from 0 to 16. Uniform noise makes them continuous (*dequantised*).

X, y = load_digits(return_X_y=True)
X = X + np.random.default_rng(0).random(X.shape)
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.3, stratify=y, random_state=0)
classifier = MAFClassifier(
    bijector="affine", n_layers=3, hidden_layer_sizes=(64, 64), random_state=0
)
classifier.fit(X_train, y_train)

# %%
# The density of 64 pixels is too sure of itself. It is raised to a power, and multiplied by a
# power of a normal distribution about the mean of each class. Rows set aside have chosen both
# powers, and then the probabilities mean what they say.

proba = classifier.predict_proba(X_test)
print(
    f"accuracy {classifier.score(X_test, y_test):.3f}, "
    f"mean probability of the class named {proba.max(axis=1).mean():.3f}"
)
print(f"log-loss {log_loss(y_test, proba):.3f}; powers {classifier.powers_.round(2)}")

# %%
# Six draws of each digit.

figure, axes = plt.subplots(6, 10, figsize=(8, 5))
for digit, column in enumerate(axes.T):
    drawn, _ = classifier.sample(6, label=digit, random_state=digit)
    for image, axis in zip(drawn, column):
        axis.imshow(image.reshape(8, 8), cmap="gray_r", vmin=0, vmax=17)
        axis.axis("off")
