"""Exports as eye trackers' programs write them, made from known fixations and read back."""

import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from deepgaze2.data.dataset import Dataset
from deepgaze2.data.exchange.convert import convert
from deepgaze2.data.exchange.pysaliency_hdf5 import read_pysaliency
from deepgaze2.data.own.choosing import ROLES
from deepgaze2.data.own.columns import UNITS_S
from deepgaze2.data.own.tabular import read_tabular
from deepgaze2.data.own.trackers import tracker_of
from deepgaze2.errors import DataError
from deepgaze2.support.files import ASSETS
from helpers.tracker_exports import (
    WIDTH,
    Fixation,
    begaze_events,
    eyelink_report,
    eyelink_samples,
    gazepoint_samples,
    idf_events,
    known_fixations,
    neon_mapped,
    realeye,
    tobii_samples,
)


def written(folder: Path, lines: list[str], name: str = "fixations.csv") -> Path:
    (folder / name).write_text("\n".join(lines) + "\n", "utf-8")
    return folder


def assert_read(dataset: Dataset, expected: list[Fixation]) -> None:
    """Compare with fixations in order of image, subject, trial and number."""
    expected = sorted(expected, key=lambda f: (f.image, f.subject, f.trial, f.number))
    read = dataset.fixations
    person = np.unique([f.subject for f in expected], return_inverse=True)[1]
    assert_array_equal([dataset.stimuli.ids[i] for i in read.stimulus], [f.image for f in expected])
    assert_array_equal(dataset.person, person)
    assert_array_equal(read.order, [f.number - 1 for f in expected])
    assert_allclose(read.x, [f.x for f in expected], rtol=0, atol=1e-9)
    assert_allclose(read.y, [f.y for f in expected], rtol=0, atol=1e-9)
    assert_allclose(read.duration_s, [f.duration_ms / 1000 for f in expected], rtol=1e-6)
    if np.isfinite(read.start_s).any():  # else they are a clock's
        assert_allclose(read.start_s, [f.start_ms / 1000 for f in expected], rtol=1e-6)


WRITERS = [
    tobii_samples,
    eyelink_report,
    eyelink_samples,
    begaze_events,
    idf_events,
    neon_mapped,
    realeye,
]


@pytest.mark.parametrize("write", [*WRITERS, gazepoint_samples])
def test_known_fixations_come_back(
    folder: Path, write: Callable[[list[Fixation]], Iterator[str]]
) -> None:
    expected = known_fixations()
    assert_read(read_tabular(written(folder, list(write(expected)))), expected)


@pytest.mark.parametrize("write", WRITERS)
def test_viewings_come_back_each_with_its_first_fixation(
    folder: Path, write: Callable[[list[Fixation]], Iterator[str]]
) -> None:
    expected = known_fixations(n_viewings=3)
    dataset = read_tabular(written(folder, list(write(expected))))
    assert_read(dataset, expected)
    assert np.count_nonzero(dataset.fixations.order == 0) == 12
    assert dataset.subject_names[:2] == ("P1", "P1 / viewing 2")


def test_what_is_left_out_is_counted(folder: Path) -> None:
    notes = read_tabular(written(folder, list(begaze_events(known_fixations())))).notes
    said = " ".join(notes)
    assert (
        "32 of 64 rows are left out: they are no fixations by their 'Category': 16 'Saccade',"
        " 16 'Blink'"
    ) in said
    assert "16 'left', 16 'right'" in said
    assert "Those of the eye with more rows of each subject are taken, 16 left out" in said
    notes = read_tabular(written(folder, list(tobii_samples(known_fixations())))).notes
    assert any("4 of 20 rows are left out: they name no image" in note for note in notes)


def test_the_eye_can_be_stated(folder: Path) -> None:
    expected = known_fixations()
    written(folder, list(begaze_events(expected)))
    right, left = (read_tabular(folder, eye=eye).fixations.x for eye in ("right", "left"))
    assert_array_equal(left, right + 9)
    with pytest.raises(DataError, match="no column tells the eye"):
        read_tabular(written(folder, ["image,x,y", "a,1,2"]), eye="left")


