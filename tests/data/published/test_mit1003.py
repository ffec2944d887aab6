from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from scipy.io import savemat

from deepgaze2.data.published.mit1003 import SUBJECTS, read_mit1003
from deepgaze2.errors import DataError

LONG = "street_" * 12  # longer than Matlab's 63 characters
SIZES = {"i2": (400, 300), "i10": (300, 400), LONG: (500, 200)}
CENTER, LEFT, RIGHT, ABOVE = (150.0, 140.0), (20.0, 100.0), (280.0, 150.0), (150.0, -60.0)


def write_recording(folder: Path, subject: str, stem: str, *stretches: tuple[float, float]) -> None:
    """Write a trial with 60 samples at each place, joined by saccades of 5 samples."""
    parts: list[NDArray[np.float64]] = []
    for place in stretches:
        here = np.array(place)
        if parts:
            share = np.arange(1, 5)[:, None] / 5
            parts.append(parts[-1][-1] + share * (here - parts[-1][-1]))
        parts.append(np.tile(here, (60, 1)))
    samples = np.column_stack([np.concatenate(parts), np.ones(sum(map(len, parts)))])
    write_samples(folder, subject, stem, samples)


def write_samples(folder: Path, subject: str, stem: str, samples: NDArray[np.float64]) -> None:
    content = {stem[:63]: {"imgName": f"{stem}.jpeg", "DATA": {"eyeData": samples}}}
    path = folder / "DATA" / subject / f"{stem}.mat"
    path.parent.mkdir(parents=True, exist_ok=True)
    savemat(path, content, long_field_names=True)


@pytest.fixture
def imitation(tmp_path: Path) -> Path:
    """Three images; all subjects look at the center and the left, but ajs on i10 and LONG."""
    (tmp_path / "ALLSTIMULI").mkdir()
    for stem, size in SIZES.items():
        Image.new("RGB", size).save(tmp_path / "ALLSTIMULI" / f"{stem}.jpeg")
        for subject in SUBJECTS:
            write_recording(tmp_path, subject, stem, CENTER, LEFT)
    write_recording(tmp_path, "ajs", "i10", ABOVE, RIGHT, ABOVE, LEFT)
    write_samples(tmp_path, "ajs", LONG, np.full((720, 2), np.nan))
    for name in ("ALLSTIMULI/._i2.jpeg", "ALLSTIMULI/.DS_Store", "DATA/ajs/._i2.mat"):
        (tmp_path / name).write_bytes(b"stray")
    savemat(tmp_path / "DATA" / "shuff_stimnames.mat", {"a": 1})
    savemat(tmp_path / "DATA" / "ajs" / "CalibrationData.mat", {"a": 1})
    return tmp_path


def test_without_the_initial_fixation(imitation: Path) -> None:
    dataset = read_mit1003(imitation)
    assert dataset.stimuli.ids == ("i2.jpeg", "i10.jpeg", f"{LONG}.jpeg")
    np.testing.assert_array_equal(dataset.stimuli.width, [400, 300, 500])
    np.testing.assert_array_equal(dataset.stimuli.pixels_per_degree, 35)
    assert dataset.subject_names[:2] == ("CNG", "ajs")
    assert dataset.subject_names == tuple(sorted(SUBJECTS))
    n_each = [len(dataset.fixations_on(i)) for i in range(3)]
    assert n_each == [15, 16, 14]
    ajs = dataset.of_subjects(["ajs"]).fixations_on(1)
    np.testing.assert_array_equal(ajs.order, [1, 3])
    np.testing.assert_array_equal(ajs.x, [280, 20])
    np.testing.assert_array_equal(ajs.y, [150, 100])
    np.testing.assert_allclose(ajs.start_s, [65 / 240, 193 / 240], atol=5 / 240)
    np.testing.assert_allclose(ajs.duration_s, 60 / 240, atol=10 / 240)
    assert dataset.notes == (
        "45 first fixations were left out",
        "1 fixations outside or lost were left out",
    )


def test_with_the_initial_fixation(imitation: Path) -> None:
    dataset = read_mit1003(imitation, initial="keep")
    assert [len(dataset.fixations_on(i)) for i in range(3)] == [30, 30, 28]
    usual = dataset.fixations_on(0)
    np.testing.assert_array_equal(usual.x[:2], [150, 20])
    np.testing.assert_allclose(usual.start_s[0], 1 / 240)
    np.testing.assert_array_equal(dataset.of_subjects(["ajs"]).fixations_on(1).order, [1, 3])


