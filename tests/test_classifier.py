"""MAFClassifier: closed forms, probabilities that mean what they say, and classes of all kinds."""

import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.special import logsumexp
from scipy.stats import kstest, norm
from sklearn.base import clone
from sklearn.datasets import load_digits, load_iris
from sklearn.exceptions import NotFittedError
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV, cross_val_score

from skmaf import MAFClassifier
from skmaf.classifier import RATIO_SPREAD, TOTAL_SPREAD, _class_log_probs, best_powers

# a short max_iter, on purpose
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

SHARE = 0.3  # of the class True


def small(**parameters):
    defaults = {
        "n_layers": 2,
        "hidden_layer_sizes": (16,),
        "n_bins": 4,
        "max_iter": 10,
        "random_state": 0,
    }
    return MAFClassifier(**{**defaults, **parameters})


def two_normals(n, seed=0):
    rng = np.random.default_rng(seed)
    y = rng.random(n) < SHARE
    return np.where(y[:, None], [1, 1], [-1, 0]) + rng.standard_normal((n, 2)) * np.where(
        y[:, None], [1.5, 0.5], 1
    ), y


def log_joint(X):
    """True logarithms of the shares times the densities."""
    no = norm(-1, 1).logpdf(X[:, 0]) + norm(0, 1).logpdf(X[:, 1])
    yes = norm(1, 1.5).logpdf(X[:, 0]) + norm(1, 0.5).logpdf(X[:, 1])
    return np.column_stack([no + np.log(1 - SHARE), yes + np.log(SHARE)])


@pytest.fixture(scope="module")
def fitted():
    """A classifier of two normal distributions, for tests that do not change it."""
    return small(max_iter=100).fit(*two_normals(6000))


class TestClosedForms:
    def test_posterior(self, fitted):
        X, y = two_normals(2000, seed=1)
        joint = log_joint(X)
        posterior = np.exp(joint - logsumexp(joint, axis=1, keepdims=True))
        assert np.abs(fitted.predict_proba(X) - posterior).mean() < 0.04
        assert log_loss(y, fitted.predict_proba(X)) < log_loss(y, posterior) + 0.02
        assert fitted.score(X, y) > (posterior.argmax(axis=1) == y).mean() - 0.02

    def test_density(self, fitted):
        X, _ = two_normals(1000, seed=1)
        wanted = logsumexp(log_joint(X), axis=1)
        assert fitted.score_samples(X).mean() == pytest.approx(wanted.mean(), abs=0.06)
        assert np.corrcoef(fitted.score_samples(X), wanted)[0, 1] > 0.95

    def test_density_integrates_to_one(self, fitted):
        axis = np.linspace(-9, 9, 181)
        X = np.stack(np.meshgrid(axis, axis), -1).reshape(-1, 2)
        p = np.exp(fitted.score_samples(X)).reshape(181, 181)
        assert np.trapezoid(np.trapezoid(p, axis), axis) == pytest.approx(1, abs=0.01)

    def test_prior(self, fitted):
        assert np.exp(fitted.class_log_prior_) == pytest.approx([1 - SHARE, SHARE], abs=0.03)
        assert np.exp(fitted.class_log_prior_).sum() == pytest.approx(1)

    def test_draws_of_a_class(self, fitted):
        X, y = fitted.sample(2000, label=True, random_state=0)
        assert y.all() and X.shape == (2000, 2)
        assert kstest(X[:, 0], norm(1, 1.5).cdf).statistic < 0.06
        assert kstest(X[:, 1], norm(1, 0.5).cdf).statistic < 0.06

    def test_draws_of_all(self, fitted):
        X, y = fitted.sample(3000, random_state=0)
        assert y.dtype == bool and y.mean() == pytest.approx(
            np.exp(fitted.class_log_prior_)[1], abs=0.03
        )
        assert X[y].mean(axis=0) == pytest.approx([1, 1], abs=0.25)
        assert X[~y].mean(axis=0) == pytest.approx([-1, 0], abs=0.15)


