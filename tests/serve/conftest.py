"""One server for the tests that leave it as they found it, and the library to compare with."""

from collections.abc import Iterator

import pytest

import deepgaze2
from helpers.live_server import LiveServer, serving


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    stderr = tmp_path_factory.mktemp("server") / "stderr.txt"
    with serving(stderr, "--model", "default", "--model", "deepgaze2") as live:
        live.wait_until_ready()
        yield live


@pytest.fixture(scope="session")
def model() -> deepgaze2.Model:
    return deepgaze2.load()
