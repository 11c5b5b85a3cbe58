"""Bytes of a file or of standard input, unpacked; what is no table is named."""

import bz2
import gzip
import io
import lzma
import shutil
import sys
import tempfile
import weakref
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, BinaryIO

HEAD = 512  # bytes at the start of a file that tell what it is
MOST_IN_MEMORY = 2**26  # bytes of standard input
BUFFER = 2**20  # bytes that are unpacked at a time
PACKED = {
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ\x00": "xz",
    b"\x28\xb5\x2f\xfd": "zstandard",
    b"PK\x03\x04": "zip",
}
BROKEN = (OSError, EOFError, zipfile.BadZipFile, lzma.LZMAError, zlib.error)
NO_TABLES = {
    b"\x89png": "a PNG image",
    b"\xff\xd8\xff": "a JPEG image",
    b"gif8": "a GIF image",
    b"riff": "a picture or a sound",
    b"%pdf": "a PDF document: copy its table to a spreadsheet, and save that as CSV",
    b"<!doctype html": "an HTML page: download the file that it links to, or try pandas.read_html",
    b"<html": "an HTML page: download the file that it links to, or try pandas.read_html",
    b"<?xml": "an XML file: try pandas.read_xml",
    b"{\\rtf": "an RTF document: save its table as CSV",
    b"\x89hdf": "an HDF5 file: try pandas.read_hdf",
    b"sqlite format 3": "an SQLite database: try pandas.read_sql",
    b"\x93numpy": "a NumPy array: try numpy.load",
    b"arrow1": "a Feather file: try pandas.read_feather",
    b"$fl2": "an SPSS file: try pandas.read_spss",
    b"<stata_dta": "a Stata file: try pandas.read_stata",
    b"@relation": "an ARFF file: try scipy.io.arff.loadarff",
    b"rar!": "a RAR archive: unpack it",
    b"7z\xbc\xaf": "a 7z archive: unpack it",
    b"\x7felf": "a program",
    b"version https://git-lfs": "a pointer of Git LFS: fetch the table itself by git lfs pull",
}


def optional(module: str, package: str, what: str) -> ModuleType:
    """Return a module of an optional dependency, or refuse what needs it and say how to get it."""
    try:
        return import_module(module)
    except ImportError as error:
        raise ValueError(
            f"{what} needs {package}, which is not installed: pip install {package}."
        ) from error


@dataclass(frozen=True, eq=False)
class Source:
    """The bytes of a file, which can be read again.

    Attributes
    ----------
    name : str
        What messages call it.
    open : callable
        Returns a context manager that gives a stream of the bytes from their start.
    """

    name: str
    open: Callable[[], AbstractContextManager[BinaryIO]]

    def read(self) -> bytes:
        """Return all bytes."""
        with self.open() as stream:
            return stream.read()

    def head(self, size: int = HEAD) -> bytes:
        """Return the first bytes."""
        with self.open() as stream:
            return stream.read(size)


def source_of(source: Any) -> Source:
    """Return the bytes of a path, of standard input ("-"), or of an open file, unpacked."""
    if isinstance(source, Source):
        return source
    if not isinstance(source, str | Path):
        data = source.read()
        data = data.encode() if isinstance(data, str) else data
        given = Source(str(getattr(source, "name", "the file")), lambda: io.BytesIO(data))
    elif str(source) == "-":
        given = Source("standard input", _copy_of(sys.stdin.buffer))
    elif Path(source).is_fifo():  # <(command) of a shell
        with open(source, "rb") as stream:
            given = Source(str(source), _copy_of(stream))
    else:
        given = Source(str(source), lambda: _open_file(source))
    return _unpacked(given)


def _open_file(path: str | Path) -> BinaryIO:
    return open(path, "rb")


def _copy_of(stream: BinaryIO) -> Callable[[], AbstractContextManager[BinaryIO]]:
    """Return what opens the content of a stream that can be read but once."""
    copied: Any = tempfile.SpooledTemporaryFile(MOST_IN_MEMORY)  # noqa: SIM115 - lives as long
    shutil.copyfileobj(stream, copied)

    def open_copy() -> AbstractContextManager[BinaryIO]:
        copied.seek(0)
        return nullcontext(copied)

    weakref.finalize(open_copy, copied.close)
    return open_copy


def _unpacked(source: Source) -> Source:
    """Return the content of a packed file, which is unpacked as it is read."""
    head = source.head()
    packing = next((kind for magic, kind in PACKED.items() if head.startswith(magic)), None)
    if packing is None or is_workbook(source):
        return source

    @contextmanager
    def open_unpacked() -> Iterator[BinaryIO]:
        with source.open() as packed:
            yield io.BufferedReader(_Unpacking(packed, source.name, packing), BUFFER)

    return _unpacked(Source(source.name, open_unpacked))


class _Unpacking(io.RawIOBase):
    """The content of a packed stream; that it is broken is said in words."""

    def __init__(self, packed: BinaryIO, name: str, packing: str) -> None:
        self._problem = f"{name} is a broken {packing} file"
        try:
            self._stream = UNPACK[packing](packed, name)
        except BROKEN as error:
            raise ValueError(f"{self._problem}: {error}.") from error

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            part = self._stream.read(len(buffer))
        except BROKEN as error:
            raise ValueError(f"{self._problem}: {error}.") from error
        buffer[: len(part)] = part
        return len(part)


def _unzip(packed: BinaryIO, name: str) -> Any:
    """Open the only file of a zip archive, but for those that macOS adds."""
    archive = zipfile.ZipFile(packed)
    members = [
        member
        for member in archive.namelist()
        if not (member.endswith("/") or member.startswith("__MACOSX/"))
    ]
    if len(members) != 1:
        raise ValueError(
            f"{name} holds {len(members)} files ({', '.join(members[:4])}): unpack it, and "
            "give one of them."
        )
    return archive.open(members[0])


def _unpack_zstandard(packed: BinaryIO, name: str) -> Any:
    arrow: Any = optional("pyarrow", "pyarrow", f"{name}, a zstandard file,")
    return arrow.CompressedInputStream(packed, "zstd")


UNPACK: dict[str, Callable[[BinaryIO, str], Any]] = {
    "gzip": lambda packed, name: gzip.GzipFile(fileobj=packed),
    "bzip2": lambda packed, name: bz2.BZ2File(packed),
    "xz": lambda packed, name: lzma.LZMAFile(packed),  # noqa: SIM115 - it lives as long as packed
    "zstandard": _unpack_zstandard,
    "zip": _unzip,
}


def is_workbook(source: Source) -> bool:
    """Return whether this is a spreadsheet of Excel (.xlsx, .xls) or LibreOffice (.ods)."""
    head = source.head()
    if head.startswith(b"\xd0\xcf\x11\xe0"):
        return True
    if not head.startswith(b"PK\x03\x04"):
        return False
    with source.open() as stream:
        try:
            archive = zipfile.ZipFile(stream if stream.seekable() else io.BytesIO(stream.read()))
        except zipfile.BadZipFile:
            return False
        names = archive.namelist()
        return (
            "xl/workbook.xml" in names
            or "xl/workbook.bin" in names
            or ("mimetype" in names and b"spreadsheet" in archive.read("mimetype"))
        )


def refuse_no_table(source: Source) -> None:
    """Refuse what is no table, and say what it is."""
    head = source.head()
    if not head.strip() and not source.read().strip():
        raise ValueError(f"{source.name} is empty.")
    head = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    for magic, what in NO_TABLES.items():
        if head.startswith(magic):
            raise ValueError(f"{source.name} is no table but {what}.")
