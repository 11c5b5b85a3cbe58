"""Tables that are read in blocks: larger than memory, to the same density."""

from functools import partial

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.dataset as pads
import pytest
import torch

from skmaf import (
    ConditionalMAFDensity,
    DensityOutlierDetector,
    MAFClassifier,
    MAFDensity,
    MultiscaleDensity,
    Order,
    Shard,
    iter_blocks,
    streamed,
)
from skmaf.models import row_file
from skmaf.models.row_file import RowFile, RowStream
from skmaf.table import streams
from skmaf.table.column_kinds import exact_column, find_columns
from skmaf.table.streams import as_stream, sample_stream
from skmaf.training import checkpoint

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
N_ROWS = 3000
SMALL = {"hidden_layer_sizes": (16,), "n_layers": 2, "max_iter": 8, "random_state": 0}


def make_table(n=N_ROWS):
    rng = np.random.RandomState(0)
    a = rng.randn(n)
    low = rng.rand(n).round(2)
    table = pd.DataFrame(
        {
            "a": a,
            "b": a**2 + 0.1 * rng.randn(n),
            "low": low,
            "high": low + rng.rand(n).round(2),
            "colour": rng.choice(["red", "green"], n),
            "day": pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.randint(0, 900, n), "D"),
        }
    )
    table.loc[2500, "colour"] = "blue"
    table.loc[1234, "a"] = np.nan
    table.loc[77, "b"] = 1e4
    return table


TABLE = make_table()
NUMBERS = TABLE[["a", "b", "low"]].fillna(0.0).to_numpy()


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    """Read tables of some thousand rows in many blocks, and describe them by a part of the rows."""
    monkeypatch.setattr(streams, "BLOCK_BYTES", 2**13)
    monkeypatch.setattr(streamed, "SAMPLE_ROWS", 700)
    monkeypatch.setattr(streams, "STREAM_BYTES", 2**10)
    monkeypatch.setattr(row_file, "PIECE_BYTES", 2**11)
    monkeypatch.setattr(row_file, "PIECES", 8)


@pytest.fixture
def memmap(tmp_path):
    def make(array):
        path = tmp_path / "table.npy"
        np.save(path, array)
        return np.load(path, mmap_mode="r")

    return make


@pytest.fixture
def dataset(tmp_path):
    folder = tmp_path / "table"
    sizes = {"max_rows_per_group": 500, "max_rows_per_file": 1000}
    pads.write_dataset(pa.Table.from_pandas(TABLE), folder, format="parquet", **sizes)
    return pads.dataset(folder)


@pytest.fixture
def scan(tmp_path):
    path = tmp_path / "table.parquet"
    pl.from_pandas(TABLE).write_parquet(path)
    return pl.scan_parquet(path)


def test_what_is_read_in_blocks(memmap, dataset, scan, monkeypatch):
    assert as_stream(memmap(NUMBERS)).shape == (N_ROWS, 3)
    assert as_stream(dataset).shape == (N_ROWS, 6)
    assert as_stream(scan).shape == (N_ROWS, 6)
    monkeypatch.setattr(streams, "STREAM_BYTES", 2**20)
    for X in (NUMBERS, memmap(NUMBERS), TABLE, pl.from_pandas(TABLE), [[1.0]], None):
        assert as_stream(X) is None


def test_a_large_array_in_memory_is_read_in_blocks_like_one_in_a_file(memmap):
    in_file = MAFDensity(**SMALL).fit(memmap(NUMBERS))
    in_memory = MAFDensity(**SMALL).fit(NUMBERS)
    assert np.array_equal(in_memory.score_samples(NUMBERS), in_file.score_samples(NUMBERS))
    weighted = MAFDensity(**SMALL).fit(NUMBERS, sample_weight=np.ones(N_ROWS))
    assert not np.array_equal(weighted.score_samples(NUMBERS), in_file.score_samples(NUMBERS))