def test_the_variants_agree_on_all_but_the_first(imitation: Path) -> None:
    usual = read_mit1003(imitation).fixations
    variants: tuple[Literal["keep", "center"], ...] = ("keep", "center")
    for initial in variants:
        other = read_mit1003(imitation, initial=initial).without_first().fixations
        for column in ("stimulus", "subject", "order", "x", "y", "start_s", "duration_s"):
            np.testing.assert_array_equal(getattr(other, column), getattr(usual, column))


def test_an_invalid_initial_fixation_is_moved_to_the_center(imitation: Path) -> None:
    dataset = read_mit1003(imitation, initial="center")
    assert np.count_nonzero(dataset.fixations.order == 0) == 45
    above = dataset.of_subjects(["ajs"]).fixations_on(1)
    assert (above.order[0], above.x[0], above.y[0], above.start_s[0]) == (0, 150, 200, 0)
    assert above.duration_s[0] == pytest.approx(60 / 240, abs=5 / 240)
    lost = dataset.of_subjects(["ajs"]).fixations_on(2)
    assert (lost.x[0], lost.y[0], lost.duration_s[0]) == (250, 100, 3)


def test_outside_and_lost_fixations_on_demand(imitation: Path) -> None:
    dataset = read_mit1003(imitation, initial="keep", keep_outside=True)
    assert [len(dataset.fixations_on(i)) for i in range(3)] == [30, 32, 29]
    np.testing.assert_array_equal(dataset.of_subjects(["ajs"]).fixations_on(1).y[::2], -60)
    assert np.isnan(dataset.of_subjects(["ajs"]).fixations_on(2).x).all()
    assert dataset.notes == ()


def test_the_edge_itself_is_outside(imitation: Path) -> None:
    write_recording(imitation, "CNG", "i2", CENTER, (0.0, 100.0), (399.9, 100.0))
    found = read_mit1003(imitation).of_subjects(["CNG"]).fixations_on(0)
    np.testing.assert_array_equal(found.x, [399.9])


def test_an_empty_recording_has_no_fixations(imitation: Path) -> None:
    write_samples(imitation, "CNG", "i2", np.zeros((0, 0)))
    dataset = read_mit1003(imitation, initial="keep")
    assert len(dataset.of_subjects(["CNG"]).fixations_on(0)) == 0


def test_recordings_without_image_are_named(imitation: Path) -> None:
    write_recording(imitation, "zb", "i7", CENTER)
    assert read_mit1003(imitation).notes[0] == (
        "recordings on 1 images that are not in ALLSTIMULI were left out, such as i7"
    )


def test_missing_recordings(imitation: Path) -> None:
    (imitation / "DATA" / "tu" / "i10.mat").unlink()
    (imitation / "DATA" / "ya" / "i2.mat").unlink()
    with pytest.raises(DataError, match=r"tu.i10\.mat: missing, as are 1 other"):
        read_mit1003(imitation)


def test_a_missing_subject(imitation: Path) -> None:
    (imitation / "DATA" / "tu").rename(imitation / "DATA" / "someone")
    with pytest.raises(DataError, match=r"tu.i2\.mat: missing, as are 2 other"):
        read_mit1003(imitation)


def test_missing_images(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"ALLSTIMULI: no \.jpeg images"):
        read_mit1003(tmp_path)


@pytest.mark.parametrize(
    "content",
    [{"a": 1}, {"a": {"DATA": {"other": 1}}}, {"a": {"DATA": {"eyeData": 1}}}, {"a": 1, "b": 2}],
)
def test_another_matlab_file(imitation: Path, content: dict[str, object]) -> None:
    savemat(imitation / "DATA" / "tu" / "i2.mat", content)
    with pytest.raises(DataError, match=r"i2\.mat: not a recording of MIT1003"):
        read_mit1003(imitation)


def test_an_unknown_variant(imitation: Path) -> None:
    with pytest.raises(ValueError, match="'first'"):
        read_mit1003(imitation, initial="first")  # type: ignore[arg-type]
