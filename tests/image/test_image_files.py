"""Which files of a folder are images, and in which order."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from deepgaze2.errors import StimulusError
from deepgaze2.image.formats import FORMATS, SUFFIXES
from deepgaze2.image.image_files import image_files, images_and_others, natural_key


def test_images_come_in_natural_order_without_the_rest(tmp_path: Path) -> None:
    wanted = ["1.png", "2.JPG", "10.jpeg", "a2b10.tif", "a10b2.webp", "é.bmp"]
    for name in [*reversed(wanted), ".hidden.png", "notes.txt", "1.png.part", "jpg"]:
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "folder.png").mkdir()
    assert [path.name for path in image_files(tmp_path)] == wanted
    others = [path.name for path in images_and_others(tmp_path)[1]]
    assert others == ["1.png.part", "jpg", "notes.txt"]


def test_every_suffix_is_one_that_pillow_reads() -> None:
    Image.init()
    by_suffix = Image.registered_extensions()
    without_plugin = set(SUFFIXES) - set(FORMATS["HEIF"])
    assert {by_suffix[suffix] for suffix in without_plugin} == {*FORMATS, "MPO"} - {"HEIF"}


def test_a_folder_without_images_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StimulusError, match="no image in it"):
        image_files(tmp_path)


@pytest.mark.parametrize("name", ["missing", "a file", "x" * 300])
def test_a_folder_that_cannot_be_read_is_an_error(tmp_path: Path, name: str) -> None:
    (tmp_path / "a file").write_bytes(b"")
    with pytest.raises(StimulusError, match="cannot be read"):
        image_files(tmp_path / name)


def test_files_that_cannot_be_looked_at_are_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a folder that may be listed but not entered."""
    (tmp_path / "1.png").write_bytes(b"")

    def refuse(self: Path) -> bool:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "is_file", refuse)
    with pytest.raises(StimulusError, match="cannot be read"):
        image_files(tmp_path)


@given(numbers=st.lists(st.integers(0, 10**9), min_size=2))
def test_runs_of_digits_sort_as_numbers(numbers: list[int]) -> None:
    names = [f"IMG_{n}.jpg" for n in numbers]
    expected = [f"IMG_{n}.jpg" for n in sorted(numbers)]
    assert sorted(names, key=natural_key) == expected


@given(names=st.lists(st.text("a1².é٣-"), min_size=2))
def test_any_names_can_be_sorted(names: list[str]) -> None:
    keys = sorted(natural_key(name) for name in names)
    assert keys == [natural_key(name) for name in sorted(names, key=natural_key)]
