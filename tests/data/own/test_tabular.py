"""One's own recordings: any table of fixations beside its images."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image

from deepgaze2.data.own.tabular import read_tabular
from deepgaze2.errors import DataError

WIDTH, HEIGHT = 640, 480


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("images/1.jpg", "images/2.jpg", "images/10.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.new("RGB", (WIDTH, HEIGHT)).save(tmp_path / name)
    return tmp_path


def write(folder: Path, text: str, name: str = "fixations.csv") -> Path:
    (folder / name).write_text(text, "utf-8")
    return folder


def test_a_table_of_excel(folder: Path) -> None:
    (folder / "Lauf 1.csv").write_bytes(
        "Image;Participant;Fixation Number;Fix X;Fix Y;Duration;Pupil\r\n"
        "2;Bö;1;100,5;50,25;220;3,1\r\n"
        "2;Bö;2;700;50,25;180;3,1\r\n"
        "1;Al;2;0,5;479,5;200;3,1\r\n"
        "1;Al;1;320;240;.;3,1\r\n".encode("utf-16")
    )
    dataset = read_tabular(folder)
    fixations = dataset.fixations
    assert dataset.stimuli.ids == ("1.jpg", "2.jpg", "10.jpg")
    assert dataset.subject_names == ("Al", "Bö")
    assert_array_equal(fixations.stimulus, [0, 0, 1, 1])
    assert_array_equal(fixations.subject, [0, 0, 1, 1])
    assert_array_equal(fixations.order, [0, 1, 0, 1])
    assert_array_equal(fixations.x, [320, 0.5, 100.5, 700])
    assert_array_equal(fixations.y, [240, 479.5, 50.25, 50.25])
    assert_allclose(fixations.duration_s, [np.nan, 0.2, 0.22, 0.18], rtol=1e-6)
    assert np.isnan(fixations.start_s).all()
    assert dataset.notes == (
        "Fixations are read from Lauf 1.csv: it is the only table there (give its path).",
        "Commas in Fix X, Fix Y are decimal commas: 1,5 is read as 1.5.",
        "Columns guessed by their names: image from 'Image', subject from 'Participant',"
        " x from 'Fix X', y from 'Fix Y', order from 'Fixation Number',"
        " duration from 'Duration'.",
        "Fixations are numbered from 1: the lowest number is 1 (--column order=NAME).",
        "Durations are taken as milliseconds: their median is 200 (--time UNIT).",
        "1 of 3 images have no fixation.",
        "1 of 4 fixations lie outside their image or have no position.",
    )


def test_the_documented_example_is_read_without_guessing(folder: Path) -> None:
    document = Path(__file__).parents[3] / "docs" / "own_data.md"
    write(folder, document.read_text("utf-8").split("```csv\n")[1].split("```")[0])
    for name, shown in (("1.jpg", "kitchen.jpg"), ("2.jpg", "street.jpg")):
        (folder / "images" / name).rename(folder / "images" / shown)
    dataset = read_tabular(folder)
    assert_array_equal(dataset.fixations.x, [512.5, 300.2, 509.9])
    assert_allclose(dataset.fixations.start_s, [0, 0.25, 0])
    assert dataset.subject_names == ("ann", "bob")
    assert dataset.notes == ("1 of 3 images have no fixation.",)


def test_what_the_user_states_is_not_guessed(folder: Path) -> None:
    write(folder, "pic,hpos,vpos,t0\n1,0.5,0.25,0.1\n1,0.75,0.5,0.3\n")
    stated: dict[str, Any] = {"columns": {"image": "pic", "x": "hpos", "y": "vpos", "start": "t0"}}
    dataset = read_tabular(folder, **stated, coordinates="normalized", time="s")
    assert_array_equal(dataset.fixations.x, [320, 480])
    assert_array_equal(dataset.fixations.y, [120, 240])
    assert_allclose(dataset.fixations.start_s, [0.1, 0.3], rtol=1e-6)
    assert dataset.subject_names == ()
    assert dataset.notes == (
        "All fixations count as one subject's: no column tells subjects apart"
        " (--column subject=NAME).",
        "Fixations are in order of their start: they have no numbers (--column order=NAME).",
        "2 of 3 images have no fixation.",
    )
    as_pixels = read_tabular(folder, **stated, coordinates="pixels", base=0, time="ms")
    assert_array_equal(as_pixels.fixations.x, [0.5, 0.75])
    assert_allclose(as_pixels.fixations.start_s, [1e-4, 3e-4], rtol=1e-6)


def test_images_elsewhere_or_beside(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = tmp_path_factory.mktemp("other")
    text = "image,x,y\n10,1,2\n"
    path = write(other, text, "my.tsv") / "my.tsv"
    assert len(read_tabular(path, images=folder / "images").stimuli) == 3
    beside = write(folder / "images", text) / "fixations.csv"
    assert_array_equal(read_tabular(beside).fixations.stimulus, [2])
    (folder / "images").rename(folder / "stimuli")
    assert_array_equal(read_tabular(write(folder, text)).fixations.stimulus, [2])


def test_a_clock_of_the_recording_orders_but_is_not_kept(folder: Path) -> None:
    write(folder, "image,subject,x,y,timestamp\n1,a,1,0,1700000500\n1,a,2,0,1700000100\n")
    dataset = read_tabular(folder)
    assert_array_equal(dataset.fixations.x, [2, 1])
    assert np.isnan(dataset.fixations.start_s).all()
    assert any("clock that runs through the recording" in note for note in dataset.notes)


@pytest.mark.parametrize("runs_on", [True, False])
def test_starts_that_go_on_from_image_to_image_are_a_clocks(folder: Path, runs_on: bool) -> None:
    lines = ["image,subject,x,y,onset,duration"]
    for image, begins in (("2", 3.0), ("1", 9.5), ("10", 16.0)):
        lines += [f"{image},a,{i},5,{begins * runs_on + 0.3 * i:.1f},0.2" for i in range(4)]
    write(folder, "\n".join(lines))
    dataset = read_tabular(folder)
    if runs_on:
        assert np.isnan(dataset.fixations.start_s).all()
        assert any("'onset' go on from image to image" in note for note in dataset.notes)
    else:
        assert_allclose(dataset.fixations.start_s, [0, 0.3, 0.6, 0.9] * 3, rtol=1e-6)
    assert_array_equal(dataset.fixations.x, [0, 1, 2, 3] * 3)


def test_images_with_one_fixation_do_not_tell_a_clock(folder: Path) -> None:
    write(folder, "image,subject,x,y,onset\n1,a,1,5,0.1\n2,a,2,5,0.2\n10,a,3,5,0.3\n")
    assert_allclose(read_tabular(folder).fixations.start_s, [0.1, 0.2, 0.3], rtol=1e-6)


@pytest.mark.parametrize("cell", ["12:34:56.789", "2024-05-06 12:34:56", "2024-05-06T12:34:56.7Z"])
def test_times_of_day_are_not_read(folder: Path, cell: str) -> None:
    write(folder, f"image,x,y,start_time,duration\n1,1,5,{cell},200\n1,2,5,{cell},300\n")
    dataset = read_tabular(folder)
    assert np.isnan(dataset.fixations.start_s).all()
    assert_allclose(dataset.fixations.duration_s, [0.2, 0.3], rtol=1e-6)
    assert any(f"it has times of day, such as {cell!r}" in note for note in dataset.notes)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("image,x\n1,2\n", r"no column for y among 'image', 'x'|no column for x and y"),
        ("a b c\n1 2 3\n", "no column for image and x and y among 'a b c'"),
        ("image,x,y\n", "holds no fixation"),
        ("image,x,y\n,2,3\n", "line 2: image is empty"),
        ("image,x,y\n1,2,3\n3,2,3\n7,1,1\n", r"line 3: no image '3' \(2 of 3 names have none"),
        ("image,x,y,order\n1,2,3,0\n1,2,3,1.5\n", "line 3: the order 1.5 is not a whole number"),
        (
            "image,x,y,order\n2,2,3,\n1,2,3,0\n1,2,3,\n",
            "line 4: order is empty, but not that of other fixations of this subject on this image",
        ),
        ("image,x,y,duration_s\n1,2,3,220\n", "column 'duration_s': fixations would last 220 s"),
        ("image,x,y\n1,2,3\n1,left,3\n", "line 3: 'left' in column 'x' is not a number"),
    ],
)
def test_errors_name_the_line(folder: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=rf"fixations\.csv.*({message})"):
        read_tabular(write(folder, text))


OWN_NAMES = "image,subject,order,x_px,y_px,start_s,duration_s\n"


@pytest.mark.parametrize("names", [OWN_NAMES, "Stimulus,Participant,fix_nr,X,Y,Onset,Dur\n"])
def test_columns_whose_cells_are_all_empty_are_as_if_absent(folder: Path, names: str) -> None:
    text = names + "1,,,20.5,3,0.5,\n1,,,5,3,0.25,\n2,,,7,3,,\n"
    dataset = read_tabular(write(folder, text))
    assert_array_equal(dataset.fixations.x, [5, 20.5, 7])
    assert_array_equal(dataset.fixations.order, [0, 1, 0])
    assert_array_equal(dataset.fixations.subject, [0, 0, 0])
    assert dataset.subject_names == ()
    said = " ".join(dataset.notes)
    assert "3 fixations have no order. Fixations are in order of their start: " in said
    assert "All fixations count as one subject's" in said


@pytest.mark.parametrize(("names", "base"), [(OWN_NAMES, 0), ("image,subject,order,x,y\n", 1)])
def test_some_empty_cells_are_unknown(folder: Path, names: str, base: int) -> None:
    rows = [("1", "ann", base + 1, 10), ("1", "ann", base, 20), ("1", "", "", 30), ("1", "", "", 2)]
    rest = ",5,," if base == 0 else ",5"
    lines = [f"{','.join(map(str, row))}{rest}\n" for row in [*rows, ("2", "", base, 4)]]
    dataset = read_tabular(write(folder, names + "".join(lines)))
    assert dataset.subject_names == ("", "ann")
    assert_array_equal(dataset.fixations.subject, [0, 0, 1, 1, 0])
    assert_array_equal(dataset.fixations.order, [0, 1, 0, 1, 0])
    assert_array_equal(dataset.fixations.x, [30, 2, 20, 10, 4])
    said = " ".join(dataset.notes)
    assert "2 fixations have no order." in said
    assert "3 fixations count as one subject's, without a name: they have no subject" in said


def test_which_table_must_be_plain(folder: Path) -> None:
    with pytest.raises(DataError, match="needs one table of fixations, but has none"):
        read_tabular(folder)
    write(write(folder, "", "a.csv"), "", "b.csv")
    with pytest.raises(DataError, match=r"but has a\.csv, b\.csv; call it fixations\.csv"):
        read_tabular(folder)
    with pytest.raises(DataError, match=r"c\.csv: cannot be read"):
        read_tabular(folder / "c.csv")


VALUES = st.floats(-100, 900).map(lambda value: round(value, 3) + 1e-4)  # never lost, as 0 is


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    rows=st.lists(
        st.tuples(st.sampled_from("12"), st.sampled_from("ab"), VALUES, VALUES),
        min_size=1,
        max_size=19,  # of twenty, positions mostly beside the images are refused
    ),
    names=st.sampled_from(
        [("image", "subject", "x", "y"), ("Stimulus Name", "Participant_ID", "FixX", "FixY")]
    ),
    delimiter=st.sampled_from(";\t"),
    decimal=st.sampled_from(".,"),
    normalized=st.booleans(),
    base=st.sampled_from([0, 1]),
)
def test_conventions_that_are_stated_lead_to_the_same_fixations(
    folder: Path,
    rows: list[tuple[str, str, float, float]],
    names: tuple[str, ...],
    delimiter: str,
    decimal: str,
    normalized: bool,
    base: Any,
) -> None:
    scale = (WIDTH, HEIGHT) if normalized else (1, 1)
    offset = 0 if normalized else base
    lines = [delimiter.join(names)]
    for image, subject, x, y in rows:
        numbers = (f"{x / scale[0] + offset:.12f}", f"{y / scale[1] + offset:.12f}")
        lines.append(delimiter.join((image, subject, *numbers)).replace(".", decimal))
    write(folder, "\r\n".join(lines))
    coordinates: Any = "normalized" if normalized else "pixels"
    read = read_tabular(folder, coordinates=coordinates, base=base).fixations
    expected = sorted(range(len(rows)), key=lambda i: rows[i][:2])
    assert_array_equal(read.stimulus, [int(rows[i][0]) - 1 for i in expected])
    assert_allclose(read.x, [rows[i][2] for i in expected], atol=1e-9)
    assert_allclose(read.y, [rows[i][3] for i in expected], atol=1e-9)
    for i in range(1, len(rows)):
        a, b = expected[i - 1], expected[i]
        assert read.order[i] == (read.order[i - 1] + 1 if rows[a][:2] == rows[b][:2] else 0)


def test_many_rows_in_no_order(folder: Path) -> None:
    rng = np.random.default_rng(0)
    n = 20_000
    columns = {
        "image": rng.integers(1, 3, n),
        "subject": rng.integers(0, 12, n),
        "x": rng.integers(0, WIDTH, n),
        "y": rng.integers(0, HEIGHT, n),
        "start_ms": rng.permutation(n),
    }
    text = "\n".join(",".join(map(str, row)) for row in zip(*columns.values(), strict=True))
    dataset = read_tabular(write(folder, ",".join(columns) + "\n" + text))
    rows = np.lexsort((columns["start_ms"], columns["subject"], columns["image"]))
    assert_array_equal(dataset.fixations.stimulus, columns["image"][rows] - 1)
    assert_array_equal(dataset.fixations.subject, columns["subject"][rows])
    assert_array_equal(dataset.fixations.x, columns["x"][rows])
    assert_allclose(dataset.fixations.start_s, columns["start_ms"][rows] / 1000, rtol=1e-6)
    assert dataset.subject_names == tuple(map(str, range(12)))


def test_parquet_is_read_as_text_is(folder: Path) -> None:
    pa = pytest.importorskip("pyarrow", reason="no PyArrow; install the extra [parquet]")
    pq = pytest.importorskip("pyarrow.parquet")
    columns = {
        "image": ["2", "1", "2"],
        "subject": [7, 8, 7],
        "x": [1.5, None, 3],
        "y": [1, 2, 3],
    }
    pq.write_table(pa.table(columns), folder / "fixations.parquet")
    read = read_tabular(folder)
    (folder / "fixations.parquet").rename(folder / "p.parquet")
    write(folder, "image,subject,x,y\n2,7,1.5,1\n1,8,,2\n2,7,3,3\n")
    expected = read_tabular(folder / "fixations.csv")
    for name in ("stimulus", "subject", "order", "x", "y", "start_s", "duration_s"):
        assert_array_equal(getattr(read.fixations, name), getattr(expected.fixations, name))
    assert read.notes == expected.notes
    assert read.subject_names == ("7", "8")
    pq.write_table(pa.table(columns | {"x": ["a", "b", "c"]}), folder / "p.parquet")
    with pytest.raises(DataError, match=r"p\.parquet: column 'x' holds string"):
        read_tabular(folder / "p.parquet")
    pq.write_table(pa.table(columns | {"image": [None] * 3}), folder / "p.parquet")
    with pytest.raises(DataError, match=r"p\.parquet, row 1: image is empty"):
        read_tabular(folder / "p.parquet")
    (folder / "p.parquet").write_bytes(b"PAR1")
    with pytest.raises(DataError, match=r"p\.parquet: not a readable Parquet file"):
        read_tabular(folder / "p.parquet")


def test_parquet_without_pyarrow(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    (folder / "fixations.parquet").write_bytes(b"PAR1")
    with pytest.raises(DataError, match=r'pip install "deepgaze2\[parquet\]"'):
        read_tabular(folder)
