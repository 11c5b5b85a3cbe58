"""
Deploy a model with ONNX
========================

``skmaf.to_onnx`` writes a fitted detector as one file, which onnxruntime serves in production:
without skmaf and without torch, from C++, C#, Java, JavaScript or Python. A service of a few lines
finds in the file how a row becomes numbers, and gives the scores, labels and p-values of skmaf.
"""

import pathlib
import subprocess
import sys
import tempfile

import matplotlib.pyplot as plt
import numpy as np
import onnx
import pandas as pd

import skmaf


def parcels(n, seed):
    """Rows of what parcels weigh and cost."""
    rng = np.random.default_rng(seed)
    zone = rng.choice(["city", "country", "abroad"], n, p=[0.6, 0.3, 0.1])
    weight = rng.gamma(3, 1.5, n)
    rate = pd.Series(zone).map({"city": 1.0, "country": 1.5, "abroad": 4.0})
    cost = (3 + rate * weight) * rng.lognormal(0, 0.08, n)
    return pd.DataFrame({"zone": zone, "weight": weight, "cost": cost})


# %%
# Fitted here, to rows that are known to be normal, and written.

train = parcels(600, seed=0)
density = skmaf.MAFDensity(n_layers=2, hidden_layer_sizes=(32,), max_iter=60, early_stopping=False)
detector = skmaf.DensityOutlierDetector(density, contamination=0, n_folds=3, random_state=0)
detector.fit(train)
folder = tempfile.TemporaryDirectory()
model_path = pathlib.Path(folder.name, "parcels.onnx")
onnx.save(skmaf.to_onnx(detector), model_path)
print(f"{model_path.name}: {model_path.stat().st_size / 1024:.0f} KiB")

# %%
# New rows come as a file. Three of them were billed by the wrong tariff.

new = parcels(300, seed=2)
wrong = [20, 120, 220]
new.loc[wrong, "zone"] = ["city", "abroad", "city"]
new.loc[wrong, "weight"] = [4.0, 5.0, 6.0]
new.loc[wrong, "cost"] = [19.0, 8.0, 27.0]
new.to_csv(model_path.with_name("new.csv"), index=False)

# %%
# The service. It is a program of its own, in a process that knows neither skmaf nor torch: the
# metadata of the model name the columns and, in order, the categories of each.

service = """
import csv, json, sys
import numpy as np
import onnxruntime

session = onnxruntime.InferenceSession("parcels.onnx")
columns = json.loads(session.get_modelmeta().custom_metadata_map["columns"])

def number(cell, categories):
    if cell == "":
        return np.nan                                       # missing
    if categories is None:
        return float(cell)
    return categories.index(cell) if cell in categories else len(categories)       # new

rows = list(csv.DictReader(open("new.csv")))
X = np.array([[number(row[c["name"]], c["categories"]) for c in columns] for row in rows])
scores, labels, p_values = session.run(None, {"X": X})
np.save("scores.npy", scores)
print(f"{(labels == -1).sum()} outliers among {len(rows)} rows; the oddest:", scores.argsort()[:3])
print("loaded:", [name for name in ("torch", "skmaf", "sklearn") if name in sys.modules])
"""
done = subprocess.run(
    [sys.executable, "-c", service], cwd=folder.name, capture_output=True, text=True, check=True
)
print(done.stdout)

# %%
# Its scores are those of skmaf.

served = np.load(model_path.with_name("scores.npy"))
scores = detector.score_samples(new)
print(f"largest difference: {abs(served - scores).max():.1e} nats")
folder.cleanup()

figure, axes = plt.subplots(1, 2, figsize=(9, 4), layout="constrained")
points = axes[0].scatter(new["weight"], new["cost"], c=served, s=12, cmap="viridis")
axes[0].plot(new["weight"][wrong], new["cost"][wrong], "o", ms=11, mfc="none", color="red")
axes[0].set(xlabel="weight", ylabel="cost", title="new rows, by the score of the service")
figure.colorbar(points, label="log-density, nats")
axes[1].plot(scores, served, ".")
axes[1].plot(scores[wrong], served[wrong], "o", ms=11, mfc="none", color="red", label="wrong")
axes[1].set(xlabel="score of skmaf", ylabel="score of the service", title="the same scores")
axes[1].legend(loc="upper left")
plt.show()
