from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from scipy.io import savemat

from deepgaze2.data.published.pascal_s import read_pascal_s
from deepgaze2.errors import DataError
from helpers.plain_rows import rows, write_image

NO_FIXATION: list[tuple[float, float, int]] = []


@pytest.fixture
def imitation(tmp_path: Path) -> Path:
    """Two sizes, an image without fixations, subjects whose fixations alternate."""
    for name, width in (("1", 8), ("2", 10), ("10", 9)):
        write_image(tmp_path / "imgs" / "pascal" / f"{name}.jpg", width, 6)
    cells = [NO_FIXATION] * 10
    cells[0] = [(1, 2, 3), (6, 8, 1), (2, 2.5, 3)]  # y, x and subject, as in the file
    cells[9] = [(7.5, 4, 12)]
    write(tmp_path, cells)
    return tmp_path


def write(folder: Path, cells: list[Any]) -> None:
    """As Matlab does: a cell refers to arrays, which are transposed; an empty one is its shape."""
    path = folder / "fixations" / "pascalFix.mat"
    path.parent.mkdir(exist_ok=True)
    with h5py.File(path, "w", userblock_size=512) as file:
        references = np.empty((1, len(cells)), dtype=h5py.ref_dtype)
        for i, content in enumerate(cells):
            if content:
                data = file.create_dataset(f"#refs#/{i}", data=np.array(content, float).T)
            else:
                data = file.create_dataset(f"#refs#/{i}", data=np.array([0, 3], np.uint64))
                data.attrs["MATLAB_empty"] = np.uint8(1)
            references[0, i] = data.ref
        file.create_dataset("fixCell", data=references)
    with path.open("r+b") as stream:
        stream.write(b"MATLAB 7.3 MAT-file")


def test_reads_an_imitation(imitation: Path) -> None:
    dataset = read_pascal_s(imitation)
    assert dataset.stimuli.ids == ("1.jpg", "2.jpg", "10.jpg")
    assert dataset.stimuli.width.tolist() == [8, 10, 9]
    assert rows(dataset) == [
        ("1.jpg", "0", 0, 7, 5),
        ("1.jpg", "2", 0, 1, 0),
        ("1.jpg", "2", 1, 1.5, 1),
        ("10.jpg", "11", 0, 3, 6.5),
    ]
    assert dataset.inside().tolist() == [True, True, True, False]


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_a_truncated_file(imitation: Path, share: float) -> None:
    path = imitation / "fixations" / "pascalFix.mat"
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(DataError, match=r"pascalFix\.mat: a damaged Matlab file"):
        read_pascal_s(imitation)


def test_a_file_of_an_older_version(imitation: Path) -> None:
    savemat(imitation / "fixations" / "pascalFix.mat", {"fixCell": np.eye(3)})
    with pytest.raises(DataError, match=r"pascalFix\.mat: a damaged Matlab file"):
        read_pascal_s(imitation)


def test_another_content(imitation: Path) -> None:
    write(imitation, [[(1, 2)]])
    with pytest.raises(DataError, match=r"pascalFix\.mat: not PASCAL-S' fixations"):
        read_pascal_s(imitation)


def test_a_missing_file(imitation: Path) -> None:
    (imitation / "fixations" / "pascalFix.mat").unlink()
    with pytest.raises(DataError, match=r"pascalFix\.mat: missing"):
        read_pascal_s(imitation)


def test_another_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no \.jpg images"):
        read_pascal_s(tmp_path)
