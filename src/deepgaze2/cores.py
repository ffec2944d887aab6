"""How many cores there are to use, and keeping libraries from fighting over them."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

from threadpoolctl import ThreadpoolController


def available_cores() -> int:
    """Return the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class _SingleThreadedBlas:
    """Counts who needs BLAS single-threaded: the setting is the whole process's."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._users = 0
        self._controller: ThreadpoolController | None = None
        self._limit: object = None

    def enter(self) -> None:
        with self._lock:
            if self._users == 0:
                # Found once: looking for the loaded libraries takes milliseconds.
                self._controller = self._controller or ThreadpoolController()
                self._limit = self._controller.limit(limits=1, user_api="blas")
            self._users += 1

    def leave(self) -> None:
        with self._lock:
            self._users -= 1
            if self._users == 0:
                self._limit.restore_original_limits()  # type: ignore[attr-defined]


_blas = _SingleThreadedBlas()


@contextmanager
def single_threaded_blas() -> Iterator[None]:
    """Keep NumPy's matrix products on the calling thread.

    Where our own threads share the work, BLAS's would only wait for one another; and they
    go on spinning for milliseconds afterwards, which slows the network of the next image.
    """
    _blas.enter()
    try:
        yield
    finally:
        _blas.leave()
