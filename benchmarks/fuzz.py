"""Random tables through random sequences of calls of all estimators.

    python benchmarks/fuzz.py --first 0 --n 1000 --out fuzz.jsonl
    python benchmarks/fuzz.py --report fuzz.jsonl

Each table, with its estimator and calls, follows from a seed of its own: ``--first 17 --n 1`` runs
one that failed again. A failure is a result that breaks its promise (NaN, infinity, a wrong shape,
scores that changed), an error that comes from inside another library, or that is neither ValueError
nor TypeError, and a warning of NumPy or torch. Fits are tiny: it is not their quality that is
looked at.
"""

import argparse
import collections
import json
import pickle
import re
import signal
import tempfile
import time
import traceback
import warnings
from contextlib import ExitStack
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pandas as pd
import torch
from fuzz_tables import (
    as_objects,
    make_classes,
    make_table,
    make_targets,
    n_rows_of,
    pick,
    spoil,
    take,
)
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

import skmaf
from skmaf import (
    ConditionalMAFDensity,
    DensityOutlierDetector,
    MAFClassifier,
    MAFDensity,
    MultiscaleDensity,
    detector_defaults,
)

PACKAGE = str(Path(skmaf.__file__).parent)
CHECKERS = ("sklearn/utils/", "sklearn/base.py")  # whose errors name what is wrong
N_STEPS = 6
PATIENCE = 60  # seconds that a table may take
SMALL = {"hidden_layer_sizes": (4,), "max_iter": 2}


def flow_parameters(rng):
    """Parameters of estimators with a flow: those of a tiny fit, and one or two at random."""
    parameters = {**SMALL, "n_layers": 1, "n_bins": 4, "random_state": int(rng.integers(99))}
    for _ in range(rng.integers(0, 3)):
        parameters.update(flow_change(rng))
    return parameters


def flow_change(rng):
    """A parameter of estimators with a flow, and a value for it that may be wrong."""
    changes = {
        "family": ["maf", "made", "nice", "realnvp", "iaf", "planar", "radial"],
        "bijector": ["affine", "spline", "auto"],
        "n_layers": [1, 2, "auto"],
        "hidden_layer_sizes": [(4,), (3, 5), (1,)],
        "activation": ["auto", "relu", "tanh"],
        "n_bins": [2, 3, 16],
        "alpha": [0.0, 1e3, "auto"],
        "batch_size": [1, 7, 10**6, "auto"],
        "learning_rate_init": [1e-300, 1.0, 1e4, "auto"],
        "max_iter": [1, 2, 3, 0],
        "early_stopping": [True, False],
        "validation_fraction": [0.01, 0.5, 0.99, "auto", 1.0],
        "n_iter_no_change": [1, "auto"],
        "tol": [0.0, 1e9],
        "warm_start": [True, False],
        "relations": [None, "auto"],
        "column_kinds": [None, {0: "categorical"}, {0: "heavy-tailed"}, {0: (-1e9, None)}],
    }
    name = pick(rng, sorted(changes))
    return {name: pick(rng, changes[name])}


def multiscale_change(rng):
    """The same for `MultiscaleDensity`."""
    changes = {
        "lowest_noise": [1e-9, 0.5, 3.0],
        "highest_noise": [1.0, 1e3],
        "n_components": [1, 5],
        "kernel_share": [0.0, 0.9],
        "max_iter": [1, 2],
        "relations": [None, "auto"],
        "column_kinds": [None, {0: "categorical"}, {0: ("periodic", 24)}],
    }
    name = pick(rng, sorted(changes))
    return {name: pick(rng, changes[name])}


def detector_change(rng):
    """The same for `DensityOutlierDetector`."""
    changes = {
        "contamination": ["auto", 0, 0.1, 0.5],
        "n_folds": [2, 3],
        "n_jobs": [None, 1],
        "random_state": [0, 1],
    }
    name = pick(rng, sorted(changes))
    return {name: pick(rng, changes[name])}


