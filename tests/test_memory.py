"""Batches become smaller where memory does not suffice, and results are the same up to rounding."""

import numpy as np
import pytest
import torch
from test_interrupts import ESTIMATORS, fresh, table

from skmaf import VariationalFlow
from skmaf._memory import BatchSize, is_out_of_memory
from skmaf.flows.mixture import MixtureMADE, MixtureStack
from skmaf.flows.table import CodesDensity, ValuesDensity
from skmaf.training.optimiser import Gradients

OF_SKMAF = [name for name in ESTIMATORS if name != "detector of a pipeline"]
REFUSED = "you tried to allocate 8 bytes."
ERRORS = {
    "python": MemoryError(),
    "numpy": pytest.raises(MemoryError, np.empty, 2**55).value,
    "cuda": torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
    "cpu": RuntimeError(f"DefaultCPUAllocator: can't allocate memory: {REFUSED}"),
    "windows": RuntimeError(f"DefaultCPUAllocator: not enough memory: {REFUSED}"),
    "mps": RuntimeError("MPS backend out of memory (MPS allocated: 1.03 GB)"),
}

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore:k-hat"),
]


@pytest.mark.parametrize("name", ERRORS)
def test_errors_that_say_so(name):
    assert is_out_of_memory(ERRORS[name])
    assert not is_out_of_memory(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    assert not is_out_of_memory(ValueError("out of memory"))


def take_all(n_rows, most, limit):
    """Take rows in batches, of which memory holds ``limit`` rows at once."""
    taken = []

    def compute(rows):
        if rows.stop - rows.start > limit:
            raise MemoryError
        return list(range(n_rows))[rows]

    for rows, values in BatchSize(most).batches(compute, n_rows):
        assert values == list(range(rows.start, rows.stop))
        taken += values
    assert taken == list(range(n_rows))


@pytest.mark.parametrize("n_rows", [0, 1, 7, 16, 100])
@pytest.mark.parametrize("most", [None, 1, 10, 1000])
@pytest.mark.parametrize("limit", [1, 3, 1000])
def test_all_rows_are_taken_once_in_their_order(n_rows, most, limit):
    take_all(n_rows, most, limit)


def test_a_row_that_does_not_fit_is_an_error():
    with pytest.raises(MemoryError):
        take_all(5, None, 0)


def test_other_errors_are_not_tried_again():
    calls = []

    def compute(rows):
        calls.append(rows)
        raise RuntimeError("shapes cannot be multiplied")

    with pytest.raises(RuntimeError, match="shapes"):
        list(BatchSize(4).batches(compute, 8))
    assert len(calls) == 1


def test_the_size_that_fits_is_remembered():
    sizes = BatchSize()
    tried = []

    def compute(size):
        tried.append(size)
        if size > 30:
            raise MemoryError
        return size

    assert [sizes.call(compute, 100) for _ in range(3)] == [25, 25, 25]
    assert tried == [100, 50, 25, 25, 25]
    assert sizes.call(compute, 9) == 9


@pytest.mark.parametrize("fails_in", ["forward", "backward"])
def test_gradients_of_parts_add_up(fails_in):
    """Also where the fault comes when some gradients are there already."""
    rng = torch.Generator().manual_seed(0)
    rows = torch.randn((50, 3), generator=rng)
    first = torch.nn.Parameter(torch.randn(3, generator=rng))
    second = torch.nn.Parameter(torch.randn(3, generator=rng))
    attempts = []

    def loss_of(part, limit):
        x = rows[part]
        attempts.append(len(x))
        if fails_in == "forward" and len(x) > limit:
            raise MemoryError
        hidden = torch.tanh(x * first)
        if fails_in == "backward" and len(x) > limit:
            hidden.register_hook(refuse)  # by then the gradient of `second` is there
        return (hidden @ second).square().sum() / len(rows)

    def refuse(gradient):
        raise MemoryError

    whole = Gradients([first, second]).take(lambda part: loss_of(part, 50), 50)
    expected = [first.grad.clone(), second.grad.clone()]
    attempts.clear()
    again = Gradients([first, second])
    loss = again.take(lambda part: loss_of(part, 8), 50)
    assert attempts[:4] == [50, 25, 13, 7] and sum(attempts[3:]) == 50
    torch.testing.assert_close(loss, whole)
    torch.testing.assert_close([first.grad, second.grad], expected)
    attempts.clear()
    again.take(lambda part: loss_of(part, 8), 50)
    assert attempts == [7] * 7 + [1]


def make_scarce(monkeypatch, limit, error):
    """Let the densities of more rows at once than ``limit`` fail; return how many did."""
    refused = []

    def patch(cls, name, axis):
        genuine = getattr(cls, name)

        def scarce(self, x, *others):
            if x.shape[axis] > limit:
                refused.append(cls)
                raise type(error)(*error.args)
            return genuine(self, x, *others)

        monkeypatch.setattr(cls, name, scarce)

    patch(ValuesDensity, "log_prob", 0)
    patch(CodesDensity, "log_prob", 0)
    patch(MixtureStack, "log_prob", 1)
    patch(MixtureMADE, "log_prob", 0)
    return refused


@pytest.mark.parametrize(
    "name, error",
    [
        *((name, "python") for name in OF_SKMAF),
        ("MAFDensity", "cuda"),
        ("MultiscaleDensity", "cpu"),
    ],
)
def test_fits_and_scores_are_the_same_with_less_memory(name, error, monkeypatch):
    X, y = table(name)
    whole = fresh(name).fit(X, y)
    scores = whole.score_samples(X)
    with monkeypatch.context() as patch:
        refused = make_scarce(patch, 9, ERRORS[error])
        np.testing.assert_allclose(whole.score_samples(X), scores, rtol=1e-4, atol=1e-4)
        assert refused
        refused.clear()
        less = fresh(name).fit(X, y)
        assert refused
    np.testing.assert_allclose(less.score_samples(X), scores, rtol=1e-2, atol=1e-2)
    # what is rounded otherwise grows in the directions of small gradients, which Muon makes large
    np.testing.assert_allclose(
        getattr(less, "loss_curve_", 0), getattr(whole, "loss_curve_", 0), rtol=1e-2, atol=1e-2
    )


@pytest.mark.parametrize("name", OF_SKMAF)
def test_without_memory_for_a_row_the_error_reaches_the_user(name, monkeypatch):
    X, y = table(name)
    fitted = fresh(name).fit(X, y)
    before = fitted.score_samples(X)
    with monkeypatch.context() as patch:
        make_scarce(patch, 0, MemoryError())
        for call in (
            fitted.score_samples,
            lambda X: fitted.fit(X, y),
            lambda X: fresh(name).fit(X, y),
        ):
            with pytest.raises(MemoryError):
                call(X)
    np.testing.assert_array_equal(fitted.score_samples(X), before)


def test_a_log_density_of_the_user_for_few_rows():
    def make(limit):
        def log_density(x):
            if len(x) > limit:
                raise MemoryError
            return -((x - 1) ** 2).sum(1) / 2

        small = {"family": "realnvp", "hidden_layer_sizes": (8,), "max_iter": 5, "batch_size": 50}
        return VariationalFlow(log_density, 2, random_state=0, **small)

    whole = make(50).fit()
    less = make(7).fit()
    np.testing.assert_allclose(less.loss_curve_, whole.loss_curve_, rtol=1e-4)
    np.testing.assert_allclose(less.log_evidence_, whole.log_evidence_, rtol=1e-4)
    with pytest.raises(MemoryError):
        make(0).fit()
