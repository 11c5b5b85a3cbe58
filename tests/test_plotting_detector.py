"""Pictures of scores and of explanations show the numbers that they should."""

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_iris
from sklearn.ensemble import IsolationForest
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import KernelDensity

from skmaf import DensityOutlierDetector, ExplanationDisplay, ScoreDisplay


@pytest.fixture(scope="module")
def iris():
    return load_iris(as_frame=True).data


@pytest.fixture(scope="module")
def detector(iris):
    return DensityOutlierDetector(KernelDensity(bandwidth=0.3), random_state=0).fit(iris)


def values_of(bars):
    return np.asarray(bars.get_data().values)


def test_bars_are_shares_of_the_scores(pyplot, detector, iris):
    display = ScoreDisplay.from_estimator(detector, iris)
    scores = detector.score_samples(iris)
    edges = display.bars_[0].get_data().edges
    counts, _ = np.histogram(np.clip(scores, edges[0], edges[-1]), edges)
    np.testing.assert_allclose(values_of(display.bars_[0]), counts / 150)
    assert counts.sum() == 150
    # the rows of fit, which are the same
    np.testing.assert_allclose(values_of(display.calibration_bars_), counts / 150)


def test_the_threshold_is_where_it_is(pyplot, detector, iris):
    display = ScoreDisplay.from_estimator(detector, iris)
    assert list(display.threshold_line_.get_xdata()) == [detector.offset_] * 2
    below = (detector.predict(iris) == -1).mean()
    assert f"{below:.1%} below" in display.threshold_line_.get_label()


def test_p_values_are_where_scores_have_them(pyplot, detector, iris):
    display = ScoreDisplay.from_estimator(detector, iris)
    axis = display.p_value_axis_
    ticks = dict(zip(axis.get_xticks(), [label.get_text() for label in axis.get_xticklabels()]))
    assert "0.05" in ticks.values() and axis.get_xlabel() == "p-value"
    for score, label in ticks.items():
        below, above = detector.calibration_.p_values(np.array([score - 1e-5, score + 1e-5]))
        assert below <= float(label) < above
    # 1 / 151 is the finest
    assert min(display.p_value_scores) == 0.01


def test_marks_of_p_values_do_not_run_into_each_other(pyplot):
    scores = np.linspace(0, 1, 1001)
    p_values = np.linspace(0.001, 1, 1001)
    display = ScoreDisplay.from_predictions(scores, p_values=p_values)
    shown = np.sort(display.p_value_axis_.get_xticks())
    assert len(display.p_value_scores) == 5 and 2 <= len(shown) < 5
    assert (np.diff(shown) > 0.05).all()
    assert display.p_value_scores[0.5] == pytest.approx(0.5, abs=0.01)


def test_classes_are_told_apart(pyplot, detector, iris):
    odd = iris[:10] + 9
    y = np.r_[np.ones(150), -np.ones(10)]
    display = ScoreDisplay.from_estimator(detector, pd.concat([iris, odd]), y)
    names = [bars.get_label() for bars in display.bars_]
    assert names == ["outliers (-1), 10", "inliers (+1), 150"]
    for bars in display.bars_:
        assert values_of(bars).sum() == pytest.approx(1)
    assert values_of(display.bars_[0]).argmax() < values_of(display.bars_[1]).argmax()
    assert display.ax_.get_ylabel() == "share of the rows of a class"


@pytest.mark.parametrize(
    "y, names",
    [
        (["spam", "ham", None, "ham"], ["ham, 2", "spam, 1", "without a label, 1"]),
        ([True, False, True, True], ["False, 1", "True, 3"]),
        ([0, 1, 0, 0], ["0, 3", "inliers (+1), 1"]),
        (np.array([1, "a", 2, "a"], dtype=object), ["inliers (+1), 1", "2, 1", "a, 2"]),
    ],
)
def test_labels_of_any_kind(pyplot, y, names):
    display = ScoreDisplay.from_predictions([1.0, 2, 3, 4], y=y)
    assert [bars.get_label() for bars in display.bars_] == names


