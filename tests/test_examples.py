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


@pytest.mark.slow
def test_anomalies_table(run):
    names = run("anomalies_table")
    assert set(names["oddest"][:3]) == {20, 70, 100}
    spoiled = ["alcohol", "proline", "flavanoids"]
    found = dict(zip(names["oddest"], names["X"].columns[names["gains"].argmax(axis=1)]))
    assert [found[20], found[70], found[100]] == spoiled


@pytest.mark.slow
def test_anomalies_stream(run):
    names = run("anomalies_stream")
    assert names["found"] >= 0.9 * 2 * len(names["before"])
    assert names["false"] <= 15
    assert names["evenness"][-1] < 1e-6 < names["evenness"][0]


@pytest.mark.slow
def test_thresholds(run):
    names = run("thresholds")
    cost = {
        name: names["costs"](names["scores"], names["y_test"], [threshold])[0]
        for name, threshold in names["thresholds"].items()
    }
    assert cost["by costs"] < cost["5% false alarms"]
    assert names["thresholds"]["5% false alarms"] < names["thresholds"]["20% false alarms"]


@pytest.mark.slow
def test_grid_search(run):
    means = run("grid_search")["results"]["mean_test_score"]
    assert np.isfinite(means).all()
    assert means.max() > means.min()


@pytest.mark.slow
def test_pipeline(run):
    names = run("pipeline")
    medians = [np.median(names["scores"][names["y"] == digit]) for digit in range(10)]
    assert np.argmax(medians) == 3


@pytest.mark.slow
def test_intervals(run):
    names = run("intervals")
    assert 0.75 < names["is_held"].mean() < 0.86


@pytest.mark.slow
def test_missing(run):
    names = run("missing")
    assert 0.8 < names["is_held"].mean() <= 1
    hidden = names["hidden"]
    error = {
        name: np.mean((filled - names["X"].to_numpy())[hidden] ** 2)
        for name, filled in names["fills"].items()
    }
    assert error["mean of 20 draws"] < error["column mean"] / 2


@pytest.mark.slow
def test_synthetic_rows(run):
    aucs = run("synthetic_rows")["aucs"]
    assert abs(aucs["real rows"] - 0.5) < 0.1
    assert aucs["MAFDensity"] < 0.7 < aucs["columns shuffled"] < aucs["GaussianMixture"]


@pytest.mark.slow
def test_privacy(run):
    middle = {name: np.median(distance) for name, distance in run("privacy")["distances"].items()}
    assert middle["a copying machine"] < 0.5 * middle["unseen real rows"]
    assert middle["MAFDensity"] > 0.8 * middle["unseen real rows"]


@pytest.mark.slow
def test_two_moons(run):
    means = {name: scores.mean() for name, scores in run("two_moons")["scores"].items()}
    assert means["MAFDensity"] > max(means.values()) - 0.05


@pytest.mark.slow
def test_ensemble(run):
    names = run("ensemble")
    assert names["ensemble"].score(names["X_test"]) > max(names["scores"])


@pytest.mark.slow
def test_saved(run):
    names = run("saved")
    assert names["is_same"]
    assert "damaged" in names["refusal"]


@pytest.mark.slow
def test_onnx(run):
    for library in ("ndonnx", "onnx", "onnxruntime"):
        pytest.importorskip(library, reason=f"needs {library}")
    names = run("onnx")
    assert "loaded: []" in names["done"].stdout
    np.testing.assert_allclose(names["served"], names["scores"], rtol=1e-5, atol=1e-5)
    assert set(names["wrong"]) <= set(names["served"].argsort()[:6])


@pytest.mark.slow
def test_relations(run):
    rows = run("relations")["drawn"]["as found, the default"]
    np.testing.assert_allclose(rows["paid"], rows["fare"] + rows["tip"], atol=0.011)
    assert (rows["start"] <= rows["end"]).all()


@pytest.mark.slow
def test_messy(run):
    names = run("messy")
    table = names["customers"]
    drawn = names["drawn"]
    assert drawn.dtypes.equals(table.dtypes)
    assert abs((drawn["spent"] == 0).mean() - (table["spent"] == 0).mean()) < 0.08
    assert abs(drawn["rating"].isna().mean() - table["rating"].isna().mean()) < 0.08


@pytest.mark.slow
def test_families(run):
    scores = run("families")["scores"]
    assert max(scores, key=scores.get) == "maf"


def test_every_example_is_run():
    names = {path.stem.removeprefix("plot_") for path in EXAMPLES.glob("plot_*.py")}
    tested = {name.removeprefix("test_") for name in globals() if name.startswith("test_")}
    assert tested - {"every_example_is_run"} == names
