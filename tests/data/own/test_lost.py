"""Numbers that programs write where no eye was found are no positions."""

from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from deepgaze2.data.own.tabular import read_tabular
from helpers.plain_rows import write_image


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_image(tmp_path / "images" / "a.png", 640, 480)
    return tmp_path


@pytest.mark.parametrize("lost", ["0,0", "-1,-1", "-9999,-9999", "-32768,-32768", "1e8,1e8"])
def test_positions_that_recur_where_nobody_looks_are_unknown(folder: Path, lost: str) -> None:
    lines = ["image,x,y", "a,100,50", f"a,{lost}", "a,0,20", f"a,{lost}", "a,300,200"]
    (folder / "table.csv").write_text("\n".join(lines) + "\n")
    dataset = read_tabular(folder)
    assert_array_equal(dataset.fixations.x, [100, np.nan, 0, np.nan, 300])
    assert_array_equal(dataset.fixations.y, [50, np.nan, 20, np.nan, 200])
    assert any(note.startswith("2 of 5 rows have no position") for note in dataset.notes)


def test_the_center_and_a_single_corner_are_positions(folder: Path) -> None:
    lines = ["image,x,y", "a,100,50", "a,0,0", "a,0,0", "a,-1,-1"]
    (folder / "table.csv").write_text("\n".join(lines) + "\n")
    from_center = read_tabular(folder, coordinates="pixels", origin="center-down").fixations
    assert_array_equal(from_center.x, [420, 320, 320, 319])
    (folder / "table.csv").write_text("image,x,y\na,100,50\na,0,0\n")
    assert_array_equal(read_tabular(folder).fixations.x, [100, 0])


def test_the_projects_own_table_says_what_is_unknown(folder: Path) -> None:
    lines = ["image,subject,order,x_px,y_px,start_s,duration_s"]
    lines += [f"a,s,{i},0,0,," for i in range(3)]
    (folder / "fixations.csv").write_text("\n".join([*lines, "a,s,3,5,5,,"]) + "\n")
    assert_array_equal(read_tabular(folder).fixations.x, [0, 0, 0, 5])
