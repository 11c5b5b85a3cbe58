"""TrainingDisplay: how the likelihood rose in training."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from .axes import one_axes, pyplot, styled

FIRST = 0.2  # share of the epochs that may lie below the axes
MARGIN = 0.05  # above and below the curves, in their range


class TrainingDisplay:
    """How the likelihood of training rows, and of rows held out, rose in training.

    Use `TrainingDisplay.from_estimator` to make one. Both curves are log-likelihoods per row, in
    nats: that of the training rows is minus the loss. Where it goes on rising while the other one
    falls, the flow learns its rows by heart; the weights that are kept are those of the epoch that
    is marked.

    Parameters
    ----------
    loss_curve : array-like of shape (n_epochs,)
        Mean negative log-likelihood of the training rows in each epoch.
    validation_scores : array-like of shape (n_epochs,), default=()
        Mean log-likelihood of rows held out after each epoch; empty without such.
    best_validation_score : float or None, default=None
        That of the weights that were kept.

    Attributes
    ----------
    loss_line_ : Line2D
        Minus the loss.
    validation_line_ : Line2D or None
    best_epoch_ : int or None
        The epoch, from 1 on, of the weights that were kept. None if there is no such: where a warm
        start made nothing better, and where discrete columns were trained by themselves, whose
        best epoch is another.
    best_line_ : Line2D or None
        Marks the epoch, or else the score.
    ax_ : Axes
    figure_ : Figure

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skmaf import MAFDensity, TrainingDisplay
    >>> density = MAFDensity(n_layers=2, hidden_layer_sizes=(16,), random_state=0)
    >>> display = TrainingDisplay.from_estimator(density.fit(load_iris().data))
    >>> display.best_epoch_ <= density.n_iter_
    True
    """

    def __init__(
        self,
        *,
        loss_curve: Sequence[float],
        validation_scores: Sequence[float] = (),
        best_validation_score: float | None = None,
    ):
        self.loss_curve = loss_curve
        self.validation_scores = validation_scores
        self.best_validation_score = best_validation_score

    @classmethod
    def from_estimator(cls, estimator: Any, *, ax: Any = None, **kwargs: Any) -> "TrainingDisplay":
        """Draw the curves of a fitted estimator.

        Parameters
        ----------
        estimator : estimator
            Fitted, with ``loss_curve_``; a density, a classifier, or one of ``estimators_`` of a
            detector.
        ax : Axes, default=None
            Where to draw; None makes a new figure.
        **kwargs
            Properties of both curves, for ``plot`` of matplotlib.

        Returns
        -------
        display : TrainingDisplay

        Raises
        ------
        ValueError
            If the estimator keeps no curve of its training.
        ImportError
            If matplotlib is not installed.
        """
        pyplot(f"{cls.__name__}.from_estimator")
        check_is_fitted(estimator)
        if not hasattr(estimator, "loss_curve_"):
            several = hasattr(estimator, "estimators_")
            remedy = "estimators_[0]" if several else "an estimator that has, such as MAFDensity"
            raise ValueError(f"{type(estimator).__name__} has no loss_curve_: give {remedy}.")
        display = cls(
            loss_curve=estimator.loss_curve_,
            validation_scores=getattr(estimator, "validation_scores_", ()),
            best_validation_score=getattr(estimator, "best_validation_score_", None),
        )
        return display.plot(ax, **kwargs)

    def plot(self, ax: Any = None, **kwargs: Any) -> "TrainingDisplay":
        """Draw the curves.

        Parameters
        ----------
        ax : Axes, default=None
            Where to draw; None makes a new figure.
        **kwargs
            Properties of both curves, for ``plot`` of matplotlib.

        Returns
        -------
        self : TrainingDisplay
        """
        from matplotlib.lines import Line2D

        ax = one_axes(ax, f"{type(self).__name__}.plot")
        curves = [-np.asarray(self.loss_curve, dtype=float)]
        if len(self.validation_scores):
            curves.append(np.asarray(self.validation_scores, dtype=float))
        lines = []
        for curve, name in zip(curves, ["training rows", "held-out rows"]):
            # a single epoch would be a line without length
            defaults = {"label": name, "marker": "o" if len(curve) == 1 else None}
            style = styled(defaults, kwargs, Line2D)
            lines += ax.plot(np.arange(1, len(curve) + 1), curve, **style)
        self.loss_line_ = lines[0]
        self.validation_line_ = lines[1] if len(lines) > 1 else None
        self.best_epoch_ = self._best_epoch()
        self.best_line_ = self._mark_best(ax, lines[-1].get_color())
        ax.set(xlabel="epoch", ylabel="log-likelihood per row, nats")
        ax.set_xlim(0, max(map(len, curves)) + 1)
        ax.xaxis.get_major_locator().set_params(integer=True)
        _limit(ax, curves)
        ax.legend()
        self.ax_ = ax
        self.figure_ = ax.figure
        return self

    def _best_epoch(self) -> int | None:
        """Return the last epoch whose score is that of the weights that were kept."""
        is_best = np.asarray(self.validation_scores) == self.best_validation_score
        return int(np.flatnonzero(is_best)[-1]) + 1 if is_best.any() else None

    def _mark_best(self, ax: Any, colour: Any) -> Any:
        """Mark the epoch of the weights that were kept, or else their score."""
        if self.best_validation_score is None:
            return None
        style = {"color": colour, "linestyle": ":"}
        score = f"{self.best_validation_score:.4g} nats"
        if self.best_epoch_ is None:
            return ax.axhline(self.best_validation_score, label=f"kept: {score}", **style)
        label = f"kept: epoch {self.best_epoch_}, {score}"
        return ax.axvline(self.best_epoch_, label=label, **style)


def _limit(ax: Any, curves: list[np.ndarray]) -> None:
    """Leave the first epochs below the axes where they are so low that nothing else is seen."""
    later = np.concatenate([curve[int(FIRST * len(curve)) :] for curve in curves])
    lowest = later.min()
    highest = max(curve.max() for curve in curves)
    extent = highest - lowest
    if lowest - min(curve.min() for curve in curves) > 2 * extent > 0:
        ax.set_ylim(lowest - extent, highest + MARGIN * extent)
