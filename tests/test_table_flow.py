"""Rows of codes and values: sums and integrals, absent cells, point masses, context, and draws."""

import numpy as np
import pytest
import torch

from skmaf.flows import ABSENT, Categories, make_table_flow

# the second value is present where the first code is 1
PRESENCE_CONDITIONS = [(-1, -1), (0, 1)]
N_CONTEXT = 2


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def normal(*shape, seed):
    return torch.randn(*shape, generator=generator(seed), dtype=torch.float64)


def table_flow(has_missing, bijector="affine", n_layers=3, n_context=0):
    shares = [np.array([0.4, 0.6]), np.full(3, 1 / 3)]
    numbers = [None, np.array([-1.0, 0.2, 1.1])]
    return make_table_flow(
        Categories(shares, numbers, has_missing),
        PRESENCE_CONDITIONS,
        has_missing,
        generator=generator(),
        bijector=bijector,
        n_layers=n_layers,
        hidden_layer_sizes=(8,),
        activation="tanh",
        n_bins=4,
        n_context=n_context,
    )


every_missing = pytest.mark.parametrize(
    "has_missing", [False, True], ids=["complete", "with missing cells"]
)


@pytest.fixture(scope="module", params=[False, True], ids=["complete", "with missing cells"])
def flow(request, randomise):
    return randomise(table_flow(request.param), size=0.4)


NODES = torch.linspace(-14, 14, 141, dtype=torch.float64)
MISSING = torch.tensor([torch.nan], dtype=torch.float64)


def mass(flow, first, second, values, context=None):
    """Return the integral over the values that are not NaN, given as lists of nodes."""
    grid = torch.cartesian_prod(*values)
    codes = torch.tensor([first, second], dtype=torch.float64).expand(len(grid), 2)
    cells = np.prod([float(nodes[1] - nodes[0]) if len(nodes) > 1 else 1.0 for nodes in values])
    if context is not None:
        context = context.expand(len(grid), -1)
    return flow.log_prob(torch.cat([codes, grid], 1), context).exp().sum().item() * cells


def total_mass(flow, context=None):
    at_point_mass = [mass(flow, 0, second, [NODES, MISSING], context) for second in range(3)]
    elsewhere = [mass(flow, 1, second, [NODES, NODES], context) for second in range(3)]
    return sum(at_point_mass) + sum(elsewhere)


def test_sums_over_codes_and_integrals_over_values_are_one(flow):
    assert total_mass(flow) == pytest.approx(1, abs=1e-6)


def test_the_density_of_present_cells_integrates_to_one(randomise):
    flow = randomise(table_flow(has_missing=True), size=0.4)
    without_first_code = [mass(flow, ABSENT, second, [NODES, NODES]) for second in range(3)]
    assert sum(without_first_code) == pytest.approx(1, abs=1e-6)
    without_first_value = [
        mass(flow, 1, second, [MISSING, NODES]) + mass(flow, 0, second, [MISSING, MISSING])
        for second in range(3)
    ]
    assert sum(without_first_value) == pytest.approx(1, abs=1e-6)
    assert mass(flow, ABSENT, ABSENT, [NODES, MISSING]) == pytest.approx(1, abs=1e-6)
    assert mass(flow, ABSENT, ABSENT, [MISSING, MISSING]) == 1


@pytest.mark.parametrize("bijector", ["affine", "spline"])
def test_log_determinant_is_that_of_the_jacobian_of_present_cells(bijector, randomise):
    flow = randomise(table_flow(True, bijector), size=0.4).values.flow
    context = normal(1, 6, seed=1)
    for present in ([1.0, 0.0], [0.0, 1.0], [1.0, 1.0]):
        present = torch.tensor([present], dtype=torch.float64)
        x = normal(1, 2, seed=2) * present

        def image(x, present=present):
            return flow(x * present, context, present)[0][0]

        jacobian = torch.autograd.functional.jacobian(image, x)[:, 0]
        is_present = present[0] == 1
        z, log_det = flow(x, context, present)
        assert (z[0][~is_present] == 0).all()
        expected = jacobian[is_present][:, is_present].slogdet().logabsdet
        torch.testing.assert_close(log_det[0], expected)
        torch.testing.assert_close(flow.inverse(z, context, present), (x, log_det))