class TestProbabilities:
    def test_they_are_bayes_rule(self, fitted):
        X, _ = two_normals(50, seed=1)
        proba = fitted.predict_proba(X)
        assert proba.sum(axis=1) == pytest.approx(1)
        assert np.log(proba) == pytest.approx(fitted.predict_log_proba(X))
        assert (fitted.predict(X) == fitted.classes_[proba.argmax(axis=1)]).all()
        of_both = _class_log_probs(fitted.density_, X), fitted._normals.log_probs(X)
        joint = np.tensordot(fitted.powers_, of_both, 1) + fitted.class_log_prior_
        assert fitted.predict_log_proba(X) == pytest.approx(
            joint - logsumexp(joint, axis=1, keepdims=True)
        )

    def test_far_rows(self, fitted):
        proba = fitted.predict_proba([[1e300, -1e300], [1e9, 0]])
        assert np.isfinite(proba).all() and proba.sum(axis=1) == pytest.approx(1)
        assert np.isfinite(fitted.score_samples([[1e300, -1e300]])).all()
        assert (
            fitted.score_samples([[60.0, 60.0]]) < fitted.score_samples(two_normals(100)[0]).min()
        )

    def loss(self, classifier, X, y, powers=None):
        again = pickle.loads(pickle.dumps(classifier))
        again.powers_ = again.powers_ if powers is None else np.array(powers)
        return log_loss(y, again.predict_proba(X))

    @pytest.mark.slow
    def test_power_tempers_a_wide_table(self):
        rng = np.random.default_rng(0)
        y = rng.integers(0, 2, 1300)
        X = rng.standard_normal((1300, 40))
        X[:, 0] += y
        fit = slice(300)
        rest = slice(300, None)
        classifier = small(early_stopping=False, max_iter=60).fit(X[fit], y[fit])
        assert 0 < classifier.powers_[0] < 0.5
        assert (
            self.loss(classifier, X[rest], y[rest])
            < self.loss(classifier, X[rest], y[rest], powers=(1, 0)) - 0.5
        )
        assert (
            self.loss(classifier, X[rest], y[rest]) < np.log(2) + 0.15
        )  # truly 0.58: it does not do much worse than a guess

    @pytest.mark.slow
    @pytest.mark.parametrize("seed", range(4))
    def test_few_rows_that_are_all_told_apart_do_not_ask_for_certainty(self, seed):
        rng = np.random.default_rng(seed)
        y = rng.integers(0, 2, 1100)
        X = rng.standard_normal((1100, 2))
        X[:, 0] += 4 * y
        classifier = small(max_iter=30, hidden_layer_sizes=(16,)).fit(X[:100], y[:100])
        assert (
            self.loss(classifier, X[100:], y[100:])
            < self.loss(classifier, X[100:], y[100:], powers=(1, 0)) + 0.02
        )

    def test_power_is_near_one_where_the_density_is_right(self, fitted):
        assert 0.7 < fitted.powers_.sum() < 1.4
        assert fitted.powers_[0] > 0.7

    @pytest.mark.parametrize("n_rows", [5, 500])
    def test_powers_are_the_best(self, n_rows):
        rng = np.random.default_rng(0)
        parts = rng.standard_normal((2, n_rows, 3))
        codes = rng.integers(0, 3, n_rows)
        weights = rng.random(n_rows)
        parts[0, np.arange(n_rows), codes] += 1
        prior = np.log([0.2, 0.3, 0.5])

        def loss(powers):
            logits = np.tensordot(powers, parts, 1) + prior
            log_likelihood = weights @ (
                logits[np.arange(n_rows), codes] - logsumexp(logits, axis=1)
            )
            total = np.log(powers.sum()) / TOTAL_SPREAD
            ratio = np.log(powers[1] / powers[0]) / RATIO_SPREAD
            return (total**2 + ratio**2) / 2 - log_likelihood

        powers = best_powers(parts, codes, weights, prior)
        for other in [
            (1.05, 1),
            (0.95, 1),
            (1, 1.05),
            (1, 0.95),
            (1.1, 0.9),
            (0.9, 1.1),
            (0.5, 2),
            (2, 0.5),
        ]:
            assert loss(powers) < loss(powers * other)
        assert n_rows == 5 or powers[0] > 0.7 > 0.3 > powers[1]  # truly 1 and 0

    def test_calibration_on_fresh_rows(self, fitted):
        X, y = two_normals(4000, seed=2)
        proba = fitted.predict_proba(X)[:, 1]
        for low in [0, 0.2, 0.4, 0.6, 0.8]:
            some = (low <= proba) & (proba < low + 0.2)
            assert y[some].mean() == pytest.approx(
                proba[some].mean(), abs=0.03 + 3 * 0.5 / some.sum() ** 0.5
            )


