"""What "auto" means, by the size of the table."""

import pytest
import torch

from skmaf.flows import make_flow
from skmaf.training.budget import hold_out, make_budget


def budget(n_rows, n_columns=9, **changes):
    shape = dict(
        bijector="spline", n_layers=1, hidden_layer_sizes=(8,), activation="relu", n_bins=8
    )
    flow = make_flow(n_columns, generator=torch.Generator(), **shape)
    auto = dict.fromkeys(["alpha", "batch_size", "max_iter", "learning_rate", "patience"], "auto")
    return make_budget(n_rows, flow, n_columns=n_columns, **{**auto, **changes})


@pytest.mark.parametrize(
    "n_rows, n", [(2, 1), (4, 1), (50, 10), (250, 50), (400, 50), (600, 60), (10_000, 1000)]
)
def test_held_out_rows(n_rows, n):
    held_in, held_out = hold_out(n_rows, "auto", torch.Generator())
    assert len(held_out) == n
    assert sorted([*held_in, *held_out]) == list(range(n_rows))


@pytest.mark.parametrize(
    "n_rows, fraction, n", [(100, 0.3, 30), (2, 0.9, 1), (10, 0.01, 1), (10, 0.99, 9), (10, 0, 0)]
)
def test_a_fraction_is_kept_but_for_one_row_on_each_side(n_rows, fraction, n):
    assert len(hold_out(n_rows, fraction, torch.Generator())[1]) == n


def test_what_is_given_is_kept():
    given = budget(1000, alpha=0.3, batch_size=7, max_iter=5, learning_rate=0.1, patience=3)
    assert (
        given.weight_decay,
        given.batch_size,
        given.n_epochs,
        given.learning_rate,
        given.patience,
    ) == (0.3, 7, 5, 0.1, 3)


def test_steps_grow_with_the_rows_to_a_limit():
    def steps(n_rows):
        made = budget(n_rows)
        return made.n_epochs * max(1, round(n_rows / made.batch_size))

    assert steps(50) == steps(200) == 1000
    assert steps(500) == pytest.approx(2000, rel=0.05)
    assert steps(10_000) == pytest.approx(4000, rel=0.05)
    assert 4000 < steps(10**6) < 10_000


def test_wide_tables_get_fewer_steps_and_smaller_batches():
    assert budget(10_000, n_columns=320).n_epochs < budget(10_000).n_epochs / 5
    assert budget(10**6, n_columns=512).batch_size < budget(10**6).batch_size


def test_larger_tables_want_lower_rates_and_less_decay():
    small, large = budget(1000), budget(10**6)
    assert large.learning_rate < small.learning_rate
    assert large.weight_decay < small.weight_decay
