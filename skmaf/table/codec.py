"""A table as a matrix of numbers, and the way back.

A codec has four methods: `encode` reads rows like those that it was learned from, `decode` and
`decode_column` write rows, `restore` puts untouched cells back. `encode` also returns findings,
which the public methods of estimators turn into warnings: a codec warns of nothing itself.
"""

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from .._compat import get_feature_names
from .cells import NewCategories, check_finite, encode_cells, learn_categories, read_cells, types_of
from .column_kinds import Kind, check_declared, declared_kinds
from .frames import as_pandas, as_table, column_series, put_back
from .periodic import is_periodic
from .rare import GroupedCategories, RareCategories
from .schema import Schema
from .timeline import Timeline, are_date_integers


@dataclass(frozen=True, eq=False)
class TableCodec:
    """Reads a table as a matrix of numbers: NaN for missing cells, codes 0, 1, ... for categories.

    Text and truth values are categories, and so are columns of a categorical dtype. Dates, times
    and durations, and text that is such throughout, are numbers of their own step. A table of
    nothing but float32 stays float32, all else becomes float64.

    Attributes
    ----------
    schema : Schema
        The form of the table.
    declared : dict of int to str or tuple
        Kinds of columns that the user declared, by position.
    has_missing : bool
        Whether cells were missing.
    dtype : numpy dtype
        Of the matrix.
    feature_names : ndarray of object or None
        Names of the columns as scikit-learn keeps them.
    summary : ndarray of shape (3, n_features) or None
        Of each column the share of missing cells, and the lowest and the highest number or code;
        None if they are not known, as in files of earlier versions.
    """

    schema: Schema
    declared: dict
    has_missing: bool
    dtype: np.dtype
    feature_names: np.ndarray | None
    summary: np.ndarray | None = None

    @classmethod
    def learn(
        cls, X: Any, column_kinds: dict | None = None
    ) -> tuple["TableCodec", np.ndarray, list[GroupedCategories]]:
        """Learn the form of a table.

        Parameters
        ----------
        X : array-like or data frame of shape (n_samples, n_features)
        column_kinds : dict, default=None
            Kinds of columns, by name or position.

        Returns
        -------
        codec : TableCodec
        N : ndarray of shape (n_samples, n_features)
        findings : list of GroupedCategories

        Raises
        ------
        ValueError
            If X is no table, or a column has no values, infinite ones, or another kind than is
            declared.
        TypeError
            If a cell holds neither a number nor text nor a truth value nor a date.
        """
        X = as_table(X, min_rows=2)
        declared = declared_kinds(X, column_kinds)
        schema = Schema.blank(X)
        if _is_plain(X) and "categorical" not in declared.values() and not _holds_date_integers(X):
            N = _read_plain(X, schema)
            findings: list[GroupedCategories] = []
        else:
            N, schema, findings = _learn_columns(X, schema, declared)
        for j in np.flatnonzero(np.isnan(N).all(axis=0)):
            raise ValueError(f"{schema.label(int(j))} has no value in any row: drop it.")
        _refuse_limits(declared, schema)
        check_declared(declared, N, schema)
        missing = np.isnan(N).mean(axis=0)
        summary = np.stack([missing, np.fmin.reduce(N), np.fmax.reduce(N)])
        has_missing = bool(missing.any())
        names = get_feature_names(X)
        return cls(schema, declared, has_missing, N.dtype, names, summary), N, findings

    @property
    def n_features(self) -> int:
        """Number of columns of the table."""
        return len(self.schema.categories)

    @property
    def quantities(self) -> list[str]:
        """What each column holds, in words: "numbers", "categories", "dates" and the like."""
        return [self._quantity(j) for j in range(self.n_features)]

    def _quantity(self, j: int) -> str:
        timeline = self.schema.timelines[j]
        if timeline is not None:
            return timeline.quantity
        if self.schema.categories[j] is not None:
            return "categories"
        return "places on a circle" if is_periodic(self.declared.get(j)) else "numbers"

    def encode(self, X: Any) -> tuple[np.ndarray, list[NewCategories]]:
        """Return rows like those that the codec was learned from as numbers, and findings.

        Parameters
        ----------
        X : array-like or data frame of shape (n_samples, n_features)

        Returns
        -------
        N : ndarray of shape (n_samples, n_features)
            A category that was not seen has the code after the last one.
        findings : list of NewCategories

        Raises
        ------
        ValueError
            If X has other columns, cells of other types, infinite ones, or missing ones where
            none was missing.
        TypeError
            If a cell holds neither a number nor text nor a truth value nor a date.
        """
        X = as_table(X)
        if X.shape[1] != self.n_features:
            raise ValueError(f"X has {X.shape[1]} columns, and {self.n_features} in fit.")
        _check_names(get_feature_names(X), self.feature_names)
        if _is_plain(X) and not any(self.schema.n_categories) and not any(self.schema.timelines):
            N = _read_plain(X, self.schema)
            findings: list[NewCategories] = []
        else:
            N, findings = self._encode_columns(X)
        if not self.has_missing:
            refuse_missing(N, self.schema)
        return N, findings

    def _encode_columns(self, X: Any) -> tuple[np.ndarray, list[NewCategories]]:
        numbers = []
        findings: list[NewCategories] = []
        for j, column in enumerate(column_series(X)):
            label = self.schema.label(j)
            cells, cell_types = read_cells(column, label)
            _check_types(cell_types, self.schema.cell_types[j], label)
            timeline = self.schema.timelines[j]
            if timeline is not None:
                cells = timeline.encode(cells, label)
            if self.schema.categories[j] is not None:
                cells, found = encode_cells(cells, self.schema.categories[j], label)
                findings += found if self.schema.rare[j] is None else []
            numbers.append(cells)
        return np.column_stack(numbers), findings

    def decode(
        self, N: np.ndarray, container: str | None = None, rng: np.random.RandomState | None = None
    ) -> Any:
        """Return a matrix of numbers as a table of the user's kind, or in another container.

        Where rare categories count as one, ``rng`` draws one of them; by default always the same.
        """
        return self.schema.write(N, container, rng)

    def decode_column(self, j: int, numbers: np.ndarray) -> np.ndarray:
        """Return the values of a column from its numbers or codes."""
        return self.schema.decode(j, numbers, np.random.RandomState(0))

    def restore(self, table: Any, X: Any, missing: np.ndarray) -> Any:
        """Return a table with the cells of ``X`` that are not missing as they were there.

        A number beyond the precision of a float, and a category that was not seen, survive.

        Parameters
        ----------
        table : array or data frame
            What `decode` gives for the rows of X.
        X : array or data frame, of as many rows
        missing : ndarray of bool, shape (n_samples, n_features)
        """
        return put_back(table, X, missing)


