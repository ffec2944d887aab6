from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from deepgaze2.data.published.koehler import read_koehler
from deepgaze2.errors import DataError
from helpers.plain_rows import rows, write_image

NAN = np.nan


@pytest.fixture
def imitation(tmp_path: Path) -> Path:
    """Two subjects, ten images of which three are there, at most two fixations."""
    for number in (1, 2, 10):
        write_image(tmp_path / "Images" / f"image_r_{number}.jpg", 8, 6)
    x, y = np.full((2, 2, 10, 2), NAN)
    x[0, 0], y[0, 0] = (1, 8.5), (1, 6.5)
    x[0, 1], y[0, 1] = (4, NAN), (5, NAN)
    x[1, 9], y[1, 9] = (3, 2), (2, 99)
    x[1, 5], y[1, 5] = 5, 5
    others = {f"{task}_{axis}": x + 3 for task in ("objsearch", "salview") for axis in "xy"}
    savemat(tmp_path / "ObserverData.mat", {"freeview_x": x, "freeview_y": y} | others)
    return tmp_path


def test_reads_an_imitation(imitation: Path) -> None:
    dataset = read_koehler(imitation)
    assert dataset.stimuli.ids == ("image_r_1.jpg", "image_r_2.jpg", "image_r_10.jpg")
    assert rows(dataset) == [
        ("image_r_1.jpg", "0", 0, 0, 0),
        ("image_r_1.jpg", "0", 1, 7.5, 5.5),
        ("image_r_2.jpg", "0", 0, 3, 4),
        ("image_r_10.jpg", "1", 0, 2, 1),
        ("image_r_10.jpg", "1", 1, 1, 98),
    ]


@pytest.mark.parametrize("task", ["objsearch", "salview"])
def test_other_tasks(imitation: Path, task: str) -> None:
    dataset = read_koehler(imitation, task)  # type: ignore[arg-type]
    assert rows(dataset)[0] == ("image_r_1.jpg", "0", 0, 3, 3)


def test_no_such_task(imitation: Path) -> None:
    with pytest.raises(ValueError, match="freeview, objsearch, salview"):
        read_koehler(imitation, "reading")  # type: ignore[arg-type]


def test_another_matlab_file(imitation: Path) -> None:
    savemat(imitation / "ObserverData.mat", {"freeview_x": np.eye(3), "freeview_y": np.eye(3)})
    with pytest.raises(DataError, match=r"ObserverData\.mat: not fixations.*subjects by images"):
        read_koehler(imitation)


def test_an_image_beyond_the_data(imitation: Path) -> None:
    write_image(imitation / "Images" / "image_r_11.jpg", 8, 6)
    with pytest.raises(DataError, match=r"ObserverData\.mat: not fixations"):
        read_koehler(imitation)


def test_another_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no \.jpg images"):
        read_koehler(tmp_path)
