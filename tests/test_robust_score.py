"""The score of detectors in files of before."""

import numpy as np

from skmaf import MultiscaleDensity
from skmaf.models.isolation import Isolation
from skmaf.models.robust_score import RobustScore
from skmaf.persistence.decoding import restored
from skmaf.persistence.encoding import describe


def score_of(density, N):
    Z = np.nan_to_num(density.columns.to_flow(N))
    return RobustScore(density, Isolation.fit(Z, 5, 0), np.array([0.7, 20.0]), np.array([-3, -0.5]))


def test_it_is_the_log_density_lowered_by_two_looks():
    X = np.random.default_rng(0).normal(size=(60, 3))
    density = MultiscaleDensity(max_iter=2, hidden_layer_sizes=(8,), random_state=0).fit(X).density_
    score = score_of(density, X)
    own, *_, coarse = density.network_log_probs(X)
    isolation = score.forest.score_samples(density.columns.to_flow(X))
    expected = own + 0.7 * np.minimum(coarse + 3, 0) + 20 * np.minimum(isolation + 0.5, 0)
    np.testing.assert_allclose(score.log_prob(X), expected)
    described = describe(score)
    again, _ = restored(described.json, lambda i: described.arrays[i].copy())
    assert (again.log_prob(X) == score.log_prob(X)).all()
