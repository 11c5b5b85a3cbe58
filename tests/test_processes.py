"""Estimators on several threads, in forked and spawned processes, and in jobs within jobs."""

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from joblib import Parallel, delayed

from skmaf import (
    ConditionalMAFDensity,
    DensityOutlierDetector,
    MAFClassifier,
    MAFDensity,
    MultiscaleDensity,
    folds,
)
from skmaf._jobs import run_jobs
from skmaf.models import fold_ensemble, multiscale_density

SMALL = {"n_layers": 2, "hidden_layer_sizes": (8,), "max_iter": 2, "random_state": 0}

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

METHODS = {
    "density": (
        MAFDensity(**SMALL),
        lambda e, X, k: [
            e.score_samples(X),
            e.transform(X),
            e.sample(5, random_state=k),
            e.impute(X[:2], random_state=k),
        ],
    ),
    "multiscale": (
        MultiscaleDensity(hidden_layer_sizes=(8,), max_iter=3, random_state=0),
        lambda e, X, k: [e.score_samples(X), e.sample(5, random_state=k)],
    ),
    "conditional": (
        ConditionalMAFDensity(**SMALL),
        lambda e, X, k: [e.predict(X[:5]), e.sample(X[:5], 2, random_state=k)],
    ),
    "classifier": (
        MAFClassifier(**SMALL),
        lambda e, X, k: [e.predict_proba(X), e.sample(5, random_state=k)[0]],
    ),
    "detector": (
        DensityOutlierDetector(MAFDensity(**SMALL), n_folds=2, random_state=0),
        lambda e, X, k: [e.score_samples(X), e.p_values(X), e.explain(X[:2])],
    ),
}


def table():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((80, 4))
    X[::9, 1] = np.nan
    return X


@pytest.mark.parametrize("name", METHODS)
def test_eight_threads_that_ask_one_estimator(name):
    """They get what one thread gets, to the last bit."""
    estimator, ask = METHODS[name]
    X = table()
    estimator = estimator.fit(X, np.arange(len(X)) % 2)
    expected = [ask(estimator, X, k) for k in range(3)]
    start = threading.Barrier(8)

    def work(thread):
        start.wait(60)
        return [ask(estimator, X, (thread + k) % 3) for k in range(3)]

    with ThreadPoolExecutor(8) as pool:
        for thread, answers in enumerate(pool.map(work, range(8))):
            for k, answer in enumerate(answers):
                for got, known in zip(answer, expected[(thread + k) % 3], strict=True):
                    np.testing.assert_array_equal(got, known)


# A process that is forked has none of the threads of torch: one that waits for them hangs.
PROCESSES = """
import multiprocessing, sys, warnings
import numpy as np
import torch
from skmaf import MAFDensity

warnings.simplefilter("ignore")
X = np.random.default_rng(0).standard_normal((1200, 40))


def make():
    wide = {"hidden_layer_sizes": (512, 512), "batch_size": 1200, "max_iter": 1}
    return MAFDensity(n_layers=1, early_stopping=False, random_state=0, **wide)


def work(queue, density):
    density = density or make().fit(X)
    queue.put((density.score_samples(X[:50]), torch.get_num_threads()))


if __name__ == "__main__":
    torch.set_num_threads(2)
    method, is_fitted = sys.argv[1:]
    density = make().fit(X)
    context = multiprocessing.get_context(method)
    queue = context.Queue()
    process = context.Process(target=work, args=(queue, density if is_fitted == "score" else None))
    process.start()
    scores, n_threads = queue.get(timeout=300)
    process.join()
    assert process.exitcode == 0
    print(np.abs(scores - density.score_samples(X[:50])).max(), n_threads)
"""


@pytest.mark.slow
@pytest.mark.parametrize("method, task", [("fork", "fit"), ("fork", "score"), ("spawn", "fit")])
def test_processes_of_multiprocessing(method, task, tmp_path):
    if method == "fork" and not hasattr(os, "fork"):
        pytest.skip("this system has no forks")
    script = tmp_path / "processes.py"
    script.write_text(PROCESSES)
    environment = {**os.environ, "OMP_NUM_THREADS": "2"}
    command = [sys.executable, str(script), method, task]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300)
    assert done.returncode == 0, done.stderr
    difference, n_threads = done.stdout.split()
    assert float(difference) == (0 if task == "score" else pytest.approx(0, abs=1e-3))
    assert method == "spawn" or n_threads == "2"  # the setting itself stays as it was


class Counting(MAFDensity):
    """Keeps where it was fitted, and on how many threads of torch."""

    def fit(self, X, y=None):
        super().fit(X)
        self.place_ = os.getpid(), threading.get_ident(), torch.get_num_threads()
        return self


def places_of_folds(seed):
    X = table()
    detector = DensityOutlierDetector(
        Counting(**{**SMALL, "max_iter": 1, "random_state": None}),
        n_folds=2,
        n_jobs=2,
        random_state=seed,
    ).fit(X)
    return [estimator.place_ for estimator in detector.estimators_], detector.score_samples(X)


@pytest.mark.slow
def test_jobs_within_jobs_share_the_cores():
    """The inner jobs are threads of the outer ones, not processes of their own."""
    outer = Parallel(n_jobs=2)(delayed(places_of_folds)(seed) for seed in range(2))
    for seed, (places, scores) in enumerate(outer):
        assert len({process for process, _, _ in places}) == 1
        assert os.getpid() not in {process for process, _, _ in places}
        np.testing.assert_array_equal(scores, places_of_folds(seed)[1])


