"""A short text that tells one value from others: parameters, arrays, the columns of a table."""

import hashlib
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from numbers import Number
from typing import Any

import numpy as np
import torch


def fingerprint(value: Any) -> str:
    """Return a hash of numbers, text, arrays, and of all that holds nothing else.

    Equal numbers have the same one, whatever their types; arrays of other dtypes have others.

    Raises
    ------
    TypeError
        If the value is or holds anything else.
    """
    return hashlib.sha256(repr(_plain(value)).encode()).hexdigest()


def _plain(value: Any) -> Any:
    """Return what looks the same in all processes, for equal values alone."""
    if isinstance(value, torch.Tensor):
        value = value.numpy()
    if isinstance(value, np.ndarray) and value.dtype.kind != "O":
        cells = hashlib.sha256(np.ascontiguousarray(value).data).hexdigest()
        return "array", value.shape, value.dtype.str, cells
    if is_dataclass(value):
        parts = [_plain(getattr(value, field.name)) for field in fields(value)]
        return type(value).__name__, parts
    if isinstance(value, Mapping):
        # the order in which a user declares columns is no part of what is declared
        return "dict", sorted((repr(_plain(key)), _plain(part)) for key, part in value.items())
    if isinstance(value, (list, tuple)):
        return [_plain(part) for part in value]
    if isinstance(value, (Number, np.bool_)):
        return _plain_number(value)
    if isinstance(value, str):
        return str(value)
    if value is None:
        return None
    raise TypeError(f"A {type(value).__name__} has no fingerprint.")


def _plain_number(value: Any) -> Any:
    number = value.item() if isinstance(value, np.generic) else value
    is_whole = isinstance(number, float) and number.is_integer()
    return int(number) if is_whole else +number  # a truth value becomes 0 or 1
