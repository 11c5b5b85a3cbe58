"""One seed gives one result: in any process, whatever others seed, on any number of threads."""

import os
import random
import subprocess
import sys

import numpy as np
import pytest
import torch
from threadpoolctl import threadpool_limits

from skmaf import (
    ConditionalMAFDensity,
    DensityOutlierDetector,
    MAFClassifier,
    MAFDensity,
    MultiscaleDensity,
)

SMALL = {"n_layers": 2, "hidden_layer_sizes": (8,), "max_iter": 3, "random_state": 0}
SEEDS_OF_OTHERS = [0, 12345]

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def table(n_rows=60):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n_rows, 3))
    X[:, 1] = rng.integers(0, 3, n_rows)
    X[::7, 0] = np.nan
    return X


def of_density():
    X = table()
    density = MAFDensity(**SMALL).fit(X)
    drawn = [density.sample(5, random_state=1), density.impute(X[:9], random_state=1)]
    return [density.score_samples(X), density.transform(X), *drawn]


def of_multiscale():
    X = table()
    density = MultiscaleDensity(hidden_layer_sizes=(8,), max_iter=3, random_state=0).fit(X)
    return [density.score_samples(X), density.sample(5, random_state=1)]


def of_conditional():
    X = table()
    y = np.linspace(-1, 1, len(X))
    density = ConditionalMAFDensity(**SMALL).fit(X, y)
    predicted = [density.predict(X[:5]), density.predict_interval(X[:5], 0.5)]
    return [density.score_samples(X, y), density.sample(X[:5], 2, random_state=1), *predicted]


def of_classifier():
    X = table()
    classifier = MAFClassifier(**SMALL).fit(X, np.arange(len(X)) % 2)
    return [classifier.predict_proba(X), classifier.sample(5, random_state=1)[0]]


def of_detector(n_jobs=None):
    X = table()
    density = MultiscaleDensity(hidden_layer_sizes=(8,), max_iter=3)
    detector = DensityOutlierDetector(density, n_folds=3, n_jobs=n_jobs, random_state=0).fit(X)
    return [detector.score_samples(X), detector.p_values(X), detector.explain(X[:3])]


RESULTS = {
    "density": of_density,
    "multiscale": of_multiscale,
    "conditional": of_conditional,
    "classifier": of_classifier,
    "detector": of_detector,
}


def bits(name):
    """The results as text, to the last bit."""
    return [np.ascontiguousarray(result).tobytes().hex() for result in RESULTS[name]()]


def print_bits():
    """What a fresh process does."""
    torch.set_num_threads(1)
    with threadpool_limits(1):
        for name in RESULTS:
            print(name, *bits(name))


def global_states():
    """Those of the generators that all code of a process shares."""
    numpy_state = np.random.get_state()
    return [random.getstate(), numpy_state[1].tolist(), numpy_state[2:], torch.get_rng_state()]


@pytest.mark.parametrize("name", RESULTS)
def test_what_others_seed_has_no_say_and_stays(name):
    expected = bits(name)
    for seed in SEEDS_OF_OTHERS:
        random.seed(seed)
        np.random.seed(seed)
        torch.manual_seed(seed)
        before = global_states()
        assert bits(name) == expected
        after = global_states()
        assert before[:3] == after[:3] and torch.equal(before[3], after[3])


@pytest.mark.slow
def test_fresh_processes_give_the_same():
    """With another order of sets and dictionaries, too."""
    expected = {name: bits(name) for name in RESULTS}
    here = os.path.dirname(__file__)
    code = f"import sys; sys.path.insert(0, {here!r}); import test_determinism as t; t.print_bits()"
    for hash_seed in ("0", "1"):
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONWARNINGS": "ignore"}
        command = [sys.executable, "-W", "ignore", "-c", code]
        done = subprocess.run(command, capture_output=True, text=True, env=environment)
        assert done.returncode == 0, done.stderr
        printed = {line.split()[0]: line.split()[1:] for line in done.stdout.splitlines()}
        assert printed == expected


def test_jobs_have_no_say():
    for one, two in zip(of_detector(n_jobs=1), of_detector(n_jobs=2)):
        np.testing.assert_array_equal(one, two)


@pytest.mark.slow
def test_threads_have_little_say():
    """Those that training uses add up in another order; scores of one flow do not depend on them.

    A training leaves 1e-3 of a nat in the mean, of rows a few nats apart.
    """
    X = np.random.default_rng(0).standard_normal((1500, 12))
    X[:, 1:] += X[:, :-1]
    wide = {"n_layers": 2, "hidden_layer_sizes": (512, 512), "batch_size": 1200, "max_iter": 4}
    before = torch.get_num_threads()
    scores = []
    for n_threads in (1, 2):
        torch.set_num_threads(n_threads)
        with threadpool_limits(n_threads):
            density = MAFDensity(**wide, random_state=0).fit(X)
            scores.append(density.score_samples(X))
    first = density.score_samples(X)
    torch.set_num_threads(before)
    np.testing.assert_array_equal(first, density.score_samples(X))
    assert abs(scores[0].mean() - scores[1].mean()) < 1e-3
    np.testing.assert_allclose(scores[0], scores[1], atol=0.05)
