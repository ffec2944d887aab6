import io
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from deepgaze2.errors import StimulusError
from deepgaze2.image import stimulus
from deepgaze2.image.stimulus import printable, read_stimulus
from helpers.png_files import png

RNG = np.random.default_rng(0)
RGB = RNG.integers(0, 256, (13, 21, 3), dtype=np.uint8)
RGBA = RNG.integers(0, 256, (13, 21, 4), dtype=np.uint8)
DEEP = RNG.integers(0, 65536, (13, 21, 3), dtype=np.uint16)


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def on_white(rgba: NDArray[np.uint8]) -> NDArray[np.float64]:
    opacity = rgba[..., 3:] / 255
    return np.asarray(opacity * rgba[..., :3] + (1 - opacity) * 255)


def read(folder: Path, content: bytes, name: str = "photo.png") -> stimulus.Stimulus:
    (folder / name).write_bytes(content)
    return read_stimulus(folder / name)


def test_rgb_files_arrays_and_images_keep_their_pixels(tmp_path: Path) -> None:
    file = read(tmp_path, encoded(Image.fromarray(RGB), "PNG"))
    assert (file.width, file.height, file.name) == (21, 13, "photo.png")
    assert read_stimulus(str(tmp_path / "photo.png")).name == "photo.png"
    for source in (RGB, RGB[::-1, ::-1][::-1, ::-1], Image.fromarray(RGB)):
        np.testing.assert_array_equal(read_stimulus(source).pixels, file.pixels)
    np.testing.assert_array_equal(file.pixels, RGB)
    assert file.pixels.dtype == np.uint8


def test_an_array_may_be_reused_for_the_next_image() -> None:
    array = RGB.copy()
    found = read_stimulus(array)
    array[:] = 0
    np.testing.assert_array_equal(found.pixels, RGB)


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "BMP", "WEBP", "PPM", "JPEG2000"])
def test_lossless_formats_agree(tmp_path: Path, kind: str) -> None:
    options = {"lossless": True} if kind == "WEBP" else {}
    content = encoded(Image.fromarray(RGB), kind, **options)
    np.testing.assert_array_equal(read(tmp_path, content).pixels, RGB)


@pytest.mark.parametrize("kind", ["BMP", "GIF", "JPEG", "JPEG2000", "PNG", "PPM", "TIFF", "WEBP"])
def test_bytes_are_read_like_the_file_that_holds_them(tmp_path: Path, kind: str) -> None:
    content = encoded(Image.fromarray(RGB), kind)
    found = read_stimulus(content)
    np.testing.assert_array_equal(found.pixels, read(tmp_path, content).pixels)
    assert (found.width, found.height, found.name) == (21, 13, "image")


def test_gray_and_one_bit_are_repeated(tmp_path: Path) -> None:
    gray = RGB[..., 0]
    for source in (gray, gray[..., None], Image.fromarray(gray)):
        np.testing.assert_array_equal(read_stimulus(source).pixels, np.stack([gray] * 3, -1))
    bits = gray > 127
    expected = np.stack([bits * 255] * 3, -1)
    np.testing.assert_array_equal(read_stimulus(bits).pixels, expected)
    file = read(tmp_path, encoded(Image.fromarray(bits), "PNG"))
    np.testing.assert_array_equal(file.pixels, expected)


def test_transparency_is_composited_on_white(tmp_path: Path) -> None:
    for pixels in (
        read(tmp_path, encoded(Image.fromarray(RGBA), "PNG")).pixels,
        read_stimulus(RGBA).pixels,
        read_stimulus(Image.fromarray(RGBA)).pixels,
    ):
        assert np.abs(pixels - on_white(RGBA)).max() <= 1
    gray = np.stack([RGBA[..., 0]] * 3 + [RGBA[..., 3]], -1)
    la = Image.fromarray(gray).convert("LA")
    assert np.abs(read(tmp_path, encoded(la, "PNG")).pixels - on_white(gray)).max() <= 1


@pytest.mark.parametrize("kind", ["PNG", "GIF"])
def test_palette_with_a_transparent_entry(tmp_path: Path, kind: str) -> None:
    indices = RNG.integers(0, 4, (9, 7), dtype=np.uint8)
    colors = np.array([[255, 0, 0], [0, 200, 0], [0, 0, 90], [10, 20, 30]], dtype=np.uint8)
    image = Image.frombytes("P", (7, 9), indices.tobytes())
    image.putpalette(colors.tobytes())
    seen = colors.copy()
    np.testing.assert_array_equal(read(tmp_path, encoded(image, kind)).pixels, seen[indices])
    seen[2] = 255
    content = encoded(image, kind, transparency=2)
    np.testing.assert_array_equal(read(tmp_path, content).pixels, seen[indices])


def test_cmyk_jpeg(tmp_path: Path) -> None:
    orange = Image.new("CMYK", (16, 16), (0, 128, 255, 0))
    pixels = read(tmp_path, encoded(orange, "JPEG", quality=100), "print.jpg").pixels
    assert np.abs(pixels - np.array([255.0, 127.0, 0.0])).max() <= 4


