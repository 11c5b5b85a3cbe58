"""How much memory reading a file may take: no more than twice its size, whoever wrote it.

A few bytes of JSON can stand for many of Python's objects, and one array for as many copies as
there are references to it. So all that a file asks for is counted before it is made.
"""

import math

ROOM_BESIDE = 2**24  # bytes that a file may take however small it is
# bytes, at most, of what each of these makes, in JSON and of what is read from it: measured
TOKENS = {"{": 300, "[": 130, '"': 30, ",": 60}
ARRAY_ENTRY = 700  # bytes of what a header says of an array


class ArchiveError(ValueError):
    """A file is not as `save` writes it; the message goes on after the file's name."""


class Room:
    """Counts the memory that reading a file takes.

    Parameters
    ----------
    n_bytes : float, default=infinity
        That there are.
    """

    def __init__(self, n_bytes: float = math.inf) -> None:
        self._left = n_bytes

    def check(self, n_bytes: float) -> None:
        """Refuse to need this many bytes for a moment, if they are not there."""
        if n_bytes > self._left:
            raise ArchiveError(
                "asks for more memory than twice its size, which no file of skmaf.save does."
            )

    def take(self, n_bytes: float) -> None:
        """Use this many bytes; refuse to if they are not there."""
        self.check(n_bytes)
        self._left -= max(0, n_bytes)


def room_for(file_size: int) -> Room:
    """Return the room that a file of this size has."""
    return Room(2 * file_size + ROOM_BESIDE)


def size_of_objects(text: str) -> int:
    """Return how many bytes JSON takes as Python's objects, at most, and what is read from them."""
    of_tokens = sum(size * text.count(token) for token, size in TOKENS.items())
    # one escaped character beyond ASCII makes all of its string wider
    return of_tokens + len(text) * (4 if "\\u" in text else 1)