@pytest.mark.parametrize("unit", ["", "ms"])
@pytest.mark.parametrize("noise", [3, 80])
@pytest.mark.parametrize("steps_ms", [(16, 17, 17), (4,), (33,), (20, 50, 34, 61, 28)])
def test_samples_that_nothing_tells_are_refused(
    folder: Path, unit: str, noise: float, steps_ms: tuple[int, ...]
) -> None:
    rng = np.random.default_rng(0)
    lines, clock = [f"image,x,y,time{unit and '_' + unit}"], 0
    for _ in range(6):
        center = rng.integers(50, 400, 2)
        for i in range(12):
            x, y = rng.normal(center, noise)
            clock += steps_ms[i % len(steps_ms)]
            lines.append(f"a,{x:.1f},{y:.1f},{clock}")
    with pytest.raises(DataError, match="look like samples of the gaze"):
        read_tabular(written(folder, lines))


@pytest.mark.parametrize("unit", ["", "_ms"])
def test_samples_whose_number_does_not_help_are_refused(folder: Path, unit: str) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.integers(50, 400, (2, 60))
    lines = [f"image,x,y,time{unit},nr"] + [f"a,{x[i]},{y[i]},{17 * i}," for i in range(60)]
    numbered = [lines[0].replace("nr", "fix_nr")]
    numbered += [f"{line}{i // 10}" for i, line in enumerate(lines[1:])]
    if unit:
        assert len(read_tabular(written(folder, numbered)).fixations) == 6
        counted = [numbered[0]] + [f"{line}{i}" for i, line in enumerate(lines[1:])]
        with pytest.raises(DataError, match=r"begin in steps of 17\. State another number"):
            read_tabular(written(folder, counted))
    else:
        with pytest.raises(DataError, match=r"have one number, but not one place\. State the unit"):
            read_tabular(written(folder, numbered))
        assert len(read_tabular(folder, time="ms").fixations) == 6


def test_samples_with_a_number_are_merged_at_their_mean(folder: Path) -> None:
    lines = ["image,gaze_x,gaze_y,timestamp_ms,fixation_id"]
    lines += ["a,10,20,0,1", "a,12,26,16,1", "a,,,32,1", "a,60,70,48,", "a,100,200,64,2"]
    lines += ["a,104,200,80,2"]
    dataset = read_tabular(written(folder, lines))
    assert_array_equal(dataset.fixations.x, [11, 102])
    assert_array_equal(dataset.fixations.y, [23, 200])
    (note,) = (note for note in dataset.notes if "numbered by 'fixation_id'" in note)
    assert note.startswith("5 rows are of 2 fixations")
    assert "1 rows without a number are between fixations" in note


def test_frames_of_a_surface_are_merged(folder: Path) -> None:
    lines = [
        "image,world_timestamp,fixation_id,start_timestamp,duration,norm_pos_x,norm_pos_y,on_surf"
    ]
    for number in range(8):
        for frame in range(6):
            start = 5000 + 0.4 * number
            x = 0.1 * number + 0.001 * (frame % 2)
            at = f"{start + frame / 30},{number + 300},{start},200.5,{x},0.5"
            lines += [f"a,{at},{number < 6}"]
    dataset = read_tabular(written(folder, lines))
    assert_allclose(dataset.fixations.x, WIDTH * (0.1 * np.arange(6) + 0.0005))
    assert_array_equal(dataset.fixations.order, range(6))
    assert_allclose(dataset.fixations.duration_s, 0.2005)