@dataclass(frozen=True, eq=False)
class PassthroughCodec:
    """Hands rows on as they are, for estimators that read tables themselves.

    Rows come as a frame of pandas if the codec was learned from a data frame of any library, and
    as an array of any dtype otherwise. The methods are those of `TableCodec`.

    Attributes
    ----------
    n_features : int
    names : list or None
        Names of the columns of a data frame.
    feature_names : ndarray of object or None
        Names of the columns as scikit-learn keeps them.
    """

    n_features: int
    names: list | None
    feature_names: np.ndarray | None

    @classmethod
    def learn(cls, X: Any) -> tuple["PassthroughCodec", Any, list]:
        """Return a codec for tables like ``X``, the rows of X, and no findings."""
        X = as_table(X)
        rows = as_pandas(X)
        names = None if isinstance(rows, np.ndarray) else list(rows.columns)
        return cls(X.shape[1], names, get_feature_names(X)), rows, []

    def encode(self, X: Any) -> tuple[Any, list]:
        """Return the rows, and no findings."""
        rows = as_pandas(as_table(X))
        is_array = isinstance(rows, np.ndarray)
        if is_array and self.names is not None:
            return pd.DataFrame(rows, columns=self.names), []
        if not is_array and self.names is None:
            return rows.to_numpy(), []
        return rows, []

    def decode_column(self, j: int, values: np.ndarray) -> np.ndarray:
        """Return the values of a column."""
        return values


