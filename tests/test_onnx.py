"""ONNX models give what skmaf gives, without skmaf and torch, or are refused."""

import copy
import doctest
import importlib
import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from short_fits import shorten_detector
from sklearn.exceptions import NotFittedError
from sklearn.neighbors import KernelDensity

import skmaf
from skmaf import DensityEnsemble, DensityOutlierDetector, MAFDensity, MultiscaleDensity
from skmaf.models.binary_score import BinaryScore
from skmaf.models.forest_score import ForestScore
from skmaf.models.isolation import Isolation
from skmaf.models.robust_score import RobustScore
from skmaf.table.columns import Constant, Continuous, Discrete, OneHot, PointMasses
from skmaf.table.flow_space import Columns
from skmaf.table.heaped import CoarseGrid, Heaped
from skmaf.table.normal_mixture import NormalMixture
from skmaf.table.periodic import OnCircle, Periodic, TwoTurns
from skmaf.table.transforms import Asinh, Log, Logit, NormalScores, SoftLogit

ndx = pytest.importorskip("ndonnx", reason="needs ndonnx, of the extra 'onnx'")
onnx = pytest.importorskip("onnx", reason="needs onnx, of the extra 'onnx'")
onnxruntime = pytest.importorskip("onnxruntime", reason="needs onnxruntime, of the extra 'test'")

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

KINDS = {"angle": ("periodic", 360.0), "share": (0, 1)}
BRIEF = {"max_iter": 3, "hidden_layer_sizes": (8,), "random_state": 0}


def run(model, X):
    """Return the outputs of a model by their names."""
    session = onnxruntime.InferenceSession(model.SerializeToString())
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, {"X": X})))


def served(estimator, table):
    """Return the outputs of the model of an estimator for a table."""
    codec = estimator.codec_
    if isinstance(estimator, DensityOutlierDetector):
        codec = estimator.estimators_[0].codec_
    return run(skmaf.to_onnx(estimator), codec.encode(table)[0])


def assert_close(actual, expected, rtol):
    np.testing.assert_allclose(actual, expected, rtol=rtol, atol=rtol)


