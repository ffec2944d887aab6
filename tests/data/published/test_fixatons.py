from pathlib import Path

import numpy as np
import pytest

from deepgaze2.data.published.fixatons import read_fixatons
from deepgaze2.data.sources import open_dataset
from deepgaze2.errors import DataError
from helpers.plain_rows import rows, write_image


@pytest.fixture
def imitation(tmp_path: Path) -> Path:
    """Two formats and sizes, a subject who saw one image, and one who was not tracked on it."""
    folder = tmp_path / "SIENA"
    for name, width in (("2.jpg", 80), ("10.png", 60)):
        write_image(folder / "STIMULI" / name, width, 50)
    for name, text in (
        ("2/bo_2016", "40.5 25 0.01 0.25\n7 8 0.3 1\n"),
        ("2/al_2016", "1.000000000e+00 2.0e+00 0 0.5"),
        ("2/.DS_Store", "\0"),
        ("10/bo_2016", "\n 3\t4  0.5 0.5 \r\n"),
        ("10/cy.txt", ""),
    ):
        path = folder / "SCANPATHS" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def test_reads_an_imitation(imitation: Path) -> None:
    dataset = read_fixatons(imitation)
    assert dataset.name == "SIENA"
    assert dataset.stimuli.ids == ("2.jpg", "10.png")
    assert dataset.stimuli.width.tolist() == [80, 60]
    assert rows(dataset) == [
        ("2.jpg", "al_2016", 0, 1, 2),
        ("2.jpg", "bo_2016", 0, 40.5, 25),
        ("2.jpg", "bo_2016", 1, 7, 8),
        ("10.png", "bo_2016", 0, 3, 4),
    ]
    assert dataset.fixations.start_s.tolist() == pytest.approx([0, 0.01, 0.3, 0.5])
    assert dataset.fixations.duration_s.tolist() == pytest.approx([0.5, 0.24, 0.7, 0])


def test_by_name(imitation: Path) -> None:
    dataset = open_dataset(f"fixatons:{imitation}")
    np.testing.assert_array_equal(dataset.fixations.x, read_fixatons(imitation).fixations.x)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("1 2 0.5", "line 2: number of columns is 3, expected are x, y, begin, end"),
        ("1 2 0.5 1 3", "line 2: number of columns is 5"),
        ("1,2,0,1", "line 2: number of columns is 1"),
        ("1 2 0 x", "line 2: '1 2 0 x' is not all numbers"),
        ("1 2 0.75 0.5", r"line 2: ends at 0\.5 s, before it begins at 0\.75 s"),
    ],
)
def test_a_bad_line_is_named(imitation: Path, line: str, message: str) -> None:
    (imitation / "SCANPATHS" / "2" / "al_2016").write_text(f"1 2 0 1\n{line}\n")
    with pytest.raises(DataError, match=f"SCANPATHS/2/al_2016, {message}") as caught:
        read_fixatons(imitation)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_no_text(imitation: Path) -> None:
    (imitation / "SCANPATHS" / "2" / "al_2016").write_bytes(b"\xff\xfe1 2")
    with pytest.raises(DataError, match="2/al_2016: not a text file"):
        read_fixatons(imitation)


def test_images_and_scanpaths_belong_together(imitation: Path) -> None:
    (imitation / "STIMULI" / "10.png").rename(imitation / "STIMULI" / "3.png")
    with pytest.raises(DataError, match=r"SCANPATHS/10: no image STIMULI/10\.\*, as for 1 of 2"):
        read_fixatons(imitation)
    (imitation / "SCANPATHS" / "10").rename(imitation.parent / "10")
    with pytest.raises(DataError, match=r"STIMULI/3\.png: no scanpaths in SCANPATHS/3, as for 1 o"):
        read_fixatons(imitation)
    (imitation / "STIMULI" / "3.png").rename(imitation / "STIMULI" / "2.png")
    with pytest.raises(DataError, match=r"2\.png: has the scanpaths of 2\.jpg, too"):
        read_fixatons(imitation)


def test_a_collection_lists_its_sets(imitation: Path) -> None:
    for part in ("STIMULI", "SCANPATHS"):
        (imitation.parent / "MIT" / part).mkdir(parents=True)
    (imitation.parent / "notes").mkdir()
    with pytest.raises(DataError, match=r"a collection of MIT, SIENA; give the folder .*/MIT$"):
        open_dataset(f"fixatons:{imitation.parent}")
    for folder in (imitation / "STIMULI", imitation / "nowhere"):
        with pytest.raises(DataError, match="no STIMULI and SCANPATHS in it"):
            read_fixatons(folder)
