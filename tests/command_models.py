"""What the tests of the subcommands share: a messy table, and small models of it."""

import functools

import numpy as np
import pandas as pd

from skmaf import ConditionalMAFDensity, DensityOutlierDetector, MAFDensity, MultiscaleDensity
from skmaf.cli import command, fitting

SMALL = {"n_layers": 2, "hidden_layer_sizes": (16,), "max_iter": 4}
N_ROWS = 90
COLUMNS = ["size", "count", "kind", "day", "price"]


def make_table(n_rows=N_ROWS):
    """Identifiers, names, a number, whole numbers of which some are missing, words, dates."""
    rng = np.random.default_rng(0)
    size = rng.normal(20, 3, n_rows).round(2)
    size[17] = 95.5
    day = pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 300, n_rows), "D")
    table = pd.DataFrame(
        {
            "id": np.arange(n_rows) + 500,
            "name": [f"person {i}" for i in range(n_rows)],
            "size": size,
            "count": rng.integers(10, 400, n_rows).astype(object),
            "kind": rng.choice(["red", "green", "none"], n_rows),
            "day": day.strftime("%d.%m.%Y"),
            "price": (2 * size + rng.normal(size=n_rows)).round(1),
        }
    )
    table.loc[::9, "count"] = None
    table.loc[4, "kind"] = None
    return table


def written(table, separator=",", decimal="."):
    """A table as CSV, with a mark of decimals."""
    shown = table.copy()
    for name in ("size", "price"):
        shown[name] = shown[name].map(lambda x: f"{x}".replace(".", decimal))
    return shown.to_csv(index=False, sep=separator)


def use_small_models(monkeypatch):
    """Let the command fit models in a moment."""
    density = functools.partial(MAFDensity, **SMALL)
    conditional = functools.partial(ConditionalMAFDensity, **SMALL)
    inner = MultiscaleDensity(max_iter=4, hidden_layer_sizes=(16,))
    detector = functools.partial(DensityOutlierDetector, inner, n_folds=2)
    monkeypatch.setattr(fitting, "MAFDensity", density)
    monkeypatch.setattr(fitting, "ConditionalMAFDensity", conditional)
    monkeypatch.setattr(fitting, "DensityOutlierDetector", detector)


def run(*arguments):
    return command.main([str(argument) for argument in arguments])