class Session:
    """An estimator and a table, on which steps are taken; what went wrong is kept.

    Attributes
    ----------
    refusals : list of str
        Messages of errors that are clear.
    failures : list of str
    n_calls : int
    """

    change = staticmethod(flow_change)
    n_scored = 40  # rows

    def __init__(self, rng):
        self.rng = rng
        self.refusals = []
        self.failures = []
        self.n_calls = 0
        self.X = make_table(rng)
        self.n_rows = n_rows_of(self.X)
        self.make_target()
        self.estimator = self.make_estimator()
        self.is_fitted = False

    def make_target(self):
        self.y = None

    @property
    def steps(self):
        """Names of all steps."""
        names = [name for cls in type(self).__mro__ for name in vars(cls)]
        return sorted({name for name in names if name.startswith("step_")})

    def run(self):
        """Fit, and take some steps."""
        self.step_fit()
        for _ in range(N_STEPS):
            getattr(self, pick(self.rng, self.steps))()

    def call(self, function, *args, **kwargs):
        """Return what a method gives, or None where it refuses; keep what is wrong with it."""
        self.n_calls += 1
        name = getattr(function, "__qualname__", str(function))
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                result = function(*args, **kwargs)
            except (ValueError, TypeError) as error:
                result = None
                if is_clear(error):
                    self.refusals.append(f"{name}: {template(error)}")
                else:
                    self.fail(name, error)
            except Exception as error:
                result = None
                self.fail(name, error)
        for warning in caught:
            if not is_for_users(warning):
                where = f"{warning.filename}:{warning.lineno}"
                text = f"{name}: {warning.category.__name__} {warning.message} at {where}"
                self.check(False, text)
        return result

    def fail(self, name, error):
        frame = traceback.extract_tb(error.__traceback__)[-1]
        ours = [f for f in traceback.extract_tb(error.__traceback__) if PACKAGE in f.filename]
        where = [f"{Path(f.filename).name}:{f.lineno}" for f in [*ours[-1:], frame]]
        self.failures.append(f"{name}: {type(error).__name__} {error} at {' '.join(where)}")

    def check(self, is_right, problem):
        """Keep a problem, once."""
        if not is_right and problem not in self.failures:
            self.failures.append(problem)

    def rows(self, n):
        """At most so many rows of the table, and targets: as they were, or spoiled."""
        rows = self.rng.integers(0, self.n_rows, self.rng.integers(1, n + 1))
        X = take(self.X, rows)
        y = None if self.y is None else take(self.y, rows)
        return (spoil(self.rng, X) if self.rng.random() < 0.5 else X), y

    def weights(self):
        """Weights of the rows, or none."""
        rng = self.rng
        if rng.random() < 0.7:
            return None
        wrong = [
            np.zeros(self.n_rows),
            np.ones(self.n_rows + 1),
            rng.standard_normal(self.n_rows),
            np.full(self.n_rows, np.nan),
        ]
        right = [
            rng.integers(0, 4, self.n_rows),
            rng.random(self.n_rows) * 10.0 ** rng.uniform(-307, 307),
            rng.exponential(1, self.n_rows).astype(np.float32),
        ]
        return pick(rng, wrong if rng.random() < 0.2 else right)

    def fit(self, X, y, sample_weight):
        if y is None:
            return self.call(self.estimator.fit, X, sample_weight=sample_weight)
        return self.call(self.estimator.fit, X, y, sample_weight=sample_weight)

    def scores(self, X, y, estimator=None):
        """Scores of rows, checked, or None."""
        scores = self.call((estimator or self.estimator).score_samples, X)
        self.check_scores(scores, X)
        return scores

    def check_scores(self, scores, X):
        if scores is not None:
            self.check(scores.shape == (n_rows_of(X),), f"score_samples: shape {scores.shape}")
            self.check(np.isfinite(scores).all(), "score_samples: not finite")

    def step_fit(self):
        """Fit to the table or to some of its rows; a fit that fails changes nothing."""
        X, y = self.X, self.y
        known = self.rows(self.n_scored)
        before = self.scores(*known) if self.is_fitted else None
        weights = self.weights()
        if self.is_fitted and self.rng.random() < 0.5:
            X, y = self.rows(self.n_rows)
            weights = None
        if self.fit(X, y, weights) is not None:
            self.is_fitted = True
            if X is self.X:
                self.step_score_table()
        elif before is not None:
            after = self.scores(*known)
            self.check(same(before, after), "fit: one that was refused changed the scores")

    def step_score_table(self):
        rows = np.arange(min(self.n_scored, self.n_rows))
        self.scores(take(self.X, rows), None if self.y is None else take(self.y, rows))

    def step_score_rows(self):
        """Score rows twice."""
        X, y = self.rows(self.n_scored)
        first = self.scores(X, y)
        self.check(same(first, self.scores(X, y)), "score_samples: differs when called again")

    def step_set_params(self):
        """Change a parameter, which changes no scores."""
        X, y = self.rows(self.n_scored)
        before = self.scores(X, y)
        self.estimator.set_params(**self.change(self.rng))
        after = self.scores(X, y)
        self.check(same(before, after), "set_params: changed the scores")

    def step_clone(self):
        """Copy the parameters alone."""
        copied = self.call(clone, self.estimator)
        self.check(str(copied) == str(self.estimator), "clone: other parameters")
        self.call(copied.score_samples, self.rows(1)[0])

    def step_copy(self):
        """Go on with a copy by pickle, or from a file."""
        X, y = self.rows(self.n_scored)
        before = self.scores(X, y)
        if self.rng.random() < 0.5:
            copied = self.call(lambda: pickle.loads(pickle.dumps(self.estimator)))
        else:
            copied = self.call(self.through_file)
        if copied is None:
            self.check(False, "copy: refused")
            return
        self.check(same(before, self.scores(X, y, copied)), "copy: other scores")
        self.estimator = copied

    def through_file(self):
        with tempfile.TemporaryDirectory() as folder:
            skmaf.save(self.estimator, Path(folder) / "estimator.skmaf")
            return skmaf.load(Path(folder) / "estimator.skmaf")

    def step_output(self):
        if hasattr(self.estimator, "set_output"):
            self.estimator.set_output(transform=pick(self.rng, ["default", "pandas", "polars"]))


