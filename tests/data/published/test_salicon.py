from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from deepgaze2.data.mouse import Dwell, pseudo_fixations
from deepgaze2.data.published.salicon import read_salicon
from deepgaze2.errors import DataError

NAMES = [f"COCO_train2014_{number:012d}" for number in (9, 25, 100, 3000)]


def trace(
    location: list[tuple[int, int]], timestamp: list[int], fixations: list[tuple[int, int]]
) -> tuple[Any, ...]:
    """A worker's trace with x before y, both from one, in Matlab's smallest types."""
    return (
        np.array(location, dtype=np.uint16).reshape(-1, 2),
        np.array(timestamp, dtype=np.uint16).reshape(-1, 1),
        np.array(fixations, dtype=np.uint16).reshape(-1, 2),
    )


def write_recording(folder: Path, name: str, *traces: tuple[Any, ...]) -> None:
    gaze = np.empty((len(traces), 1), dtype=[(n, object) for n in FIELDS])
    for i, one in enumerate(traces):
        gaze[i, 0] = one
    path = folder / "fixations" / "train" / f"{name}.mat"
    path.parent.mkdir(parents=True, exist_ok=True)
    savemat(path, {"image": name, "resolution": [480, 640], "gaze": gaze}, do_compression=True)


FIELDS = ("location", "timestamp", "fixations")
FIRST = trace([(1, 1), (2, 1), (640, 480)], [5, 25, 105], [(1, 480), (640, 1)])
EMPTY = trace([], [], [])
OUTSIDE = trace([(0, 1), (641, 700)], [0, 16], [(320, 240)])
SINGLE = trace([(321, 241)], [7], [(321, 241)])


@pytest.fixture
def imitation(tmp_path: Path) -> Path:
    """Recordings on three images, of which two are at hand, and an image without recording."""
    write_recording(tmp_path, NAMES[0], FIRST, EMPTY, OUTSIDE)
    write_recording(tmp_path, NAMES[1], SINGLE)
    write_recording(tmp_path, NAMES[2])
    (tmp_path / "images" / "train").mkdir(parents=True)
    for name in (NAMES[0], NAMES[1], NAMES[3]):
        Image.new("RGB", (640, 480)).save(tmp_path / "images" / "train" / f"{name}.jpg")
    return tmp_path


def test_published_fixations(imitation: Path) -> None:
    dataset = read_salicon(imitation)
    assert dataset.stimuli.ids == tuple(f"{name}.jpg" for name in NAMES[:3])
    assert [path is not None for path in dataset.stimuli.paths] == [True, True, False]
    np.testing.assert_array_equal(dataset.stimuli.width, 640)
    np.testing.assert_array_equal(dataset.stimuli.height, 480)
    fixations = dataset.fixations
    np.testing.assert_array_equal(fixations.stimulus, [0, 0, 0, 1])
    np.testing.assert_array_equal(fixations.subject, [0, 0, 2, 3])
    np.testing.assert_array_equal(fixations.order, [0, 1, 0, 0])
    np.testing.assert_array_equal(fixations.x, [0, 639, 319, 320])
    np.testing.assert_array_equal(fixations.y, [479, 0, 239, 240])
    assert np.isnan(fixations.start_s).all()
    assert dataset.notes == (
        f"1 images with recordings are not at hand, such as {NAMES[2]}.jpg",
        f"1 images without recordings were left out, such as {NAMES[3]}.jpg",
    )


def test_mouse_samples_are_put_inside(imitation: Path) -> None:
    dataset = read_salicon(imitation, kind="mouse")
    fixations = dataset.fixations
    np.testing.assert_array_equal(fixations.subject, [0, 0, 0, 2, 2, 3])
    np.testing.assert_array_equal(fixations.order, [0, 1, 2, 0, 1, 0])
    np.testing.assert_array_equal(fixations.x, [0, 1, 639, 0, 639.99, 320])
    np.testing.assert_array_equal(fixations.y, [0, 0, 479, 0, 479.99, 240])
    np.testing.assert_allclose(fixations.start_s, [0.005, 0.025, 0.105, 0, 0.016, 0.007])
    assert dataset.notes[2:] == ("2 samples outside their image were put on its edge",)
    found = pseudo_fixations(dataset, Dwell(dispersion_px=4, min_samples=1, min_duration_s=0.05))
    np.testing.assert_array_equal(found.fixations.x, [0.5])
    np.testing.assert_allclose(found.fixations.duration_s, [0.1], rtol=1e-5)


def test_locations_need_their_times(imitation: Path) -> None:
    write_recording(imitation, NAMES[1], trace([(1, 1), (2, 2)], [5], []))
    with pytest.raises(DataError, match=r"not a recording of SALICON \(2 locations but 1 time"):
        read_salicon(imitation, kind="mouse")


def test_missing_recordings(imitation: Path) -> None:
    with pytest.raises(DataError, match=r"val: no \.mat files"):
        read_salicon(imitation, split="val")


@pytest.mark.parametrize(
    "content", [{"a": 1}, {"resolution": 3, "gaze": 1}, {"resolution": [480, 640], "gaze": 1}]
)
def test_another_matlab_file(imitation: Path, content: dict[str, Any]) -> None:
    path = imitation / "fixations" / "train" / f"{NAMES[1]}.mat"
    savemat(path, content)
    with pytest.raises(DataError, match=r"25\.mat: not a recording of SALICON"):
        read_salicon(imitation)


def test_unknown_options(imitation: Path) -> None:
    with pytest.raises(ValueError, match="'test'"):
        read_salicon(imitation, split="test")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="'eye'"):
        read_salicon(imitation, kind="eye")  # type: ignore[arg-type]
