import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from deepgaze2.data.published.coco import read_coco_freeview, read_coco_search18
from deepgaze2.data.sources import open_dataset
from deepgaze2.errors import DataError
from helpers.plain_rows import rows, write_image

TRAIN = "coco_search18_fixations_TP_train_split1.json"
VALID = "coco_search18_fixations_TP_validation_split1.json"
ABSENT = "coco_search18_fixations_TA_trainval.json"
FREEVIEW = "COCOFreeView_fixations_trainval.json"


def scanpath(name: str, subject: int, *xy: tuple[float, float], **more: Any) -> dict[str, Any]:
    x, y = zip(*xy, strict=True) if xy else ((), ())
    durations = [200 + 10 * i for i in range(len(xy))]
    columns = {"X": x, "Y": y, "T": durations, "length": len(xy)}
    return {"name": name, "subject": subject, "split": "train"} | columns | more


@pytest.fixture
def imitation(tmp_path: Path) -> Path:
    """An image searched for two targets, one for another, and one of the validation part."""
    for path in ("images/fork/9.jpg", "images/tv/9.jpg", "coco_search18_images_TA/fork/10.jpg"):
        write_image(tmp_path / path, 16, 10)
    write_image(tmp_path / "images/fork/8.jpg", 16, 10)
    fork, tv = {"task": "fork", "condition": "present"}, {"task": "tv", "condition": "present"}
    contents = {
        TRAIN: [
            scanpath("9.jpg", 10, (8, 5), (15.5, 9.5), (17, 3), **tv),
            scanpath("9.jpg", 2, **fork),
            scanpath("9.jpg", 2, (8, 5), (3, 4), **tv, RT=900),
            scanpath("9.jpg", 10, (8.5, 5), (1, 1), **fork, bbox=[1, 2, 3, 4]),
        ],
        VALID: [scanpath("8.jpg", 1, (14, 1), **(fork | {"split": "valid"}))],
        ABSENT: [scanpath("10.jpg", 2, (8, 5), (14, 2), task="fork", condition="absent")],
        FREEVIEW: [
            scanpath("10.jpg", 3, (8, 5), (15, 2)),
            scanpath("8.jpg", 3, (14, 5), split="test"),
        ],
    }
    for name, content in contents.items():
        (tmp_path / name).write_text(json.dumps(content))
    return tmp_path


def test_reads_an_imitation_of_search(imitation: Path) -> None:
    dataset = read_coco_search18(imitation)
    assert dataset.stimuli.ids == ("9.jpg", "10.jpg")
    assert dataset.stimuli.pixels_per_degree.tolist() == [30, 30]
    assert dataset.subject_names == ("2 / fork", "2 / tv", "10 / fork", "10 / tv")
    assert rows(dataset) == [
        ("9.jpg", "2 / tv", 0, 8, 5),
        ("9.jpg", "2 / tv", 1, 3, 4),
        ("9.jpg", "10 / fork", 0, 8.5, 5),
        ("9.jpg", "10 / fork", 1, 1, 1),
        ("9.jpg", "10 / tv", 0, 8, 5),
        ("9.jpg", "10 / tv", 1, 15.5, 9.5),
        ("9.jpg", "10 / tv", 2, 17, 3),
        ("10.jpg", "2 / fork", 0, 8, 5),
        ("10.jpg", "2 / fork", 1, 14, 2),
    ]
    np.testing.assert_allclose(dataset.fixations.duration_s[4:7], [0.2, 0.21, 0.22])


def test_training_leaves_out_first_fixations_and_those_outside(imitation: Path) -> None:
    ready = open_dataset(f"coco-search18:{imitation}")
    assert [row[2:] for row in rows(ready)] == [(1, 3, 4), (1, 1, 1), (1, 15.5, 9.5), (1, 14, 2)]


def test_the_validation_part(imitation: Path) -> None:
    assert rows(read_coco_search18(imitation, "valid")) == [("8.jpg", "1 / fork", 0, 14, 1)]


def test_reads_an_imitation_of_free_viewing(imitation: Path) -> None:
    dataset = read_coco_freeview(imitation)
    assert rows(dataset) == [("10.jpg", "3", 0, 8, 5), ("10.jpg", "3", 1, 15, 2)]


def test_no_such_part(imitation: Path) -> None:
    with pytest.raises(ValueError, match="train, valid"):
        read_coco_freeview(imitation, "test")  # type: ignore[arg-type]


def test_a_missing_image(imitation: Path) -> None:
    (imitation / "coco_search18_images_TA/fork/10.jpg").unlink()
    with pytest.raises(DataError, match=r"1 of 2 images are missing, first '10\.jpg'"):
        read_coco_search18(imitation)


@pytest.mark.parametrize("name", [TRAIN, VALID, ABSENT])
def test_a_missing_file(imitation: Path, name: str) -> None:
    (imitation / name).unlink()
    with pytest.raises(DataError, match=f"{name}: missing"):
        read_coco_search18(imitation)


@pytest.mark.parametrize("width", [6, 48])
def test_images_of_another_scale(imitation: Path, width: int) -> None:
    for path in imitation.rglob("*.jpg"):
        write_image(path, width, 10)
    with pytest.raises(DataError, match="scaled copy"):
        read_coco_search18(imitation)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "not a JSON file"),
        ('[{"name": "10.jpg"', "not a JSON file"),
        ("{}", "not a list"),
        ('{"a": 1}', "not a list"),
        ('[{"name": "10.jpg"}]', "not a list of scanpaths"),
        (json.dumps([scanpath("9.jpg", 1, (1, 2), T=[])]), "9.jpg have different lengths"),
    ],
)
def test_other_files(imitation: Path, content: str, message: str) -> None:
    (imitation / FREEVIEW).write_text(content)
    with pytest.raises(DataError, match=message):
        read_coco_freeview(imitation)
