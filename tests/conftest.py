"""One thread, fixed seeds, and what several test modules share."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import HealthCheck, settings
from threadpoolctl import threadpool_limits

from skmaf import MAFDensity

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared" / "data"

# of the pages and the code of a checkout: a wheel is tested without
collect_ignore = []
if not (ROOT / "pyproject.toml").exists():
    collect_ignore += [f"test_{name}.py" for name in ("doc", "doc_command", "examples", "readme")]
    collect_ignore += ["test_fuzz.py", "test_style.py"]

# the same examples on every run: a test that fails now and then is a defect
settings.register_profile(
    "skmaf",
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=15,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("skmaf")


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config):
    """Use two processes where pytest-xdist is installed; ``-n 0`` or a debugger asks for one.

    Each takes tests from the other when it is done: most modules, with their fixtures, stay in
    one of them.
    """
    is_unset = getattr(config.option, "numprocesses", 0) is None
    is_worker = "PYTEST_XDIST_WORKER" in os.environ
    if is_unset and not is_worker and not config.getoption("usepdb"):
        config.option.numprocesses = 2
        config.option.dist = "worksteal"


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    """Compute on one thread: several wait for each other where the machine is busy."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    with threadpool_limits(1):
        yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def load_table():
    """Load a real table of ../shared/data by its name, such as "density/concrete".

    Skip the test where the table is not there.
    """

    def load(name):
        path = SHARED / f"{name}.npz"
        if not path.exists():
            pytest.skip(f"needs the table ../shared/data/{name}.npz, which is not here")
        return np.load(path, allow_pickle=False)

    return load


@pytest.fixture(scope="session")
def randomise():
    """Give a module random float64 weights, because every flow starts as the identity."""

    def randomised(module, seed=0, size=1.0):
        generator = torch.Generator().manual_seed(seed)
        module = module.double()
        with torch.no_grad():
            for weight in module.parameters():
                fan_in = weight.shape[1] if weight.ndim == 2 else 1
                noise = torch.randn(weight.shape, generator=generator, dtype=weight.dtype)
                weight.copy_(noise * size / max(fan_in, 1) ** 0.5)
        return module.requires_grad_(False)

    return randomised


@pytest.fixture(scope="session")
def tiny():
    """Make a MAFDensity that fits in a moment.

    It has no validation rows, because with some a short max_iter warns.
    """

    def make(**parameters):
        defaults = {
            "n_layers": 2,
            "hidden_layer_sizes": (8,),
            "n_bins": 4,
            "max_iter": 3,
            "early_stopping": False,
            "random_state": 0,
        }
        return MAFDensity(**{**defaults, **parameters})

    return make


@pytest.fixture(scope="session")
def rows():
    """Correlated rows of three continuous columns of different units."""
    rng = np.random.default_rng(0)
    mixing = np.array([[1.0, 0.0, 0.0], [0.8, 0.6, 0.0], [-0.5, 0.3, 0.7]])
    return rng.standard_normal((200, 3)) @ mixing.T * [1.0, 10.0, 0.1] + [0.0, 100.0, -1.0]


@pytest.fixture(scope="session")
def fitted(tiny, rows):
    """A fitted density for tests that do not change it."""
    return tiny(max_iter=30).fit(rows)


@pytest.fixture(scope="session")
def flats():
    """A table with categories, numbers, dates, truth values and missing cells."""
    rng = np.random.default_rng(0)
    n = 200
    area = rng.gamma(6, 10, n)
    days = pd.to_timedelta(rng.integers(0, 700, n), unit="D")
    table = pd.DataFrame(
        {
            "district": rng.choice(["north", "old town", "south"], n, p=[0.5, 0.2, 0.3]),
            "area": area,
            "rooms": np.clip(area // 20, 1, 6).astype(int),
            "since": pd.Timestamp("2021-01-01") + days,
            "lift": rng.random(n) < 0.3,
        }
    )
    table.loc[::7, "area"] = None
    table.loc[::11, "since"] = None
    table.loc[3::9, "district"] = None
    return table


@pytest.fixture(scope="session")
def flats_density(tiny, flats):
    """A density of that table, trained for a moment."""
    return tiny().fit(flats)


@pytest.fixture
def pyplot():
    """Matplotlib's pyplot without a screen, and as it was when the test is over."""
    import matplotlib.pyplot as plt

    with plt.rc_context():
        backend = plt.get_backend()
        plt.close("all")
        plt.switch_backend("Agg")
        yield plt
        plt.close("all")
        plt.switch_backend(backend)