@pytest.mark.parametrize("kind", ["memmap", "dataset", "scan"])
def test_blocks_are_the_table(kind, memmap, dataset, scan):
    X = {"memmap": memmap(NUMBERS), "dataset": dataset, "scan": scan}[kind]
    blocks = list(as_stream(X).blocks())
    assert len(blocks) > 5
    if kind == "memmap":
        assert (np.concatenate(blocks) == NUMBERS).all()
        return
    frames = [block.to_pandas() for block in blocks]
    pd.testing.assert_frame_equal(pd.concat(frames, ignore_index=True), TABLE, check_dtype=False)


def test_the_sample_holds_all_that_is_rare(dataset):
    sample, positions = sample_stream(as_stream(dataset), 0, 700)
    rows = sample.to_pandas()
    assert 700 <= len(rows) < 760
    assert (np.diff(positions) > 0).all()
    pd.testing.assert_frame_equal(
        rows, TABLE.iloc[positions].reset_index(drop=True), check_dtype=False
    )
    assert set(rows["colour"]) == {"red", "green", "blue"}
    assert rows["a"].isna().any()
    assert rows["b"].max() == 1e4
    assert (rows["day"].min(), rows["day"].max()) == (TABLE["day"].min(), TABLE["day"].max())


def test_the_sample_is_uniform(memmap):
    counts = np.zeros(N_ROWS)
    stream = as_stream(memmap(np.zeros((N_ROWS, 3))))
    for seed in range(60):
        counts[sample_stream(stream, seed, 700)[1]] += 1
    thirds = counts.reshape(3, -1).sum(axis=1)
    assert np.allclose(thirds / thirds.sum(), 1 / 3, atol=0.01)


def test_every_row_is_trained_on_once_an_epoch():
    n = 5000
    N = np.column_stack([np.arange(n), np.random.RandomState(0).randn(n)])
    columns = find_columns(exact_column, N, np.ones(n), [None, None], {0: "continuous"})
    reader = RowFile(2, N.dtype)
    for part in np.array_split(N, 7):
        reader.append(part)
    assert (reader.read(990, 1010) == N[990:1010]).all()
    left_out = np.arange(0, n, 11)
    stream = RowStream(reader, columns, left_out, None, 0, (n - len(left_out),))
    generator = torch.Generator().manual_seed(0)
    epochs = [list(stream.batches(n_batches, generator)) for n_batches in (13, 13, 1)]
    sizes = [len(x) for x, _, _, _ in epochs[0]]
    assert max(sizes) - min(sizes) <= 1
    expected = columns.to_flow(np.delete(N, left_out, axis=0))[:, 0]
    orders = [torch.cat([x for x, _, _, _ in batches])[:, 0].numpy() for batches in epochs]
    for order in orders:
        assert np.allclose(np.sort(order), np.sort(expected))
    assert not np.allclose(orders[0], orders[1])
    # a batch has rows of the whole table
    assert np.ptp(epochs[0][0][0][:, 0].numpy()) > 0.5 * np.ptp(expected)


def test_the_density_is_that_of_the_table_in_memory(memmap):
    rng = np.random.RandomState(1)
    a = rng.randn(2 * N_ROWS)
    rows = np.column_stack([a, a**2 + 0.1 * rng.randn(2 * N_ROWS)])
    fitted, fresh = np.split(rows, 2)
    settings = {**SMALL, "max_iter": 40}
    in_memory = np.array(
        [MAFDensity(**{**settings, "random_state": i}).fit(fitted).score(fresh) for i in range(4)]
    )
    streamed = MAFDensity(**settings).fit(memmap(fitted)).score(fresh)
    assert abs(streamed - in_memory.mean()) < max(0.05, 3 * in_memory.std())


