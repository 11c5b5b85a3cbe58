"""Any table becomes a matrix of numbers and comes back in its own form.

An error about a table that cannot names the column and the remedy.
"""

import pickle
import warnings
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_matrix

from skmaf.table import rare
from skmaf.table.cells import NewCategories
from skmaf.table.codec import PassthroughCodec, TableCodec
from skmaf.table.rare import MAX_CATEGORIES, MIN_CATEGORY_ROWS

NAN = np.nan


def fit(X, categorical=()):
    """Learn a codec, and return it with the table as numbers."""
    codec, table, findings = TableCodec.learn(X, dict.fromkeys(categorical, "categorical"))
    assert findings == []
    return codec, table


def fit_column(values, dtype=None, categorical=()):
    """Fit a table of this one column, "x", and return the codec and the numbers."""
    codec, table = fit(pd.DataFrame({"x": pd.Series(values, dtype=dtype)}), categorical)
    return codec, table[:, 0]


def score(codec, X):
    """Rows as numbers, missing cells or not, with the findings as warnings."""
    table, findings = replace(codec, has_missing=True).encode(X)
    for finding in findings:
        warnings.warn(finding.message, stacklevel=2)
    return table


def score_column(codec, values, dtype=None):
    return score(codec, pd.DataFrame({"x": pd.Series(values, dtype=dtype)}))[:, 0]


def equal(a, b):
    np.testing.assert_array_equal(a, b, strict=True)


def mixed_frame():
    return pd.DataFrame(
        {
            "size": [1.5, NAN, 3.0, 4.0],
            "count": [1, 2, 3, 4],
            "maybe": pd.array([1, None, 3, 4], dtype="Int64"),
            "share": pd.array([0.5, None, 0.25, 1.0], dtype="Float64"),
            "flag": [True, False, True, True],
            "flag?": pd.array([True, None, False, True], dtype="boolean"),
            "colour": ["red", None, "blue", "red"],
            "text": pd.array(["b", "a", None, "b"], dtype="string"),
            "object": pd.Series(["u", None, "v", "u"], dtype=object),
            "rank": pd.Categorical(
                ["low", "high", None, "low"], categories=["low", "mid", "high"], ordered=True
            ),
            "grade": pd.Categorical([3, 1, 3, None], categories=[3, 2, 1]),
            "small": np.array([1, 2, 3, 250], dtype=np.uint8),
            "single": np.array([0.1, 0.2, NAN, 0.4], dtype=np.float32),
        }
    )


def test_a_mixed_frame_as_numbers():
    codec, table = fit(mixed_frame())
    assert table.dtype == np.float64
    expected = {
        "size": [1.5, NAN, 3, 4],
        "count": [1, 2, 3, 4],
        "maybe": [1, NAN, 3, 4],
        "share": [0.5, NAN, 0.25, 1],
        "flag": [1, 0, 1, 1],
        "flag?": [1, NAN, 0, 1],
        "colour": [1, NAN, 0, 1],
        "text": [1, 0, NAN, 1],
        "object": [0, NAN, 1, 0],
        "rank": [0, 2, NAN, 0],
        "grade": [0, 2, 0, NAN],
        "small": [1, 2, 3, 250],
        "single": np.array([0.1, 0.2, NAN, 0.4], dtype=np.float32).astype(float),
    }
    for name, x in zip(expected, table.T, strict=True):
        np.testing.assert_array_equal(x, expected[name], err_msg=name)
    assert codec.n_features == 13
    assert list(codec.feature_names) == list(expected)
    categories = dict(zip(expected, codec.schema.categories))
    assert list(categories["rank"]) == ["low", "mid", "high"]
    assert list(categories["grade"]) == [3, 2, 1]
    assert list(categories["flag"]) == [False, True]
    assert categories["size"] is None
    assert codec.schema.n_categories == [
        None,
        None,
        None,
        None,
        2,
        2,
        2,
        2,
        2,
        3,
        3,
        None,
        None,
    ]


def test_a_mixed_frame_comes_back():
    frame = mixed_frame()
    codec, table = fit(frame)
    pd.testing.assert_frame_equal(codec.decode(table), frame)
    pd.testing.assert_frame_equal(pickle.loads(pickle.dumps(codec)).decode(table), frame)
    # and so do other rows of it, with an index from 0
    pd.testing.assert_frame_equal(codec.decode(table[::-2]), frame[::-2].reset_index(drop=True))
    equal(score(codec, frame[::-2]), table[::-2])


# arrays and lists


