"""How many cores there are to use, and keeping libraries from fighting over them."""

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock

from threadpoolctl import ThreadpoolController

_CGROUPS = Path("/sys/fs/cgroup")
_OWN_CGROUPS = Path("/proc/self/cgroup")


def available_cores() -> int:
    """Return the number of cores that this process may use: by its affinity and its quota.

    A container that may use two of 64 cores' time sees all 64; 64 threads there only wait for
    one another. A quota of a part of a core counts as one.
    """
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    return math.ceil(max(1, min([cores, *_quotas()])))


def _quotas() -> Iterator[float]:
    """Return the limits of this process's control groups (versions 1 and 2), in cores."""
    try:
        lines = _OWN_CGROUPS.read_text(encoding="utf-8").splitlines()
    except OSError:  # not Linux
        return
    for line in lines:
        _, controllers, group = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        mount = _CGROUPS / controllers if controllers else _CGROUPS
        # A limit of any group above holds, too. In a container the path may be that outside.
        for folder in (mount / group.lstrip("/"), *(mount / group.lstrip("/")).parents):
            if not folder.is_relative_to(mount):
                break
            with suppress(OSError, ValueError):
                yield _version_1(folder) if controllers else _version_2(folder)


def _version_2(folder: Path) -> float:
    quota, period = (folder / "cpu.max").read_text(encoding="ascii").split()
    return int(quota) / int(period)  # "max" is no number: no limit


def _version_1(folder: Path) -> float:
    quota, period = (
        int((folder / f"cpu.cfs_{name}_us").read_text(encoding="ascii"))
        for name in ("quota", "period")
    )
    return quota / period if quota > 0 else math.inf


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
                self._take_control()
                self._limit = self._controller.limit(limits=1, user_api="blas")
            self._users += 1

    def leave(self) -> None:
        with self._lock:
            self._users -= 1
            if self._users == 0:
                self._take_control()
                self._limit.restore_original_limits()  # type: ignore[attr-defined]

    def _take_control(self) -> None:
        """Let this thread set limits: recent threadpoolctl obeys the first alone."""
        for library in self._controller.lib_controllers if self._controller else ():
            if clear := getattr(library, "clear_controlling_thread", None):
                clear(force=True)


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
