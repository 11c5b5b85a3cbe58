"""DensityOutlierDetector for PyOD: its names, and its sign, by which outliers have high scores."""

from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from ._validation import tagged
from .outlier import DensityOutlierDetector

try:
    from pyod.models.base import BaseDetector
except ImportError as error:
    raise ImportError("skmaf.pyod needs PyOD: pip install 'skmaf[pyod]'.") from error

__all__ = ["DensityDetector"]


class DensityDetector(BaseDetector):
    """`DensityOutlierDetector` as a detector of PyOD [1]_.

    Scores are negative log-densities, so that outliers have high ones. The rows of `fit` are scored
    by the densities that have not seen them.

    Parameters
    ----------
    detector : DensityOutlierDetector, default=None
        What is fitted; None is ``DensityOutlierDetector()``. Its own threshold has no say.
    contamination : float, default=0.1
        Share of the rows of `fit`, in (0, 0.5], that PyOD's threshold calls outliers; or one of
        PyOD's thresholding objects. It has no say in the scores: ``contamination`` of ``detector``
        has.
    random_state : int, RandomState instance or None, default=None
        Given to ``detector``, unless that has its own.

    Attributes
    ----------
    detector_ : DensityOutlierDetector
        The fitted detector, with p-values and reasons in the sign of skmaf.
    decision_scores_ : ndarray of shape (n_samples,)
        The scores of the rows of `fit`, in nats.
    threshold_ : float
        The score above which a row is an outlier.
    labels_ : ndarray of shape (n_samples,)
        1 for outliers among the rows of `fit`, and else 0.

    References
    ----------
    .. [1] Zhao, Nasrullah and Li (2019). PyOD: a Python toolbox for scalable outlier detection.
           Journal of Machine Learning Research 20.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skmaf import DensityOutlierDetector, MultiscaleDensity
    >>> from skmaf.pyod import DensityDetector
    >>> X = load_iris().data
    >>> quick = DensityOutlierDetector(MultiscaleDensity(max_iter=20), n_folds=2)
    >>> detector = DensityDetector(quick, contamination=0.1, random_state=0).fit(X)
    >>> int(detector.labels_.sum())
    15
    """

    def __init__(self, detector: Any = None, *, contamination: Any = 0.1, random_state: Any = None):
        super().__init__(contamination=contamination)
        self.detector = detector
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> "DensityDetector":
        """Fit the densities, and PyOD's threshold.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            As `DensityOutlierDetector.fit` takes it, categories and missing cells included.
        y : None
            Ignored.

        Returns
        -------
        self : DensityDetector

        Raises
        ------
        ValueError
            As `DensityOutlierDetector.fit`.
        """
        detector = DensityOutlierDetector() if self.detector is None else clone(self.detector)
        if detector.random_state is None:
            detector.set_params(random_state=self.random_state)
        detector.fit(X)
        self._set_n_classes(y)
        self.detector_ = detector
        self.decision_scores_ = -detector.score_samples(X)
        self._process_decision_scores()
        return self

    def decision_function(self, X: Any) -> np.ndarray:
        """Scores of rows: the higher, the more abnormal.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        scores : ndarray of shape (n_samples,)
            Negative log-densities, in nats.
        """
        check_is_fitted(self, ["decision_scores_", "threshold_", "labels_"])
        return -self.detector_.score_samples(X)

    def __sklearn_tags__(self) -> Tags:
        return tagged(super().__sklearn_tags__())
