"""No rule of axe-core is broken, in light and dark, on a phone and on a desktop."""

import json
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import expect

from helpers.live_server import LiveServer
from helpers.page_driver import DESKTOP, PHONE, OpenPage, PageDriver

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


def violations(page: PageDriver) -> list[str]:
    """What axe-core finds; developer tools may run what the page's policy forbids to scripts."""
    page.settle()
    page.page.evaluate(AXE_SCRIPT)
    options = json.dumps({"runOnly": RULES, "resultTypes": ["violations"]})
    result: dict[str, Any] = page.page.evaluate(f"axe.run({options})")
    assert len(result["passes"]) > 20
    return [
        f"{rule['id']}: {node['html'][:120]} {node['failureSummary']}"
        for rule in result["violations"]
        for node in rule["nodes"]
    ]


def widths(page: PageDriver) -> tuple[int, int]:
    scroll, screen = page.page.evaluate(
        "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"
    )
    return scroll, screen


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("size", "device"), [(DESKTOP, "desktop"), (PHONE, "phone")])
def test_no_state_of_the_page_has_violations(
    open_page: OpenPage,
    server: LiveServer,
    examples: dict[str, Path],
    tmp_path: Path,
    scheme: str,
    size: tuple[int, int],
    device: str,
) -> None:
    page = open_page(server, size, color_scheme=scheme)

    def check(state: str) -> None:
        page.screenshot(f"{state}-{device}-{scheme}")
        assert violations(page) == [], state
        scroll, screen = widths(page)
        assert scroll <= screen, state

    expect(page.page.locator("#examples button")).to_have_count(6)
    check("start")
    page.upload(examples["raccoon"])
    page.page.get_by_role("button", name="Add region").click()
    for view in ("Heat map", "Contours", "Fixations", "Image"):
        page.show(view)
        check(view.lower().replace(" ", "-"))
    page.show("Heat map")
    page.page.get_by_role("button", name="Compare").click()
    check("compare-empty")
    page.upload(examples["coffee"])
    check("compare")
    notes = tmp_path / "notes.png"
    notes.write_text("no image")
    page.page.set_input_files("#files", notes)
    expect(page.alert()).to_be_visible()
    check("error")
    page.page.evaluate("document.getElementById('token-dialog').showModal()")
    check("token")
    page.open("/static/numbers.html")
    check("numbers")


def test_motion_is_reduced_where_asked(
    open_page: OpenPage, server: LiveServer, examples: dict[str, Path]
) -> None:
    for motion, expected in (("no-preference", "travel"), ("reduce", "none")):
        page = open_page(server, reduced_motion=motion)
        page.page.route("**/v1/layers*", lambda _: None)  # never answered
        page.page.set_input_files("#files", examples["coffee"])
        expect(page.page.get_by_text("Predicting", exact=True)).to_be_visible()
        name = page.page.evaluate(
            "getComputedStyle(document.querySelector('.progress'), '::after').animationName"
        )
        assert name == expected


def test_links_lead_to_the_explanation_and_back(page: PageDriver) -> None:
    page.page.get_by_role("link", name="What the numbers mean").click()
    expect(page.page.get_by_role("heading", level=1)).to_contain_text("What the numbers mean")
    page.page.get_by_role("link", name="Back to the images").click()
    expect(page.page.get_by_role("button", name="Choose images")).to_be_visible()
