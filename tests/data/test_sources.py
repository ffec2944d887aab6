"""Data sets opened by name, as training and scoring do."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.io import savemat

from deepgaze2.data.exchange.convert import convert
from deepgaze2.data.published.declared import declared_dataset
from deepgaze2.data.sources import open_dataset
from deepgaze2.errors import DataError
from helpers.plain_rows import cell, rows, write_image
from helpers.small_datasets import moved, patches


@pytest.fixture
def osie(tmp_path: Path) -> Path:
    """Two images and one subject; a fixation lies outside."""
    entries = []
    for name, x in (("1001.jpg", [40.0, 10.0, 85.0]), ("1002.jpg", [41.0])):
        write_image(tmp_path / "stimuli" / name, 80, 60)
        durations = np.full(len(x), 200, np.uint16)
        subject = {"fix_x": [x], "fix_y": [[30.0] * len(x)], "fix_duration": [durations]}
        entries.append({"img": name, "subjects": cell([subject])})
    (tmp_path / "eye").mkdir()
    savemat(tmp_path / "eye" / "fixations.mat", {"fixations": cell(entries)})
    return tmp_path


def test_first_fixations_and_those_outside_are_left_out(osie: Path) -> None:
    assert rows(open_dataset(f"osie:{osie}")) == [("1001.jpg", "0", 1, 10, 30)]


def test_raw_keeps_all(osie: Path) -> None:
    kept = rows(open_dataset(f"osie:{osie}", raw=True))
    assert [x for *_, x, _ in kept] == [40, 10, 85, 41]


def test_the_folder_of_the_archive_or_the_one_above(osie: Path, tmp_path: Path) -> None:
    fetched = tmp_path / "fetched"
    inner = fetched / declared_dataset("osie").root
    given = rows(open_dataset(f"osie:{osie}"))
    inner.mkdir(parents=True)
    for part in ("stimuli", "eye"):
        (osie / part).rename(inner / part)
    assert rows(open_dataset(f"osie:{fetched}")) == given


def test_home_is_understood(osie: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(osie.parent))
    monkeypatch.setenv("USERPROFILE", str(osie.parent))
    assert len(open_dataset(f"osie:~/{osie.name}").stimuli) == 2


def test_nothing_is_dropped_where_there_is_no_first_fixation(tmp_path: Path) -> None:
    for number in (1, 2):
        write_image(tmp_path / "Original Image Set" / f"{number}.jpg", 8, 6)
    savemat(tmp_path / "origfixdata.mat", {"white": cell([np.eye(6, 8), np.zeros((6, 8))])})
    assert len(open_dataset(f"toronto:{tmp_path}").fixations) == 6


@pytest.mark.parametrize("crowd", ["amt", "lab"])
def test_samples_of_a_mouse_become_pseudo_fixations(tmp_path: Path, crowd: str) -> None:
    write_image(tmp_path / "stimuli" / "1001.jpg", 80, 60)
    (tmp_path / f"mouse_{crowd}").mkdir()
    # rows and columns from one: a dwell at the center, a passage, a dwell, one beyond the image
    places = [[31, 41], [31, 42], [11, 61], [21, 11], [22, 11], [50, 90], [50, 91]]
    samples = {"subj": np.ones((7, 1), np.uint16), "coord": np.array(places, np.uint16)}
    savemat(tmp_path / f"mouse_{crowd}" / "1001.mat", {"fixations": samples})
    source = f"osie-mouse-{crowd}:{tmp_path}"
    ready = open_dataset(source)
    assert rows(ready) == [("1001.jpg", "1", 1, 10, 20.5)]
    assert ready.notes[0].startswith("pseudo-fixations from 5 samples")
    assert [x for *_, x, _ in rows(open_dataset(source, raw=True))] == [40, 41, 60, 10, 10, 89, 90]


@pytest.fixture
def own(tmp_path: Path) -> SimpleNamespace:
    """A data set that begins at the center, as a folder and as a file of pysaliency's."""
    (tmp_path / "images").mkdir()
    dataset = patches(tmp_path / "images")
    convert(dataset, tmp_path / "folder")
    convert(dataset, tmp_path / "file.hdf5")
    return SimpleNamespace(dataset=dataset, folder=tmp_path / "folder", file=tmp_path / "file.hdf5")


