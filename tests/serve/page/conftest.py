"""A browser for each file of tests, and in it a fresh page for each test.

Not one for all files: while Playwright runs, no other test can run an event loop.
"""

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, sync_playwright

from deepgaze2.image.examples import example_paths
from helpers.live_server import LiveServer
from helpers.page_driver import DESKTOP, OpenPage, PageDriver, find_chromium


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    executable = find_chromium()
    if executable is None:
        missing = "no Chromium found; install it or name it by $DEEPGAZE2_CHROMIUM"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []  # else root cannot start it
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=executable, args=arguments)
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def screenshots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder for pictures of the page; set DEEPGAZE2_SCREENSHOTS to keep them."""
    named = os.environ.get("DEEPGAZE2_SCREENSHOTS")
    folder = Path(named) if named else tmp_path_factory.mktemp("screenshots")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture
def open_page(browser: Browser, screenshots: Path) -> Iterator[OpenPage]:
    """Return a function that opens a server's page; nothing may fail on it, unless meant to."""
    with ExitStack() as stack:

        def open_page(
            server: LiveServer, size: tuple[int, int] = DESKTOP, **options: Any
        ) -> PageDriver:
            width, height = size
            context = browser.new_context(viewport={"width": width, "height": height}, **options)
            stack.callback(context.close)
            driver = PageDriver(context.new_page(), server.url, screenshots)
            driver.open()
            opened.append(driver)
            return driver

        opened: list[PageDriver] = []
        yield open_page
        assert [complaint for driver in opened for complaint in driver.complaints] == []


@pytest.fixture
def page(open_page: OpenPage, server: LiveServer) -> PageDriver:
    return open_page(server)


@pytest.fixture(scope="session")
def examples() -> dict[str, Path]:
    """The packaged photos by name, without ending."""
    return {path.stem: path for path in example_paths()}
