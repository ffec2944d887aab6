"""What the page shows of an image, and how images come onto it."""

import base64
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Route, expect

import deepgaze2
from deepgaze2.density.plot import overlay
from helpers.live_server import LiveServer
from helpers.page_driver import DESKTOP, PHONE, OpenPage, PageDriver

REGION = {"x": 0.35, "y": 0.35, "width": 0.3, "height": 0.3}  # where "Add region" puts one


@pytest.fixture(scope="module")
def prediction(model: deepgaze2.Model, examples: dict[str, Path]) -> deepgaze2.Prediction:
    return model.predict(examples["raccoon"])


@pytest.fixture
def shown(page: PageDriver, examples: dict[str, Path]) -> PageDriver:
    page.upload(examples["raccoon"])
    return page


def resized(pixels: NDArray[np.uint8], like: NDArray[np.uint8]) -> NDArray[np.float64]:
    height, width, _ = like.shape
    picture = Image.fromarray(pixels).resize((width, height), Image.Resampling.BICUBIC)
    return np.asarray(picture).astype(float)


def difference(a: NDArray[np.generic], b: NDArray[np.generic]) -> float:
    return float(np.abs(a.astype(float) - b.astype(float)).mean())


def shares_of_mass(prediction: deepgaze2.Prediction, like: NDArray[np.uint8]) -> NDArray[np.intp]:
    """For each pixel of a picture, how many contours lie around it."""
    height, width, _ = like.shape
    rows = (np.arange(height) + 0.5) * prediction.height / height
    columns = (np.arange(width) + 0.5) * prediction.width / width
    log_density = prediction.log_density[np.ix_(rows.astype(int), columns.astype(int))]
    return np.searchsorted(prediction.contour_levels(), log_density)


def test_the_heat_map_is_the_librarys_overlay(
    shown: PageDriver, prediction: deepgaze2.Prediction
) -> None:
    picture = shown.picture()
    expected = resized(overlay(prediction), picture)
    assert difference(picture, expected) < 3
    gray = resized(prediction.stimulus.pixels, picture)
    assert difference(picture, gray) > 20
    shown.screenshot("heat")


def test_the_image_view_is_the_image(shown: PageDriver, prediction: deepgaze2.Prediction) -> None:
    shown.show("Image")
    picture = shown.picture()
    assert difference(picture, resized(prediction.stimulus.pixels, picture)) < 3
    expect(shown.page.get_by_label("Opacity")).to_be_disabled()


def test_contours_leave_light_what_they_enclose(
    shown: PageDriver, prediction: deepgaze2.Prediction
) -> None:
    shown.show("Image")
    photo = shown.picture().mean(axis=2)
    shown.show("Contours")
    picture = shown.picture()
    around = shares_of_mass(prediction, picture)
    light = photo > 60
    for n_contours, shade in ((3, 0), (2, 60), (1, 120), (0, 180)):
        part = picture.mean(axis=2)[light & (around == n_contours)]
        left = np.median(part / photo[light & (around == n_contours)])
        # The innermost part is small, and its line and label cover much of it.
        assert left == pytest.approx(1 - 0.75 * shade / 255, abs=0.02)
    shown.screenshot("contours")


def test_sampled_fixations_lie_where_the_density_is(
    shown: PageDriver, prediction: deepgaze2.Prediction
) -> None:
    def red(picture: NDArray[np.uint8]) -> NDArray[np.bool_]:
        r, g, b = np.moveaxis(picture.astype(int), 2, 0)
        return np.asarray((r > 190) & (g < 110) & (b < 110))

    shown.show("Image")
    assert not red(shown.picture()).any()
    shown.show("Fixations")
    first = shown.picture()
    around = shares_of_mass(prediction, first)[red(first)]
    # Half of 100 points, of which some overlap, lie within the second contour.
    assert 0.3 < (around >= 2).mean() < 0.7
    shown.screenshot("fixations")
    shown.page.get_by_role("button", name="Draw others").click()
    shown.settle()
    assert difference(first, shown.picture()) > 0.1


def test_the_same_seed_draws_the_same_picture(
    open_page: OpenPage, server: LiveServer, examples: dict[str, Path]
) -> None:
    pictures = []
    for _ in range(2):
        page = open_page(server)
        page.upload(examples["coffee"])
        page.show("Fixations")
        pictures.append(page.picture())
    np.testing.assert_array_equal(pictures[0], pictures[1])


def test_opacity_fades_the_heat_map(shown: PageDriver, prediction: deepgaze2.Prediction) -> None:
    shown.slide("Opacity", 0)
    picture = shown.picture()
    expect(shown.page.locator("#opacity-value")).to_have_text("0%")
    photo = resized(prediction.stimulus.pixels, picture)
    luma = 0.8 * photo @ [0.299, 0.587, 0.114]
    assert difference(picture, np.repeat(luma[:, :, None], 3, axis=2)) < 3
    shown.slide("Opacity", 100)
    assert difference(picture, shown.picture()) > 5


