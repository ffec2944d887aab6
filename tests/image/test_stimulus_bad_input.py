import gc
import io
import os
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from deepgaze2.errors import ImageFormatError, ImageSizeError, StimulusError
from deepgaze2.image.stimulus import read_stimulus

RNG = np.random.default_rng(0)
RGB = RNG.integers(0, 256, (13, 21, 3), dtype=np.uint8)


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def message(path: Path, content: bytes) -> str:
    """Write a file that cannot be read and return what its reader is told."""
    path.write_bytes(content)
    with pytest.raises(StimulusError) as raised:
        read_stimulus(path)
    assert "\n" not in str(raised.value)
    assert str(raised.value).startswith(f"{path}: ")
    return str(raised.value)


@pytest.mark.parametrize("kind", ["EPS", "TGA", "ICNS", "PDF"])
def test_bytes_of_formats_that_photos_do_not_have_are_refused(kind: str) -> None:
    content = encoded(Image.fromarray(RGB), kind)
    with pytest.raises(ImageFormatError, match=r"^image: is not an image of a known format"):
        read_stimulus(content)


def test_bytes_that_are_no_image() -> None:
    whole = encoded(Image.fromarray(RGB), "PNG")
    for content in (b"", whole[:-30], whole[:40]):
        with pytest.raises(StimulusError, match=r"^image: "):
            read_stimulus(content)
    with pytest.raises(ImageSizeError, match="21 x 13 pixels are over the limit of 272"):
        read_stimulus(whole, max_pixels=272)


@pytest.mark.parametrize(
    ("source", "advice"),
    [
        (np.zeros((0, 5, 3), np.uint8), r"shape \(0, 5, 3\)"),
        (np.zeros((5, 5, 2), np.uint8), "height, width"),
        (np.zeros((3, 5, 5), np.uint8), "height, width"),
        (np.zeros(5, np.uint8), "height, width"),
        (np.full((5, 5), 255.0), "divide 8-bit values by 255"),
        (np.full((5, 5), -0.1), "0..1"),
        (np.array([[0.5, np.nan]]), "NaN"),
        (np.array([[0.5, np.inf]]), "0..1"),
        (np.zeros((5, 5), np.int64), "int64 .* convert to uint8"),
        (np.zeros((5, 5), np.complex128), "convert"),
        (np.zeros((5, 5), object), "convert"),
        (np.full((5, 5), "white"), "convert"),
        (Image.fromarray(np.full((5, 5), 70_000, np.int32)), "convert"),
        (Image.fromarray(np.full((5, 5), 2.0, np.float32)), "0..1"),
        ([[0, 1], [1, 0]], "give a path, a Pillow image or a NumPy array"),
    ],
)
def test_arrays_that_are_no_image(source: Any, advice: str) -> None:
    with pytest.raises(StimulusError, match=advice):
        read_stimulus(source)


def test_missing_path_folder_and_pipe(tmp_path: Path) -> None:
    for missing in (tmp_path / "none.png", tmp_path / "none" / "photo.png"):
        with pytest.raises(StimulusError, match=r"none.*does not exist; check the path"):
            read_stimulus(missing)
    with pytest.raises(StimulusError, match="is a folder"):
        read_stimulus(tmp_path)
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe")
        with pytest.raises(StimulusError, match="not a regular file"):
            read_stimulus(tmp_path / "pipe")


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX permissions")
def test_unreadable_file(tmp_path: Path) -> None:
    path = tmp_path / "secret.png"
    path.write_bytes(encoded(Image.fromarray(RGB), "PNG"))
    path.chmod(0)
    is_root = os.geteuid() == 0
    if is_root:  # who may read everything
        os.seteuid(65534)
    try:
        with pytest.raises(StimulusError, match=r"secret.png: cannot be opened \(Permission"):
            read_stimulus(path)
    finally:
        if is_root:
            os.seteuid(0)


def test_empty_file_and_text_and_heic(tmp_path: Path) -> None:
    assert "is empty" in message(tmp_path / "photo.png", b"")
    for text in (b"P", b"hello, this is not a picture\n" * 9, b"P6 but not a picture at all"):
        problem = message(tmp_path / "photo.png", text)
        assert "JPEG or PNG" in problem or "damaged" in problem
    heic = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(99)
    problem = message(tmp_path / "IMG_0001.HEIC", heic)
    assert "HEIC format; pip install pillow-heif, or convert it to JPEG" in problem


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "GIF", "WEBP"])
def test_truncated_files(tmp_path: Path, kind: str) -> None:
    noise = RNG.integers(0, 256, (64, 64, 3), dtype=np.uint8)
    content = encoded(Image.fromarray(noise), kind)
    for length in np.linspace(5, len(content) * 0.95, 25).astype(int):
        assert "damaged" in message(tmp_path / "photo", content[:length])


@pytest.fixture(scope="module")
def corrupted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("corrupted")


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(["JPEG", "PNG", "GIF", "TIFF", "BMP", "WEBP"]), st.data())
def test_corrupted_files_give_a_stimulus_or_one_line(
    corrupted: Path, kind: str, data: st.DataObject
) -> None:
    content = bytearray(encoded(Image.fromarray(RGB), kind))
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(content) - 1))
        content[place] = data.draw(st.integers(0, 255))
    path = corrupted / kind
    path.write_bytes(content)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's remarks on damaged metadata
        try:
            assert read_stimulus(path, max_pixels=1_000_000).pixels.shape[2:] == (3,)
        except StimulusError as error:
            problem = str(error)
        else:
            return
    assert problem.startswith(f"{path}: ")
    assert "\n" not in problem


def test_files_are_closed(tmp_path: Path) -> None:
    """An open file left to the garbage collector would raise a ResourceWarning, here an error."""
    for kind in ("PNG", "JPEG", "TIFF", "GIF", "WEBP"):
        content = encoded(Image.fromarray(RGB), kind)
        path = tmp_path / kind
        path.write_bytes(content)
        read_stimulus(path)
        message(path, content[: len(content) // 2])
    gc.collect()
    if (open_files := Path("/proc/self/fd")).is_dir():
        assert not [f for f in open_files.iterdir() if str(tmp_path) in os.path.realpath(f)]
