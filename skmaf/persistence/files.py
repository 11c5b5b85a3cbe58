"""One file for a fitted estimator: arrays as safetensors keep them, and JSON for the rest."""

import json
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import sklearn
from sklearn.base import BaseEstimator

from .. import __version__
from .._warnings import warn_user
from .archive import Archive, none_of_ours, pack
from .room import ArchiveError

FORMAT = 1
KIND = "estimator"
BEGUN = ".skmaf-begun"  # how the name of a file ends that is not there as a whole yet


def save(estimator: Any, path: str | os.PathLike) -> None:
    """Write an estimator to a file that holds no code, to be read by `load`.

    All that it has learned is kept: parameters, feature names, categories, dtypes, training curves,
    calibration. Scores of the estimator that `load` gives are the same to the last bit. The file
    appears as a whole or not at all: a file that was there before stays until then.

    Parameters
    ----------
    estimator : estimator
        One of skmaf, fitted or not, with estimators of skmaf inside; or a Pipeline of such and of
        steps of scikit-learn that are numbers and names: scalers, encoders, `SimpleImputer`, `PCA`,
        `GaussianMixture`, `ColumnTransformer`; also `KernelDensity` and `LocalOutlierFactor` with a
        metric that has no parameters but ``p``, whose trees are grown anew, the same to the last
        bit, when the file is loaded. Of a `VariationalFlow` a copy can be saved that
        has ``set_params(log_density=None)``: it scores and samples.
    path : str or path-like
        The file to write. One that is there is replaced; a link to one stays.

    Raises
    ------
    TypeError
        If the estimator is or holds what such a file cannot: a function, or an object of a class of
        the user's own.
    ValueError
        If it holds so many categories, some 100,000 or more in all, or trees of so small leaves,
        that a file of theirs could not be told from one that is made to fill the memory of those
        who load it.
    OSError
        If the file cannot be written; what was there before is as it was.

    See Also
    --------
    load : Reads the file.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> from sklearn.datasets import load_iris
    >>> import skmaf
    >>> X = load_iris().data
    >>> density = skmaf.MAFDensity(max_iter=5, early_stopping=False, random_state=0).fit(X)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "iris.skmaf")
    ...     skmaf.save(density, path)
    ...     again = skmaf.load(path)
    >>> bool((again.score_samples(X) == density.score_samples(X)).all())
    True
    """
    if not isinstance(estimator, BaseEstimator):
        raise TypeError(f"save takes an estimator, and not a {type(estimator).__name__}.")
    write_value(Path(path), estimator, KIND)


def load(path: str | os.PathLike) -> Any:
    """Return the estimator of a file that `save` has written.

    No code in the file is run, since it holds none: only estimators of skmaf, and those of
    scikit-learn that `save` names, are made. Nor can a file, whoever made it, take more memory than
    twice its size and 16 MiB: one that would is refused.

    Parameters
    ----------
    path : str or path-like

    Returns
    -------
    estimator : estimator
        As it was saved. Where it was trained does not matter: ``device="auto"`` is the fastest
        device of this machine.

    Raises
    ------
    ValueError
        If the file is damaged, was not written by `save`, or by a later version of skmaf that
        writes another format; if it would take much more memory than it is large.
    OSError
        If there is no such file, or it cannot be read.

    Warns
    -----
    UserWarning
        If a step of scikit-learn was saved with another version of it.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> import skmaf
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "density.skmaf")
    ...     skmaf.save(skmaf.MAFDensity(n_layers=3), path)
    ...     skmaf.load(path)
    MAFDensity(n_layers=3)
    """
    path = Path(path)
    estimator = read_value(path, KIND)
    if not isinstance(estimator, BaseEstimator):
        raise ValueError(f"{path} holds no estimator.")
    return estimator


