"""The page's arithmetic against NumPy, Matplotlib's contours and the library."""

import base64
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from contourpy import contour_generator
from matplotlib import colormaps
from numpy.typing import NDArray
from playwright.sync_api import Browser
from scipy.ndimage import gaussian_filter
from scipy.stats import chisquare

from deepgaze2.density.contours import equal_mass_levels
from deepgaze2.density.regions import Region, parse_region, rectangle_mass
from helpers.live_server import LiveServer
from helpers.page_driver import PageDriver

ROWS, COLUMNS = 24, 36
FloatArray = NDArray[np.float64]


@pytest.fixture(scope="module")
def page(browser: Browser, server: LiveServer, screenshots: Path) -> PageDriver:
    """A page of the server that runs none of the modules by itself."""
    driver = PageDriver(browser.new_page(), server.url, screenshots)
    driver.open("/static/numbers.html")
    return driver


def smooth(seed: int = 0, rows: int = ROWS, columns: int = COLUMNS) -> FloatArray:
    """A field of several nats, as smooth as saliency."""
    noise = np.random.default_rng(seed).normal(0, 30, (rows, columns))
    return gaussian_filter(noise, 3)


def as_layers(saliency: FloatArray, center_bias: FloatArray) -> dict[str, Any]:
    rows, columns = saliency.shape
    return {
        "rows": rows,
        "columns": columns,
        "saliency": saliency.astype(np.float32).ravel().tolist(),
        "centerBias": center_bias.astype(np.float32).ravel().tolist(),
    }


def blended(page: PageDriver, saliency: FloatArray, share: float = 0) -> dict[str, Any]:
    density: dict[str, Any] = page.call(
        "density.js", "blend", as_layers(saliency, smooth(seed=9)), share
    )
    return density


def test_floats_come_as_they_were_sent(page: PageDriver) -> None:
    sent = np.array([0, -1.5, 3e-20, np.finfo(np.float32).min], np.float32)
    text = base64.b64encode(sent.astype("<f4").tobytes()).decode()
    assert page.call("density.js", "decodeFloats", text) == sent.tolist()


@pytest.mark.parametrize("share", [0, 0.3, 1])
def test_a_blend_is_a_softmax(page: PageDriver, share: float) -> None:
    density = blended(page, smooth(), share)
    logits = smooth().astype(np.float32) + share * smooth(seed=9).astype(np.float32).astype(float)
    expected = np.exp(logits - logits.max())
    expected /= expected.sum()
    np.testing.assert_allclose(density["mass"], expected.ravel(), rtol=1e-12)
    np.testing.assert_allclose(density["logMass"], np.log(expected).ravel(), atol=1e-5)


def test_where_the_center_bias_has_no_mass_the_blend_has_none(page: PageDriver) -> None:
    center_bias = np.zeros((2, 2))
    center_bias[0, 0] = np.finfo(np.float32).min
    layers = as_layers(np.zeros((2, 2)), center_bias)
    for share in (0.01, 1):
        mass = page.call("density.js", "blend", layers, share)["mass"]
        np.testing.assert_allclose(mass, [0, 1 / 3, 1 / 3, 1 / 3])
    np.testing.assert_allclose(page.call("density.js", "blend", layers, 0)["mass"], 0.25)


def test_the_center_bias_alone_knows_nothing_of_the_image(page: PageDriver) -> None:
    center_bias = smooth(seed=9)
    alone = page.call("density.js", "centerBiasAlone", as_layers(smooth(), center_bias))
    mass = np.exp(center_bias) / np.exp(center_bias).sum()
    np.testing.assert_allclose(alone["mass"], mass.ravel(), rtol=1e-5)


@pytest.mark.parametrize("scale", [0.05, 1, 3])
def test_levels_and_ranks_are_the_librarys(page: PageDriver, scale: float) -> None:
    density = blended(page, smooth() * scale)
    ranked = page.call("density.js", "rankMass", density)
    log_mass = np.array(density["logMass"], np.float32)
    np.testing.assert_allclose(ranked["levels"], equal_mass_levels(log_mass, 3), atol=1e-3)
    mass = np.exp(log_mass.astype(float))
    order = np.argsort(log_mass)
    ranks = np.empty(len(mass))
    ranks[order] = np.cumsum(mass[order]) - mass[order] / 2
    # Cells whose log densities differ by less than a bin may share a rank.
    np.testing.assert_allclose(ranked["ranks"], ranks, atol=2 * mass.max() + 1e-6)


def test_equal_densities_share_the_middle_rank(page: PageDriver) -> None:
    ranked = page.call("density.js", "rankMass", blended(page, np.zeros((6, 5))))
    np.testing.assert_allclose(ranked["ranks"], 0.5, atol=1e-6)


