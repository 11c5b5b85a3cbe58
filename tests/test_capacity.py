"""Which flows are tried on a table, and that the one that held-out rows favour is kept."""

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer

from skmaf import MAFDensity
from skmaf.models.capacity import (
    LAYERS_OF_MANY_ROWS,
    MANY_ROWS,
    MOST_SPREAD,
    ROWS_PER_COLUMN,
    SIZES,
    SMALL_LAYERS,
    SMALL_SIZES,
    SPREAD_ROWS,
    candidates,
    first_spread,
)


def spec(**parameters):
    return MAFDensity(**parameters)._flow_spec()


def sizes(specs):
    return [(spec.n_layers, spec.hidden_layer_sizes) for spec in specs]


def test_smaller_flows_are_tried_on_few_rows_for_each_column():
    few = candidates(spec(), 10 * ROWS_PER_COLUMN - 1, 10)
    assert sizes(few) == [("auto", SIZES), (SMALL_LAYERS, SMALL_SIZES)]
    assert sizes(candidates(spec(), 10 * ROWS_PER_COLUMN, 10)) == [("auto", SIZES)]


def test_what_the_user_sets_is_kept():
    assert sizes(candidates(spec(hidden_layer_sizes=[7]), 10, 10)) == [("auto", (7,))]
    assert {n_layers for n_layers, _ in sizes(candidates(spec(n_layers=4), 10, 10))} == {4}
    assert sizes(candidates(spec(family="realnvp"), 10, 10)) == [("auto", SIZES)]


def test_splines_of_many_rows_have_fewer_layers():
    assert sizes(candidates(spec(), MANY_ROWS - 1, 10)) == [("auto", SIZES)]
    assert sizes(candidates(spec(), MANY_ROWS, 10)) == [(LAYERS_OF_MANY_ROWS, SIZES)]
    assert sizes(candidates(spec(hidden_layer_sizes=[7]), MANY_ROWS, 10)) == [
        (LAYERS_OF_MANY_ROWS, (7,))
    ]
    for other in spec(n_layers=4), spec(family="realnvp"), spec(bijector="affine"):
        assert sizes(candidates(other, MANY_ROWS, 10)) == [(other.n_layers, SIZES)]


def test_networks_start_the_more_bent_the_more_rows_there_are():
    assert first_spread("gelu", SPREAD_ROWS) == 1
    assert first_spread("gelu", 8 * SPREAD_ROWS) == pytest.approx(2)
    assert first_spread("gelu", 10**6) == MOST_SPREAD
    assert first_spread("relu", 10) == first_spread("relu", 10**6) == 1


def first_weights(X, **parameters):
    untrained = {"max_iter": 1, "learning_rate_init": 1e-9, "early_stopping": False}
    density = MAFDensity(hidden_layer_sizes=[50], random_state=0, **untrained, **parameters).fit(X)
    return density.flow_.values.flow.layers[0].conditioner.hidden[0].weight.abs().max().item()


def test_the_spread_reaches_the_flow():
    """With 8 times as many rows first weights start twice as large, and with "relu" as large."""
    X = np.random.default_rng(0).normal(size=(480, 3))
    assert first_weights(X) == pytest.approx(2 * first_weights(X[:60]), rel=0.05)
    relu = {"activation": "relu"}
    assert first_weights(X, **relu) == pytest.approx(first_weights(X[:60], **relu), rel=0.05)


def units(density):
    return [layer.conditioner.hidden[0].mask.shape[0] for layer in density.flow_.values.flow.layers]


def test_the_flow_that_held_out_rows_favour_is_kept():
    """Fits of each size alone, with the same rows held out, are no better than the one chosen."""
    X = load_breast_cancer().data[:60, :12]
    chosen = MAFDensity(max_iter=30, n_iter_no_change=3, tol=0.5, random_state=0).fit(X)
    scores = {}
    for n_layers, hidden in [("auto", SIZES), (SMALL_LAYERS, SMALL_SIZES)]:
        alone = MAFDensity(
            n_layers=n_layers,
            hidden_layer_sizes=hidden,
            max_iter=30,
            n_iter_no_change=3,
            tol=0.5,
            random_state=0,
        ).fit(X)
        scores[tuple(units(alone))] = alone.best_validation_score_
    # batches differ: the generator is at another place
    assert tuple(units(chosen)) in scores
    assert chosen.best_validation_score_ == pytest.approx(max(scores.values()), abs=1.0)
    assert chosen.n_iter_ == len(chosen.validation_scores_) == len(chosen.loss_curve_)
    assert chosen.best_validation_score_ >= max(chosen.validation_scores_)


def test_one_flow_alone_is_fitted_without_held_out_rows():
    X = np.random.RandomState(0).randn(40, 6)
    density = MAFDensity(max_iter=2, early_stopping=False, random_state=0).fit(X)
    assert units(density) == [SIZES[0]] * 3


def test_a_warm_start_goes_on_with_the_flow_that_was_chosen():
    X = np.random.RandomState(0).randn(40, 6)
    density = MAFDensity(max_iter=3, n_iter_no_change=1, warm_start=True, random_state=0).fit(X)
    before = units(density)
    assert units(density.fit(X)) == before
