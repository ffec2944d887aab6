"""Cores: what may be used, and BLAS kept on one thread whichever thread asks."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from threadpoolctl import threadpool_info

from deepgaze2.support.cores import single_threaded_blas


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
