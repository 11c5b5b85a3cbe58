"""How torch is set while skmaf computes: the same whatever the user has set outside.

Torch is imported when such a block is entered: estimators have decorators from here.
"""

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

NUMBERS_PER_THREAD = 2**18  # of one pass; with fewer, threads wait more than they work


@dataclass
class _Outside:
    """What the user has set, while skmaf computes in one Python thread or several."""

    n_threads: int = 1
    dtype: Any = None
    # how many blocks have changed each, and will set it back
    n_thread_blocks: int = 0
    n_dtype_blocks: int = 0


_lock = threading.Lock()
_outside = _Outside()


@contextlib.contextmanager
def threads_for(n_numbers: int) -> Iterator[None]:
    """Run torch on as many threads as ``n_numbers`` of a pass are worth, and as before outside.

    Never on more threads than before, and right also where several estimators are fitted in
    threads at once. The products of most flows are small: threads that wait for each other cost
    more than they bring, up to 20 times on a busy machine. Parallelism belongs across models.
    """
    import torch

    with _lock:
        if _outside.n_thread_blocks == 0:
            _outside.n_threads = torch.get_num_threads()
        # each Python thread has its own number
        torch.set_num_threads(max(1, min(_outside.n_threads, n_numbers // NUMBERS_PER_THREAD)))
        _outside.n_thread_blocks += 1
    try:
        yield
    finally:
        with _lock:
            _outside.n_thread_blocks -= 1
            torch.set_num_threads(_outside.n_threads)


@contextlib.contextmanager
def isolated_torch() -> Iterator[None]:
    """Compute with gradients on, in float32 on the CPU by default, without autocast.

    What the user has set of these, such as ``torch.no_grad()`` or another default dtype, has no
    say in results, and holds again outside. Also a decorator.
    """
    import torch

    with contextlib.ExitStack() as stack:
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.enable_grad())
        # each slows every call of torch, so only where it is needed
        if torch.get_default_device().type != "cpu":
            stack.enter_context(torch.device("cpu"))
        for device in ("cpu", "cuda"):
            if torch.is_autocast_enabled(device):
                stack.enter_context(torch.autocast(device, enabled=False))
        stack.enter_context(_float32_by_default())
        yield


@contextlib.contextmanager
def _float32_by_default() -> Iterator[None]:
    """Make float32 the default dtype, which all Python threads share, until the last one is out."""
    import torch

    with _lock:
        if _outside.n_dtype_blocks == 0:
            _outside.dtype = torch.get_default_dtype()
            torch.set_default_dtype(torch.float32)
        _outside.n_dtype_blocks += 1
    try:
        yield
    finally:
        with _lock:
            _outside.n_dtype_blocks -= 1
            if _outside.n_dtype_blocks == 0:
                torch.set_default_dtype(_outside.dtype)
