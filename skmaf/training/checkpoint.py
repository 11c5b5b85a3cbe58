"""States of the trainings of a fit, from which it goes on where it was stopped.

A fit trains one flow or part of a flow after another. What comes before is drawn from its seed
alone, so that the states of the trainings are all that there is to keep.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from .._warnings import warn_user

INTERVAL = 30.0  # seconds from one writing to the next


@dataclass(eq=False)
class Checkpoint:
    """Where the states of a fit's trainings are kept.

    Attributes
    ----------
    name : str
        What messages call the file.
    read : callable
        Returns what was written last; None if nothing was.
    write : callable
        Writes a dictionary of numbers, text and tensors.
    remove : callable
        Deletes what was written.
    states : list of dict
        Of each training that has begun.
    """

    name: str
    read: Callable[[], dict | None]
    write: Callable[[dict], None]
    remove: Callable[[], None]
    states: list[dict] = field(default_factory=list)
    _fit: str = ""
    _n_begun: int = 0
    _written_at: float = 0.0
    _has_failed: bool = False

    def open(self, fit: str) -> None:
        """Go on with the fit that this text tells from others.

        Raises
        ------
        ValueError
            If the checkpoint is that of another fit.
        """
        self._fit = fit
        self._written_at = time.monotonic()
        kept = self.read()
        if kept is None:
            return
        if kept["fit"] != fit:
            raise ValueError(
                "The checkpoint is of a fit of other rows, with other parameters, or by another "
                "version of skmaf: delete the file, or give checkpoint another name."
            )
        self.states = kept["states"]

    def begin_training(self) -> "TrainingSlot":
        """Return where the next training keeps its state."""
        self._n_begun += 1
        return TrainingSlot(self, self._n_begun - 1)

    def keep(self, position: int, state: dict) -> None:
        """Write the state of the training at this position, and those of all before it.

        A file that cannot be written is no reason to lose the training: it warns, once.
        """
        self.states[position:] = [state]
        try:
            self.write({"fit": self._fit, "states": self.states})
        except OSError as error:
            if not self._has_failed:
                warn_user(
                    f"checkpoint={self.name!r} could not be written ({error}). Training goes on, "
                    "and writing is tried again: make room for the file, or a fit that is stopped "
                    "loses what it has learned since the file was written last."
                )
            self._has_failed = True
        self._written_at = time.monotonic()

    def close(self) -> None:
        """Delete what was written of a fit that has ended."""
        try:
            self.remove()
        except OSError as error:
            warn_user(
                f"checkpoint={self.name!r} could not be deleted ({error}). The fit has ended: "
                "delete the file."
            )

    @property
    def is_due(self) -> bool:
        """Whether it is time to write again."""
        return time.monotonic() - self._written_at >= INTERVAL


@dataclass(frozen=True, eq=False)
class TrainingSlot:
    """The place of one training in a checkpoint."""

    checkpoint: Checkpoint
    position: int

    @property
    def state(self) -> dict[str, Any] | None:
        """The state to go on from; None if the training has not begun."""
        states = self.checkpoint.states
        return states[self.position] if self.position < len(states) else None

    def offer(self, state: Callable[[], dict]) -> None:
        """Keep the state that this function returns, if it is time to."""
        if self.checkpoint.is_due:
            self.checkpoint.keep(self.position, state())

    def finish(self, state: dict) -> None:
        """Keep the state of a training that has ended."""
        self.checkpoint.keep(self.position, state)
