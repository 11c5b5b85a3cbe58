"""MAFDensity as an estimator: scores, samples, training, copies, devices, scikit-learn."""

import copy
import pickle
import warnings

import joblib
import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skmaf.flows import Flow

short_on_purpose = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def test_score_is_the_mean_of_score_samples(fitted, rows):
    scores = fitted.score_samples(rows)
    assert scores.dtype == np.float64
    assert fitted.score(rows) == pytest.approx(scores.mean(), rel=1e-12)
    assert isinstance(fitted.score(rows), float)


def test_a_row_does_not_depend_on_its_neighbours(fitted, rows):
    scores = fitted.score_samples(rows)
    alone = np.concatenate([fitted.score_samples(row[None]) for row in rows])
    np.testing.assert_allclose(alone, scores, rtol=0, atol=1e-10)
    np.testing.assert_allclose(fitted.score_samples(rows[::-1])[::-1], scores, rtol=0, atol=1e-10)
    among_far_rows = np.vstack([rows, 1e200 * rows])
    np.testing.assert_allclose(
        fitted.score_samples(among_far_rows)[: len(rows)], scores, rtol=0, atol=1e-10
    )


def test_a_float32_row_does_not_depend_on_its_neighbours(fitted, rows):
    rows = rows.astype(np.float32)
    scores = fitted.score_samples(rows)
    alone = np.concatenate([fitted.score_samples(row[None]) for row in rows])
    np.testing.assert_allclose(alone, scores, rtol=0, atol=1e-4)
    np.testing.assert_allclose(
        fitted.score_samples(rows.astype(np.float64)), scores, rtol=0, atol=1e-3
    )


def test_batches_change_nothing(fitted, rows, monkeypatch):
    """Neither the scores nor the number of rows drawn depend on how many rows fit into memory."""
    scores = fitted.score_samples(rows)
    monkeypatch.setattr(Flow, "batch_rows", property(lambda self: 7))
    monkeypatch.setattr(Flow, "batch_rows_inverse", property(lambda self: 7))
    np.testing.assert_allclose(fitted.score_samples(rows), scores, rtol=0, atol=1e-10)
    sample = fitted.sample(20, random_state=0)
    assert sample.shape == (20, 3) and len(np.unique(sample[:, 0])) == 20


@pytest.mark.parametrize("size", [1e3, 1e10, 1e30, 1e150, 1e300, np.finfo(np.float64).max])
@pytest.mark.parametrize("scale", [1.0, 1e-30])
def test_far_rows_have_finite_scores(size, scale, rows, tiny):
    density = tiny().fit(rows * scale)
    X = np.vstack([np.full(3, size), np.full(3, -size), [size, *rows[0, 1:] * scale]])
    scores = density.score_samples(X)
    assert np.isfinite(scores).all()
    assert (scores < density.score_samples(rows * scale).min()).all()


def test_an_overflow_on_the_way_gives_a_low_score(rows, tiny):
    """So low that no other row gets there, but a mean over many of them is finite."""
    density = tiny().fit(rows)
    for weight in density.flow_.parameters():
        weight.fill_(1e30)
    X = rows.astype(np.float32)
    scores = density.score_samples(X)
    assert np.isfinite(scores).all() and (scores < -1e38).all()
    assert np.isfinite(density.score(X))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n_samples", [1, 2, 33])
def test_sample_shape_and_dtype(n_samples, dtype, rows, tiny):
    sample = tiny().fit(rows.astype(dtype)).sample(n_samples, random_state=0)
    assert sample.shape == (n_samples, 3) and sample.dtype == dtype
    assert np.isfinite(sample).all()


def test_sample_of_one_by_default(fitted):
    assert fitted.sample().shape == (1, 3)


def test_sample_follows_its_random_state(fitted):
    assert np.array_equal(fitted.sample(5, random_state=1), fitted.sample(5, random_state=1))
    assert not np.array_equal(fitted.sample(5, random_state=1), fitted.sample(5, random_state=2))
    assert not np.array_equal(fitted.sample(5), fitted.sample(5))
    state = np.random.RandomState(0)
    first = fitted.sample(5, random_state=state)
    second = fitted.sample(5, random_state=state)
    assert not np.array_equal(first, second)
    assert np.array_equal(first, fitted.sample(5, random_state=np.random.RandomState(0)))


@pytest.mark.parametrize("n_samples", [0, -1, 2.5, "3", None])
def test_sample_of_no_number(n_samples, fitted):
    with pytest.raises(ValueError, match="n_samples must be a positive integer"):
        fitted.sample(n_samples)


