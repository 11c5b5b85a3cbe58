"""Fitted estimators as JSON and arrays: what can be told apart from code, and is whole without it.

A value is written as JSON has it where it does; any other is an object of one key, which says what
the value is. Objects stand in a list, each after those that it holds, and are named by their
positions there: what two of them share is written once, and nothing holds itself.
"""

import datetime
import decimal
import zoneinfo
from dataclasses import fields, is_dataclass
from itertools import pairwise
from pathlib import PurePath
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from sklearn.base import BaseEstimator
from torch import nn

from .classes import has_getstate, is_of_sklearn, name_of
from .frames import describe_dtype, describe_frame, describe_index, describe_instant
from .search_trees import describe_search_tree, search_tree_size
from .trees import describe_tree, is_tree

ARRAY_KINDS = "biuf"  # of dtypes that files hold as they are


class NotPlainError(TypeError):
    """A value is none that a file without code can hold."""


class Description(NamedTuple):
    """A value as JSON and arrays.

    Attributes
    ----------
    json : dict
    arrays : list of ndarray
    n_bytes_beyond : int
        That are made of them when they are read.
    """

    json: dict[str, Any]
    arrays: list[np.ndarray]
    n_bytes_beyond: int


def describe(value: Any) -> Description:
    """Return a value as JSON, and the arrays that it holds.

    Raises
    ------
    NotPlainError
        If it is, or holds, a function, or an object of a class that is not skmaf's.
    """
    encoder = Encoder()
    root = encoder.write(value)
    described = {"root": root, "objects": encoder.objects}
    return Description(described, encoder.arrays, encoder.n_bytes_beyond)