@pytest.mark.parametrize("source", ["csv:{folder}", "{folder}", "pysaliency:{file}"])
def test_own_recordings(own: SimpleNamespace, source: str) -> None:
    source = source.format(folder=own.folder, file=own.file)
    raw, ready = open_dataset(source, raw=True), open_dataset(source)
    np.testing.assert_array_equal(raw.fixations.x, own.dataset.fixations.x)
    np.testing.assert_array_equal(ready.fixations.x, own.dataset.without_first().fixations.x)


def test_another_edition_of_salicon_is_noted(tmp_path: Path) -> None:
    (tmp_path / "fixations" / "train").mkdir(parents=True)
    gaze = {"location": np.zeros((0, 2)), "timestamp": [], "fixations": np.full((460, 2), 9)}
    for number in range(100):
        path = tmp_path / "fixations" / "train" / f"COCO_train2014_{number:012d}.mat"
        savemat(path, {"resolution": [480, 640], "gaze": gaze})
    assert not any("nearer" in note for note in open_dataset(f"salicon2017:{tmp_path}").notes)
    note = open_dataset(f"salicon2015:{tmp_path}").notes[-1]
    assert note.startswith("460 fixations per image, which is nearer to salicon2017 than to")


def test_how_to_read_a_table_is_stated_for_own_recordings_alone(own: SimpleNamespace) -> None:
    """Stated or guessed, what is read is made ready in the same way."""
    table = own.folder / "fixations.csv"
    table.write_text(table.read_text().replace("x_px", "hpos").replace("y_px", "vpos"))
    stated = {"columns": {"x": "hpos", "y": "vpos"}, "coordinates": "pixels", "base": 0}
    for source in (f"csv:{own.folder}", str(own.folder)):
        ready = open_dataset(source, table=stated)
        np.testing.assert_array_equal(ready.fixations.x, own.dataset.without_first().fixations.x)
    for source in (f"pysaliency:{own.file}", "osie:here"):
        with pytest.raises(DataError, match=f"go with csv:FOLDER only, not with {source}"):
            open_dataset(source, table=stated)


def test_first_fixations_left_out_are_mentioned(own: SimpleNamespace) -> None:
    assert any(
        "first fixations are left out: scanpaths" in note
        for note in open_dataset(str(own.folder)).notes
    )


def test_a_folder_is_called_the_same_from_within(
    own: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(own.folder)
    assert open_dataset("csv:.").name == open_dataset(str(own.folder)).name == "folder"


def test_own_recordings_that_do_not_begin_at_the_center(own: SimpleNamespace) -> None:
    f = own.dataset.fixations
    corner = np.where(f.order == 0, 1, f.x), np.where(f.order == 0, 1, f.y)
    convert(moved(own.dataset, *corner), own.folder.with_name("corner"))
    ready = open_dataset(str(own.folder.with_name("corner")))
    assert len(ready.fixations) == len(f)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("ossie:folder", "'ossie' is not known; did you mean osie"),
        ("pysalency:a.hdf5", "did you mean pysaliency"),
        ("osie", "say where it is, osie:FOLDER"),
        ("csv:", "say where it is, csv:FOLDER"),
        ("nowhere", "'nowhere': no such folder"),
        ("osie:nowhere", r"no \.jpg images"),
        ("", "no such folder"),
    ],
)
def test_what_is_not_understood(
    source: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=message):
        open_dataset(source)


def test_the_real_osie(shared_data: Path) -> None:
    raw = open_dataset(f"osie:{shared_data / 'osie'}", raw=True)
    assert (len(raw.stimuli), len(raw.fixations)) == (600, 84232)
    ready = open_dataset(f"osie:{shared_data / 'osie'}")
    assert len(ready.fixations) == np.count_nonzero(raw.fixations.order > 0)
