"""What the page lets its reader save, against the library's numbers."""

import io
import json
import re
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

import deepgaze2
from deepgaze2.density.plot import overlay
from deepgaze2.density.regions import region_shares
from helpers.page_driver import PageDriver, as_region

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def prediction(model: deepgaze2.Model, examples: dict[str, Path]) -> deepgaze2.Prediction:
    return model.predict(examples["raccoon"])


@pytest.fixture
def shown(page: PageDriver, examples: dict[str, Path]) -> PageDriver:
    page.upload(examples["raccoon"])
    return page


def test_the_log_density_is_the_librarys_bit_by_bit(
    shown: PageDriver, prediction: deepgaze2.Prediction
) -> None:
    saved = np.load(io.BytesIO(shown.download("npy")), allow_pickle=False)
    assert saved.dtype == np.float32
    np.testing.assert_array_equal(saved, prediction.log_density)


def test_the_json_file_has_the_regions(shown: PageDriver, prediction: deepgaze2.Prediction) -> None:
    shown.drag((0.31, 0.32), (0.73, 0.94))
    shown.drag((0.8, 0.1), (1.5, 0.3))
    saved = json.loads(shown.download("JSON"))
    regions = [as_region(region) for region in shown.regions()]
    for entry, share in zip(saved["regions"], region_shares(prediction, regions), strict=True):
        assert entry["name"] == share.name
        assert entry["share"] == pytest.approx(share.share, rel=1e-6)
        assert entry["center_bias_share"] == pytest.approx(share.center_bias_share, rel=1e-6)
    assert saved["model"] == "deepgaze2-plus"


@pytest.mark.slow
def test_the_png_file_is_what_is_shown(shown: PageDriver, prediction: deepgaze2.Prediction) -> None:
    saved = Image.open(io.BytesIO(shown.download("PNG")))
    assert saved.size == (1200, 900)
    expected = Image.fromarray(overlay(prediction)).resize(saved.size, Image.Resampling.BICUBIC)
    pixels = np.asarray(saved.convert("RGB")).astype(float)
    assert np.abs(pixels - np.asarray(expected)).mean() < 3
    shown.drag((0.2, 0.2), (0.8, 0.8))
    framed = np.asarray(Image.open(io.BytesIO(shown.download("PNG"))).convert("RGB"))
    changed = np.abs(framed - pixels).max(axis=2) > 30
    assert changed[180 - 4 : 180 + 4].mean() > 0.2  # the upper edge
    assert changed[300:600, 400:800].mean() == 0  # inside nothing


def test_the_svg_panel_has_contours_and_numbers(
    shown: PageDriver, prediction: deepgaze2.Prediction
) -> None:
    shown.page.get_by_role("button", name="Add region").click()
    shown.page.get_by_label("Name of Region 1").fill("<Face> & 'mask'")
    shown.settle()
    root = ElementTree.fromstring(shown.download("SVG"))
    texts = [text.text or "" for text in root.iter(f"{SVG}text")]
    [share] = region_shares(prediction, [as_region(*shown.regions())])
    assert "<Face> & 'mask'" in texts
    for value in (share.share, share.center_bias_share):
        assert f"{100 * value:.1f}%" in texts
    assert {"25%", "50%", "75%"} <= set(texts)
    assert any("deepgaze2-plus" in text and "100%" in text for text in texts)
    images = list(root.iter(f"{SVG}image"))
    assert [image.get("href", "")[:15] for image in images] == ["data:image/jpeg"] * 2
    path = next(root.iter(f"{SVG}path")).get("d", "")
    x, y = np.array(re.findall(r"[-\d.]+", path), float).reshape(-1, 2).T
    scale = prediction.width / float(images[0].get("width", ""))
    values = prediction.log_density[(y * scale).astype(int), (x * scale).astype(int)]
    distances = np.abs(values[:, None] - prediction.contour_levels())
    assert np.median(distances.min(axis=1)) < 0.05
    assert set(distances.argmin(axis=1)) == {0, 1, 2}


@pytest.mark.slow
def test_both_variants_are_saved_side_by_side(
    shown: PageDriver, examples: dict[str, Path], model: deepgaze2.Model
) -> None:
    shown.page.get_by_role("button", name="Compare").click()
    shown.upload(examples["coffee"])
    width, height = Image.open(io.BytesIO(shown.download("PNG"))).size
    assert width / height == pytest.approx(1024 / 768 + 600 / 400, rel=0.02)
    saved = np.load(io.BytesIO(shown.download("npy of B")))
    np.testing.assert_array_equal(saved, model.predict(examples["coffee"]).log_density)
    root = ElementTree.fromstring(shown.download("SVG"))
    assert len(list(root.iter(f"{SVG}image"))) == 4


def test_a_failed_download_is_explained(shown: PageDriver) -> None:
    problem = {"type": "/problems/queue-full", "title": "Too many images", "detail": "8 wait"}
    shown.page.route(
        "**/v1/predict*",
        lambda route: route.fulfill(
            status=503, content_type="application/problem+json", body=json.dumps(problem)
        ),
    )
    shown.page.get_by_role("button", name="npy").click()
    expect(shown.alert()).to_have_text("Too many images. 8 wait")
    shown.page.unroute_all()
    shown.download("npy")
    expect(shown.alert()).to_have_count(0)
