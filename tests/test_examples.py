"""The scripts in doc/examples run, and show what they say."""

import re
import runpy
from pathlib import Path

import matplotlib
import numpy as np
import pytest

EXAMPLES = Path(__file__).parents[1] / "doc" / "examples"


@pytest.fixture
def run():
    """The names that a script leaves behind."""

    def run(name):
        import matplotlib.pyplot as plt

        try:
            return runpy.run_path(str(EXAMPLES / f"plot_{name}.py"))
        finally:
            plt.close("all")

    with matplotlib.rc_context({"backend": "Agg"}):
        yield run


@pytest.mark.slow
def test_order(run):
    names = run("order")
    loss = {
        name: names["truth"].mean() - model.score(names["X_test"])
        for name, model in names["models"].items()
    }
    assert loss["MADE"] > 0.2
    assert loss["MADE with mixtures"] < 0.1
    assert loss["MAF, 5 layers"] < 0.1


@pytest.mark.slow
def test_digits(run):
    names = run("digits")
    named = names["classifier"].classes_[names["proba"].argmax(axis=1)]
    accuracy = (named == names["y_test"]).mean()
    assert accuracy > 0.9
    assert abs(names["proba"].max(axis=1).mean() - accuracy) < 0.06


@pytest.mark.slow
def test_likelihood_free(run):
    names = run("likelihood_free")
    error = (names["drawn"].mean(axis=0) - names["exact"].mean(axis=0)) / names["exact"].std(axis=0)
    assert np.abs(error).max() < 0.3
    ratio = names["drawn"].std(axis=0) / names["exact"].std(axis=0)
    assert np.all((ratio > 0.8) & (ratio < 1.25))


# the fit of the last one is good enough by a small margin, which depends on the machine
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:k-hat")
def test_energies(run, capsys):
    run("energies")
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("u")]
    numbers = np.array([re.findall(r"-?\d+\.\d+", line) for line in lines], dtype=float)
    estimate, error, exact, k_hat = numbers.T
    assert len(lines) == 4
    np.testing.assert_array_less(abs(estimate - exact), 5 * error + 0.01)
    assert (k_hat < 0.7).sum() >= 3


def test_every_example_is_run_and_shown():
    names = {path.stem.removeprefix("plot_") for path in EXAMPLES.glob("*.py")}
    assert names == {
        name.removeprefix("test_") for name in globals() if name.startswith("test_")
    } - {"every_example_is_run_and_shown"}
    page = (EXAMPLES.parent / "examples.rst").read_text(encoding="utf-8")
    assert all(f"plot_{name}.py" in page for name in names)
