"""The families of flows: each has an exact density and the structure of its name."""

import copy
from functools import partial

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from scipy import stats
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline

from skmaf import MAFDensity
from skmaf._families import ACTIVATION_NAMES, BIJECTOR_NAMES
from skmaf.flows import ACTIVATIONS, BIJECTORS, FAMILIES, Flow, MaskedNetwork, make_flow, resolve
from skmaf.flows.families import DEGREES, LAYER_TYPES

N_CONTEXT = 2
MASKED = [(family, bijector) for family, row in FAMILIES.items() for bijector in row.bijectors]
WHOLE = [(family, "auto") for family, row in FAMILIES.items() if row.layer_type]
KINDS = {f"{family} {bijector}": (family, bijector) for family, bijector in MASKED + WHOLE}
SLOW = [("iaf", "mixture")]  # its inverse is found by bisection, in every pass
every_kind, every_masked = (
    pytest.mark.parametrize(
        "family, bijector",
        [
            pytest.param(*kind, id=name, marks=[pytest.mark.slow] if kind in SLOW else [])
            for name, kind in kinds.items()
        ],
    )
    for kinds in (
        KINDS,
        {f"{family} {bijector}": (family, bijector) for family, bijector in MASKED},
    )
)
every_family = pytest.mark.parametrize("family", FAMILIES)
every_width = pytest.mark.parametrize("n_columns", [1, 2, 3, 5])
jacobian_of = torch.autograd.functional.jacobian
close = partial(torch.testing.assert_close, rtol=0, atol=1e-9)


def new_flow(n_columns, family, bijector="auto", n_layers=4, **more):
    shape = {
        "hidden_layer_sizes": (12, 12),
        "activation": "tanh",
        "n_bins": 4,
        "generator": torch.Generator().manual_seed(0),
    }
    n_layers = "auto" if family == "made" else n_layers
    return make_flow(
        n_columns, family=family, bijector=bijector, n_layers=n_layers, **shape, **more
    )


def normal(*shape, seed=1):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def image_of_column(layer, column):
    """The image of one row, by a layer that takes columns first."""
    return layer(column[:, None])[0][:, 0]


def base_log_prob(z):
    return torch.distributions.Normal(0.0, 1.0).log_prob(z).sum(-1)


@every_kind
@every_width
def test_density_is_that_of_the_autograd_jacobian(family, bijector, n_columns, randomise):
    flow = randomise(new_flow(n_columns, family, bijector), size=0.7)
    x = normal(3, n_columns)
    for row, log_prob in zip(x, flow.log_prob(x)):
        jacobian = jacobian_of(lambda r: flow(r[None])[0][0], row)
        close(log_prob, base_log_prob(flow(row[None])[0][0]) + torch.linalg.slogdet(jacobian)[1])


@every_masked
def test_inverse_of_many_values_of_one_column(family, bijector, randomise):
    flow = randomise(new_flow(1, family, bijector, n_context=N_CONTEXT), size=0.7)
    z = 2 * normal(9)
    context = normal(4, N_CONTEXT)
    with torch.no_grad():
        expected = flow.inverse(z.repeat(4)[:, None], context.repeat_interleave(9, 0))[0]
        close(flow.inverse_of_many(z, context), expected.view(4, 9))


@every_kind
@every_width
def test_inverse_undoes_forward_and_has_its_log_determinant(family, bijector, n_columns, randomise):
    flow = randomise(new_flow(n_columns, family, bijector), size=0.7)
    x = 2 * normal(200, n_columns)
    z, log_det = flow(x)
    assert (z - x).abs().max() > 0.1
    close(flow.inverse(z), (x, log_det), atol=1e-8)
    x, log_det = flow.inverse(normal(200, n_columns, seed=2))
    close(flow(x), (normal(200, n_columns, seed=2), log_det), atol=1e-8)
    with torch.no_grad():
        close(flow.inverse(normal(200, n_columns, seed=2)), (x, log_det))


def line(n_points):
    """Quadrature nodes from -74 to 74, dense around 0, and weights of the trapezoidal rule."""
    t = torch.linspace(-5, 5, n_points, dtype=torch.float64)
    return t.sinh(), t.cosh() * (t[1] - t[0])


