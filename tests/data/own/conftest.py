from pathlib import Path

import pytest
from PIL import Image

from helpers.tracker_exports import HEIGHT, WIDTH


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the images a and b of the exports, for a table beside them."""
    (tmp_path / "images").mkdir()
    for name in "ab":
        Image.new("RGB", (WIDTH, HEIGHT)).save(tmp_path / "images" / f"{name}.png")
    return tmp_path
