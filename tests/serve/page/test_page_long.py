"""Screenshots of long web pages on the page: by screens, to be scrolled, with a choice."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Request, expect

import deepgaze2
from deepgaze2.density.plot import overlay
from helpers.page_driver import PageDriver

SIZE = (330, 1200)


@pytest.fixture(scope="module")
def long_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("long") / "home.png"
    pixels = np.random.default_rng(1).integers(0, 256, (24, 7, 3), np.uint8)
    Image.fromarray(pixels).resize(SIZE, Image.Resampling.BICUBIC).save(path)
    return path


@pytest.mark.slow
def test_a_long_page_is_shown_by_screens_until_told_otherwise(
    page: PageDriver, long_page: Path, examples: dict[str, Path], model: deepgaze2.Model
) -> None:
    asked: list[str] = []

    def note(request: Request) -> None:
        if "/v1/layers" in request.url:
            asked.append(request.url.partition("viewport=")[2])

    page.page.on("request", note)
    page.upload(long_page)
    choice = page.page.locator("#screens")
    expect(choice).to_be_visible()
    expect(page.page.get_by_label("By screens")).to_be_checked()
    expect(page.page.get_by_label("Screen height")).to_have_value("587")
    expect(page.page.locator("#notes")).to_contain_text("home.png: taken for a page")
    picture = page.picture()
    expected = overlay(model.predict(long_page, viewport="auto"))
    height, width, _ = picture.shape
    like = np.asarray(Image.fromarray(expected).resize((width, height))).astype(float)
    assert np.abs(picture - like).mean() < 4
    scrolled = page.page.locator(".scroller").first.evaluate(
        "(place) => [place.clientHeight, place.scrollHeight, place.clientWidth]"
    )
    assert scrolled[1] > 2 * scrolled[0]
    page.screenshot("long-page")

    page.page.get_by_label("Screen height").fill("900")
    page.page.get_by_label("Screen height").press("Enter")
    page.wait_until_predicted()
    expect(page.page.locator("#notes")).to_contain_text("half as many")
    assert np.abs(page.picture().astype(float) - picture).mean() > 0.5
    page.page.get_by_label("At once").check(force=True)
    page.wait_until_predicted()
    expect(page.page.locator("#notes")).to_be_hidden()
    assert asked == ["auto", "330x900", "none"]

    page.upload(examples["raccoon"])
    expect(choice).to_be_hidden()
    assert asked[3:] == ["auto"]