def test_scores_that_are_far_too_low_are_counted(pyplot):
    scores = np.append(np.random.default_rng(0).normal(size=500), [-1e300, -4000.0])
    display = ScoreDisplay.from_predictions(scores, -2.0)
    edges = display.bars_[0].get_data().edges
    assert edges[0] > -30 and np.diff(edges).min() > 0.05
    assert values_of(display.bars_[0])[0] == pytest.approx(2 / 502)
    assert "2 rows lower, down to -1e+300" in display.ax_.get_xlabel()


def test_the_threshold_is_always_seen(pyplot):
    for threshold in (-100.0, 100.0):
        display = ScoreDisplay.from_predictions([1.0, 2, 3], threshold)
        low, high = display.ax_.get_xlim()
        assert low < threshold < high
        assert display.p_value_axis_ is None and display.calibration_bars_ is None


@pytest.mark.parametrize("scores", [[3.0], [2.0, 2.0], [0.0]])
def test_one_score(pyplot, scores):
    display = ScoreDisplay.from_predictions(scores)
    assert values_of(display.bars_[0]).sum() == 1
    assert display.bars_[0].get_label() == ("1 row" if len(scores) == 1 else "2 rows")


def test_scores_of_other_estimators(pyplot, iris):
    forest = IsolationForest(n_estimators=5, random_state=0).fit(iris)
    display = ScoreDisplay.from_estimator(forest, iris)
    assert display.threshold_line_.get_xdata()[0] == forest.offset_
    display = ScoreDisplay.from_estimator(KernelDensity().fit(iris), iris, color="C2")
    assert display.threshold_line_ is None and display.p_value_axis_ is None
    assert display.bars_[0].get_facecolor()[:3] == pytest.approx((0.173, 0.627, 0.173), abs=0.01)


@pytest.mark.parametrize(
    "scores, more, message",
    [
        ([], {}, "finite numbers in one dimension"),
        ([[1.0]], {}, "finite numbers in one dimension"),
        ([1.0, np.nan], {}, "finite numbers in one dimension"),
        ([1.0, 2.0], {"y": [1]}, "inconsistent numbers of samples"),
        ([1.0, 2.0], {"p_values": [1]}, "inconsistent numbers of samples"),
        (np.arange(20.0), {"y": np.arange(20)}, "20 different labels, of which 10 can"),
        ([1.0, 2.0], {"y": [[1], [2]]}, "one label for each row"),
    ],
)
def test_scores_that_cannot_be_shown(scores, more, message):
    with pytest.raises(ValueError, match=message):
        ScoreDisplay.from_predictions(scores, **more)


# ExplanationDisplay


def labels_of(display):
    return [label.get_text() for label in display.ax_.get_yticklabels()]


@pytest.fixture(scope="module")
def odd(iris):
    row = iris.iloc[0].copy()
    row["petal length (cm)"] = 6.0
    return row


def test_bars_are_the_gains(pyplot, detector, odd):
    display = ExplanationDisplay.from_estimator(detector, odd)
    row = odd.to_frame().T
    gains = detector.explain(row).to_numpy()[0]
    expected = detector.expected_values(row).iloc[0, 2]
    widths = [bar.get_width() for bar in display.bars_]
    np.testing.assert_allclose(widths, gains[gains > 0])
    assert display.features_.tolist() == [2]
    assert labels_of(display) == [f"petal length (cm)\n6 → {expected:.6g}"]
    score = detector.score_samples(row)[0]
    title = f"log-density {score:.1f} → {score + gains.sum():.1f}; threshold {detector.offset_:.1f}"
    assert display.ax_.get_title() == title


def test_a_row_that_needs_no_reasons(pyplot, detector, iris):
    usual = detector.score_samples(iris).argmax()
    display = ExplanationDisplay.from_estimator(detector, iris.iloc[[usual]])
    assert len(display.bars_) == 0 and labels_of(display) == []
    assert "explains this row" in display.ax_.texts[0].get_text()
    assert "→" not in display.ax_.get_title()