def test_single_fixations_of_one_number_are_not_merged(folder: Path) -> None:
    lines = ["image,x,y,order,start_ms", "a,10,20,0,0", "a,300,200,0,0", "a,20,40,0,0"]
    rows = [f"a,{x},{x},{order},{300 * order}" for order in range(1, 9) for x in (30, 90)]
    assert len(read_tabular(written(folder, lines + rows[::2])).fixations) == 11


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["image,x,y,Eye movement type", "a,1,2,1", "a,1,2,2"], "no row of column .* '1', 1 '2'"),
        (["image,x,y,valid", "a,1,2,perhaps"], "'perhaps', which does not say whether"),
        (
            ["image,x,y,valid", "a,1,2,0"],
            "no fixation is left: 1 of 1 rows are left out: they are not valid",
        ),
        (["image,x,y", "Instructions,1,2", ",1,2"], "line 2: no image 'Instructions'"),
        (["image,x,y", "a,1,2", "c,1,2", "d,1,2"], "line 3: no image 'c'"),
        (["image,recording id,fixation x [px],fixation y [px]", "a,1,2,3"], "scene camera"),
        (["image,x,y,duration", "a,1,2,241786"], "last 241.786 s .*--time s, ms, us or ns"),
    ],
)
def test_what_cannot_be_told_is_refused(folder: Path, lines: list[str], message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_tabular(written(folder, lines))


@pytest.mark.parametrize(
    ("unit", "duration"), [("s", "0.25"), ("ms", 250), ("us", 250e3), ("ns", 250e6)]
)
def test_units_that_are_stated_must_be_plausible(folder: Path, unit: Any, duration: Any) -> None:
    written(folder, ["image,x,y,duration", f"a,1,2,{duration}"])
    assert_allclose(read_tabular(folder, time=unit).fixations.duration_s, 0.25)
    for wrong in {"s", "ms", "us", "ns"} - {unit}:
        with pytest.raises(DataError, match="fixations would last"):
            read_tabular(folder, time=wrong)  # type: ignore[arg-type]


def test_a_category_of_images_is_no_kind_of_rows(folder: Path) -> None:
    lines = ["image,x,y,category,label", "a,1,2,animals,fixation", "a,3,4,animals,saccade"]
    assert len(read_tabular(written(folder, [line[:-9] for line in lines])).fixations) == 2
    assert len(read_tabular(written(folder, lines)).fixations) == 1
    lines = ["image,x,y,event,type", "a,1,2,trial 1,fixation", "a,3,4,trial 1,saccade"]
    assert len(read_tabular(written(folder, lines)).fixations) == 1
    stated = {"kind": "none"}
    assert len(read_tabular(written(folder, lines), columns=stated).fixations) == 2


def test_columns_can_be_stated_not_to_be_there(folder: Path) -> None:
    written(folder, ["image,x,y,user", "a,1,2,u1", "a,3,4,u2"])
    assert read_tabular(folder).subject_names == ("u1", "u2")
    assert read_tabular(folder, columns={"subject": "none"}).subject_names == ()


def test_an_empty_column_gives_way_to_a_full_one(folder: Path) -> None:
    written(folder, ["image,x,y,subject,user", "a,1,2,,u1", "a,3,4,,u2"])
    assert read_tabular(folder).subject_names == ("u1", "u2")


def test_one_image_is_stated(folder: Path) -> None:
    written(folder, ["x,y", "1,2", "3,4"])
    assert_array_equal(read_tabular(folder, image="b").fixations.stimulus, [1, 1])
    with pytest.raises(DataError, match=r"no column for image .*--image NAME"):
        read_tabular(folder)


def test_viewings_that_no_column_tells(folder: Path) -> None:
    expected = known_fixations(n_viewings=3)
    lines = ["image,subject,fix_nr,x,y,duration_ms"] + [
        f"{f.image},{f.subject},{f.number},{f.x},{f.y},{f.duration_ms}" for f in expected
    ]
    dataset = read_tabular(written(folder, lines))
    assert_read(dataset, expected)
    assert any("as orders begin anew" in note for note in dataset.notes)
    joined = read_tabular(folder, columns={"trial": "none"})
    assert joined.subject_names == ("P1", "P2")
    shuffled = [lines[0], *np.random.default_rng(0).permutation(lines[1:])]
    dataset = read_tabular(written(folder, shuffled))
    assert dataset.subject_names == ("P1", "P2")
    assert any("as if subjects saw images more than once" in note for note in dataset.notes)


def test_a_trial_that_differs_from_row_to_row_tells_nothing(folder: Path) -> None:
    lines = ["image,x,y,trial"] + [f"a,{i},{i},{i}" for i in range(5)]
    dataset = read_tabular(written(folder, lines))
    assert_array_equal(dataset.fixations.order, range(5))
    assert any("does not tell viewings apart" in note for note in dataset.notes)


def test_viewings_survive_conversion(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    expected = known_fixations(n_viewings=2)
    dataset = read_tabular(written(folder, list(eyelink_report(expected))))
    target = tmp_path_factory.mktemp("converted")
    convert(dataset, target / "folder")
    assert_read(read_tabular(target / "folder"), expected)
    convert(dataset, target / "a.hdf5")
    assert_read(read_pysaliency(target / "a.hdf5"), expected)
    with h5py.File(target / "a.hdf5") as file:
        assert file["fixations/train_xs"].shape == (8, 4)


@pytest.mark.parametrize("path", sorted((ASSETS / "trackers").glob("*.toml")), ids=lambda p: p.stem)
def test_declarations_name_meanings_and_units_that_there_are(path: Path) -> None:
    declared = tomllib.loads(path.read_text("utf-8"))
    assert set(declared["columns"]) <= set(ROLES)
    assert set(declared["units"].values()) <= set(UNITS_S)
    assert len(declared["columns"].get("x", ())) == len(declared["columns"].get("y", ()))
    told = declared["told_by"][0]
    tracker = tracker_of(told)
    assert tracker is not None
    assert tracker.title == declared["title"]
