"""Fits in two processes, each with a part of the rows: one density, that of all rows."""

import json
import os
import subprocess
import sys
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch

from skmaf import MAFDensity, Shard
from skmaf.flows import make_flow
from skmaf.models.row_file import RowFile, RowStream
from skmaf.table.column_kinds import exact_column, find_columns
from skmaf.training import checkpoint, loop
from skmaf.training.budget import Budget

SMALL = {"hidden_layer_sizes": (8,), "n_layers": 2, "max_iter": 6, "random_state": 0}
SIZES = (200, 151)
PATIENCE = 300  # seconds after which processes hang


def make_table():
    n = sum(SIZES)
    rng = np.random.RandomState(0)
    a = rng.randn(n)
    table = pd.DataFrame({"a": a, "b": a + rng.randn(n), "c": rng.choice(["x", "y"], n)})
    table["low"] = rng.rand(n)
    table["high"] = table["low"] + rng.rand(n)
    table.loc[3, "a"] = np.nan
    table.loc[n - 1, "c"] = "seldom"
    return table


def shard_of(rank):
    bounds = np.cumsum([0, *SIZES])
    return make_table().iloc[bounds[rank] : bounds[rank + 1]]


# ---- what each of two processes does


def fit_shard(rank, folder):
    """Fit, and go on from a checkpoint that is there."""
    table = shard_of(rank)
    density = MAFDensity(checkpoint=folder / "fit.skmaf", **SMALL).fit(Shard(table))
    scores = density.score_samples(make_table())
    return {
        "weights": weights_of(density.flow_),
        "scores": scores.tolist(),
        "relations": [str(relation) for relation in density.relations_],
        "categories": [str(c) for c in density.schema_.categories[2]],
        "n_iter": density.n_iter_,
    }


def fit_until_one_dies(rank, folder):
    """End the second process in the middle of a fit."""
    checkpoint.INTERVAL = 0.0
    run_epoch = loop._run_epoch
    n_done = [0]

    def run(*args):
        n_done[0] += 1
        if n_done[0] == 4 and rank == 1:
            os._exit(1)
        return run_epoch(*args)

    loop._run_epoch = run
    try:
        fit_shard(rank, folder)
    except RuntimeError as error:
        return {"error": str(error), "left": [p.name for p in folder.glob("*.skmaf")]}
    return {}


def train_part(rank, folder):
    """Train a flow on the part of the rows that this process has."""
    return trained([stream_of_rank(rank)])


def stream_of_rank(rank):
    numbers = make_table()[["b", "low"]].to_numpy()
    columns = find_columns(exact_column, numbers, np.ones(len(numbers)), [None, None])
    bounds = np.cumsum([0, *SIZES])
    reader = RowFile(2, numbers.dtype)
    reader.append(numbers[bounds[rank] : bounds[rank + 1]])
    return RowStream(reader, columns, np.empty(0, dtype=int), None, rank, SIZES)


class Joined:
    """The batches of several processes in one."""

    sum_over_processes = None

    def __init__(self, streams):
        self.streams = streams

    def __len__(self):
        return sum(SIZES)

    def batches(self, n_batches, generator):
        state = generator.get_state()
        parts = []
        for stream in self.streams:
            own = torch.Generator()
            own.set_state(state)
            parts.append(stream.batches(n_batches, own))
        torch.randint(2**62, (1,), generator=generator)  # as each of them does
        for batches in zip(*parts):
            x = torch.cat([x for x, _, _, _ in batches])
            yield x, torch.ones(len(x)), None, len(x)


def trained(streams):
    generator = torch.Generator().manual_seed(0)
    flow = make_flow(2, hidden_layer_sizes=[8], activation="relu", generator=generator)
    streams = [replace(stream, tensor=flow.tensor) for stream in streams]
    stream = streams[0] if len(streams) == 1 else Joined(streams)
    rows = loop.weighted_rows(flow, np.zeros((9, 2)), np.ones(9))
    history = loop.train(
        flow,
        rows,
        None,
        steps=torch.zeros(1),
        budget=Budget(5, 40, 0.01, 0.1, 99),
        tol=0.0,
        generator=generator,
        on_epoch=lambda history: False,
        stream=stream,
    )
    return {"weights": weights_of(flow), "losses": history.loss_curve}


def weights_of(flow):
    return {name: x.tolist() for name, x in flow.state_dict().items()}


def fit_by_other_seeds(rank, folder):
    """Fit without a seed, and with generators that are in another state in each process."""
    states = [None, np.random.RandomState(rank)]
    numbers = shard_of(rank)[["b", "low"]]
    shown = {**SMALL, "verbose": rank == 1}  # which may differ
    fits = [MAFDensity(**{**shown, "random_state": s}).fit(Shard(numbers)) for s in states]
    return [weights_of(density.flow_) for density in fits]


def shards_of(rank):
    """Shards that do not go together, each with those of the other process."""
    table = shard_of(rank)[["b", "low"]]
    numbers = table.to_numpy()
    categories = table.assign(low=pd.Categorical([1 + rank] * len(table)))
    frame = pl.from_pandas(table)
    return {
        "number": numbers[:, : 2 - rank],
        "names": table[["b", "low"] if rank == 0 else ["low", "b"]],
        "container": table if rank == 0 else numbers,
        "type": frame.with_columns(low=frame["low"].cast(pl.Float32)) if rank else frame.lazy(),
        "categories": categories,
        "rows": numbers[: 50 * rank],
    }


