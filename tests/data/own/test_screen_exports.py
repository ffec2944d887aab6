"""Exports whose positions are the screen's: rows made fixations first, then placed in images."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from numpy.testing import assert_allclose, assert_array_equal

from deepgaze2.data.dataset import Dataset
from deepgaze2.data.own.tabular import read_tabular
from deepgaze2.errors import DataError
from helpers.tracker_exports import HEIGHT, WIDTH, known_fixations, realeye, tobii_samples

RECTANGLE = (320, 60, 2 * WIDTH, 2 * HEIGHT)  # on a screen of 1920x1080, twice as large
MEDIA = (
    "Presented Media position X [DACSpx]\tPresented Media position Y [DACSpx]\t"
    "Presented Media width\tPresented Media height"
)


def read(folder: Path, lines: list[str], **stated: Any) -> Dataset:
    (folder / "fixations.csv").write_text("\n".join(lines) + "\n", "utf-8")
    return read_tabular(folder, **stated)


def samples_on_a_screen() -> list[str]:
    left, top, _, _ = RECTANGLE
    shown = [replace(f, x=left + 2 * f.x, y=top + 2 * f.y) for f in known_fixations()]
    return [line.replace("[MCS px]", "[DACS px]") for line in tobii_samples(shown)]


def with_media(lines: list[str], cells: str) -> list[str]:
    return [f"{lines[0]}\t{MEDIA}"] + [f"{line}\t{cells}" for line in lines[1:]]


def assert_known(dataset: Dataset) -> None:
    known = sorted(known_fixations(), key=lambda f: (f.image, f.subject, f.number))
    assert_allclose(dataset.fixations.x, [f.x for f in known], rtol=0, atol=1e-9)
    assert_allclose(dataset.fixations.y, [f.y for f in known], rtol=0, atol=1e-9)
    assert_array_equal(dataset.fixations.order, [f.number - 1 for f in known])


def test_samples_of_a_screen_are_fixations_on_images(folder: Path) -> None:
    lines = samples_on_a_screen()
    assert_known(read(folder, lines, screen=(1920, 1080), shown=RECTANGLE))
    assert_known(read(folder, with_media(lines, "\t".join(map(str, RECTANGLE)))))


@pytest.mark.parametrize("cells", ["\t\t\t", "320\t60\t\t"])
def test_pixels_of_the_screen_are_not_taken_for_those_of_images(folder: Path, cells: str) -> None:
    lines = samples_on_a_screen()
    for written in (lines, with_media(lines, cells)):
        with pytest.raises(DataError, match=r"counts the screen's pixels; state --screen WIDTHx"):
            read(folder, written)
    told = [line.replace("[DACS px]", "[MCS px]") for line in tobii_samples(known_fixations())]
    as_screen = [told[0].replace("[MCS px]", "[DACS px]"), *told[1:]]
    assert_known(read(folder, as_screen, screen="none"))


@pytest.mark.parametrize("name", ["Fixation point {} [MCS px]", "MappedFixationPoint{}"])
def test_positions_on_the_image_are_not_moved(folder: Path, name: str) -> None:
    lines = list(tobii_samples(known_fixations()))
    for axis in "XY":
        lines[0] = lines[0].replace(f"Fixation point {axis} [MCS px]", name.format(axis))
    dataset = read(folder, with_media(lines, "\t".join(map(str, RECTANGLE))))
    assert_known(dataset)
    assert not any("shown_x" in note for note in dataset.notes)


def test_a_programs_percent_gives_way_to_what_is_stated(folder: Path) -> None:
    lines = list(realeye(known_fixations()))
    dataset = read(folder, lines)
    assert_known(dataset)
    assert dataset.notes[0].startswith("Positions are percent of the image: RealEye writes them so")
    moved = read(folder, lines, coordinates="pixels", base=0)
    assert_allclose(moved.fixations.x, dataset.fixations.x * 100 / WIDTH)


def test_one_of_two_columns_of_one_name_can_be_stated(folder: Path) -> None:
    lines = ["image,x,X,y", "a,1,2,3"]
    with pytest.raises(DataError, match="the column of x could be any of 'x', 'X'"):
        read(folder, lines)
    assert_array_equal(read(folder, lines, columns={"x": "X"}).fixations.x, [2])


def test_pro_labs_names_without_a_unit_are_the_screens(folder: Path) -> None:
    lines = [line.replace(" [DACS px]", "") for line in samples_on_a_screen()]
    assert_known(read(folder, lines, screen=(1920, 1080), shown=RECTANGLE))
    with pytest.raises(DataError, match="'Fixation point X' counts the screen's pixels; state"):
        read(folder, lines)
    own = ["image,fixation_point_x,fixation_point_y", "a,40,30", "b,50,20"]
    assert_array_equal(read(folder, own).fixations.x, [40, 50])


def test_fractions_of_pro_labs_media_are_the_images(folder: Path) -> None:
    lines = samples_on_a_screen()
    at = lines[0].split("\t").index("Fixation point X [DACS px]")
    names = "Fixation point X (MCSnorm)\tFixation point Y (MCSnorm)"
    written = [f"{lines[0].replace(' [DACS px]', '')}\t{names}"]
    for line in lines[1:]:
        x, y = (float(cell or "nan") for cell in line.split("\t")[at : at + 2])
        left, top, wide, high = RECTANGLE
        written.append(f"{line}\t{(x - left) / wide:.9f}\t{(y - top) / high:.9f}")
    dataset = read(folder, written)
    known = sorted(known_fixations(), key=lambda f: (f.image, f.subject, f.number))
    assert_allclose(dataset.fixations.x, [f.x for f in known], rtol=0, atol=1e-5)
    assert_allclose(dataset.fixations.y, [f.y for f in known], rtol=0, atol=1e-5)


def test_imotions_samples_are_the_screens(folder: Path) -> None:
    lines = [
        "#INFO",
        "#Respondent Name,P1",
        "#DATA",
        "Row,Timestamp,SourceStimuliName,Gaze X,Gaze Y",
    ]
    lines[-1] += ",Fixation Index,Fixation X,Fixation Y,Fixation Start,Fixation Duration"
    known = [f for f in known_fixations() if f.subject == "P1" and f.trial == 1]
    for n, f in enumerate(known, 1):
        begins = 4000 + 500 * n
        at = f"{n},{f.x + 320},{f.y + 60},{begins},{f.duration_ms}"
        lines += [f"1,{begins + 16 * i},{f.image[0]},{f.x},{f.y},{at}" for i in range(3)]
        lines += [f"1,{begins + 450},{f.image[0]},5,5,,,,,"]
    shown: Any = {"screen": (1920, 1080), "shown": (320, 60, WIDTH, HEIGHT)}
    dataset = read(folder, lines, **shown)
    expected = sorted(known, key=lambda f: (f.image, f.number))
    assert_allclose(dataset.fixations.x, [f.x for f in expected], rtol=0, atol=1e-9)
    assert_allclose(
        dataset.fixations.duration_s, [f.duration_ms / 1e3 for f in expected], rtol=1e-6
    )
    with pytest.raises(DataError, match="'Fixation X' counts the screen's pixels"):
        read(folder, lines)