@pytest.mark.parametrize(
    "dtype, read", [("f4", "f4"), ("f8", "f8"), ("f2", "f8"), ("i8", "f8"), ("u1", "f8")]
)
def test_arrays_of_numbers(dtype, read):
    X = np.array([[1, 2], [3, 4], [5, 6]], dtype=dtype)
    codec, table = fit(X)
    equal(table, X.astype(read))
    equal(codec.decode(table), X.astype(read))
    assert codec.schema.container == "array"
    assert codec.schema.dtypes == [X.dtype] * 2
    assert codec.schema.label(1) == "Column 1"
    assert codec.feature_names is None


def test_an_array_of_floats_is_not_copied():
    X = np.ones((3, 2))
    codec, table = fit(X)
    assert np.shares_memory(X, table)
    assert np.shares_memory(X, score(codec, X))


def test_missing_cells_of_an_array():
    equal(fit(np.array([[1.0, NAN], [NAN, 2.0]]))[1], np.array([[1.0, NAN], [NAN, 2.0]]))
    X = np.array([[1.0, None], [pd.NA, 2], [NAN, pd.NaT], [Decimal("NaN"), 3]], dtype=object)
    equal(fit(X)[1], np.array([[1.0, NAN], [NAN, 2.0], [NAN, NAN], [NAN, 3.0]]))


def test_an_array_of_truth_values():
    X = np.array([[True, False], [False, False]])
    codec, table = fit(X)
    equal(table, np.array([[1.0, 0.0], [0.0, 0.0]]))
    equal(codec.decode(table), X)


def test_an_array_of_text():
    X = np.array([["b", "10"], ["a", "9"], ["nan", "9"]])
    codec, table = fit(X)
    equal(table, np.array([[1.0, 0.0], [0.0, 1.0], [2.0, 1.0]]))
    equal(codec.decode(table), X.astype(object))


@pytest.mark.parametrize("container", [list, tuple, lambda rows: np.array(rows, dtype=object)])
def test_rows_of_objects_are_read_column_by_column(container):
    rows = [[1, "b", True, 0.5], [2, "a", None, Decimal("1.5")], [3, None, False, Fraction(1, 4)]]
    codec, table = fit(container(rows))
    equal(table, np.array([[1, 1, 1, 0.5], [2, 0, NAN, 1.5], [3, NAN, 0, 0.25]]))
    back = np.array(
        [[1, "b", True, 0.5], [2, "a", None, 1.5], [3, None, False, 0.25]], dtype=object
    )
    equal(codec.decode(table), back)
    assert type(codec.decode(table)[0, 2]) is bool


def test_a_list_of_numbers():
    codec, table = fit([[1, 2.5], [3, 4]])
    equal(table, np.array([[1, 2.5], [3, 4]]))
    equal(codec.decode(table), table)


def test_declared_categories():
    X = np.array([[3.0, 0.5], [1.0, 0.25], [3.0, NAN], [NAN, 1.0]])
    codec, table = fit(X, categorical=[0])
    equal(table, np.array([[1, 0.5], [0, 0.25], [1, NAN], [NAN, 1.0]]))
    equal(codec.decode(table), X)
    equal(score(codec, X.tolist()), table)
    single, table = fit(X.astype("f4"), categorical=[0])
    equal(single.decode(table), X.astype("f4"))
    with pytest.warns(UserWarning, match="Column 0 holds 2.0, which fit did not see"):
        equal(score(codec, np.array([[2.0, 1.0]])), np.array([[2.0, 1.0]]))


def test_declared_categories_of_a_frame():
    codec, x = fit_column([7, 5, 7], categorical=[0])
    equal(x, np.array([1.0, 0.0, 1.0]))
    pd.testing.assert_frame_equal(codec.decode(x[:, None]), pd.DataFrame({"x": [7, 5, 7]}))
    equal(
        fit_column(pd.Categorical([7, 5, 7], categories=[7, 5]), categorical=[0])[1],
        np.array([0.0, 1.0, 0.0]),
    )


# kinds of columns


@pytest.mark.parametrize(
    "dtype",
    ["int8", "uint64", "float16", "float64", "Int8", "UInt32", "Float32", "Float64", object],
)
def test_dtypes_of_numbers(dtype):
    codec, x = fit_column([2, 0, 1], dtype)
    np.testing.assert_array_equal(x, [2, 0, 1])
    assert codec.schema.categories == [None]
    pd.testing.assert_frame_equal(
        codec.decode(x[:, None]),
        pd.DataFrame({"x": [2, 0, 1]}, dtype=dtype),
        check_exact=True,
    )