def test_sixteen_bit_files_and_arrays_are_scaled(tmp_path: Path) -> None:
    gray, exact = DEEP[..., 0], np.rint(DEEP / 257)
    file = read(tmp_path, png(21, 13, 16, 0, gray.astype(">u2").tobytes()))
    tiff = read(tmp_path, encoded(Image.fromarray(gray), "TIFF"))
    wide = Image.fromarray(gray.astype(np.int32))
    for pixels in (
        file.pixels,
        tiff.pixels,
        read_stimulus(wide).pixels,
        read_stimulus(gray).pixels,
    ):
        np.testing.assert_array_equal(pixels, np.stack([exact[..., 0]] * 3, -1))
    np.testing.assert_array_equal(read_stimulus(DEEP).pixels, exact)
    np.testing.assert_array_equal(read_stimulus(DEEP.astype(">u2")).pixels, exact)
    color = read(tmp_path, png(21, 13, 16, 2, DEEP.astype(">u2").tobytes()))
    assert np.abs(color.pixels - exact).max() <= 1


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_floats_of_0_to_1_are_rounded_to_8_bits(dtype: type[np.floating[Any]]) -> None:
    levels = np.arange(256, dtype=np.uint8).reshape(16, 16)
    read_back = read_stimulus((levels / 255).astype(dtype)).pixels
    np.testing.assert_array_equal(read_back, np.stack([levels] * 3, -1))


def test_float_tiff_follows_the_rule_for_arrays(tmp_path: Path) -> None:
    values = RGB[..., 0].astype(np.float32) / 255
    file = read(tmp_path, encoded(Image.fromarray(values), "TIFF"), "map.tiff")
    np.testing.assert_array_equal(file.pixels[..., 0], RGB[..., 0])
    with pytest.raises(StimulusError, match=r"map\.tiff: .* divide"):
        read(tmp_path, encoded(Image.fromarray(values * 2), "TIFF"), "map.tiff")


@pytest.mark.parametrize("kind", ["GIF", "WEBP"])
def test_the_first_frame_of_an_animation(tmp_path: Path, kind: str) -> None:
    red, blue = Image.new("RGB", (8, 6), "red"), Image.new("RGB", (8, 6), "blue")
    options = {"lossless": True} if kind == "WEBP" else {}
    file = read(tmp_path, encoded(red, kind, save_all=True, append_images=[blue], **options))
    assert (file.pixels == (255, 0, 0)).all()


# The sides of the scene that the first stored row and column show, by EXIF orientation.
SIDES = {
    1: ("top", "left"),
    2: ("top", "right"),
    3: ("bottom", "right"),
    4: ("bottom", "left"),
    5: ("left", "top"),
    6: ("right", "top"),
    7: ("right", "bottom"),
    8: ("left", "bottom"),
}


def upright(stored: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    first_row, first_column = SIDES[orientation]
    rows, columns = stored.shape[:2]
    swapped = first_row in ("left", "right")
    scene = np.zeros((columns, rows, 3) if swapped else (rows, columns, 3), dtype=np.uint8)
    for r in range(rows):
        for c in range(columns):
            place = {first_row: r, first_column: c}
            y = place["top"] if "top" in place else scene.shape[0] - 1 - place["bottom"]
            x = place["left"] if "left" in place else scene.shape[1] - 1 - place["right"]
            scene[y, x] = stored[r, c]
    return scene


@pytest.mark.parametrize("orientation", SIDES)
@pytest.mark.parametrize("kind", ["PNG", "TIFF", "JPEG"])
def test_exif_orientation(tmp_path: Path, kind: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    blocks = np.kron(RNG.integers(0, 256, (2, 3, 3), dtype=np.uint8), np.ones((8, 8, 1), np.uint8))
    options = {"quality": 100, "subsampling": 0} if kind == "JPEG" else {}
    content = encoded(Image.fromarray(blocks), kind, exif=exif, **options)
    file = read(tmp_path, content)
    expected = upright(blocks, orientation).astype(int)
    assert (file.height, file.width) == file.pixels.shape[:2] == expected.shape[:2]
    assert np.abs(file.pixels - expected).max() <= (4 if kind == "JPEG" else 0)
    with Image.open(io.BytesIO(content)) as image:
        np.testing.assert_array_equal(read_stimulus(image).pixels, file.pixels)


def test_a_damaged_exif_block_does_not_matter(tmp_path: Path) -> None:
    content = encoded(Image.fromarray(RGB), "PNG", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff")
    np.testing.assert_array_equal(read(tmp_path, content).pixels, RGB)


@pytest.mark.parametrize(("width", "height"), [(1, 1), (3, 5000), (5000, 3)])
def test_extreme_shapes(tmp_path: Path, width: int, height: int) -> None:
    file = read(tmp_path, encoded(Image.new("RGB", (width, height), "teal"), "JPEG"), "thin.jpg")
    assert (file.width, file.height) == (width, height)
    assert file.pixels.shape == (height, width, 3)


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="file names are Unicode there")
def test_names_that_are_not_utf8(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"caf\xe9.png")
    path.write_bytes(encoded(Image.fromarray(RGB), "PNG"))
    assert read_stimulus(path).name == r"caf\udce9.png"
    path.write_bytes(b"")
    with pytest.raises(StimulusError) as raised:
        read_stimulus(path)
    assert r"caf\udce9.png: is empty" in str(raised.value).encode().decode()


def test_printable_keeps_text_and_escapes_the_rest() -> None:
    assert printable("größe 图片.png") == "größe 图片.png"
    assert printable("two\nlines\udce9") == r"two\nlines\udce9"


def test_threads_read_the_same_pixels(tmp_path: Path) -> None:
    paths = [tmp_path / f"{i}.{kind}" for i in range(4) for kind in ("png", "jpg", "tiff", "gif")]
    for i, path in enumerate(paths):
        Image.fromarray(np.roll(RGB, i, axis=1)).resize((400, 300)).save(path)
    alone = [read_stimulus(path).pixels for path in paths]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda path: read_stimulus(path).pixels, paths * 4))
    for i, pixels in enumerate(together):
        np.testing.assert_array_equal(pixels, alone[i % len(paths)])
