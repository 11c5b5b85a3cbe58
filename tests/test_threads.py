"""The thread count of torch: one while skmaf computes, and then what it was, in every thread."""

import threading

import pytest
import torch

from skmaf._torch import threads_for


@pytest.fixture
def three_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


def run_together(*works):
    threads = [threading.Thread(target=work) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def in_thread(work):
    """Run ``work`` in a thread of its own and give its result."""
    results = []
    run_together(lambda: results.append(work()))
    return results[0]


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
    """The first to come leaves first: torch counts for each Python thread, and a new one begins with the last count set."""
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
    scores, counts = {}, {}

    def fit(seed):
        scores[seed] = tiny(random_state=seed, max_iter=10).fit(rows).score(rows)
        counts[seed] = torch.get_num_threads()

    run_together(lambda: fit(0), lambda: fit(1))
    assert [scores[seed] for seed in range(2)] == pytest.approx(expected, abs=1e-6)
    assert counts == {0: 3, 1: 3}
    assert torch.get_num_threads() == 3
    assert in_thread(torch.get_num_threads) == 3
