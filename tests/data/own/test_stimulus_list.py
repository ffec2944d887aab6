"""Stimuli from a folder and its table, and which image a name means."""

import unicodedata
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from PIL import ExifTags, Image

from deepgaze2.data.decisions import notes_of
from deepgaze2.data.own.stimulus_list import list_stimuli, match_images
from deepgaze2.errors import DataError
from deepgaze2.image.stimulus import read_stimulus


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    for name, size in (("10.png", (30, 20)), ("2.png", (20, 30)), ("sub/ü.jpg", (16, 16))):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", size).save(folder / name)
    (folder / ".hidden.png").write_bytes(b"")
    (folder / "notes.txt").write_bytes(b"")
    return folder


def test_all_images_in_natural_order(tmp_path: Path, images: Path) -> None:
    stimuli, notes = list_stimuli(tmp_path, images)
    assert stimuli.ids == ("2.png", "10.png", "sub/ü.jpg")
    assert stimuli.paths == tuple(images / name for name in stimuli.ids)
    assert_array_equal(stimuli.width, [20, 30, 16])
    assert_array_equal(stimuli.height, [30, 20, 16])
    assert np.isnan(stimuli.pixels_per_degree).all()
    assert notes_of(notes) == ()
    assert notes[0].what == "3 images in images"


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_sizes_are_upright(tmp_path: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    Image.new("RGB", (30, 20)).save(tmp_path / "a.jpg", exif=exif)
    stimuli, _ = list_stimuli(tmp_path, tmp_path)
    stimulus = read_stimulus(tmp_path / "a.jpg")
    assert (stimuli.width[0], stimuli.height[0]) == (stimulus.width, stimulus.height)


def test_a_table_of_stimuli_rules(tmp_path: Path, images: Path) -> None:
    (tmp_path / "stimuli.csv").write_text(
        "Image;width;height;ppd\n10.png;;;24,5\nlost.png;640;480;\n2.png;99;98;30\n", "utf-8"
    )
    stimuli, notes = list_stimuli(tmp_path, images)
    assert stimuli.ids == ("10.png", "lost.png", "2.png")
    assert stimuli.paths == (images / "10.png", None, images / "2.png")
    assert_array_equal(stimuli.width, [30, 640, 99])
    assert_array_equal(stimuli.height, [20, 480, 98])
    assert_array_equal(stimuli.pixels_per_degree, [24.5, np.nan, 30])
    assert "Commas in ppd are decimal commas in stimuli.csv: 1,5 is read as 1.5." in notes_of(notes)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("image,width\nlost.png,640\n", r"1 images have no size there and no file .*'lost\.png'"),
        ("image\n2.png\n2.png\n", r"lists '2\.png' twice"),
        ("w,h\n1,2\n", "no column for image among 'w', 'h'"),
        ("image,width\n2.png,wide\n", "line 2: 'wide' in column 'width' is not a number"),
    ],
)
def test_wrong_tables(tmp_path: Path, images: Path, table: str, message: str) -> None:
    (tmp_path / "stimuli.csv").write_text(table)
    with pytest.raises(DataError, match=message):
        list_stimuli(tmp_path, images)


def test_no_images_or_damaged_ones(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no images; give the folder"):
        list_stimuli(tmp_path, tmp_path)
    (tmp_path / "a.png").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"a\.png: is not an image .* or move it away"):
        list_stimuli(tmp_path, tmp_path)


IDS = ("1.jpg", "01.jpg", "a/2.jpg", "b/2.jpg", "Küche.PNG", "x.1", "A.jpg", "a.jpg")


@pytest.mark.parametrize(
    ("name", "index"),
    [
        ("1.jpg", 0),
        ("1", 0),
        ("01", 1),
        ("b/2.jpg", 3),
        ("b\\2.JPG", 3),
        (unicodedata.normalize("NFD", "küche.png"), 4),
        ("C:\\exp\\Küche.png", 4),
        ("/home/eve/küche", 4),
        ("x.1", 5),
        ("A.jpg", 6),
        ("a.jpg", 7),
        ("1.bmp", 0),
        ("lost.jpg", None),
        ("001.jpg", None),
    ],
)
def test_names_of_images(name: str, index: int | None) -> None:
    found, notes = match_images([name], IDS)
    assert found == [index]
    assert [str(note) for note in notes] == (
        ["1 names have another suffix: 1.bmp is taken to be 1.jpg."] if "bmp" in name else []
    )


@pytest.mark.parametrize("name", ["2.jpg", "2", "c/2.jpg", "A.JPG"])
def test_names_that_fit_two_images(name: str) -> None:
    with pytest.raises(DataError, match=r"may be '.*' or '.*'; name it in full"):
        match_images([name], IDS)


def test_two_names_of_one_image() -> None:
    with pytest.raises(DataError, match=r"names '1\.png' and '1\.bmp' would both be '1\.jpg'"):
        match_images(["1.bmp", "1.png"], IDS)
    found, notes = match_images(["s1/1.jpg", "s2/1.jpg"], IDS)
    assert found == [0, 0]
    assert [str(note) for note in notes] == [
        "Names in several folders are taken to be one image: s2/1.jpg and s1/1.jpg."
    ]
