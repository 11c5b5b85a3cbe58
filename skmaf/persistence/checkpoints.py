"""Files from which a long fit goes on where it was stopped."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .files import begun_files, check_writable, read_value, write_value

if TYPE_CHECKING:
    from ..training.checkpoint import Checkpoint

KIND = "checkpoint"


def checkpoint_at(path: str | os.PathLike | None, random_state: Any) -> "Checkpoint | None":
    """Return the checkpoint in a file, which need not be there yet; None if no file is named.

    Raises
    ------
    ValueError
        If the random state is no int, from which alone a fit draws the same numbers again; if the
        file is there, and no checkpoint.
    OSError
        If the file cannot be written.
    """
    from ..training.checkpoint import Checkpoint

    if path is None:
        return None
    if not isinstance(random_state, (int, np.integer)):
        raise ValueError(
            "checkpoint needs random_state to be an int: a fit that goes on has to draw the same "
            "numbers."
        )
    file = Path(os.path.realpath(path))  # of a link, what it leads to
    if not file.parent.is_dir():
        raise FileNotFoundError(f"checkpoint={str(path)!r} is in a folder that is not there.")
    is_first = _is_first_process()
    if is_first:
        try:
            check_writable(file)
        except OSError as error:
            words = f"checkpoint={str(path)!r} cannot be written: {error.strerror}"
            raise OSError(error.errno, words) from error
    left = begun_files(file)  # by a crash; those that come later another fit may be writing

    def read() -> dict | None:
        try:
            return read_value(file, KIND)
        except FileNotFoundError:
            return None

    def write(states: dict) -> None:
        if is_first:
            write_value(file, states, KIND)

    def remove() -> None:
        if is_first:
            for each in [file, *left]:
                each.unlink(missing_ok=True)

    return Checkpoint(str(path), read, write, remove)


def refuse_checkpoint(owner: Any) -> None:
    """Refuse a checkpoint in an estimator that its owner, another estimator, fits several times."""
    for name, value in sorted(owner.get_params().items()):
        if name.endswith("__checkpoint") and isinstance(value, (str, os.PathLike)):
            raise ValueError(
                f"estimator keeps a checkpoint, which its fits would overwrite: set {name}=None."
            )


def _is_first_process() -> bool:
    """Return whether this process is the one that writes, of several that fit together."""
    import torch.distributed

    is_alone = not (torch.distributed.is_available() and torch.distributed.is_initialized())
    return is_alone or torch.distributed.get_rank() == 0