class TestClasses:
    @pytest.mark.parametrize("names", [["no", "yes"], [-1, 1], [0.0, 2.0], [7, 3]])
    def test_names(self, names):
        X, y = two_normals(200)
        labels = np.array(names)[y.astype(int)]
        classifier = small().fit(X, labels)
        assert classifier.classes_.tolist() == sorted(names)
        assert classifier.predict(X).dtype == labels.dtype
        assert classifier.score(X, labels) > 0.75
        of_yes = classifier.predict_proba(X)[:, classifier.classes_.tolist().index(names[1])]
        assert of_yes[y].mean() > 0.6 and of_yes[~y].mean() < 0.3
        assert (classifier.sample(3, label=names[0], random_state=0)[1] == names[0]).all()

    @pytest.mark.slow
    @pytest.mark.parametrize(
        "make",
        [list, lambda y: pd.Series(y, index=np.arange(100)[::-1]), lambda y: y.astype(object)],
    )
    def test_forms(self, make):
        X, y = two_normals(100)
        y = np.where(y, "yes", "no")
        assert (small().fit(X, make(y)).predict(X) == small().fit(X, y).predict(X)).all()

    def test_one_class(self):
        X, _ = two_normals(60)
        classifier = small().fit(X, np.full(60, "only"))
        assert (classifier.predict_proba(X) == 1).all() and (classifier.predict(X) == "only").all()
        assert classifier.powers_.tolist() == [1, 0]
        assert classifier.class_log_prior_.tolist() == [0]

    @pytest.mark.slow
    @pytest.mark.parametrize("place", [0, 20, 40, 59])
    def test_class_of_one_row(self, place):
        X, y = two_normals(60)
        y = np.where(np.arange(60) == place, 2, y)
        classifier = small().fit(X, y)
        proba = classifier.predict_proba(X)
        assert proba.shape == (60, 3) and np.isfinite(proba).all()
        assert np.exp(classifier.class_log_prior_[2]) == pytest.approx(1 / 60)
        assert (classifier.sample(4, label=2, random_state=0)[1] == 2).all()

    def test_every_row_its_class(self):
        X, _ = two_normals(8)
        assert small().fit(X, np.arange(8)).predict_proba(X).sum(axis=1) == pytest.approx(1)

    @pytest.mark.parametrize("label", ["maybe", 2, None])
    def test_unknown_label(self, fitted, label):
        if label is None:
            assert len(fitted.sample(5, label=None)[0]) == 5
            return
        with pytest.raises(ValueError, match=f"label={label!r} is no class; there are"):
            fitted.sample(5, label=label)

    def test_weights_change_the_prior(self):
        X, y = two_normals(300)
        plain = small().fit(X, y)
        weighted = small().fit(X, y, sample_weight=np.where(y, 0.9, 0.1))
        share = y.mean() * 0.9 / (y.mean() * 0.9 + (1 - y.mean()) * 0.1)
        assert np.exp(weighted.class_log_prior_[1]) == pytest.approx(share)
        assert weighted.predict_proba(X)[:, 1].mean() > plain.predict_proba(X)[:, 1].mean() + 0.2

    def test_counts_are_repeated_rows(self):
        X, y = two_normals(80)
        counts = 1 + np.arange(80) % 3
        one = small().fit(X, y, sample_weight=counts)
        other = small().fit(X.repeat(counts, axis=0), y.repeat(counts))
        assert (one.predict_proba(X) == other.predict_proba(X)).all()

    @pytest.mark.parametrize("as_list", [False, True])
    def test_rows_without_weight_are_not_there(self, as_list):
        X, y = two_normals(80)
        far = np.where(np.arange(80)[:, None] < 60, X, 1e9)
        labels = np.where(np.arange(80) < 60, y.astype(int), 2)
        weights = (np.arange(80) < 60).astype(float)
        classifier = small().fit(far.tolist() if as_list else far, labels, sample_weight=weights)
        assert classifier.classes_.tolist() == [0, 1]
        assert (
            classifier.predict_proba(X) == small().fit(X[:60], labels[:60]).predict_proba(X)
        ).all()


