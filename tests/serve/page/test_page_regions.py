"""Regions by mouse, touch and keyboard, and their numbers against the library's."""

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

import deepgaze2
from deepgaze2.density.regions import RegionShare, region_shares
from helpers.live_server import LiveServer
from helpers.page_driver import PHONE, OpenPage, PageDriver, as_region

EXACT = 1e-3  # of a share, as shown


@pytest.fixture
def shown(page: PageDriver, examples: dict[str, Path]) -> PageDriver:
    page.upload(examples["coffee"])
    return page


@pytest.fixture(scope="module")
def prediction(model: deepgaze2.Model, examples: dict[str, Path]) -> deepgaze2.Prediction:
    return model.predict(examples["coffee"])


def expected(prediction: deepgaze2.Prediction, region: dict[str, Any]) -> RegionShare:
    [share] = region_shares(prediction, [as_region(region)])
    return share


def as_share(text: str) -> float:
    assert text.endswith("%")
    return float(text[:-1]) / 100


def position(region: dict[str, Any]) -> list[float]:
    return [region["x"], region["y"], region["x"] + region["width"], region["y"] + region["height"]]


def check_numbers(page: PageDriver, prediction: deepgaze2.Prediction) -> None:
    for region, (share, alone, ratio) in zip(page.regions(), page.table(), strict=True):
        right = expected(prediction, region)
        assert as_share(share) == pytest.approx(right.share, abs=EXACT)
        assert as_share(alone) == pytest.approx(right.center_bias_share, abs=EXACT)
        assert float(ratio) == pytest.approx(right.ratio, rel=0.02, abs=0.01)
        badge = page.page.locator(f'.region[data-id="{region["id"]}"] .badge').first
        expect(badge).to_have_text(f"{region['name']} {share}")


def test_a_region_is_drawn_moved_and_resized_with_the_mouse(
    shown: PageDriver, prediction: deepgaze2.Prediction
) -> None:
    shown.drag((0.3, 0.2), (0.6, 0.7))
    [region] = shown.regions()
    assert position(region) == pytest.approx([0.3, 0.2, 0.6, 0.7], abs=0.01)
    check_numbers(shown, prediction)
    shown.drag((0.45, 0.45), (0.55, 0.35))
    assert position(shown.regions()[0]) == pytest.approx([0.4, 0.1, 0.7, 0.6], abs=0.01)
    check_numbers(shown, prediction)
    shown.drag((0.7, 0.6), (0.9, 0.95))
    assert position(shown.regions()[0]) == pytest.approx([0.4, 0.1, 0.9, 0.95], abs=0.01)
    shown.drag((0.4, 0.1), (-0.2, -0.2))  # out of the image
    assert position(shown.regions()[0]) == pytest.approx([0, 0, 0.9, 0.95], abs=0.01)
    check_numbers(shown, prediction)


def test_numbers_are_live_while_dragging(
    shown: PageDriver, prediction: deepgaze2.Prediction
) -> None:
    mouse = shown.page.mouse
    mouse.move(*shown.at(0.3, 0.3))
    mouse.down()
    shares = []
    for place in (0.4, 0.5, 0.6):
        mouse.move(*shown.at(place, place))
        shown.settle()
        check_numbers(shown, prediction)
        shares.append(as_share(shown.table()[0][0]))
    assert shares == sorted(set(shares))
    shown.page.keyboard.press("Escape")
    assert shown.regions() == []
    mouse.up()


def test_a_click_makes_no_region_and_takes_the_selection_away(shown: PageDriver) -> None:
    shown.drag((0.1, 0.1), (0.3, 0.3))
    expect(shown.page.locator(".region.selected")).to_have_count(1)
    shown.page.mouse.click(*shown.at(0.7, 0.7))
    expect(shown.page.locator(".region.selected")).to_have_count(0)
    assert len(shown.regions()) == 1


def test_regions_are_named_placed_and_deleted(
    shown: PageDriver, prediction: deepgaze2.Prediction
) -> None:
    for _ in range(2):
        shown.page.get_by_role("button", name="Add region").click()
        shown.settle()
    first, second = shown.regions()
    assert [first["name"], second["name"]] == ["Region 1", "Region 2"]
    assert position(second) == pytest.approx([0.39, 0.39, 0.69, 0.69])  # not hidden by the first
    shown.page.get_by_label("Name of Region 2").fill("A & <logo>")
    for label, pixels in (("Left", 60), ("Top", 40), ("Width", 300), ("Height", 5000)):
        shown.page.get_by_label(label, exact=True).fill(str(pixels))
        shown.page.get_by_label(label, exact=True).press("Tab")
        shown.settle()
    assert shown.regions()[1]["name"] == "A & <logo>"
    assert position(shown.regions()[1]) == pytest.approx([0.1, 0.1, 0.6, 1])
    check_numbers(shown, prediction)
    shown.page.get_by_role("button", name="Delete Region 1").click()
    shown.settle()
    assert [region["name"] for region in shown.regions()] == ["A & <logo>"]
    check_numbers(shown, prediction)