def refuse_missing(N: np.ndarray, schema: Schema) -> None:
    """Refuse rows with missing cells where `fit` saw none."""
    counts = np.isnan(N).sum(axis=0)
    if counts.any():
        j = int(counts.argmax())
        raise ValueError(
            f"{schema.label(j)} contains NaN in {counts[j]} of {len(N)} rows, and no cell was "
            "missing in fit: impute it (SimpleImputer) or drop those rows, or fit on rows of "
            "which some have missing cells too."
        )


def _refuse_limits(declared: dict, schema: Schema) -> None:
    """Refuse bounds and periods of dates, whose numbers the user does not know."""
    for j, kind in declared.items():
        timeline = schema.timelines[j]
        if isinstance(kind, tuple) and timeline is not None:
            raise ValueError(
                f"{schema.label(j)} holds {timeline.cell_type}, which column_kinds calls {kind!r}: "
                "leave it out of column_kinds, since draws keep the range of dates."
            )


def _check_names(names: np.ndarray | None, known: np.ndarray | None) -> None:
    """Refuse columns of other names, or in another order; a table without names may be any."""
    if names is not None and known is not None and not np.array_equal(names, known):
        raise ValueError(
            f"X has the columns {list(names[:10])}, and {list(known[:10])} in fit: give the same, "
            "in this order."
        )


def _is_plain(X: Any) -> bool:
    return isinstance(X, np.ndarray) and X.dtype.kind in "iuf"


def _holds_date_integers(X: np.ndarray) -> bool:
    is_exact = X.dtype.kind in "iu" or X.dtype == np.float64
    return is_exact and any(are_date_integers(x[~np.isnan(x)]) for x in X.T)


def _read_plain(X: np.ndarray, schema: Schema) -> np.ndarray:
    N = X.astype(np.float32 if X.dtype == np.float32 else np.float64, copy=False)
    check_finite(N, [schema.label(j) for j in range(X.shape[1])])
    return N


def _learn_columns(
    X: Any, schema: Schema, declared: dict
) -> tuple[np.ndarray, Schema, list[GroupedCategories]]:
    """Return a table as numbers, the schema with what was learned, and findings."""
    learned = [
        _learn_column(column, schema.label(j), declared.get(j))
        for j, column in enumerate(column_series(X))
    ]
    numbers, categories, cell_types, timelines, rare = map(list, zip(*learned))
    findings = [
        grouped.finding(schema.label(j), j, len(categories[j]))
        for j, grouped in enumerate(rare)
        if grouped is not None
    ]
    schema = replace(
        schema,
        categories=categories,
        cell_types=cell_types,
        timelines=timelines,
        rare=[grouped and grouped.thinned() for grouped in rare],
    )
    return np.column_stack(numbers), schema, findings


class _LearnedColumn(NamedTuple):
    """A column as numbers, and what the schema keeps of it."""

    numbers: np.ndarray
    categories: pd.Index | None
    cell_types: set
    timeline: Timeline | None = None
    rare: RareCategories | None = None


def _learn_column(column: pd.Series, label: str, kind: Kind | None) -> _LearnedColumn:
    cells, cell_types = read_cells(column, label)
    timeline = None
    may_be_dates = not isinstance(column.dtype, pd.CategoricalDtype) and kind != "categorical"
    if may_be_dates and (kind is None or cells.dtype == object):
        timeline = Timeline.learn(cells, cell_types, label)
    if timeline is not None:
        return _LearnedColumn(timeline.encode(cells, label), None, timeline.accepted, timeline)
    known, rare = learn_categories(column, cells, kind == "categorical")
    if known is None:
        return _LearnedColumn(cells, None, cell_types)
    codes, _ = encode_cells(cells, known, label)
    cell_types = cell_types | types_of(known)
    if rare is not None:
        cell_types = cell_types | types_of(rare.values)
    return _LearnedColumn(codes, known, cell_types, rare=rare)


def _check_types(cell_types: set, known: set, label: str) -> None:
    if cell_types - known:
        before = " and ".join(sorted(known))
        now = " and ".join(sorted(cell_types - known))
        raise ValueError(
            f"{label} held {before} in fit and holds {now} now: give it the kind of values that "
            "it had."
        )