@pytest.mark.parametrize(
    "values, dtype, categories",
    [
        (["b", "a", "b"], object, ["a", "b"]),
        (["b", "a", "b"], "string", ["a", "b"]),
        (["b", "a", "b"], None, ["a", "b"]),
        (["b", "a", "b"], "category", ["a", "b"]),
        (["10", "9", None], object, ["10", "9"]),
        ([b"b", b"a", None], object, [b"a", b"b"]),
        ([True, False, None], object, [False, True]),
        ([True, False, True], bool, [False, True]),
        ([True, False, None], "boolean", [False, True]),
        (["b", True, 2.5], object, [2.5, True, "b"]),
        ([np.True_, False, None], object, [False, True]),
    ],
)
def test_dtypes_of_categories(values, dtype, categories):
    frame = pd.DataFrame({"x": pd.Series(values, dtype=dtype)})
    codec, table = fit(frame)
    assert list(codec.schema.categories[0]) == categories
    back = codec.decode(table)
    pd.testing.assert_frame_equal(back, frame)
    equal(score(codec, back), table)


def test_declared_lists_keep_their_order_and_what_does_not_occur():
    values = pd.Categorical(["b", None, "a"], categories=["c", "b", "a"])
    codec, x = fit_column(values)
    equal(x, np.array([1, NAN, 2]))
    equal(score_column(codec, ["a", "b", "c"]), np.array([2.0, 1.0, 0.0]))
    equal(score_column(codec, pd.Categorical(["a", "b", "c"])), np.array([2.0, 1.0, 0.0]))
    assert list(codec.decode(np.array([[0.0], [NAN]]))["x"].cat.categories) == [
        "c",
        "b",
        "a",
    ]


def test_declared_list_of_numbers_and_text():
    values = pd.Categorical([1, 2, 1], categories=[2, 1, "more"])
    codec, x = fit_column(values)
    equal(x, np.array([1.0, 0.0, 1.0]))
    equal(score_column(codec, ["more", 1, None], object), np.array([2, 1, NAN]))
    equal(codec.decode(x[:, None])["x"].array, values)


def test_declared_list_of_intervals():
    values = pd.cut(np.array([0.5, 1.5, NAN, 0.2]), [0, 1, 2])
    codec, x = fit_column(values)
    equal(x, np.array([0, 1, NAN, 0]))
    pd.testing.assert_frame_equal(codec.decode(x[:, None]), pd.DataFrame({"x": values}))
    equal(score_column(codec, values), x)


def test_declared_list_of_exact_numbers():
    codec, x = fit_column(pd.Categorical([Decimal("0.1"), Decimal("0.7"), Decimal("0.1")]))
    equal(x, np.array([0.0, 1.0, 0.0]))
    equal(score_column(codec, [0.7, 0.1]), np.array([1.0, 0.0]))


def test_single_precision():
    frame = pd.DataFrame({"a": np.float32([1, 2]), "b": pd.array([1, None], dtype="Float32")})
    codec, table = fit(frame)
    equal(table, np.float32([[1, 1], [2, NAN]]))
    pd.testing.assert_frame_equal(codec.decode(table), frame)
    assert fit(frame.assign(c=["u", "v"]))[1].dtype == np.float64
    assert fit(frame.assign(c=[1, 2]))[1].dtype == np.float64
    assert fit(np.float32([[1], [2]]), categorical=[0])[1].dtype == np.float64


# what other rows may hold


def test_new_categories():
    codec, _ = fit(pd.DataFrame({"colour": ["red", "blue"], "ok": [True, True]}))
    with pytest.warns(UserWarning) as record:
        table = score(
            codec,
            pd.DataFrame(
                {"colour": ["pink", "red", None, "pink"], "ok": [True, False, True, True]}
            ),
        )
    equal(table, np.array([[2, 0], [1, 1], [NAN, 0], [2, 0]]))
    assert [str(warning.message) for warning in record] == [
        "Column 'colour' holds 'pink', which fit did not see: such cells count as new values.",
        "Column 'ok' holds False, which fit did not see: such cells count as new values.",
    ]
    with pytest.warns(
        UserWarning, match="Column 'colour' holds 'a', 'b', 'c', ..., which fit did not see"
    ):
        score(codec, pd.DataFrame({"colour": list("abcdea"), "ok": True}))


@pytest.mark.parametrize(
    "before, now, message",
    [
        ([1.0, 2.0], ["a", "b"], "Column 'x' held numbers in fit and holds text now"),
        ([1.0, 2.0], ["a", 2.0], "Column 'x' held numbers in fit and holds text now"),
        ([1.0, 2.0], [True, False], "Column 'x' held numbers in fit and holds truth values now"),
        ([1, 2], pd.Categorical(["a", "b"]), "Column 'x' held numbers in fit and holds text now"),
        (["a", "b"], [1, 2], "Column 'x' held text in fit and holds numbers now"),
        (["a", "b"], [True, False], "Column 'x' held text in fit and holds truth values now"),
        ([True, False], [1, 0], "Column 'x' held truth values in fit and holds numbers now"),
        (
            [True, False],
            ["yes", 0],
            "Column 'x' held truth values in fit and holds numbers and text now",
        ),
        (pd.Categorical([1, 2]), ["1", "2"], "Column 'x' held numbers in fit and holds text now"),
    ],
)
def test_changed_kinds(before, now, message):
    codec, _ = fit_column(before)
    with pytest.raises(ValueError, match=message):
        score_column(codec, now)