@pytest.mark.parametrize("percent", [0, 40, 100])
def test_the_center_bias_is_blended_at_once(
    shown: PageDriver, server: LiveServer, examples: dict[str, Path], percent: int
) -> None:
    answer = server.client.post(
        "/v1/layers",
        content=examples["raccoon"].read_bytes(),
        headers={"Content-Type": "image/jpeg"},
    ).json()
    shape = answer["grid_height"], answer["grid_width"]
    saliency, center_bias = (
        np.frombuffer(base64.b64decode(answer[key]), "<f4").reshape(shape).astype(float)
        for key in ("log_saliency", "log_center_bias")
    )
    mass = np.exp(saliency + percent / 100 * center_bias)
    inside = np.ones(shape)
    for axis, (start, length) in enumerate([(0.35, 0.3), (0.35, 0.3)]):
        n = shape[axis]
        cells = np.arange(n)
        covered = np.minimum(cells + 1, (start + length) * n) - np.maximum(cells, start * n)
        inside *= np.expand_dims(covered.clip(0, 1), 1 - axis)
    requests: list[str] = []
    shown.page.on("request", lambda request: requests.append(request.url))
    shown.page.get_by_role("button", name="Add region").click()
    shown.slide("Center bias", percent)
    [[share, _, _]] = shown.table()
    assert float(share[:-1]) / 100 == pytest.approx((mass * inside).sum() / mass.sum(), abs=6e-4)
    assert [url for url in requests if "/v1/" in url] == []
    note = shown.page.get_by_text("are computed with 100% center bias")
    assert note.is_visible() == (percent != 100)


@pytest.mark.parametrize(("device", "size"), [("desktop", DESKTOP), ("phone", PHONE)])
def test_nothing_moves_when_the_prediction_comes(
    open_page: OpenPage,
    server: LiveServer,
    examples: dict[str, Path],
    device: str,
    size: tuple[int, int],
) -> None:
    page = open_page(server, size)
    held: list[Route] = []
    page.page.route("**/v1/layers*", lambda route: held.append(route))
    page.page.set_input_files("#files", examples["coffee"])
    expect(page.page.get_by_text("Predicting", exact=True)).to_be_visible()
    page.screenshot(f"loading-{device}")
    parts = (".stage", ".controls", ".downloads", ".regions-panel")
    before = [page.page.locator(part).first.bounding_box() for part in parts]
    held[0].continue_()
    page.wait_until_predicted()
    assert [page.page.locator(part).first.bounding_box() for part in parts] == before


def test_images_are_pasted_and_dropped(page: PageDriver, examples: dict[str, Path]) -> None:
    page.hand_over("paste", examples["coffee"])
    page.wait_until_predicted()
    page.hand_over("dragenter", examples["rocket"])
    expect(page.page.get_by_text("Drop to see where people look")).to_be_visible()
    page.hand_over("drop", examples["rocket"], examples["cameraman"])
    expect(page.page.get_by_text("Drop to see where people look")).to_be_hidden()
    page.wait_until_predicted()
    expect(page.page.locator(".pane-head strong").first).to_have_text("rocket.jpg")
    expect(page.page.locator("#images li.ready")).to_have_count(3, timeout=60_000)
    page.page.get_by_role("button", name="coffee.jpg", exact=True).click()
    expect(page.page.locator(".pane-head strong").first).to_have_text("coffee.jpg")
    page.page.get_by_role("button", name="Remove coffee.jpg").click()
    expect(page.page.locator(".pane-head strong").first).to_have_text("rocket.jpg")


def test_examples_are_offered(page: PageDriver) -> None:
    buttons = page.page.locator("#examples button")
    expect(buttons).to_have_count(6)
    page.screenshot("start")
    buttons.filter(has_text="astronaut").click()
    page.wait_until_predicted()
    assert page.picture().std() > 10


def test_another_model_predicts_anew(
    shown: PageDriver, examples: dict[str, Path], prediction: deepgaze2.Prediction
) -> None:
    shown.page.get_by_role("button", name="Add region").click()
    other = deepgaze2.load("deepgaze2").predict(examples["raccoon"])
    for name, expected in (("deepgaze2", other), ("deepgaze2-plus", prediction)):
        shown.page.get_by_label("Model").select_option(name)
        shown.wait_until_predicted()
        pixels = [REGION["x"] * 1024, REGION["y"] * 768, 0.3 * 1024, 0.3 * 768]
        [[share, _, _]] = shown.table()
        assert float(share[:-1]) / 100 == pytest.approx(expected.mass(*pixels), abs=1e-3)
