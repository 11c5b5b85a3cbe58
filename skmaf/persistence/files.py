"""One file for a fitted estimator: arrays as safetensors keep them, and JSON for the rest.

The file is one of the safetensors format, whose header holds the JSON and a SHA-256 hash of the
whole file, in which the hash itself counts as zeros.
"""

import hashlib
import json
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import sklearn
from sklearn.base import BaseEstimator
from sklearn.exceptions import InconsistentVersionWarning

from .. import __version__
from .._warnings import warn_user

FORMAT = 1
KIND = "estimator"
NO_HASH = "0" * 64
LENGTH_BYTES = 8  # in which a file of safetensors says how long its header is
LARGEST_HEADER = 100_000_000  # that safetensors take


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
        `GaussianMixture`, `ColumnTransformer`. Of a `VariationalFlow` a copy can be saved that
        has ``set_params(log_density=None)``: it scores and samples.
    path : str or path-like
        The file to write. One that is there is replaced.

    Raises
    ------
    TypeError
        If the estimator is or holds what such a file cannot: a function, or an object of a class of
        the user's own.
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
    >>> density = skmaf.MAFDensity(max_iter=5, random_state=0).fit(X)
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
    scikit-learn that `save` names, are made.

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
        writes another format.
    OSError
        If there is no such file, or it cannot be read.

    Warns
    -----
    InconsistentVersionWarning
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


def write_value(path: Path, value: Any, kind: str) -> None:
    """Write a file of some kind that holds a value; raise TypeError if it cannot."""
    write_whole(path, _to_bytes(value, kind))


def read_value(path: Path, kind: str) -> Any:
    """Return the value of a file of some kind; raise ValueError if there is none in it."""
    from .decoding import Decoder

    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder: give the name of a file.")
    described, arrays = _read_checked(path)
    if described.get("kind") != kind:
        raise ValueError(f"{path} is a file of skmaf, but its kind is {described.get('kind')!r}.")
    try:
        decoder = Decoder(arrays, described["objects"])
        value = decoder.read(described["root"])
    except Exception as error:
        raise ValueError(f"{path} holds what skmaf.save does not write: {error}.") from error
    _warn_of_versions(path, decoder.versions)
    return value


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that it is there as a whole, whatever happens, or as it was before."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, _mode_of(path))
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise


def _mode_of(path: Path) -> int:
    """Return the rights of a file that is there, or those that a new one gets."""
    if path.exists():
        return path.stat().st_mode & 0o777
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask


def _to_bytes(value: Any, kind: str) -> bytes:
    """Return the content of the file of a value."""
    from safetensors.numpy import save as to_safetensors

    from .encoding import Encoder, NotPlainError

    encoder = Encoder()
    try:
        root = encoder.write(value)
    except NotPlainError as error:
        raise TypeError(
            f"{error}, which a file without code cannot hold. Replace it by an estimator that "
            "skmaf.save names (callbacks by None: the fit is done), or keep all of it with "
            "joblib.dump, whose files can run any code when they are loaded."
        ) from None
    described = {
        "format": FORMAT,
        "kind": kind,
        "version": __version__,
        "root": root,
        "objects": encoder.objects,
    }
    metadata = {"sha256": NO_HASH, "skmaf": json.dumps(described, separators=(",", ":"))}
    arrays = {str(i): array for i, array in enumerate(encoder.arrays)}
    content = to_safetensors(arrays, metadata)
    digest = hashlib.sha256(content).hexdigest()
    start = content.index(NO_HASH.encode())
    return b"".join([content[:start], digest.encode(), content[start + len(digest) :]])


def _read_checked(path: Path) -> tuple[dict, list[np.ndarray]]:
    """Return the JSON and the arrays of a file; refuse one that is not as it was written."""
    from safetensors import SafetensorError
    from safetensors.numpy import load as from_safetensors

    with open(path, "rb") as file:
        length = int.from_bytes(file.read(LENGTH_BYTES), "little")
        left = os.fstat(file.fileno()).st_size - LENGTH_BYTES
        if not 0 < length <= min(left, LARGEST_HEADER):
            raise _is_none_of_ours(path)
        file.seek(0)
        content = file.read()
    try:
        metadata = json.loads(content[LENGTH_BYTES : LENGTH_BYTES + length])["__metadata__"]
        digest = metadata["sha256"].encode()
        described = json.loads(metadata["skmaf"])
        file_format = int(described["format"])
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise _is_none_of_ours(path) from None
    if _hash_of(content, digest) != digest:
        raise ValueError(f"{path} is damaged: its content has changed since skmaf.save wrote it.")
    if file_format != FORMAT:
        raise ValueError(
            f"{path} has format {file_format}, of skmaf {described['version']}, and this version "
            f"knows format {FORMAT}: install skmaf {described['version']} or later."
        )
    try:
        arrays = from_safetensors(content)
        return described, [arrays[str(i)] for i in range(len(arrays))]
    except (SafetensorError, KeyError) as error:
        raise ValueError(f"{path} has other arrays than skmaf.save writes: {error}.") from None


def _is_none_of_ours(path: Path) -> ValueError:
    return ValueError(f"{path} is no file that skmaf.save wrote, or only a part of one.")


def _hash_of(content: bytes, digest: bytes) -> bytes:
    """Return the hash of a file, in which its own hash counts as zeros."""
    start = content.find(digest)
    hashed = hashlib.sha256(content[:start])
    hashed.update(NO_HASH.encode())
    hashed.update(memoryview(content)[start + len(NO_HASH) :])
    return hashed.hexdigest().encode()


def _warn_of_versions(path: Path, versions: set[str]) -> None:
    """Tell the user if steps of scikit-learn come from another version of it."""
    for saved in sorted(versions - {sklearn.__version__}):
        warn_user(
            f"{path} holds steps of scikit-learn {saved}, and this is {sklearn.__version__}, which "
            "may read them otherwise: install that version, or fit and save them anew.",
            InconsistentVersionWarning,
        )