@pytest.mark.slow
@short_on_purpose
@pytest.mark.parametrize("early_stopping", [True, False])
def test_fit_follows_its_random_state(early_stopping, rows, tiny):
    def scores(seed):
        return tiny(random_state=seed, early_stopping=early_stopping).fit(rows).score_samples(rows)

    assert np.array_equal(scores(0), scores(0))
    assert not np.array_equal(scores(0), scores(1))
    assert not np.array_equal(scores(None), scores(None))


def test_nothing_global_is_touched(rows, tiny):
    def state():
        name, keys, *rest = np.random.get_state()
        return (
            torch.get_rng_state().tolist(),
            keys.tolist(),
            rest,
            torch.get_num_threads(),
            torch.is_grad_enabled(),
        )

    torch.set_num_threads(2)
    try:
        before = state()
        for random_state in [0, None]:
            tiny(random_state=random_state).fit(rows).sample(3, random_state=random_state)
        assert state() == before
    finally:
        torch.set_num_threads(1)


def test_rows_are_not_changed(rows, tiny):
    X = rows.copy()
    tiny().fit(X).score_samples(X)
    assert np.array_equal(X, rows)


@pytest.mark.parametrize("early_stopping", [True, False])
def test_fitted_attributes(early_stopping, rows, tiny):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        density = tiny(max_iter=5, early_stopping=early_stopping).fit(rows)
    assert density.n_iter_ == len(density.loss_curve_) == 5
    assert density.n_features_in_ == 3
    assert len(density.validation_scores_) == (5 if early_stopping else 0)
    assert density.best_validation_score_ == (
        max(density.validation_scores_) if early_stopping else None
    )


def test_max_iter_reached_warns(rows, tiny):
    with pytest.warns(
        ConvergenceWarning, match=r"max_iter=3 .*Raise max_iter, or leave it at 'auto'"
    ):
        tiny(early_stopping=True, max_iter=3).fit(rows)


def test_patience_ends_the_fit_without_warning(tiny):
    X = np.random.default_rng(0).standard_normal((60, 2))
    density = tiny(
        early_stopping=True, max_iter=3000, n_iter_no_change=5, learning_rate_init=1e-2
    ).fit(X)
    assert density.n_iter_ < 3000


def test_auto_epochs_do_not_warn(tiny):
    X = np.random.default_rng(0).standard_normal((60, 2))
    density = tiny(early_stopping=True, max_iter="auto", n_iter_no_change=3).fit(X)
    assert density.n_iter_ >= 1


@pytest.mark.parametrize("step", [0, 25])
@pytest.mark.parametrize("early_stopping", [True, False])
def test_ctrl_c_leaves_a_usable_estimator(step, early_stopping, rows, tiny, monkeypatch):
    genuine = Flow.log_prob
    steps = []

    def log_prob(self, *args):
        if torch.is_grad_enabled():
            steps.append(None)
            if len(steps) == step + 1:
                raise KeyboardInterrupt
        return genuine(self, *args)

    monkeypatch.setattr(Flow, "log_prob", log_prob)
    density = tiny(max_iter=100, batch_size=20, early_stopping=early_stopping)
    with pytest.warns(
        UserWarning, match="interrupted after .* epochs; the best weights so far are kept"
    ):
        density.fit(rows)
    assert density.n_iter_ == step // (8 if early_stopping else 10)  # batches of an epoch
    assert np.isfinite(density.score_samples(rows)).all()
    assert density.sample(3).shape == (3, 3)
    assert np.array_equal(
        pickle.loads(pickle.dumps(density)).score_samples(rows), density.score_samples(rows)
    )


@pytest.mark.filterwarnings("ignore:Training diverged")
def test_non_finite_losses_never_give_a_nan_density(rows, tiny, monkeypatch):
    genuine = Flow.log_prob
    steps = []

    def log_prob(self, *args):
        steps.append(None)
        return genuine(self, *args) * (
            np.nan if torch.is_grad_enabled() and len(steps) % 5 == 3 else 1.0
        )

    monkeypatch.setattr(Flow, "log_prob", log_prob)
    density = tiny(max_iter=30, batch_size=50).fit(rows)
    assert np.isfinite(density.score_samples(rows)).all()


COPIES = {
    "pickle": lambda density, rows, path: pickle.loads(pickle.dumps(density)),
    "joblib": lambda density, rows, path: joblib.load(
        joblib.dump(density, path / "density.joblib")[0]
    ),
    "deepcopy": lambda density, rows, path: copy.deepcopy(density),
    "clone and fit": lambda density, rows, path: clone(density).fit(rows),
}


