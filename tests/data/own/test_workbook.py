"""Workbooks read like the text tables that they could be saved as."""

import sys
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from deepgaze2.data.own.tabular import read_tabular
from deepgaze2.errors import DataError
from helpers.tracker_exports import (
    Fixation,
    begaze_events,
    eyelink_report,
    known_fixations,
    tobii_samples,
)
from helpers.workbooks import Cell, write_workbook


def as_cells(line: str, delimiter: str) -> list[Cell]:
    """What Excel makes of a line: numbers where it can, nothing of empty cells."""

    def cell(text: str) -> Cell:
        try:
            return float(text)
        except ValueError:
            return text or None

    return [cell(text) for text in line.split(delimiter)]


@pytest.mark.parametrize(
    ("write", "delimiter"), [(begaze_events, ","), (eyelink_report, "\t"), (tobii_samples, "\t")]
)
def test_a_workbook_is_read_as_the_text(
    folder: Path, write: Callable[[list[Fixation]], Iterator[str]], delimiter: str
) -> None:
    lines = list(write(known_fixations(n_viewings=2)))
    (folder / "fixations.csv").write_text("\n".join(lines) + "\n", "utf-8")
    expected = read_tabular(folder)
    (folder / "fixations.csv").unlink()
    write_workbook(folder / "fixations.xlsx", {"Data": [as_cells(r, delimiter) for r in lines]})
    read = read_tabular(folder)
    assert read.subject_names == expected.subject_names
    assert read.notes == expected.notes
    for column in ("stimulus", "subject", "order", "x", "y", "start_s", "duration_s"):
        assert_array_equal(getattr(read.fixations, column), getattr(expected.fixations, column))


def test_what_people_do_in_sheets(folder: Path) -> None:
    rows: list[list[Cell]] = [
        ["Subject: P7"],
        [],
        ["image", "x", "y", "day", "valid"],
        ["a.png", "10,5", 20.0, date(2020, 1, 2), True],
        [],
        ["b.png", 33.0, "41,25", None, True],
        ["b.png", 34.0, "41,25", None, False],
        [None, None, None, None, None],
    ]
    path = write_workbook(folder / "gaze.xlsx", {"about": [["by me"]], "Blatt 2": rows})
    dataset = read_tabular(path)
    assert_array_equal(dataset.fixations.x, [10.5, 33])
    assert_array_equal(dataset.fixations.y, [20, 41.25])
    assert dataset.subject_names == ("P7",)
    said = " ".join(dataset.notes)
    assert "The sheet 'Blatt 2' is read: it alone has columns of x and y." in said
    assert "Commas in x, y are decimal commas" in said
    assert "The subject is named: lines before the columns' names say so" in said


def test_a_wrong_cell_is_named_as_excel_does(folder: Path) -> None:
    rows: list[list[Cell]] = [["image", "x", "y"], ["a", 1, 2], [], ["a", date(2020, 1, 2), 2]]
    path = write_workbook(folder / "gaze.xlsx", {"S": rows})
    message = r"gaze\.xlsx, sheet 'S', row 4: '2020-01-02' in column 'x' is not a number"
    with pytest.raises(DataError, match=message):
        read_tabular(path)
    path = write_workbook(folder / "gaze.xlsx", {"S": [["image", "x", "y"], ["a", 1, 2, 3]]})
    with pytest.raises(DataError, match=r"row 2: has cells to the right of the 3 columns"):
        read_tabular(path)


def test_several_sheets_that_may_be_meant_are_refused(folder: Path) -> None:
    rows: list[list[Cell]] = [["image", "x", "y"], ["a.png", 1.5, 2.5]]
    path = write_workbook(folder / "gaze.xlsx", {"P1": rows, "P2": rows})
    with pytest.raises(DataError, match="has the sheets 'P1', 'P2', and several have columns"):
        read_tabular(path)
    path = write_workbook(folder / "gaze.xlsx", {"P1": [["hpos"]], "P2": [["vpos"]]})
    with pytest.raises(DataError, match="none of them has columns of x and y"):
        read_tabular(path)
    path = write_workbook(folder / "gaze.xlsx", {"P1": [["pic", "hpos", "vpos"], ["a", 1, 2]]})
    stated = {"image": "pic", "x": "hpos", "y": "vpos"}
    assert_array_equal(read_tabular(path, columns=stated).fixations.x, [1])
    path = write_workbook(folder / "gaze.xlsx", {"P1": []})
    with pytest.raises(DataError, match=r"gaze\.xlsx: is empty"):
        read_tabular(path)


def test_a_workbook_for_each_participant(folder: Path) -> None:
    for name in ("P.1", "P.2"):
        rows: list[list[Cell]] = [["image", "x", "y"], ["a", 1.5, 2.5], ["b", 3.5, 4.5]]
        write_workbook(folder / f"{name}.xlsx", {"S": rows})
    dataset = read_tabular(folder)
    assert dataset.subject_names == ("P.1", "P.2")
    assert np.bincount(dataset.fixations.subject).tolist() == [2, 2]


def test_without_the_library_it_says_what_to_install(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_workbook(folder / "gaze.xlsx", {"S": [["image", "x", "y"], ["a", 1, 2]]})
    monkeypatch.setitem(sys.modules, "python_calamine", None)
    with pytest.raises(DataError, match=r'pip install "deepgaze2\[excel\]"'):
        read_tabular(path)
