"""How torch is set while skmaf computes: the same whatever the user has set outside."""

import contextlib
import threading
from collections.abc import Iterator

import torch

NUMBERS_PER_THREAD = 2**18  # of one pass; with fewer, threads wait more than they work

_lock = threading.Lock()
_state = {"depth": 0, "outer": 0}


@contextlib.contextmanager
def threads_for(n_numbers: int) -> Iterator[None]:
    """Run torch on as many threads as ``n_numbers`` of a pass are worth, and as before outside.

    Never on more threads than before, and right also where several estimators are fitted in
    threads at once. The products of most flows are small: threads that wait for each other cost
    more than they bring, up to 20 times on a busy machine. Parallelism belongs across models.
    """
    with _lock:
        if _state["depth"] == 0:
            _state["outer"] = torch.get_num_threads()
        # each Python thread has its own number
        torch.set_num_threads(max(1, min(_state["outer"], n_numbers // NUMBERS_PER_THREAD)))
        _state["depth"] += 1
    try:
        yield
    finally:
        with _lock:
            _state["depth"] -= 1
            torch.set_num_threads(_state["outer"])


@contextlib.contextmanager
def isolated_torch() -> Iterator[None]:
    """Compute with gradients on, in float32 on the CPU by default, without autocast.

    What the user has set of these, such as ``torch.no_grad()`` or another default dtype, has no
    say in results, and holds again outside. Also a decorator.
    """
    dtype = torch.get_default_dtype()
    with contextlib.ExitStack() as stack:
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.enable_grad())
        # each slows every call of torch, so only where it is needed
        if torch.get_default_device().type != "cpu":
            stack.enter_context(torch.device("cpu"))
        for device in ("cpu", "cuda"):
            if torch.is_autocast_enabled(device):
                stack.enter_context(torch.autocast(device, enabled=False))
        if dtype != torch.float32:
            torch.set_default_dtype(torch.float32)
            stack.callback(torch.set_default_dtype, dtype)
        yield
