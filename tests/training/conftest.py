"""Small tensors: several threads would only wait for each other."""

from collections.abc import Iterator

import pytest
import torch

from deepgaze2.support.cores import single_threaded_blas


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with single_threaded_blas():
        yield
    torch.set_num_threads(threads)
