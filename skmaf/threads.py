"""How many threads torch uses while skmaf computes."""

import contextlib
import threading

import torch

_lock = threading.Lock()
_state = {"depth": 0, "outer": 0}


@contextlib.contextmanager
def single_thread():
    """Run torch on one thread inside, and as before outside, also where several estimators are fitted in threads at once.

    The products of a flow are small: threads that wait for each other cost more than they bring, up to 20 times on a busy
    machine. Parallelism belongs across models.
    """
    with _lock:
        if _state["depth"] == 0:
            _state["outer"] = torch.get_num_threads()
        torch.set_num_threads(1)  # torch keeps a count for each Python thread
        _state["depth"] += 1
    try:
        yield
    finally:
        with _lock:
            _state["depth"] -= 1
            torch.set_num_threads(_state["outer"])
