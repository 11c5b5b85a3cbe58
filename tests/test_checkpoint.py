"""Fits that go on where they were stopped, to the same result."""

import os
import pickle
import random
import shutil
import signal
import subprocess
import sys
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.neighbors import KernelDensity
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import skmaf
from skmaf import (
    ConditionalMAFDensity,
    DensityEnsemble,
    DensityOutlierDetector,
    MAFClassifier,
    MAFDensity,
)
from skmaf.training import checkpoint, loop

N_EPOCHS = 6
SMALL = {"hidden_layer_sizes": (8,), "max_iter": N_EPOCHS, "n_iter_no_change": 99}
SMALL |= {"random_state": 0}
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def make_table(n=90):
    rng = np.random.RandomState(0)
    a = rng.randn(n)
    table = pd.DataFrame(
        {
            "a": a,
            "b": a + rng.randn(n),
            "c": rng.choice(["x", "y", "z"], n),
            "d": rng.poisson(2, n),
        }
    )
    table.loc[4, "a"] = np.nan
    return table


TABLE = make_table()
NUMBERS = TABLE[["b", "d"]]


class Stopped(BaseException):
    """What stops a fit as a crash would: nothing catches it."""


@pytest.fixture
def path(tmp_path):
    return tmp_path / "fit.skmaf"


@pytest.fixture
def stop_after(monkeypatch):
    """Write in every epoch, and stop a fit after some of them."""
    monkeypatch.setattr(checkpoint, "INTERVAL", 0.0)
    run_epoch = loop._run_epoch

    def stop(n_epochs):
        left = [n_epochs]

        def run(*args):
            if left[0] == 0:
                raise Stopped
            left[0] -= 1
            return run_epoch(*args)

        monkeypatch.setattr(loop, "_run_epoch", run)

    yield stop


FITS = {
    "density": (MAFDensity, (TABLE,)),
    "two flows": (lambda **p: MAFDensity(**{**p, "hidden_layer_sizes": "auto"}), (TABLE,)),
    "all rows": (lambda **p: MAFDensity(early_stopping=False, **p), (TABLE,)),
    "conditional": (ConditionalMAFDensity, (TABLE[["a", "c"]], NUMBERS)),
    "classifier": (MAFClassifier, (NUMBERS, TABLE["c"])),
}  # fmt: skip


@pytest.mark.parametrize("name", FITS)
def test_goes_on_to_the_same_result(name, path, stop_after):
    make, data = FITS[name]
    whole = make(**SMALL).fit(*data)
    n_epochs = []
    for n in (1, 4, 7, 10, 16):
        stop_after(n)
        stopped = make(checkpoint=path, **SMALL)
        try:
            stopped.fit(*data)
        except Stopped:
            assert path.exists()
            assert not hasattr(stopped, "density_")
            stop_after(99)
            stopped.fit(*data)
            n_epochs.append(n)
        assert not path.exists()
        assert weights_of(stopped) == weights_of(whole)
        assert stopped.loss_curve_ == whole.loss_curve_
        assert stopped.validation_scores_ == whole.validation_scores_
        assert stopped.best_validation_score_ == whole.best_validation_score_
    assert n_epochs


def weights_of(estimator):
    return {name: x.tolist() for name, x in estimator.flow_.state_dict().items()}


def test_stopped_again_and_again(path, stop_after):
    whole = MAFDensity(**SMALL).fit(TABLE)
    density = MAFDensity(checkpoint=path, **SMALL)
    for _ in range(30):
        stop_after(1)
        try:
            density.fit(TABLE)
            break
        except Stopped:
            continue
    assert weights_of(density) == weights_of(whole)


def test_a_loss_that_was_not_finite_is_remembered(path, stop_after, monkeypatch):
    def spoil():
        step = loop.FlowOptimiser.step
        n_done = [0]

        def spoiled(self, *args):
            n_done[0] += 1
            return np.nan if n_done[0] == 3 else step(self, *args)

        monkeypatch.setattr(loop.FlowOptimiser, "step", spoiled)
        return lambda: monkeypatch.setattr(loop.FlowOptimiser, "step", step)

    mend = spoil()
    whole = MAFDensity(**SMALL).fit(NUMBERS)
    mend()
    spoil()
    stop_after(5)
    density = MAFDensity(checkpoint=path, **SMALL)
    with pytest.raises(Stopped):
        density.fit(NUMBERS)
    mend()
    stop_after(99)
    assert weights_of(density.fit(NUMBERS)) == weights_of(whole)