@pytest.mark.parametrize("estimator", [MAFDensity, MultiscaleDensity])
def test_jobs_are_drawn_to_their_end(monkeypatch, estimator):
    """Joblib warns of results that nobody took, now and then, where its generator is dropped."""
    calls = []

    def watched(tasks, n_jobs, **hints):
        calls.append("begun")
        yield from run_jobs(tasks, n_jobs, **hints)
        calls.append("ended")

    for module in (folds, fold_ensemble, multiscale_density):
        monkeypatch.setattr(module, "run_jobs", watched)
    X = table()
    density = estimator(hidden_layer_sizes=(8,), max_iter=1)
    DensityOutlierDetector(density, n_folds=2, random_state=0).fit(X).score_samples(X)
    assert calls.count("begun") >= 2
    assert calls.count("ended") == calls.count("begun")


# Jobs within jobs, on a machine that joblib takes for one of some cores: when each fit of a fold
# began and ended, and how many threads of torch it may have had in between.
SEARCH = """
import os, pathlib, sys, threading, time, uuid, warnings
import numpy as np
import torch
from joblib import parallel_config
from sklearn.model_selection import GridSearchCV
from skmaf import DensityOutlierDetector, MAFDensity

FOLDER = pathlib.Path(sys.argv[1])


class Clocked(MAFDensity):
    def fit(self, X, y=None, sample_weight=None, codec=None):
        began = time.monotonic()
        n_threads = torch.get_num_threads()
        super().fit(X, codec=codec)
        time.sleep(0.1)
        line = f"{began} {time.monotonic()} {n_threads} {os.getpid()}"
        (FOLDER / uuid.uuid4().hex).write_text(line)
        return self


def no_score(detector, X, y=None):
    return 0.0


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    X = np.random.default_rng(0).standard_normal((40, 2))
    small = {"n_layers": 1, "hidden_layer_sizes": (8,), "max_iter": 1, "early_stopping": False}
    detector = DensityOutlierDetector(Clocked(**small), n_folds=4, n_jobs=int(sys.argv[3]))
    grid = {"contamination": [0.1, 0.2]}
    search = GridSearchCV(detector, grid, cv=2, scoring=no_score, refit=False)
    with parallel_config(sys.argv[2], n_jobs=2):
        search.fit(X)
    # A thread of joblib drops its fitted networks after it has given its result, and a tensor that
    # is freed while Python ends takes the process down with it.
    for thread in threading.enumerate():
        if thread.daemon:
            thread.join(timeout=1)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    "backend, n_jobs, n_cores",
    [("loky", 2, 2), ("loky", -1, 2), ("loky", 2, 8), ("threading", -1, 2)],
)
def test_jobs_within_jobs_have_no_more_threads_than_cores(backend, n_jobs, n_cores, tmp_path):
    script = tmp_path / "search.py"
    script.write_text(SEARCH)
    times = tmp_path / "times"
    times.mkdir()
    environment = {**os.environ, "LOKY_MAX_CPU_COUNT": str(n_cores)}
    if backend == "loky":
        environment.pop("OMP_NUM_THREADS", None)  # joblib says what each process may have
    else:
        environment["OMP_NUM_THREADS"] = "1"  # all threads of a process have the same
    command = [sys.executable, str(script), str(times), backend, str(n_jobs)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300)
    assert done.returncode == 0, done.stderr
    fits = [path.read_text().split() for path in times.iterdir()]
    assert len(fits) == 16
    assert len({process for *_, process in fits}) == (2 if backend == "loky" else 1)
    events = []
    for began, ended, n_threads, _ in fits:
        events += [(float(began), int(n_threads)), (float(ended), -int(n_threads))]
    at_work = np.cumsum([change for _, change in sorted(events)])
    assert 0 < at_work.max() <= n_cores


# The same by whatever backend of joblib.
BACKEND = """
import sys, warnings
import numpy as np
from joblib import parallel_config
from sklearn.model_selection import GridSearchCV
from skmaf import DensityOutlierDetector, MAFDensity, MultiscaleDensity


def answers(X):
    small = {"n_layers": 1, "hidden_layer_sizes": (8,), "max_iter": 2, "early_stopping": False}
    density = MAFDensity(**small, random_state=0)
    multiscale = MultiscaleDensity(hidden_layer_sizes=(8,), max_iter=3)
    search = GridSearchCV(density, {"n_layers": [1, 2]}, cv=2).fit(X)
    yield search.cv_results_["mean_test_score"]
    for estimator in (density, multiscale, None):
        detector = DensityOutlierDetector(estimator, n_folds=2, random_state=0)
        yield detector.fit(X).score_samples(X)
    grid = {"estimator": [density, multiscale]}
    search = GridSearchCV(detector, grid, cv=2, scoring=mean_score).fit(X)
    yield search.cv_results_["mean_test_score"]


def mean_score(detector, X, y=None):
    return detector.score_samples(X).mean()


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    if sys.argv[1] == "ray":
        import ray
        from ray.util.joblib import register_ray

        ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
        register_ray()
    X = np.random.default_rng(0).standard_normal((60, 2))
    expected = list(answers(X))
    with parallel_config(sys.argv[1], n_jobs=2):
        for got, known in zip(answers(X), expected, strict=True):
            np.testing.assert_array_equal(got, known)
"""


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["multiprocessing", "ray"])
def test_other_backends_give_the_same(backend, tmp_path):
    if backend == "ray":
        pytest.importorskip("ray", reason="needs ray, which no extra installs")
    if backend == "multiprocessing" and not hasattr(os, "fork"):
        pytest.skip("this system has no forks")
    script = tmp_path / "backend.py"
    script.write_text(BACKEND)
    command = [sys.executable, str(script), backend]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    if "node timed out during startup" in done.stderr:
        pytest.skip("Ray did not start within its 30 seconds")
    assert done.returncode == 0, done.stderr