class TestTables:
    def frame(self, n=300):
        rng = np.random.default_rng(0)
        y = rng.random(n) < 0.5
        frame = pd.DataFrame(
            {
                "colour": np.where(rng.random(n) < 0.15, ~y, y).astype(int),
                "size": np.where(rng.random(n) < 0.3, np.nan, rng.standard_normal(n) + y),
                "count": rng.poisson(2 + 3 * y),
            }
        )
        return frame.assign(colour=frame["colour"].map({0: "red", 1: "blue"})), y

    def test_categories_and_missing_cells(self):
        X, y = self.frame(600)
        classifier = small(max_iter=40).fit(X[:300], y[:300])
        assert classifier.score(X[300:], y[300:]) > 0.85
        drawn, classes = classifier.sample(20, random_state=0)
        assert (
            list(drawn) == list(X)
            and set(drawn["colour"]) <= {"red", "blue"}
            and len(classes) == 20
        )
        with pytest.warns(UserWarning, match="'green'.*fit did not see"):
            proba = classifier.predict_proba(X[:5].assign(colour="green"))
        assert proba.sum(axis=1) == pytest.approx(1)
        nothing = X[:3].assign(size=np.nan)
        assert np.isfinite(classifier.predict_proba(nothing)).all()

    def test_a_row_of_missing_cells_has_the_prior(self):
        X, y = self.frame()
        X = X.assign(
            colour=X["colour"].where(np.arange(300) % 3 > 0),
            count=X["count"].where(np.arange(300) % 4 > 0),
        )
        classifier = small().fit(X, y)
        row = pd.DataFrame({"colour": [None], "size": [np.nan], "count": [np.nan]})
        assert classifier.predict_proba(row)[0] == pytest.approx(
            np.exp(classifier.class_log_prior_)
        )
        assert classifier.score_samples(row) == pytest.approx(0)

    def test_missing_cells_where_fit_saw_none(self, fitted):
        with pytest.raises(ValueError, match="Column 1 contains NaN in 1 of 1 rows"):
            fitted.predict([[0, np.nan]])

    @pytest.mark.slow
    @pytest.mark.parametrize("seed", range(6))
    def test_column_that_hardly_any_row_has(self, seed):
        X, y = two_normals(60)
        X[2:, 1] = np.nan
        classifier = small(validation_fraction=0.5, random_state=seed).fit(X, y)
        assert np.isfinite(classifier.predict_proba(X)).all()

    def test_single_precision(self):
        X, y = two_normals(200)
        one = small().fit(X.astype(np.float32), y)
        assert one.predict_proba(X.astype(np.float32)) == pytest.approx(
            small().fit(X, y).predict_proba(X), abs=0.02
        )

    @pytest.mark.slow
    def test_constant_and_many_columns(self):
        rng = np.random.default_rng(0)
        y = np.arange(150) % 2
        X = np.column_stack(
            [y + 0.3 * rng.standard_normal(150), np.ones(150), rng.standard_normal((150, 298))]
        )
        assert small().fit(X[:, :2], y).score(X[:, :2], y) > 0.9
        assert np.isfinite(small(max_iter=3).fit(X, y).predict_log_proba(X)).all()

    def test_columns_that_are_all_constant(self):
        classifier = small(max_iter=2).fit(np.ones((60, 2)), np.arange(60) % 3 == 0)
        proba = classifier.predict_proba([[1, 1], [1, 7]])
        assert proba == pytest.approx(np.tile([2 / 3, 1 / 3], (2, 1)))
        assert (classifier.sample(3, random_state=0)[0] == 1).all()

    def test_column_that_is_constant_in_a_class(self):
        X, y = two_normals(200)
        X[~y, 1] = 0
        classifier = small(max_iter=30).fit(X, y)
        assert classifier.score(X, y) > 0.97

    @pytest.mark.slow
    @pytest.mark.parametrize(
        "family, bijector",
        [("realnvp", "auto"), ("nice", "auto"), ("made", "mixture"), ("iaf", "auto")],
    )
    def test_families(self, family, bijector):
        X, y = two_normals(600)
        classifier = small(
            family=family,
            bijector=bijector,
            n_layers="auto" if family == "made" else 2,
            max_iter=30,
        )
        assert classifier.fit(X[:400], y[:400]).score(X[400:], y[400:]) > 0.83