class TableSession(Session):
    """Steps of estimators that draw and fill rows."""

    def step_score(self):
        X, _ = self.rows(self.n_scored)
        score = self.call(self.estimator.score, X)
        self.check(score is None or np.isfinite(score), "score: not finite")

    def step_sample(self):
        is_complete = bool(self.rng.random() < 0.5)
        n = int(self.rng.integers(1, 20))
        drawn = self.call(self.estimator.sample, n, random_state=0, complete=is_complete)
        self.check_drawn(drawn, n, is_complete)

    def check_drawn(self, drawn, n, is_complete):
        if drawn is None:
            return
        self.check(drawn.shape[0] == n, f"sample: {drawn.shape} for {n} rows")
        if is_complete:
            self.check(not pd.isna(as_objects(drawn)).any(), "sample: a missing cell")
        self.check(self.scores(drawn, None) is not None, "sample: its rows are refused")

    def step_impute(self):
        X, _ = self.rows(2)
        filled = self.call(self.estimator.impute, X, n_draws=2, random_state=0)
        if filled is not None:
            cells = as_objects(filled)
            self.check(len(cells) == 2 * n_rows_of(X), "impute: other rows")
            self.check(not pd.isna(cells).any(), "impute: a missing cell")

    def step_words(self):
        if self.is_fitted:
            self.call(lambda: [str(relation) for relation in self.estimator.relations_])
            self.call(lambda: self.estimator.ranges_)
            self.call(lambda: repr(self.estimator))


class MAFSession(TableSession):
    def make_estimator(self):
        return MAFDensity(**flow_parameters(self.rng))

    def step_transform(self):
        X, _ = self.rows(self.n_scored)
        Z = self.call(self.estimator.transform, X)
        if Z is None:
            return
        Z = np.asarray(Z)
        if not self.estimator.codec_.has_missing:
            self.check(np.isfinite(Z).all(), "transform: not finite")
        names = self.call(self.estimator.get_feature_names_out)
        self.check(names is not None and len(set(names)) == Z.shape[1], "names: not one each")
        whole = Z[np.isfinite(Z).all(axis=1)]
        if len(whole):
            back = self.call(self.estimator.inverse_transform, whole)
            self.check(back is not None and len(as_objects(back)) == len(whole), "inverse: refused")
        Z = self.rng.standard_normal((5, Z.shape[1])) * 10.0 ** self.rng.integers(0, 9)
        back = self.call(self.estimator.inverse_transform, Z)
        if back is not None:
            self.check(not pd.isna(as_objects(back)).any(), "inverse_transform: a missing cell")


class MultiscaleSession(TableSession):
    change = staticmethod(multiscale_change)

    def make_estimator(self):
        return MultiscaleDensity(**SMALL, random_state=0)