@pytest.mark.parametrize(
    "before, now, codes",
    [
        ([1, 2], [1.5, NAN], [1.5, NAN]),
        ([1.5, 2], pd.Series([1, pd.NA], dtype="Int64"), [1, NAN]),
        ([1.5, 2], pd.Series([1, None], dtype=object), [1, NAN]),
        ([1.5, 2], pd.Categorical([3, 2]), [3, 2]),
        (pd.Categorical([4, 8]), [8.0, NAN], [1, NAN]),
        ([True, False], pd.Series([True, None], dtype=object), [1, NAN]),
        (pd.Series([True, None], dtype="boolean"), [True, True], [0, 0]),
        (pd.Series(["a", 2, True], dtype=object), pd.Series([True, 2], dtype=object), [1, 0]),
        (pd.Series(["a", 1, True], dtype=object), [True, True], [0, 0]),
        (pd.Series([1, True, 2], dtype=object), pd.Series([True, 2], dtype=object), [0, 1]),
        (["a", "b"], pd.Series([None, None], dtype=object), [NAN, NAN]),
        (["a", "b"], [NAN, NAN], [NAN, NAN]),
        (["a", "b"], pd.Categorical([None, None]), [NAN, NAN]),
        ([1, 2], pd.Series([None, None], dtype="string"), [NAN, NAN]),
        ([True, False], [NAN, NAN], [NAN, NAN]),
    ],
)
def test_kinds_that_fit(before, now, codes):
    codec, _ = fit_column(before)
    np.testing.assert_array_equal(score_column(codec, now), codes)


def test_another_container():
    frame = pd.DataFrame({"a": [1, 2, 3], "b": ["x", "y", None]})
    codec, table = fit(frame)
    equal(score(codec, frame.to_numpy()), table)
    codec, table = fit(frame.to_numpy())
    equal(score(codec, frame), table)


def test_other_columns():
    codec, _ = fit(np.ones((2, 2)))
    for X in [np.ones((2, 3)), [["a", "b", "c"]]]:
        with pytest.raises(ValueError, match="X has 3 columns, and 2 in fit"):
            score(codec, X)


# what is refused


@pytest.mark.parametrize(
    "X, message",
    [
        (np.ones(5), "Expected 2D array, got 1D array instead"),
        ([1.0, 2.0], "Expected 2D array, got 1D array instead"),
        (["a", "b"], "Expected 2D array, got 1D array instead"),
        ([[1, 2], [3]], "Expected 2D array, got 1D array instead"),
        (pd.Series([1, 2]), "Expected a 2-dimensional container"),
        (np.ones((0, 3)), "0 sample"),
        (np.ones((1, 3)), "1 sample.* minimum of 2 is required"),
        ([["a", 1]], "1 sample.* minimum of 2 is required"),
        (np.ones((5, 0)), "0 feature"),
        (pd.DataFrame({"a": []}), "0 sample"),
        (pd.DataFrame({"a": ["u"]}), "1 sample.* minimum of 2 is required"),
        (pd.DataFrame(index=[0, 1]), "0 feature"),
        (np.ones((5, 2, 2)), "dim 3"),
        (np.ones((5, 2)) + 1j, "Complex data not supported"),
        ([[1j], [2.0]], "Complex data not supported"),
        (pd.DataFrame({"a": [1j, 2j]}), "Complex data not supported"),
    ],
)
def test_tables_of_the_wrong_shape(X, message):
    with pytest.raises(ValueError, match=message):
        fit(X)


def test_sparse_matrices():
    with pytest.raises(TypeError, match="[Ss]parse"):
        fit(csr_matrix(np.eye(3)))


def test_one_row_is_enough_for_a_score():
    for X in [np.ones((2, 1)), np.array([["a"], ["b"]]), pd.DataFrame({"x": ["a", "b"]})]:
        codec, table = fit(X)
        equal(score(codec, X[:1]), table[:1])
        with pytest.raises(ValueError, match="0 sample"):
            score(codec, X[:0])


