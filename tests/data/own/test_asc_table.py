"""EyeLink recordings made from known fixations, read back exactly."""

import gzip
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image

from deepgaze2.data.dataset import Dataset
from deepgaze2.data.own.tabular import read_tabular
from deepgaze2.errors import DataError
from helpers.eyelink_asc import IMAGE_AT, SCREEN, Layout, asc_lines
from helpers.tracker_exports import Fixation, known_fixations

CENTERED: dict[str, Any] = {"screen": SCREEN, "shown": "centered"}


def written(folder: Path, layout: Layout, fixations: list[Fixation] | None = None) -> Path:
    """Write a file for each subject."""
    known = fixations or known_fixations()
    for subject in {f.subject for f in known}:
        lines = asc_lines([f for f in known if f.subject == subject], layout)
        (folder / f"{subject}.asc").write_text("\n".join(lines) + "\n")
    return folder


def assert_read(dataset: Dataset, expected: list[Fixation]) -> None:
    expected = sorted(expected, key=lambda f: (f.image, f.subject, f.trial, f.number))
    read = dataset.fixations
    assert_array_equal([dataset.stimuli.ids[i] for i in read.stimulus], [f.image for f in expected])
    person = np.unique([f.subject for f in expected], return_inverse=True)[1]
    assert_array_equal(dataset.person, person)
    assert_array_equal(read.order, [f.number - 1 for f in expected])
    assert_allclose(read.x, [f.x for f in expected], rtol=0, atol=1e-9)
    assert_allclose(read.y, [f.y for f in expected], rtol=0, atol=1e-9)
    assert_allclose(read.duration_s, [f.duration_ms / 1000 for f in expected], rtol=1e-6)
    assert_allclose(read.start_s, [f.start_ms / 1000 for f in expected], rtol=1e-6)


CENTER = "!V IMGLOAD CENTER ./img/{image} 512 384"
TOP_LEFT = "!V IMGLOAD TOP_LEFT my images/{image} 192 144 640 480"


@pytest.mark.parametrize("n_viewings", [1, 3])
@pytest.mark.parametrize(
    "layout",
    [
        Layout(),
        Layout(cleared=True),
        Layout(TOP_LEFT),
        Layout(TOP_LEFT, when="before"),
        Layout(CENTER, when="late"),
        Layout(CENTER + " 640 480", eyes="L"),
        Layout(CENTER, when="at the end"),
        Layout(CENTER, when="before", trialid=""),
        Layout(CENTER, trialid=""),
    ],
)
def test_fixations_come_back(folder: Path, layout: Layout, n_viewings: int) -> None:
    expected = known_fixations(n_viewings)
    dataset = read_tabular(written(folder, layout, expected))
    if layout.eyes == "L":
        expected = [replace(f, x=f.x + 9) for f in expected]
    if layout.when == "at the end":  # the recording's begin is the best that is known
        assert_allclose(dataset.fixations.start_s.min(), 0.7 + expected[0].start_ms / 1000)
        return
    assert_read(dataset, expected)
    if n_viewings > 1:
        assert dataset.subject_names[1] == "P1 / viewing 2"


def test_a_fixation_that_goes_on_when_the_image_appears(folder: Path) -> None:
    lines = [
        "MSG 90 TRIALID 1",
        "START 100 RIGHT SAMPLES EVENTS",
        "EFIX R 110 298 190 600 400 900",  # over before
        "EFIX R 350 648 300 512 384 900",
        "EFIX R 700 898 200 . 384 900",  # no position
        "EFIX R 900 998 100 192 144 900",
        "END 1100 SAMPLES EVENTS RES 38 34",
    ]
    shown = "MSG 500 !V IMGLOAD CENTER a.png 512 384"
    (folder / "P.asc").write_text("\n".join([*lines[:3], shown, *lines[3:]]))
    read = read_tabular(folder).fixations
    assert_array_equal(read.order, [0, 1, 2])
    assert_allclose(read.start_s, [-0.15, 0.2, 0.4], rtol=1e-6)
    assert_array_equal(read.x, [320, np.nan, 0])
    assert_array_equal(read.y, [240, 240, 0])


def test_several_images_in_a_trial(folder: Path) -> None:
    lines = ["MSG 90 TRIALID 1", "START 100 RIGHT SAMPLES EVENTS"]
    for i, name in enumerate("abba"):  # the second b is drawn anew, no other viewing
        lines.append(f"MSG {1000 * i + 200} !V IMGLOAD CENTER {name}.png 512 384")
        lines += [f"EFIX R {1000 * i + 210 + 300 * k} 0 200 {400 + k} 400 900" for k in range(3)]
    (folder / "P.asc").write_text("\n".join(lines))
    dataset = read_tabular(folder)
    assert dataset.subject_names == ("P", "P / viewing 2")
    assert_array_equal(dataset.fixations.order, [0, 1, 2, 0, 1, 2, 0, 1, 2, 3, 4, 5])
    starts = [0.01, 0.31, 0.61]
    expected = [*starts, *starts, *starts, 1.01, 1.31, 1.61]
    assert_allclose(dataset.fixations.start_s, expected, rtol=1e-6)


