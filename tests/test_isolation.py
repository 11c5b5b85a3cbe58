"""The forest's scores are those of scikit-learn."""

import warnings

import numpy as np
import pytest
from joblib import Parallel, delayed
from sklearn.ensemble import IsolationForest

from skmaf.models.isolation import Isolation


@pytest.mark.parametrize("n_rows", [1, 2, 3, 40, 700])
def test_scores_are_those_of_scikit_learn(n_rows):
    rng = np.random.default_rng(n_rows)
    Z = rng.standard_normal((n_rows, 3))
    Z[n_rows // 2 :, 1] = 0.5  # ties
    new = rng.standard_normal((50, 3)) * 2
    forest = IsolationForest(n_estimators=7, random_state=3).fit(Z)
    ours = Isolation.fit(Z, n_trees=7, seed=3)
    if n_rows > 1:  # of one row scikit-learn's score is not a number
        np.testing.assert_allclose(ours.score_samples(new), forest.score_samples(new), rtol=1e-12)
    assert np.isfinite(ours.score_samples(new)).all()


def test_threads_leave_the_filters_of_warnings_alone():
    Z = np.random.default_rng(0).standard_normal((300, 2))
    forest = Isolation.fit(Z, n_trees=40, seed=0)
    before = list(warnings.filters)
    scores = Parallel(4, prefer="threads")(delayed(forest.score_samples)(Z) for _ in range(40))
    assert all(np.array_equal(score, scores[0]) for score in scores)
    assert warnings.filters == before
