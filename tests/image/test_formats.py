"""The one list of formats: each is read, by its suffix in folders and from bytes alike."""

import io
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image, ImageFile, features

from deepgaze2.errors import ImageFormatError
from deepgaze2.image.formats import FORMATS, IN_WORDS
from deepgaze2.image.image_files import image_files
from deepgaze2.image.stimulus import read_stimulus, upright_size

_HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(99)
_SCENE = Image.fromarray(np.kron([[40, 90], [160, 220]], np.ones((16, 24))).astype(np.uint8))


def encoded(kind: str, **options: object) -> bytes:
    stream = io.BytesIO()
    _SCENE.convert("RGB").save(stream, kind, **options)
    return stream.getvalue()


@pytest.mark.parametrize("kind", [*(kind for kind in FORMATS if kind != "HEIF"), "MPO"])
def test_each_is_found_and_read(tmp_path: Path, kind: str) -> None:
    if kind == "AVIF" and not features.check("avif"):
        pytest.skip("this Pillow reads no AVIF")
    content = encoded(kind)
    for suffix in FORMATS.get(kind, (".mpo",)):
        (tmp_path / f"photo{suffix.upper()}").write_bytes(content)
    for path in image_files(tmp_path):
        assert upright_size(path) == (48, 32)
        pixels = read_stimulus(path).pixels
        assert np.abs(pixels[..., 0].astype(int) - np.asarray(_SCENE)).max() < 60
        np.testing.assert_array_equal(read_stimulus(content).pixels, pixels)
    name = {"HEIF": "HEIC", "JPEG2000": "JPEG 2000", "WEBP": "WebP"}.get(kind, kind)
    assert name in IN_WORDS


def test_of_a_phones_photo_the_first_frame(tmp_path: Path) -> None:
    turned = _SCENE.convert("RGB").transpose(Image.Transpose.ROTATE_180)
    content = encoded("MPO", save_all=True, append_images=[turned])
    (tmp_path / "photo.mpo").write_bytes(content)
    with Image.open(tmp_path / "photo.mpo") as image:
        assert image.format == "MPO"
        assert getattr(image, "n_frames", 1) == 2
    pixels = read_stimulus(tmp_path / "photo.mpo").pixels
    assert np.abs(pixels[..., 0].astype(int) - np.asarray(_SCENE)).mean() < 5


def test_heic_needs_a_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    (tmp_path / "IMG_1.HEIC").write_bytes(_HEIC)
    for source in (tmp_path / "IMG_1.HEIC", _HEIC):
        with pytest.raises(ImageFormatError, match="HEIC format; pip install pillow-heif, or"):
            read_stimulus(source)


def test_heic_is_read_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """By a stand-in that registers itself with Pillow as pillow-heif does."""

    class HeifImageFile(ImageFile.ImageFile):
        format = "HEIF"

        def _open(self) -> None:
            self._size, self._mode = (4, 3), "L"
            self.tile = [ImageFile._Tile("raw", (0, 0, 4, 3), 24, ("L", 0, 1))]

    def register() -> None:
        Image.register_open("HEIF", HeifImageFile, lambda prefix: prefix[4:8] == b"ftyp")

    monkeypatch.setitem(sys.modules, "pillow_heif", SimpleNamespace(register_heif_opener=register))
    levels = np.arange(100, 112, dtype=np.uint8).reshape(3, 4)
    try:
        pixels = read_stimulus(_HEIC[:24] + levels.tobytes()).pixels
    finally:
        Image.OPEN.pop("HEIF", None)
        Image.ID.remove("HEIF")
    np.testing.assert_array_equal(pixels[..., 1], levels)