@pytest.mark.parametrize("inf", [np.inf, -np.inf])
@pytest.mark.parametrize("dtype", ["float64", "float32", "Float64", object])
def test_infinity(inf, dtype):
    x = pd.Series(np.arange(200.0), dtype=dtype)
    codec, _ = fit(pd.DataFrame({"y": 1.0, "x": x}))
    x[[3, 5]] = inf
    for read in [lambda X: score(codec, X), fit, lambda X: fit(X, categorical=[1])]:
        with pytest.raises(
            ValueError,
            match="Column 'x' contains inf in 2 of 200 rows: replace it or drop those rows.",
        ):
            read(pd.DataFrame({"y": 1.0, "x": x}))
    with pytest.raises(
        ValueError, match="Column 0 contains inf in 2 of 200 rows: replace it or drop those rows."
    ):
        fit(x.to_numpy(dtype=object if dtype is object else float)[:, None])


@pytest.mark.parametrize("dtype", ["float64", object, "Int64", "string", "boolean", "category"])
def test_columns_without_values(dtype):
    X = pd.DataFrame({"y": [1, 2], "x": pd.Series([None, None], dtype=dtype)})
    with pytest.raises(ValueError, match="Column 'x' has no value in any row: drop it."):
        fit(X)
    with pytest.raises(ValueError, match="Column 1 has no value in any row"):
        fit(np.array([[1, NAN], [2, NAN]]))


def learn_column(values, dtype=None, kinds=None):
    """Learn a codec of this one column, "x"; return it, its numbers and the findings."""
    X = pd.DataFrame({"x": pd.Series(values, dtype=dtype)})
    codec, table, findings = TableCodec.learn(X, kinds)
    return codec, table[:, 0], findings


@pytest.mark.parametrize(
    "n_values, n_each, n_apart",
    [
        (20, 1, 20),
        (21, 1, 0),
        (100, 2, 100),
        (MAX_CATEGORIES, 2, MAX_CATEGORIES),
        (MAX_CATEGORIES + 1, 2, 0),
        (MAX_CATEGORIES + 1, MIN_CATEGORY_ROWS, MAX_CATEGORIES),
    ],
)
def test_names_are_one_category(n_values, n_each, n_apart):
    names = [f"name {i}" for i in range(n_values)]
    codec, table, findings = learn_column(names * n_each)
    assert len(codec.schema.categories[0]) == n_apart
    if n_apart == n_values:
        assert findings == [] and codec.schema.n_categories == [n_apart]
        return
    assert codec.schema.n_categories == [n_apart + 1]
    (finding,) = findings
    assert finding.message.startswith(f"Column 'x' holds {n_values:,} different values")
    assert ("says nothing of a row" in finding.message) == (n_apart == 0)
    assert table.max() == n_apart and (table == n_apart).sum() == (n_values - n_apart) * n_each
    # what fit did not see is rare too
    equal(score_column(codec, ["nobody", None]), np.array([n_apart, NAN]))


def often_and_rare():
    """Two names in 10 rows each, and 30 in one or two; the rare ones sort between them."""
    return ["a"] * 10 + ["z"] * 10 + [f"m{i}" for i in range(30)] + ["m0"] * 3


@pytest.mark.parametrize("dtype", [object, "string", "category"])
def test_rare_categories_are_drawn_as_often_as_they_are(dtype):
    codec, table, _ = learn_column(often_and_rare(), dtype)
    assert list(codec.schema.categories[0]) == ["a", "z"]
    assert table.tolist() == [0] * 10 + [1] * 10 + [2] * 33
    frame = codec.decode(np.repeat([[0.0], [1], [2], [NAN]], [1, 1, 3300, 1], axis=0))
    assert frame["x"].dtype == pd.Series(often_and_rare(), dtype=dtype).dtype
    assert frame["x"].iloc[:2].tolist() == ["a", "z"] and pd.isna(frame["x"].iloc[-1])
    counts = frame["x"].iloc[2:-1].value_counts()
    counts = counts[counts > 0]
    assert counts.drop("m0").between(50, 150).all() and len(counts) == 30
    assert 330 < counts["m0"] < 470  # 4 of 33
    codes = np.full((5, 1), 2.0)
    first, again = (codec.decode(codes, rng=np.random.RandomState(seed)) for seed in (1, 2))
    assert not first.equals(again)
    assert first.equals(codec.decode(codes, rng=np.random.RandomState(1)))


def test_of_millions_of_names_some_are_kept(monkeypatch):
    monkeypatch.setattr(rare, "MOST_DRAWN", 50)
    names = [f"name {i:04}" for i in range(2000)]
    codec, table, findings = TableCodec.learn(pd.DataFrame({"x": names}))
    assert findings[0].n_values == 2000
    kept = list(codec.schema.rare[0].values)
    assert len(kept) == 50 and kept[0] == names[0] and kept[-1] == names[-1]
    assert set(codec.decode(table)["x"]) <= set(kept)
    assert (codec.encode(pd.DataFrame({"x": names}))[0] == table).all()