class Encoder:
    """Writes values as JSON, and their arrays beside it.

    Attributes
    ----------
    arrays : list of ndarray
    objects : list of dict
        The objects that were met, each after those that it holds.
    n_bytes_beyond : int
        That search trees take beside their arrays.
    """

    def __init__(self) -> None:
        self.arrays: list[np.ndarray] = []
        self.objects: list[dict] = []
        self.n_bytes_beyond = 0
        self._known: dict[int, dict] = {}
        self._kept: list[Any] = []  # an id is one of an object that is still there
        self._open: list[str] = []

    def write(self, value: Any) -> Any:
        """Return a value as JSON.

        Raises
        ------
        NotPlainError
            If it is, or holds, a function, or an object of a class that is not skmaf's.
        """
        if value is None or type(value) in (bool, int, str):
            return value
        if type(value) is float:
            return value if np.isfinite(value) else {"float": str(value)}
        described = self._describe_container(value) or self._describe_scalar(value)
        if described is not None:
            return described
        if id(value) not in self._known:
            described = self._describe_shared(value)
            self._kept.append(value)
            self._known[id(value)] = described
        return self._known[id(value)]

    def _describe_container(self, value: Any) -> Any:
        kind = type(value)
        if kind is list:
            return {"list": [self.write(part) for part in value]}
        if kind is tuple:
            return {"tuple": [self.write(part) for part in value]}
        if kind in (set, frozenset):
            return {kind.__name__: [self.write(part) for part in sorted(value, key=repr)]}
        if kind is slice:
            return {"slice": [value.start, value.stop, value.step]}
        if isinstance(value, dict):
            return {"dict": [[self.write(key), self.write(part)] for key, part in value.items()]}
        return None

    def _describe_scalar(self, value: Any) -> dict | None:
        instant = describe_instant(value, self.write)
        if instant is not None:
            return instant
        if isinstance(value, pd.Interval):
            return {"interval": [self.write(value.left), self.write(value.right), value.closed]}
        if value is pd.NA or value is pd.NaT:
            return {"missing": str(value)}
        if isinstance(value, type) and issubclass(value, np.generic):
            return {"scalar_type": np.dtype(value).str}
        if isinstance(value, np.generic) and value.dtype.kind in "biufcmMSU":
            return {"scalar": self._add(np.asarray(value))}
        if isinstance(value, (datetime.datetime, datetime.date, datetime.time)):
            return self._describe_date(value)
        if isinstance(value, datetime.timedelta):
            return {"days": [value.days, value.seconds, value.microseconds]}
        if isinstance(value, zoneinfo.ZoneInfo) and value.key:
            return {"zone": value.key}
        if isinstance(value, datetime.timezone):
            return {"named_offset": [self.write(value.utcoffset(None)), value.tzname(None)]}
        if isinstance(value, decimal.Decimal):
            return {"decimal": str(value)}
        if isinstance(value, bytes):
            return {"bytes": value.hex()}
        if isinstance(value, PurePath):
            return {"path": str(value)}
        return None

    def _describe_date(self, value: Any) -> dict:
        zone = getattr(value, "tzinfo", None)
        naive = value if zone is None else value.replace(tzinfo=None)
        return {type(value).__name__: [naive.isoformat(), self.write(zone)]}

    def _describe_shared(self, value: Any) -> dict:
        """Return what stands for a value that others may hold, too."""
        described = describe_dtype(value, self.write)
        if described is not None:
            return described
        if isinstance(value, np.ndarray):
            return self._describe_array(value)
        if isinstance(value, torch.Tensor):
            return {"tensor": self._add(value.detach().cpu().numpy())}
        if isinstance(value, np.random.RandomState):
            return {"random_state": self.write(value.get_state(legacy=False))}
        if isinstance(value, pd.Index):
            return describe_index(value, self.write)
        if isinstance(value, pd.DataFrame):
            return describe_frame(value, self.write)
        if is_tree(value):
            return {"tree": self.write(describe_tree(value))}
        grown = describe_search_tree(value)
        if grown is not None:
            self.n_bytes_beyond += search_tree_size(grown["rows"].shape, grown["leaf_size"])
            return {"search_tree": self.write(grown)}
        self.objects.append(self._describe_object(value))
        return {"object": len(self.objects) - 1}

    def _describe_array(self, array: np.ndarray) -> dict:
        if array.dtype.kind == "O":
            return {"cells": [self.write(list(array.ravel())), list(array.shape)]}
        return {"array": self._add(array)}

    def _add(self, array: np.ndarray) -> Any:
        """Keep an array, and return its position; what it is, too, if files do not know that.

        Columns that stand as such in memory stay so: products add in another order else.
        """
        is_by_columns = _is_by_columns(array)
        plain = np.ascontiguousarray(array.T if is_by_columns else array)
        is_known = array.dtype.kind in ARRAY_KINDS and array.dtype.isnative
        if is_known and not is_by_columns:
            self.arrays.append(plain.reshape(array.shape))
            return len(self.arrays) - 1
        self.arrays.append(plain if is_known else np.frombuffer(plain.tobytes(), dtype=np.uint8))
        order = "F" if is_by_columns else "C"
        return [len(self.arrays) - 1, array.dtype.str, list(array.shape), order]

    def _describe_object(self, value: Any) -> dict:
        name = None if isinstance(value, type) else name_of(type(value))
        if name is None:
            raise NotPlainError(f"{'.'.join(self._open) or 'It'} is {_in_words(value)}")
        if isinstance(value, nn.Module):
            return {"class": name, **self._describe_module(value)}
        if is_dataclass(value):
            state = {field.name: getattr(value, field.name) for field in fields(value)}
        elif has_getstate(value) and not isinstance(value, BaseEstimator):
            state = value.__getstate__()
        else:
            state = vars(value)
        described = {"class": name, "state": self._write_parts(name, state)}
        if is_of_sklearn(type(value)):
            described["version"] = value.__getstate__()["_sklearn_version"]
        return described

    def _describe_module(self, module: nn.Module) -> dict:
        """Return what a torch module keeps: its own attributes, weights, buffers and parts."""
        kept = vars(module)
        inside = set(vars(nn.Module()))
        name = type(module).__name__
        own = {key: part for key, part in kept.items() if key not in inside}
        return {
            "state": self._write_parts(name, own),
            "parameters": self._write_parts(name, kept["_parameters"]),
            "buffers": self._write_parts(name, kept["_buffers"]),
            "parts": self._write_parts(name, kept["_modules"]),
        }

    def _write_parts(self, name: str, parts: dict) -> dict:
        written = {}
        for key, part in parts.items():
            self._open.append(f"{name.split('.')[-1]}.{key}" if not self._open else key)
            written[key] = self.write(part)
            self._open.pop()
        return written


def _is_by_columns(array: np.ndarray) -> bool:
    """Return whether an array's columns, or slices of such, stand one after another in memory."""
    steps = array.strides
    is_turned = all(0 < step < longer for step, longer in pairwise(steps))
    return len(steps) > 1 and is_turned and not array.flags.c_contiguous


def _in_words(value: Any) -> str:
    kind = value if isinstance(value, type) else type(value)
    if callable(value) and not isinstance(value, BaseEstimator):
        return f"code, {getattr(value, '__qualname__', kind.__qualname__)}"
    return f"a {kind.__qualname__} of {kind.__module__}"