SHOWN = {
    "gains": [0.0, 2.5, 7.0, 2.5, 0.0],
    "observed": [1.0, 1e6, "red", pd.Timestamp("2021-03-01"), None],
    "expected": [1.0, 0.123456789, "blue", pd.Timestamp("2021-03-02 12:30"), 4.0],
    "feature_names": ["a", "b", "c", "d", "e"],
}


def test_bars_are_in_order_with_values_as_people_write_them(pyplot):
    display = ExplanationDisplay(**SHOWN).plot()
    assert display.features_.tolist() == [2, 1, 3]
    assert [bar.get_width() for bar in display.bars_] == [7.0, 2.5, 2.5]
    assert labels_of(display) == [
        "c\nred → blue",
        "b\n1000000 → 0.123457",
        "d\n2021-03-01 → 2021-03-02 12:30:00",
    ]
    low, high = display.ax_.get_ylim()
    assert low > high  # the largest on top
    assert display.ax_.get_xlabel().endswith("missing: e")


def test_a_pair_has_a_bracket(pyplot):
    display = ExplanationDisplay(**SHOWN).plot()
    assert display.pairs_ == [(1, 3)]
    assert display.brackets_[0].get_ydata().tolist() == [1, 1, 2, 2]
    assert "pair" in [text.get_text() for text in display.ax_.texts]
    assert max(display.brackets_[0].get_xdata()) < display.ax_.get_xlim()[1]


def test_a_pair_that_a_detector_finds(pyplot):
    """Two cells agree with each other, and neither with the four others."""
    rng = np.random.default_rng(0)
    factor = rng.standard_normal((600, 1))
    X = factor + 0.3 * rng.standard_normal((600, 6))
    X[:, 1] = X[:, 0] + 0.1 * rng.standard_normal(600)
    mixture = GaussianMixture(random_state=0)
    detector = DensityOutlierDetector(mixture, n_folds=2, contamination=0, random_state=0).fit(X)
    display = ExplanationDisplay.from_estimator(detector, [-1.5, -1.5, 1.0, 1.0, 1.0, 1.0])
    assert display.pairs_ == [(0, 1)] and len(display.brackets_) == 1
    widths = [bar.get_width() for bar in display.bars_]
    assert widths[0] == widths[1] > 0


def test_many_missing_cells_are_counted(pyplot):
    display = ExplanationDisplay(gains=np.zeros(30), observed=[None] * 30, expected=[1] * 30)
    assert display.plot().ax_.get_xlabel().endswith("missing: x0, x1, x2, x3 and 26 more")


def test_the_figure_is_as_high_as_the_bars_need(pyplot):
    heights = []
    for n in (1, 3, 30):
        shown = ExplanationDisplay(
            gains=np.arange(1.0, n + 1), observed=range(n), expected=range(n)
        )
        heights.append(shown.plot().figure_.get_figheight())
    assert heights[0] < heights[1] < heights[2]


def test_rows_of_messy_tables(pyplot, flats):
    """Categories, dates, durations and truth values are shown in their own form."""
    X = flats.drop(columns="since").assign(stay=pd.to_timedelta(np.arange(200) % 9 + 1, unit="D"))
    from skmaf import MultiscaleDensity

    quick = MultiscaleDensity(max_iter=20, hidden_layer_sizes=(8,), random_state=0)
    detector = DensityOutlierDetector(quick, n_folds=2, contamination=0, random_state=0).fit(X)
    row = X.iloc[4].copy()
    row["stay"] = pd.Timedelta("90D")
    display = ExplanationDisplay.from_estimator(detector, row)
    assert any(label.startswith("stay\n90 days") for label in labels_of(display))
    assert all("days" in label for label in labels_of(display) if label.startswith("stay"))


def test_rows_that_cannot_be_explained(detector, iris):
    with pytest.raises(ValueError, match="row holds 2 rows: give one"):
        ExplanationDisplay.from_estimator(detector, iris[:2])
    forest = IsolationForest(n_estimators=5).fit(iris)
    with pytest.raises(ValueError, match="explains no rows: give a DensityOutlierDetector"):
        ExplanationDisplay.from_estimator(forest, iris[:1])