@pytest.mark.slow
@every_kind
def test_density_integrates_to_one(family, bijector, randomise):
    x, weights = line(4001)
    flow = randomise(new_flow(1, family, bijector, n_layers=2), size=0.5)
    with torch.no_grad():
        assert flow.log_prob(x[:, None]).exp() @ weights == pytest.approx(1, abs=1e-3)
        x, weights = line(251)
        flow = randomise(new_flow(2, family, bijector, n_layers=2), size=0.4)
        density = torch.cat(
            [flow.log_prob(part).exp() for part in torch.cartesian_prod(x, x).split(20_000)]
        )
    assert density @ torch.outer(weights, weights).flatten() == pytest.approx(1, abs=5e-3)


@every_kind
def test_gradients_of_the_weights_are_those_of_finite_differences(family, bijector, randomise):
    flow = randomise(new_flow(3, family, bijector), size=0.7).requires_grad_(True)
    x = normal(5, 3)
    step = 1e-6
    weights = list(flow.parameters())
    generator = torch.Generator().manual_seed(1)
    direction = [
        torch.randn(weight.shape, generator=generator, dtype=weight.dtype) for weight in weights
    ]

    def moved(size):
        with torch.no_grad():
            for weight, by in zip(weights, direction):
                weight += size * by
            return flow.log_prob(x).sum() + flow.inverse(x)[1].sum()

    gradients = torch.autograd.grad(
        flow.log_prob(x).sum() + flow.inverse(x)[1].sum(), weights, allow_unused=True
    )
    slope = sum(
        (gradient * by).sum() for gradient, by in zip(gradients, direction) if gradient is not None
    )
    expected = (moved(step) - moved(-2 * step)) / (2 * step)
    torch.testing.assert_close(slope, expected, rtol=1e-5, atol=1e-4)


@every_kind
def test_starts_at_about_the_standard_normal(family, bijector):
    x = normal(50, 3)
    flow = new_flow(3, family, bijector, n_layers="auto").double()
    assert (flow.log_prob(x) - base_log_prob(x)).abs().median() < 0.3
    assert len(flow.layers) == FAMILIES[family].n_layers + FAMILIES[family].scaled


@every_masked
def test_density_given_a_context(family, bijector, randomise):
    flow = randomise(new_flow(3, family, bijector, n_context=N_CONTEXT), size=0.7)
    x = normal(4, 3)
    context = normal(4, N_CONTEXT, seed=2)

    def image(row, row_context):
        return flow(row[None], row_context[None])[0][0]

    z, log_det = flow(x, context)
    close(flow.inverse(z, context), (x, log_det), atol=1e-8)
    assert (flow(x, context + 1)[0] - z).abs().max() > 0.01
    for row, row_context, row_log_det in zip(x, context, log_det):
        jacobian = jacobian_of(image, (row, row_context))[0]
        close(row_log_det, torch.linalg.slogdet(jacobian)[1])


@pytest.mark.parametrize("family", ["planar", "radial"])
def test_planar_and_radial_flows_take_no_context(family):
    with pytest.raises(ValueError, match=f"family='{family}' takes no context"):
        new_flow(3, family, n_context=1)


def test_nice_keeps_volumes_but_for_its_last_scaling(randomise):
    flow = randomise(new_flow(5, "nice"))
    volume = Flow(flow.layers[:-1])
    x = normal(20, 5)
    z, log_det = volume(x)
    assert (z - x).abs().max() > 0.1 and torch.equal(log_det, torch.zeros_like(log_det))
    close(
        torch.linalg.det(jacobian_of(lambda row: volume(row[None])[0][0], x[0])),
        torch.ones((), dtype=x.dtype),
    )
    scales = jacobian_of(partial(image_of_column, flow.layers[-1]), x[0])
    assert torch.equal(scales, scales.diag().diag())
    close(flow(x)[1], scales.diag().log().sum().expand(20))


@pytest.mark.parametrize("n_columns", [2, 3, 5])
@pytest.mark.parametrize("family", ["nice", "realnvp"])
def test_a_coupling_layer_lets_one_half_see_the_other(family, n_columns, randomise):
    layers = randomise(new_flow(n_columns, family)).layers[:4]
    seconds = [layer.conditioner.degrees == 2 for layer in layers]
    for layer, second in zip(layers, seconds):
        jacobian = jacobian_of(partial(image_of_column, layer), normal(n_columns))
        seen = torch.outer(second, ~second) | torch.eye(n_columns, dtype=torch.bool)
        assert torch.equal(jacobian != 0, seen) and 0 < second.sum() < n_columns
    assert torch.equal(seconds[1], ~seconds[0]) and torch.equal(seconds[3], ~seconds[2])