@pytest.mark.parametrize("kind", ["dataset", "scan"])
def test_tables_of_all_kinds(kind, dataset, scan):
    X = {"dataset": dataset, "scan": scan}[kind]
    density = MAFDensity(**SMALL).fit(X)
    frame = TABLE if kind == "dataset" else pl.from_pandas(TABLE)
    in_blocks = density.score_samples(X)
    assert in_blocks.shape == (N_ROWS,)
    assert np.isfinite(in_blocks).all()
    whole = density.score_samples(pa.Table.from_pandas(frame) if kind == "dataset" else frame)
    assert np.allclose(in_blocks, whole, rtol=1e-6)
    drawn = density.sample(50, random_state=0)
    assert list(drawn.schema.names if kind == "dataset" else drawn.columns) == list(TABLE.columns)
    assert [str(relation) for relation in density.relations_] == ["low <= high"]


def typed(numbers, arrow_type):
    whole = pa.array(numbers, pa.int32() if arrow_type.bit_width == 32 else pa.int64())
    return whole.cast(arrow_type)


ORDERS = np.random.RandomState(0).permutation(N_ROWS)
TYPES = {
    "date32": typed(ORDERS, pa.date32()),
    "timestamp[ns]": typed(ORDERS * 10**9 + 1, pa.timestamp("ns")),
    "duration[ns]": typed(ORDERS * 10**9, pa.duration("ns")),
    "time32": typed(ORDERS, pa.time32("s")),
    "int64": pa.array(2**53 + 1 + ORDERS),
    "uint64": pa.array((2**63 + 2**12 * ORDERS.astype(np.uint64)).astype(np.uint64)),
    "float16": pa.array(ORDERS.astype(np.float16)),
    "some missing": pa.array(ORDERS.astype(np.int32), mask=ORDERS < 9).cast(pa.date32()),
}


@pytest.mark.parametrize("name", TYPES)
def test_columns_of_all_types_are_what_they_are_in_memory(name):
    rows = pa.table({"x": TYPES[name], "b": NUMBERS[:, 1]})
    first = rows[:600]  # all of them describe the table
    frame = pl.from_arrow(first)
    for in_memory, stream in [(first, pads.dataset(first)), (frame, frame.lazy())]:
        fits = [MAFDensity(**{**SMALL, "max_iter": 1}).fit(X) for X in (in_memory, stream)]
        assert repr(vars(fits[1].schema_)) == repr(vars(fits[0].schema_))
        assert str(fits[1].columns_) == str(fits[0].columns_)
    sample, _ = sample_stream(as_stream(pads.dataset(rows)), 0, 50)
    cells = sample["x"].to_numpy()
    present = cells[~pd.isna(cells)]
    whole = TYPES[name].drop_null().to_numpy(zero_copy_only=False)
    assert (present.min(), present.max()) == (whole.min(), whole.max())


def test_extremes_of_dates_in_other_units():
    """In nanoseconds, as pandas has the first block, there is no year 3000."""
    parts = [pd.Timestamp("2020-01-01").as_unit("ns"), pd.Timestamp("3000-01-01").as_unit("us")]
    seen = streams._Seen()
    assert [len(seen.news(pd.DataFrame({"day": [part]}))) for part in parts] == [1, 1]
    assert seen.extremes == {0: tuple(parts)}


def test_tables_without_rows_are_refused_as_in_memory():
    rows = TABLE[["a", "b"]].iloc[:0]
    density = MAFDensity(**SMALL).fit(TABLE[["a", "b"]].iloc[:60])
    table = pa.Table.from_pandas(rows, preserve_index=False)
    for X in (rows, pads.dataset(table), pl.from_pandas(TABLE[["a", "b"]]).lazy().filter(False)):
        with pytest.raises(ValueError, match=r"Found array with 0 sample\(s\) \(shape=\(0, 2\)\)"):
            MAFDensity(**SMALL).fit(X)
        with pytest.raises(ValueError, match=r"Found array with 0 sample\(s\) \(shape=\(0, 2\)\)"):
            density.score_samples(X)


