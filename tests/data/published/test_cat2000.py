from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from deepgaze2.data.published.cat2000 import read_cat2000
from deepgaze2.errors import DataError
from helpers.plain_rows import rows, write_image

FIXATED = {"Action/2": [(0, 0), (3, 7)], "Action/10": [], "Art/1": [(5, 4)]}  # row, column


@pytest.fixture
def imitation(tmp_path: Path) -> Path:
    """Two categories, two sizes, an image without fixations, and files that are no stimuli."""
    for name, pixels in FIXATED.items():
        width, height = (5, 9) if name == "Art/1" else (8, 6)
        write_image(tmp_path / "Stimuli" / f"{name}.jpg", width, height)
        write_map(tmp_path, name, (height, width), pixels)
    for litter in ("Action/Output/2_SaliencyMap.jpg", "Action/2_SaliencyMap.jpg", "Output/3.jpg"):
        write_image(tmp_path / "Stimuli" / litter, 8, 6)
    (tmp_path / "Stimuli" / "Action" / "._2.jpg").write_bytes(b"no image")
    return tmp_path


def write_map(
    folder: Path, name: str, shape: tuple[int, int], pixels: list[tuple[int, int]]
) -> None:
    fixation_map = np.zeros(shape, np.uint8)
    for row, column in pixels:
        fixation_map[row, column] = 1
    path = folder / "FIXATIONLOCS" / f"{name}.mat"
    path.parent.mkdir(parents=True, exist_ok=True)
    savemat(path, {"fixLocs": fixation_map})


def test_reads_an_imitation(imitation: Path) -> None:
    dataset = read_cat2000(imitation)
    assert dataset.stimuli.ids == ("Action/2.jpg", "Action/10.jpg", "Art/1.jpg")
    assert dataset.stimuli.width.tolist() == [8, 8, 5]
    assert dataset.stimuli.height.tolist() == [6, 6, 9]
    assert rows(dataset) == [
        ("Action/2.jpg", "0", 0, 0, 0),
        ("Action/2.jpg", "0", 1, 7, 3),
        ("Art/1.jpg", "0", 0, 4, 5),
    ]
    assert "order are not known" in dataset.notes[0]


def test_ignores_the_orientation_tag(imitation: Path) -> None:
    path = imitation / "Stimuli" / "Art" / "1.jpg"
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (5, 9)).save(path, exif=exif)
    assert read_cat2000(imitation).stimuli.width[2] == 5


def test_the_test_images_have_no_fixations(imitation: Path) -> None:
    (imitation / "FIXATIONLOCS").rename(imitation / "elsewhere")
    with pytest.raises(DataError, match=r"trainSet.*private"):
        read_cat2000(imitation)


def test_a_map_of_another_size(imitation: Path) -> None:
    write_map(imitation, "Art/1", (5, 9), [])
    with pytest.raises(DataError, match=r"1\.mat: not a map.*\(5, 9\), the image \(9, 5\)"):
        read_cat2000(imitation)


def test_two_variables_in_a_file(imitation: Path) -> None:
    savemat(imitation / "FIXATIONLOCS" / "Art" / "1.mat", {"a": np.eye(3), "b": np.eye(3)})
    with pytest.raises(DataError, match=r"1\.mat: not a map"):
        read_cat2000(imitation)


def test_a_missing_map(imitation: Path) -> None:
    (imitation / "FIXATIONLOCS" / "Action" / "10.mat").unlink()
    with pytest.raises(DataError, match=r"10\.mat: missing"):
        read_cat2000(imitation)


def test_another_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no \.jpg images"):
        read_cat2000(tmp_path)
