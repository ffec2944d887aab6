"""`deepgaze2 predict --members`: what the readouts on each of a model's networks say."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import deepgaze2
from deepgaze2.density.plot import members
from deepgaze2.density.prediction import Prediction
from deepgaze2.features.backbone import StoredBackbone
from deepgaze2.store import write_model
from helpers.command_line import Run
from helpers.small_models import card_of, parts_of_two, write_photos

PHOTO = "photos/0.png"
FILES = ["0.npy", "0_members.png", "0_overlay.png", "0_panel.png"]


@pytest.fixture(autouse=True)
def _here(narrow_network: str, two_networks: list[StoredBackbone], tmp_path: Path) -> None:
    """Models of one network and of two, and photos, in the folder where commands run."""
    card, _, readouts = parts_of_two(2, backbones=two_networks)
    write_model(tmp_path / "two", card, readouts)
    write_model(tmp_path / "one", card_of(readouts[0], two_networks[0]), readouts[:1])
    write_photos(tmp_path / "photos", [(90, 60), (60, 80)])


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[list[tuple[str, NDArray[np.float32]]]]:
    """What is drawn in each picture of members: names and log densities."""
    drawn = list[list[tuple[str, NDArray[np.float32]]]]()

    def note(predictions: Sequence[Prediction]) -> object:
        drawn.append([(one.model, one.log_density) for one in predictions])
        return members(predictions)

    monkeypatch.setattr("deepgaze2.density.files.members", note)
    return drawn


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("options", [{}, {"center_bias": "osie", "pixels_per_degree": 30.0}])
def test_the_mixture_and_each_network_are_shown_side_by_side(
    run: Run,
    tmp_path: Path,
    shown: list[list[tuple[str, NDArray[np.float32]]]],
    options: dict[str, object],
) -> None:
    typed = " ".join(f"--{name.replace('_', '-')} {value}" for name, value in options.items())
    found = run(f"predict {PHOTO} --model two -o out --members {typed}")
    assert found.returncode == 0, found.stderr
    assert names_in(tmp_path / "out") == FILES
    (picture,) = shown
    assert [name for name, _ in picture] == [
        *("tiny two", "tiny two on narrow-vgg16 alone", "tiny two on narrow-resnet50 alone")
    ]
    (_, whole), *others = picture
    np.testing.assert_array_equal(np.load(tmp_path / "out" / "0.npy"), whole)
    weighted = [
        share * np.exp(one.astype(np.float64))
        for share, (_, one) in zip((1.0, 2.5), others, strict=True)
    ]
    # Averaged on the readouts' grid and interpolated, so nearly.
    np.testing.assert_allclose(np.exp(whole), sum(weighted) / 3.5, rtol=2e-3)
    model = deepgaze2.load(tmp_path / "two")
    for number, (_, member) in enumerate(others):
        alone = model.alone(number).predict(tmp_path / PHOTO, **options)  # type: ignore[arg-type]
        np.testing.assert_array_equal(member, alone.log_density)
        assert not np.allclose(member, whole, atol=0.1)


def test_of_one_network_the_mixture_is_shown_alone(
    run: Run, tmp_path: Path, shown: list[list[tuple[str, NDArray[np.float32]]]]
) -> None:
    found = run(f"predict {PHOTO} --model one -o out --members")
    assert found.returncode == 0, found.stderr
    assert names_in(tmp_path / "out") == FILES
    assert [[name for name, _ in picture] for picture in shown] == [["tiny"]]


def test_only_what_lacks_a_picture_is_predicted_again(
    run: Run, tmp_path: Path, shown: list[list[tuple[str, NDArray[np.float32]]]]
) -> None:
    line = "predict photos --model two -o out"
    assert run(line).returncode == 0
    assert not list((tmp_path / "out").glob("*_members.png"))
    assert "2 images predicted" in run(f"{line} --members").stdout
    assert len(shown) == 2
    assert "2 images skipped" in run(f"{line} --members").stdout
    (tmp_path / "out" / "1_members.png").unlink()
    again = run(f"{line} --members").stdout
    assert "1 image predicted" in again
    assert "1 image skipped" in again
    assert len(shown) == 3
    assert (tmp_path / "out" / "1_members.png").is_file()


def test_json_names_the_picture(run: Run) -> None:
    line = f"predict {PHOTO} --model two -o out --members --region all:0,0,90,60 --json"
    for skipped in (False, True):
        found = run(line)
        assert found.returncode == 0, found.stderr
        (image,) = json.loads(found.stdout)["images"]
        assert image["skipped"] is skipped
        names = [Path(path).name for path in image["outputs"]]
        assert sorted(names) == sorted([*FILES, "0_regions.csv"])
        assert all(Path(path).is_file() for path in image["outputs"])
