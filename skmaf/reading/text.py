"""Text of bytes: in the encoding that it is found to be in, with lines that end in a newline."""

import codecs
import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

from .encodings import SAMPLE, guess_encoding, is_foreign
from .sources import Source, optional

UNDEFINED = b"\x81\x8d\x8f\x90\x9d"  # in Windows-1252
CONTROL = re.compile("[\x00-\x08\x0e-\x1a\x1c-\x1f]")
CHUNK = 2**20  # bytes
HEAD = 10_000  # bytes, or characters, that tell whether this is text
LONGEST_GUESS = 2**26  # bytes of a text in an old encoding that are looked at


@contextmanager
def open_text(source: Source, encoding: str) -> Iterator[TextIO]:
    """Open the text of a file.

    Raises
    ------
    ValueError
        If it is no text, or not in this encoding.
    """
    with source.open() as stream:
        try:
            text: Any = io.TextIOWrapper(stream, encoding, newline=None)  # type: ignore[type-var]
        except LookupError as error:
            raise ValueError(f"encoding={encoding!r} is no encoding that Python knows.") from error
        try:
            yield text
        except UnicodeDecodeError as error:
            raise ValueError(
                f"{source.name} is not text in {encoding} ({error}): give another encoding, such "
                "as encoding='latin-1'."
            ) from error
        finally:
            text.detach()  # the stream is not the text's to close


def refuse_control_characters(head: str, name: str) -> None:
    """Refuse what is no text, by its first characters."""
    if len(CONTROL.findall(head[:HEAD])) > len(head[:HEAD]) / 1000:
        raise ValueError(f"{name} is not text: save the table as CSV, in UTF-8.")


def find_encoding(source: Source, likely: str | None = None) -> str:
    """Return the encoding of a text: UTF-8 and 16 are certain, all others a guess.

    Parameters
    ----------
    source : Source
    likely : str, default=None
        The encoding if it is neither of the two.
    """
    head = source.head(HEAD)
    if head.startswith(codecs.BOM_UTF8):
        return "utf-8-sig"
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    zeros = [head[place::2].count(0) / len(head) for place in (0, 1)]
    if max(zeros) > 0.2 and min(zeros) < 0.05:  # text in which every other byte is 0
        return "utf-16-be" if zeros[0] > zeros[1] else "utf-16-le"
    if _is_utf8(source):
        return "utf-8"
    return likely or _old_encoding(source.head(LONGEST_GUESS), source.name)


def _is_utf8(source: Source) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    with source.open() as stream:
        try:
            while part := stream.read(CHUNK):
                decoder.decode(part)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return False
    return True


def _old_encoding(data: bytes, name: str) -> str:
    """Return a guess of an encoding of one or two bytes for a letter."""
    guess = guess_encoding(data)
    if guess is not None:
        return guess
    if is_foreign(data):
        what = f"{name}, whose text is in an encoding that skmaf does not know,"
        detector: Any = optional("charset_normalizer", "charset-normalizer", what)
        best = detector.from_bytes(data[:SAMPLE]).best()
        if best is not None:
            return best.encoding
    return "latin-1" if any(byte in UNDEFINED for byte in data) else "cp1252"