def test_all_is_done_with_the_keyboard_alone(
    page: PageDriver, model: deepgaze2.Model, examples: dict[str, Path]
) -> None:
    keyboard = page.page.keyboard

    def tab_to(name: str) -> None:
        for _ in range(60):
            keyboard.press("Tab")
            if page.page.evaluate("document.activeElement.innerText?.trim()") == name:
                return
        raise AssertionError(f"the keyboard does not reach {name!r}")

    expect(page.page.locator("#examples button")).to_have_count(6)
    tab_to("Coffee")
    keyboard.press("Enter")
    page.wait_until_predicted()
    tab_to("Add region")
    keyboard.press("Enter")
    page.settle()
    for key in ["ArrowLeft"] * 5 + ["ArrowDown"] * 2 + ["Shift+ArrowRight", "Shift+ArrowUp"] * 4:
        keyboard.press(key)
    page.settle()
    assert position(page.regions()[0]) == pytest.approx([0.3, 0.37, 0.64, 0.63])
    check_numbers(page, model.predict(examples["coffee"]))
    expect(page.page.locator("#status")).to_contain_text("under the center bias alone")
    keyboard.press("Enter")
    keyboard.type("Cup")
    page.settle()
    assert page.regions()[0]["name"] == "Cup"
    before = page.picture()
    page.page.get_by_role("radio", name="Heat map").focus()
    keyboard.press("ArrowRight")
    page.settle()
    assert (before != page.picture()).any()
    page.page.locator(".region").focus()
    keyboard.press("Delete")
    page.settle()
    assert page.regions() == []
    expect(page.page.get_by_role("button", name="Add region")).to_be_focused()


def test_fingers_scroll_unless_they_draw(
    open_page: OpenPage, server: LiveServer, examples: dict[str, Path]
) -> None:
    page = open_page(server, PHONE, has_touch=True, is_mobile=True)
    page.upload(examples["coffee"])
    devtools = page.page.context.new_cdp_session(page.page)

    def swipe(start: tuple[float, float], end: tuple[float, float]) -> None:
        box = page.stage()
        places = [
            {"x": box["x"] + x * box["width"], "y": box["y"] + y * box["height"]}
            for x, y in (start, ((start[0] + end[0]) / 2, (start[1] + end[1]) / 2), end)
        ]
        for kind, points in (
            ("touchStart", places[:1]),
            ("touchMove", places[1:2]),
            ("touchMove", places[2:]),
            ("touchEnd", []),
        ):
            devtools.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
        page.settle()

    swipe((0.2, 0.2), (0.5, 0.6))
    assert page.regions() == []
    draw = page.page.get_by_role("button", name="Draw region")
    draw.tap()
    expect(draw).to_have_attribute("aria-pressed", "true")
    swipe((0.2, 0.2), (0.5, 0.6))
    [region] = page.regions()
    assert position(region) == pytest.approx([0.2, 0.2, 0.5, 0.6], abs=0.02)
    expect(draw).to_have_attribute("aria-pressed", "false")
    swipe((0.35, 0.4), (0.55, 0.5))
    assert position(page.regions()[0]) == pytest.approx([0.4, 0.3, 0.7, 0.7], abs=0.02)


def test_variants_are_compared_by_the_same_regions(
    page: PageDriver, model: deepgaze2.Model, examples: dict[str, Path]
) -> None:
    page.upload(examples["coffee"])
    page.page.get_by_role("button", name="Compare").click()
    expect(page.page.get_by_role("button", name="Choose variant B")).to_be_visible()
    page.upload(examples["raccoon"])  # of another size and shape
    page.drag((0.25, 0.3), (0.6, 0.8))
    expect(page.page.locator(".region")).to_have_count(2)
    [region] = page.regions()
    shares = [expected(model.predict(examples[name]), region) for name in ("coffee", "raccoon")]
    [[a, b, difference]] = page.table()
    for cell, share in zip((a, b), shares, strict=True):
        value, alone, ratio = cell.split("\n")
        assert as_share(value) == pytest.approx(share.share, abs=EXACT)
        assert as_share(alone.removeprefix("center ")) == pytest.approx(
            share.center_bias_share, abs=EXACT
        )
        assert float(ratio.removeprefix("ratio ")) == pytest.approx(share.ratio, rel=0.02)
    points = float(difference.split("\n")[0].replace("\N{MINUS SIGN}", "-"))
    assert points / 100 == pytest.approx(shares[1].share - shares[0].share, abs=2 * EXACT)
    page.screenshot("compare")
    # The other pane edits the same region.
    box = page.page.locator(".stage").nth(1).bounding_box()
    assert box is not None
    page.page.mouse.move(box["x"] + 0.4 * box["width"], box["y"] + 0.5 * box["height"])
    page.page.mouse.down()
    page.page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 0.4 * box["height"])
    page.page.mouse.up()
    assert position(page.regions()[0]) == pytest.approx([0.35, 0.2, 0.7, 0.7], abs=0.01)
    page.page.get_by_role("button", name="Compare").click()
    page.settle()
    assert len(page.table()[0]) == 3
    expect(page.page.locator(".region:visible")).to_have_count(1)
