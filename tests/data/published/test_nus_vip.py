from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scipy.io import loadmat, savemat

from deepgaze2.data import read_osie
from deepgaze2.data.published.declared import declared_dataset
from deepgaze2.data.published.expected import differences
from deepgaze2.data.sources import open_dataset
from deepgaze2.errors import DataError


def cell(entries: list[Any]) -> Any:
    array = np.empty((len(entries), 1), dtype=object)
    array[:, 0] = entries
    return array


def subject(*rows: tuple[float, float, int]) -> dict[str, Any]:
    x, y, duration_ms = np.array(rows).reshape(-1, 3).T
    return {
        "fix_x": x[None],
        "fix_y": y[None],
        "fix_duration": duration_ms[None].astype(np.uint16),
    }


@pytest.fixture
def imitation(tmp_path: Path) -> Path:
    """Three images in the file, two in the folder; a missing, a short and a long scanpath."""
    for name, size in (("1001.jpg", (80, 60)), ("1003.jpg", (60, 80))):
        (tmp_path / "stimuli").mkdir(exist_ok=True)
        Image.new("RGB", size).save(tmp_path / "stimuli" / name)
    images = [
        {"img": "1003.jpg", "subjects": cell([subject((1.2, 3.4, 200)), subject()])},
        {"img": "1002.jpg", "subjects": cell([subject((9, 9, 9)), subject((9, 9, 9))])},
        {
            "img": "1001.jpg",
            "subjects": cell([subject(), subject((40.0, 30.0, 150), (79.9, 59.9, 1975))]),
        },
    ]
    (tmp_path / "eye").mkdir()
    savemat(tmp_path / "eye" / "fixations.mat", {"fixations": cell(images)})
    return tmp_path


def test_reads_an_imitation_with_known_answers(imitation: Path) -> None:
    dataset = read_osie(imitation)
    assert dataset.stimuli.ids == ("1001.jpg", "1003.jpg")
    np.testing.assert_array_equal(dataset.stimuli.width, [80, 60])
    np.testing.assert_array_equal(dataset.stimuli.height, [60, 80])
    fixations = dataset.fixations
    np.testing.assert_array_equal(fixations.stimulus, [0, 0, 1])
    np.testing.assert_array_equal(fixations.subject, [1, 1, 0])
    np.testing.assert_array_equal(fixations.order, [0, 1, 0])
    np.testing.assert_array_equal(fixations.x, [40.0, 79.9, 1.2])
    np.testing.assert_array_equal(fixations.y, [30.0, 59.9, 3.4])
    np.testing.assert_allclose(fixations.duration_s, [0.15, 1.975, 0.2], rtol=1e-6)
    assert np.isnan(fixations.start_s).all()


def test_agrees_with_a_direct_reading(shared_data: Path) -> None:
    folder = shared_data / "osie"
    dataset = read_osie(folder)
    direct = {
        str(image[0, 0]["img"][0]): image[0, 0]["subjects"][:, 0]
        for image in loadmat(folder / "eye" / "fixations.mat")["fixations"][:, 0]
    }
    assert len(dataset.stimuli) == 600
    assert len(dataset.fixations) == 84232
    assert dataset.inside().all()
    for i, name in enumerate(dataset.stimuli.ids):
        own = dataset.fixations_on(i)
        subjects = [entry[0, 0] for entry in direct[name]]
        assert len(subjects) == 15
        np.testing.assert_array_equal(own.x, np.hstack([s["fix_x"][0] for s in subjects]))
        np.testing.assert_array_equal(own.y, np.hstack([s["fix_y"][0] for s in subjects]))
        lengths = [s["fix_x"].size for s in subjects]
        np.testing.assert_array_equal(own.subject, np.repeat(np.arange(15), lengths))
        np.testing.assert_array_equal(own.order, np.hstack([np.arange(n) for n in lengths]))


def test_missing_images(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no \.jpg images"):
        read_osie(tmp_path)


def test_missing_fixations(imitation: Path) -> None:
    (imitation / "eye" / "fixations.mat").unlink()
    with pytest.raises(DataError, match=r"fixations\.mat: missing"):
        read_osie(imitation)


def test_an_image_without_fixations_in_the_file(imitation: Path) -> None:
    Image.new("RGB", (8, 6)).save(imitation / "stimuli" / "1700.jpg")
    with pytest.raises(DataError, match=r"1 of 3 images, first 1700\.jpg"):
        read_osie(imitation)


def test_damaged_image(imitation: Path) -> None:
    (imitation / "stimuli" / "1003.jpg").write_bytes(b"")
    with pytest.raises(DataError, match=r"1003\.jpg: not a readable image"):
        read_osie(imitation)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.95])
def test_truncated_fixations(imitation: Path, share: float) -> None:
    path = imitation / "eye" / "fixations.mat"
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(DataError, match=r"fixations\.mat: a damaged Matlab file"):
        read_osie(imitation)


def test_another_matlab_file(imitation: Path) -> None:
    savemat(imitation / "eye" / "fixations.mat", {"fixations": np.eye(3)})
    with pytest.raises(DataError, match=r"fixations\.mat: not OSIE's fixations"):
        read_osie(imitation)


def test_another_set_of_the_laboratory(imitation: Path) -> None:
    crowd, osie = (open_dataset(f"{name}:{imitation}", raw=True) for name in ("eyecrowd", "osie"))
    assert (crowd.name, osie.name) == ("EyeCrowd", "OSIE")
    np.testing.assert_array_equal(crowd.fixations.x, osie.fixations.x)
    assert np.isnan(crowd.stimuli.pixels_per_degree).all()
    assert osie.stimuli.pixels_per_degree.tolist() == [24, 24]
    assert open_dataset(f"eyecrowd:{imitation}").fixations.x.tolist() == [79.9]
    savemat(imitation / "eye" / "fixations.mat", {"fixations": np.eye(3)})
    with pytest.raises(DataError, match=r"fixations\.mat: not EyeCrowd's fixations"):
        open_dataset(f"eyecrowd:{imitation}")


def test_the_real_fixations_of_eyecrowd_in_its_layout(shared_data: Path, tmp_path: Path) -> None:
    """The copy at hand is a table, on images of half the size."""
    table = open_dataset(f"csv:{shared_data / 'eyecrowd'}", raw=True)
    (tmp_path / "stimuli").mkdir()
    (tmp_path / "eye").mkdir()
    images = []
    for i, name in enumerate(table.stimuli.ids):
        image = Path(name).with_suffix(".jpg").name
        Image.new("L", (1024, 768)).save(tmp_path / "stimuli" / image)
        own = table.fixations_on(i)
        subjects = [
            subject(*((2 * x, 2 * y, 200) for x, y in zip(own.x[seen], own.y[seen], strict=True)))
            for seen in (own.subject == number for number in range(16))
        ]
        images.append({"img": image, "subjects": cell(subjects)})
    savemat(tmp_path / "eye" / "fixations.mat", {"fixations": cell(images)})
    read = open_dataset(f"eyecrowd:{tmp_path}", raw=True)
    assert differences(read, declared_dataset("eyecrowd")) == []
    np.testing.assert_array_equal(read.fixations.x, 2 * table.fixations.x)
    np.testing.assert_array_equal(read.fixations.order, table.fixations.order)
    fewer = read.keep(np.arange(len(read.fixations)) > 0)
    (found,) = differences(fewer, declared_dataset("eyecrowd"))
    assert found.examples == ("126347 found, 126348 expected",)
