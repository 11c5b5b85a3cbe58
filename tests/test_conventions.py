"""scikit-learn's conventions beyond its checks: routing, seeds, output, containers, messages."""

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.sparse import csr_array
from short_fits import shorten_detector
from sklearn import config_context
from sklearn.base import BaseEstimator, clone
from sklearn.exceptions import UnsetMetadataPassedError
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import KernelDensity
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import get_tags

from skmaf import (
    ConditionalMAFDensity,
    DensityEnsemble,
    DensityOutlierDetector,
    MAFClassifier,
    MAFDensity,
    MultiscaleDensity,
)

SMALL = {
    "n_layers": 1,
    "hidden_layer_sizes": (8,),
    "max_iter": 3,
    "early_stopping": False,
}
SEEDED = {**SMALL, "random_state": 0}


@pytest.fixture(scope="module")
def X():
    return np.random.default_rng(0).standard_normal((60, 2))


@pytest.fixture(scope="module")
def messy(X):
    """A table whose cells are of several kinds, some of them missing."""
    frame = pd.DataFrame(X.copy(), columns=["a", "b"])
    frame["kind"] = np.where(X[:, 0] > 0, "up", "down")
    frame.loc[::4, "b"] = np.nan
    frame.loc[1::5, "kind"] = None
    return frame


# random states


@pytest.mark.slow
def test_the_seed_of_a_detector_reaches_its_estimator(X):
    def scores(estimator, random_state):
        detector = DensityOutlierDetector(estimator, random_state=random_state)
        return detector.fit(X).score_samples(X)

    for estimator in [MAFDensity(**SMALL), make_pipeline(StandardScaler(), MAFDensity(**SMALL))]:
        assert np.array_equal(scores(estimator, 0), scores(estimator, 0))
        assert not np.array_equal(scores(estimator, 0), scores(estimator, 1))
    detector = DensityOutlierDetector(MAFDensity(**SMALL), random_state=3).fit(X)
    assert [estimator.random_state for estimator in detector.estimators_] == [3, 4, 5, 6, 7]


def test_an_estimator_keeps_the_seed_that_it_has(X):
    detector = DensityOutlierDetector(MAFDensity(**SEEDED), random_state=3).fit(X)
    assert [estimator.random_state for estimator in detector.estimators_] == [0] * 5


# one way for all estimators in the detector


def in_pipeline(density):
    return make_pipeline("passthrough", density)


@pytest.mark.slow
@pytest.mark.parametrize("weighted", [False, True])
def test_a_pipeline_and_the_bare_density_go_the_same_way(messy, weighted):
    weights = np.linspace(0.5, 2, len(messy)) if weighted else None
    detectors = [
        DensityOutlierDetector(density, random_state=0).fit(messy, sample_weight=weights)
        for density in (MAFDensity(**SEEDED), in_pipeline(MAFDensity(**SEEDED)))
    ]
    bare, pipeline = detectors
    np.testing.assert_array_equal(bare.score_samples(messy), pipeline.score_samples(messy))
    np.testing.assert_array_equal(bare.p_values(messy), pipeline.p_values(messy))
    np.testing.assert_array_equal(bare.explain(messy[:3]), pipeline.explain(messy[:3]))
    assert bare.offset_ == pipeline.offset_


@pytest.mark.parametrize("make", [clone, in_pipeline, make_pipeline])
def test_folds_know_the_categories_and_missing_cells_of_the_whole_table(X, make):
    frame = pd.DataFrame(X.copy(), columns=["a", "b"]).assign(kind="often")
    frame.loc[7, "kind"] = "once"
    frame.loc[9, "b"] = np.nan
    detector = DensityOutlierDetector(make(MAFDensity(**SEEDED)), random_state=0).fit(frame)
    bare = DensityOutlierDetector(MAFDensity(**SEEDED), random_state=0).fit(frame)
    assert all(estimator.codec_.has_missing for estimator in bare.estimators_)
    np.testing.assert_array_equal(detector.score_samples(frame), bare.score_samples(frame))


def test_rows_of_another_byte_order(X):
    big_endian = X.astype(">f8")
    for estimator in [MAFDensity(**SEEDED), KernelDensity()]:
        detector = DensityOutlierDetector(estimator, random_state=0)
        expected = detector.fit(X).score_samples(X)
        np.testing.assert_array_equal(detector.fit(big_endian).score_samples(big_endian), expected)
        assert np.isfinite(detector.explain(big_endian[:2])).all()


