"""The page in a real browser, driven as a person would, and its modules called from here."""

import base64
import io
import os
import re
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import FloatRect, Locator, Page, expect

from deepgaze2.density.regions import Region
from helpers.live_server import LiveServer

PATIENCE_MS = 60_000  # on a busy machine
expect.set_options(timeout=PATIENCE_MS)

DESKTOP, PHONE = (1280, 800), (360, 740)  # width and height in pixels
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def find_chromium() -> str | None:
    """The browser that $DEEPGAZE2_CHROMIUM names, or that is installed."""
    named = os.environ.get("DEEPGAZE2_CHROMIUM")
    return named or next(filter(None, map(shutil.which, BROWSERS)), None)


class OpenPage(Protocol):
    """Opens a server's page in a fresh browser context with Playwright's options."""

    def __call__(
        self, server: LiveServer, size: tuple[int, int] = DESKTOP, **options: Any
    ) -> "PageDriver": ...


@dataclass
class PageDriver:
    """What a test does on the page; `complaints` collects what must never happen."""

    page: Page
    url: str
    screenshots: Path
    complaints: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.set_default_timeout(PATIENCE_MS)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", lambda message: self._hear(message.text))

    def _hear(self, text: str) -> None:
        # Failed requests are logged, too; tests of errors mean them to fail.
        if "Failed to load resource" not in text:
            self.complaints.append(text)

    def open(self, path: str = "/") -> None:
        self.page.goto(f"{self.url}{path}")

    def upload(self, *files: Path) -> None:
        """Choose files, and wait until the shown image is predicted."""
        self.page.set_input_files("#files", list(files))
        self.wait_until_predicted()

    def wait_until_predicted(self) -> None:
        self.settle()
        stages = self.page.locator(".stage:visible")
        expect(stages).not_to_have_count(0)
        for stage in stages.all():
            expect(stage).to_have_class(re.compile("ready"), timeout=PATIENCE_MS)
        self.settle()

    def show(self, view: str) -> None:
        self.page.get_by_role("radio", name=view, exact=True).check(force=True)
        self.settle()

    def slide(self, label: str, percent: int) -> None:
        self.page.get_by_label(label, exact=True).fill(str(percent))
        self.settle()

    def settle(self) -> None:
        """Wait until what changed is painted."""
        self.page.evaluate(
            "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
        )

    def stage(self) -> FloatRect:
        """Where the image lies on the screen."""
        self.page.locator(".stage").first.scroll_into_view_if_needed()
        box = self.page.locator(".stage").first.bounding_box()
        assert box is not None
        return box

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Where a place of the image, in shares of its size, lies on the screen."""
        box = self.stage()
        return box["x"] + x * box["width"], box["y"] + y * box["height"]

    def drag(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        """Drag over the image with the mouse, in shares of its size."""
        self.page.mouse.move(*self.at(*start))
        self.page.mouse.down()
        self.page.mouse.move(*self.at(*end), steps=4)
        self.page.mouse.up()
        self.settle()

    def regions(self) -> list[dict[str, Any]]:
        """The page's regions: name and position in shares of the image's size."""
        found: list[dict[str, Any]] = self.page.evaluate(
            "async () => (await import('/static/store.js')).state.regions"
        )
        return found

    def table(self) -> list[list[str]]:
        """The table's cells after the name, without the button."""
        rows: list[list[str]] = self.page.locator("#region-rows tr").evaluate_all(
            "(rows) => rows.map((row) => [...row.cells].slice(1, -1).map((c) => c.innerText))"
        )
        return rows

    def picture(self) -> NDArray[np.uint8]:
        """The shown image's pixels in sRGB, (height, width, 3)."""
        url = self.page.locator(".stage canvas").first.evaluate("(canvas) => canvas.toDataURL()")
        encoded = base64.b64decode(url.partition(",")[2])
        return np.asarray(Image.open(io.BytesIO(encoded)).convert("RGB"))

    def call(self, module: str, name: str, *arguments: object) -> Any:
        """Call a function that one of the page's modules exports, or return what it exports.

        Typed arrays come back as lists.
        """
        return self.page.evaluate(
            """async ([module, name, values]) => {
                const plain = (value) =>
                    ArrayBuffer.isView(value) ? Array.from(value)
                    : Array.isArray(value) ? value.map(plain)
                    : value instanceof Object
                    ? Object.fromEntries(Object.entries(value).map(([k, v]) => [k, plain(v)]))
                    : value;
                const exported = (await import(`/static/${module}`))[name];
                return plain(exported instanceof Function ? exported(...values) : exported);
            }""",
            [module, name, list(arguments)],
        )

    def download(self, button: str) -> bytes:
        with self.page.expect_download(timeout=PATIENCE_MS) as started:
            self.page.locator("#download-buttons").get_by_role("button", name=button).click()
        return started.value.path().read_bytes()

    def screenshot(self, name: str) -> None:
        """Keep a picture of the whole page."""
        self.settle()
        self.page.screenshot(path=self.screenshots / f"{name}.png", full_page=True)

    def hand_over(self, event: str, *files: Path) -> None:
        """Paste or drop files: an event that only the operating system could make."""
        contents = [[path.name, base64.b64encode(path.read_bytes()).decode()] for path in files]
        self.page.evaluate(
            """([type, contents]) => {
                const data = new DataTransfer();
                for (const [name, base64] of contents) {
                    const bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
                    data.items.add(new File([bytes], name, { type: "image/jpeg" }));
                }
                const bubbles = { bubbles: true, cancelable: true };
                const event = type === "paste"
                    ? new ClipboardEvent(type, { clipboardData: data, ...bubbles })
                    : new DragEvent(type, { dataTransfer: data, ...bubbles });
                document.body.dispatchEvent(event);
            }""",
            [event, contents],
        )

    def alert(self) -> Locator:
        return self.page.locator("[role=alert]:visible")


def as_region(region: dict[str, Any]) -> Region:
    """One of the page's regions as the library's."""
    x, y, width, height = (100 * region[key] for key in ("x", "y", "width", "height"))
    return Region(region["name"], x, y, width, height, percent=True)
