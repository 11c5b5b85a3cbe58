"""How torch is set while skmaf computes, and that it is set back, in every thread."""

import threading

import pytest
import torch

from skmaf._torch import isolated_torch, threads_for

AMBIENTS = {
    "no_grad": torch.no_grad,
    "inference_mode": torch.inference_mode,
    "grad off": lambda: torch.set_grad_enabled(False),
    "autocast": lambda: torch.autocast("cpu", dtype=torch.bfloat16),
    "meta": lambda: torch.device("meta"),
}


@pytest.fixture
def three_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def float64_by_default():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def run_together(*works):
    threads = [threading.Thread(target=work) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def in_thread(work):
    """Run ``work`` in another thread and give its result."""
    results = []
    run_together(lambda: results.append(work()))
    return results[0]


def settings():
    """All that the user may have set."""
    return (
        torch.is_grad_enabled(),
        torch.is_inference_mode_enabled(),
        torch.is_autocast_enabled("cpu"),
        torch.empty(0).device.type,
        torch.get_default_dtype(),
    )


ISOLATED = (True, False, False, "cpu", torch.float32)


def test_one_thread_inside_and_as_before_outside(three_threads):
    with threads_for(1):
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == 3


@pytest.mark.parametrize("n_numbers, n_threads", [(1, 1), (2**19 - 1, 1), (2**19, 2), (2**30, 3)])
def test_as_many_threads_as_the_work_is_worth(n_numbers, n_threads, three_threads):
    with threads_for(n_numbers):
        assert torch.get_num_threads() == n_threads  # never more than before
    assert torch.get_num_threads() == 3


def test_as_before_after_an_error(three_threads):
    with pytest.raises(KeyError), threads_for(1):
        raise KeyError
    assert torch.get_num_threads() == 3


def test_two_overlapping_threads(three_threads):
    """The first to come leaves first.

    torch counts for each Python thread, and a new one begins with the last count set.
    """
    started, first_in, second_in, first_out = (threading.Event() for _ in range(4))
    counts = {}

    def first():
        started.wait(60)
        with threads_for(1):
            first_in.set()
            second_in.wait(60)
            counts["first inside"] = torch.get_num_threads()
        counts["first after"] = torch.get_num_threads()
        first_out.set()

    def second():
        counts["second before"] = torch.get_num_threads()
        started.set()
        first_in.wait(60)
        with threads_for(1):
            second_in.set()
            first_out.wait(60)
            counts["second inside"] = torch.get_num_threads()
        counts["second after"] = torch.get_num_threads()

    run_together(first, second)
    assert counts == {
        "second before": 3,
        "first inside": 1,
        "second inside": 1,
        "first after": 3,
        "second after": 3,
    }
    assert torch.get_num_threads() == 3
    assert in_thread(torch.get_num_threads) == 3


def test_two_fits_at_once(three_threads, tiny, rows):
    """Equal to the same fits one after the other, with the count as before."""
    expected = [tiny(random_state=seed, max_iter=10).fit(rows).score(rows) for seed in range(2)]
    scores = {}
    counts = {}

    def fit(seed):
        scores[seed] = tiny(random_state=seed, max_iter=10).fit(rows).score(rows)
        counts[seed] = torch.get_num_threads()

    run_together(lambda: fit(0), lambda: fit(1))
    assert [scores[seed] for seed in range(2)] == pytest.approx(expected, abs=1e-6)
    assert counts == {0: 3, 1: 3}
    assert torch.get_num_threads() == 3
    assert in_thread(torch.get_num_threads) == 3


@pytest.mark.parametrize("ambient", AMBIENTS)
def test_what_is_set_outside_has_no_say_and_holds_again_after(ambient):
    with AMBIENTS[ambient]():
        outside = settings()
        assert outside != ISOLATED
        with isolated_torch():
            assert settings() == ISOLATED
            x = torch.ones(2, 2, requires_grad=True)
            product = x @ x
            assert product.dtype == torch.float32
            assert product.device.type == "cpu"
            product.sum().backward()
            assert torch.equal(x.grad, torch.full((2, 2), 4.0))
        assert settings() == outside
        with pytest.raises(KeyError), isolated_torch():
            raise KeyError
        assert settings() == outside
    assert settings() == ISOLATED


def test_another_default_dtype(float64_by_default):
    outside = settings()
    with isolated_torch():
        assert settings() == ISOLATED
        with isolated_torch():
            assert settings() == ISOLATED
        assert settings() == ISOLATED
    assert settings() == outside
    with pytest.raises(KeyError), isolated_torch():
        raise KeyError
    assert settings() == outside


def test_another_default_device():
    torch.set_default_device("meta")
    try:
        with isolated_torch():
            assert torch.ones(1).device.type == "cpu"
        assert torch.ones(1).device.type == "meta"
    finally:
        torch.set_default_device(None)


def test_an_isolated_function_is_isolated_in_every_call():
    @isolated_torch()
    def inside():
        """What is set."""
        return settings()

    assert inside.__doc__ == "What is set."
    for _ in range(2):
        with torch.no_grad():
            assert inside() == ISOLATED
            assert not torch.is_grad_enabled()


def test_the_default_dtype_of_two_overlapping_threads(float64_by_default):
    """All threads share it: it is the user's again once the last one is out."""
    first_in, second_in, first_out = (threading.Event() for _ in range(3))
    dtypes = {}

    def first():
        with isolated_torch():
            first_in.set()
            second_in.wait(60)
        first_out.set()

    def second():
        first_in.wait(60)
        with isolated_torch():
            second_in.set()
            first_out.wait(60)
            dtypes["inside"] = torch.get_default_dtype()
        dtypes["after"] = torch.get_default_dtype()

    run_together(first, second)
    assert dtypes == {"inside": torch.float32, "after": torch.float64}