@pytest.mark.parametrize("kind", [None, "categorical"])
def test_numbers_declared_categorical_stay_apart(kind):
    values = np.arange(30)
    codec, table, findings = learn_column(values, kinds=kind and {"x": kind})
    assert findings == []
    assert table.tolist() == values.tolist()
    many = np.arange(MAX_CATEGORIES + 5)
    codec, table, findings = learn_column(many, kinds={"x": "categorical"})
    assert codec.schema.n_categories == [MAX_CATEGORIES + 1]
    assert len(findings) == 1
    back = codec.decode(table[:, None])["x"]
    assert back.dtype == np.int64
    assert (back == many).sum() >= MAX_CATEGORIES and set(back) <= set(many)


def test_long_declared_lists():
    def declared(n):
        return pd.Categorical([0, 1], categories=range(n))

    assert len(fit_column(declared(MAX_CATEGORIES))[0].schema.categories[0]) == MAX_CATEGORIES
    codec, table, _ = learn_column(declared(MAX_CATEGORIES + 1))
    assert table.tolist() == [0, 0] and codec.schema.n_categories == [1]
    back = codec.decode(np.zeros((50, 1)))["x"]
    assert back.dtype == declared(MAX_CATEGORIES + 1).dtype
    assert set(back) == {0, 1}  # those that occur


@pytest.mark.parametrize(
    "values, message",
    [
        ([datetime(2020, 1, 1), 1], "dates and numbers"),
        ([time(12), "noon"], "text and times"),
        ([np.timedelta64(1, "D"), 1], "durations and numbers"),
        ([timedelta(1), date(2020, 1, 1)], "dates and durations"),
    ],
)
def test_dates_beside_something_else(values, message):
    with pytest.raises(ValueError, match=f"Column 'x' holds {message}: give all of its cells one"):
        fit_column(pd.Series(values, dtype=object))


@pytest.mark.parametrize("cell", [{"a": 1}, [1], (1, 2), object(), pd.Interval(0, 1)])
def test_cells_of_no_kind(cell):
    X = pd.DataFrame({"x": pd.Series([1, cell], dtype=object)})
    message = (
        f"Column 'x' holds cells of type {type(cell).__name__}: "
        "argument must be a string or a number"
    )
    with pytest.raises(TypeError, match=message):
        fit(X)
    with pytest.raises(
        TypeError, match="Column 0 holds cells of type .*argument must be a string or a number"
    ):
        fit(X.to_numpy())


# names


def test_names_that_are_numbers():
    frame = pd.DataFrame({10: ["a", "b"], 3: [1, np.inf]})
    with pytest.raises(ValueError, match="Column 3 contains inf in 1 of 2 rows"):
        fit(frame)
    frame = frame.replace(np.inf, 2)
    codec, table = fit(frame)
    assert codec.schema.label(0) == "Column 10"
    assert codec.feature_names is None
    pd.testing.assert_frame_equal(codec.decode(table), frame)


# numbers that were not in the table


def test_integers_are_rounded_and_clipped():
    dtypes = ["int8", "uint8", "int64", "uint64", "Int64", "UInt8"]
    codec, _ = fit(pd.DataFrame({dtype: pd.array([0, 1], dtype=dtype) for dtype in dtypes}))
    frame = codec.decode(np.array([[1.6] * 6, [-1e30] * 6, [1e30] * 6]))
    assert list(frame.dtypes.astype(str)) == dtypes
    assert frame.iloc[0].tolist() == [2] * 6
    assert frame.iloc[1].tolist() == [-128, 0, -(2**63), 0, -(2**63), 0]
    assert frame.iloc[2].tolist() == [127, 255, 2**63 - 1024, 2**64 - 2048, 2**63 - 1024, 255]


def test_gaps_where_fit_saw_none():
    codec, _ = fit(pd.DataFrame({"i": [1, 2], "b": [True, False]}))
    frame = codec.decode(np.array([[1.2, 1], [NAN, NAN]]))
    pd.testing.assert_frame_equal(
        frame, pd.DataFrame({"i": [1.0, NAN], "b": pd.Series([True, None], dtype=object)})
    )


# polars


def polars_frame(polars):
    return polars.DataFrame(
        {
            "size": [1.5, None, 3.0],
            "count": polars.Series([1, None, 3], dtype=polars.Int16),
            "huge": polars.Series([1, None, 3], dtype=polars.Int128),
            "single": polars.Series([0.5, 1.0, None], dtype=polars.Float32),
            "money": polars.Series(["1.25", None, "3.50"]).cast(polars.Decimal(10, 2)),
            "flag": [True, None, False],
            "text": ["b", None, "a"],
            "colour": polars.Series(["red", "blue", None], dtype=polars.Categorical),
            "rank": polars.Series(["low", "high", None], dtype=polars.Enum(["low", "mid", "high"])),
        }
    )