def test_values_depend_on_codes_and_codes_on_no_value(flow):
    row = torch.tensor([[1.0, 2.0, 0.3, -0.2]], dtype=torch.float64, requires_grad=True)
    of_codes, of_values = flow.requires_grad_(False).log_probs(row)
    assert (torch.autograd.grad(of_values.sum(), row)[0][0, 2:] != 0).all()
    other = row.detach().clone()
    other[0, 1] = 0
    assert flow.log_probs(other)[1] != of_values
    moved = row.detach().clone()
    moved[0, 2:] += 1
    assert torch.equal(flow.log_probs(moved)[0], of_codes)


def test_gradients_are_finite_where_cells_are_absent():
    flow = table_flow(has_missing=True, bijector="spline")
    rows = torch.tensor(
        [
            [0.0, ABSENT, torch.nan, torch.nan],
            [ABSENT, 2.0, 0.5, torch.nan],
            [1.0, -3.0, torch.nan, 0.1],
        ]
    )
    flow.log_prob(rows).sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in flow.parameters() if p.grad is not None)


def rows_of_base(n):
    """Return normal numbers for the values, and rows with these behind scores of codes."""
    chance = torch.rand(n, 2, generator=generator(3), dtype=torch.float64)
    z = normal(n, 2, seed=4)
    return z, torch.cat([torch.special.ndtri(chance), z], 1)


def assert_rows_of_the_density(flow, context):
    """Assert that the density finds behind rows the normal numbers that they are made of."""
    z, base = rows_of_base(50)
    codes, values = flow.from_base(base, context)
    at_point_mass = codes[:, 0] == 0
    assert at_point_mass.any() and (values[at_point_mass, 1] == 0).all()
    present = torch.stack([torch.ones(50), ~at_point_mass], 1).double()
    x = torch.cat([codes, torch.where(present == 1, values, torch.nan)], 1)
    torch.testing.assert_close(flow.values(x, context)[0], z * present)
    back = flow.to_base(x, context)
    torch.testing.assert_close(back[:, 2:], z * present)
    # the middle of the interval of a code, from which the same code is drawn
    midpoints = flow.codes.midpoints(codes, context)
    torch.testing.assert_close(back[:, :2], torch.special.ndtri(midpoints))
    assert torch.equal(flow.from_base(back, context)[0], codes)


def test_draws_are_rows_of_the_density(flow):
    assert_rows_of_the_density(flow, None)


@every_missing
def test_draws_given_a_context_are_rows_of_the_density_given_it(has_missing, randomise):
    flow = randomise(table_flow(has_missing, n_context=N_CONTEXT), size=0.4)
    assert_rows_of_the_density(flow, normal(50, N_CONTEXT, seed=5))


@every_missing
def test_the_density_given_a_context_integrates_to_one(has_missing, randomise):
    flow = randomise(table_flow(has_missing, n_context=N_CONTEXT), size=0.4)
    for context in normal(2, N_CONTEXT, seed=6):
        assert total_mass(flow, context) == pytest.approx(1, abs=1e-6)


@every_missing
def test_codes_and_values_depend_on_the_context(has_missing, randomise):
    flow = randomise(table_flow(has_missing, n_context=N_CONTEXT), size=0.4)
    row = torch.tensor([[1.0, 2.0, 0.3, -0.2]], dtype=torch.float64)
    context = normal(1, N_CONTEXT, seed=5).requires_grad_()
    for log_prob in flow.log_probs(row, context):
        assert (torch.autograd.grad(log_prob.sum(), context)[0] != 0).all()


def test_each_part_is_a_density_of_whole_rows(flow):
    """So each can be trained by itself."""
    row = torch.tensor([[1.0, 2.0, 0.3, -0.2]], dtype=torch.float64)
    for part, log_prob in zip(flow.parts, flow.log_probs(row), strict=True):
        assert torch.equal(part.log_prob(row), log_prob)
    assert flow.log_prob(row) == sum(flow.log_probs(row))


def test_a_table_without_codes(randomise):
    flow = make_table_flow(
        None,
        [(-1, -1)] * 3,
        False,
        generator=generator(),
        hidden_layer_sizes=(8,),
        activation="tanh",
        n_context=N_CONTEXT,
    )
    flow = randomise(flow, size=0.4)
    x = normal(20, 3, seed=1)
    context = normal(20, N_CONTEXT, seed=2)
    assert flow.codes is None and list(flow.parts) == [flow.values]
    of_codes, of_values = flow.log_probs(x, context)
    assert torch.equal(of_codes, torch.zeros_like(of_values))
    assert torch.equal(of_values, flow.values.flow.log_prob(x, context))
    codes, values = flow.from_base(flow.to_base(x, context), context)
    assert codes.shape == (20, 0)
    torch.testing.assert_close(values, x)
