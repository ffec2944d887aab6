"""pysaliency's files: what we write it reads, what it writes we read, fixation by fixation.

Tests with pysaliency itself need an environment of its own (Python with pysaliency, numpy<2 for
release 0.2.22, h5py), named by DEEPGAZE2_PYSALIENCY_PYTHON.
"""

import json
import os
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from PIL import Image

from deepgaze2.data.dataset import Dataset
from deepgaze2.data.exchange.pysaliency_hdf5 import read_pysaliency
from deepgaze2.data.exchange.pysaliency_writer import write_pysaliency
from deepgaze2.data.published.nus_vip import read_osie
from deepgaze2.errors import DataError
from helpers.small_datasets import fixations_at, stimuli_of

PEER = Path(__file__).parents[2] / "helpers" / "pysaliency_peer.py"
COLUMNS = ("stimulus", "subject", "order", "x", "y", "start_s", "duration_s")


def peer(*arguments: str | Path) -> None:
    python = os.environ.get("DEEPGAZE2_PYSALIENCY_PYTHON")
    if not python:
        pytest.skip("no pysaliency; set DEEPGAZE2_PYSALIENCY_PYTHON to a Python that has it")
    command = [python, "-W", "ignore", str(PEER), *map(str, arguments)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr


def toy(folder: Path) -> Dataset:
    """Images of two sizes and kinds; scanpaths with a gap, a late begin and a repetition."""
    stimuli = replace(
        stimuli_of(3, 80, 60),
        ids=("a/1.png", "b/1.png", "b/ü.png"),
        paths=tuple(folder / name for name in ("a/1.png", "b/1.png", "b/ü.png")),
        width=np.array([80, 40, 80]),
        pixels_per_degree=np.array([24, 24, np.nan]),
    )
    for path, mode, width in zip(stimuli.paths, ("RGB", "L", "P"), stimuli.width, strict=True):
        assert path is not None
        path.parent.mkdir(exist_ok=True)
        Image.new(mode, (int(width), 60)).save(path)
    fixations = fixations_at(
        [0, 0, 0, 0, 2, 2, 2, 2, 2],
        np.arange(9) * 8.125,
        np.arange(9) * 6.0625,
        subject=[0, 0, 0, 2, 1, 1, 2, 2, 2],
        order=[0, 1, 2, 1, 0, 2, 0, 0, 1],
        start_s=[0, 0.25, np.nan, 0, 0.1, 0.5, 0.3, 0.2, 0.7],
        duration_s=[0.2, 0.25, np.nan, 0.3, 0.1, 0.5, 0.3, 0.2, 0.7],
    )
    return Dataset("toy", stimuli, fixations, ("ann", "böb", "cy"))


def assert_same(read: Dataset, written: Dataset) -> None:
    for name in COLUMNS:
        assert_array_equal(getattr(read.fixations, name), getattr(written.fixations, name), name)
    for name in ("ids", "width", "height", "pixels_per_degree"):
        assert_array_equal(getattr(read.stimuli, name), getattr(written.stimuli, name), name)
    assert read.subject_names == written.subject_names


def test_reads_what_it_wrote(tmp_path: Path) -> None:
    dataset = toy(tmp_path)
    assert write_pysaliency(dataset, tmp_path / "toy.hdf5") == []
    read = read_pysaliency(tmp_path / "toy.hdf5")
    assert_same(read, dataset)
    assert [p and p.resolve() for p in read.stimuli.paths] == [
        p and p.resolve() for p in dataset.stimuli.paths
    ]
    with h5py.File(tmp_path / "toy.hdf5") as file:  # the second view of an image is a scanpath
        assert_array_equal(file["fixations/train_ns"], [0, 0, 2, 2, 2])
        assert_array_equal(file["fixations/train_subjects"], [0, 2, 1, 2, 2])
    assert read.name == "toy"
    assert read.notes == ()


ROWS = st.lists(
    st.tuples(
        *[st.integers(0, 3)] * 3,
        *[st.floats(allow_nan=False, allow_infinity=False)] * 2,
        *[st.floats(0, 100, width=32) | st.just(np.nan)] * 2,
    )
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(ROWS)
def test_any_table_survives(tmp_path: Path, rows: list[tuple[float, ...]]) -> None:
    stimulus, subject, order, x, y, start_s, duration_s = np.array(rows).reshape(-1, 7).T
    fixations = fixations_at(
        stimulus, x, y, subject=subject, order=order, start_s=start_s, duration_s=duration_s
    )
    dataset = Dataset("toy", replace(stimuli_of(4), paths=(None,) * 4), fixations)
    assert write_pysaliency(dataset, tmp_path / "a.hdf5") == [
        "4 images are not at hand: put them beside a.hdf5."
    ]
    read = read_pysaliency(tmp_path / "a.hdf5")
    assert_same(read, dataset)
    assert read.stimuli.paths == (None,) * 4


def test_fixations_without_a_position_are_left_out_and_counted(tmp_path: Path) -> None:
    dataset = toy(tmp_path)
    x = dataset.fixations.x.copy()
    x[[1, 5]] = np.nan
    holey = replace(dataset, fixations=replace(dataset.fixations, x=x))
    notes = write_pysaliency(holey, tmp_path / "toy.hdf5")
    assert notes == ["2 fixations without a position were left out."]
    assert_same(read_pysaliency(tmp_path / "toy.hdf5"), holey.keep(np.isfinite(x)))


def test_pysaliency_reads_what_we_wrote(tmp_path: Path) -> None:
    dataset = toy(tmp_path)
    write_pysaliency(dataset, tmp_path / "toy.hdf5")
    peer("dump", tmp_path / "toy.hdf5", tmp_path / "toy.npz")
    assert_dumped(dict(np.load(tmp_path / "toy.npz")), dataset)


def assert_dumped(theirs: dict[str, Any], dataset: Dataset) -> None:
    ours = dataset.fixations
    for name, column in (
        ("n", "stimulus"),
        ("subject", "subject"),
        ("x", "x"),
        ("y", "y"),
        ("t", "start_s"),
        ("duration", "duration_s"),
    ):
        assert_array_equal(theirs[name], getattr(ours, column))
    stimuli = dataset.stimuli
    assert_array_equal(theirs["sizes"], np.stack([stimuli.height, stimuli.width], axis=1))
    assert_array_equal(theirs["decoded_shapes"], theirs["sizes"])
    assert theirs["filenames"].tolist() == [str(p and p.resolve()) for p in stimuli.paths]
    assert_array_equal(theirs["pixels_per_degree"], stimuli.pixels_per_degree)


def test_pysaliency_reads_all_of_osie(tmp_path: Path, shared_data: Path) -> None:
    dataset = read_osie(shared_data / "osie")
    write_pysaliency(dataset, tmp_path / "osie.hdf5")
    peer("dump", tmp_path / "osie.hdf5", tmp_path / "osie.npz")
    theirs = dict(np.load(tmp_path / "osie.npz"))
    assert_array_equal(theirs["t"], theirs["history"])
    assert_array_equal(theirs["history"], dataset.fixations.order)
    assert_dumped(theirs | {"t": np.full(len(dataset.fixations), np.nan)}, dataset)


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pysaliency")
    peer("write", folder)
    return folder


@pytest.mark.parametrize("kind", ["trains", "single", "counted", "without", "scanpaths"])
def test_reads_what_pysaliency_wrote(
    theirs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setenv("DEEPGAZE2_CACHE", str(tmp_path))
    if not (theirs / f"{kind}.npz").exists():
        pytest.skip("this pysaliency is older than ScanpathFixations")
    plain = np.load(theirs / f"{kind}.npz")
    read = read_pysaliency(theirs / f"fixations_{kind}.hdf5")
    n = len(plain["x"])
    expected = fixations_at(
        plain["n"],
        plain["x"],
        plain["y"],
        subject=plain["subject"],
        order=[1, 0, 0, 0] if kind == "without" else plain["history"],
        start_s=np.full(n, np.nan) if kind == "counted" else plain["t"],
        duration_s=plain["duration"],
    )
    assert n == {"trains": 11, "single": 6, "counted": 8, "without": 4, "scanpaths": 11}[kind]
    assert_same(read, Dataset("", read.stimuli, expected))
    assert_array_equal(read.stimuli.width, [80, 70])
    assert_array_equal(read.stimuli.height, [60, 50])
    names = ("a/1.png", "b/1.png")
    assert read.stimuli.ids == (("0.png", "1.png") if kind == "single" else names)
    for i, name in enumerate(names):
        with Image.open(read.stimuli.path(i)) as ours, Image.open(theirs / name) as image:
            assert_array_equal(np.asarray(ours), np.asarray(image))
    if kind == "single":
        assert_array_equal(read.stimuli.pixels_per_degree, [30, 20])
    assert ("Attributes that are left out: task." in read.notes) == (
        kind in ("trains", "scanpaths", "single")
    )


NAN = np.nan
XS = np.array([[1.0, 2, NAN], [3, NAN, NAN], [4, 5, 6]])
SCANPATHS = {"stimulus": [0, 0, 1, 0, 0, 0], "subject": [0, 0, 1, 2, 2, 2]}
EXPECTED = fixations_at(
    x=[1, 2, 3, 4, 5, 6],
    y=[11, 12, 13, 14, 15, 16],
    order=[0, 1, 0, 0, 1, 2],
    start_s=[1.5, 2.5, 3.5, 4.5, 5.5, 6.5],
    **SCANPATHS,
)


def save(group: Any, kind: str, version: str, **content: Any) -> None:
    """Write datasets, and those whose name begins with an underscore as attributes."""
    group.attrs["type"] = np.bytes_(kind)
    group.attrs["version"] = np.bytes_(version)
    group.attrs["__attributes__"] = "[]"
    for name, value in content.items():
        if name.startswith("_"):
            group.attrs[name[1:]] = json.dumps(value)
        elif isinstance(value, dict):
            for key, column in value.items():
                group.create_dataset(f"{name}/{key}", data=column)
        else:
            group[name] = value


def save_stimuli(group: Any, folder: Path, version: str = "2.1", separator: str = "/") -> None:
    names = ["images/1.png", "images/2.png"]
    (folder / "images").mkdir(exist_ok=True)
    for name in names:
        Image.new("L", (80, 60)).save(folder / name)
    if version == "1.0":
        names = [str(folder / name) for name in names]
    group.create_dataset("filenames", data=[name.replace("/", separator) for name in names])
    shapes = group.create_dataset("shapes", (2,), dtype=h5py.vlen_dtype(np.int64))
    shapes[0], shapes[1] = [60, 80], [60, 80, 3]
    save(group, "FileStimuli", version)
    group.attrs["size"] = 2


def save_trains(group: Any, version: str, **more: Any) -> None:
    columns: dict[str, Any] = {"train_xs": XS, "train_ys": XS + 10, "train_ts": XS + 0.5}
    columns |= {"train_ns": [0, 1, 0], "train_subjects": [0, 1, 2]}
    save(group, "FixationTrains", version, **columns, **more)


def save_scanpaths(group: Any, lengths: str) -> None:
    save(group, "ScanpathFixations", "1.0")
    columns = {"xs": XS, "ys": XS + 10, "n": [0, 1, 0], lengths: [2, 1, 3]}
    attributes = {"fixation_attributes": {"ts": XS + 0.5}}
    attributes["scanpath_attributes"] = {"subject": np.array([0, 1, 2])}
    save(group.create_group("scanpaths"), "Scanpaths", "1.0", **columns, **attributes)


def save_separate(group: Any, version: str) -> None:
    history = np.array([[NAN, NAN], [1, NAN], [NAN, NAN], [NAN, NAN], [4, NAN], [4, 5]])
    if version != "1.0":
        group["lengths"] = [0, 1, 0, 0, 1, 2]
        history[:] = NAN
    subject = "subject" if version == "1.2" else "subjects"
    columns = {"x": EXPECTED.x, "y": EXPECTED.y, "t": EXPECTED.start_s, "n": EXPECTED.stimulus}
    columns |= {subject: EXPECTED.subject, "x_hist": history}
    save(group, "Fixations", version, **columns)


@pytest.mark.parametrize(
    ("save_fixations", "option"),
    [
        (save_trains, "1.0"),
        (save_trains, "1.2"),
        (save_separate, "1.0"),
        (save_separate, "1.1"),
        (save_separate, "1.2"),
        (save_scanpaths, "length"),
        (save_scanpaths, "lengths"),
    ],
)
@pytest.mark.parametrize("stimuli_version", ["1.0", "2.0", "2.1"])
def test_reads_imitations_of_all_versions(
    tmp_path: Path, save_fixations: Any, option: str, stimuli_version: str
) -> None:
    with h5py.File(tmp_path / "stimuli.hdf5", "w") as file:
        save_stimuli(file, tmp_path, stimuli_version)
    with h5py.File(tmp_path / "fixations.hdf5", "w") as file:
        save_fixations(file, option)
    for source in (tmp_path, tmp_path / "fixations.hdf5"):
        read = read_pysaliency(source)
        assert_same(read, Dataset("", read.stimuli, EXPECTED))
        assert read.stimuli.ids == ("1.png", "2.png")
        assert_array_equal(read.stimuli.height, [60, 60])
        assert read.stimuli.path(1).is_file()
        assert read.notes == ()


def test_attributes_and_lengths_of_scanpaths(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        save_stimuli(file.create_group("s"), tmp_path, separator="\\")
        more = {"durations": XS / 10, "pupil": XS}
        save_trains(
            file.create_group("f"),
            "1.3",
            train_lengths=[3, 1, 3],
            scanpath_fixation_attributes=more,
            scanpath_attributes={"task": [1, 2, 3]},
        )
    read = read_pysaliency(tmp_path / "a.h5")
    assert len(read.fixations) == 7
    assert np.isnan(read.fixations.x[2])
    assert_array_equal(read.fixations.duration_s, (read.fixations.x / 10).astype(np.float32))
    assert read.notes == ("Attributes that are left out: pupil, task.",)
    assert read.stimuli.path(0).is_file()


def test_stimuli_alone_and_a_newer_version(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        save_stimuli(file, tmp_path, "2.10")
    read = read_pysaliency(tmp_path / "a.h5")
    assert len(read.fixations) == 0
    assert read.notes == ("FileStimuli 2.10 is newer than what is known (2.1): check the counts.",)


def test_files_that_are_not_pysaliencys(tmp_path: Path) -> None:
    def refused(name: str, match: str) -> None:
        with pytest.raises(DataError, match=match) as caught:
            read_pysaliency(tmp_path / name)
        assert "\n" not in str(caught.value)

    refused("none.hdf5", r"none\.hdf5: does not exist")
    refused("old.pydat", "is a pickle")
    refused("", r"no stimuli\.hdf5")
    (tmp_path / "a.h5").write_bytes(b"no HDF5")
    refused("a.h5", "not a readable file")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["fixCell"] = [1]
    refused("a.h5", "neither stimuli nor fixations")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        save_trains(file, "1.0")
    refused("a.h5", "0 sets of stimuli and 1 of fixations")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        save_stimuli(file.create_group("s"), tmp_path)
        save_trains(file.create_group("f"), "1.0")
        del file["f/train_ys"]
    refused("a.h5", "not a readable file .*train_ys")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        save_stimuli(file.create_group("s"), tmp_path)
        save_trains(file.create_group("f"), "1.0")
        file["f/train_ns"][1] = 2
    refused("a.h5", "stimulus column holds 0 to 2")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        save(file, "Stimuli", "1.0", **{"0": np.zeros((4, 4))}, _size=1)
        file.attrs["size"] = 1
    refused("a.h5", "image 0 is float64")


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_truncated_files(tmp_path: Path, share: float) -> None:
    write_pysaliency(toy(tmp_path), tmp_path / "a.hdf5")
    content = (tmp_path / "a.hdf5").read_bytes()
    (tmp_path / "a.hdf5").write_bytes(content[: int(share * len(content))])
    with pytest.raises(DataError, match=r"a\.hdf5: not a readable file"):
        read_pysaliency(tmp_path / "a.hdf5")
