"""Color profiles: colors on the screen stay what they are, computed once more from primaries."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageCms

from deepgaze2.image.stimulus import Stimulus, read_stimulus
from helpers.icc_profiles import ADOBE, GAMMA, SRGB, profile, to_xyz

RGB = np.random.default_rng(0).integers(0, 256, (12, 20, 3), dtype=np.uint8)


def shown(linear: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return sRGB's levels of linear intensities."""
    c = np.clip(linear, 0, 1)
    return np.asarray(255 * np.where(c <= 0.0031308, 12.92 * c, 1.055 * c ** (1 / 2.4) - 0.055))


def read(folder: Path, image: Image.Image, kind: str, **options: Any) -> Stimulus:
    image.save(folder / "photo", kind, **options)
    return read_stimulus(folder / "photo", to_srgb=True)


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "JPEG"])
def test_wide_colors_are_converted(tmp_path: Path, kind: str) -> None:
    smooth = np.kron(RGB[:3, :4], np.ones((8, 8, 1), np.uint8))  # as JPEG keeps them
    options = {"quality": 100, "subsampling": 0} if kind == "JPEG" else {}
    wide = profile(b"RGB ", GAMMA, ADOBE)
    found = read(tmp_path, Image.fromarray(smooth), kind, icc_profile=wide, **options)
    matrix = np.linalg.inv(to_xyz(SRGB)) @ to_xyz(ADOBE)
    expected = shown((smooth / 255) ** GAMMA @ matrix.T)
    # One level of wide colors is more in sRGB where they leave it.
    assert np.abs(found.pixels - expected).max() <= (6 if kind == "JPEG" else 2)
    assert np.abs(expected - smooth).max() > 50
    assert found.notes == ("colors are converted from Wide to sRGB",)
    numbers = read_stimulus(tmp_path / "photo")
    assert np.abs(numbers.pixels.astype(int) - smooth).max() <= 4
    assert numbers.notes == ()


def test_opacity_stays(tmp_path: Path) -> None:
    opacity = np.random.default_rng(1).integers(0, 256, (12, 20, 1), dtype=np.uint8)
    image = Image.fromarray(np.concatenate([RGB, opacity], -1))
    wide = profile(b"RGB ", GAMMA, ADOBE)
    opaque = read(tmp_path, Image.fromarray(RGB), "PNG", icc_profile=wide).pixels
    found = read(tmp_path, image, "PNG", icc_profile=wide)
    expected = opacity / 255 * opaque + (1 - opacity / 255) * 255
    assert np.abs(found.pixels - expected).max() <= 1


def test_grays_with_a_curve_of_their_own(tmp_path: Path) -> None:
    gray = Image.fromarray(RGB[..., 0])
    found = read(tmp_path, gray, "PNG", icc_profile=profile(b"GRAY", 1.75))
    expected = shown((RGB[..., :1] / 255) ** 1.75)
    assert np.abs(found.pixels - expected).max() <= 2


@pytest.mark.parametrize("mode", ["RGB", "L", "P", "RGBA"])
def test_srgb_changes_no_bit(tmp_path: Path, mode: str) -> None:
    image = Image.fromarray(RGB).convert(mode)
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    found = read(tmp_path, image, "PNG", icc_profile=srgb)
    np.testing.assert_array_equal(found.pixels, read(tmp_path, image, "PNG").pixels)
    assert found.notes == ()


def test_a_profile_of_other_colors_or_a_damaged_one_is_ignored(tmp_path: Path) -> None:
    image = Image.fromarray(RGB)
    wide = profile(b"RGB ", GAMMA, ADOBE)
    notes = []
    for bad in (profile(b"GRAY", 1.0), wide[:200], b"nothing"):
        found = read(tmp_path, image, "PNG", icc_profile=bad)
        np.testing.assert_array_equal(found.pixels, RGB)
        notes.append(found.notes)
    damaged = ("its color profile is damaged and ignored",)
    assert notes == [(), damaged, damaged]


def test_images_of_pillow_stay_as_they_were() -> None:
    stream = io.BytesIO()
    Image.fromarray(RGB).save(stream, "PNG", icc_profile=profile(b"RGB ", GAMMA, ADOBE))
    with Image.open(stream) as image:
        converted = read_stimulus(image, to_srgb=True).pixels
        np.testing.assert_array_equal(np.asarray(image), RGB)
    np.testing.assert_array_equal(read_stimulus(stream.getvalue(), to_srgb=True).pixels, converted)
    assert (converted != RGB).any()
