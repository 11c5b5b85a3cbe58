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
from .archive import check_position
from .classes import class_of
from .room import Room
from .search_trees import check_neighbours, make_search_tree, search_tree_size
from .trees import make_tree, tree_size

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
    "timedelta": frames.make_timedelta,
    "period": frames.make_period,
    "dtype": frames.numpy_dtype,
    "scalar_type": lambda text: frames.numpy_dtype(text).type,
    "string_dtype": frames.string_dtype,
    "arrow_dtype": frames.arrow_dtype,
    "pandas_dtype": frames.pandas_dtype,
}


# bytes, at most, that values of these kinds take beside their JSON: measured
SIZES = {
    "scalar": 250,
    "array": 250,
    "tensor": 800,
    "random_state": 4000,
    "tree": 1000,
    "search_tree": 3000,
    "index": 2500,
    "multi_index": 6000,
    "categorical_dtype": 2000,
    "frame": 6000,
}
STATE_SHAPE = (624,)  # of the Mersenne twister
OBJECT_SIZE = 400
PATH_SIZE = 8  # for each path through objects: what keeps their number down
MODULE_SIZE = 3000  # of a torch module without weights
# and for each of their parts
ELEMENT_SIZE = 80  # of a set
CELL_SIZE = 40  # of an index
CONVERTED_CELL_SIZE = 160  # of an index, where it makes its cells of other values
TUPLE_SIZE = 200  # of an index of several levels
CATEGORY_SIZE = 100
COLUMN_SIZE = 2500


def restored(
    described: dict[str, Any], array_of: Callable[[int], np.ndarray], room: Room | None = None
) -> tuple[Any, set[str]]:
    """Return what `describe` has written, and the versions of scikit-learn that it comes from.

    Parameters
    ----------
    described : dict
    array_of : callable
        Returns the array at a position, anew each time.
    room : Room, default=None
        What memory it may take; by default any.
    """
    decoder = Decoder(array_of, described["objects"], room or Room())
    return decoder.read(described["root"]), decoder.versions