@pytest.mark.parametrize("make_copy", COPIES.values(), ids=COPIES)
def test_copies_give_equal_scores(make_copy, rows, tiny, tmp_path):
    density = tiny().fit(rows)
    twin = make_copy(density, rows, tmp_path)
    assert twin is not density
    assert np.array_equal(twin.score_samples(rows), density.score_samples(rows))
    assert np.array_equal(twin.sample(5, random_state=0), density.sample(5, random_state=0))


def test_fitted_weights_are_on_the_cpu(fitted):
    assert {p.device.type for p in fitted.flow_.parameters()} == {"cpu"}


@pytest.mark.skipif(torch.cuda.is_available(), reason="tests a machine without CUDA")
@pytest.mark.parametrize("device", ["cuda", "cuda:1", "mps"])
def test_a_density_from_another_machine_scores_here(device, rows, tiny):
    if device == "mps" and torch.backends.mps.is_available():
        pytest.skip("tests a machine without MPS")
    density = tiny().fit(rows)
    scores = density.score_samples(rows)
    sample = density.sample(3, random_state=0)
    density.device = device
    density = pickle.loads(pickle.dumps(density))
    assert np.array_equal(density.score_samples(rows), scores)
    assert np.array_equal(density.sample(3, random_state=0), sample)
    with pytest.raises(ValueError, match=f"device='{device}' is not on this machine; use 'auto'"):
        density.fit(rows)


@pytest.mark.parametrize("device", ["tpu", "gpu", ""])
def test_unknown_device(device, rows, tiny):
    with pytest.raises(ValueError, match="device=.* is not on this machine; use 'auto'"):
        tiny(device=device).fit(rows)


@pytest.mark.parametrize("device", ["auto", "cpu"])
def test_devices_give_equal_scores(device, rows, tiny, fitted):
    scores = tiny(max_iter=30, device=device).fit(rows).score(rows)
    assert scores == pytest.approx(fitted.score(rows), abs=0.1)


def test_verbose_shows_the_held_out_score(rows, tiny, capsys):
    with pytest.warns(ConvergenceWarning):
        density = tiny(verbose=True, early_stopping=True, max_iter=4).fit(rows)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert f"best held-out score {density.best_validation_score_:.3f} nats" in shown.err
    assert "4/4" in shown.err


def test_silent_by_default(rows, tiny, capsys):
    tiny().fit(rows)
    shown = capsys.readouterr()
    assert shown.out == shown.err == ""


def test_pipeline(rows, tiny):
    pipeline = make_pipeline(StandardScaler(), tiny()).fit(rows)
    scaled = StandardScaler().fit_transform(rows)
    np.testing.assert_allclose(
        pipeline.score_samples(rows), tiny().fit(scaled).score_samples(scaled)
    )
    assert pipeline.score(rows) == pytest.approx(pipeline.score_samples(rows).mean())


@pytest.mark.slow
def test_grid_search_in_two_processes(rows, tiny):
    grid = {"hidden_layer_sizes": [(4,), (8, 8)], "max_iter": [1, 30]}
    search = GridSearchCV(tiny(), grid, cv=2, n_jobs=2).fit(rows)
    assert search.best_params_["max_iter"] == 30
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    alone = GridSearchCV(tiny(), grid, cv=2).fit(rows)
    np.testing.assert_allclose(
        search.cv_results_["mean_test_score"], alone.cv_results_["mean_test_score"], atol=1e-4
    )


def test_cross_val_score_on_a_data_frame(rows, tiny):
    frame = pd.DataFrame(rows, columns=["a", "b", "c"])
    scores = cross_val_score(tiny(), frame, cv=3)
    assert scores.shape == (3,) and np.isfinite(scores).all()
    np.testing.assert_allclose(scores, cross_val_score(tiny(), rows, cv=3))


def test_feature_names(rows, tiny):
    frame = pd.DataFrame(rows, columns=["height", "weight", "age"])
    density = tiny().fit(frame)
    assert density.feature_names_in_.tolist() == ["height", "weight", "age"]
    assert not hasattr(tiny().fit(rows), "feature_names_in_")
    np.testing.assert_array_equal(
        density.score_samples(frame), tiny().fit(rows).score_samples(rows)
    )
    with pytest.raises(ValueError, match="feature names"):
        density.score_samples(frame[["weight", "height", "age"]])


def test_integers_lists_and_booleans_are_tables_too(tiny):
    X = np.random.default_rng(0).poisson(4, (50, 3))
    expected = tiny().fit(X.astype(float)).score(X)
    assert tiny().fit(X).score(X) == tiny().fit(X.tolist()).score(X.tolist()) == expected
    assert np.isfinite(tiny().fit(X > 2).score(X > 2))
    nullable = pd.DataFrame(X).convert_dtypes()
    assert tiny().fit(nullable).score(nullable) == expected