def test_a_frame_of_polars():
    polars = pytest.importorskip("polars")
    frame = polars_frame(polars)
    codec, table = fit(frame)
    expected = [
        [1.5, 1, 1, 0.5, 1.25, 1, 1, 1, 0],
        [NAN, NAN, NAN, 1, NAN, NAN, NAN, 0, 2],
        [3, 3, 3, NAN, 3.5, 0, 0, NAN, NAN],
    ]
    equal(table, np.array(expected))
    assert codec.schema.container == "polars"
    assert codec.schema.names == frame.columns
    back = codec.decode(table)
    assert back.equals(frame) and back.schema == frame.schema
    equal(score(codec, back[1:]), table[1:])


def test_single_precision_of_polars():
    polars = pytest.importorskip("polars")
    frame = polars.DataFrame({"x": np.float32([1, NAN, 3])})
    codec, table = fit(frame)
    equal(table, np.float32([[1], [NAN], [3]]))
    assert codec.decode(table).equals(
        polars.DataFrame({"x": polars.Series([1, None, 3], dtype=polars.Float32)})
    )


def test_integers_of_polars_are_rounded_and_clipped():
    polars = pytest.importorskip("polars")
    codec, _ = fit(polars.DataFrame({"x": polars.Series([1, 2], dtype=polars.UInt8)}))
    assert codec.decode(np.array([[1.6], [-7], [300], [NAN]]))["x"].to_list() == [
        2,
        0,
        255,
        None,
    ]


@pytest.mark.filterwarnings(
    "ignore:X .* feature names"
)  # an old scikit-learn does not see the names of a new polars
def test_from_pandas_to_polars_and_back():
    polars = pytest.importorskip("polars")
    data = {"a": [1, 2, 3], "b": ["x", "y", None], "c": [True, False, True]}
    one = pd.DataFrame(data)
    other = polars.DataFrame(data)
    for before, now in [(one, other), (other, one)]:
        codec, table = fit(before)
        equal(score(codec, now), table)


def test_columns_in_another_order_are_refused():
    frame = pd.DataFrame({"a": [1.0, 2.0], "b": [3.0, 4.0]})
    codec, _ = fit(frame)
    with pytest.raises(
        ValueError, match=r"X has the columns \['b', 'a'\], and \['a', 'b'\] in fit"
    ):
        codec.encode(frame[["b", "a"]])
    equal(codec.encode(frame.to_numpy())[0], codec.encode(frame)[0])


def test_what_is_refused_of_polars():
    polars = pytest.importorskip("polars")
    with pytest.raises(
        TypeError,
        match="Column 'x' holds cells of type list: argument must be a string or a number",
    ):
        fit(polars.DataFrame({"x": [[1], [2]]}))
    with pytest.raises(ValueError, match="Column 'x' has no value in any row"):
        fit(polars.DataFrame({"x": [None, None]}))
    with pytest.raises(ValueError, match="minimum of 2 is required"):
        fit(polars.DataFrame({"x": [1]}))
    with pytest.raises(ValueError, match="Column 'x' contains inf in 1 of 2 rows"):
        fit(polars.DataFrame({"x": [1.0, np.inf]}))
    codec, _ = fit(polars.DataFrame({"x": ["a", "b"]}))
    with pytest.warns(UserWarning, match="Column 'x' holds 'c', which fit did not see"):
        score(codec, polars.DataFrame({"x": ["c"]}))


# any table


def columns_of(n):
    """Columns of every kind, with at least one value each."""
    letters = st.sampled_from(["", "a", "b", "1", "é"])
    floats = st.floats(-1e6, 1e6)

    def series(cells, dtype, with_missing=True):
        cells = st.lists(st.none() | cells if with_missing else cells, min_size=n, max_size=n)
        return cells.filter(lambda x: any(cell is not None for cell in x)).map(
            lambda x: pd.Series(x, dtype=dtype)
        )

    return st.one_of(
        series(floats, "float64"),
        series(floats, "Float64"),
        series(st.floats(-1e6, 1e6, width=32), "float32"),
        series(st.integers(-128, 127), "int8", with_missing=False),
        series(st.integers(0, 2**53), "Int64"),
        series(st.booleans(), "bool", with_missing=False),
        series(st.booleans(), "boolean"),
        series(st.booleans(), object),
        series(letters, None),
        series(letters, "string"),
        series(letters | st.sampled_from([2, 3.5]), object),
        series(letters, pd.CategoricalDtype(["b", "é", "a", "1", "", "never"])),
        series(st.integers(1, 5), pd.CategoricalDtype([5, 3, 1, 2, 4], ordered=True)),
    )


frames = (
    st.integers(2, 6)
    .flatmap(lambda n: st.lists(columns_of(n), min_size=1, max_size=5))
    .map(lambda columns: pd.DataFrame({f"column {j}": column for j, column in enumerate(columns)}))
)