def test_rows_in_lists(X):
    detector = DensityOutlierDetector(KernelDensity(), random_state=0).fit(X.tolist())
    values = detector.expected_values([[50, 50], [0, 0]])
    assert values.dtype == np.float64 and np.isfinite(values).all()


def test_no_log_density_of_a_detector_is_infinite(X):
    narrow = KernelDensity(kernel="tophat", bandwidth=0.5)
    detector = DensityOutlierDetector(narrow, random_state=0).fit(X)
    assert detector.score_samples([[50.0, 50.0]]) == -1e300
    assert (detector.explain([[50.0, 50.0]]) >= 0).all()


# weights


class WithoutWeights(BaseEstimator):
    """A density that takes no weights, and counts its rows."""

    def fit(self, X, y=None):
        self.n_rows_ = len(X)
        return self

    def score_samples(self, X):
        return -(np.asarray(X)[:, 0] ** 2)


@pytest.mark.parametrize("weights", [np.arange(60) % 3, np.linspace(0.1, 3, 60)])
def test_a_pipeline_gets_weights_whatever_their_values(X, weights):
    pipeline = make_pipeline(StandardScaler(with_mean=False, with_std=False), KernelDensity())
    detectors = [
        DensityOutlierDetector(estimator, random_state=0).fit(X, sample_weight=weights)
        for estimator in (KernelDensity(), pipeline)
    ]
    bare, inside = (detector.score_samples(X) for detector in detectors)
    np.testing.assert_allclose(bare, inside)


def test_an_estimator_that_takes_no_weights_is_named(X):
    detector = DensityOutlierDetector(WithoutWeights())
    with pytest.raises(ValueError, match="WithoutWeights takes no sample_weight: fit without"):
        detector.fit(X, sample_weight=np.linspace(1, 2, 60))


def test_routing_hands_weights_to_who_requests_them(X):
    weights = np.arange(60) % 3 + 1
    with config_context(enable_metadata_routing=True):
        asks = DensityOutlierDetector(
            KernelDensity().set_fit_request(sample_weight=True), random_state=0
        ).fit(X, sample_weight=weights)
        refuses = DensityOutlierDetector(
            KernelDensity().set_fit_request(sample_weight=False), random_state=0
        ).fit(X, sample_weight=weights)
        unsure = DensityOutlierDetector(KernelDensity(), random_state=0)
        with pytest.raises(UnsetMetadataPassedError, match="sample_weight"):
            unsure.fit(X, sample_weight=weights)
        # without weights nothing is routed
        unsure.fit(X)
        DensityOutlierDetector(WithoutWeights(), random_state=0).fit(X)
    assert not np.array_equal(asks.score_samples(X), refuses.score_samples(X))
    assert refuses.calibration_.total == pytest.approx(weights.sum())
    # a density that refuses weights sees every row once
    assert max(len(e.tree_.data) for e in refuses.estimators_) <= 60


def test_routing_of_the_default(X, monkeypatch):
    shorten_detector(monkeypatch, 1)
    weights = np.linspace(0.5, 2, 60)
    plain = DensityOutlierDetector(random_state=0).fit(X, sample_weight=weights)
    with config_context(enable_metadata_routing=True):
        routed = DensityOutlierDetector(random_state=0).fit(X, sample_weight=weights)
        assert "sample_weight" in str(routed.get_metadata_routing())
    np.testing.assert_array_equal(plain.score_samples(X), routed.score_samples(X))


# tables


def test_sparse_rows_are_refused_and_not_promised(X):
    for estimator in [None, KernelDensity(), GaussianMixture()]:
        detector = DensityOutlierDetector(estimator)
        assert not get_tags(detector).input_tags.sparse
        with pytest.raises(TypeError, match="[Ss]parse"):
            detector.fit(csr_array(X))


def test_tags_follow_the_family():
    for family, takes_all in [("maf", True), ("nice", True), ("planar", False), ("radial", False)]:
        tags = get_tags(MAFDensity(family=family)).input_tags
        assert (tags.allow_nan, tags.string, tags.categorical) == (takes_all,) * 3


