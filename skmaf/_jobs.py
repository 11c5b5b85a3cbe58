"""Jobs that run at the same time, by joblib, whatever backend the user has chosen."""

import threading
from collections.abc import Iterable, Iterator
from typing import Any

from joblib import Parallel, effective_n_jobs
from joblib.parallel import get_active_backend

from ._torch import available_threads


def run_jobs(tasks: Iterable[Any], n_jobs: int | None, **hints: Any) -> Iterator[Any]:
    """Yield the results of tasks in their order, each when it is there.

    Take them all, up to the end of the iterator: in a ``zip`` it comes first. Where another one
    ends before it, joblib may warn of results that nobody took.

    Parameters
    ----------
    tasks : iterable of what `joblib.delayed` gives
    n_jobs : int or None
        As `joblib.Parallel` takes it.
    **hints
        ``prefer`` or ``require`` of `joblib.Parallel`.
    """
    try:
        parallel = Parallel(n_jobs, return_as="generator", **hints)
    except ValueError:  # a backend that gives all results at the end, such as that of Ray
        parallel = Parallel(n_jobs, **hints)
    return iter(parallel(tasks))


def jobs_and_threads(n_jobs: int | None) -> tuple[int | None, int]:
    """Return how many jobs to run at a time, and how many threads torch may have in each.

    Jobs inside of a job of joblib, such as the folds of a detector in a search, are threads of its
    process: they divide among them what cores the outer job has. Processes have a number of threads
    of their own, which joblib sets.
    """
    backend, _ = get_active_backend()
    n_threads = available_threads()
    if not getattr(backend, "supports_sharedmem", False):
        return n_jobs, n_threads
    jobs = effective_n_jobs(n_jobs)
    if backend.nesting_level:
        # threads of one process have its cores in common
        is_alone = threading.current_thread() is threading.main_thread()
        n_threads = n_threads if is_alone else 1
        jobs = min(jobs, n_threads)
    return jobs, max(1, n_threads // jobs)
