"""Which classes a file may name: those of skmaf, and some of scikit-learn that are plain data.

A file names a class as it is found from here, so that a file says nothing that could be run.
"""

import inspect
from contextlib import suppress
from importlib import import_module
from typing import Any

from torch import nn

PACKAGE = __name__.split(".")[0]
# modules of skmaf, or packages, whose classes files may name; no others are imported for a file
HOMES = {
    "_date_text",
    "classifier",
    "conditional",
    "density",
    "ensemble",
    "flows",
    "imblearn",
    "inference",
    "models",
    "multiscale",
    "outlier",
    "table",
    "training",
    "variational",
}
# where classes are now that files of earlier versions name elsewhere
MOVED: dict[str, str] = {
    "table.columns.Columns": "table.flow_space.Columns",
    "table.date_text.DateText": "_date_text.DateText",
}
# of scikit-learn and torch: what they keep is numbers, names and arrays
OTHERS = {
    "ColumnTransformer": "sklearn.compose",
    "GaussianMixture": "sklearn.mixture",
    "KernelDensity": "sklearn.neighbors",
    "LocalOutlierFactor": "sklearn.neighbors",
    "MaxAbsScaler": "sklearn.preprocessing",
    "MinMaxScaler": "sklearn.preprocessing",
    "ModuleList": "torch.nn",
    "OneHotEncoder": "sklearn.preprocessing",
    "OrdinalEncoder": "sklearn.preprocessing",
    "PCA": "sklearn.decomposition",
    "Pipeline": "sklearn.pipeline",
    "PowerTransformer": "sklearn.preprocessing",
    "QuantileTransformer": "sklearn.preprocessing",
    "RobustScaler": "sklearn.preprocessing",
    "SimpleImputer": "sklearn.impute",
    "StandardScaler": "sklearn.preprocessing",
}


def name_of(kind: type) -> str | None:
    """Return what a file calls a class, None if it may not hold such objects."""
    package, _, module = kind.__module__.partition(".")
    if package == PACKAGE and module.split(".")[0] in HOMES and "." not in kind.__qualname__:
        return f"{module}.{kind.__name__}"
    public = OTHERS.get(kind.__name__)
    if public is not None and getattr(import_module(public), kind.__name__) is kind:
        return kind.__name__
    return None


def class_of(name: str) -> type:
    """Return the class that a file names; refuse all but those that `name_of` gives."""
    name = MOVED.get(name, name)
    if name in OTHERS:
        return getattr(import_module(OTHERS[name]), name)
    path, _, class_name = name.rpartition(".")
    parts = path.split(".")
    found = None
    if parts[0] in HOMES and all(part.isidentifier() for part in parts):
        with suppress(ModuleNotFoundError):
            found = getattr(import_module(f"{PACKAGE}.{path}"), class_name, None)
    if not inspect.isclass(found) or name_of(found) != name:
        raise ValueError(f"{PACKAGE} knows no class {name!r}")
    return found


def is_of_sklearn(kind: type) -> bool:
    """Return whether a class is scikit-learn's, whose insides change with its versions."""
    return kind.__name__ in OTHERS and not issubclass(kind, nn.Module)


def has_getstate(value: Any) -> bool:
    """Return whether an object says itself what of it is to be kept."""
    return "__getstate__" in vars(type(value))
