"""Explanations: planted cells and pairs are found, and all else is silent."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm
from short_fits import shorten_detector
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import KernelDensity
from sklearn.preprocessing import scale

from skmaf import DensityOutlierDetector, MultiscaleDensity
from skmaf.inference.changes import Search
from skmaf.inference.donors import KEPT_ROWS, OUTSIDE, Donors
from skmaf.inference.explanation import LEARNING_ROWS, Explainer

SMALL = MultiscaleDensity(max_iter=200, hidden_layer_sizes=(64, 64))
DENSITIES = [
    pytest.param(GaussianMixture(1), id="Gaussian"),
    pytest.param(KernelDensity(bandwidth=0.4), id="kernel"),
    pytest.param(SMALL, id="multiscale", marks=pytest.mark.slow),
]


def of_factors(n, n_columns=8, seed=0):
    """Rows of columns that depend on three factors."""
    mixing = np.random.default_rng(100).standard_normal((3, n_columns))
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, 3)) @ mixing + 0.3 * rng.standard_normal((n, n_columns))


def tied(n, seed=0):
    """Six columns of one factor, of which the first two say nearly the same."""
    rng = np.random.default_rng(seed)
    factor = rng.standard_normal(n)
    X = factor[:, None] + 0.3 * rng.standard_normal((n, 6))
    X[:, 1] = X[:, 0] + 0.1 * rng.standard_normal(n)
    return X


def fit(estimator, X, **parameters):
    parameters = {"n_folds": 2, "random_state": 0, "contamination": 0} | parameters
    return DensityOutlierDetector(estimator, **parameters).fit(X)


@pytest.fixture(scope="module")
def gaussian():
    """A detector around one Gaussian, and rows of it that it has not seen."""
    return fit(GaussianMixture(1), of_factors(500)), of_factors(200, seed=1)


def with_wrong_cells(rows, size, seed=0):
    """Rows with one cell each that is off by so many standard deviations, and which it is."""
    rng = np.random.default_rng(seed)
    altered = rng.integers(rows.shape[1], size=len(rows))
    wrong = rows.copy()
    signs = rng.choice([-1, 1], len(rows))
    wrong[np.arange(len(rows)), altered] += size * signs * rows.std(axis=0)[altered]
    return wrong, altered


@pytest.mark.parametrize("estimator", DENSITIES)
def test_a_wrong_cell_is_the_only_reason(estimator):
    detector = fit(estimator, of_factors(500))
    rows, altered = with_wrong_cells(of_factors(60, seed=1), 3.5)
    wrong = detector.p_values(rows) < 0.02
    assert wrong.sum() > 40
    gains, expected = detector.counterfactuals(rows[wrong])
    cells = np.arange(len(gains)), altered[wrong]
    assert np.mean((gains[cells] > 0) & ((gains > 0).sum(axis=1) == 1)) >= 0.9
    away = np.abs(expected[cells] - of_factors(60, seed=1)[wrong][cells])
    assert np.median(away) < 0.6  # where the cell was; columns have a deviation of 1 to 2.5


@pytest.mark.parametrize("estimator", DENSITIES)
def test_normal_rows_are_silent(estimator):
    detector = fit(estimator, of_factors(500))
    n_cells = (detector.explain(of_factors(200, seed=1)) > 0).sum(axis=1)
    assert np.mean(n_cells == 0) >= 0.85 and np.mean(n_cells <= 1) >= 0.9


@pytest.mark.parametrize("estimator", DENSITIES)
def test_a_pair_that_is_odd_together(estimator):
    """The two agree with each other, so neither can change alone."""
    detector = fit(estimator, tied(600))
    rows = tied(50, seed=1)
    rows[:, :2] -= (2.5 * np.sign(rows[:, 2:].mean(axis=1)))[:, None]
    rows = rows[detector.p_values(rows) < 0.05]
    assert len(rows) > 40
    gains = detector.explain(rows)
    assert np.mean(((gains > 0) == [True, True, *[False] * 4]).all(axis=1)) >= 0.85
    if isinstance(estimator, GaussianMixture):
        np.testing.assert_array_equal(gains[:, 0], gains[:, 1])


def test_independent_wrong_cells_are_no_pair(gaussian):
    """Each gains for itself, the worse first."""
    detector, rows = gaussian
    rows = rows[:40].copy()
    rows[:, 0] += 15
    rows[:, 3] += 25
    gains = detector.explain(rows)
    assert np.mean((gains[:, 3] > gains[:, 0]) & (gains[:, 0] > 0)) >= 0.9
    assert np.mean((gains > 0).sum(axis=1) == 2) >= 0.8


@pytest.mark.parametrize("contamination", [0.2, 0.1])
def test_outliers_in_training_do_not_make_cells_silent(contamination):
    """Their gains are not those of chance."""
    X = of_factors(500)
    X[::10, 2] += 20
    detector = fit(GaussianMixture(2), X, contamination=contamination)
    rows, altered = with_wrong_cells(of_factors(40, seed=1), 6)
    assert np.mean(detector.explain(rows)[np.arange(40), altered] > 0) >= 0.9


def test_rows_gain_what_their_cells_gain_together(gaussian):
    detector, rows = gaussian
    rows, _ = with_wrong_cells(rows, 3)
    gains, expected = detector.counterfactuals(rows)
    assert (gains > 0).any()
    np.testing.assert_allclose(
        detector.score_samples(expected) - detector.score_samples(rows),
        gains.sum(axis=1),
        atol=1e-9,
    )
    np.testing.assert_array_equal(detector.explain(rows), gains)
    np.testing.assert_array_equal(detector.expected_values(rows), expected)


def test_expected_values_are_those_of_training_rows(gaussian):
    detector, rows = gaussian
    X = of_factors(500)
    rows, _ = with_wrong_cells(rows, 3)
    gains, expected = detector.counterfactuals(rows)
    np.testing.assert_array_equal(expected[gains == 0], rows[gains == 0])
    for j in range(X.shape[1]):
        assert np.isin(expected[gains[:, j] > 0, j], X[:, j]).all()


def test_units_and_the_order_of_columns_do_not_matter(gaussian):
    detector, rows = gaussian
    rows, _ = with_wrong_cells(rows[:40], 4)
    order = [2, 0, 1, 7, 6, 5, 4, 3]
    units = np.array([1e3, 1, 1e-2, 1, 1, 1, 1, 1])
    other = fit(GaussianMixture(1), of_factors(500)[:, order] * units)
    theirs = other.explain(rows[:, order] * units)
    mine = detector.explain(rows)[:, order]
    assert np.mean(((theirs > 0) == (mine > 0)).all(axis=1)) >= 0.9
    np.testing.assert_allclose(theirs.max(axis=1), mine.max(axis=1), rtol=0.2, atol=5)


def test_a_likely_row_needs_no_reasons(gaussian):
    detector, _ = gaussian
    mode = detector.estimators_[0].means_
    gains, expected = detector.counterfactuals(mode)
    assert (gains == 0).all()
    np.testing.assert_array_equal(expected, mode)


def test_a_row_that_is_odd_as_a_whole_has_no_reasons():
    """No few cells would make it normal."""
    detector = fit(GaussianMixture(1), np.random.default_rng(0).standard_normal((500, 20)))
    rows = np.random.default_rng(1).choice([-1.9, 1.9], (20, 20))
    assert (detector.p_values(rows) < 0.02).all()
    assert np.mean(detector.explain(rows) > 0) < 0.02


def test_a_row_of_many_columns(gaussian):
    """The cost does not grow with the columns: few variants of each row are scored."""
    X = of_factors(300, 300)
    rows = of_factors(3, 300, seed=1)
    rows[:, 7] += 15
    mean = X.mean(axis=0)
    precision = np.linalg.inv(np.cov(X.T) + 0.1 * np.eye(300))
    n_scored = 0

    def log_prob(variants, owners):
        nonlocal n_scored
        n_scored += len(variants)
        centred = variants - mean
        return -0.5 * np.einsum("ij,jk,ik->i", centred, precision, centred)

    held_out = [np.arange(100)]
    explainer = Explainer.learn(X, log_prob, held_out, np.median(log_prob(X, None)))
    n_scored = 0
    gains, _ = explainer.counterfactuals(log_prob, rows)
    assert n_scored < 3 * 200
    assert (gains.argmax(axis=1) == 7).all() and (gains[:, 7] > 100).all()


def test_owners_are_those_of_the_rows(gaussian):
    """Each variant differs from its owner in few cells, in `learn` and for rows that are asked."""
    detector, rows = gaussian
    X = of_factors(500)
    rows, _ = with_wrong_cells(np.vstack([rows, rows]), 4)
    asked = set()

    def score(table):
        def log_prob(variants, owners):
            assert len(variants) == len(owners)
            assert ((variants != table[owners]).sum(axis=1) <= 6).all()
            asked.update(owners.tolist())
            return detector.score_samples(variants)

        return log_prob

    held_out = [np.arange(3, 300, 7), np.arange(1, 500, 7)]
    typical = np.median(detector.score_samples(X))
    explainer = Explainer.learn(X, score(X), held_out, typical)
    assert asked <= set(np.concatenate(held_out).tolist()) and len(asked) == LEARNING_ROWS
    asked.clear()
    explainer.counterfactuals(score(rows), rows)
    assert asked == set(range(len(rows)))


def test_folds_learn_from_rows_that_they_have_not_seen():
    """Nearest neighbours know a row that they have seen, and all that it holds."""

    class Seen(KernelDensity):
        def fit(self, X):
            self.rows_ = X
            return self

        def score_samples(self, X):
            return -np.abs(X[:, None] - self.rows_).sum(axis=2).min(axis=1)

    detector = fit(Seen(), of_factors(100, 3))
    gains = detector.explain(of_factors(50, 3, seed=1))
    assert np.mean((gains > 0).any(axis=1)) < 0.3


def test_cells_of_any_kind():
    """Integers where training rows are real, categories, missing cells, a name that is twice."""
    rng = np.random.default_rng(0)
    kind = rng.choice(["a", "b"], 200)
    number = np.where(kind == "a", 0.5, 7.5) + 0.1 * rng.normal(size=200)
    frame = pd.DataFrame(
        {"number": number, "kind": pd.Categorical(kind), "void": np.nan, "text": [None, *kind[1:]]}
    )
    frame.columns = ["number", "kind", "same", "same"]

    def log_prob(rows, owners):
        assert list(rows) == list(frame) and rows.iloc[:, 1].dtype == "category"
        wanted = np.where(rows.iloc[:, 1] == "a", 0.5, 7.5)
        return -np.abs(rows.iloc[:, 0].astype(float) - wanted).to_numpy()

    rows = frame[kind == "a"].head(3).copy()
    rows["number"] = [8, 8, 8]
    rows.iloc[2, 3] = None
    explainer = Explainer.learn(frame, log_prob, [np.arange(200)], -0.1)
    gains, expected = explainer.counterfactuals(log_prob, rows)
    assert (gains[:, 0] > 7).all() and (gains[:, 1:] == 0).all()
    assert (np.abs(expected[0] - 0.5) < 0.4).all() and list(expected[1]) == ["a"] * 3
    assert pd.isna(expected[2]).all() and expected[3][2] == "a"  # as the row is without the 8


@pytest.mark.parametrize("unit", ["ns", "us"])
def test_dates_and_durations_are_expected_as_such(unit):
    """Beside categories, where they are objects, in whatever unit pandas keeps them."""
    rng = np.random.default_rng(0)
    day = pd.Timestamp("2021-01-01") + pd.to_timedelta(rng.integers(0, 90, 60), unit="D")
    frame = pd.DataFrame({"day": day, "stay": day - day[0], "kind": rng.choice(["a", "b"], 60)})
    frame = frame.astype({"day": f"datetime64[{unit}]", "stay": f"timedelta64[{unit}]"})
    quick = MultiscaleDensity(max_iter=2, hidden_layer_sizes=(8,))
    detector = fit(quick, frame)
    assert detector.expected_values(frame[:5]).dtypes.equals(frame.dtypes)
    expected = detector.counterfactuals(frame[:5])[1]
    assert all(isinstance(cell, pd.Timestamp) for cell in expected[:, 0])
    assert all(isinstance(cell, pd.Timedelta) for cell in expected[:, 1])
    np.testing.assert_array_equal(pd.DataFrame(expected)[2], frame["kind"][:5])


@pytest.mark.parametrize("as_frame", [True, False])
def test_a_wrong_category(as_frame):
    """Among categories that say the same: of the rows as they are, and as numbers."""
    rng = np.random.default_rng(0)
    kind = rng.choice(["ant", "bee", "cow"], 400)
    X = pd.DataFrame({"kind": kind, "legs": np.where(kind == "cow", "four", "six")})
    X["size"] = (kind == "cow") * 5 + rng.normal(size=400)
    rows = X[kind == "cow"].head(5).assign(kind="bee")
    if as_frame:
        detector = fit(SMALL, X)
    else:
        detector = DensityOutlierDetector(random_state=0, n_folds=2)
        with pytest.MonkeyPatch.context() as patch:
            shorten_detector(patch, 40)
            detector.fit(X)
    gains, expected = detector.counterfactuals(rows)
    assert (gains[:, 0] > 0).all() and (gains > 0).sum() <= 6  # one row may have another reason
    assert (expected[:, 0] == "cow").all()


def test_a_category_that_training_rows_lack():
    frame = pd.DataFrame({"kind": pd.Categorical(["a", "b"] * 50), "number": np.arange(100.0)})
    rows = pd.DataFrame({"kind": pd.Categorical(["c"]), "number": [50.0]})

    def log_prob(variants, owners):
        return np.where(variants["kind"] == "c", -10.0, 0.0)

    explainer = Explainer.learn(frame, log_prob, [np.arange(100)], 0.0)
    gains, values = explainer.counterfactuals(log_prob, rows)
    assert gains.tolist() == [[10.0, 0.0]] and values[0][0] in ("a", "b")


def test_missing_cells_get_likely_values(gaussian):
    """At no gain, and given the other cells."""
    X = of_factors(400)
    holed = X.copy()
    holed[::5, 1] = np.nan
    detector = fit(SMALL, holed)
    rows = of_factors(30, seed=1)
    truth = rows[:, 1].copy()
    rows[:, 1] = np.nan
    gains, expected = detector.counterfactuals(rows)
    assert (gains[:, 1] == 0).all()
    assert np.isin(expected[:, 1], X[:, 1]).all()
    assert np.corrcoef(expected[:, 1], truth)[0, 1] > 0.8


def test_integers_have_real_counterfactuals():
    detector = fit(KernelDensity(bandwidth=0.4), of_factors(200, 3))
    rows = np.array([[1, 1, 9]])
    assert detector.explain(rows) == pytest.approx(detector.explain(rows.astype(float)))
    assert detector.explain(rows)[0, 2] > 0 and detector.expected_values(rows)[0, 2] % 1 != 0


def test_progress_is_for_the_verbose(gaussian, capsys, monkeypatch):
    detector, rows = gaussian
    monkeypatch.setattr("skmaf.inference.explanation.BAR_DELAY", 0)
    detector.explain(rows[:3])
    assert capsys.readouterr().err == ""
    detector = DensityOutlierDetector(GaussianMixture(1), n_folds=2, verbose=True).fit(rows)
    capsys.readouterr()
    detector.explain(rows[:3])
    assert "3/3" in capsys.readouterr().err


# the values that are offered


def test_normal_scores_do_not_depend_on_units_and_are_bounded():
    X = np.exp(of_factors(101, 2))
    scores = Donors.learn(X).encode(X)
    np.testing.assert_allclose(scores, Donors.learn(np.log(X)).encode(np.log(X)))
    assert scores.mean() == pytest.approx(0, abs=1e-9) and 0.9 < scores.std() < 1.1
    beyond = norm.ppf(101.5 / 102)
    [[far, farther]] = Donors.learn(X).encode(X.max(axis=0)[None] * [1.5, 1e300])
    assert scores.max() < beyond < far < farther == pytest.approx(OUTSIDE * beyond)


def test_donors_are_few_and_as_the_table_is():
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"grid": rng.integers(0, 5, 3000), "text": rng.choice(["a", "b"], 3000)})
    donors = Donors.learn(X)
    assert len(donors.rows) == KEPT_ROWS and donors.categorical.tolist() == [False, True]
    assert [len(values) for values in donors.values] == [5, 2]
    assert Donors.learn(X[["grid"]], [True]).categorical.tolist() == [True]


def test_candidates_come_from_rows_that_are_like_the_others():
    """A cell of a second column is wrong, too; it does not decide."""
    X = of_factors(500)
    donors = Donors.learn(X)
    rows = of_factors(20, seed=1)
    truth = rows[:, 0].copy()
    rows[:, 0] = 0.5 * X.min(axis=0)[0] + 0.5 * X.max(axis=0)[0]
    rows[:, 5] += 30
    away = []
    for z, value in zip(donors.encode(rows), truth):
        candidates = donors.candidates(z, donors.squares(z), 0)
        assert len(set(candidates)) == len(candidates) <= 6
        away.append(np.abs(X[candidates, 0] - value).min())
    assert np.median(away) < 0.5 * X[:, 0].std()


def test_a_pair_gains_in_a_normal_law_what_the_inverse_says():
    donors = Donors.learn(of_factors(300))
    z = donors.encode(of_factors(1, seed=1))[0]
    slopes = donors.precision @ z
    for pair in [(0, 1), (2, 7)]:
        cells = list(pair)
        within = donors.precision[np.ix_(cells, cells)]
        expected = 0.5 * slopes[cells] @ np.linalg.solve(within, slopes[cells])
        assert donors.linear_gains_of_pairs(z)[pair] == pytest.approx(expected)


def test_better_values_are_looked_for_beside_the_best():
    X = np.linspace(0, 1, 400)[:, None] ** 2
    search = Search(
        Donors.learn(X),
        lambda rows, owners: -np.abs(rows[:, 0] - 0.4) * 100,
        np.array([[0.9]]),
        np.array([0]),
    )
    [trial] = search.single(np.array([0]), 1)
    search.accept(trial)
    assert abs(search.values()[0][0] - 0.4) < 0.05 and search.scores[0] > -5


PLANTED = {
    "breast cancer": lambda: load_breast_cancer().data[:, [0, 1, 4, 5, 8, 9]],
    "wine": lambda: load_wine().data[:, :7],
    "diabetes": lambda: load_diabetes().data[:, [0, 2, 3, 4, 5, 8]],
}


@pytest.mark.parametrize(
    "estimator",
    [
        pytest.param(GaussianMixture(1), id="Gaussian"),
        pytest.param(None, id="default", marks=pytest.mark.slow),
    ],
)
@pytest.mark.parametrize("name", PLANTED)
def test_an_altered_cell_ranks_first(name, estimator):
    """Of the rows that the alteration makes outliers, at least nine in ten."""
    X = scale(PLANTED[name]())
    rng = np.random.default_rng(0)
    order = rng.permutation(len(X))
    detector = DensityOutlierDetector(estimator, contamination=0, n_folds=2, random_state=0)
    detector = detector.fit(X[order[:130]])
    rows = X[order[130:]][:16]
    rows = rows[detector.p_values(rows) > 0.1]
    altered = rng.integers(X.shape[1], size=len(rows))
    rows[np.arange(len(rows)), altered] += rng.choice([-4, 4], len(rows))
    detectable = detector.p_values(rows) < 0.02
    assert detectable.sum() >= 3
    first = detector.explain(rows[detectable]).argmax(axis=1)
    assert np.mean(first == altered[detectable]) >= 0.9
