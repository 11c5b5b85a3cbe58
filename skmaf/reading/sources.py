"""Bytes of a file or of standard input, unpacked, and as text; what is no table is named."""

import bz2
import gzip
import io
import lzma
import re
import sys
import zipfile
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from .encodings import SAMPLE, guess_encoding, is_foreign

HEAD = 512  # bytes at the start of a file that tell what it is
UNDEFINED = b"\x81\x8d\x8f\x90\x9d"  # in Windows-1252
CONTROL = re.compile("[\x00-\x08\x0e-\x1a\x1c-\x1f]")
PACKED = {
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ\x00": "xz",
    b"\x28\xb5\x2f\xfd": "zstandard",
    b"PK\x03\x04": "zip",
}
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


def name_of(source: Any) -> str:
    """Return what messages call a path, standard input ("-"), or an open file."""
    if isinstance(source, str | Path):
        return "standard input" if str(source) == "-" else str(source)
    return str(getattr(source, "name", "the file"))


def read_bytes(source: Any) -> bytes:
    """Return the content of a path, of standard input ("-"), or of an open file, unpacked."""
    if not isinstance(source, str | Path):
        data = source.read()
        data = data.encode() if isinstance(data, str) else data
    elif str(source) == "-":
        data = sys.stdin.buffer.read()
    else:
        data = Path(source).read_bytes()
    return _unpacked(data, name_of(source))


def _unpacked(data: bytes, name: str) -> bytes:
    packing = next((kind for magic, kind in PACKED.items() if data.startswith(magic)), None)
    if packing is None or is_workbook(data):
        return data
    try:
        if packing == "zip":
            unpacked = _only_member(data, name)
        elif packing == "zstandard":
            arrow: Any = optional("pyarrow", "pyarrow", f"{name}, a zstandard file,")
            unpacked = arrow.CompressedInputStream(arrow.BufferReader(data), "zstd").read()
        else:
            unpack = {"gzip": gzip, "bzip2": bz2, "xz": lzma}[packing].decompress
            unpacked = unpack(data)
    except (OSError, EOFError, zipfile.BadZipFile, lzma.LZMAError) as error:
        raise ValueError(f"{name} is a broken {packing} file: {error}.") from error
    return _unpacked(unpacked, name)


def _only_member(data: bytes, name: str) -> bytes:
    """Return the only file of a zip archive, but for those that macOS adds."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
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
        return archive.read(members[0])


def is_workbook(data: bytes) -> bool:
    """Return whether this is a spreadsheet of Excel (.xlsx, .xls) or LibreOffice (.ods)."""
    if data.startswith(b"\xd0\xcf\x11\xe0"):
        return True
    if not data.startswith(b"PK\x03\x04"):
        return False
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        names = archive.namelist()
        return (
            "xl/workbook.xml" in names
            or "xl/workbook.bin" in names
            or ("mimetype" in names and b"spreadsheet" in archive.read("mimetype"))
        )


def refuse_no_table(data: bytes, name: str) -> None:
    """Refuse what is no table, and say what it is."""
    if not data.strip():
        raise ValueError(f"{name} is empty.")
    head = data[:HEAD].removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    for magic, what in NO_TABLES.items():
        if head.startswith(magic):
            raise ValueError(f"{name} is no table but {what}.")


def decode(data: bytes, name: str, encoding: str | None) -> tuple[str, str]:
    """Return bytes as text with lines that end in a newline, and the name of the encoding."""
    encoding = encoding or _encoding(data, name)
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{name} is not text in {encoding} ({error}): give another encoding, such as "
            "encoding='latin-1'."
        ) from error
    except LookupError as error:
        raise ValueError(f"encoding={encoding!r} is no encoding that Python knows.") from error
    head = text[:10_000]
    if len(CONTROL.findall(head)) > len(head) / 1000:
        raise ValueError(f"{name} is not text: save the table as CSV, in UTF-8.")
    return text.replace("\r\n", "\n").replace("\r", "\n"), encoding


def _encoding(data: bytes, name: str) -> str:
    """Return the encoding of a text: UTF-8 and 16 are certain, all others a guess."""
    if data.startswith(b"\xef\xbb\xbf"):
        return "utf-8-sig"
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    head = data[:10_000]
    zeros = [head[place::2].count(0) / len(head) for place in (0, 1)]
    if max(zeros) > 0.2 and min(zeros) < 0.05:  # text in which every other byte is 0
        return "utf-16-be" if zeros[0] > zeros[1] else "utf-16-le"
    try:
        data.decode("utf-8")
        return "utf-8"
    except UnicodeDecodeError:
        return _old_encoding(data, name)


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
