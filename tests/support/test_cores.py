"""Cores: what may be used, and BLAS kept on one thread whichever thread asks."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from deepgaze2.support import cores
from deepgaze2.support.cores import available_cores, single_threaded_blas


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="Linux only")
def test_cores_are_those_the_process_may_use() -> None:
    allowed = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(allowed)})
        assert available_cores() == 1
    finally:
        os.sched_setaffinity(0, allowed)
    assert available_cores() == len(allowed)


@pytest.mark.parametrize(
    ("own", "limits", "expected"),
    [
        ("0::/a/b", {"a/b/cpu.max": "200000 100000\n"}, 2),
        ("0::/a/b", {"a/b/cpu.max": "max 100000\n", "a/cpu.max": "150000 100000\n"}, 2),
        ("0::/", {"cpu.max": "10000 100000\n"}, 1),
        ("0::/outside/the/container", {"cpu.max": "300000 100000\n"}, 3),
        ("0::/a", {"a/cpu.max": "max 100000\n"}, 64),
        ("0::/a", {}, 64),
        (
            "7:memory:/m\n4:cpu,cpuacct:/a",
            {f"cpu,cpuacct/a/cpu.cfs_{k}_us": v for k, v in (("quota", "9"), ("period", "1e5"))},
            64,  # a period that is no whole number is none
        ),
        (
            "7:memory:/m\n4:cpu,cpuacct:/a",
            {
                "cpu,cpuacct/a/cpu.cfs_quota_us": "250000",
                "cpu,cpuacct/a/cpu.cfs_period_us": "50000",
            },
            5,
        ),
        (
            "4:cpu:/a",
            {"cpu/a/cpu.cfs_quota_us": "-1", "cpu/a/cpu.cfs_period_us": "100000"},
            64,
        ),
    ],
)
def test_cores_are_no_more_than_the_quota(
    own: str,
    limits: dict[str, str],
    expected: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "own").write_text(own + "\n")
    for name, content in limits.items():
        (tmp_path / "cgroup" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "cgroup" / name).write_text(content)
    monkeypatch.setattr(cores, "_OWN_CGROUPS", tmp_path / "own")
    monkeypatch.setattr(cores, "_CGROUPS", tmp_path / "cgroup")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)), raising=False)
    assert available_cores() == expected


def blas_threads() -> list[int]:
    return [
        library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"
    ]


def entered() -> list[int]:
    with single_threaded_blas():
        return blas_threads()


def test_any_thread_keeps_blas_on_one_thread() -> None:
    np.ones((2, 2)) @ np.ones((2, 2))
    before = blas_threads()
    assert entered() == [1] * len(before)
    for _ in range(2):  # threads of one pool, then of another, while the first thread lives
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(entered).result() == [1] * len(before)
        assert blas_threads() == before
