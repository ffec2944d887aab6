from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.io import loadmat, savemat

from deepgaze2.data.published.osie_mouse import read_osie_mouse
from deepgaze2.errors import DataError


def write_samples(path: Path, *rows: tuple[int, int, int, int]) -> None:
    """Write rows of subject, image row, image column and order, the latter three from one."""
    path.parent.mkdir(exist_ok=True)
    table = np.array(rows, dtype=np.uint16).reshape(-1, 4)
    samples = {"subj": table[:, :1], "coord": table[:, 1:3], "order": table[:, 3:].astype(np.uint8)}
    savemat(path, {"fixations": samples})


@pytest.fixture
def imitation(tmp_path: Path) -> Path:
    """Two images; subject 321 explores the first one twice, only 9 the second one."""
    (tmp_path / "stimuli").mkdir()
    for name in ("1001", "1002"):
        Image.new("RGB", (80, 60)).save(tmp_path / "stimuli" / f"{name}.jpg")
    write_samples(
        tmp_path / "mouse_amt" / "1001.mat",
        *((321, 1, 80, 1), (321, 60, 1, 2), (9, 30, 40, 1), (321, 5, 6, 1)),
    )
    write_samples(tmp_path / "mouse_amt" / "1002.mat", (9, 10, 20, 1))
    write_samples(tmp_path / "mouse_amt" / "1003.mat", (9, 1, 1, 1))
    return tmp_path


def test_rows_come_before_columns_and_both_count_from_one(imitation: Path) -> None:
    dataset = read_osie_mouse(imitation)
    fixations = dataset.fixations
    assert dataset.subject_names == ("9", "321")
    np.testing.assert_array_equal(fixations.stimulus, [0, 0, 0, 0, 1])
    np.testing.assert_array_equal(fixations.subject, [0, 1, 1, 1, 0])
    np.testing.assert_array_equal(fixations.order, [0, 0, 1, 2, 0])
    np.testing.assert_array_equal(fixations.x, [39, 79, 0, 5, 19])
    np.testing.assert_array_equal(fixations.y, [29, 0, 59, 4, 9])
    assert np.isnan(fixations.start_s).all()
    assert np.isnan(fixations.duration_s).all()


def test_an_image_that_nobody_explored(imitation: Path) -> None:
    write_samples(imitation / "mouse_amt" / "1002.mat")
    np.testing.assert_array_equal(read_osie_mouse(imitation).offsets, [0, 4, 4])


def test_the_laboratory_is_a_folder_of_its_own(imitation: Path) -> None:
    with pytest.raises(DataError, match=r"mouse_lab.1001\.mat: missing"):
        read_osie_mouse(imitation, "lab")


def test_an_unknown_crowd(imitation: Path) -> None:
    with pytest.raises(ValueError, match="'mturk'"):
        read_osie_mouse(imitation, "mturk")  # type: ignore[arg-type]


def test_another_matlab_file(imitation: Path) -> None:
    savemat(imitation / "mouse_amt" / "1002.mat", {"fixations": {"subj": [1, 2], "coord": 3}})
    with pytest.raises(DataError, match=r"1002\.mat: not OSIE's mouse samples"):
        read_osie_mouse(imitation)


def test_agrees_with_a_direct_reading(shared_data: Path) -> None:
    folder = shared_data / "osie"
    dataset = read_osie_mouse(folder, "lab")
    assert len(dataset.stimuli) == 600
    assert len(dataset.fixations) == 843039
    assert len(dataset.subject_names) == 16
    assert dataset.inside().all()
    own = dataset.fixations_on(0)
    direct = loadmat(folder / "mouse_lab" / "1001.mat")["fixations"][0, 0]
    row, column = direct["coord"].T.astype(int) - 1
    np.testing.assert_array_equal(own.x, column)
    np.testing.assert_array_equal(own.y, row)
    np.testing.assert_array_equal(own.order, direct["order"][:, 0] - 1)
    np.testing.assert_array_equal(own.subject, direct["subj"][:, 0] - 1)
