"""Estimators of what `Encoder` has written; nothing of it is run."""

import datetime
import decimal
import zoneinfo
from collections.abc import Callable
from dataclasses import MISSING, fields, is_dataclass
from inspect import Parameter, signature
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from sklearn.base import BaseEstimator
from torch import nn

from . import frames
from .classes import class_of
from .trees import make_tree

Readers = dict[str, Callable[[Any], Any]]

NO_VALUES = {"<NA>": pd.NA, "NaT": pd.NaT}
# values that hold no others
FROM_TEXT: Readers = {
    "float": float,
    "slice": lambda parts: slice(*parts),
    "missing": NO_VALUES.__getitem__,
    "decimal": decimal.Decimal,
    "bytes": bytes.fromhex,
    "days": lambda parts: datetime.timedelta(*parts),
    "zone": zoneinfo.ZoneInfo,
    "path": Path,
    "timestamp": frames.make_timestamp,
    "timedelta": frames.make_timedelta,
    "period": frames.make_period,
    "dtype": frames.numpy_dtype,
    "scalar_type": lambda text: frames.numpy_dtype(text).type,
    "string_dtype": frames.string_dtype,
    "pandas_dtype": pd.api.types.pandas_dtype,
}


class Decoder:
    """Reads what an `Encoder` has written.

    Parameters
    ----------
    arrays : list of ndarray
    objects : list of dict
        Each after those that it holds.

    Attributes
    ----------
    versions : set of str
        Of scikit-learn, which estimators of its own were written with.
    """

    def __init__(self, arrays: list[np.ndarray], objects: list[dict]) -> None:
        self.versions: set[str] = set()
        self._arrays = arrays
        self._objects: list[Any] = []
        self._read = {**FROM_TEXT, **self._of_values(), **self._of_arrays()}
        for described in objects:
            self._objects.append(self._object(described))

    def _of_values(self) -> Readers:
        """Return what reads values that hold others."""
        return {
            "list": self._all,
            "tuple": lambda parts: tuple(self._all(parts)),
            "set": lambda parts: set(self._all(parts)),
            "frozenset": lambda parts: frozenset(self._all(parts)),
            "dict": lambda parts: {self.read(key): self.read(part) for key, part in parts},
            "object": lambda place: self._objects[_position(place)],
            "tree": lambda parts: make_tree(**self.read(parts)),
            "random_state": self._random_state,
            "offset": lambda offset: datetime.timezone(self.read(offset)),
            "date": lambda parts: self._date(datetime.date, parts),
            "datetime": lambda parts: self._date(datetime.datetime, parts),
            "time": lambda parts: self._date(datetime.time, parts),
            "interval": lambda parts: pd.Interval(*self._all(parts)),
            "categorical_dtype": lambda parts: frames.categorical_dtype(self._all(parts)),
            "frame_dtype": lambda parts: frames.frame_dtype(self._all(parts)),
            "index": lambda parts: frames.make_index(self._all(parts)),
            "multi_index": lambda parts: frames.make_multi_index(self._all(parts)),
            "frame": lambda parts: frames.make_frame(self._all(parts)),
        }

    def _of_arrays(self) -> Readers:
        """Return what reads values that hold arrays."""
        return {
            "scalar": lambda place: self._array(place)[()],
            "array": lambda place: self._array(place).copy(),
            "tensor": lambda place: torch.from_numpy(self._array(place).copy()),
            "cells": self._cells,
        }

    def read(self, value: Any) -> Any:
        """Return the value that this JSON is of."""
        if not isinstance(value, dict):
            if isinstance(value, list):
                raise ValueError("a list says not what it is")
            return value
        [[kind, content]] = value.items()
        return self._read[kind](content)

    def _all(self, parts: list) -> list:
        return [self.read(part) for part in parts]

    def _array(self, place: Any) -> np.ndarray:
        if isinstance(place, int):
            return self._arrays[_position(place)]
        position, dtype, shape = place
        numbers = self._arrays[_position(position)].tobytes()
        return np.frombuffer(numbers, dtype=frames.numpy_dtype(dtype)).reshape(shape)

    def _cells(self, parts: list) -> np.ndarray:
        values, shape = parts
        cells = self.read(values)
        array = np.empty(len(cells), dtype=object)
        array[:] = cells
        return array.reshape(shape)

    def _random_state(self, state: Any) -> np.random.RandomState:
        rng = np.random.RandomState()
        rng.set_state(self.read(state))
        return rng

    def _date(self, kind: Any, parts: list) -> Any:
        text, zone = parts
        value = kind.fromisoformat(text)
        return value if zone is None else value.replace(tzinfo=self.read(zone))

    def _object(self, described: dict) -> Any:
        """Return an object as it was; no method of its class is called."""
        kind = class_of(described["class"])
        made: Any = object.__new__(kind)
        state = self._parts(described, "state")
        if "version" in described:
            self.versions.add(str(described["version"]))
        if issubclass(kind, nn.Module):
            nn.Module.__init__(made)
            self._fill_module(made, described)
        elif is_dataclass(kind):
            defaults = {field.name: field.default for field in fields(kind)}
            _complete(kind, state, defaults, needed=MISSING)
        elif issubclass(kind, BaseEstimator):
            parameters = signature(kind).parameters
            defaults = {name: parameter.default for name, parameter in parameters.items()}
            _complete(kind, state, defaults, needed=Parameter.empty)
        made.__dict__.update(state)
        return made

    def _parts(self, described: dict, name: str) -> dict:
        return {key: self.read(part) for key, part in described[name].items()}

    def _fill_module(self, module: nn.Module, described: dict) -> None:
        for name, weight in self._parts(described, "parameters").items():
            is_there = weight is not None
            module.register_parameter(name, nn.Parameter(weight, False) if is_there else None)
        for name, values in self._parts(described, "buffers").items():
            module.register_buffer(name, values)
        for name, part in self._parts(described, "parts").items():
            module.register_module(name, part)
        module.eval()


def _complete(kind: type, state: dict, defaults: dict, needed: Any) -> None:
    """Add what classes have by now and had not when the file was written."""
    for name, default in defaults.items():
        if name not in state and default is needed:
            raise ValueError(f"a {kind.__name__} lacks its {name}")
        state.setdefault(name, default)
    if is_dataclass(kind) and set(state) != set(defaults):
        raise ValueError(f"a {kind.__name__} has {sorted(set(state) - set(defaults))}")


def _position(place: Any) -> int:
    if type(place) is not int or place < 0:
        raise ValueError(f"{place!r} is no position")
    return place