def test_warm_starts_go_on_too(path, stop_after):
    whole = MAFDensity(warm_start=True, **SMALL).fit(TABLE).fit(TABLE)
    density = MAFDensity(warm_start=True, **SMALL).fit(TABLE).set_params(checkpoint=path)
    stop_after(4)
    with pytest.raises(Stopped):
        density.fit(TABLE)
    stop_after(99)
    assert weights_of(density.fit(TABLE)) == weights_of(whole)
    assert density.n_iter_ == whole.n_iter_


def test_an_interrupted_fit_keeps_its_file(path, stop_after, monkeypatch):
    whole = MAFDensity(**SMALL).fit(TABLE)
    stop_after(3)
    run_epoch = loop._run_epoch

    def run(*args):
        try:
            return run_epoch(*args)
        except Stopped:
            raise KeyboardInterrupt from None

    monkeypatch.setattr(loop, "_run_epoch", run)
    density = MAFDensity(checkpoint=path, **SMALL)
    with pytest.warns(UserWarning, match="interrupted"):
        density.fit(TABLE)
    assert path.exists()
    stop_after(99)
    assert weights_of(density.fit(TABLE)) == weights_of(whole)


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_a_link_to_the_file(path, tmp_path, stop_after):
    """It stays for the next fit; the file that it leads to is there as long as one is not done."""
    target = tmp_path / "target.ckpt"
    path.symlink_to(target)
    density = MAFDensity(checkpoint=path, **SMALL)
    stop_after(3)
    with pytest.raises(Stopped):
        density.fit(TABLE)
    assert path.is_symlink()
    assert target.exists()
    stop_after(99)
    density.fit(TABLE)
    assert path.is_symlink()
    assert not target.exists()


CHANGES = {
    "rows": (TABLE.iloc[1:], {}),
    "a cell": (TABLE.assign(d=TABLE["d"] + 1), {}),
    "a parameter": (TABLE, {"n_layers": 2}),
    "of training": (TABLE, {"tol": 0.1}),
    "seed": (TABLE, {"random_state": 1}),
}


@pytest.mark.parametrize("name", CHANGES)
def test_the_file_of_another_fit_is_refused(name, path, stop_after):
    rows, changed = CHANGES[name]
    stop_after(4)
    with pytest.raises(Stopped):
        MAFDensity(checkpoint=path, **SMALL).fit(TABLE)
    stop_after(99)
    before = path.read_bytes()
    with pytest.raises(ValueError, match="checkpoint is of a fit of other rows"):
        MAFDensity(checkpoint=path, **{**SMALL, **changed}).fit(rows)
    assert path.read_bytes() == before


DAYS = pd.DataFrame({"day": pd.to_datetime("2020-01-01") + pd.to_timedelta(range(90), "D")})
# tables of the same numbers, of which something else is known
OF_THE_SAME_NUMBERS = {
    "period": (NUMBERS, {"d": ("periodic", 24)}, NUMBERS),
    "kind": (NUMBERS, {"d": "continuous"}, NUMBERS),
    "dates": (DAYS, {}, DAYS + pd.Timedelta(days=7 * 365 + 3)),
    "categories": (TABLE[["c"]], {}, TABLE[["c"]].astype(pd.CategoricalDtype([*"xyzw"]))),
}


@pytest.mark.parametrize("name", OF_THE_SAME_NUMBERS)
def test_the_file_of_another_table_of_the_same_numbers_is_refused(name, path, stop_after):
    before, kinds, after = OF_THE_SAME_NUMBERS[name]
    stop_after(1)
    with pytest.raises(Stopped):
        MAFDensity(checkpoint=path, **SMALL).fit(before)
    stop_after(99)
    with pytest.raises(ValueError, match="checkpoint is of a fit of other rows"):
        MAFDensity(checkpoint=path, column_kinds=kinds, **SMALL).fit(after)


def test_equal_parameters_of_other_types_go_on(path, stop_after):
    parameters = {"tol": 0.25, "max_iter": 6, "column_kinds": {"b": (-9, None), "d": "grid"}}
    same = {"tol": np.float64(0.25), "max_iter": np.int64(6), "random_state": np.int64(0)}
    same |= {"early_stopping": np.True_, "column_kinds": {"d": np.str_("grid"), "b": (-9.0, None)}}
    counts = [1, 2] * 45
    equal_counts = np.float64(counts)
    whole = MAFDensity(**SMALL | parameters).fit(NUMBERS, sample_weight=counts)
    stop_after(3)
    with pytest.raises(Stopped):
        MAFDensity(checkpoint=path, **SMALL | parameters).fit(NUMBERS, sample_weight=counts)
    stop_after(99)
    again = MAFDensity(checkpoint=path, **SMALL | same).fit(NUMBERS, sample_weight=equal_counts)
    assert weights_of(again) == weights_of(whole)


