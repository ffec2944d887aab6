"""Files as programs leave them: comments first, compressed, one for each participant."""

import gzip
from pathlib import Path

import pytest
from numpy.testing import assert_array_equal

from deepgaze2.data.dataset import Dataset
from deepgaze2.data.own.tabular import read_tabular
from deepgaze2.errors import DataError


def read(folder: Path, name: str, text: str | bytes) -> Dataset:
    content = text.encode() if isinstance(text, str) else text
    (folder / name).write_bytes(content)
    return read_tabular(folder)


ROWS = "image\tx\ty\na\t10.5\t20\nb\t30\t40\n"


@pytest.mark.parametrize(
    "text",
    [
        "# Made by a program\n#\n" + ROWS,
        "## [BeGaze]\n## Version:\tBeGaze 3.7\n## Subject:\tP1\n" + ROWS,
        "Data properties:\n\nRecording date: 01/02/2020\nUnit, origin: px; top\n\n" + ROWS,
        "Export\t1\nBy\t2\n" + ROWS,
        ROWS.replace("\t", ","),
        ROWS.replace("\t", " "),
        '"image" "x" "y"\n"1" "a" 10.5 20\n"2" "b" 30 40\n',  # R's write.table
        '"image","x","y"\n"1","a",10.5,20\n"2","b",30,40\n',
        '"","image","x","y"\n"1","a",10.5,20\n"2","b",30,40\n',  # R's write.csv
        "#\timage\tx\ty\n0\ta\t10.5\t20\n1\tb\t30\t40\n",
        "image\tFixation point X [MCS px]\tFixation point Y [MCS px]\n" + ROWS.partition("\n")[2],
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_the_header_is_found(folder: Path, text: str, encoding: str) -> None:
    dataset = read(folder, "fixations.csv", text.encode(encoding))
    assert_array_equal(dataset.fixations.x, [10.5, 30])
    assert_array_equal(dataset.fixations.y, [20, 40])
    assert_array_equal(dataset.fixations.stimulus, [0, 1])


def test_lines_are_counted_from_the_files_first(folder: Path) -> None:
    with pytest.raises(DataError, match=r"line 5: 'left' in column 'x'"):
        read(folder, "fixations.csv", "# one\n\n# two\nimage,x,y\na,left,2\n")


@pytest.mark.parametrize("name", ["a.tsv", "a.txt", "a.xls", "a.csv.gz", "a.txt.gz"])
def test_any_suffix(folder: Path, name: str) -> None:
    (folder / "README.txt").write_text("about this study")
    content = gzip.compress(ROWS.encode()) if name.endswith(".gz") else ROWS.encode()
    dataset = read(folder, name, content)
    assert_array_equal(dataset.fixations.x, [10.5, 30])
    assert any(f"read from {name}: it is the only table" in note for note in dataset.notes)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.xlsx", b"PK\x03\x04\x00", r"a\.xlsx: not a readable workbook"),
        ("a.xls", b"\xd0\xcf\x11\xe0\x00", r"a\.xls: not a readable workbook"),
        ("a.csv.gz", b"image,x,y", r"a\.csv\.gz: cannot be read \(Not a gzipped file"),
        ("a.csv.gz", gzip.compress(ROWS.encode() * 99)[:-9], r"a\.csv\.gz: cannot be read"),
    ],
)
def test_what_is_no_text_is_refused(folder: Path, name: str, content: bytes, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read(folder, name, content)


def test_one_file_for_each_participant(folder: Path) -> None:
    (folder / "P10.txt").write_text("image,x,y,order\na,1,2,0\na,3,4,1\n", "utf-16")
    (folder / "P9.txt").write_text("## second\nx\timage\torder\ty\n5\tb\t0\t6\n7\ta\t0\t8\n")
    dataset = read_tabular(folder)
    assert dataset.subject_names == ("P9", "P10")
    assert_array_equal(dataset.fixations.x, [7, 1, 3, 5])
    assert_array_equal(dataset.fixations.subject, [0, 1, 1, 0])
    said = " ".join(dataset.notes)
    assert "2 tables are read as one: P10.txt, P9.txt: they have the same columns" in said
    assert "Each file is one subject's: no column tells subjects apart" in said
    with (folder / "P9.txt").open("a") as stream:
        stream.write("7\tc\t1\t8\n7\tc\t2\t8\n" * 3)
    with pytest.raises(DataError, match=r"P9\.txt, line 5: no image 'c'"):
        read_tabular(folder)
    with (folder / "P9.txt").open("a") as stream:
        stream.write("left\ta\t9\t8\n")
    with pytest.raises(DataError, match=r"P9\.txt, line 11: 'left' in column 'x'"):
        read_tabular(folder)


def test_a_column_tells_the_subjects_of_several_files(folder: Path) -> None:
    (folder / "1.csv").write_text("image,x,y,subject\na,1,2,ann\n")
    (folder / "2.csv").write_text("image,x,y,subject\na,3,4,bob\n")
    assert read_tabular(folder).subject_names == ("ann", "bob")
    assert read_tabular(folder, columns={"subject": "none"}).subject_names == ()
    (folder / "3.csv").write_text("image,x,y,who\na,3,4,bob\n")
    with pytest.raises(DataError, match=r"has 1\.csv, 2\.csv, 3\.csv; .*the same columns"):
        read_tabular(folder)


def test_the_table_with_other_columns_is_named(folder: Path) -> None:
    for name in "abc":
        (folder / f"{name}.csv").write_text("image,x,y\na,1,2\n")
    (folder / "people.csv").write_text("person,x,y\nann,1,2\n")
    with pytest.raises(DataError, match=r"people\.csv lacks 'image' and has 'person' besides"):
        read_tabular(folder)
