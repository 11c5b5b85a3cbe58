"""Callbacks: functions of the user that are called while an estimator is trained."""

import logging
from collections.abc import Callable
from typing import Any

logger = logging.getLogger("skmaf")


def teller(estimator: Any) -> Callable[[Any], bool]:
    """Return what tells the callbacks of an estimator how far its training is.

    It is called with what has ended, an `Epoch` or a `Step`, and returns whether the training is
    to end.
    """
    callbacks = list(estimator.callbacks or [])
    for callback in callbacks:
        if not callable(callback):
            raise ValueError(
                "callbacks must be functions of the estimator and of what has ended (an epoch, a "
                f"step), got {callback!r}."
            )

    def tell(ended: Any) -> bool:
        logger.debug("%s: %s", type(estimator).__name__, ended)
        # each is told, whatever the others say
        answers = [callback(estimator, ended) for callback in callbacks]
        return any(answers)

    return tell
