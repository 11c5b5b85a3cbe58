"""A warning points at the user's line, through however many layers of libraries it comes."""

import inspect
import warnings

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skmaf import _warnings
from skmaf._torch import isolated_torch
from skmaf._warnings import warn_user

X = np.arange(12.0).reshape(6, 2)
Y = np.array([0, 1, 0, 1, 0, 1])


@pytest.fixture
def library():
    """An estimator that warns in `fit`, in a module whose name says that it is skmaf's."""
    namespace = {
        "__name__": "skmaf.made_for_this_test",
        "warn_user": warn_user,
        "isolated_torch": isolated_torch,
        "BaseEstimator": BaseEstimator,
        "ClassifierMixin": ClassifierMixin,
    }
    source = """
class Warner(ClassifierMixin, BaseEstimator):
    def __init__(self, power=1):
        self.power = power

    @isolated_torch()
    def fit(self, X, y=None):
        self.classes_ = [0, 1]
        self.deeper()
        return self

    def deeper(self):
        warn_user("look here", RuntimeWarning)

    def predict(self, X):
        return [0] * len(X)
"""
    exec(compile(source, "<skmaf>", "exec"), namespace)
    return namespace["Warner"]


def test_the_line_and_the_category():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warn_user("a message")  # this line belongs to no library
        line = inspect.currentframe().f_lineno - 1
    (warning,) = caught
    assert (warning.filename, warning.lineno) == (__file__, line)
    assert warning.category is UserWarning
    assert str(warning.message) == "a message"


@pytest.mark.parametrize("way", ["bare", "pipeline", "search"])
def test_through_scikit_learn(library, way):
    estimator = {
        "bare": library(),
        "pipeline": make_pipeline(StandardScaler(), library()),
        "search": GridSearchCV(
            make_pipeline(StandardScaler(), library()), {"warner__power": [1, 2]}, cv=2
        ),
    }[way]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        estimator.fit(X, Y)
        line = inspect.currentframe().f_lineno - 1
    assert len(caught) == (5 if way == "search" else 1)
    for warning in caught:
        assert (warning.filename, warning.lineno) == (__file__, line)
        assert warning.category is RuntimeWarning


def test_where_every_frame_is_of_a_library(monkeypatch):
    """The outermost line then has to do."""

    class Everything:
        def __contains__(self, name):
            return True

    monkeypatch.setattr(_warnings, "LIBRARIES", Everything())
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warn_user("a message")
    assert str(caught[0].message) == "a message"
    assert caught[0].filename != __file__


def test_once_for_each_line_of_the_user(library):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        for _ in range(3):
            library().fit(X)
        library().fit(X)
    assert len(caught) == 2