def test_cells_that_no_column_takes_are_refused_by_the_name_of_the_column():
    for cell, kind in [([1, 2], "list"), ({"k": 1}, "dict")]:
        rows = pa.table({"a": NUMBERS[:90, 0], "odd": [cell] * 90})
        for X in (rows, pads.dataset(rows), pl.from_arrow(rows).lazy()):
            with pytest.raises(TypeError, match=f"Column 'odd' holds cells of type {kind}"):
                MAFDensity(**SMALL).fit(X)


def test_relations_hold_in_all_rows(memmap):
    rng = np.random.RandomState(0)
    low = rng.rand(N_ROWS)
    array = np.column_stack([low, low + rng.rand(N_ROWS)])
    assert MAFDensity(**SMALL).fit(memmap(array)).relations_
    sampled = sample_stream(as_stream(memmap(array)), 0, 700)[1]
    other = np.setdiff1d(np.arange(N_ROWS), sampled)[5]
    array[other] = array[other, ::-1]
    assert not MAFDensity(**SMALL).fit(memmap(array)).relations_
    with pytest.raises(ValueError, match="rows break"):
        MAFDensity(relations=[Order(0, 1)], **SMALL).fit(memmap(array))


def test_the_same_seed_gives_the_same_density(memmap):
    X = memmap(NUMBERS.astype(np.float32))
    first, second = (MAFDensity(**SMALL).fit(X).score_samples(NUMBERS) for _ in range(2))
    assert (first == second).all()


def test_a_checkpoint_is_of_all_rows(memmap, tmp_path, monkeypatch):
    """Those too that are not among the rows that describe the table."""
    monkeypatch.setattr(checkpoint, "INTERVAL", 0.0)
    stopped = MAFDensity(**SMALL, checkpoint=tmp_path / "fit", callbacks=[interrupt])
    with pytest.warns(UserWarning, match="interrupted"):
        stopped.fit(memmap(NUMBERS))
    density = MAFDensity(**SMALL, checkpoint=tmp_path / "fit")
    others = NUMBERS.copy()
    _, described = sample_stream(as_stream(memmap(NUMBERS)), SMALL["random_state"], 700)
    [row, other, *_] = np.setdiff1d(np.arange(N_ROWS), described)
    others[row] = NUMBERS[other]
    with pytest.raises(ValueError, match="checkpoint is of a fit of other rows"):
        density.fit(memmap(others))
    expected = MAFDensity(**SMALL).fit(memmap(NUMBERS)).loss_curve_
    assert density.fit(memmap(NUMBERS)).loss_curve_ == expected


def interrupt(density, epoch):
    if epoch.number == 3:
        raise KeyboardInterrupt


def test_warm_starts(memmap):
    density = MAFDensity(warm_start=True, **SMALL).fit(memmap(NUMBERS))
    before = density.n_iter_
    assert density.fit(memmap(NUMBERS)).n_iter_ == 2 * before


def test_integers_in_a_memmap(memmap):
    counts = np.random.RandomState(0).poisson(3, (N_ROWS, 2))
    density = MAFDensity(**SMALL).fit(memmap(counts))
    assert (density.sample(20, random_state=0) % 1 == 0).all()


def test_infinity_anywhere_is_refused(memmap):
    array = NUMBERS.copy()
    array[1777, 1] = np.inf
    with pytest.raises(ValueError, match="contains inf"):
        MAFDensity(**SMALL).fit(memmap(array))


def test_weights_are_refused(memmap):
    with pytest.raises(ValueError, match="sample_weight goes with a table in memory"):
        MAFDensity(**SMALL).fit(memmap(NUMBERS), sample_weight=np.ones(N_ROWS))


TINY = {"hidden_layer_sizes": (8,), "max_iter": 2, "random_state": 0}
OTHERS = [
    MultiscaleDensity(**TINY),
    DensityOutlierDetector(MAFDensity(**SMALL), n_folds=2),
    ConditionalMAFDensity(**SMALL),
    MAFClassifier(**SMALL),
]


