"""Texts that tell what a fit depends on from all else."""

import numpy as np
import pandas as pd
import pytest
import torch

import skmaf
from skmaf import MAFDensity
from skmaf.models.fingerprint import fingerprint


@pytest.mark.parametrize(
    "value, other",
    [
        (1, np.int64(1)),
        (1, 1.0),
        (0.0, -0.0),
        (True, np.True_),
        (0.1, np.float64(0.1)),
        (np.inf, np.float64(np.inf)),
        ("a", np.str_("a")),
        ((1, None), [1.0, None]),
        ({0: "a", 1: "b"}, {1: "b", 0: "a"}),
        (np.eye(2, 3), np.asfortranarray(np.eye(2, 3))),
    ],
)
def test_of_equal_values(value, other):
    assert fingerprint(value) == fingerprint(other)


def test_of_other_values():
    values = [None, "None", "1", 1, 2**53, 2**53 + 1, 0.1, np.float32(0.1), -1, -2, [], [1], [[1]]]
    values += [
        np.arange(4),
        np.arange(4.0),
        np.arange(4).reshape(2, 2),
        np.empty((0, 2)),
        torch.arange(1.0),
        np.inf,
    ]
    values += [{}, {1: 2}, {"1": 2}, [1, 2], [12], ["a", "b"], ["ab"], ["a', 'b"]]
    assert len({fingerprint(value) for value in values}) == len(values)


def test_of_code():
    with pytest.raises(TypeError, match="A function has no fingerprint"):
        fingerprint([fingerprint])


def make_table(shift=0.0):
    rng = np.random.default_rng(0)
    days = pd.to_datetime("2020-01-01") + pd.to_timedelta(rng.integers(0, 900, 300), "D")
    return pd.DataFrame(
        {
            "normal": rng.normal(size=300) + shift,
            "positive": rng.exponential(size=300),
            "far": rng.standard_cauchy(300),
            "count": rng.poisson(2, 300),
            "heaped": (rng.normal(size=300) * 100).round(-1),
            "often zero": rng.normal(size=300) * rng.integers(0, 2, 300),
            "angle": rng.uniform(0, 360, 300),
            "name": rng.choice(["x", "y"], 300),
            "day": days,
        }
    )


def test_of_columns(tmp_path):
    """Those that a warm start goes on with are the same in another process."""
    density = MAFDensity(
        n_layers=1,
        hidden_layer_sizes=(4,),
        max_iter=1,
        early_stopping=False,
        column_kinds={"angle": ("periodic", 360)},
        random_state=0,
    )
    columns = density.fit(make_table()).columns_
    skmaf.save(density, tmp_path / "density.skmaf")
    loaded = skmaf.load(tmp_path / "density.skmaf").columns_
    assert fingerprint(loaded) == fingerprint(columns)
    others = density.fit(make_table(shift=1e-6)).columns_
    assert fingerprint(others) != fingerprint(columns)