class ConditionalSession(Session):
    n_scored = 20

    def make_target(self):
        self.y = make_targets(self.rng, self.n_rows)

    def make_estimator(self):
        return ConditionalMAFDensity(**flow_parameters(self.rng))

    def scores(self, X, y, estimator=None):
        scores = self.call((estimator or self.estimator).score_samples, X, y)
        self.check_scores(scores, X)
        return scores

    def step_score_without_targets(self):
        X, _ = self.rows(2)
        self.check_scores(self.call(self.estimator.score_samples, X), X)

    def step_predict(self):
        X, _ = self.rows(5)
        means = self.call(self.estimator.predict, X)
        self.check(means is None or np.isfinite(means).all(), "predict: not finite")

    def step_quantiles(self):
        X, _ = self.rows(5)
        q = np.sort(self.rng.random(4))
        quantiles = self.call(self.estimator.predict_quantiles, X, q)
        if quantiles is not None:
            # a row of quantiles for each target of each row; frames have them side by side
            quantiles = np.asarray(quantiles, dtype=float).reshape(-1, len(q))
            self.check(np.isfinite(quantiles).all(), "predict_quantiles: not finite")
            self.check((np.diff(quantiles, axis=-1) >= 0).all(), "predict_quantiles: they cross")

    def step_interval(self):
        X, _ = self.rows(5)
        ends = self.call(self.estimator.predict_interval, X, float(self.rng.random()))
        if ends is not None:
            ends = np.asarray(ends, dtype=float).reshape(-1, 2)
            self.check(np.isfinite(ends).all(), "predict_interval: not finite")
            self.check((ends[:, 0] <= ends[:, 1]).all(), "predict_interval: ends cross")

    def step_sample(self):
        X, _ = self.rows(5)
        drawn = self.call(self.estimator.sample, X, 3, random_state=0)
        if drawn is not None:
            self.check(drawn.shape[:2] == (n_rows_of(X), 3), f"sample: shape {drawn.shape}")
            self.check(np.isfinite(drawn).all(), "sample: not finite")


class ClassifierSession(Session):
    def make_target(self):
        self.y = make_classes(self.rng, self.n_rows)

    def make_estimator(self):
        return MAFClassifier(**flow_parameters(self.rng))

    def step_predict(self):
        X, _ = self.rows(self.n_scored)
        proba = self.call(self.estimator.predict_proba, X)
        if proba is None:
            return
        self.check(np.isfinite(proba).all(), "predict_proba: not finite")
        self.check(np.allclose(proba.sum(axis=1), 1), "predict_proba: does not add up to 1")
        labels = self.call(self.estimator.predict, X)
        self.check(
            set(labels.tolist()) <= set(self.estimator.classes_.tolist()), "predict: no class"
        )

    def step_score(self):
        X, y = self.rows(self.n_scored)
        score = self.call(self.estimator.score, X, y)
        self.check(score is None or 0 <= score <= 1, "score: no share")

    def step_sample(self):
        drawn = self.call(self.estimator.sample, 7, random_state=0, complete=True)
        if drawn is not None:
            X, y = drawn
            self.check(len(y) == n_rows_of(X) == 7, "sample: wrong number of rows")
            self.check(not pd.isna(as_objects(X)).any(), "sample: a missing cell")
            self.check(self.scores(X, None) is not None, "sample: its rows are refused")


class DetectorSession(Session):
    change = staticmethod(detector_change)

    def run(self):
        """Take the steps; the default densities are trained for a moment, too."""
        with ExitStack() as patches:
            for name in ("LONG", "SHORT"):
                patches.enter_context(patch.object(detector_defaults, name, 2))
            super().run()

    def make_estimator(self):
        rng = self.rng
        densities = [
            MultiscaleDensity(**SMALL),
            MAFDensity(**flow_parameters(rng)),
            MAFDensity(**{**SMALL, "early_stopping": False, "n_layers": 1}),
            None,
        ]
        return DensityOutlierDetector(pick(rng, densities), n_folds=2, random_state=0)

    def step_predict(self):
        X, _ = self.rows(self.n_scored)
        decision = self.call(self.estimator.decision_function, X)
        self.check(decision is None or np.isfinite(decision).all(), "decision: not finite")
        labels = self.call(self.estimator.predict, X)
        self.check(labels is None or set(labels.tolist()) <= {-1, 1}, "predict: no label")

    def step_p_values(self):
        X, _ = self.rows(self.n_scored)
        p = self.call(self.estimator.p_values, X)
        self.check(p is None or ((p > 0) & (p <= 1)).all(), "p_values: not in (0, 1]")
        self.call(self.estimator.select, X, fdr=0.2)

    def step_explain(self):
        X, _ = self.rows(3)
        found = self.call(self.estimator.counterfactuals, X)
        if found is None:
            return
        gains, values = found
        self.check(np.isfinite(gains).all() and (gains >= 0).all(), "explain: gains")
        self.check(not pd.isna(values).any(), "expected_values: a missing cell")
        self.check(gains.shape == values.shape == (n_rows_of(X), as_objects(X).shape[1]), "shape")

    def step_threshold(self):
        self.call(self.estimator.set_threshold, rate=float(self.rng.random()))


