"""Warnings that point at the user's own line, however deep they arise."""

import inspect
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

# whose frames stand between the user's line and the place of the warning
LIBRARIES = {
    "skmaf",
    "sklearn",
    "joblib",
    "torch",
    "contextlib",
    "tqdm",
    "dask",
    "distributed",
    "imblearn",
    "pyod",
}


def warn_user(message: str | Warning, category: type[Warning] = UserWarning) -> None:
    """Warn at the innermost line of the stack that belongs to no library named above."""
    stacklevel = 1
    frame = inspect.currentframe()
    while frame is not None and _is_library(frame) and frame.f_back is not None:
        frame = frame.f_back
        stacklevel += 1
    warnings.warn(message, category, stacklevel=stacklevel)


@contextmanager
def at_user_line() -> Iterator[None]:
    """Let warnings of scikit-learn inside point at the line of `warn_user`, too."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    for warning in caught:
        warn_user(warning.message)  # an instance: not all classes make one of a text


def _is_library(frame: FrameType) -> bool:
    name = frame.f_globals.get("__name__") or ""
    return name.partition(".")[0] in LIBRARIES
