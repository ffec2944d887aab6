from pathlib import Path

import h5py
import numpy as np
import pytest
from scipy.io import savemat

from deepgaze2.data.published.matlab import field, load_matlab, parsing
from deepgaze2.errors import DataError


def test_structs_cells_and_empty_records(tmp_path: Path) -> None:
    path = tmp_path / "données.mat"
    cell = np.empty((2, 1), dtype=object)
    cell[:, 0] = [{"x": np.array([[1.5, 2.5]])}, {"x": np.zeros((0, 0))}]
    savemat(path, {"gaze": cell, "n": 3}, do_compression=True)
    content = load_matlab(path)
    assert set(content) == {"gaze", "n"}
    assert content["n"] == 3
    np.testing.assert_array_equal(field(content["gaze"][0], "x"), [1.5, 2.5])
    assert field(content["gaze"][1], "x").size == 0


def test_a_name_without_suffix_is_not_completed(tmp_path: Path) -> None:
    savemat(tmp_path / "a.mat", {"n": 3})
    with pytest.raises(DataError, match=r"a: missing"):
        load_matlab(tmp_path / "a")


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("share", [0.0, 0.02, 0.1, 0.5, 0.99])
def test_truncated(tmp_path: Path, share: float, compressed: bool) -> None:
    path = tmp_path / "a.mat"
    values = np.random.default_rng(0).random((100, 2))
    savemat(path, {"s": {"x": values}}, do_compression=compressed)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(DataError, match=r"^[^\n]*a\.mat: a damaged Matlab file[^\n]*$"):
        load_matlab(path)


def test_version_7_3_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.mat"
    with h5py.File(path, "w", userblock_size=512) as file:
        file["x"] = np.eye(2)
    header = b"MATLAB 7.3 MAT-file".ljust(124) + bytes([0, 2]) + b"IM"
    with path.open("r+b") as stream:
        stream.write(header)
    with pytest.raises(DataError, match=r"a\.mat: of Matlab's version 7\.3"):
        load_matlab(path)


def test_what_is_wrong_is_told_with_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.mat"
    savemat(path, {"s": {"x": 1, "y": 2}})
    struct = load_matlab(path)["s"]
    with (
        pytest.raises(DataError, match=r"a\.mat: not gaze \(no field z, only x, y\); fetch"),
        parsing(path, "gaze"),
    ):
        field(struct, "z")
    with (
        pytest.raises(DataError, match=r"a\.mat: not gaze \(expected a struct with the field z"),
        parsing(path, "gaze"),
    ):
        field(np.eye(2), "z")