def test_a_rectangles_mass_is_the_librarys(page: PageDriver) -> None:
    density = blended(page, smooth())
    log_mass = np.log(density["mass"]).reshape(ROWS, COLUMNS)
    accumulated = page.call("regions.js", "accumulate", density)
    rng = np.random.default_rng(1)
    corners = np.sort(rng.random((20, 2, 2)), axis=1)
    whole = [[[0, 0], [1, 1]]]
    for (x, y), (right, bottom) in [*corners.tolist(), *whole]:
        rectangle = {"x": x, "y": y, "width": right - x, "height": bottom - y}
        cells = Region("", x * COLUMNS, y * ROWS, (right - x) * COLUMNS, (bottom - y) * ROWS)
        mass = page.call("regions.js", "rectangleMass", accumulated, rectangle)
        assert mass == pytest.approx(rectangle_mass(log_mass, cells), abs=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_contours_are_contourpys(page: PageDriver, seed: int) -> None:
    field = smooth(seed).astype(np.float32)
    level = float(np.quantile(field, 0.6))
    values = field.ravel().tolist()
    traced = page.call("contours.js", "traceContours", values, COLUMNS, ROWS, level)
    lines = [
        np.array([[p["x"] * COLUMNS - 0.5, p["y"] * ROWS - 0.5] for p in line]) for line in traced
    ]
    drawn = [np.asarray(line) for line in contour_generator(z=field).lines(level)]
    assert len(lines) == len(drawn)
    mine, theirs = np.concatenate(lines), np.concatenate(drawn)
    distance = np.linalg.norm(mine[:, None] - theirs[None], axis=2)
    assert distance.min(axis=0).max() < 1e-4
    assert distance.min(axis=1).max() < 1e-4
    for line in lines:
        steps = np.linalg.norm(np.diff(line, axis=0), axis=1)
        assert steps.max() < 1.5  # each point is in the square after the last one's
        at_border = np.isclose(line[0] % [COLUMNS - 1, ROWS - 1], 0, atol=1e-6).any()
        assert at_border or np.array_equal(line[0], line[-1])


def test_a_saddle_is_joined_by_its_mean(page: PageDriver) -> None:
    def lines(corner: float) -> list[list[dict[str, float]]]:
        values = [corner, 0, 0, corner]
        traced: list[list[dict[str, float]]] = page.call(
            "contours.js", "traceContours", values, 2, 2, 1
        )
        return traced

    # The high corners are top left and bottom right; cut off are they, or the low ones.
    apart = [{round(point["x"] + point["y"], 3) for point in line} for line in lines(1.6)]
    assert apart == [{0.688}, {1.312}] or apart == [{1.312}, {0.688}]
    joined = [{round(point["x"] - point["y"], 3) for point in line} for line in lines(4)]
    assert joined == [{0.375}, {-0.375}] or joined == [{-0.375}, {0.375}]


def test_fixations_follow_the_density(page: PageDriver) -> None:
    density = blended(page, smooth())
    points = page.call("fixations.js", "sampleFixations", density, 20_000, 5)
    x, y = (np.array([point[axis] for point in points]) for axis in "xy")
    counts, _, _ = np.histogram2d(y, x, bins=(6, 6), range=((0, 1), (0, 1)))
    blocks = np.reshape(density["mass"], (6, ROWS // 6, 6, COLUMNS // 6)).sum(axis=(1, 3))
    assert chisquare(counts.ravel(), blocks.ravel() * len(points)).pvalue > 1e-3
    within, _ = np.histogram(x * COLUMNS % 1, 10, (0, 1))
    assert chisquare(within).pvalue > 1e-3


def test_fixations_are_those_of_their_seed(page: PageDriver) -> None:
    def sample(n: int, seed: int) -> list[dict[str, float]]:
        points: list[dict[str, float]] = page.call(
            "fixations.js", "sampleFixations", density, n, seed
        )
        return points

    density = blended(page, smooth())
    assert sample(40, 1) == sample(40, 1)
    assert sample(15, 1) == sample(40, 1)[:15]
    assert not {p["x"] for p in sample(40, 1)} & {p["x"] for p in sample(40, 2)}


def test_colors_are_the_librarys(page: PageDriver) -> None:
    plasma = colormaps["plasma"](np.arange(256), bytes=True)[:, :3]
    assert page.call("colors.js", "PALETTE") == plasma.ravel().tolist()


def test_rectangles_stay_in_the_image(page: PageDriver) -> None:
    rng = np.random.default_rng(2)
    for _ in range(20):
        width, height = rng.uniform(0.1, 0.9, 2).tolist()
        x, y = (rng.random(2) * [1 - width, 1 - height]).tolist()
        rectangle = {"x": x, "y": y, "width": width, "height": height}
        dx, dy = rng.normal(0, 1, 2).tolist()
        edges = str(rng.choice(["nw", "ne", "sw", "se", "n", "e"]))
        moved = page.call("regions.js", "moved", rectangle, dx, dy)
        assert (moved["width"], moved["height"]) == (rectangle["width"], rectangle["height"])
        for changed in (moved, page.call("regions.js", "resized", rectangle, edges, dx, dy)):
            assert changed["width"] > 0.004
            assert changed["height"] > 0.004
            assert min(changed["x"], changed["y"]) >= 0
            assert changed["x"] + changed["width"] <= 1 + 1e-9
            assert changed["y"] + changed["height"] <= 1 + 1e-9


def test_regions_are_written_as_the_library_reads_them(page: PageDriver) -> None:
    region = {"name": "a: b", "x": 1 / 3, "y": 0.1, "width": 2 / 3, "height": 0.9}
    text = page.call("regions.js", "regionText", region, 1023, 767)
    read = parse_region(text).in_pixels(1023, 767)
    assert read.name == "a: b"
    expected = [1023 / 3, 76.7, 2 * 1023 / 3, 0.9 * 767]
    np.testing.assert_allclose([read.x, read.y, read.width, read.height], expected)
