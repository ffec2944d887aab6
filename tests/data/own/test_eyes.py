"""Exports with both eyes: the left, the right or their mean, and what programs say of each."""

from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from deepgaze2.data.dataset import Dataset
from deepgaze2.data.own.tabular import read_tabular
from deepgaze2.errors import DataError
from helpers.tracker_exports import (
    HEIGHT,
    STEP_MS,
    WIDTH,
    Fixation,
    begaze_events,
    begaze_eyes,
    both_eyes,
    eyelink_eyes,
    gazepoint_eyes,
    known_fixations,
    tobii_eyes,
)


def read(folder: Path, lines: list[str], **stated: Any) -> Dataset:
    (folder / "fixations.csv").write_text("\n".join(lines) + "\n", "utf-8")
    return read_tabular(folder, **stated)


def expected(eye: str) -> tuple[list[float], list[float]]:
    """Where an eye looked, or both, in order of image, subject and number."""
    known = sorted(known_fixations(), key=lambda f: (f.image, f.subject, f.number))
    if eye == "mean":
        return [f.x for f in known], [f.y for f in known]
    xs, ys = [], []
    for f in known:
        samples = [both_eyes(f, i) for i in range(f.duration_ms // STEP_MS)]
        found = [s for s in samples if s[4 + (eye == "right")]]
        at = 2 * (eye == "right")
        xs.append(fmean(float(s[at]) for s in found))
        ys.append(fmean(float(s[at + 1]) for s in found))
    return xs, ys


def studio(fixations: list[Fixation]) -> Iterator[str]:
    return tobii_eyes(fixations, studio=True)


def pro_lab(fixations: list[Fixation]) -> Iterator[str]:
    return tobii_eyes(fixations, studio=False)


WRITERS = [studio, pro_lab, gazepoint_eyes, begaze_eyes, eyelink_eyes]


@pytest.mark.parametrize("write", WRITERS)
def test_each_eye_and_the_mean_come_back(
    folder: Path, write: Callable[[list[Fixation]], Iterator[str]]
) -> None:
    lines = list(write(known_fixations()))
    full_screen = {"screen": (WIDTH, HEIGHT), "shown": "stretched", "base": 0}
    for eye in (None, "mean", "left", "right"):
        dataset = read(folder, lines, eye=eye, **full_screen)
        x, y = expected(eye or "mean")
        assert_allclose(dataset.fixations.x, x, rtol=0, atol=1e-9)
        assert_allclose(dataset.fixations.y, y, rtol=0, atol=1e-9)
        assert_array_equal(dataset.fixations.order, np.tile(range(4), 4))
        samples = [
            both_eyes(f, i)[4:] for f in known_fixations() for i in range(f.duration_ms // STEP_MS)
        ]
        said = " ".join(dataset.notes)
        if eye in (None, "mean"):
            n = [samples.count(one) for one in ((True, True), (True, False), (False, True))]
            assert (
                f"the mean of both eyes in {n[0]} rows, the left one's alone in {n[1]}, the right"
                f" one's alone in {n[2]}: each has its columns (--eye left" in said
            )
        elif "valid" in lines[0].lower() or "LPOGV" in lines[0]:
            lost = sum(not s[eye == "right"] for s in samples)
            assert f"{lost} of {len(samples)} rows are left out: no eye is valid by" in said


def test_pixels_of_the_screen_need_the_screen(folder: Path) -> None:
    lines = list(pro_lab(known_fixations()))
    for eye in ("left", None):
        with pytest.raises(DataError, match=r"counts the screen's pixels; state --screen"):
            read(folder, lines, eye=eye)
    lines[0] = lines[0].replace(" [DACS px]", "")  # as Pro Lab writes it without units
    with pytest.raises(DataError, match=r"point right X' counts the screen's pixels"):
        read(folder, lines)
    older = lines[0].replace("left X", "X Left").replace("right X", "X Right")
    older = older.replace("left Y", "Y Left").replace("right Y", "Y Right")
    with pytest.raises(DataError, match=r"point X Right' counts the screen's pixels"):
        read(folder, [older, *lines[1:]])
    lines[0] = lines[0].replace(" X", " X [MCS px]").replace(" Y", " Y [MCS px]")
    assert_array_equal(read(folder, lines).fixations.x, expected("mean")[0])


HEADER = "image,left_x,left_y,right_x,right_y"


def test_a_combined_position_is_taken_unless_an_eye_is_stated(folder: Path) -> None:
    lines = [HEADER + ",x,y", "a,10,20,30,40,77,88", "a,100,200,104,208,99,98"]
    assert_array_equal(read(folder, lines, base=0).fixations.x, [77, 99])
    assert_array_equal(read(folder, lines, eye="mean", base=0).fixations.y, [30, 204])
    assert_array_equal(read(folder, lines, eye="left", base=0).fixations.x, [10, 100])
    lines = [
        line.rsplit(",", 2)[0] + ("," if i else ",x,y") + "," * bool(i)
        for i, line in enumerate(lines)
    ]
    assert_array_equal(read(folder, lines, base=0).fixations.x, [20, 102])  # x is empty
    stated = {"x": "right_x", "y": "right_y"}
    assert_array_equal(read(folder, lines, columns=stated, base=0).fixations.x, [30, 104])


def test_the_only_eye_that_is_there_is_taken(folder: Path) -> None:
    lines = ["image,right_x,right_y", "a,30,40", "a,104,208"]
    for eye in (None, "mean", "right"):
        dataset = read(folder, lines, eye=eye, base=0)
        assert_array_equal(dataset.fixations.x, [30, 104])
        said = "Positions are the right eye's: there are none of the other." in dataset.notes
        assert said == (eye != "right")
    with pytest.raises(DataError, match="no columns of the left eye; state them, --column left_x="):
        read(folder, lines, eye="left")


def test_blank_cells_leave_the_other_eye(folder: Path) -> None:
    lines = [HEADER, "a,10,20,,", "a,,,104,208", "a,60,70,,75", "a,1,2,3,4", "a,,,,"]
    fixations = read(folder, lines, base=0).fixations
    assert_array_equal(fixations.x, [10, 104, 60, 2, np.nan])
    assert_array_equal(fixations.y, [20, 208, 70, 3, np.nan])


def numbered_apart() -> list[str]:
    """EyeLink samples of P1, both eyes with fixations of their own, and of P2, left eye alone."""
    lines = [
        "RECORDING_SESSION_LABEL,image,TIMESTAMP,LEFT_GAZE_X,LEFT_GAZE_Y,LEFT_FIX_INDEX,"
        "RIGHT_GAZE_X,RIGHT_GAZE_Y,RIGHT_FIX_INDEX"
    ]
    for i in range(40):
        left, right = 1 + i // 10, 1 + (i + 3) // 10
        lines += [f"P1,a,{4 * i},{50 * left},60,{left},{50 * right + 5},60,{right}"]
        lines += [f"P2,a,{4 * i},{40 * left},60,{left},.,.,."]
    return lines


def test_fixations_that_each_eye_has_of_its_own_do_not_pair(folder: Path) -> None:
    lines = numbered_apart()
    with pytest.raises(DataError, match=r"which do not pair; state --eye left or right"):
        read(folder, lines, eye="mean")
    dataset = read(folder, lines, base=0)
    assert_array_equal(dataset.fixations.x, [55, 105, 155, 205, 255, 40, 80, 120, 160])
    assert any("the left of 1, the right of 1 (--eye" in note for note in dataset.notes)
    left = read(folder, lines, base=0, eye="left")
    assert_array_equal(left.fixations.x, [50, 100, 150, 200, 40, 80, 120, 160])
    averaged = [f"{lines[0]},AVERAGE_GAZE_X,AVERAGE_GAZE_Y", *(f"{line},9,9" for line in lines[1:])]
    assert_array_equal(read(folder, averaged, base=0).fixations.x, dataset.fixations.x)
    alone = [lines[0], *lines[2::2]]
    assert_array_equal(read(folder, alone, base=0, eye="mean").fixations.x, [40, 80, 120, 160])


def test_kinds_of_each_eye_say_which_fixates(folder: Path) -> None:
    names = "Point of Regard {} X [px],Point of Regard {} Y [px]"
    header = f"Stimulus,{names.format('Left', 'Left')},{names.format('Right', 'Right')}"
    cells = ["Fixation,Saccade", "Fixation,Fixation", "Blink,Fixation", "Saccade,Blink"]
    lines = [header + ",Category Left,Category Right"]
    lines += [f"a,10,20,30,40,{cell}" for cell in cells]
    assert_array_equal(read(folder, lines, base=0).fixations.x, [10, 20, 30])
    assert_array_equal(read(folder, lines, base=0, eye="right").fixations.x, [30, 30])
    assert_array_equal(read(folder, lines, base=0, columns={"kind": "none"}).fixations.x, [20] * 4)
    with pytest.raises(DataError, match="no row of 'Category Left' or 'Category Right' says"):
        read(folder, [line.replace("Fixation", "Blink") for line in lines])


def test_the_eye_with_more_fixation_samples_is_taken_with_its_kinds(folder: Path) -> None:
    names = "Point of Regard {} X,Point of Regard {} Y,Category {},Index {}"
    lines = ["Stimulus,Participant," + ",".join(names.replace("{}", e) for e in ("Left", "Right"))]
    left = ["Blink", "Fixation", "Fixation", "Fixation"]
    more, fewer = [*left[1:], "Blink"], ["Saccade", "Fixation", "Saccade", "Saccade"]
    for person, right in (("P2", more), ("P1", fewer)):
        for i in range(4):
            lines += [f"a,{person},1{i},20,{left[i]},{i},3{i},40,{right[i]},{i}"]
    dataset = read(folder, lines, base=0)
    assert_array_equal(dataset.fixations.x, [11, 12, 13, 30, 31, 32])
    said = " ".join(dataset.notes)
    assert "2 of 8 rows are left out: they are no fixations by their 'Category Right'" in said


def test_what_the_program_says_of_both_eyes_goes_before_what_it_says_of_each(folder: Path) -> None:
    names = "Category Left,Category Right,Category Binocular,Index Left,Index Right,Index Binocular"
    columns = "Point of Regard {} X,Point of Regard {} Y"
    header = ",".join(["Stimulus", *(columns.replace("{}", e) for e in ("Left", "Right")), names])
    lines = [header, "a,10,20,30,40,Saccade,Saccade,Fixation,1,1,1"]
    lines += [
        "a,11,20,31,40,Fixation,Fixation,Saccade,5,6,",
        "a,12,20,32,40,Blink,Fixation,Fixation,7,7,2",
    ]
    assert_array_equal(read(folder, lines, base=0).fixations.x, [20, 22])
    assert_array_equal(read(folder, lines, base=0, eye="left").fixations.x, [11])


def test_a_column_of_tracked_eyes_takes_no_rows_from_columns(folder: Path) -> None:
    lines = [HEADER + ",eye_tracked", "a,10,20,30,40,Both", "a,50,60,,,Left", "a,10,20,70,40,Both"]
    assert_array_equal(read(folder, lines, base=0).fixations.x, [20, 50, 40])


def test_gazepoints_eyes_count_on_the_screen(folder: Path) -> None:
    lines = ["MEDIA_NAME,LPOGX,LPOGY,RPOGX,RPOGY", "a.png,0.25,0.5,0.75,0.5"]
    dataset = read(folder, lines)
    assert_array_equal(dataset.fixations.x, [WIDTH / 2])
    assert dataset.notes[0].startswith(
        "Positions are normalized, and images are taken to have filled the screen: 'RPOGX' is a"
    )


def test_a_combined_position_with_kinds_and_numbers_of_each_eye(folder: Path) -> None:
    header = "Stimulus,Point of Regard Binocular X,Point of Regard Binocular Y"
    cells = ["Fixation,Saccade", "Blink,Blink", "Saccade,Fixation"]
    lines = [header + ",Category Left,Category Right"]
    lines += [f"a,{i},20,{cell}" for i, cell in enumerate(cells)]
    assert_array_equal(read(folder, lines, base=0).fixations.x, [0, 2])
    numbers = ["1,", ",2", "3,"]
    numbered = [lines[0] + ",Index Left,Index Right"]
    numbered += [f"{line},{n}" for line, n in zip(lines[1:], numbers, strict=True)]
    assert_array_equal(read(folder, numbered, base=0).fixations.order, [0, 2])
    numbered[1] = numbered[1] + "1"
    with pytest.raises(DataError, match=r"'Index Left' and 'Index Right' .* --column order=NAME"):
        read(folder, numbered, base=0)


def test_lines_before_columns_of_eyes_are_skipped(folder: Path) -> None:
    lines = ["## [BeGaze]", "## Converted from: a.idf", HEADER, "a,10,20,30,40"]
    assert_array_equal(read(folder, lines, base=0).fixations.x, [20])
    lines = ["Study: one", "", HEADER, "a,10,20,30,40"]
    assert_array_equal(read(folder, lines, base=0).fixations.x, [20])


def test_events_of_two_eyes_have_no_mean(folder: Path) -> None:
    lines = list(begaze_events(known_fixations()))
    with pytest.raises(DataError, match="events of two eyes do not pair; state --eye left or r"):
        read(folder, lines, eye="mean")
    one = [line for line in lines if ",Left," not in line]
    assert len(read(folder, one, eye="mean").fixations) == 16


def test_gaze_on_a_surface_counts_from_the_bottom(folder: Path) -> None:
    header = "image,world_timestamp,x_norm,y_norm,on_surf,confidence"
    lines = [header, "a,1.1,0.5,0.9,True,1.0", "a,1.5,0.5,0.1,True,0.2"]
    dataset = read(folder, lines)
    assert_allclose(dataset.fixations.y, [0.1 * HEIGHT])
    assert dataset.notes[0].startswith(
        "Positions are normalized, and 'y_norm' counts from the bottom: Pupil Labs'"
    )
    assert_allclose(read(folder, lines, origin="top-left").fixations.y, [0.9 * HEIGHT])
    plain = ["image,x_norm,y_norm", "a,0.5,0.9"]  # of no program that is known
    assert_allclose(read(folder, plain).fixations.y, [0.9 * HEIGHT])


def test_the_own_format_tells_of_no_eyes(folder: Path) -> None:
    lines = ["image,subject,order,x_px,y_px,start_s,duration_s", "a,ann,0,1,2,0,0.2"]
    with pytest.raises(DataError, match="tells of no eyes; leave out --eye"):
        read(folder, lines, eye="left")


@pytest.mark.parametrize("write", [gazepoint_eyes, studio])
def test_the_order_of_columns_does_not_matter(
    folder: Path, write: Callable[[list[Fixation]], Iterator[str]]
) -> None:
    full_screen: Any = {"screen": (WIDTH, HEIGHT), "shown": "stretched", "base": 0}
    lines = list(write(known_fixations()))
    separator = "\t" if "\t" in lines[0] else ","
    cells = np.array([line.split(separator) for line in lines])
    turned = cells[:, np.random.default_rng(3).permutation(cells.shape[1])]
    first = read(folder, lines, **full_screen).fixations
    second = read(folder, [separator.join(row) for row in turned], **full_screen).fixations
    for name in ("stimulus", "subject", "order", "x", "y", "duration_s"):
        assert_array_equal(getattr(first, name), getattr(second, name))


def test_the_order_of_rows_does_not_matter_where_they_are_numbered(folder: Path) -> None:
    rows = [
        f"{f.image},{f.subject},{f.number},{f.x - 4},{f.y},{f.x + 4},{f.y},{f.number % 2},1"
        for f in known_fixations()
    ]
    header = HEADER.replace("image", "image,subject,order") + ",left_valid,right_valid"
    first = read(folder, [header, *rows], base=0).fixations
    second = read(folder, [header, *np.random.default_rng(1).permutation(rows)], base=0).fixations
    for name in ("stimulus", "subject", "order", "x", "y"):
        assert_array_equal(getattr(first, name), getattr(second, name))
    known = sorted(known_fixations(), key=lambda f: (f.image, f.subject, f.number))
    assert_array_equal(first.x, [f.x + 4 * (f.number % 2 == 0) for f in known])