def test_iaf_draws_in_one_pass_and_scores_by_an_incremental_one(randomise, monkeypatch):
    iaf, maf = (randomise(new_flow(4, family, "affine")) for family in ("iaf", "maf"))
    assert iaf.density_is_incremental and not maf.density_is_incremental
    assert iaf.batch_rows == maf.batch_rows_inverse and iaf.batch_rows_inverse == maf.batch_rows
    monkeypatch.setattr(MaskedNetwork, "incremental", None)
    iaf.inverse(normal(5, 4))
    maf(normal(5, 4))
    for way in (iaf, maf.inverse):
        with pytest.raises(TypeError, match="not callable"):
            way(normal(5, 4))


@pytest.mark.parametrize("bijector", FAMILIES["iaf"].bijectors)
def test_iaf_is_maf_the_other_way_round(bijector, randomise):
    iaf = randomise(new_flow(4, "iaf", bijector), size=0.7)
    maf = Flow([layer.layer for layer in reversed(iaf.layers)])
    z = normal(50, 4)
    x, log_det = iaf.inverse(z)
    close(maf(z), (x, -log_det))
    close(iaf(x), (z, log_det), atol=1e-8)


@pytest.mark.parametrize("family", ["maf", "made", "iaf"])
def test_one_autoregressive_layer_has_a_triangular_jacobian(family, randomise):
    flow = randomise(new_flow(4, family, "affine", n_layers=1))
    assert len(flow.layers) == 1
    explicit = flow.inverse if family == "iaf" else flow  # the way that takes one pass
    jacobian = jacobian_of(lambda row: explicit(row[None])[0][0], normal(4))
    assert torch.equal(jacobian != 0, torch.ones(4, 4, dtype=torch.bool).tril())
    # the columns before a column alone move and scale it, so its slope does not depend on it
    slopes = jacobian_of(lambda row: explicit(row[None])[1][0], normal(4))
    assert slopes[-1] == 0 and (slopes[:-1] != 0).all()


def test_made_with_mixtures_is_a_mixture_of_normals_given_the_columns_before(randomise):
    flow = randomise(new_flow(3, "made", "mixture"))
    x = normal(20, 3)
    (layer,) = flow.layers
    log_shares, means, log_scales = layer.bijector._components(layer.conditioner(x.T))
    shares = torch.distributions.Categorical(logits=log_shares.movedim(0, -1))
    parts = (means, log_scales.exp())
    normals = torch.distributions.Normal(*(part.movedim(0, -1) for part in parts))
    close(
        flow.log_prob(x),
        torch.distributions.MixtureSameFamily(shares, normals).log_prob(x.T).sum(0),
    )


@pytest.mark.parametrize(
    "family, bijector, n_layers, message",
    [
        (
            "maf",
            "additive",
            "auto",
            r"bijector='additive' makes no sense with family='maf', which takes one of \['auto'",
        ),
        ("nice", "affine", "auto", r"family='nice', which takes one of \['auto', 'additive'\]"),
        (
            "planar",
            "affine",
            "auto",
            "family='planar', which takes 'auto': its layers have no bijector",
        ),
        ("made", "auto", 3, "family='made' has one layer, got n_layers=3"),
    ],
)
def test_what_a_family_cannot_have(family, bijector, n_layers, message, tiny, rows):
    with pytest.raises(ValueError, match=message):
        resolve(family, bijector, n_layers)
    with pytest.raises(ValueError, match=message):
        tiny(family=family, bijector=bijector, n_layers=n_layers).fit(rows)


@every_family
def test_auto_is_what_a_family_has_by_itself(family):
    row = FAMILIES[family]
    assert resolve(family, "auto", "auto") == (
        row.bijectors[0] if row.bijectors else None,
        row.n_layers,
    )
    assert resolve(family, "auto", 1)[1] == 1


def test_names_that_are_known_without_torch():
    assert set(ACTIVATION_NAMES) == set(ACTIVATIONS)
    assert set(BIJECTOR_NAMES) == set(BIJECTORS)
    assert {row.degrees for row in FAMILIES.values()} == {None, *DEGREES}
    assert {row.layer_type for row in FAMILIES.values()} == {None, *LAYER_TYPES}


# The estimator.