def test_other_files_are_refused(path, stop_after):
    density = MAFDensity(**SMALL).fit(NUMBERS)
    skmaf.save(density, path)
    with pytest.raises(ValueError, match="its kind is 'estimator'"):
        MAFDensity(checkpoint=path, **SMALL).fit(NUMBERS)
    path.write_bytes(b"other things")
    with pytest.raises(ValueError, match="no file that skmaf.save wrote"):
        MAFDensity(checkpoint=path, **SMALL).fit(NUMBERS)
    assert path.read_bytes() == b"other things"
    path.unlink()
    stop_after(4)
    with pytest.raises(Stopped):
        MAFDensity(checkpoint=path, **SMALL).fit(NUMBERS)
    with pytest.raises(ValueError, match="its kind is 'checkpoint'"):
        skmaf.load(path)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ValueError, match="damaged"):
        MAFDensity(checkpoint=path, **SMALL).fit(NUMBERS)


@pytest.mark.parametrize("random_state", [None, np.random.RandomState(0)], ids=["None", "state"])
def test_a_seed_is_needed(random_state, path):
    with pytest.raises(ValueError, match="checkpoint needs random_state to be an int"):
        MAFDensity(checkpoint=path, random_state=random_state).fit(NUMBERS)


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError, match="folder that is not there"):
        MAFDensity(checkpoint=tmp_path / "none" / "fit", random_state=0).fit(NUMBERS)


def test_other_files_stay(path, stop_after):
    """Hidden files of the user, and those that other fits are writing, whatever they are called."""
    mine = [".fit.skmaf.local", ".fit.skmaf.long.abcd1234.skmaf-begun", ".other.skmaf-begun"]
    mine = [path.with_name(name) for name in mine]
    crashed = path.with_name(".fit.skmaf.abcd1234.skmaf-begun")
    for file in [*mine, crashed]:
        file.write_text("SECRET=1")
    later = path.with_name(".fit.skmaf.dcba4321.skmaf-begun")

    def begin_another_fit(density, epoch):
        later.touch()

    MAFDensity(checkpoint=path, callbacks=[begin_another_fit], **SMALL).fit(NUMBERS)
    assert {*path.parent.iterdir()} == {*mine, later}


def test_fits_at_a_time_with_one_file(path, stop_after):
    """None of them ends another, whichever ends first; at worst it warns of a write that failed."""
    stop_after(9999)
    whole = MAFDensity(**SMALL).fit(NUMBERS)

    def fit(_):
        return MAFDensity(checkpoint=path, **SMALL).fit(NUMBERS)

    with ThreadPoolExecutor(4) as pool, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for density in pool.map(fit, range(12)):
            assert weights_of(density) == weights_of(whole)


def test_a_file_that_is_gone_hides_no_error(tmp_path, monkeypatch):
    def fail(handle):
        for file in tmp_path.iterdir():
            file.unlink()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="No space left"):
        skmaf.save(MAFDensity(), tmp_path / "density.skmaf")


def test_a_file_that_cannot_be_written_does_not_end_the_fit(path, stop_after, monkeypatch):
    whole = MAFDensity(**SMALL).fit(NUMBERS)
    stop_after(99)
    n_tries = [0]

    def fail(handle):
        n_tries[0] += 1
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.warns(UserWarning) as caught:
        density = MAFDensity(checkpoint=path, **SMALL).fit(NUMBERS)
    assert n_tries[0] > N_EPOCHS
    [warning] = [w for w in caught if "checkpoint" in str(w.message)]
    assert warning.filename == __file__
    for words in (str(path), "No space left on device", "make room"):
        assert words in str(warning.message)
    assert weights_of(density) == weights_of(whole)
    assert not [*path.parent.iterdir()]


def test_a_folder_that_goes_does_not_end_the_fit(tmp_path, stop_after):
    stop_after(99)
    folder = tmp_path / "folder"
    folder.mkdir()

    def remove(density, epoch):
        shutil.rmtree(folder, ignore_errors=True)

    density = MAFDensity(checkpoint=folder / "fit", callbacks=[remove], **SMALL)
    with pytest.warns(UserWarning, match="could not be written"):
        density.fit(NUMBERS)
    assert density.n_iter_ == N_EPOCHS