def test_both_eyes(folder: Path) -> None:
    expected = known_fixations()
    written(folder, Layout(eyes="LR"))
    assert_read(read_tabular(folder), expected)
    assert_read(read_tabular(folder, eye="left"), [replace(f, x=f.x + 9) for f in expected])


@pytest.mark.parametrize("variable", ["image", "picture"])
def test_images_named_by_a_variable_or_the_trial(folder: Path, variable: str) -> None:
    expected = known_fixations()
    layout = Layout(f"!V TRIAL_VAR {variable} {{image}}", when="before")
    assert_read(read_tabular(written(folder, layout), shown="centered"), expected)
    layout = Layout("nothing", when="before", trialid="TRIALID {trial} {image}")
    dataset = read_tabular(written(folder, layout), shown="centered")
    assert_read(dataset, expected)
    assert "Images are those that TRIALID names (--column image=NAME)." in dataset.notes
    assert "The screen has 1024x768 pixels: DISPLAY_COORDS (--screen)." in dataset.notes


def test_what_only_the_user_knows(folder: Path) -> None:
    expected = known_fixations()
    layout = Layout("!V TRIAL_VAR code {image}", when="before")
    written(folder, layout)
    with pytest.raises(DataError, match=r"no column for image among .*'TRIAL_VAR code'.*--column"):
        read_tabular(folder)
    stated = {"image": "TRIAL_VAR code"}
    with pytest.raises(DataError, match=r"does not say where images were on it; state --shown"):
        read_tabular(folder, columns=stated)
    assert_read(read_tabular(folder, columns=stated, shown="centered"), expected)
    assert_read(read_tabular(folder, columns=stated, **CENTERED), expected)


def test_images_that_fill_the_screen(folder: Path) -> None:
    for name in "ab":
        Image.new("RGB", SCREEN).save(folder / "images" / f"{name}.png")
    moved = [replace(f, x=f.x + IMAGE_AT[0], y=f.y + IMAGE_AT[1]) for f in known_fixations()]
    for message in ("!V IMGLOAD FILL {image}", "!V TRIAL_VAR image {image}"):
        written(folder, Layout(message, when="before"))
        assert_read(read_tabular(folder), moved)


def test_one_file_compressed(folder: Path) -> None:
    expected = [f for f in known_fixations() if f.subject == "P2"]
    text = "\r\n".join(asc_lines(expected, Layout()))
    path = folder / "P2.asc.gz"
    path.write_bytes(gzip.compress(text.encode("cp1252")))
    assert_read(read_tabular(path), expected)


@pytest.mark.parametrize("eyes", ["R", "LR"])
def test_samples_without_events(folder: Path, eyes: str) -> None:
    expected = known_fixations()
    written(folder, Layout(samples=True, eyes=eyes))
    with pytest.raises(DataError, match=r"look like samples of the gaze.*--detect ivt"):
        read_tabular(folder)
    dataset = read_tabular(folder, detect="ivt,gap_ms=20", pixels_per_degree=38.0)
    assert_read(dataset, expected)
    n_eyes = len(eyes)
    said = next(note for note in dataset.notes if "samples at 500 Hz" in note)
    assert said.startswith(f"{sum(f.duration_ms for f in expected) // 2} samples")
    assert any("of several eyes" in note for note in dataset.notes) == (n_eyes == 2)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([], "neither fixations"),
        (["ncols 4", "nrows 3"], "neither fixations"),
        (["EFIX R 1 2 3"], r"P.asc, line 1: 'EFIX R 1 2 3' is not EFIX, L or R, start"),
        (["MSG soon TRIALID 1"], "line 1: .* is not MSG, a time and a text"),
        (["100 5.0"], "line 1: '100 5.0' is not time, x, y"),
        (["EVENTS\tHREF\tRIGHT"], "line 1: positions are HREF, no pixels"),
        (["MSG 1 DISPLAY_COORDS 0 0"], "left, top, right and bottom of the screen"),
        (
            ["MSG 1 TRIALID 1", "START 2 RIGHT", "EFIX R 3 99 98 . . 700"],
            "no column for image",
        ),
    ],
)
def test_what_is_refused(folder: Path, lines: list[str], message: str) -> None:
    (folder / "P.asc").write_text("\n".join(lines) + "\n")
    with pytest.raises(DataError, match=message):
        read_tabular(folder)


def test_screens_that_differ(folder: Path) -> None:
    written(folder, Layout())
    path = folder / "P2.asc"
    path.write_text(path.read_text().replace("1023 767", "1919 1079"))
    with pytest.raises(DataError, match=r"P1.asc has a screen of 1024x768 .* P2.asc of 1920x1080"):
        read_tabular(folder)
