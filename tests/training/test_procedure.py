"""From a data set to a model folder: own center bias, few images, all shapes, interruption."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from deepgaze2.card import Card, read_card
from deepgaze2.data.dataset import Dataset
from deepgaze2.data.sources import open_dataset
from deepgaze2.errors import DataError
from deepgaze2.features.backbone import Backbone
from deepgaze2.references.baseline import center_bias_of, fit_center_bias
from deepgaze2.store import CENTER_BIAS_FILE, READOUT_FILE, read_center_bias
from deepgaze2.training import procedure
from deepgaze2.training.curves import CurveDrawing
from deepgaze2.training.fit import Curve, FitSettings
from deepgaze2.training.folder import remove_checkpoints
from deepgaze2.training.procedure import train_model
from deepgaze2.training.recipes import Training, paper_recipe
from helpers.small_models import random_backbone, write_photos
from helpers.training_images import train_one_by_one

SIZES = [(96, 64), (64, 96), (96, 64), (80, 80), (48, 120), (96, 64)]
SETTINGS = FitSettings(epochs=3, learning_rate=3e-3, images_per_batch=2)


@pytest.fixture(scope="module")
def backbone() -> Backbone:
    return random_backbone()


@pytest.fixture
def dataset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Dataset:
    """One subject's fixations around a point left of the center, on all images but the last."""
    monkeypatch.setenv("DEEPGAZE2_CACHE", str(tmp_path / "cache"))
    rng = np.random.default_rng(0)
    lines = ["image,x_px,y_px"]
    for i, path in enumerate(write_photos(tmp_path / "lab" / "images", SIZES)):
        path.rename(path.with_name(f"Küche {i} 台所.png"))
        if i < len(SIZES) - 1:
            position = np.clip(rng.normal((0.3, 0.5), 0.1, (12, 2)), 0, 0.99) * SIZES[i]
            lines += [f"Küche {i} 台所,{x:.2f},{y:.2f}" for x, y in position]
    (tmp_path / "lab" / "fixations.csv").write_text("\n".join(lines), encoding="utf-8")
    return open_dataset(f"csv:{tmp_path / 'lab'}")


@pytest.fixture
def in_one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(procedure, "train_all", train_one_by_one)


def train(
    dataset: Dataset,
    backbone: Backbone,
    folder: Path,
    *,
    settings: FitSettings = SETTINGS,
    center_bias: str | None = None,
    **options: Any,
) -> Card:
    recipe = replace(paper_recipe(backbone), finetuning=settings, longer_side_px=96)
    training = Training(recipe, **({"n_folds": 2} | options))
    card, _ = train_model(
        [dataset], [(backbone, training)], folder, name="mine", center_bias=center_bias
    )
    return card


def test_images_of_all_shapes_and_names_by_one_subject(
    dataset: Dataset, backbone: Backbone, tmp_path: Path
) -> None:
    card = train(dataset, backbone, tmp_path / "model")
    assert card == read_card(tmp_path / "model")
    assert sorted(name for fold in card.folds for name in fold) == [
        f"Küche {i} 台所.png" for i in range(5)
    ]
    assert (card.training["images"], card.training["fixations"]) == (5, 60)
    remove_checkpoints(tmp_path / "model")
    with pytest.raises(DataError, match=r"model: holds a model already;"):
        train(dataset, backbone, tmp_path / "model")


@pytest.mark.usefixtures("in_one_process")
def test_the_center_bias_is_that_of_all_training_images(
    dataset: Dataset, backbone: Backbone, tmp_path: Path
) -> None:
    card = train(dataset, backbone, tmp_path / "model")
    found = read_center_bias(tmp_path / "model", card)
    fitted = fit_center_bias(dataset)
    expected = center_bias_of(dataset, fitted.bandwidth, fitted.uniform_share, "")
    np.testing.assert_allclose(found.template, expected.template, atol=1e-5)
    row, column = np.unravel_index(found.template.argmax(), found.template.shape)
    assert column / found.template.shape[1] == pytest.approx(0.3, abs=0.07)
    assert row / found.template.shape[0] == pytest.approx(0.5, abs=0.07)


@pytest.mark.usefixtures("in_one_process")
def test_a_packaged_center_bias_can_be_named_instead(
    dataset: Dataset, backbone: Backbone, tmp_path: Path
) -> None:
    card = train(dataset, backbone, tmp_path / "model", center_bias="mit1003")
    assert card.center_bias == "mit1003"
    assert not (tmp_path / "model" / CENTER_BIAS_FILE).exists()


@pytest.mark.parametrize(("folds", "images"), [(6, 5), (2, 1)])
def test_fewer_images_than_folds_are_refused_before_anything_is_computed(
    dataset: Dataset, backbone: Backbone, tmp_path: Path, folds: int, images: int
) -> None:
    few = dataset.keep(dataset.fixations.stimulus < images)
    with pytest.raises(
        DataError, match=f"lab: {folds} folds, but only {images} different .*--folds"
    ):
        train(few, backbone, tmp_path / "model", n_folds=folds)
    assert not (tmp_path / "cache").exists()


@pytest.mark.usefixtures("in_one_process")
@pytest.mark.parametrize("epochs_before_the_stop", [1, 3, 5])
def test_interrupted_and_taken_up_the_model_is_the_same(
    dataset: Dataset,
    backbone: Backbone,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    epochs_before_the_stop: int,
) -> None:
    settings = replace(SETTINGS, dropout=0.2)
    train(dataset, backbone, tmp_path / "whole", settings=settings)
    left = epochs_before_the_stop

    def stop(drawing: CurveDrawing, curves: Mapping[str, Curve], *, last: bool = False) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(CurveDrawing, "__call__", stop)
        with pytest.raises(KeyboardInterrupt):
            train(dataset, backbone, tmp_path / "stopped", settings=settings)
    assert not (tmp_path / "stopped" / READOUT_FILE).exists()
    train(dataset, backbone, tmp_path / "stopped", settings=settings)
    for name in (READOUT_FILE, CENTER_BIAS_FILE):
        found = (tmp_path / "stopped" / name).read_bytes()
        assert found == (tmp_path / "whole" / name).read_bytes()


@pytest.mark.usefixtures("in_one_process")
def test_an_interrupted_training_goes_on_in_the_groups_that_it_began_with(
    dataset: Dataset, backbone: Backbone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a machine of other cores, or when some of them are taken: the result is the same bytes."""
    cores = 2
    monkeypatch.setattr(procedure, "available_cores", lambda: cores)
    train(dataset, backbone, tmp_path / "whole", n_folds=3)

    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(CurveDrawing, "__call__", stop)
        with pytest.raises(KeyboardInterrupt):
            train(dataset, backbone, tmp_path / "stopped", n_folds=3)
    cores = 1
    train(dataset, backbone, tmp_path / "stopped", n_folds=3)
    whole, stopped = (tmp_path / folder for folder in ("whole", "stopped"))
    assert {path.name for path in (stopped / "checkpoints").glob("*.pt")} == {
        "finetuning-fold1-seed1-and-1-more.pt",
        "finetuning-fold3-seed1.pt",
    }
    assert (stopped / READOUT_FILE).read_bytes() == (whole / READOUT_FILE).read_bytes()
