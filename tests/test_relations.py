"""Relations between the cells of a row: how they are found, said, declared and kept."""

from itertools import permutations, product

import numpy as np
import pandas as pd
import pytest

from skmaf import Determines, Order, Sum, find_relations
from skmaf.table import relation_search
from skmaf.table.relation_search import relations_of
from skmaf.table.rounding import decimals_of

NAMES = np.array(["ash", "elm", "fir", "oak", "yew", "box"])


def related(n, seed=0):
    """A table in which a sum, a multiple, two orders and three determined columns hold."""
    rng = np.random.default_rng(seed)
    start = rng.integers(0, 1000, n)
    code = rng.integers(0, 6, n)
    table = pd.DataFrame(
        {
            "salary": rng.lognormal(10, 0.5, n).round(2),
            "bonus": np.where(rng.random(n) < 0.6, 0, rng.lognormal(7, 1, n)).round(2),
            "start": start,
            "end": start + rng.integers(0, 20, n),
            "code": 10 * code,
            "name": NAMES[code],
            "region": np.array(["north", "south"])[code % 2],
            "net": rng.lognormal(3, 1, n).round(2),
            "noise": rng.standard_normal(n),
        }
    )
    table["total"] = (table["salary"] + table["bonus"]).round(2)
    table["gross"] = (1.19 * table["net"]).round(2)
    table["celsius"] = (table["noise"] * 8).round(1)
    table["fahrenheit"] = 32 + 1.8 * table["celsius"]
    return table


EXPECTED = {
    "total = salary + bonus",
    "gross = 1.19 * net",
    "fahrenheit = 1.8 * celsius + 32",
    "code and name determine each other",
    "code determines region",
    "celsius = 8 * noise",
    "salary <= total",
    "start <= end",
}


# what is found


def test_relations_are_found_and_said():
    assert set(map(str, find_relations(related(800)))) == EXPECTED


def test_relations_are_found_between_missing_cells():
    table = related(2000)
    holes = table.mask(np.random.default_rng(0).random(table.shape) < 0.05)
    found = set(map(str, find_relations(holes)))
    assert found == EXPECTED


def test_columns_without_names_are_called_by_position():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((200, 3))
    X[:, 1] = X[:, 0] + X[:, 2]
    (relation,) = find_relations(X)
    assert str(relation) == "1 = 0 + 2" and relation == Sum(1, [0, 2])


def test_indicators_and_shares_add_up():
    rng = np.random.default_rng(0)
    parts = rng.dirichlet([2, 2, 2], 300)
    kinds = np.eye(3)[rng.integers(0, 3, 300)]
    sums = [
        relation
        for relation in relations_of(np.hstack([parts, kinds]), range(6), ["numbers"] * 6)
        if isinstance(relation, Sum)
    ]
    assert [len(relation.columns) for relation in sums] == [3, 3]
    assert all(relation.constant == 1 for relation in sums)


def test_one_row_that_breaks_a_relation_is_enough():
    table = related(800)
    table.loc[7, "total"] += 1
    table.loc[8, "end"] = -1
    table.loc[9, "region"] = "north" if table.loc[9, "region"] == "south" else "south"
    found = set(map(str, find_relations(table)))
    assert not found & {"total = salary + bonus", "start <= end", "code determines region"}
    assert "gross = 1.19 * net" in found


def test_few_rows_have_no_relations():
    assert find_relations(related(40)) == []


def test_unrelated_and_correlated_columns_have_no_relations():
    n_found = 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        n = int(rng.integers(50, 400))
        X = rng.standard_normal((n, 6)) @ rng.standard_normal((6, 6))
        X[:, 3] = np.round(X[:, 3])
        X[:, 4] = rng.integers(0, 5, n)
        X[:, 5] = rng.poisson(2, n)
        n_found += len(relations_of(X, range(6), ["numbers"] * 6))
    assert n_found == 0