def wild(estimator, seed=0):
    """Return a fitted density whose weights are random: a short fit is close to the identity."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in estimator.flow_.parameters():
            weight += 0.5 * torch.randn(weight.shape, generator=generator)
    return copy.deepcopy(estimator)  # without copies of the flow in other precisions


def mixed_table(n, seed, missing=False):
    """Return rows of most kinds of columns."""
    rng = np.random.default_rng(seed)
    a = rng.standard_normal(n)
    table = pd.DataFrame(
        {
            "word": rng.choice(list("abcd"), n),
            "count": rng.poisson(3, n),
            "pile": np.where(rng.random(n) < 0.4, 0.0, np.exp(a)),
            "whole": np.round(30 * a + 100),
            "share": 1 / (1 + np.exp(-a - rng.standard_normal(n))),
            "heavy": rng.standard_cauchy(n),
            "angle": rng.uniform(0, 360, n),
            "same": 7.0,
        }
    )
    if missing:
        for name in ("word", "count", "pile", "heavy", "angle", "same"):
            table.loc[rng.random(n) < 0.15, name] = np.nan
    return table


def with_strange_rows(table):
    """Return a table of which some rows hold what no training row is like."""
    table = table.copy()
    table.loc[:2, "word"] = "new"
    table.loc[2:4, "count"] = 99
    table.loc[5, "same"] = 3.0
    table.loc[6, "heavy"] = 1e200
    table.loc[7, "share"] = 5.0
    table.loc[8, "pile"] = -3.0
    table.loc[9, "angle"] = -1234.5
    return table


NORMALS = NormalMixture(np.array([0.5, 0.3, 0.2]), np.array([-2.0, 0.5, 4.0]), np.ones(3) / 2)
TRANSFORMS = {
    "none": None,
    "log": Log(-100.0, 1, 0.01),
    "log below": Log(80.0, -1, 0.5),
    "logit": Logit(-30.0, 40.0, 0.001),
    "soft logit": SoftLogit(-45.0, 60.0, 0.25),
    "asinh": Asinh(1.5, 2.5),
    "normal scores": NormalScores.of(NORMALS, None),
    "normal scores after asinh": NormalScores.of(NORMALS, Asinh(1.5, 2.5)),
    "two turns": TwoTurns(-90.0, 270.0),
}
LINE = Continuous(3.0, 20.0, step=1.0, grid=np.arange(-50.0, 51), regular=True)
TURNS = Periodic(180.0, 0.0, 0.0, Continuous(0.0, 1.0, transform=TRANSFORMS["two turns"]))
GRID = CoarseGrid(1.0, 5, 2)
LABEL = Discrete(np.array([0.0, 1.0]), np.array([0.6, 0.4]), False, 1.0, -3.0)
PLACES = Continuous(3.0, 20.0, step=GRID.place_step)
NUMBERS = Discrete(np.array([-40.0, 1.0, 2.0, 50.0]), np.ones(4) / 4, True, 1.0, -5.0)
COLUMNS = {
    **{name: Continuous(0.3, 1.5, transform=t) for name, t in TRANSFORMS.items()},
    **{
        f"step, {name}": Continuous(0.3, 1.5, step=0.5, transform=t)
        for name, t in TRANSFORMS.items()
    },
    "transformed step": Continuous(
        0.3, 1.5, step=0.01, transform=TRANSFORMS["asinh"], is_step_transformed=True
    ),
    "constant": Constant(5.0, 1e-6, 20),
    "categories": Discrete(np.arange(4.0), np.ones(4) / 4, False, 1.0, -5.0),
    "one category": Discrete(np.array([5.0]), np.ones(1), False, 1.0, -5.0),
    "numbers": NUMBERS,
    "point masses": PointMasses(
        np.array([0.0, 5.0, np.nan]), np.ones(3) / 3, LINE, np.array([0.0, 1e-6])
    ),
    "indicators": OneHot(np.array([0.0, 1.0, 5.0]), np.array([0.2, 0.3, 0.5])),
    "turns": TURNS,
    "plane": OnCircle(TURNS, np.array([0.1, -0.2]), 0.7),
    "heaped": Heaped(GRID, LABEL, LINE, PLACES, None),
}
NUMBERS_OF_ALL_SIZES = np.concatenate(
    [
        np.linspace(-120, 120, 481),
        [0, 5, 5 + 1e-7, 1, 1.0005, 1.1, 7, 7.02, 1e8, -1e8, 1e40, -1e160, 1e300, -1e300, np.nan],
    ]
)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:overflow")
@pytest.mark.parametrize("name", COLUMNS)
def test_columns(name):
    from skmaf.onnx.columns import to_flow

    columns = Columns([COLUMNS[name]])
    N = NUMBERS_OF_ALL_SIZES[:, None]
    if name in ("turns", "plane"):
        N = N[np.isnan(N) | (np.abs(N) < 1e9)][:, None]  # cosines of more are noise
    X = ndx.argument(shape=("n", 1), dtype=ndx.float64)
    rows = to_flow(columns, [X[:, 0]])
    parts = {"codes": rows.codes, "values": rows.values, "log_jacobian": rows.log_jacobian}
    outputs = run(ndx.build({"X": X}, {k: v for k, v in parts.items() if v is not None}), N)
    Z = columns.to_flow(N)
    expected = {
        "codes": Z[:, : columns.n_codes],
        "values": Z[:, columns.n_codes :],
        "log_jacobian": columns.log_jacobian(N),
    }
    # cosines are of single precision; a transformed step is a difference of nearly equal numbers
    rtol = 1e-6 if name == "plane" or name.startswith("step") else 1e-9
    for part, actual in outputs.items():
        np.testing.assert_allclose(actual, expected[part], rtol=rtol, atol=rtol, err_msg=part)


FLOWS = {
    "affine": {"bijector": "affine"},
    "spline": {"bijector": "spline"},
    "mixture": {"bijector": "mixture"},
    "made": {"family": "made", "n_layers": 1},
    "realnvp": {"family": "realnvp"},
    "realnvp spline": {"family": "realnvp", "bijector": "spline"},
    "nice": {"family": "nice"},
    "relu": {"activation": "relu"},
    "tanh": {"activation": "tanh"},
    "silu": {"activation": "silu", "hidden_layer_sizes": (8, 8)},
}


@pytest.mark.slow
@pytest.mark.parametrize("name", FLOWS)
def test_flows(tiny, rows, name):
    density = wild(tiny(**FLOWS[name]).fit(rows))
    assert density.density_.baseline is None
    table = np.vstack([rows[:50], 5 * rows[:20]])
    [scores] = served(density, table).values()
    assert scores.dtype == np.float64
    assert_close(scores, density.score_samples(table), 1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["affine", "spline", "mixture"])
def test_single_precision(tiny, rows, name):
    rows = rows.astype(np.float32)
    density = wild(tiny(**FLOWS[name]).fit(rows))
    [scores] = served(density, rows).values()
    expected = density.score_samples(rows)
    errors = np.abs(scores - expected) / np.maximum(1, np.abs(expected))
    assert errors.max() < 1e-4
    assert np.median(errors) < 1e-5


@pytest.mark.slow
@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.parametrize("early_stopping", [False, True])
def test_all_kinds_of_columns(tiny, missing, early_stopping):
    table = mixed_table(400, 0, missing)
    density = wild(tiny(early_stopping=early_stopping, column_kinds=KINDS).fit(table))
    assert (density.density_.baseline is not None) == early_stopping
    kinds = {type(column) for column in density.columns_.columns}
    assert kinds == {Discrete, PointMasses, Continuous, Periodic, Constant}
    rows = with_strange_rows(mixed_table(60, 1, missing))
    with pytest.warns(UserWarning, match="new"):
        expected = density.score_samples(rows)
    assert_close(served(density, rows)["score_samples"], expected, 1e-5)


def test_one_row_gets_the_score_that_it_has_among_others(fitted, rows):
    alone = served(fitted, rows[:1])["score_samples"]
    assert_close(alone, served(fitted, rows)["score_samples"][:1], 1e-9)


@pytest.mark.slow
def test_baseline_with_gaussian_student_and_kernel(tiny, rows):
    tails = rows * np.random.default_rng(1).standard_t(2, (len(rows), 1))
    density = tiny(early_stopping=True, max_iter=20).fit(tails)
    baseline = density.density_.baseline
    assert baseline.kernel is not None
    assert baseline.gaussian.tail_share > 0.05
    far = np.vstack([tails, 30 * tails])
    assert_close(served(density, far)["score_samples"], density.score_samples(far), 1e-6)


def test_numbers_of_large_magnitude(tiny):
    X = 1e9 + np.random.default_rng(0).standard_normal((100, 2))
    density = tiny().fit(X)
    assert_close(served(density, X)["score_samples"], density.score_samples(X), 1e-8)


def test_a_table_of_categories_alone(tiny):
    table = mixed_table(200, 0)[["word"]]
    density = tiny().fit(table)
    assert_close(served(density, table)["score_samples"], density.score_samples(table), 1e-9)


def test_rare_categories(tiny):
    words = [f"rare {i}" for i in range(200)] + ["often"] * 150
    table = pd.DataFrame({"word": words, "x": np.arange(350.0) ** 1.5})
    with pytest.warns(UserWarning, match="different values"):
        density = tiny().fit(table)
    assert density.schema_.rare[0] is not None
    assert_close(served(density, table)["score_samples"], density.score_samples(table), 1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.parametrize("kernel_share", [0.0, 0.3])
def test_multiscale(missing, kernel_share):
    density = MultiscaleDensity(kernel_share=kernel_share, column_kinds={"angle": KINDS["angle"]})
    density.set_params(**BRIEF).fit(mixed_table(300, 0, missing))
    assert {OneHot, OnCircle} <= {type(column) for column in density.columns_.columns}
    rows = mixed_table(60, 1, missing)
    rows.loc[0, "heavy"] = 1e200
    assert_close(served(density, rows)["score_samples"], density.score_samples(rows), 1e-5)


def test_multiscale_of_constants():
    X = np.ones((20, 2))
    density = MultiscaleDensity(**BRIEF).fit(X)
    rows = np.array([[1.0, 1.0], [1.0, 2.0]])
    assert_close(served(density, rows)["score_samples"], density.score_samples(rows), 1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("member", ["flow", "multiscale"])
def test_ensemble(tiny, rows, member):
    estimator = tiny() if member == "flow" else MultiscaleDensity(**BRIEF)
    ensemble = DensityEnsemble(estimator, n_estimators=2, random_state=0).fit(rows)
    assert_close(served(ensemble, rows)["score_samples"], ensemble.score_samples(rows), 1e-5)


@pytest.fixture(scope="module", params=["clusters", "scattered", "trusted", "given"])
def detector(request):
    made = {
        "clusters": DensityOutlierDetector(n_folds=2, random_state=0),
        "scattered": DensityOutlierDetector(n_folds=2, random_state=0),
        "trusted": DensityOutlierDetector(contamination=0, n_folds=2, random_state=0),
        "given": DensityOutlierDetector(
            MAFDensity(n_layers=1, early_stopping=False, **BRIEF), n_folds=2, random_state=0
        ),
    }
    with pytest.MonkeyPatch.context() as patch:
        share = 0 if request.param == "clusters" else 2
        patch.setattr("skmaf.models.first_look.TOGETHER", share)
        shorten_detector(patch, 10)
        return made[request.param].fit(mixed_table(200, 0, missing=True).drop(columns="angle"))


@pytest.mark.slow
def test_detector(detector):
    rows = mixed_table(80, 1, missing=True).drop(columns="angle")
    rows.loc[:5, "heavy"] = 1e5
    outputs = served(detector, rows)
    assert list(outputs) == ["score_samples", "predict", "p_values"]
    scores = detector.score_samples(rows)
    assert_close(outputs["score_samples"], scores, 1e-5)
    # a score at a calibration score or the threshold may be rounded to either side
    ranks = 1 / (detector.calibration_.total + 1)
    assert np.abs(outputs["p_values"] - detector.p_values(rows)).max() < 1.01 * ranks
    is_clear = np.abs(scores - detector.offset_) > 1e-3
    labels = detector.predict(rows)
    assert (outputs["predict"] == labels)[is_clear].all()
    assert set(labels) == {-1, 1}


@pytest.mark.slow
def test_a_detector_of_binary_rows(monkeypatch):
    shorten_detector(monkeypatch, 10)
    X = (np.random.default_rng(0).random((200, 6)) < 0.3).astype(float)
    detector = DensityOutlierDetector(random_state=0).fit(X[:120])
    assert isinstance(detector.ensemble_.densities[0], BinaryScore)
    by_all = np.mean([part.log_prob(X) for part in detector.ensemble_.densities], axis=0)
    assert_close(served(detector, X)["score_samples"], by_all, 1e-5)


@pytest.mark.slow
def test_a_detector_of_a_file_of_before(detector):
    rows = mixed_table(80, 1, missing=True).drop(columns="angle")
    ensemble = detector.ensemble_
    if not isinstance(ensemble.densities[0], ForestScore):
        pytest.skip("before as now")
    density = ensemble.densities[0].density
    Z = np.nan_to_num(density.columns.to_flow(detector.codec_.encode(rows)[0]))
    looks = (np.array([0.7, 20.0]), np.array([-3, -0.5]))
    before = copy.copy(detector)
    before.ensemble_ = replace(
        ensemble, densities=[RobustScore(density, Isolation.fit(Z, 5, 0), *looks)] * 2
    )
    assert_close(served(before, rows)["score_samples"], before.score_samples(rows), 1e-5)


@pytest.mark.slow
def test_a_detector_scores_all_rows_as_new_ones(detector):
    rows = mixed_table(200, 0, missing=True).drop(columns="angle")
    scores = served(detector, rows)["score_samples"]
    taken = rows if detector.estimator is not None else detector.codec_.encode(rows)[0]
    by_all = np.mean([part.log_prob(taken) for part in detector.ensemble_.densities], axis=0)
    assert_close(scores, by_all, 1e-5)
    assert np.abs(scores - detector.score_samples(rows)).max() > 1e-3


@pytest.mark.slow
def test_weights_and_ties_of_the_calibration(tiny):
    X = np.repeat(np.arange(30.0)[:, None] ** 1.5, 3, axis=0)
    weights = np.arange(1.0, 91)
    detector = DensityOutlierDetector(tiny(), n_folds=2, random_state=0)
    detector.fit(X, sample_weight=weights)
    new = X[::3] + 0.25
    assert_close(served(detector, new)["p_values"], detector.p_values(new), 1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_forest_cuts_where_trees_do(seed):
    from skmaf.onnx.columns import FlowRows
    from skmaf.onnx.densities import _isolation

    Z = np.random.default_rng(seed).standard_normal((200, 3)).astype(np.float32)
    forest = Isolation.fit(Z, 20, seed)
    cuts = np.concatenate([tree.threshold[tree.children_left >= 0] for tree in forest.trees])
    # at each cut, and at the next numbers of single precision on both sides
    near = [np.nextafter(cuts.astype(np.float32), np.float32(end)) for end in (-9, 9)]
    points = np.concatenate([cuts.astype(np.float32), *near])
    rows = np.repeat(points[:, None], 3, axis=1).astype(np.float64)
    X = ndx.argument(shape=("n", 3), dtype=ndx.float64)
    score = _isolation(forest, FlowRows(None, X, X[:, 0]), np.ones(3, dtype=bool))
    outputs = run(ndx.build({"X": X}, {"score": score}), rows)
    assert_close(outputs["score"], forest.score_samples(rows), 1e-6)


@pytest.mark.slow
def test_what_cannot_be_read_has_no_score(tiny, rows):
    detector = DensityOutlierDetector(tiny(), n_folds=2, random_state=0).fit(rows)
    X = np.vstack([rows[:4], rows[:1]])
    X[0, 1] = np.nan
    X[1, 0] = np.inf
    outputs = run(skmaf.to_onnx(detector), X)
    assert np.isnan(outputs["score_samples"]).tolist() == [True, True, False, False, False]
    assert (outputs["predict"][:2] == -1).all()
    assert_close(outputs["p_values"][:2], detector.calibration_.finest_rate, 1e-12)


def test_form_and_metadata(tiny):
    table = mixed_table(200, 0, missing=True)
    table["flag"] = np.arange(200) % 3 == 0
    model = skmaf.to_onnx(tiny().fit(table))
    onnx.checker.check_model(model, full_check=True)
    versions = {opset.domain: opset.version for opset in model.opset_import}
    assert versions[""] == 21
    assert model.ir_version == 10
    [taken] = model.graph.input
    assert taken.name == "X"
    assert taken.type.tensor_type.elem_type == onnx.TensorProto.DOUBLE
    assert taken.type.tensor_type.shape.dim[1].dim_value == table.shape[1]
    told = {item.key: item.value for item in model.metadata_props}
    columns = json.loads(told["columns"])
    assert [column["name"] for column in columns] == list(table.columns)
    assert columns[0] == {"name": "word", "quantity": "categories", "categories": list("abcd")}
    assert columns[1]["categories"] is None
    assert columns[-1]["categories"] == [False, True]
    assert told["missing"] == "true"
    assert told["estimator"] == "MAFDensity"
    assert told["skmaf_version"] == model.producer_version == skmaf.__version__
    assert "nats" in told["units"]


def test_weights_are_stored_once_and_in_single_precision(tiny, rows):
    density = tiny(hidden_layer_sizes=(256, 256)).fit(rows)
    n_weights = sum(weight.numel() for weight in density.flow_.parameters())
    assert len(skmaf.to_onnx(density).SerializeToString()) < 4 * n_weights + 200_000


SERVE = """
import sys
import numpy as np, onnxruntime
session = onnxruntime.InferenceSession(sys.argv[1])
np.save(sys.argv[3], session.run(["score_samples"], {"X": np.load(sys.argv[2])})[0])
assert not {"torch", "skmaf", "sklearn"} & sys.modules.keys()
"""


@pytest.mark.slow
def test_a_file_is_served_without_torch_and_skmaf(fitted, rows, tmp_path):
    paths = [tmp_path / name for name in ("model.onnx", "X.npy", "scores.npy")]
    onnx.save(skmaf.to_onnx(fitted), paths[0])
    np.save(paths[1], rows)
    subprocess.run([sys.executable, "-c", SERVE, *map(str, paths)], check=True)
    assert_close(np.load(paths[2]), fitted.score_samples(rows), 1e-9)


def test_the_docstring():
    results = doctest.testmod(importlib.import_module("skmaf.onnx.export"))
    assert results.attempted > 0
    assert results.failed == 0


@pytest.mark.parametrize("family", ["iaf", "planar", "radial"])
def test_families_that_are_refused(tiny, rows, family):
    density = tiny(family=family).fit(rows)
    with pytest.raises(ValueError, match=f"family='{family}' has no ONNX form: fit with"):
        skmaf.to_onnx(density)


@pytest.mark.slow
@pytest.mark.parametrize("estimator", [MAFDensity, MultiscaleDensity])
def test_dates_are_refused_by_name(estimator):
    days = pd.to_datetime("2020-01-01") + pd.to_timedelta(np.arange(400), "D")
    table = pd.DataFrame({"x": np.arange(400.0) ** 1.5, "day": days})
    density = estimator(**BRIEF).fit(table)
    with pytest.raises(ValueError, match="Column 'day' holds dates, .* days since a date"):
        skmaf.to_onnx(density)


@pytest.mark.parametrize(
    "numbers",
    [np.arange(100.0) ** 1.5, 1 + np.arange(100.0) // 50, np.full(100, 2.0)],
    ids=["continuous", "discrete", "constant"],
)
def test_numbers_that_onnxruntime_takes_for_0_are_refused(tiny, numbers):
    x = np.arange(100.0)
    table = pd.DataFrame({"x": x, "small": 1e-45 * numbers})
    with pytest.raises(ValueError, match="Column 'small' holds numbers so small"):
        skmaf.to_onnx(tiny().fit(table))
    skmaf.to_onnx(tiny().fit(table.assign(small=1e-15 * numbers)))


def test_other_estimators_are_refused(rows):
    with pytest.raises(ValueError, match="estimator is a KernelDensity, .* give a MAFDensity"):
        skmaf.to_onnx(KernelDensity().fit(rows))
    detector = DensityOutlierDetector(KernelDensity(), n_folds=2).fit(rows)
    with pytest.raises(ValueError, match="detects by a KernelDensity, .* at None"):
        skmaf.to_onnx(detector)
    with pytest.raises(NotFittedError):
        skmaf.to_onnx(MAFDensity())


def test_without_the_packages_of_the_extra(fitted, monkeypatch):
    monkeypatch.setitem(sys.modules, "ndonnx", None)
    with pytest.raises(ImportError, match=r"pip install 'skmaf\[onnx\]'"):
        skmaf.to_onnx(fitted)
