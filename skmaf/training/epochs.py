"""What is known after an epoch, or a step, of training."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Epoch:
    """An epoch that has ended, as callbacks are told of it.

    A fit trains the probabilities of discrete columns, if there are such, and then the density of
    the others; of few rows it may train several flows, of which it keeps one. Each training counts
    its epochs from 1.

    Attributes
    ----------
    number : int
        From 1 on.
    max_iter : int
        The last number that there can be.
    part : {"discrete", "continuous"}
        The columns that are trained.
    loss : float
        Mean negative log-likelihood of the training rows in the epoch, in nats: what goes into
        ``loss_curve_``, where both parts are added.
    validation_score : float or None
        Mean log-likelihood of the held-out rows, in nats, in the same way; None without such.
    best_validation_score : float or None
        The best so far in this training, that before the first epoch included.
    """

    number: int
    max_iter: int
    part: str
    loss: float
    validation_score: float | None
    best_validation_score: float | None


@dataclass(frozen=True)
class Step:
    """A step of a `VariationalFlow` that has ended, as callbacks are told of it.

    Attributes
    ----------
    number : int
        From 1 on.
    max_iter : int
        The last number that there can be.
    loss : float
        Mean of ``log q - log p`` over the draws of the step, in nats: what goes into
        ``loss_curve_``.
    """

    number: int
    max_iter: int
    loss: float
