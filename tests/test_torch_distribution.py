"""The density as a torch distribution: the same numbers, with gradients."""

import warnings

import numpy as np
import pandas as pd
import pytest
import torch

from skmaf.models.torch_columns import standardised_values
from skmaf.table.columns import Continuous
from skmaf.table.flow_space import Columns
from skmaf.table.normal_mixture import NormalMixture
from skmaf.table.periodic import TwoTurns
from skmaf.table.transforms import Asinh, Log, Logit, NormalScores, SoftLogit, Transform

MIXTURE = NormalMixture(np.array([0.7, 0.3]), np.array([0.0, 3.0]), np.array([1.0, 0.2]))
TRANSFORMS = [
    None,
    Log(-2.0, 1, 0.01),
    Log(5.0, -1, 0.01),
    Logit(-2.0, 5.0, 0.001),
    SoftLogit(-1.0, 4.0, 0.1),
    Asinh(0.5, 0.3),
    NormalScores.of(MIXTURE, None),
    NormalScores.of(MIXTURE, Asinh(0.5, 0.3)),
]
X_SPREAD = np.linspace(-3.05, 6.05, 61)


def test_all_transforms_are_tried():
    assert {type(each) for each in TRANSFORMS if each} == {
        *Transform.__subclasses__(),
    } - {TwoTurns}


@pytest.mark.parametrize("step", [0.0, 0.5])
@pytest.mark.parametrize("transform", TRANSFORMS)
def test_columns_in_torch(transform, step):
    """Values, log-Jacobians, and as gradient of the values the exponential of the latter."""
    column = Continuous(0.3, 1.7, step=step, transform=transform)
    columns = Columns([column])
    x = torch.tensor(X_SPREAD[:, None], requires_grad=True)
    Z = columns.to_flow(X_SPREAD[:, None])
    values, log_jacobian = standardised_values([column], Z, x)
    np.testing.assert_allclose(values.detach().numpy(), Z, rtol=1e-7, atol=1e-7)
    expected = columns.log_jacobian(X_SPREAD[:, None])
    np.testing.assert_allclose(log_jacobian.detach().numpy(), expected, rtol=1e-7, atol=1e-7)
    (slope,) = torch.autograd.grad(values.sum(), x)
    h = 1e-6
    ahead = columns.to_flow(X_SPREAD[:, None] + h) - columns.to_flow(X_SPREAD[:, None] - h)
    np.testing.assert_allclose(slope.numpy(), ahead / (2 * h), rtol=1e-4, atol=1e-6)


@pytest.fixture(scope="module")
def numbers():
    rng = np.random.default_rng(0)
    waiting = rng.exponential(size=150)
    waiting[:40] = 0.0
    return np.column_stack(
        [
            rng.standard_normal(150) + waiting,
            waiting,
            rng.uniform(size=150),
            rng.standard_t(2, size=150),
            np.round(np.exp(rng.normal(3, 1.5, 150))),
        ]
    )


KINDS = {2: (0, 1), 3: "heavy-tailed"}


@pytest.fixture(scope="module", params=[True, False], ids=["mixture", "flow alone"])
def density(request, numbers, tiny):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        few = tiny(early_stopping=request.param, max_iter=20, column_kinds=KINDS)
        return few.fit(numbers)


def test_log_density_is_that_of_the_estimator(density, numbers):
    law = density.as_torch_distribution()
    rows = np.vstack([numbers, numbers + 0.3, numbers * 100])
    log_prob = law.log_prob(torch.tensor(rows)).numpy()
    scores = density.score_samples(rows)
    assert np.isneginf(log_prob[scores == -1e300]).all()  # beyond a bound
    is_possible = scores > -1e300
    assert is_possible.sum() > len(numbers)
    np.testing.assert_allclose(log_prob[is_possible], scores[is_possible], rtol=1e-5, atol=1e-5)
    shaped = law.log_prob(torch.tensor(rows, dtype=torch.float32).reshape(3, -1, 5))
    assert shaped.shape == (3, len(numbers))
    assert law.event_shape == (5,)
    assert law.batch_shape == ()


def test_gradients_are_finite_differences_of_scores(density, numbers):
    rows = torch.tensor(numbers[20:80], requires_grad=True)
    law = density.as_torch_distribution()
    (gradient,) = torch.autograd.grad(law.log_prob(rows).sum(), rows)
    assert torch.isfinite(gradient).all()
    at_point = numbers[20:80, 1] == 0
    assert at_point.any()
    assert (gradient[at_point, 1] == 0).all()  # a value with a probability of its own
    for j, h in enumerate(1e-4 * numbers.std(axis=0)):
        ahead = numbers[20:80].copy()
        behind = numbers[20:80].copy()
        ahead[:, j] += h
        behind[:, j] -= h
        slope = (density.score_samples(ahead) - density.score_samples(behind)) / (2 * h)
        chosen = ~at_point if j == 1 else slice(None)
        scale = 1 + np.abs(slope[chosen]).max()
        errors = np.abs(gradient[chosen, j].numpy() - slope[chosen]) / scale
        # a kink of the flow may lie within a difference
        assert np.quantile(errors, 0.95) < 2e-3


