import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import loadmat, savemat

from deepgaze2.data.dataset import Dataset
from deepgaze2.data.published.declared import declared_dataset
from deepgaze2.data.published.expected import differences
from deepgaze2.data.published.figrim import read_figrim
from deepgaze2.data.sources import open_dataset
from deepgaze2.errors import DataError
from helpers.plain_rows import rows, write_image

EMPTY = np.zeros((0, 0), np.uint8)


def session(label: str, enc: Any = EMPTY, rec: Any = EMPTY, rec2: Any = EMPTY) -> dict[str, Any]:
    fixations = {
        name: np.array(xy, np.float64) if len(xy) else EMPTY
        for name, xy in (("enc", enc), ("rec", rec), ("rec2", rec2))
    }
    initials = label.partition("_")[0]
    return dict(zip(FIELDS, (7, label, initials, fixations), strict=True))


FIELDS = ("trial", "RECORDING_SESSION_LABEL", "sinit", "fixations")
ABSENT = dict.fromkeys(FIELDS, EMPTY)


def write(path: Path, images: dict[str, list[dict[str, Any]]]) -> None:
    entries = np.zeros((1, len(images)), [(n, object) for n in ("filename", "impath", "userdata")])
    for i, (impath, sessions) in enumerate(images.items()):
        userdata = np.zeros((1, len(sessions)), [(name, object) for name in ABSENT])
        for j, values in enumerate(sessions):
            userdata[0, j] = tuple(values.values())
        entries[0, i] = (Path(impath).name, impath, userdata)
    path.parent.mkdir()
    savemat(path, {"allImages": entries})


@pytest.fixture
def imitation(tmp_path: Path) -> Path:
    """A target seen three times, one that nobody was tracked on, and a filler."""
    write(
        tmp_path / "targetData" / "allImages_release.mat",
        {
            "Targets/bridge/b10.jpg": [ABSENT, session("el_1")],
            "Targets/bridge/b9.jpg": [
                session("ab_7_1", enc=[(500, 501), (1.5, 2)], rec=[(499.5, 500)], rec2=[(3, 4)]),
                ABSENT,
            ],
        },
    )
    write(
        tmp_path / "fillerData" / "allImages_fillers.mat",
        {"Fillers/bridge/a.jpg": [session("el_1", enc=[(5, 6), (1000.5, 7)]), ABSENT]},
    )
    write_image(tmp_path / "Targets" / "bridge" / "b9.jpg", 10, 10)
    return tmp_path


def test_reads_an_imitation(imitation: Path) -> None:
    dataset = read_figrim(imitation)
    target = imitation / "Targets" / "bridge" / "b9.jpg"
    assert dataset.stimuli.paths == (None, target, None)
    assert set(dataset.stimuli.width) == set(dataset.stimuli.height) == {1000}
    assert dataset.stimuli.ids[2] == "Targets/bridge/b10.jpg"
    assert dataset.notes == ("2 of 3 images are not at hand.",)
    assert rows(dataset) == [
        ("Fillers/bridge/a.jpg", "el / el_1 / enc", 0, 5, 6),
        ("Fillers/bridge/a.jpg", "el / el_1 / enc", 1, 1000.5, 7),
        ("Targets/bridge/b9.jpg", "ab / ab_7_1 / enc", 0, 500, 501),
        ("Targets/bridge/b9.jpg", "ab / ab_7_1 / enc", 1, 1.5, 2),
        ("Targets/bridge/b9.jpg", "ab / ab_7_1 / rec", 0, 499.5, 500),
        ("Targets/bridge/b9.jpg", "ab / ab_7_1 / rec2", 0, 3, 4),
    ]


def test_fillers_when_they_were_encoded(imitation: Path) -> None:
    (imitation / "targetData" / "allImages_release.mat").unlink()
    dataset = open_dataset(f"figrim-fillers:{imitation}", raw=True)
    assert dataset.name == "FIGRIM (encoded fillers)"
    assert [x for *_, x, _ in rows(dataset)] == [5, 1000.5]
    with pytest.raises(ValueError, match="part is 'targets'"):
        read_figrim(imitation, "targets")  # type: ignore[arg-type]


@pytest.mark.slow
def test_the_real_fillers_are_those_of_the_whole(shared_data: Path, real: Dataset) -> None:
    fillers = open_dataset(f"figrim-fillers:{shared_data / 'figrim'}", raw=True)
    assert differences(fillers, declared_dataset("figrim-fillers")) == []
    assert len(fillers.fixations) == 226755
    encoded = np.array([name.endswith(" / enc") for name in real.subject_names])
    is_filler = np.array([name.startswith("Fillers") for name in real.stimuli.ids])
    f = real.fixations
    same = f[encoded[f.subject] & is_filler[f.stimulus]]
    np.testing.assert_array_equal(fillers.fixations.x, same.x)
    np.testing.assert_array_equal(fillers.fixations.y, same.y)


@pytest.fixture(scope="module")
def real(shared_data: Path) -> Dataset:
    return read_figrim(shared_data / "figrim")


def test_the_real_annotations(shared_data: Path, real: Dataset) -> None:
    expected = declared_dataset("figrim").expect
    fixations = real.fixations
    assert len(real.stimuli) == expected.images == 2787
    assert len(fixations) == expected.fixations == 424712
    assert len(real.subject_names) == expected.subjects
    assert round(fixations.x.mean(), 3) == expected.mean_x
    assert round(fixations.y.mean(), 3) == expected.mean_y
    assert real.inside().all()
    assert np.count_nonzero(fixations.order == 0) == 36538 + 30012
    assert np.median(fixations.x[fixations.order == 0]) == pytest.approx(497, abs=5)
    for name in ("targetData/allImages_release.mat", "fillerData/allImages_fillers.mat"):
        direct = loadmat(shared_data / "figrim" / name)["allImages"][0]
        for image in direct[::200]:
            own = real.fixations_on(real.stimuli.ids.index(image["impath"][0]))
            names = [real.subject_names[i] for i in own.subject]
            found = sorted(zip(names, own.order, own.x, own.y, strict=True))
            assert found == sorted(direct_rows(image))


def direct_rows(image: Any) -> list[tuple[str, int, float, float]]:
    return [
        (
            f"{session['sinit'][0]} / {session['RECORDING_SESSION_LABEL'][0]} / {viewing}",
            order,
            x,
            y,
        )
        for session in image["userdata"][0]
        if session["trial"].size
        for viewing in ("enc", "rec", "rec2")
        for order, (x, y) in enumerate(session["fixations"][0, 0][viewing].reshape(-1, 2))
    ]


def test_people_are_told_by_their_initials(real: Dataset) -> None:
    labels = [name.split(" / ")[1] for name in real.subject_names]
    initials = np.array([re.split(r"[\d_]", label)[0] for label in labels])
    people = {*zip(real.person, initials[real.fixations.subject], strict=True)}
    assert len(people) == len(set(real.person)) == len(set(initials)) == 42


def test_a_missing_file(imitation: Path) -> None:
    (imitation / "fillerData" / "allImages_fillers.mat").unlink()
    with pytest.raises(DataError, match=r"allImages_fillers\.mat: missing"):
        read_figrim(imitation)


def test_another_matlab_file(imitation: Path) -> None:
    savemat(imitation / "fillerData" / "allImages_fillers.mat", {"allImages": np.eye(3)})
    with pytest.raises(DataError, match=r"allImages_fillers\.mat: not FIGRIM's fixations"):
        read_figrim(imitation)