SESSIONS = [MAFSession, MultiscaleSession, ConditionalSession, ClassifierSession, DetectorSession]


def same(before, after):
    """Whether scores are equal to the last bit, or refused both times."""
    if before is None or after is None:
        return before is after
    return np.array_equal(before, after)


def is_clear(error):
    """Whether an error was raised by a check, not by what was computed."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    is_ours = frame.filename.startswith(PACKAGE) and frame.line.lstrip().startswith(
        ("raise", 'f"', ")")
    )
    return is_ours or any(part in frame.filename for part in CHECKERS)


def is_for_users(warning):
    """Whether a warning was meant for users, and points at their line."""
    is_expected = issubclass(warning.category, (ConvergenceWarning, UserWarning))
    return is_expected and Path(warning.filename) == Path(__file__)


def template(error):
    """The message of an error without what differs from table to table."""
    text = re.sub(r"'[^']*'|\[[^]]*\]|\{[^}]*\}", "_", str(error))
    return re.sub(r"[-+]?\d[\d.e+-]*", "#", text)[:200]


class TooSlowError(BaseException):
    """A table took longer than `PATIENCE`: a wide one with many missing cells, say."""


def give_up(signum, frame):
    raise TooSlowError


def run_table(seed):
    """Return what happened to the table of a seed."""
    rng = np.random.default_rng(seed)
    start = time.perf_counter()
    session = SESSIONS[seed % len(SESSIONS)](rng)
    signal.signal(signal.SIGALRM, give_up)
    signal.alarm(PATIENCE)
    try:
        session.run()
        is_slow = False
    except TooSlowError:
        is_slow = True
    finally:
        signal.alarm(0)
    return {
        "seed": seed,
        "session": type(session).__name__,
        "rows": session.n_rows,
        "container": type(session.X).__name__,
        "fitted": session.is_fitted,
        "calls": session.n_calls,
        "slow": is_slow,
        "seconds": round(time.perf_counter() - start, 3),
        "refusals": session.refusals,
        "failures": session.failures,
    }


def report(path):
    """Print counts of what a file of results holds."""
    results = [json.loads(line) for line in path.read_text().splitlines()]
    by_session = collections.Counter(result["session"] for result in results)
    failed = [result for result in results if result["failures"]]
    print(f"{len(results)} tables, {sum(result['fitted'] for result in results)} of them fitted")
    print(f"{sum(result['slow'] for result in results)} given up after {PATIENCE} seconds")
    print(f"{sum(result['calls'] for result in results)} calls")
    print(f"{sum(result['seconds'] for result in results) / len(results):.2f} seconds a table")
    print(*[f"{name}: {count}" for name, count in sorted(by_session.items())], sep=", ")
    refusals = collections.Counter(text for result in results for text in result["refusals"])
    print(f"\n{sum(refusals.values())} refusals:")
    print(*[f"{count:6d} {text}" for text, count in refusals.most_common()], sep="\n")
    print(f"\n{len(failed)} tables with failures:")
    print(
        *[f"seed {result['seed']}: {text}" for result in failed for text in result["failures"]],
        sep="\n",
    )


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--n", type=int, default=100, help="number of tables")
    parser.add_argument("--out", type=Path, help="where to add a line for each table")
    parser.add_argument("--report", type=Path, help="print counts of this file, and run nothing")
    options = parser.parse_args()
    if options.report:
        report(options.report)
        return
    torch.set_num_threads(1)
    for seed in range(options.first, options.first + options.n):
        result = run_table(seed)
        for failure in result["failures"]:
            print(f"seed {seed}, {result['session']}: {failure}", flush=True)
        if options.out:
            with options.out.open("a") as file:
                file.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    main()