@pytest.mark.parametrize(
    "estimator",
    [
        MAFDensity(**SEEDED),
        MultiscaleDensity(max_iter=3, hidden_layer_sizes=(8,), random_state=0),
        DensityEnsemble(MAFDensity(**SEEDED), 2),
        DensityOutlierDetector(KernelDensity()),
        DensityOutlierDetector(MAFDensity(**SEEDED)),
        DensityOutlierDetector(),
    ],
)
def test_what_is_no_table_is_refused_by_what_to_do(estimator):
    polars = pytest.importorskip("polars")
    frame = polars.DataFrame({"a": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0], "b": [0.0, 1.0] * 3})
    with pytest.raises(ValueError, match="to_frame"):
        clone(estimator).fit(frame["a"])
    if not isinstance(estimator, MAFDensity):  # which reads such tables in blocks
        with pytest.raises(ValueError, match="collect"):
            clone(estimator).fit(frame.lazy())
    if isinstance(estimator, MAFDensity):
        fitted = clone(estimator).fit(frame)
        with pytest.raises(ValueError, match="collect"):
            fitted.transform(frame.lazy())


def test_targets_may_be_tensors(X):
    y = torch.tensor(X[:, 0], requires_grad=True)
    density = ConditionalMAFDensity(**SEEDED)
    of_tensor = density.fit(X, y).score_samples(X, y)
    np.testing.assert_array_equal(of_tensor, density.fit(X, X[:, 0]).score_samples(X, X[:, 0]))
    classes = torch.tensor((X[:, 0] > 0).astype(int))
    classifier = MAFClassifier(**SEEDED)
    of_tensor = classifier.fit(X, classes).predict_proba(X)
    np.testing.assert_array_equal(of_tensor, classifier.fit(X, classes.numpy()).predict_proba(X))
    assert 0 <= classifier.score(torch.tensor(X), classes) <= 1


@pytest.mark.parametrize("estimator", [None, MAFDensity(**SEEDED)])
def test_the_messages_of_a_detector_name_itself(X, monkeypatch, estimator):
    shorten_detector(monkeypatch, 1)
    detector = DensityOutlierDetector(estimator, random_state=0).fit(X)
    message = "X has 1 features, but DensityOutlierDetector is expecting 2 features as input"
    with pytest.raises(ValueError, match=message):
        detector.score_samples(X[:, :1])
    with pytest.warns(UserWarning, match="but DensityOutlierDetector was fitted without"):
        detector.predict(pd.DataFrame(X, columns=["a", "b"]))


# output


def test_names_out_are_unique(X):
    zeros = np.where(X[:, 0] > 0, X[:, 0], 0.0)
    frame = pd.DataFrame({"a": zeros, "a_code": X[:, 1], "a_code_": X[:, 0]})
    names = MAFDensity(**SEEDED).fit(frame).get_feature_names_out()
    assert sorted(names) == ["a", "a_code", "a_code_", "a_code__"]


def test_inverse_transform_keeps_the_index(X):
    frame = pd.DataFrame(X, columns=["a", "b"], index=np.arange(100, 160))
    density = MAFDensity(**SEEDED).set_output(transform="pandas").fit(frame)
    Z = density.transform(frame)
    back = density.inverse_transform(Z)
    assert Z.index.equals(frame.index) and back.index.equals(frame.index)
    np.testing.assert_allclose(back, frame, atol=1e-5)


def test_a_classifier_draws_rows_in_the_chosen_container(X):
    frame = pd.DataFrame(X.copy(), columns=["a", "b"])
    classifier = MAFClassifier(**SEEDED).fit(frame, X[:, 0] > 0)
    assert isinstance(classifier.sample(3, random_state=0)[0], pd.DataFrame)
    drawn, _ = classifier.set_output(transform="polars").sample(3, random_state=0)
    assert type(drawn).__module__.startswith("polars") and drawn.columns == ["a", "b"]
    arrays = MAFClassifier(**SEEDED).fit(X, X[:, 0] > 0)
    assert isinstance(arrays.sample(3, 0)[0], np.ndarray)
    drawn, _ = arrays.set_output(transform="pandas").sample(3, 0)
    assert list(drawn.columns) == ["x0", "x1"]


def test_a_seed_is_not_taken_for_a_class(X):
    classifier = MAFClassifier(**SEEDED).fit(X, (X[:, 0] > 0).astype(int))
    rows, classes = classifier.sample(30, 0)
    again, same = classifier.sample(30, random_state=0)
    np.testing.assert_array_equal(rows, again)
    assert set(classes) == {0, 1} and np.array_equal(classes, same)
    with pytest.raises(TypeError):
        classifier.sample(30, 0, 1)


def test_names_of_an_earlier_fit_are_forgotten(X):
    density = MAFDensity(**SEEDED).fit(pd.DataFrame(X, columns=["a", "b"]))
    assert list(density.feature_names_in_) == ["a", "b"]
    assert not hasattr(density.fit(X), "feature_names_in_")