def of_family(family, bijector="auto", **parameters):
    layers = {} if family == "made" else {"n_layers": 4}
    shape = {"hidden_layer_sizes": (16,), "n_bins": 4, "early_stopping": False, "random_state": 0}
    return MAFDensity(family=family, bijector=bijector, **{**layers, **shape, **parameters})


@pytest.mark.slow
@pytest.mark.filterwarnings(
    "ignore::sklearn.exceptions.ConvergenceWarning"
)  # a short max_iter, on purpose
@every_kind
def test_draws_are_of_the_density(family, bijector, rows):
    """The mean of another density over that of the draws is 1; with the baseline in it."""
    density = of_family(family, bijector, max_iter=10, early_stopping=True).fit(rows)
    X = density.sample(2000, random_state=0)
    narrow = stats.multivariate_normal(np.median(X, axis=0), 0.4 * np.cov(rows.T))
    assert np.mean(narrow.pdf(X) / np.exp(density.score_samples(X))) == pytest.approx(1, abs=0.1)


@pytest.mark.slow
@every_kind
def test_a_fit_is_reproducible(family, bijector, rows):
    first, second = (of_family(family, bijector, max_iter=2).fit(rows) for _ in range(2))
    assert np.array_equal(first.score_samples(rows), second.score_samples(rows))
    assert np.array_equal(first.sample(5, random_state=1), second.sample(5, random_state=1))


@pytest.mark.slow
@every_family
def test_every_family_learns(family):
    """Two columns of unlike scales, one a noisy parabola of the other, with a known entropy."""
    x, y = np.random.default_rng(0).normal(size=(2, 1100))
    X = np.column_stack([100 * x, x + 0.5 * y + 0.3 * x**2])
    truth = np.mean(stats.norm.logpdf(x[600:]) + stats.norm.logpdf(y[600:]) - np.log(100 * 0.5))
    normal = stats.multivariate_normal(X[:600].mean(0), np.cov(X[:600].T)).logpdf(X[600:]).mean()
    density = of_family(family, n_layers="auto", max_iter=50, learning_rate_init=0.02).fit(X[:600])
    assert normal < density.score(X[600:]) < truth + 0.05
    assert density.score(density.sample(1000, random_state=0)) == pytest.approx(truth, abs=0.35)


def test_unknown_family_is_refused(rows):
    with pytest.raises(
        ValueError, match="The 'family' parameter of MAFDensity must be a str among"
    ):
        MAFDensity(family="glow").fit(rows)


def figure_1(n, seed):
    """Rows (x1, x2) of Figure 1 of the MAF paper, and their mean log-density.

    Given x2, x1 is a parabola with noise.
    """
    x, noise = np.random.default_rng(seed).normal(size=(2, n))
    return np.column_stack([x**2 + noise, 2 * x]), np.mean(
        stats.norm.logpdf(noise) + stats.norm.logpdf(x) - np.log(2)
    )


@pytest.fixture(scope="module")
def parabola():
    """Fits by MADE in the wrong order and in the right one and by MAF in the wrong one."""
    (X, _) = figure_1(2500, 0)
    (test, truth) = figure_1(2500, 1)
    fits = []
    for family, order in [("made", [0, 1]), ("made", [1, 0]), ("maf", [0, 1])]:
        density = of_family(
            family, "affine", hidden_layer_sizes=(32, 32), n_layers="auto", max_iter=50
        )
        fits.append((density.fit(X[:, order]), test[:, order]))
    return fits, truth


@pytest.mark.slow
def test_the_parabola_of_the_paper(parabola):
    """A conditional normal cannot have two modes; another order or more layers can."""
    fits, truth = parabola
    wrong, right, deep = [truth - density.score(test) for density, test in fits]
    assert wrong > 0.3 and min(right, deep) > -0.01 and max(right, deep) < 0.05


@pytest.mark.slow
def test_base_space_of_the_parabola(parabola):
    """Rows are standard normal there by the good models, and have heavy tails by the bad one."""
    images = [density.transform(test) for density, test in parabola[0]]
    for Z in images[1:]:
        np.testing.assert_allclose(
            [Z.mean(0), Z.std(0), stats.kurtosis(Z)], [[0, 0], [1, 1], [0, 0]], atol=0.3
        )
        assert abs(np.corrcoef(Z.T)[0, 1]) < 0.05
        assert (
            max(stats.kstest(z, "norm").statistic for z in [*Z.T, Z @ [0.6, 0.8], Z @ [0.8, -0.6]])
            < 0.05
        )
    assert min(stats.kstest(z, "norm").statistic for z in images[0].T) > 0.06
    assert stats.kurtosis(images[0])[0] > 2 and stats.kurtosis(images[0])[1] < -0.5


