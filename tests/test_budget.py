"""What "auto" means, by the size of the table."""

import pytest
import torch

from skmaf.flows import make_flow
from skmaf.training.budget import MOST_SET_ASIDE, Budget, hold_out, make_budget, set_aside


def budget(n_rows, n_columns=9, **changes):
    shape = {
        "bijector": "spline",
        "n_layers": 1,
        "hidden_layer_sizes": (8,),
        "activation": "relu",
        "n_bins": 8,
    }
    flow = make_flow(n_columns, generator=torch.Generator(), **shape)
    auto = dict.fromkeys(["alpha", "batch_size", "max_iter", "learning_rate", "patience"], "auto")
    return make_budget(n_rows, flow, n_columns=n_columns, **{**auto, **changes})


@pytest.mark.parametrize(
    "n_rows, n", [(2, 1), (4, 1), (50, 10), (250, 50), (400, 50), (600, 60), (50_000, 1000)]
)
def test_validation_rows(n_rows, n):
    train, validation = hold_out(n_rows, "auto", torch.Generator())
    assert len(validation) == n
    assert sorted([*train, *validation]) == list(range(n_rows))


@pytest.mark.parametrize(
    "n_rows, fraction, n", [(100, 0.3, 30), (2, 0.9, 1), (10, 0.01, 1), (10, 0.99, 9), (10, 0, 0)]
)
def test_a_fraction_is_kept_but_for_one_row_on_each_side(n_rows, fraction, n):
    assert len(hold_out(n_rows, fraction, torch.Generator())[1]) == n


@pytest.mark.parametrize(
    "n_rows, fraction, n",
    [(4, "auto", 1), (4, 0.99, 1), (50, "auto", 10), (20, 0.5, 10), (50_000, "auto", 1000)],
)
def test_rows_set_aside(n_rows, fraction, n):
    fit, calibration = set_aside(n_rows, fraction, seed=0)
    assert len(calibration) == n <= MOST_SET_ASIDE
    assert sorted([*fit, *calibration]) == list(range(n_rows))
    other_fit, _ = set_aside(n_rows, fraction, seed=0)
    assert (fit == other_fit).all()


def test_too_few_rows_to_set_any_aside():
    with pytest.raises(ValueError, match="n_samples=3 is too few: give 4 rows"):
        set_aside(3, "auto", seed=0)


def test_numbers_that_are_set_are_kept():
    made = budget(1000, alpha=0.3, batch_size=7, max_iter=5, learning_rate=0.1, patience=3)
    assert made == Budget(n_epochs=5, batch_size=7, learning_rate=0.1, weight_decay=0.3, patience=3)


def test_steps_grow_with_the_rows_to_a_limit():
    def steps(n_rows):
        made = budget(n_rows)
        return made.n_epochs * max(1, round(n_rows / made.batch_size))

    assert steps(50) == steps(200) == 500
    assert steps(500) == pytest.approx(1000, rel=0.05)
    assert steps(10_000) == pytest.approx(2000, rel=0.05)
    assert steps(40_000) == pytest.approx(3000, rel=0.05)
    assert 2000 < steps(10**6) < 5000


def test_wide_tables_get_fewer_steps_and_smaller_batches():
    assert budget(10_000, n_columns=320).n_epochs < budget(10_000).n_epochs / 5
    assert budget(10**6, n_columns=512).batch_size < budget(10**6).batch_size


def test_larger_tables_want_lower_rates_and_less_decay():
    small = budget(1000)
    large = budget(10**6)
    assert large.learning_rate < small.learning_rate
    assert large.weight_decay < small.weight_decay