def fit_what_differs(rank, folder):
    """Return what processes say of shards, and of parameters, that differ."""
    errors = {}
    fits = {name: (shard, {}) for name, shard in shards_of(rank).items()}
    fits["parameters"] = (shard_of(rank), {"max_iter": 4 + 2 * rank, "verbose": rank == 1})
    for name, (shard, others) in fits.items():
        try:
            MAFDensity(**{**SMALL, **others}).fit(Shard(shard))
        except ValueError as error:
            errors[name] = str(error)
    return errors


TASKS = {
    task.__name__: task
    for task in (fit_shard, fit_until_one_dies, train_part, fit_by_other_seeds, fit_what_differs)
}


def main(task, rank, folder):
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    folder = Path(folder)
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{folder}/{task}.group", rank=int(rank), world_size=len(SIZES)
    )
    found = TASKS[task](int(rank), folder)
    (folder / f"{task}.{rank}.json").write_text(json.dumps(found))


# ---- the tests


def run_together(task, folder):
    """Run a task in both processes, and return what each finds; None of one that has died."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    processes = [
        subprocess.Popen(
            [sys.executable, __file__, task, str(rank), str(folder)],
            env=environment,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(len(SIZES))
    ]
    found = []
    for rank, process in enumerate(processes):
        _, errors = process.communicate(timeout=PATIENCE)
        path = folder / f"{task}.{rank}.json"
        assert path.exists() or task == "fit_until_one_dies", errors
        found.append(json.loads(path.read_text()) if path.exists() else None)
    (folder / f"{task}.group").unlink(missing_ok=True)
    return found


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    return run_together("fit_shard", folder)


def test_all_processes_end_with_the_same_density(fitted):
    first, second = fitted
    assert first == second
    assert np.isfinite(first["scores"]).all()
    assert first["n_iter"] == SMALL["max_iter"]


def test_what_any_shard_holds_is_known(fitted):
    assert fitted[0]["categories"] == ["seldom", "x", "y"]
    assert "low <= high" in fitted[0]["relations"]


def test_the_density_is_that_of_all_rows(fitted):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        alone = MAFDensity(**SMALL).fit(make_table()).score(make_table())
        of_one = MAFDensity(**SMALL).fit(shard_of(1)).score(make_table().fillna({"a": 0.0}))
    together = np.mean(fitted[0]["scores"])
    assert abs(together - alone) < 0.5
    assert np.isfinite(of_one)


def test_the_same_as_one_process_with_the_same_batches(tmp_path):
    first, second = run_together("train_part", tmp_path)
    assert first["weights"] == second["weights"]
    alone = trained([stream_of_rank(rank) for rank in range(len(SIZES))])
    np.testing.assert_allclose(first["losses"], alone["losses"], rtol=1e-5)
    for name, weight in alone["weights"].items():
        np.testing.assert_allclose(first["weights"][name], weight, rtol=1e-3, atol=1e-5)


def test_a_process_that_dies_ends_the_fit_and_the_checkpoint_stays(tmp_path, fitted):
    survivor, dead = run_together("fit_until_one_dies", tmp_path)
    assert dead is None
    assert "Another process of the fit has ended" in survivor["error"]
    assert survivor["left"] == ["fit.skmaf"]
    assert run_together("fit_shard", tmp_path) == fitted
    assert not (tmp_path / "fit.skmaf").exists()


def test_the_seed_of_the_first_process_counts(tmp_path):
    first, second = run_together("fit_by_other_seeds", tmp_path)
    assert first == second
    assert first[0] != first[1]


def test_what_differs_is_refused_in_all_processes(tmp_path):
    first, second = run_together("fit_what_differs", tmp_path)
    assert first == second
    how = "Give all processes the same."
    categories = [
        f"CategoricalDtype(categories=[{i}], ordered=False, categories_dtype=int64)" for i in (1, 2)
    ]
    assert first == {
        "number": f"The number of columns differs: 2 in process 0, 1 in process 1. {how}",
        "names": f"The name of column 0 differs: 'b' in process 0, 'low' in process 1. {how}",
        "container": "The container of the shard differs: pandas in process 0, array in process 1. "
        f"{how}",
        "type": "The type of column 'low' differs: Float64 in process 0, Float32 in process 1. "
        f"{how}",
        "categories": f"The type of column 'low' differs: {categories[0]} in process 0, "
        f"{categories[1]} in process 1. {how}",
        "rows": "Found array with 0 sample(s) in process 0: give each process some rows, or start "
        "fewer.",
        "parameters": f"max_iter differs: 4 in process 0, 6 in process 1. {how}",
    }


def test_a_shard_needs_a_process_group():
    with pytest.raises(ValueError, match="call torch.distributed.init_process_group first"):
        MAFDensity(random_state=0).fit(Shard(shard_of(0)))


if __name__ == "__main__":
    main(*sys.argv[1:])
