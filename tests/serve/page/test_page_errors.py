"""What goes wrong is said in words, and can be tried again; a token is asked for."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import expect

from helpers.live_server import LiveServer, serving
from helpers.page_driver import OpenPage, PageDriver


def test_a_file_that_is_no_image(page: PageDriver, tmp_path: Path) -> None:
    notes = tmp_path / "notes.png"
    notes.write_text("no image")
    page.page.set_input_files("#files", notes)
    expect(page.alert()).to_contain_text("notes.png is not an image that this browser can show")
    page.screenshot("error")
    page.page.get_by_role("button", name="Remove this image").click()
    expect(page.page.get_by_role("heading", name="See where people look")).to_be_visible()


def test_the_servers_words_are_shown(page: PageDriver, tmp_path: Path) -> None:
    drawing = tmp_path / "drawing.svg"
    drawing.write_text(
        '<svg xmlns="http://www.w3.org/2000/svg" width="90" height="60"><circle r="30"/></svg>'
    )
    page.page.set_input_files("#files", drawing)
    expect(page.alert()).to_contain_text("no image of a format that can be read", timeout=60_000)
    expect(page.alert()).to_contain_text("save it anew as JPEG or PNG")
    buttons = page.page.locator("#download-buttons button")
    assert all(button.is_disabled() for button in buttons.all())


def test_one_failure_does_not_stop_the_next(
    page: PageDriver, tmp_path: Path, examples: dict[str, Path]
) -> None:
    notes = tmp_path / "notes.jpg"
    notes.write_text("no image")
    page.page.set_input_files("#files", [notes, examples["coffee"]])
    expect(page.page.locator("#images li.ready")).to_have_count(1, timeout=60_000)
    expect(page.page.locator("#images li.failed")).to_have_count(1)


def test_a_server_that_is_gone_can_be_tried_again(
    page: PageDriver, examples: dict[str, Path]
) -> None:
    page.page.route("**/v1/layers*", lambda route: route.abort())
    page.page.set_input_files("#files", examples["coffee"])
    expect(page.alert()).to_contain_text("The server does not answer")
    page.page.unroute_all()
    page.page.get_by_role("button", name="Try again").click()
    page.wait_until_predicted()
    expect(page.alert()).to_have_count(0)


def test_an_error_in_no_known_form(page: PageDriver, examples: dict[str, Path]) -> None:
    page.page.route("**/v1/layers*", lambda route: route.fulfill(status=502, body="<p>Bad"))
    page.page.set_input_files("#files", examples["coffee"])
    expect(page.alert()).to_contain_text("The server answered with error 502")


def test_a_page_without_its_server_says_so(page: PageDriver) -> None:
    page.page.route("**/v1/models", lambda route: route.abort())
    page.page.reload()
    expect(page.alert()).to_contain_text("The server does not answer")
    page.page.unroute_all()
    page.page.get_by_role("button", name="Try again").click()
    expect(page.page.locator("#examples button")).to_have_count(6)
    expect(page.alert()).to_have_count(0)


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    stderr = tmp_path_factory.mktemp("guarded") / "stderr.txt"
    limit = ("--max-bytes", "100000")
    with serving(stderr, *limit, environment={"DEEPGAZE2_TOKEN": "open sesame"}) as live:
        live.wait_until_ready()
        yield live


def test_a_token_is_asked_for_and_kept(
    open_page: OpenPage, guarded: LiveServer, examples: dict[str, Path]
) -> None:
    page = open_page(guarded)
    dialog = page.page.get_by_role("dialog", name="This server asks for a token")
    expect(dialog).to_be_visible()
    page.screenshot("token")
    token = page.page.get_by_label("Token", exact=True)
    token.fill("wrong")
    token.press("Enter")
    expect(dialog.get_by_text("That token was refused")).to_be_visible()
    token.fill("open sesame")
    page.page.get_by_role("button", name="Use this token").click()
    expect(page.page.locator("#examples button")).to_have_count(6)
    page.upload(examples["coffee"])
    assert len(page.download("npy")) > 4 * 600 * 400
    page.page.reload()
    expect(page.page.locator("#examples button")).to_have_count(6)
    expect(dialog).to_be_hidden()
    page.page.set_input_files("#files", examples["raccoon"])  # 180 kB
    expect(page.alert()).to_contain_text("The upload has too many bytes")


def test_without_a_token_the_page_says_so(open_page: OpenPage, guarded: LiveServer) -> None:
    page = open_page(guarded)
    page.page.get_by_role("button", name="Cancel").click()
    expect(page.alert()).to_contain_text("The bearer token is missing or wrong")


def test_a_portrait_photo_stands_upright(page: PageDriver, tmp_path: Path) -> None:
    lying = Image.new("RGB", (120, 80), "blue")
    lying.paste("yellow", (0, 0, 60, 80))
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise by 90 degrees
    lying.save(tmp_path / "phone.jpg", exif=exif)
    page.upload(tmp_path / "phone.jpg")
    expect(page.page.locator(".fact").first).to_have_text(re.compile("80 . 120 px"))
    page.show("Image")
    picture = page.picture()
    assert picture.shape[0] > picture.shape[1]
    red = picture[:, :, 0].astype(int)
    assert red[10].min() > 200
    assert red[-10].max() < 60
