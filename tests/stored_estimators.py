"""Writes small fitted estimators of this version to tests/data/stored, once for each release.

    python tests/stored_estimators.py

Later versions have to read them, and find the same scores: `test_persistence.py`.
"""

import json
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import skmaf
from skmaf import DensityOutlierDetector, MAFDensity, MultiscaleDensity

FOLDER = Path(__file__).parent / "data" / "stored" / skmaf.__version__


def main():
    FOLDER.mkdir(parents=True, exist_ok=True)
    rng = np.random.RandomState(0)
    n = 60
    rows = pd.DataFrame(
        {
            "length": rng.randn(n).round(3),
            "count": rng.poisson(3, n),
            "colour": rng.choice(["red", "green", "blue"], n),
            "day": pd.date_range("2020-01-01", periods=n).strftime("%Y-%m-%d"),
            "dose": np.where(rng.rand(n) < 0.5, 0, rng.rand(n).round(2)),
        }
    )
    rows.loc[3, "length"] = np.nan
    numbers = rows[["count", "dose"]]

    small = {"hidden_layer_sizes": (8,), "max_iter": 5, "random_state": 0}
    density = MAFDensity(**small)
    scaled = make_pipeline(StandardScaler(), MAFDensity(**small))
    multiscale = MultiscaleDensity(hidden_layer_sizes=(8, 8), max_iter=5, random_state=0)
    write("density", density.fit(rows), rows)
    write("multiscale", multiscale.fit(rows), rows)
    write("pipeline", scaled.fit(numbers), numbers)
    write("detector", DensityOutlierDetector(multiscale, random_state=0).fit(rows), rows)


def write(name, estimator, rows):
    skmaf.save(estimator, FOLDER / f"{name}.skmaf")
    some = rows.iloc[:9]
    known = {
        "rows": some.to_dict(orient="list"),
        "scores": estimator.score_samples(some).tolist(),
    }
    (FOLDER / f"{name}.json").write_text(json.dumps(known, indent=1) + "\n")


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main()
