"""Text tables in any dialect are read right or refused with the line."""

import csv
import io
import math
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deepgaze2.data.decisions import notes_of
from deepgaze2.data.own.text_table import TextTable, open_text_table
from deepgaze2.errors import DataError


def table(folder: Path, content: str | bytes) -> TextTable:
    path = folder / "täble.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return open_text_table(path)


def read(table: TextTable, texts: list[str], numbers: list[str]) -> list[list[object]]:
    """Return whole columns."""
    columns: list[list[object]] = [[] for _ in (*texts, *numbers)]
    for text, number in table.batches(texts, numbers):
        parts = (*text, *(values.tolist() for values in number))
        for column, part in zip(columns, parts, strict=True):
            column += part
    return columns


def numbers_of(folder: Path, content: str) -> list[object]:
    return read(table(folder, content), [], ["x"])[0]


TEXT = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cs", "Cc", "Zs", "Zl", "Zp")), max_size=8
) | st.sampled_from(["a,b", "a;b", 'a "b"', "a\tb", "a\nb", "a\r\nb", "ü", "\u65e5\u672c", "", "'"])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    rows=st.lists(st.tuples(TEXT, st.floats(), TEXT), max_size=20),
    delimiter=st.sampled_from(",;\t"),
    line_end=st.sampled_from(["\n", "\r\n", "\r"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"]),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    decimal_comma=st.booleans(),
    separator_stated=st.booleans(),
)
def test_any_table_in_any_dialect_is_read_back(
    tmp_path: Path,
    rows: list[tuple[str, float, str]],
    delimiter: str,
    line_end: str,
    encoding: str,
    quoting: int,
    decimal_comma: bool,
    separator_stated: bool,
) -> None:
    stream = io.StringIO()
    if separator_stated:
        stream.write(f"sep={delimiter}{line_end}")
    if line_end == "\r":
        quoting = csv.QUOTE_ALL  # the writer would not quote a cell with "\n" in it
    writer = csv.writer(stream, delimiter=delimiter, lineterminator=line_end, quoting=quoting)  # type: ignore[arg-type]
    writer.writerow(["näme", "x", "other"])
    sign = "," if decimal_comma else "."
    writer.writerows((name, repr(x).replace(".", sign), text) for name, x, text in rows)
    opened = table(tmp_path, stream.getvalue().encode(encoding))
    assert opened.names == ("näme", "x", "other")
    texts, others, numbers = read(opened, ["näme", "other"], ["x"])
    assert texts == [name.strip() for name, _, _ in rows]
    assert others == [text.strip() for _, _, text in rows]
    np.testing.assert_array_equal(numbers, [x for _, x, _ in rows])


@given(content=st.binary(max_size=60) | st.text(alphabet='a,;\t"\r\n1.\ufeff', max_size=60))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_whatever_the_file_holds_it_is_a_table_or_an_error(
    tmp_path: Path, content: bytes | str
) -> None:
    with suppress(DataError):
        opened = table(tmp_path, content)
        names, numbers = read(opened, [opened.names[0]], [opened.names[-1]])
        assert len(names) == len(numbers)


def test_blank_lines_and_missing_numbers(tmp_path: Path) -> None:
    content = "\n \r\nx;y\n\n1;1\n.;2\n\n NA ;3\nnull;4\n-;5\n;6\n-2e1;7\n"
    x = numbers_of(tmp_path, content)
    np.testing.assert_array_equal(x, [1, *[math.nan] * 5, -20])


def test_windows_encoding_is_said(tmp_path: Path) -> None:
    opened = table(tmp_path, "image,x\nKüche.jpg,1\n".encode("cp1252"))
    assert notes_of(opened.notes) == ("Characters are Windows-1252: they are not valid UTF-8.",)
    assert read(opened, ["image"], []) == [["Küche.jpg"]]


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("left", r"line 1003: 'left' in column 'x' is not a number"),
        ("1_0", r"line 1003: '1_0' in column 'x' is not a number"),
        ("1.234.5", r"line 1003: '1.234.5'"),
        ("12 px", r"line 1003: '12 px'"),
        ('"1,5"', r"line 1003: column 'x' has decimal commas and points"),
        ("1,5", r"line 1003: 3 cells, but there are 2 columns; .*decimal commas"),
        ('"7', r"line 1\d\d\d: .*quotation mark"),
        ('"7"7', r"line 1003: .*quotation mark"),
    ],
)
def test_errors_name_the_line(tmp_path: Path, cell: str, message: str) -> None:
    lines = [f'"a\n{i}",{i}.5' for i in range(500)]  # each takes two lines
    opened = table(tmp_path, "\n".join(["name,x", *lines, "", f"b,{cell}", "c,1"]) + "\n")
    with pytest.raises(DataError, match=message):
        read(opened, ["name"], ["x"])


