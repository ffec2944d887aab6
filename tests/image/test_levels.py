"""Files of fewer bits than they have room for, and dark ones that only look so."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from deepgaze2.errors import StimulusError
from deepgaze2.image.stimulus import Stimulus, read_stimulus
from helpers.png_files import png
from helpers.tiff_files import tiff

_MAX_SAMPLE_VALUE = 281
RNG = np.random.default_rng(0)


def levels(bits: int, channels: int = 3, *, clipped: bool = True) -> NDArray[np.uint16]:
    """Values of so many bits, with white among them or not."""
    found = RNG.integers(0, 2**bits - 9, (14, 22, channels)).astype(np.uint16)
    found[3, 5:8] = 2**bits - 1 if clipped else 0
    return found


def read(folder: Path, content: bytes) -> Stimulus:
    (folder / "image").write_bytes(content)
    return read_stimulus(folder / "image")


def assert_scaled(stimulus: Stimulus, values: NDArray[Any], white: int, note: str) -> None:
    gray = values.ndim == 2
    expected = np.rint(values / white * 255)
    found = stimulus.pixels[..., 0] if gray else stimulus.pixels
    np.testing.assert_array_equal(found, expected)
    [said] = stimulus.notes
    assert note in said


@pytest.mark.parametrize("bits", [10, 12, 14])
def test_white_of_fewer_bits_tells(tmp_path: Path, bits: int) -> None:
    color = levels(bits)
    gray, white = color[..., 0], 2**bits - 1
    note = f"no value is over {white}: taken for {bits} bits"
    for order in "<>":
        for compressed in (False, True):
            options: dict[str, Any] = {"order": order, "compressed": compressed}
            assert_scaled(read(tmp_path, tiff(gray, **options)), gray, white, note)
            assert_scaled(read(tmp_path, tiff(color, **options)), color, white, note)
    content = png(22, 14, 16, 0, gray.astype(">u2").tobytes())
    assert_scaled(read(tmp_path, content), gray, white, note)
    content = png(22, 14, 16, 2, color.astype(">u2").tobytes())
    assert_scaled(read(tmp_path, content), color, white, note)


@pytest.mark.parametrize("bits", [10, 12, 14])
def test_what_a_file_tells_is_believed(tmp_path: Path, bits: int) -> None:
    color = levels(bits, clipped=False)
    white, note = 2**bits - 1, f"{bits} bits, as the file tells"
    tags = {_MAX_SAMPLE_VALUE: white}
    assert_scaled(read(tmp_path, tiff(color[..., 0], tags)), color[..., 0], white, note)
    assert_scaled(read(tmp_path, tiff(color, tags)), color, white, note)
    significant = [(b"sBIT", bytes([bits] * 3))]
    content = png(22, 14, 16, 2, color.astype(">u2").tobytes(), significant)
    assert_scaled(read(tmp_path, content), color, white, note)


def test_12_bits_packed(tmp_path: Path) -> None:
    gray = levels(12, clipped=False)[..., 0]
    content = tiff(gray, packed=True)
    assert_scaled(read(tmp_path, content), gray, 4095, "12 bits, as the file tells")


def test_significant_bits_of_a_png_as_the_standard_has_them(tmp_path: Path) -> None:
    """There all 16 bits are filled, by repetition, and 12 only says how many are exact."""
    for gray in (levels(12, 1)[..., 0], levels(6, 1)[..., 0] + np.uint16(1)):
        filled = (gray << 4 | gray >> 8).astype(np.uint16)
        content = png(22, 14, 16, 0, filled.astype(">u2").tobytes(), [(b"sBIT", b"\x0c")])
        found = read(tmp_path, content)
        np.testing.assert_array_equal(found.pixels[..., 0], np.rint(filled / 257))
        assert not found.notes


@settings(deadline=None)
@given(brightest=st.integers(1, 65535), channels=st.sampled_from([1, 3]))
def test_dark_images_of_16_bits_stay_dark(brightest: int, channels: int) -> None:
    assume(brightest not in (255, 1023, 4095, 16383))
    noise = np.random.default_rng(brightest).integers(0, 65536, (14, 22, channels))
    values = np.minimum(noise, brightest).astype(np.uint16)
    values[0, 0] = brightest
    content = tiff(values if channels == 3 else values[..., 0], {_MAX_SAMPLE_VALUE: brightest})
    found = read_stimulus(content)
    # Of colors that use the high byte, Pillow drops the low one instead of rounding.
    assert np.abs(found.pixels - values / 257).max() <= (1 if channels == 3 else 0.5)
    if brightest < 4096:
        assert f"very dark: no value is over {brightest} of 65535" in found.notes[0]
    else:
        assert not found.notes


def test_brighter_than_what_the_file_tells(tmp_path: Path) -> None:
    gray = levels(16, 1)[..., 0]
    found = read(tmp_path, tiff(gray, {_MAX_SAMPLE_VALUE: 1023}))
    np.testing.assert_array_equal(found.pixels[..., 0], np.rint(gray / 257))
    assert not found.notes


@pytest.mark.parametrize("kind", [np.int32, np.uint32, np.float32])
def test_8_bits_in_32(tmp_path: Path, kind: type[Any]) -> None:
    gray = RNG.integers(0, 250, (14, 22)).astype(kind)
    assert_scaled(read(tmp_path, tiff(gray)), gray, 255, "taken for 8 bits")


def test_fractions_of_8_bits_are_rounded(tmp_path: Path) -> None:
    gray = RNG.uniform(0, 254.7, (14, 22)).astype(np.float32)
    assert_scaled(read(tmp_path, tiff(gray)), gray, 255, "floats of 0 to 255")


@pytest.mark.parametrize(("lowest", "highest"), [(0, 1.01), (0, 30), (0, 255.5), (-1, 200)])
def test_floats_of_other_ranges_are_refused(tmp_path: Path, lowest: float, highest: float) -> None:
    gray = np.linspace(lowest, highest, 14 * 22, dtype=np.float32).reshape(14, 22)
    with pytest.raises(StimulusError, match=r"float values must lie in 0\.\.1"):
        read(tmp_path, tiff(gray))


def test_opacity_of_fewer_bits(tmp_path: Path) -> None:
    rgba = levels(12, 4)
    found = read(tmp_path, png(22, 14, 16, 6, rgba.astype(">u2").tobytes()))
    opacity = rgba[..., 3:] / 4095
    expected = opacity * rgba[..., :3] / 4095 * 255 + (1 - opacity) * 255
    assert np.abs(found.pixels - expected).max() <= 1.5


def test_arrays_are_what_their_type_says() -> None:
    found = read_stimulus(levels(12))
    assert found.pixels.max() == 16
    assert not found.notes


def test_pgm_of_12_bits_names_its_white(tmp_path: Path) -> None:
    gray = levels(12, clipped=False)[..., 0] // 2
    found = read(tmp_path, b"P5 22 14 4095\n" + gray.astype(">u2").tobytes())
    assert np.abs(found.pixels[..., 0] - gray / 4095 * 255).max() <= 0.51
    assert not found.notes
    with Image.open(tmp_path / "image") as image:
        np.testing.assert_array_equal(read_stimulus(image).pixels, found.pixels)
