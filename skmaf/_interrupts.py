"""What a KeyboardInterrupt does to a training: end it with the best weights, or end the fit."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_ends_fit: ContextVar[bool] = ContextVar("ends_fit", default=False)


@contextmanager
def interrupts_end_fits() -> Iterator[None]:
    """Let interrupts of a training inside reach the caller, whatever estimator it belongs to."""
    token = _ends_fit.set(True)
    try:
        yield
    finally:
        _ends_fit.reset(token)


def interrupt_ends_fit() -> bool:
    """Return whether an interrupted training is to raise the interrupt again."""
    return _ends_fit.get()