class TestData:
    @pytest.mark.slow
    def test_digits(self):
        X, y = load_digits(return_X_y=True)
        order = np.random.default_rng(0).permutation(len(X))
        X = X[order]
        y = y[order]
        classifier = small(max_iter=25, batch_size=64, hidden_layer_sizes=(32,)).fit(
            X[:1000], y[:1000]
        )
        assert classifier.score(X[1000:], y[1000:]) > 0.94
        assert log_loss(y[1000:], classifier.predict_proba(X[1000:])) < 0.25
        assert classifier.powers_.min() > 0.05  # both densities have their say

    @pytest.mark.slow
    def test_model_selection(self):
        X, y = load_iris(return_X_y=True)
        assert cross_val_score(small(max_iter=30), X, y, cv=3).mean() > 0.85
        search = GridSearchCV(
            small(), {"hidden_layer_sizes": [(4,), (16,)]}, cv=3, scoring="neg_log_loss"
        ).fit(X, y)
        assert search.best_score_ == max(search.cv_results_["mean_test_score"]) > -0.4
        assert search.predict_proba(X).shape == (150, 3)


class TestBadInput:
    @pytest.mark.parametrize(
        "y, message",
        [
            (None, "requires y to be passed, but the target y is None"),
            (np.zeros(9), "inconsistent numbers of samples"),
            (np.linspace(0, 1.5, 50), "Unknown label type: continuous"),
            (np.where(np.arange(50) == 3, np.nan, 1.0), "NaN"),
            (
                np.array(["yes", "no"] * 24 + ["no", None], dtype=object),
                "NaN or None, first in row 49",
            ),
            (np.array(["yes", 1] * 25, dtype=object), "Some labels in y are strings"),
            (np.zeros((50, 2)), "1d array"),
        ],
    )
    def test_targets(self, y, message):
        with pytest.raises(ValueError, match=message):
            small().fit(two_normals(50)[0], y)

    def test_columns(self, fitted):
        for method in [fitted.predict, fitted.predict_proba, fitted.score_samples]:
            with pytest.raises(
                ValueError, match="X has 3 features, but MAFClassifier is expecting 2"
            ):
                method(np.zeros((4, 3)))

    @pytest.mark.parametrize("family", ["planar", "radial"])
    def test_families_without_a_context(self, family):
        with pytest.raises(ValueError, match=f"family='{family}' takes no context"):
            small(family=family).fit(*two_normals(50))

    @pytest.mark.parametrize("n", [2, 3])
    def test_too_few_rows(self, n):
        with pytest.raises(ValueError, match="4 rows at least"):
            small().fit(two_normals(n)[0], np.arange(n) % 2)

    @pytest.mark.parametrize("validation_fraction", ["auto", 0.99])
    def test_few_rows(self, validation_fraction):
        X, _ = two_normals(4)
        classifier = small(validation_fraction=validation_fraction).fit(X, [0, 1, 0, 1])
        assert classifier.predict_proba(X).sum(axis=1) == pytest.approx(1)

    def test_not_fitted(self):
        for method in ["predict", "predict_proba", "predict_log_proba", "score_samples", "sample"]:
            with pytest.raises(NotFittedError):
                getattr(small(), method)(*[two_normals(3)[0]] * (method != "sample"))

    @pytest.mark.parametrize("n_samples", [0, 1.5])
    def test_number_of_draws(self, fitted, n_samples):
        with pytest.raises(ValueError, match="n_samples must be a positive integer"):
            fitted.sample(n_samples)