def mixed(n=120):
    """Numbers, a column of 40% zeros, integers, a constant, categories, and truth values."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=n)
    return pd.DataFrame(
        {
            "x": x,
            "zeros": np.where(rng.random(n) < 0.4, 0, np.exp(x + rng.normal(size=n))),
            "whole": rng.integers(0, 90, n),
            "same": np.full(n, 7.5),
            "kind": pd.Categorical(np.where(x > 0, "a", rng.choice(["b", "c"], n))),
            "yes": rng.random(n) < 0.3,
        }
    )


@pytest.fixture(scope="module")
def of_mixed():
    return of_family("maf", max_iter=3).fit(mixed())


NAMES = ["zeros_code", "kind", "yes", "x", "zeros", "whole"]


@pytest.mark.parametrize("family", ["planar", "radial"])
def test_planar_and_radial_densities_dequantise_repeated_values(family):
    X = mixed()[["x", "zeros", "whole"]].assign(few=np.arange(120) % 3)
    density = of_family(family, max_iter=10).fit(X)
    assert np.isfinite(density.score_samples(X)).all()
    drawn = density.sample(50, random_state=0)
    assert (drawn.dtypes == X.dtypes).all()
    assert np.isfinite(density.score_samples(drawn)).all()


@pytest.mark.parametrize("family", ["planar", "radial"])
@pytest.mark.parametrize(
    "column, message",
    [
        ("kind", "family='{}' takes no context, .*categories"),
        ("missing", "X contains NaN, and family='{}' takes no missing cells"),
    ],
)
def test_planar_and_radial_densities_say_what_they_cannot_have(family, column, message):
    root = np.arange(120) ** 0.5
    X = mixed().assign(missing=np.where(np.arange(120) % 7, root, np.nan))
    with pytest.raises(ValueError, match=message.format(family)):
        of_family(family).fit(X[["x", column]])


@pytest.mark.slow
@every_masked
def test_tables_of_all_kinds(family, bijector):
    X = mixed()
    density = of_family(family, bijector, max_iter=2).fit(X)
    drawn = density.sample(50, random_state=0)
    assert np.isfinite(density.score_samples(drawn)).all() and (drawn.dtypes == X.dtypes).all()
    pd.testing.assert_frame_equal(
        density.inverse_transform(density.transform(X)), X, rtol=1e-7, atol=1e-7
    )


@every_family
def test_transform_is_the_flow_and_inverse_transform_its_inverse(family, rows):
    density = of_family(family, max_iter=10).fit(rows)
    Z = density.transform(rows)
    Z32 = density.transform(rows.astype(np.float32))
    assert Z.dtype == np.float64 and Z32.dtype == np.float32 and Z.shape == rows.shape
    np.testing.assert_allclose(density.inverse_transform(Z), rows, rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(Z32, Z, atol=2e-3)

    def image(row):
        return density.transform(row[None])[0]

    steps = 1e-6 * rows.std(axis=0)
    jacobian = [
        (image(rows[0] + step) - image(rows[0] - step)) / (2 * step.sum())
        for step in np.diag(steps)
    ]
    log_prob = stats.norm.logpdf(Z[0]).sum() + np.linalg.slogdet(jacobian)[1]
    assert density.score_samples(rows[:1])[0] == pytest.approx(log_prob, abs=1e-4)


def test_names_of_base_space(of_mixed, tiny, rows):
    assert of_mixed.get_feature_names_out().tolist() == NAMES
    assert tiny().fit(rows).get_feature_names_out().tolist() == ["x0", "x1", "x2"]
    assert tiny().fit(rows).get_feature_names_out(["a", "b", "c"]).tolist() == ["a", "b", "c"]
    with pytest.raises(ValueError, match="input_features"):
        of_mixed.get_feature_names_out(["a"])


def test_discrete_columns_of_base_space_are_scores_of_their_values(of_mixed):
    """Each value is at the middle of its interval."""
    X = mixed()
    Z = pd.DataFrame(of_mixed.transform(mixed()), columns=NAMES)
    assert Z["zeros_code"].round(9).nunique() == 2  # the first discrete column depends on no other
    assert ((Z["zeros"] == 0) == (X["zeros"] == 0)).all()
    shares = stats.norm.cdf(Z["zeros_code"])
    assert shares[X["zeros"] == 0].max() < shares[X["zeros"] != 0].min()
    assert 2 * shares.min() + 2 * (1 - shares.max()) == pytest.approx(1, abs=1e-6)


def test_normal_rows_become_rows_of_the_table(of_mixed):
    drawn = of_mixed.inverse_transform(np.random.default_rng(0).standard_normal((500, len(NAMES))))
    X = mixed()
    assert (drawn.dtypes == X.dtypes).all() and (drawn["same"] == 7.5).all()
    assert (drawn["zeros"] == 0).mean() == pytest.approx((X["zeros"] == 0).mean(), abs=0.1)
    assert set(drawn["kind"]) == {"a", "b", "c"}


@pytest.mark.parametrize(
    "transform, kind", [("pandas", pd.DataFrame), ("polars", pl.DataFrame), ("default", np.ndarray)]
)
def test_set_output(transform, kind, of_mixed):
    density = copy.deepcopy(of_mixed).set_output(transform=transform)
    X = mixed()
    Z = density.transform(X)
    assert isinstance(Z, kind) and Z.shape == (120, len(NAMES))
    if transform != "default":
        assert list(Z.columns) == NAMES
    assert isinstance(
        density.inverse_transform(Z), pd.DataFrame if transform == "default" else kind
    )
    np.testing.assert_array_equal(np.asarray(Z), of_mixed.transform(X))


def test_polars_frames_come_back():
    X = mixed().astype({"kind": str})
    X = pl.DataFrame({name: X[name].tolist() for name in X})
    density = of_family("maf", max_iter=2).fit(X)
    back = density.inverse_transform(density.transform(X))
    assert back.schema == X.schema and back["kind"].equals(X["kind"])
    np.testing.assert_allclose(
        back.drop("kind"), X.drop("kind"), rtol=1e-7, atol=1e-7
    )  # polars renamed its own tolerances


def test_float32_comes_back(rows):
    X = rows.astype(np.float32)
    density = of_family("realnvp", max_iter=5).fit(X)
    back = density.inverse_transform(density.transform(X))
    assert back.dtype == np.float32
    np.testing.assert_allclose(back, X, rtol=1e-4, atol=1e-3)


def test_a_step_of_a_pipeline(rows):
    pipeline = make_pipeline(of_family("maf", "affine", max_iter=20), PCA()).fit(rows)
    Z = pipeline.transform(rows)
    np.testing.assert_allclose(
        pipeline[0].inverse_transform(pipeline[1].inverse_transform(Z)), rows, rtol=1e-7, atol=1e-9
    )
    density = of_family("maf", max_iter=2)
    assert np.array_equal(density.fit_transform(rows), density.fit(rows).transform(rows))


def test_missing_cells_are_refused_where_fit_saw_none(rows, fitted):
    missing = rows.copy()
    missing[3, 1] = np.nan
    with pytest.raises(ValueError, match="Column 1 contains NaN in 1 of 200 rows"):
        fitted.transform(missing)
    with pytest.raises(ValueError, match="Input contains NaN"):
        fitted.inverse_transform(missing)
    with pytest.raises(ValueError, match="Z has 2 columns, and transform gives 3"):
        fitted.inverse_transform(rows[:, :2])


def test_missing_cells_stay_missing_where_fit_saw_such():
    X = mixed()
    X.loc[::5, ["x", "kind"]] = None
    X.loc[1::5, "zeros"] = np.nan
    density = of_family("maf", max_iter=2).fit(X)
    Z = pd.DataFrame(density.transform(X), columns=density.get_feature_names_out())
    for name in Z:
        assert (Z[name].isna() == X[name.removesuffix("_code")].isna()).all()


def test_a_new_category_is_in_the_middle(of_mixed):
    X = mixed()[:2].assign(kind=["new", "a"])
    with pytest.warns(UserWarning, match="new"):
        Z = of_mixed.transform(X)
    assert np.isfinite(Z).all() and Z[0, 1] == 0


def test_far_rows_stay_finite(fitted):
    for X in (np.full((2, 3), 1e300), np.full((2, 3), 1e38, dtype=np.float32)):
        Z = fitted.transform(X)
        assert np.isfinite(Z).all()
        assert np.isfinite(fitted.inverse_transform(Z)).all()