@pytest.mark.parametrize("estimator", OTHERS, ids=lambda estimator: type(estimator).__name__)
def test_other_estimators_say_what_to_do(estimator, scan, dataset, memmap):
    """What the message says can be done, and gives rows that they take."""
    X = memmap(NUMBERS)
    names = {"np": np, "pl": pl}
    for table, whole in [(scan, "X.collect()"), (dataset, "X.to_table()"), (X, "np.asarray(X)")]:
        with pytest.raises(ValueError, match=f"{type(estimator).__name__} needs all rows") as info:
            estimator.fit(table, TABLE["low"])
        message = str(info.value)
        assert whole in message
        sample = message.split("such as ")[1].split(", or all")[0]
        rows = [
            eval(code, {**names, "X": table}) for code in (whole, sample.replace("100_000", "9"))
        ]
        assert [len(frame) for frame in rows] == [N_ROWS, 9]
        estimator.fit(rows[0][:60], np.arange(60) % 2)
    with pytest.raises(ValueError, match="X is a Shard, which MAFDensity takes"):
        estimator.fit(Shard(NUMBERS), TABLE["low"])


METHODS = {
    "score_samples": MultiscaleDensity(**TINY),
    "p_values": DensityOutlierDetector(MultiscaleDensity(**TINY), n_folds=2, random_state=0),
    "predict": DensityOutlierDetector(MultiscaleDensity(**TINY), n_folds=2, random_state=0),
    "transform": MAFDensity(**SMALL),
    "predict_proba": MAFClassifier(**SMALL),
    "predict_quantiles": ConditionalMAFDensity(**SMALL),
}


@pytest.mark.parametrize("name", METHODS)
def test_any_answer_comes_in_blocks(name, memmap):
    method = getattr(METHODS[name].fit(NUMBERS[:90], np.arange(90) % 3), name)
    if name == "predict_quantiles":
        method = partial(method, q=[0.1, 0.9])
    blocks = list(iter_blocks(method, memmap(NUMBERS)))
    assert len(blocks) > 5
    np.testing.assert_allclose(np.concatenate(blocks), method(NUMBERS), rtol=1e-6, atol=1e-6)


def test_blocks_are_asked_one_by_one(memmap, dataset, scan):
    asked = []
    sizes = {}
    for X in (memmap(NUMBERS), NUMBERS, TABLE, dataset, scan):
        asked.clear()
        blocks = iter_blocks(lambda rows: asked.append(rows) or len(rows), X)
        assert asked == []
        first = next(blocks)
        assert len(asked) == 1
        sizes[type(X)] = [first, *blocks]
        assert len(sizes[type(X)]) == len(asked) > 5
        assert sum(sizes[type(X)]) == N_ROWS
    with pytest.raises(ValueError, match="2"):
        iter_blocks(len, np.zeros(3))


def test_scores_in_an_array_of_the_caller(memmap, scan, tmp_path):
    density = MAFDensity(**SMALL).fit(pl.from_pandas(TABLE))
    scores = np.lib.format.open_memmap(tmp_path / "scores.npy", "w+", shape=(N_ROWS,))
    start = 0
    for block in iter_blocks(density.score_samples, scan):
        scores[start : start + len(block)] = block
        start += len(block)
    assert start == N_ROWS
    assert (scores == density.score_samples(scan)).all()


def test_detectors_score_in_blocks(scan):
    detector = DensityOutlierDetector(MultiscaleDensity(max_iter=3), random_state=0)
    detector.fit(pl.from_pandas(TABLE.iloc[1000:1300]))
    with pytest.warns(UserWarning, match="holds 'blue'"):
        scores = detector.score_samples(scan)
    with pytest.warns(UserWarning, match="holds 'blue'"):
        whole = detector.score_samples(pl.from_pandas(TABLE))
    assert np.allclose(scores, whole)