def test_a_file_that_cannot_be_deleted_is_named(path, monkeypatch):
    def fail(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "unlink", fail)
    with pytest.warns(
        UserWarning, match="could not be deleted.*Permission denied.*delete the file"
    ):
        density = MAFDensity(checkpoint=path, **SMALL).fit(NUMBERS)
    assert density.n_iter_ == N_EPOCHS


def test_a_file_that_cannot_be_written_at_first_is_refused(path):
    too_long = path.with_name("x" * 250)
    epochs = []
    density = MAFDensity(
        checkpoint=too_long, callbacks=[lambda *told: epochs.append(told)], **SMALL
    )
    with pytest.raises(OSError, match="checkpoint=.* cannot be written: .*too long"):
        density.fit(NUMBERS)
    assert not epochs


@pytest.mark.parametrize(
    "owner, name",
    [
        (DensityOutlierDetector(MAFDensity(checkpoint="no")), "estimator__checkpoint"),
        (DensityEnsemble(MAFDensity(checkpoint=Path("no"))), "estimator__checkpoint"),
        (
            DensityOutlierDetector(make_pipeline(StandardScaler(), MAFDensity(checkpoint="no"))),
            "estimator__mafdensity__checkpoint",
        ),
    ],
)
def test_what_fits_several_times_refuses_a_checkpoint(owner, name):
    with pytest.raises(ValueError, match=f"estimator keeps a checkpoint.* set {name}=None"):
        owner.fit(NUMBERS)


def test_parameters_of_others_with_the_same_name_are_no_checkpoints():
    class Named(KernelDensity):
        def __init__(self, checkpoint=True):
            super().__init__()
            self.checkpoint = checkpoint

    DensityOutlierDetector(Named(), n_folds=2, random_state=0).fit(NUMBERS)


def test_files_of_estimators_name_their_checkpoint(path, tmp_path):
    density = MAFDensity(checkpoint=path, **SMALL).fit(NUMBERS)
    skmaf.save(density, tmp_path / "density.skmaf")
    assert skmaf.load(tmp_path / "density.skmaf").checkpoint == path


FIT = """
import pickle, sys
import torch
torch.set_num_threads(1)
from skmaf import MAFDensity
from skmaf.training import checkpoint
checkpoint.INTERVAL = 0.0
with open(sys.argv[1], "rb") as file:
    table, parameters = pickle.load(file)
import warnings
warnings.simplefilter("ignore")
print("begins", flush=True)
density = MAFDensity(checkpoint=sys.argv[2], **parameters).fit(table)
print(repr(density.score_samples(table).tobytes().hex()))
"""


def killed_until_done(folder, n_kills, seed):
    """Kill a fit at random moments, and let it go on; return what it finds in the end."""
    rng = random.Random(seed)
    data = folder / "data.pickle"
    parameters = {**SMALL, "max_iter": 60}
    data.write_bytes(pickle.dumps((TABLE, parameters)))
    path = folder / "fit.skmaf"
    command = [sys.executable, "-c", FIT, str(data), str(path)]
    n_killed = 0
    while True:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert process.stdout.readline() == "begins\n"
        if n_killed < n_kills:
            time.sleep(rng.uniform(0, 1.0))
            os.kill(process.pid, signal.SIGKILL)
        printed, _ = process.communicate()
        if process.returncode == 0:
            return printed.strip(), n_killed, [p.name for p in folder.iterdir()]
        assert process.returncode == -signal.SIGKILL
        n_killed += 1


def test_killed_at_random_moments(tmp_path):
    expected = MAFDensity(**{**SMALL, "max_iter": 60}).fit(TABLE).score_samples(TABLE)
    found, n_killed, names = killed_until_done(tmp_path, n_kills=3, seed=0)
    assert found == repr(expected.tobytes().hex())
    assert names == ["data.pickle"]
    assert n_killed


if __name__ == "__main__":  # how often it is killed: python tests/test_checkpoint.py 50
    import tempfile

    expected = MAFDensity(**{**SMALL, "max_iter": 60}).fit(TABLE).score_samples(TABLE)
    n_done = 0
    for seed in range(1000):
        with tempfile.TemporaryDirectory() as name:
            found, n_killed, names = killed_until_done(Path(name), 10, seed)
        n_done += n_killed
        print(n_done, found == repr(expected.tobytes().hex()), names, flush=True)
        if n_done >= int(sys.argv[1]):
            break
