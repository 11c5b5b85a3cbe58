"""How torch is set while skmaf computes: the same whatever the user has set outside.

Torch is imported when such a block is entered: estimators have decorators from here.
"""

import contextlib
import os
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
    is_forked: bool = False  # torch's threads do not live on in a process that is forked off
    # how many blocks have changed each, and will set it back
    n_thread_blocks: int = 0
    n_dtype_blocks: int = 0


class _OpenBlock(threading.local):
    """The innermost block that is open in a Python thread: how many threads torch has in it."""

    n_threads: int | None = None


_lock = threading.Lock()
_outside = _Outside()
_open_block = _OpenBlock()


def _begin_in_fork() -> None:
    """Compute on one thread in a forked process: torch would wait for its others forever.

    What other Python threads were at when the process was forked will not end here.
    """
    global _lock, _outside
    _lock = threading.Lock()
    _outside = _Outside(is_forked=True)


if hasattr(os, "register_at_fork"):  # Windows has no forks
    os.register_at_fork(after_in_child=_begin_in_fork)


def available_threads() -> int:
    """Return how many threads torch may have at most."""
    import torch

    return 1 if _outside.is_forked else torch.get_num_threads()


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
        enclosing = _open_block.n_threads
        before = _outside.n_threads if enclosing is None else enclosing
        most = 1 if _outside.is_forked else before
        n_threads = max(1, min(most, n_numbers // NUMBERS_PER_THREAD))
        torch.set_num_threads(n_threads)
        _outside.n_thread_blocks += 1
    _open_block.n_threads = n_threads
    try:
        yield
    finally:
        with _lock:
            _outside.n_thread_blocks -= 1
            torch.set_num_threads(before)
        _open_block.n_threads = enclosing


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
        if torch.empty(0).device.type != "cpu":
            stack.enter_context(torch.device("cpu"))
        for device in ("cpu", "cuda"):
            if torch.is_autocast_enabled(device):
                stack.enter_context(torch.autocast(device, enabled=False))
        if _outside.is_forked:
            stack.enter_context(threads_for(1))
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