@pytest.mark.parametrize("distance", [2.5, 3.0, 3.5])
def test_columns_that_are_alike_and_apart_are_not_ordered(distance):
    """Their difference is normal, and now and then none of the rows is below zero."""
    n_found = 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        low = rng.standard_normal(100)
        high = low + 0.1 * (distance + rng.standard_normal(100))
        n_found += len(relations_of(np.column_stack([low, high]), range(2), ["numbers"] * 2))
    assert n_found == 0


def test_wide_tables_with_fewer_rows_than_columns_have_no_sums():
    X = np.random.default_rng(0).standard_normal((60, 80))
    assert relations_of(X, range(80), ["numbers"] * 80) == []


def test_chance_of_an_order_is_the_share_of_pairings():
    rng = np.random.default_rng(0)
    low = rng.standard_normal(6)
    high = np.sort(low) + 0.2 * np.abs(rng.standard_normal(6))
    orders = np.array(list(permutations(range(6))))
    share = np.mean((low[orders] <= high).all(axis=1))
    log_share = relation_search._log_share_of_pairings(low, high)
    assert 0 < share < 1 and log_share == pytest.approx(np.log(share))


def test_chance_of_a_determined_column_is_that_of_independent_values():
    by = np.array([0, 0, 0, 1, 1, 2], dtype=float)
    x = np.array([0, 0, 0, 1, 1, 1], dtype=float)
    shares = [0.5, 0.5]
    chance = sum(
        np.prod([shares[value] for value in values])
        for values in product([0, 1], repeat=6)
        if len(set(values[:3])) == 1 and values[3] == values[4]
    )
    log_chance, n_repeats = relation_search._Groups.of(by).log_chance(x)
    assert log_chance == pytest.approx(np.log(chance)) and n_repeats == 3


@pytest.mark.parametrize("decimals", [0, 1, 2, 5])
def test_decimals(decimals):
    x = np.random.default_rng(0).normal(0, 300, 200)
    assert decimals_of(x) is None and decimals_of(x.astype(np.float32)) is None
    assert decimals_of(np.round(x, decimals)) == decimals


# what relations do


def cells_of_three():
    rng = np.random.default_rng(1)
    return {"a": rng.normal(size=50), "b": rng.normal(size=50), "c": rng.normal(size=50)}


def marks(cells, *columns):
    """Mark all cells of some columns as drawn."""
    return {name: np.full(len(x), name in columns) for name, x in cells.items()}


def test_any_cell_of_a_sum_follows_from_the_others():
    relation = Sum("a", ["b", "c"], [2.0, -0.5], 3.0)
    cells = cells_of_three()
    cells["a"] = 2 * cells["b"] - cells["c"] / 2 + 3
    truth = {name: x.copy() for name, x in cells.items()}
    for k, name in enumerate(cells):
        cells[name][k::3] = np.nan
    learned = relation.learned(truth)
    assert not learned.broken(cells).any()
    learned.deduce(cells)
    for name, x in cells.items():
        np.testing.assert_allclose(x, truth[name], atol=1e-12)


@pytest.mark.parametrize("free", [("a", "b"), ("a",), ("b",)])
@pytest.mark.parametrize("relation", [Order("a", "b"), Sum("a", ["b", "c"]), Determines("a", "b")])
def test_projection_moves_only_drawn_cells_of_rows_that_break_the_relation(relation, free):
    seen = cells_of_three()
    seen["a"] = np.round(seen["a"])
    seen["b"] = seen["a"] % 2 if isinstance(relation, Determines) else seen["b"]
    relation = relation.learned(seen)
    cells = {name: np.round(x) % 2 for name, x in cells_of_three().items()}
    before = {name: x.copy() for name, x in cells.items()}
    drawn = marks(cells, *free)
    kept = ~relation.broken(cells)
    relation.project(cells, drawn)
    assert not relation.broken(cells).any() and not kept.all()
    for name, x in cells.items():
        assert np.array_equal(x[kept | ~drawn[name]], before[name][kept | ~drawn[name]])


def test_projection_of_an_order_leaves_the_values_of_two_drawn_columns():
    cells = cells_of_three()
    before = np.sort(np.concatenate([cells["a"], cells["b"]]))
    Order("a", "b").project(cells, marks(cells, "a", "b"))
    assert np.array_equal(np.sort(np.concatenate([cells["a"], cells["b"]])), before)


