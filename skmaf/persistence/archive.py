"""A file of the safetensors format, whose header holds text and a hash of the whole file.

The file is never in memory as a whole: its arrays are read one by one, when they are asked for.
"""

import hashlib
import json
import math
import os
from dataclasses import dataclass
from io import FileIO
from typing import Any

import numpy as np

from .room import ARRAY_ENTRY, ArchiveError, Room, room_for, size_of_objects

NO_HASH = b"0" * 64  # what counts in the place of the hash
BEFORE_HASH = b'"sha256":"'  # quotes within the text are escaped: there it stands nowhere else
LENGTH_BYTES = 8  # in which the file says how long its header is
LARGEST_HEADER = 100_000_000  # that safetensors take
SPARE = 2**22  # bytes of the room that `pack` leaves for other values
DTYPES = {
    "BOOL": np.bool_,
    "U8": np.uint8,
    "U16": np.uint16,
    "U32": np.uint32,
    "U64": np.uint64,
    "I8": np.int8,
    "I16": np.int16,
    "I32": np.int32,
    "I64": np.int64,
    "F16": np.float16,
    "F32": np.float32,
    "F64": np.float64,
}


def pack(text: str, arrays: list[np.ndarray], n_bytes_beyond: int) -> bytes:
    """Return the content of a file that holds text, and arrays of `DTYPES`.

    Raises
    ------
    ArchiveError
        If there is so much text, or so much to be made of the arrays, that no file of this size may
        hold it.
    """
    from safetensors.numpy import save

    metadata = {"sha256": NO_HASH.decode(), "skmaf": text}
    content = save({str(i): array for i, array in enumerate(arrays)}, metadata)
    room = room_for(len(content))
    room.take(SPARE + n_bytes_beyond + sum(array.nbytes for array in arrays))
    _take_text(room, text, len(arrays))
    start = content.index(BEFORE_HASH + NO_HASH) + len(BEFORE_HASH)
    digest = hashlib.sha256(content).hexdigest().encode()
    return b"".join([content[:start], digest, content[start + len(digest) :]])


@dataclass(frozen=True, eq=False)
class Archive:
    """The text and the arrays of a file that is as it was written.

    Attributes
    ----------
    text : str
    room : Room
        What is left for all that is made of them.
    """

    text: str
    room: Room
    _file: FileIO
    _entries: dict[str, Any]
    _start: int

    @classmethod
    def open(cls, file: FileIO) -> "Archive":
        """Return the archive of a file that is open, without a buffer, and stays so.

        Raises
        ------
        ArchiveError
            If there is none, it is damaged, or asks for much more memory than it has itself.
        """
        size = os.fstat(file.fileno()).st_size
        room = room_for(size)
        length = int.from_bytes(file.read(LENGTH_BYTES), "little")
        if not 0 < length <= min(size - LENGTH_BYTES, LARGEST_HEADER):
            raise none_of_ours()
        room.check(3 * length)
        header = file.read(length)
        if not header.isascii():
            raise none_of_ours()
        room.check(3 * length + size_of_objects(header.decode()))
        try:
            entries = json.loads(header)
            metadata = entries.pop("__metadata__")
            text = str(metadata["skmaf"])
            digest = metadata["sha256"].encode()
            start = header.index(BEFORE_HASH + digest) + len(BEFORE_HASH)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            raise none_of_ours() from None
        if _hash_of(length, header, start, file) != digest:
            raise ArchiveError("is damaged: its content has changed since skmaf.save wrote it.")
        _take_text(room, text, len(entries))
        return cls(text, room, file, entries, LENGTH_BYTES + length)

    def array(self, position: int) -> np.ndarray:
        """Return an array, anew each time."""
        entry = self._entries[str(position)]
        dtype = np.dtype(DTYPES[entry["dtype"]])
        first, last = map(check_position, entry["data_offsets"])
        n_cells = math.prod(map(check_position, entry["shape"]))
        if n_cells * dtype.itemsize != last - first:
            raise ValueError(f"array {position} has another size than it says")
        self.room.take(last - first)
        self._file.seek(self._start + first)
        return np.fromfile(self._file, dtype, n_cells).reshape(entry["shape"])


def check_position(place: Any) -> int:
    """Return a number that counts; refuse what is none."""
    if type(place) is not int or place < 0:
        raise ValueError(f"{place!r} is no position")
    return place


def _take_text(room: Room, text: str, n_arrays: int) -> None:
    """Use the memory that a text, read as JSON, and what is known of arrays take."""
    room.take(len(text) + size_of_objects(text) + n_arrays * ARRAY_ENTRY)


def _hash_of(length: int, header: bytes, start: int, file: FileIO) -> bytes:
    """Return the hash of a file whose header was read, and has the hash at this position."""
    hashed = hashlib.sha256(length.to_bytes(LENGTH_BYTES, "little"))
    view = memoryview(header)
    hashed.update(view[:start])
    hashed.update(NO_HASH)
    hashed.update(view[start + len(NO_HASH) :])
    return hashlib.file_digest(file, lambda: hashed).hexdigest().encode()


def none_of_ours() -> ArchiveError:
    """Return the error of a file that is another one."""
    return ArchiveError("is no file that skmaf.save wrote, or only a part of one.")
