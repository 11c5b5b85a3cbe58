"""Files from which a long fit goes on where it was stopped."""

import glob
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .files import read_value, write_value

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
    """
    from ..training.checkpoint import Checkpoint

    if path is None:
        return None
    if not isinstance(random_state, (int, np.integer)):
        raise ValueError(
            "checkpoint needs random_state to be an int: a fit that goes on has to draw the same "
            "numbers."
        )
    file = Path(path)
    if not file.parent.is_dir():
        raise FileNotFoundError(f"checkpoint={str(path)!r} is in a folder that is not there.")
    return Checkpoint(
        read=lambda: read_value(file, KIND) if file.exists() else None,
        write=lambda states: write_value(file, states, KIND) if _is_first_process() else None,
    )


def remove_checkpoint(path: str | os.PathLike | None) -> None:
    """Delete the file of a fit that has ended, and what a crash left of others half written."""
    if path is not None and _is_first_process():
        file = Path(os.path.realpath(path))  # as it was written: of a link, what it leads to
        for left in [file, *file.parent.glob(f".{glob.escape(file.name)}.*")]:
            left.unlink(missing_ok=True)


def _is_first_process() -> bool:
    """Return whether this process is the one that writes, of several that fit together."""
    import torch.distributed

    is_alone = not (torch.distributed.is_available() and torch.distributed.is_initialized())
    return is_alone or torch.distributed.get_rank() == 0