def test_a_mode_by_gradient_ascent(tiny, rows):
    law = tiny(max_iter=30).fit(rows).as_torch_distribution()
    unit = torch.tensor(rows.std(axis=0))
    start = torch.tensor(rows[0] + 2 * rows.std(axis=0))
    position = torch.zeros(3, dtype=torch.float64, requires_grad=True)  # in units of the columns
    optimiser = torch.optim.Adam([position], lr=0.1)
    for _ in range(200):
        optimiser.zero_grad()
        (-law.log_prob(start + unit * position)).backward()
        optimiser.step()
    mode = (start + unit * position).detach()
    assert law.log_prob(mode) > law.log_prob(torch.tensor(rows)).max() - 0.1
    assert law.log_prob(mode) > law.log_prob(start) + 1
    shifts = 0.5 * unit * torch.randn(50, 3, generator=torch.Generator().manual_seed(0))
    assert (law.log_prob(mode + shifts) < law.log_prob(mode)).all()


def test_draws_are_governed_by_the_generator_of_torch(tiny, rows):
    density = tiny(max_iter=30).fit(rows)
    law = density.as_torch_distribution()
    torch.manual_seed(3)
    drawn = law.sample((2000,))
    torch.manual_seed(3)
    assert torch.equal(drawn, law.sample((2000,)))
    assert not torch.equal(drawn, law.sample((2000,)))
    assert drawn.dtype == torch.float64
    assert law.sample().shape == (3,)
    assert law.sample((2, 0)).shape == (2, 0, 3)
    many = density.sample(2000, random_state=0)
    np.testing.assert_allclose(drawn.mean(0), many.mean(0), atol=0.15 * rows.std(axis=0).max())
    assert not law.has_rsample
    with pytest.raises(NotImplementedError):
        law.rsample((2,))


def test_later_changes_of_the_estimator_do_not_reach_it(tiny, rows):
    density = tiny(warm_start=True).fit(rows)
    law = density.as_torch_distribution()
    before = law.log_prob(torch.tensor(rows))
    density.fit(rows)
    assert torch.equal(law.log_prob(torch.tensor(rows)), before)
    assert next(density.flow_.parameters()).dtype == torch.float32


def test_under_settings_of_the_user(tiny, rows):
    law = tiny().fit(rows).as_torch_distribution()
    expected = law.log_prob(torch.tensor(rows))
    torch.set_default_dtype(torch.float64)
    try:
        np.testing.assert_allclose(law.log_prob(torch.tensor(rows)), expected)
    finally:
        torch.set_default_dtype(torch.float32)
    torch.set_default_device("meta")
    try:
        assert torch.equal(law.log_prob(torch.tensor(rows, device="cpu")), expected)
        assert law.sample((3,)).device.type == "cpu"
    finally:
        torch.set_default_device(None)
    with torch.autocast("cpu"):
        assert torch.equal(law.log_prob(torch.tensor(rows)), expected)
    with torch.no_grad():
        value = torch.tensor(rows, requires_grad=True)
        assert not law.log_prob(value).requires_grad


@pytest.mark.parametrize(
    "columns, words",
    [
        ({"kind": ["a", "b"] * 30}, "Column 'kind' holds categories"),
        ({"when": pd.date_range("2020-01-01", periods=60, freq="7h")}, "'when' holds dates"),
        ({"one": [1.0] * 60}, "'one' is constant"),
        ({"count": [0.0, 1.0, 2.0] * 20}, "'count' is of few.*column_kinds"),
        ({"x": [None, *np.linspace(0, 1, 59) ** 2]}, "missing cells"),
    ],
)
def test_refused_columns(columns, words, tiny):
    table = pd.DataFrame({"y": np.linspace(0, 1, 60) ** 3, **columns})
    density = tiny().fit(table)
    with pytest.raises(ValueError, match=words):
        density.as_torch_distribution()


def test_numbers_that_are_declared_continuous(tiny):
    table = pd.DataFrame({"y": np.linspace(0, 1, 60) ** 3, "count": [0.0, 1.0, 2.0] * 20})
    density = tiny(column_kinds={"count": "continuous"}).fit(table)
    law = density.as_torch_distribution()
    log_prob = law.log_prob(torch.tensor(table.to_numpy()))
    np.testing.assert_allclose(log_prob, density.score_samples(table), rtol=1e-5)


def test_refused_rows(tiny, rows):
    law = tiny().fit(rows).as_torch_distribution()
    with pytest.raises(ValueError):
        law.log_prob(torch.tensor([[0.0, np.nan, 0.0]]))
    with pytest.raises(ValueError):
        law.log_prob(torch.zeros(4, 2))
