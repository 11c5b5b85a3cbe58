"""How many threads torch uses while skmaf computes."""

import contextlib
import threading

import torch

NUMBERS_PER_THREAD = (
    2**18
)  # that one pass computes; with fewer, threads wait for each other more than they work

_lock = threading.Lock()
_state = {"depth": 0, "outer": 0}


@contextlib.contextmanager
def threads_for(n_numbers):
    """Run torch on as many threads as ``n_numbers`` of a pass are worth, and as before outside.

    Never on more threads than before, and right also where several estimators are fitted in threads at once. The products of
    most flows are small: threads that wait for each other cost more than they bring, up to 20 times on a busy machine.
    Parallelism belongs across models.
    """
    with _lock:
        if _state["depth"] == 0:
            _state["outer"] = torch.get_num_threads()
        torch.set_num_threads(
            max(1, min(_state["outer"], n_numbers // NUMBERS_PER_THREAD))
        )  # each Python thread has its own
        _state["depth"] += 1
    try:
        yield
    finally:
        with _lock:
            _state["depth"] -= 1
            torch.set_num_threads(_state["outer"])
