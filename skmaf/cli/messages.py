"""What a run says beside its result: notes on stderr, each once, unless the user wants none."""

import sys
import textwrap
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

LONGEST = 100  # characters of a line


@dataclass
class Messages:
    """The notes of a run.

    Attributes
    ----------
    is_quiet : bool
        Whether to print none.
    notes : list of str
        What was noted so far.
    """

    is_quiet: bool
    notes: list[str] = field(default_factory=list)

    @property
    def shows_progress(self) -> bool:
        """Whether somebody looks at progress bars."""
        return sys.stderr.isatty() and not self.is_quiet

    def note(self, text: str) -> None:
        """Note what the user may want to know, once."""
        if text not in self.notes:
            self.notes.append(text)
            self.say(textwrap.fill(f"Note: {text}", LONGEST, subsequent_indent="  "))

    def note_all(self, texts: Iterable[str]) -> None:
        """Note several things."""
        for text in texts:
            self.note(text)

    def say(self, text: str) -> None:
        """Print what is no note, such as what happens now."""
        if not self.is_quiet:
            print(text, file=sys.stderr, flush=True)

    @contextmanager
    def of_warnings(self) -> Iterator[None]:
        """Note the warnings of what is done inside."""
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("default")
            yield
        self.note_all(str(warning.message) for warning in caught)