class TestEstimator:
    def test_pickle_and_clone(self, fitted):
        X, _ = two_normals(20, seed=1)
        assert (
            pickle.loads(pickle.dumps(fitted)).predict_proba(X) == fitted.predict_proba(X)
        ).all()
        assert clone(fitted).get_params() == fitted.get_params() and not hasattr(
            clone(fitted), "flow_"
        )

    def test_same_seed_same_results(self):
        X, y = two_normals(100)
        one = small(random_state=3).fit(X, y)
        other = small(random_state=3).fit(X, y)
        assert (one.predict_proba(X) == other.predict_proba(X)).all()
        assert (one.sample(9, random_state=1)[0] == other.sample(9, random_state=1)[0]).all()
        assert (one.sample(9, random_state=1)[0] != one.sample(9, random_state=2)[0]).any()

    def test_order_of_rows_does_not_matter(self):
        X, y = two_normals(100)
        order = np.random.default_rng(0).permutation(100)
        assert small().fit(X[order], y[order]).predict_proba(X) == pytest.approx(
            small().fit(X, y).predict_proba(X)
        )

    def test_rows_one_by_one(self, fitted):
        X, _ = two_normals(5, seed=1)
        for method in [fitted.predict_proba, fitted.score_samples]:
            assert np.concatenate([method(row[None]) for row in X]) == pytest.approx(
                method(X), rel=1e-9
            )

    def test_global_generators_are_left_alone(self):
        X, y = two_normals(60)
        np.random.seed(0)
        torch.manual_seed(0)
        before = np.random.get_state()[1].copy(), torch.get_rng_state()
        small(random_state=None).fit(X, y).sample(3)
        assert (np.random.get_state()[1] == before[0]).all() and (
            torch.get_rng_state() == before[1]
        ).all()

    def test_warm_start(self):
        X, y = two_normals(300)
        classifier = small(warm_start=True).fit(X, y)
        first = classifier.best_validation_score_
        n_first = classifier.n_iter_
        classifier.fit(X, y)
        assert classifier.n_iter_ > n_first and classifier.best_validation_score_ >= first
        with pytest.raises(ValueError, match="y holds other classes than in the last fit"):
            classifier.fit(X, y + np.arange(300) % 2)

    def test_failed_warm_start_changes_nothing(self):
        X, y = two_normals(100)
        classifier = small(warm_start=True).fit(X, y)
        before = classifier.predict_proba(X)
        with pytest.raises(ValueError):
            classifier.fit(X, y.astype(int) + 5)
        assert (classifier.predict_proba(X) == before).all()
