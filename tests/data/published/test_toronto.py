from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from deepgaze2.data.published.toronto import read_toronto
from deepgaze2.errors import DataError
from helpers.plain_rows import cell, rows, write_image


@pytest.fixture
def imitation(tmp_path: Path) -> Path:
    """Maps of 11 images, of which the first, second, sixth and eleventh are there."""
    for number, width in ((1, 8), (2, 8), (6, 8), (11, 7)):
        write_image(tmp_path / "Original Image Set" / f"{number}.jpg", width, 6)
    maps = [np.zeros((6, 7 if i == 10 else 8), np.uint8) for i in range(11)]
    for i, row, column in ((0, 5, 7), (1, 2, 3), (2, 1, 1), (10, 4, 6), (10, 0, 5)):
        maps[i][row, column] = 1
    savemat(tmp_path / "origfixdata.mat", {"white": cell(maps)})
    return tmp_path


def test_reads_an_imitation(imitation: Path) -> None:
    dataset = read_toronto(imitation)
    assert dataset.stimuli.ids == ("1.jpg", "2.jpg", "6.jpg", "11.jpg")
    assert rows(dataset) == [
        ("1.jpg", "0", 0, 7, 5),
        ("2.jpg", "0", 0, 3, 2),
        ("11.jpg", "0", 0, 5, 0),
        ("11.jpg", "0", 1, 6, 4),
    ]
    assert "order are not known" in dataset.notes[0]


def test_an_image_that_has_no_map(imitation: Path) -> None:
    write_image(imitation / "Original Image Set" / "12.jpg", 8, 6)
    with pytest.raises(DataError, match=r"origfixdata\.mat: not Toronto's fixations"):
        read_toronto(imitation)


def test_an_image_of_another_size(imitation: Path) -> None:
    write_image(imitation / "Original Image Set" / "2.jpg", 6, 8)
    with pytest.raises(DataError, match=r"map of 2\.jpg is \(6, 8\), the image \(8, 6\)"):
        read_toronto(imitation)


def test_a_truncated_file(imitation: Path) -> None:
    path = imitation / "origfixdata.mat"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DataError, match=r"origfixdata\.mat: a damaged Matlab file"):
        read_toronto(imitation)


def test_another_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no \.jpg images"):
        read_toronto(tmp_path)
