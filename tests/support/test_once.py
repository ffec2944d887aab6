"""A value or its failure, computed once for all threads."""

from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest

from deepgaze2.errors import DataError
from deepgaze2.support.once import Once


def test_threads_share_one_computation() -> None:
    computed: list[int] = []
    begun = Event()

    def compute() -> list[int]:
        begun.wait(0.05)
        computed.append(1)
        return computed

    once = Once(compute)
    with ThreadPoolExecutor(8) as pool:
        found = [future.result() for future in [pool.submit(once) for _ in range(8)]]
    assert computed == [1]
    assert all(one is computed for one in found)


def test_a_failure_is_kept_but_an_interruption_is_not() -> None:
    errors: list[BaseException] = [KeyboardInterrupt(), DataError("first"), DataError("second")]

    def compute() -> None:
        raise errors.pop(0)

    once = Once(compute)
    with pytest.raises(KeyboardInterrupt):
        once()
    for _ in range(2):
        with pytest.raises(DataError, match="first"):
            once()
