"""What lines before the names of columns say, and files of a folder that differ in it."""

from pathlib import Path

import pytest
from numpy.testing import assert_array_equal
from PIL import Image

from deepgaze2.data.dataset import Dataset
from deepgaze2.data.own.preamble import told_before
from deepgaze2.data.own.tabular import read_tabular
from helpers.tracker_exports import begaze_of_one, tobii_studio_of_one


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "images").mkdir()
    for name in ("a", "b", "Küche"):
        Image.new("RGB", (640, 480)).save(tmp_path / "images" / f"{name}.png")
    return tmp_path


def written(path: Path, lines: list[str], encoding: str = "utf-8") -> Path:
    path.write_text("\n".join(lines) + "\n", encoding)
    return path


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (["## Subject:\tP1", "## Stimulus: a.png"], {"subject": "P1", "image": "a.png"}),
        (["Participant name: P 01", "Recording name: Rec 1"], {"subject": "P 01"}),
        (["Recording name:\tRec 1"], {"subject": "Rec 1"}),
        (['"Participant";"P1"', "Participant:;P1;;;;"], {"subject": "P1"}),
        (["# subject = 7", "# date = 2020-01-02"], {"subject": "7"}),
        (["Subject:", "## Subject: ", "Subject", "Subjects: 30"], {}),
        (["Subject: P1", "Subject: P2"], {}),
        (["Export of the subject: see below"], {}),
    ],
)
def test_lines(lines: list[str], told: dict[str, str]) -> None:
    assert told_before(lines) == told


def people(dataset: Dataset) -> list[tuple[str, str]]:
    read = dataset.fixations
    return [
        (dataset.stimuli.ids[i], dataset.subject_names[j])
        for i, j in zip(read.stimulus, read.subject, strict=True)
    ]


def test_subject_and_image_of_a_whole_file(folder: Path) -> None:
    path = written(folder / "e.txt", begaze_of_one("P7", "b"))
    dataset = read_tabular(path)
    assert people(dataset) == [("b.png", "P7"), ("b.png", "P7")]
    assert (
        "The subject is named: lines before the columns' names say so, and no column does"
        " (--column subject=NAME or none)."
    ) in dataset.notes
    assert any(note.startswith("The image is 'b': lines before") for note in dataset.notes)
    assert read_tabular(path, columns={"subject": "none"}).subject_names == ()
    assert people(read_tabular(path, image="a"))[0] == ("a.png", "P7")


def test_a_column_counts_more_than_the_lines(folder: Path) -> None:
    lines = ["Subject: P7", "Image: b", "image,subject,x,y", "a,P1,1,2"]
    dataset = read_tabular(written(folder / "e.csv", lines))
    assert people(dataset) == [("a.png", "P1")]
    assert "P7" not in " ".join(map(str, dataset.decisions))
    lines[-1] = "a,,1,2"  # an empty one says nothing
    assert people(read_tabular(written(folder / "e.csv", lines))) == [("a.png", "P7")]


def test_each_file_has_its_own(folder: Path) -> None:
    written(folder / "1.txt", begaze_of_one("P2", "a"))
    written(folder / "2.txt", begaze_of_one("P1", "b"))
    dataset = read_tabular(folder)
    assert people(dataset) == [("a.png", "P2")] * 2 + [("b.png", "P1")] * 2
    said = " ".join(dataset.notes)
    assert "Each file has its subject" in said
    assert "Each file has its image, such as 'a'" in said
    lines = begaze_of_one("", "b")  # not all tell their subject: files' names do
    written(folder / "2.txt", lines)
    assert people(read_tabular(folder)) == [("a.png", "1")] * 2 + [("b.png", "2")] * 2


def test_files_in_several_encodings(folder: Path) -> None:
    encodings = {"Ann": "utf-16", "Bjørn": "cp1252", "Cæcilie": "utf-8", "Dörte": "utf-8-sig"}
    for number, (name, encoding) in enumerate(encodings.items()):
        written(folder / f"{number}.tsv", tobii_studio_of_one(name, "Küche.png"), encoding)
    dataset = read_tabular(folder)
    assert people(dataset) == [("Küche.png", name) for name in encodings for _ in range(2)]
    assert_array_equal(dataset.fixations.x, [413, 495] * 4)
    files = [d for d in dataset.decisions if d.what.startswith("characters are")]
    assert [d.what for d in files] == [
        "characters are UTF-16, in 0.tsv",
        "characters are Windows-1252, in 1.tsv",
        "characters are UTF-8, in 2.tsv, 3.tsv",
    ]
    assert [d.guessed for d in files] == [False, True, False]


def test_files_of_like_names_are_different_people(folder: Path) -> None:
    for name in ("s.1.csv", "s.2.csv"):
        written(folder / name, ["image,x,y", "a,1,2"])
    assert read_tabular(folder).subject_names == ("s.1", "s.2")
    (folder / "s.2.csv").rename(folder / "s.1.tsv")
    assert read_tabular(folder).subject_names == ("s.1.csv", "s.1.tsv")
