"""eDN as a whole: what it sees, its published machine, and its maps."""

from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
import scipy.ndimage
from numpy.typing import NDArray
from PIL import Image
from scipy.stats import mannwhitneyu

import deepgaze2
from deepgaze2.rivals.on_pixels import edn
from deepgaze2.rivals.on_pixels.edn_networks import NETWORKS, network_maps

ASSETS = Path(deepgaze2.__file__).parent / "assets"


def photo(path: Path) -> NDArray[np.uint8]:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def noise(height: int, width: int) -> NDArray[np.uint8]:
    return np.random.default_rng(3).integers(20, 200, (height, width, 3), dtype=np.uint8)


def bicubic(values: NDArray[np.float64], positions: NDArray[np.float64]) -> NDArray[np.float64]:
    """Interpolate the first axis at positions inside by the cubic kernel with slope -1."""
    out = np.zeros((len(positions), *values.shape[1:]))
    for number, position in enumerate(positions):
        for cell in range(int(position) - 1, int(position) + 3):
            t = abs(position - cell)
            weight = 1 - 2 * t**2 + t**3 if t < 1 else 4 - 8 * t + 5 * t**2 - t**3
            out[number] += weight * values[min(max(cell, 0), len(values) - 1)]
    return out


def test_scaling_interpolates_bicubically_at_points() -> None:
    pixels = noise(70, 60)
    small = edn.scaled(pixels)
    height, width = small.shape[:2]  # mean of 512 / 70 and 384 / 60 is 6.857...
    assert (height, width) == (480, 411)
    y, x = (
        (np.arange(height) + 0.5) * 70 / height - 0.5,
        (np.arange(width) + 0.5) * 60 / width - 0.5,
    )
    rows = bicubic(pixels.astype(np.float64), np.maximum(y, 0))
    expected = bicubic(rows.transpose(1, 0, 2), np.maximum(x, 0)).transpose(1, 0, 2)
    inner = (slice(20, -20), slice(20, -20))
    assert np.abs(small[inner] - expected[inner].clip(0, 255)).max() <= 1


@pytest.mark.parametrize(
    ("size", "expected"), [((768, 1024), (384, 512)), ((683, 1024), (362, 543))]
)
def test_size_that_the_networks_see(size: tuple[int, int], expected: tuple[int, int]) -> None:
    assert edn.scaled(np.zeros((*size, 3), dtype=np.uint8)).shape == (*expected, 3)
    assert edn.scaled(np.zeros((*size[::-1], 3), dtype=np.uint8)).shape == (*expected[::-1], 3)


def test_yuv_is_stretched_luma_and_color_differences() -> None:
    pixels = noise(9, 7)
    pixels[0, 0] = 20, 140, 199
    stretched = (pixels - 20.0) * 255 / 179
    red, green, blue = np.moveaxis(stretched, 2, 0)
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    expected = np.stack([luma, 128 + (blue - luma) / 1.772, 128 + (red - luma) / 1.402], axis=2)
    assert np.abs(edn.yuv(pixels) - expected).max() < 1.5


def test_yuv_of_one_color_is_finite() -> None:
    assert edn.yuv(np.full((2, 2, 3), 7, dtype=np.uint8)).shape == (2, 2, 3)


def test_distance_to_the_center() -> None:
    found = edn.center_distance(5, 8)
    for y, x in np.ndindex(5, 8):
        assert found[y, x] == int(((y - 2) ** 2 + (x - 4) ** 2) ** 0.5) / 4


def test_packaged_machines_are_the_published_ones(shared_data: Path) -> None:
    arrays = safetensors.numpy.load_file(ASSETS / "rivals" / "edn.safetensors")
    for prefix, suffix, n_features in (("", "", 832), ("center_", "-cntr", 833)):
        lines = (shared_data / "edn" / f"svm-slm{suffix}").read_text().splitlines()
        weights = [float(line) for line in lines[lines.index("w") + 1 :]]
        whitening = np.loadtxt(shared_data / "edn" / f"whiten-slm{suffix}")
        assert len(weights) == n_features
        np.testing.assert_array_equal(arrays[f"{prefix}weights"], weights)
        np.testing.assert_array_equal(arrays[f"{prefix}mean"], whitening[:, 0])
        np.testing.assert_array_equal(arrays[f"{prefix}deviation"], whitening[:, 1])


@pytest.mark.parametrize("center", [True, False])
@pytest.mark.parametrize("size", [(40, 61), (33, 32)])
def test_map_has_the_size_of_the_image(
    size: tuple[int, int], center: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(edn, "NETWORKS", NETWORKS[3:4])  # the quickest
    found = edn.saliency(noise(*size), center=center)
    assert found.shape == size
    assert found.dtype == np.float32
    assert np.isfinite(found).all()


def resized(values: NDArray[np.floating], height: int, width: int) -> NDArray[np.float64]:
    """Interpolate by cubic splines from corner to corner."""
    rows = np.linspace(0, values.shape[0] - 1, height)
    columns = np.linspace(0, values.shape[1] - 1, width)
    grid = np.meshgrid(rows, columns, indexing="ij")
    return scipy.ndimage.map_coordinates(values.astype(np.float64), grid, mode="mirror")


@pytest.mark.slow
@pytest.mark.parametrize("center", [True, False])
def test_map_is_the_machine_on_whitened_features(center: bool) -> None:
    pixels = photo(ASSETS / "examples" / "coffee.jpg")
    small = edn.scaled(pixels)
    height, width = (int(np.ceil(length / 8)) for length in small.shape[:2])
    features = [resized(edn.center_distance(*small.shape[:2]), height, width)] if center else []
    for network in NETWORKS:
        image = small if network.color == "rgb" else edn.yuv(small)
        maps = network_maps(network, image.astype(np.float32))
        features += [resized(maps[:, :, k], height, width) for k in range(maps.shape[2])]
    arrays = safetensors.numpy.load_file(ASSETS / "rivals" / "edn.safetensors")
    prefix = "center_" if center else ""
    mean, deviation = arrays[f"{prefix}mean"], arrays[f"{prefix}deviation"]
    whitened = (np.stack(features, axis=2) - mean) / deviation
    decision = resized(whitened @ arrays[f"{prefix}weights"], *pixels.shape[:2])
    expected = scipy.ndimage.gaussian_filter(decision, 30)
    np.testing.assert_allclose(edn.saliency(pixels, center=center), expected, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize(("center", "expected"), [(True, 0.9), (False, 0.88)])
def test_map_finds_the_fixations_of_the_published_example(
    shared_data: Path, center: bool, expected: float
) -> None:
    saliency = edn.saliency(photo(shared_data / "edn" / "img.jpg"), center=center)
    fixated = photo(shared_data / "edn" / "img_fixPts.jpg")[:, :, 0] > 200
    wins = mannwhitneyu(saliency[fixated], saliency[~fixated]).statistic
    assert wins / fixated.sum() / (~fixated).sum() > expected
