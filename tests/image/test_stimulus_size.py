import io
import struct
import subprocess
import sys
import warnings
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from deepgaze2.errors import StimulusError
from deepgaze2.image import stimulus
from deepgaze2.image.stimulus import read_stimulus

RGB = np.random.default_rng(0).integers(0, 256, (13, 21, 3), dtype=np.uint8)


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def test_too_large_is_refused_from_the_header(tmp_path: Path) -> None:
    path = tmp_path / "bomb.png"
    path.write_bytes(encoded(Image.fromarray(RGB), "PNG"))
    sides = struct.pack(">4sII", b"IHDR", 30_000, 30_000) + b"\x08\x02\0\0\0"
    content = path.read_bytes()
    path.write_bytes(content[:12] + sides + struct.pack(">I", zlib.crc32(sides)) + content[33:])
    with pytest.raises(StimulusError, match=r"bomb.png: 30000 x 30000 .* limit of 500000000"):
        read_stimulus(path)
    for source in (RGB, Image.fromarray(RGB)):
        with pytest.raises(StimulusError, match="21 x 13 pixels are over the limit of 272"):
            read_stimulus(source, max_pixels=272)
        assert read_stimulus(source, max_pixels=273).width == 21


def test_pillows_own_limit_stays_but_does_not_stop_jpeg_and_png(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    filters = list(warnings.filters)
    for name in ("large.png", "large.jpg", "large.gif"):
        Image.fromarray(RGB).save(tmp_path / name)
    assert read_stimulus(tmp_path / "large.png").width == 21
    assert read_stimulus(tmp_path / "large.jpg").width == 21
    with pytest.raises(StimulusError, match=r"large.gif: is over Pillow's size limit"):
        read_stimulus(tmp_path / "large.gif")
    assert Image.MAX_IMAGE_PIXELS == 100
    assert warnings.filters == filters


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
@pytest.mark.parametrize(("held", "factor"), [(64 * 48 // 4, 2), (64 * 48 // 4 - 1, 4), (40, 16)])
def test_pixels_over_the_held_number_are_averaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, held: int, factor: int
) -> None:
    smooth = np.add.outer(np.arange(48) * 2, np.arange(64) * 2)[..., None] + np.array([0, 10, 20])
    image = Image.fromarray(smooth.astype(np.uint8))
    exif = Image.Exif()
    exif[0x0112] = 6
    monkeypatch.setattr(stimulus, "_HELD_PIXELS", held)
    path = tmp_path / "large"
    path.write_bytes(encoded(image, kind, exif=exif))
    file = read_stimulus(path)
    assert (file.width, file.height) == (48, 64)
    blocks = smooth.reshape(48 // factor, factor, 64 // factor, factor, 3).mean((1, 3))
    assert file.pixels.shape == (64 // factor, 48 // factor, 3)
    difference = np.abs(file.pixels - np.rot90(blocks, -1))
    assert difference.max() <= (6 if kind == "JPEG" else 0.5)


def uniform_jpeg(width: int, height: int) -> bytes:
    """Encode two rows of 16×16 blocks, each ended by a restart marker, and repeat them."""
    strip = Image.new("RGB", (width, 32), (200, 90, 30))
    content = encoded(strip, "JPEG", subsampling=2, restart_marker_rows=1)
    frame = content.index(b"\xff\xc0")
    scan = content.index(b"\xff\xda")
    start = scan + 2 + struct.unpack(">H", content[scan + 2 : scan + 4])[0]
    row, rest = content[start:].split(b"\xff\xd0")
    assert rest == row + b"\xff\xd9"
    head = content[: frame + 5] + struct.pack(">H", height) + content[frame + 7 : start]
    rows = [row + bytes([0xFF, 0xD0 + i % 8]) for i in range(-(-height // 16))]
    return head + b"".join(rows)[:-2] + b"\xff\xd9"


PEAK_MEMORY = """
import resource, sys
from deepgaze2.image.stimulus import read_stimulus
def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
before = peak()
s = read_stimulus(sys.argv[1])
assert (s.width, s.height, s.pixels.shape) == (20000, 20000, (5000, 5000, 3)), s
assert abs(s.pixels[::500, ::500].astype(int) - (200, 90, 30)).max() < 4
print((peak() - before) / (1 << (20 if sys.platform == "darwin" else 10)))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="the resource module is POSIX")
def test_a_jpeg_of_20000_by_20000_needs_little_memory(tmp_path: Path) -> None:
    path = tmp_path / "huge.jpg"
    path.write_bytes(uniform_jpeg(20_000, 20_000))
    command = [sys.executable, "-W", "error", "-c", PEAK_MEMORY, str(path)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert float(run.stdout) < 600