def test_a_code_that_was_not_seen_becomes_the_nearest():
    seen = {"a": np.array([1.0, 2.0, 10.0]), "b": np.array([5.0, 6.0, 5.0])}
    relation = Determines("a", "b").learned(seen)
    assert not relation.is_one_to_one
    cells = {"a": np.array([-3.0, 5.0, 7.0]), "b": np.full(3, np.nan)}
    relation.settle(cells, marks(cells, "a", "b"))
    relation.deduce(cells)
    assert cells["a"].tolist() == [1, 2, 10] and cells["b"].tolist() == [5, 6, 5]


def test_relations_that_cannot_be():
    with pytest.raises(ValueError, match="has 2 parts and 1 coefficients"):
        Sum("a", ["b", "c"], [1.0])


# dates


def trips(n=300, seed=0):
    """Dates in order, in units and forms of their own, some of them missing."""
    rng = np.random.default_rng(seed)
    booked = pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 900, n), unit="D")
    start = booked + pd.to_timedelta(rng.integers(0, 20 * 24, n), unit="h")
    end = (start + pd.to_timedelta(rng.exponential(9, n), unit="D")).ceil("D")
    table = pd.DataFrame(
        {
            "month": booked.to_period("M"),
            "booked": booked.strftime("%d.%m.%Y"),
            "start": start,
            "end": end,
            "paid": end.to_period("M").to_timestamp("M").normalize(),
            "price": rng.integers(1, 30, n),
        }
    )
    table.loc[rng.random(n) < 0.1, "start"] = pd.NaT
    return table


TRIPS = ["month <= booked", "booked <= start", "start <= end", "end <= paid"]


def test_orders_of_dates_are_found():
    assert list(map(str, find_relations(trips()))) == TRIPS
    shuffled = trips().assign(start=np.random.default_rng(0).permutation(trips()["start"]))
    assert list(map(str, find_relations(shuffled))) == ["month <= booked", "end <= paid"]


def test_one_trip_that_ends_before_it_starts_is_enough():
    table = trips().dropna(ignore_index=True)
    table.loc[7, "start"] = table.loc[7, "end"] + pd.Timedelta(1, "h")
    assert "start <= end" not in map(str, find_relations(table))


def test_dates_of_zones_compare_as_instants():
    rng = np.random.default_rng(0)
    hours = rng.integers(0, 20_000, 300)
    start = pd.Timestamp("2020-01-01", tz="UTC") + pd.to_timedelta(hours, unit="h")
    end = start + pd.to_timedelta(rng.integers(0, 9, 300), unit="h")
    flights = pd.DataFrame(
        {"out": start.tz_convert("Asia/Tokyo"), "in": end.tz_convert("US/Pacific")}
    )
    assert list(map(str, find_relations(flights))) == ["out <= in"]
    local = flights.apply(lambda x: x.dt.tz_localize(None))
    assert "in <= out" in map(str, find_relations(local.iloc[:, ::-1]))
    mixed = flights.assign(out=flights["out"].dt.tz_localize(None))
    assert find_relations(mixed) == []


def test_times_and_durations_are_ordered():
    rng = np.random.default_rng(0)
    open_at = rng.integers(6 * 60, 11 * 60, 300)
    shut_at = open_at + rng.integers(0, 600, 300)
    clock = pd.Timestamp("2020-01-01")
    table = pd.DataFrame(
        {
            "open": (clock + pd.to_timedelta(open_at, unit="m")).strftime("%H:%M"),
            "shut": (clock + pd.to_timedelta(shut_at, unit="m")).time,
            "pause": pd.to_timedelta(rng.integers(0, 30, 300), unit="m"),
        }
    )
    table["away"] = table["pause"] + pd.to_timedelta(rng.integers(0, 3000, 300), unit="s")
    assert list(map(str, find_relations(table))) == ["open <= shut", "pause <= away"]