@given(frames)
def test_what_is_written_reads_the_same(frame):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        codec, table = fit(frame)
        back = codec.decode(table)
        equal(score(codec, back), table)
        equal(score(codec, frame), table)
        assert list(back.columns) == list(frame.columns)
        assert list(back.dtypes) == list(frame.dtypes)
        cells, originals = (some.astype(object).where(some.notna(), None) for some in (back, frame))
        pd.testing.assert_frame_equal(cells, originals)
        equal(TableCodec.learn(back)[1], table)
        # the same cells in an array
        other, table = fit(frame.to_numpy(dtype=object))
        equal(score(other, other.decode(table)), table)


# other containers, missing cells, what comes back


def test_missing_cells_where_fit_saw_none():
    codec, _ = fit(pd.DataFrame({"a": [1, 2], "b": ["u", "v"]}))
    assert not codec.has_missing
    with pytest.raises(ValueError, match="Column 'b' contains NaN in 1 of 2 rows, and no cell"):
        codec.encode(pd.DataFrame({"a": [1, 2], "b": ["u", None]}))
    codec, _ = fit(pd.DataFrame({"a": [1, None], "b": ["u", "v"]}))
    assert codec.has_missing
    equal(codec.encode(pd.DataFrame({"a": [1], "b": [None]}))[0], np.array([[1, NAN]]))


def test_findings_are_data():
    codec, _ = fit([["a"], ["b"]])
    _, findings = codec.encode([["c"], ["a"], ["d"], ["c"]])
    assert findings == [NewCategories("Column 0", ["c", "d"])]


@pytest.mark.filterwarnings("ignore::UserWarning:modin", "ignore::FutureWarning")
@pytest.mark.parametrize("library", ["pyarrow", "modin.pandas"])
def test_frames_that_narwhals_knows(library):
    module = pytest.importorskip(library)
    data = {"a": [1.5, None, 2.5], "n": [1, 2, 3], "s": ["u", None, "v"], "t": [True, False, True]}
    frame = module.table(data) if library == "pyarrow" else module.DataFrame(data)
    codec, table = fit(frame)
    equal(table, np.array([[1.5, 1, 0, 1], [NAN, 2, NAN, 0], [2.5, 3, 1, 1]]))
    back = codec.decode(table)
    assert type(back) is type(frame)
    assert codec.schema.names == list(data)
    equal(TableCodec.learn(back)[1], table)
    restored = codec.restore(back, frame, np.isnan(table))
    equal(TableCodec.learn(restored)[1], table)


def test_containers_that_are_no_table():
    polars = pytest.importorskip("polars")
    frame = polars.DataFrame({"a": [1, 2]})
    for X, remedy in [
        (frame.lazy(), r"X is a LazyFrame.*give X.collect\(\)"),
        (frame["a"], r"got a Series.*X.to_frame\(\)"),
        (pd.Series([1, 2]), r"got a Series.*X.to_frame\(\)"),
    ]:
        for codec in [TableCodec, PassthroughCodec]:
            with pytest.raises(ValueError, match=remedy):
                codec.learn(X)


def test_a_dataset_of_xarray():
    xarray = pytest.importorskip("xarray")
    with pytest.raises(ValueError, match="Dataset of xarray: give a table, such as X.to_dataframe"):
        fit(xarray.Dataset({"a": ("row", [1, 2])}))


def test_tensors_are_tables():
    X = torch.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    equal(fit(X)[1], np.float32([[1, 2], [3, 4]]))


def test_restored_cells_are_as_they_were():
    frame = pd.DataFrame({"id": [2**60 + 1, 5], "s": ["u", "v"]}, index=[7, 8])
    codec, _ = fit(pd.DataFrame({"id": [1, 2], "s": ["u", "w"]}))
    N, findings = codec.encode(frame)
    assert len(findings) == 1
    restored = codec.restore(codec.decode(N), frame, np.isnan(N))
    pd.testing.assert_frame_equal(restored, frame)


def test_rows_pass_through_as_they_are():
    dates = pd.DataFrame({"d": pd.date_range("2020-01-01", periods=2), "x": [1, 2]})
    codec, rows, findings = PassthroughCodec.learn(dates)
    assert rows is dates and findings == [] and codec.encode(dates) == (dates, [])
    assert list(codec.feature_names) == ["d", "x"] and codec.n_features == 2
    equal(PassthroughCodec.learn([[1, 2], [3, 4]])[1], np.array([[1, 2], [3, 4]]))
    mixed = [[1, "a"], [True, 2.5]]
    equal(PassthroughCodec.learn(mixed)[1], np.array(mixed, dtype=object))
