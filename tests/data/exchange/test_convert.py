"""Data sets written as folders and files, and read back the same."""

from dataclasses import replace
from pathlib import Path, PurePosixPath

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from PIL import Image

from deepgaze2.data.dataset import Dataset
from deepgaze2.data.exchange.convert import convert
from deepgaze2.data.exchange.pysaliency_hdf5 import read_pysaliency
from deepgaze2.data.own.tabular import read_tabular
from deepgaze2.data.published.nus_vip import read_osie
from deepgaze2.errors import DataError, OutputError
from helpers.small_datasets import fixations_at, patches, stimuli_of

COLUMNS = ("stimulus", "subject", "order", "x", "y", "start_s", "duration_s")


def assert_same_numbers(read: Dataset, written: Dataset) -> None:
    for name in COLUMNS:
        assert_array_equal(getattr(read.fixations, name), getattr(written.fixations, name), name)
    for name in ("width", "height", "pixels_per_degree"):
        assert_array_equal(getattr(read.stimuli, name), getattr(written.stimuli, name), name)
    assert read.stimuli.ids == written.stimuli.ids


ROWS = st.lists(
    st.tuples(
        *[st.integers(0, 3)] * 3,
        *[st.floats(allow_infinity=False) | st.floats(0, 100)] * 2,
        *[st.floats(allow_infinity=False, width=32)] * 2,
    ),
    min_size=1,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(ROWS, st.permutations(["a,b.png", 'ü"1.png', "sub/1.png", "sub/deep/1.png"]))
def test_any_table_survives_in_a_folder(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[float, ...]], ids: list[str]
) -> None:
    target = tmp_path_factory.mktemp("folder")
    stimulus, subject, order, x, y, start_s, duration_s = np.array(rows).T
    _, subject = np.unique(subject, return_inverse=True)
    names = tuple(f"{name}" for name in ("1", "02", "böb; the 3rd", "x")[: subject.max() + 1])
    fixations = fixations_at(
        stimulus, x, y, subject=subject, order=order, start_s=start_s, duration_s=duration_s
    )
    ppd = np.array([24, np.nan, 1 / 3, 30])
    stimuli = replace(stimuli_of(4), ids=tuple(ids), paths=(None,) * 4, pixels_per_degree=ppd)
    dataset = Dataset("toy", stimuli, fixations, names)
    notes = convert(dataset, target)
    assert notes == [f"4 images are not at hand: put them into {target / 'images'}."]
    read = read_tabular(target)
    assert_same_numbers(read, dataset)
    assert read.subject_names == names
    assert all("lie outside" in note or "have no fixation" in note for note in read.notes)


def test_images_are_copied(tmp_path: Path) -> None:
    (tmp_path / "from").mkdir()
    dataset = patches(tmp_path / "from", 4)
    ids = ("b/0.png", "1", "2.png", "3.png")
    dataset = replace(dataset, stimuli=replace(dataset.stimuli, ids=ids))
    assert convert(dataset, tmp_path / "to") == []
    for name in ("b/0.png", "1.png", "2.png", "3.png"):
        source = tmp_path / "from" / PurePosixPath(name).name
        assert (tmp_path / "to" / "images" / name).read_bytes() == source.read_bytes()
    read = read_tabular(tmp_path / "to")
    assert_same_numbers(read, dataset)
    assert all(path is not None and path.is_file() for path in read.stimuli.paths)
    assert read.notes == ()


def test_there_and_back_through_pysaliency(tmp_path: Path) -> None:
    (tmp_path / "from").mkdir()
    dataset = patches(tmp_path / "from", 4).without_first()
    convert(dataset, tmp_path / "a.hdf5")
    convert(read_pysaliency(tmp_path / "a.hdf5"), tmp_path / "folder")
    convert(read_tabular(tmp_path / "folder"), tmp_path / "b.HDF5")
    assert_same_numbers(read_pysaliency(tmp_path / "b.HDF5"), dataset)


def test_osie_survives(tmp_path: Path, shared_data: Path) -> None:
    dataset = read_osie(shared_data / "osie").select(np.arange(40))
    convert(dataset, tmp_path / "osie")
    assert_same_numbers(read_tabular(tmp_path / "osie"), dataset)


def test_nothing_is_left_of_what_fails(tmp_path: Path) -> None:
    (tmp_path / "from").mkdir()
    dataset = patches(tmp_path / "from", 4)
    (tmp_path / "from" / "3.png").unlink()
    with pytest.raises(OutputError):
        convert(dataset, tmp_path / "to")
    with pytest.raises(OutputError):
        convert(dataset, tmp_path / "to.hdf5")
    assert {path.name for path in tmp_path.iterdir()} == {"from"}
    Image.new("L", (9, 9)).save(tmp_path / "from" / "3.png")
    for name in ("../3.png", "/3.png", "C:\\3.png", ""):
        evil = replace(dataset.stimuli, ids=("0.png", "1.png", "2.png", name))
        with pytest.raises(DataError, match="cannot be a file"):
            convert(replace(dataset, stimuli=evil), tmp_path / "to")
    assert {path.name for path in tmp_path.iterdir()} == {"from"}


def test_a_folder_with_something_in_it_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "from").mkdir()
    dataset = patches(tmp_path / "from", 2)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(OutputError):
        convert(dataset, tmp_path / "from")
    assert sorted(tmp_path.rglob("*")) == before


def test_paths_in_hdf5_are_relative_to_the_file(tmp_path: Path) -> None:
    (tmp_path / "from").mkdir()
    convert(patches(tmp_path / "from", 2), tmp_path / "to" / "a.h5")
    with h5py.File(tmp_path / "to" / "a.h5") as file:
        names = [name.decode() for name in file["stimuli/filenames"][...]]
    assert names == ["../from/0.png", "../from/1.png"]