def write_value(path: Path, value: Any, kind: str, about: dict | None = None) -> None:
    """Write a file of some kind that holds a value; raise TypeError if it cannot.

    What is said ``about`` the value stands beside it, and is plain JSON.
    """
    from .encoding import NotPlainError, describe

    try:
        described = describe(value)
    except NotPlainError as error:
        raise TypeError(
            f"{error}, which a file without code cannot hold. Replace it by an estimator that "
            "skmaf.save names (callbacks by None: the fit is done), or keep all of it with "
            "joblib.dump, whose files can run any code when they are loaded."
        ) from None
    head = {"format": FORMAT, "kind": kind, "version": __version__}
    if about:
        head["about"] = about
    text = json.dumps({**head, **described.json}, separators=(",", ":"))
    try:
        content = pack(text, described.arrays, described.n_bytes_beyond)
    except ArchiveError:
        raise ValueError(
            "To load a file of this would take more than twice its size, which load refuses of any "
            f"file: it would hold {len(text):,} bytes of text, most of them categories, and "
            f"{described.n_bytes_beyond:,} bytes of search trees would be made of it. Drop columns "
            "of names or free text, choose a larger leaf_size, or keep all of it with joblib.dump, "
            "whose files can run any code when they are loaded."
        ) from None
    write_whole(path, content)


def read_value(path: Path, kind: str) -> Any:
    """Return the value of a file of some kind; raise ValueError if there is none in it."""
    return read_value_and_about(path, kind)[0]


def read_value_and_about(path: Path, kind: str) -> tuple[Any, dict]:
    """Return the value of a file of some kind, and what is said about it."""
    from .decoding import restored

    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder: give the name of a file.")
    with open(path, "rb", buffering=0) as file:
        try:
            archive = Archive.open(file)
            described = _described(archive.text, kind)
        except ArchiveError as error:
            raise ValueError(f"{path} {error}") from None
        try:
            value, versions = restored(described, archive.array, archive.room)
        except MemoryError:
            raise
        except Exception as error:
            raise ValueError(f"{path} holds what skmaf.save does not write: {error}") from error
    _warn_of_versions(path, versions)
    about = described.get("about", {})
    return value, about if isinstance(about, dict) else {}


def _described(text: str, kind: str) -> dict[str, Any]:
    """Return what the text of a file says; refuse another format or kind."""
    try:
        described = json.loads(text)
        file_format = int(described["format"])
        version = described["version"]
    except (ValueError, TypeError, KeyError, RecursionError):
        raise none_of_ours() from None
    if file_format != FORMAT:
        raise ArchiveError(
            f"has format {file_format}, of skmaf {version}, and this version knows format "
            f"{FORMAT}: install skmaf {version} or later."
        )
    if described.get("kind") != kind:
        raise ArchiveError(f"is a file of skmaf, but its kind is {described.get('kind')!r}.")
    return described


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that it is there as a whole, whatever happens, or as it was before."""
    with open_whole(path) as file:
        file.write(content)


@contextmanager
def open_whole(path: Path) -> Iterator[BinaryIO]:
    """Open a file to write that is there as a whole once it is closed, or as it was before."""
    path = _destination(path)
    mode = path.stat().st_mode & 0o777 if path.exists() else None
    # the system takes the umask, which all threads share, from the rights of a new file
    name, file = _begin(path, 0o666 if mode is None else mode)
    try:
        with file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if mode is not None:
            os.chmod(name, mode)
        os.replace(name, path)
    except BaseException:
        with suppress(OSError):  # what was raised first says what to do
            os.unlink(name)
        raise


def check_writable(path: Path) -> None:
    """Raise OSError where `open_whole` cannot write a file."""
    name, file = _begin(_destination(path), 0o666)
    file.close()
    os.unlink(name)


def begun_files(path: Path) -> list[Path]:
    """Return the files that `open_whole` is writing, or was when its process was killed."""
    path = _destination(path)
    name = re.compile(rf"\.{re.escape(path.name)}\.[^.]+{re.escape(BEGUN)}")
    return [file for file in path.parent.iterdir() if name.fullmatch(file.name)]


def _destination(path: Path) -> Path:
    """Return where a file is written: a link stays, and leads to the new file."""
    return Path(os.path.realpath(path))


def _begin(path: Path, mode: int) -> tuple[Path, BinaryIO]:
    """Make the file beside a path that is to become it, and return its name, and it open."""
    name = path.with_name(f".{path.name}.{secrets.token_hex(4)}{BEGUN}")
    return name, open(name, "xb", opener=partial(os.open, mode=mode))


def _warn_of_versions(path: Path, versions: set[str]) -> None:
    """Tell the user if steps of scikit-learn come from another version of it."""
    for saved in sorted(versions - {sklearn.__version__}):
        warn_user(
            f"{path} holds steps of scikit-learn {saved}, and this is {sklearn.__version__}, which "
            "may read them otherwise: install that version, or fit and save them anew."
        )
