"""Rows of codes and values: sums and integrals, absent cells, atoms, and draws."""

import numpy as np
import pytest
import torch

from skmaf.flows import Levels, make_table_flow

GATES = [(-1, -1), (0, 1)]  # the second value is there where the first code is 1


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def table_flow(with_gaps, bijector="affine", n_layers=3):
    levels = Levels(
        [np.array([0.4, 0.6]), np.full(3, 1 / 3)], [None, np.array([-1.0, 0.2, 1.1])], with_gaps
    )
    shape = dict(
        bijector=bijector, n_layers=n_layers, hidden_layer_sizes=(8,), activation="tanh", n_bins=4
    )
    return make_table_flow(levels, GATES, with_gaps, generator=generator(), **shape)


@pytest.fixture(scope="module", params=[False, True], ids=["complete", "with gaps"])
def flow(request, randomise):
    return randomise(table_flow(request.param), size=0.4)


T = torch.linspace(-14, 14, 561, dtype=torch.float64)


def mass(flow, first, second, values):
    """Integral over the values that are not NaN, given as lists of nodes."""
    grid = torch.cartesian_prod(*values)
    codes = torch.tensor([first, second], dtype=torch.float64).expand(len(grid), 2)
    cells = np.prod([float(nodes[1] - nodes[0]) if len(nodes) > 1 else 1.0 for nodes in values])
    return flow.log_prob(torch.cat([codes, grid], 1)).exp().sum().item() * cells


NO_GIVEN = torch.empty(1, 0, dtype=torch.float64)
NONE = torch.tensor([torch.nan], dtype=torch.float64)


def test_sums_over_codes_and_integrals_over_values_are_one(flow):
    at_atom = [mass(flow, 0, second, [T, NONE]) for second in range(3)]
    elsewhere = [mass(flow, 1, second, [T, T]) for second in range(3)]
    assert sum(at_atom) + sum(elsewhere) == pytest.approx(1, abs=1e-3)


def test_the_density_of_cells_that_are_there_integrates_to_one(randomise):
    flow = randomise(table_flow(with_gaps=True), size=0.4)
    assert sum(mass(flow, -1, second, [T, T]) for second in range(3)) == pytest.approx(1, abs=1e-3)
    without_first = [
        mass(flow, 1, second, [NONE, T]) + mass(flow, 0, second, [NONE, NONE])
        for second in range(3)
    ]
    assert sum(without_first) == pytest.approx(1, abs=1e-3)
    assert mass(flow, -1, -1, [T, NONE]) == pytest.approx(1, abs=1e-3)
    assert mass(flow, -1, -1, [NONE, NONE]) == 1


@pytest.mark.parametrize("bijector", ["affine", "spline"])
def test_log_determinant_is_that_of_the_jacobian_of_what_is_there(bijector, randomise):
    flow = randomise(table_flow(True, bijector), size=0.4).values.flow
    context = torch.randn(1, 6, generator=generator(1), dtype=torch.float64)
    for present in ([1.0, 0.0], [0.0, 1.0], [1.0, 1.0]):
        present = torch.tensor([present], dtype=torch.float64)
        x = torch.randn(1, 2, generator=generator(2), dtype=torch.float64) * present
        jacobian = torch.autograd.functional.jacobian(
            lambda x: flow(x * present, context, present)[0][0], x
        )[:, 0]
        there = present[0] == 1
        z, log_det = flow(x, context, present)
        assert (z[0][~there] == 0).all()
        torch.testing.assert_close(log_det[0], jacobian[there][:, there].slogdet().logabsdet)
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


def test_gradients_are_finite_where_cells_are_absent(randomise):
    flow = table_flow(with_gaps=True, bijector="spline")
    rows = torch.tensor(
        [
            [0.0, -1.0, torch.nan, torch.nan],
            [-1.0, 2.0, 0.5, torch.nan],
            [1.0, -3.0, torch.nan, 0.1],
        ]
    )
    flow.log_prob(rows).sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in flow.parameters() if p.grad is not None)


def test_draws_are_rows_of_the_density(flow):
    """Normal values that a draw came from are those that the density finds behind it."""
    chance = torch.rand(50, 2, generator=generator(3), dtype=torch.float64)
    z = torch.randn(50, 2, generator=generator(4), dtype=torch.float64)
    codes, values = flow.draw(
        torch.cat([torch.special.ndtri(chance), z], 1), NO_GIVEN.expand(50, 0)
    )
    at_atom = codes[:, 0] == 0
    assert at_atom.any() and (values[at_atom, 1] == 0).all()
    present = torch.stack([torch.ones(50), ~at_atom], 1).double()
    context = flow.values._context(codes, present, NO_GIVEN.expand(50, 0))
    torch.testing.assert_close(flow.values.flow(values, context, present)[0], z * present)