class Decoder:
    """Reads what an `Encoder` has written.

    Parameters
    ----------
    array_of : callable
        Returns the array at a position, anew each time.
    objects : list of dict
        Each after those that it holds.
    room : Room
        What memory may be taken beside that of arrays.

    Attributes
    ----------
    versions : set of str
        Of scikit-learn, which estimators of its own were written with.
    """

    def __init__(
        self, array_of: Callable[[int], np.ndarray], objects: list[dict], room: Room
    ) -> None:
        self.versions: set[str] = set()
        self._array_of = array_of
        self._room = room
        self._objects: list[Any] = []
        # from each object to those that it holds, by all ways, and to itself
        self._n_paths: list[int] = []
        self._n_open_paths = 1  # of the object that is being read
        self._read = {**FROM_TEXT, **self._of_values(), **self._of_arrays()}
        for described in objects:
            self._n_open_paths = 1
            self._objects.append(self._object(described))
            self._n_paths.append(self._n_open_paths)

    def _of_values(self) -> Readers:
        """Return what reads values that hold others."""
        return {
            "list": self._all,
            "tuple": lambda parts: tuple(self._all(parts)),
            "set": self._set,
            "frozenset": lambda parts: frozenset(self._set(parts)),
            "dict": lambda parts: {self.read(key): self.read(part) for key, part in parts},
            "object": self._known_object,
            "tree": self._tree,
            "search_tree": self._search_tree,
            "random_state": self._random_state,
            "offset": lambda offset: datetime.timezone(self.read(offset)),  # of older files
            "named_offset": lambda parts: datetime.timezone(*self._all(parts)),
            "timestamp": lambda parts: frames.make_timestamp(self._all(parts)),
            "zoned_dtype": lambda parts: pd.DatetimeTZDtype(*self._all(parts)),
            "sparse_dtype": lambda parts: pd.SparseDtype(*self._all(parts)),
            "date": lambda parts: self._date(datetime.date, parts),
            "datetime": lambda parts: self._date(datetime.datetime, parts),
            "time": lambda parts: self._date(datetime.time, parts),
            "interval": lambda parts: pd.Interval(*self._all(parts)),
            "categorical_dtype": self._categorical_dtype,
            "frame_dtype": lambda parts: frames.frame_dtype(self._all(parts)),
            "index": self._index,
            "multi_index": self._multi_index,
            "frame": self._frame,
        }

    def _of_arrays(self) -> Readers:
        """Return what reads values that hold arrays."""
        return {
            "scalar": lambda place: self._array(place)[()],
            "array": self._array,
            "tensor": lambda place: torch.from_numpy(self._array(place)),
            "cells": self._cells,
        }

    def read(self, value: Any) -> Any:
        """Return the value that this JSON is of."""
        if not isinstance(value, dict):
            if isinstance(value, list):
                raise ValueError("a list says not what it is")
            return value
        [[kind, content]] = value.items()
        self._room.take(SIZES.get(kind, 0))
        return self._read[kind](content)

    def _all(self, parts: list) -> list:
        return [self.read(part) for part in parts]

    def _set(self, parts: list) -> set:
        self._room.take(ELEMENT_SIZE * len(parts))
        return set(self._all(parts))

    def _array(self, place: Any) -> np.ndarray:
        if isinstance(place, int):
            return self._array_of(check_position(place))
        position, dtype, shape, order = [*place, "C"][:4]  # older files do not say the order
        numbers = self._array_of(check_position(position))
        return np.frombuffer(numbers, frames.numpy_dtype(dtype)).reshape(shape, order=order)

    def _cells(self, parts: list) -> np.ndarray:
        values, shape = parts
        cells = self.read(values)
        if not isinstance(cells, list):
            raise ValueError("cells are no list")
        array = np.empty(len(cells), dtype=object)
        array[:] = cells
        return array.reshape(shape)

    def _tree(self, parts: Any) -> Any:
        described = self.read(parts)
        size = tree_size(described["nodes"])
        self._room.take(size - sum(array.nbytes for array in described["nodes"].values()))
        self._room.check(size)  # for the nodes that the tree copies
        return make_tree(**described)

    def _search_tree(self, parts: Any) -> Any:
        described = self.read(parts)
        self._room.take(search_tree_size(described["rows"].shape, described["leaf_size"]))
        return make_search_tree(**described)

    def _random_state(self, state: Any) -> np.random.RandomState:
        described = self.read(state)
        inner = described["state"]
        if inner["key"].shape != STATE_SHAPE or check_position(inner["pos"]) > STATE_SHAPE[0]:
            raise ValueError("a random state has another size, or stands beyond it")
        rng = np.random.RandomState()
        rng.set_state(described)
        return rng

    def _index(self, parts: list) -> pd.Index:
        values, dtype, name = self._all(parts)
        if isinstance(dtype, np.dtype) and dtype.kind in "SUV":
            raise ValueError("an index has cells of any size")
        if isinstance(values, list):
            is_plain = isinstance(dtype, (np.dtype, pd.StringDtype))
            self._room.take(len(values) * (CELL_SIZE if is_plain else CONVERTED_CELL_SIZE))
        elif values.dtype == dtype:
            self._room.take(values.nbytes)
        else:
            raise ValueError("an index has another dtype than its values")
        return frames.make_index([values, dtype, name])

    def _multi_index(self, parts: list) -> pd.MultiIndex:
        keys, names = self._all(parts)
        n_levels = max(map(len, keys), default=0)
        self._room.take(TUPLE_SIZE * len(keys) + SIZES["index"] * n_levels)
        return frames.make_multi_index([keys, names])

    def _categorical_dtype(self, parts: list) -> pd.CategoricalDtype:
        categories, is_ordered = self._all(parts)
        self._room.take(CATEGORY_SIZE * len(categories))
        return frames.categorical_dtype([categories, is_ordered])

    def _frame(self, parts: list) -> pd.DataFrame:
        columns, names, index = self._all(parts)
        if any(len(column) != len(index) for column in columns):
            raise ValueError("a data frame has columns of other lengths")
        self._room.take(sum(COLUMN_SIZE + 2 * column.nbytes for column in columns))
        return frames.make_frame([columns, names, index])

    def _date(self, kind: Any, parts: list) -> Any:
        text, zone = parts
        value = kind.fromisoformat(text)
        return value if zone is None else value.replace(tzinfo=self.read(zone))

    def _object(self, described: dict) -> Any:
        """Return an object as it was; no method of its class is called."""
        kind = class_of(described["class"])
        self._room.take(OBJECT_SIZE)
        made: Any = object.__new__(kind)
        state = self._parts(described, "state")
        if "version" in described:
            self.versions.add(str(described["version"]))
        if issubclass(kind, nn.Module):
            self._room.take(MODULE_SIZE)
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
        check_neighbours(made)
        return made

    def _known_object(self, place: Any) -> Any:
        """Return an object that was read before.

        What walks, hashes or prints objects comes to those that several hold once for each of them,
        so that a few shared ones can make such a walk endless: paths count as memory.
        """
        known = self._objects[check_position(place)]
        self._room.take(PATH_SIZE * self._n_paths[place])
        self._n_open_paths += self._n_paths[place]
        return known

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
        module.training = False


def _complete(kind: type, state: dict, defaults: dict, needed: Any) -> None:
    """Add what classes have by now and had not when the file was written."""
    for name, default in defaults.items():
        if name not in state and default is needed:
            raise ValueError(f"a {kind.__name__} lacks its {name}")
        state.setdefault(name, default)
    if is_dataclass(kind) and set(state) != set(defaults):
        raise ValueError(f"a {kind.__name__} has {sorted(set(state) - set(defaults))}")