def test_lines_before_the_names_count(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="line 5: 'left' in column 'x' is not a number"):
        numbers_of(tmp_path, "sep=;\n\nx;y\n1;2\nleft;2\n")


def test_row_with_too_few_cells(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="line 3: 1 cells, but there are 2 columns"):
        numbers_of(tmp_path, "x,y\n1,2\n3\n")


def test_commas_that_may_separate_thousands_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="line 5: commas in column 'x' may be decimal commas or"):
        numbers_of(tmp_path, "x;y\n512;1\n99;1\n\n1,024;1\n7;1\n")
    with pytest.raises(DataError, match="line 3: '1,024,000'"):
        numbers_of(tmp_path, "x\ty\n1\t2\n1,024,000\t2\n")
    many = "\n".join(f"{i};1" for i in range(1000))  # whole batches
    with pytest.raises(DataError, match="line 1002: commas in column 'x'"):
        numbers_of(tmp_path, f"x;y\n{many}\n1,024;1\n")
    assert numbers_of(tmp_path, "x;y\n512;1\n0,024;1\n") == [512, 0.024]
    assert numbers_of(tmp_path, "x;y\n5,125;1\n6,250;1\n") == [5.125, 6.25]


def test_decimal_commas_are_said_and_may_come_late(tmp_path: Path) -> None:
    opened = table(tmp_path, "x;y\n" + "3;.\n" * 700 + "4,5;1\n")
    x, y = read(opened, [], ["x", "y"])
    assert x[-2:] == [3, 4.5]
    assert y[-1] == 1
    assert notes_of(opened.notes) == ("Commas in x are decimal commas: 1,5 is read as 1.5.",)
    with pytest.raises(DataError, match=r"line 702: column 'x' has decimal commas and points"):
        numbers_of(tmp_path, "x;y\n" + "3.5;.\n" * 700 + "4,5;1\n")


@pytest.mark.parametrize("content", [b"", b"\n\n \n", b"sep=;\n"])
def test_empty_files(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(DataError, match="is empty"):
        table(tmp_path, content)


def test_files_that_are_no_tables(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        open_text_table(tmp_path / "none.csv")
    with pytest.raises(DataError, match="is not a text file"):
        table(tmp_path, b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR")


def test_names_that_are_repeated_are_no_row(tmp_path: Path) -> None:
    joined = table(tmp_path, "x,y\n1,2\n\nx,y\n3,4\nx,5\n")
    with pytest.raises(DataError, match=r"line 6: 'x' in column 'x' is not a number.*ROLE=none"):
        read(joined, [], ["x"])
    assert numbers_of(tmp_path, "x,y\n1,2\nx,y\n3,4\n") == [1, 3]


def test_commas_beside_decimal_points_separate_thousands(tmp_path: Path) -> None:
    commas = table(tmp_path, 'x,t\n1.5,"22,718"\n2.5,"23,001"\n')
    with pytest.raises(DataError, match="commas in column 't' may be decimal commas"):
        read(commas, [], ["x", "t"])
