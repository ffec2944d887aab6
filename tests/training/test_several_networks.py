"""Training on several networks: as on each alone, with the same parts, in one folder."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from deepgaze2.card import Card, read_card
from deepgaze2.data.dataset import Dataset
from deepgaze2.errors import DataError
from deepgaze2.features.backbone import Backbone
from deepgaze2.readout.torch_readout import parameters_of
from deepgaze2.store import CENTER_BIAS_FILE, READOUT_FILE, read_readouts
from deepgaze2.training import procedure
from deepgaze2.training.curves import CurveDrawing
from deepgaze2.training.fit import Curve, FitSettings
from deepgaze2.training.folder import CHECKPOINTS, remove_checkpoints
from deepgaze2.training.procedure import Trained, train_model
from deepgaze2.training.recipes import Recipe, Training
from deepgaze2.training.starts import Start
from helpers.small_datasets import patches
from helpers.small_models import OF_TWO, parts_of_two
from helpers.training_images import train_one_by_one

SECOND = "readout-2.safetensors"
NAMES = ("narrow-vgg16", "narrow-resnet50")
SETTINGS = FitSettings(epochs=2, learning_rate=3e-3, images_per_batch=2, dropout=0.2, grid_block=3)


@pytest.fixture(scope="module", autouse=True)
def _in_one_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DEEPGAZE2_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setattr(procedure, "train_all", train_one_by_one)
        yield


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return patches(tmp_path_factory.mktemp("images"), 5)


def networks(**options: Any) -> list[tuple[Backbone, Training]]:
    """Both networks, each with its training."""
    _, backbones, _ = parts_of_two()
    trainings = [
        Training(
            Recipe(own, SETTINGS, SETTINGS, longer_side_px=96, learn_prior_weight=True),
            **({"n_folds": 2} | options),
        )
        for own in OF_TWO
    ]
    return list(zip(backbones, trainings, strict=True))


def train(
    dataset: Dataset, on: list[tuple[Backbone, Training]], folder: Path
) -> tuple[Card, tuple[Trained, ...]]:
    return train_model([dataset], on, folder, name="both")


def content(folder: Path, name: str = READOUT_FILE) -> bytes:
    return (folder / name).read_bytes()


@pytest.mark.parametrize("pretrained", [False, True])
def test_each_networks_readouts_are_those_of_a_training_on_it_alone(
    dataset: Dataset, tmp_path: Path, pretrained: bool
) -> None:
    (tmp_path / "other").mkdir()
    pretrain = (replace(patches(tmp_path / "other", 3), name="mice"),) if pretrained else ()
    on = networks(pretrain=pretrain)
    folder = tmp_path / "both"
    card, trained = train(dataset, on, folder)
    assert card == read_card(folder)
    assert [branch.network for branch in card.branches] == list(NAMES)
    assert [branch.share for branch in card.branches] == [1, 1]
    assert [branch.architecture for branch in card.branches] == list(OF_TWO)
    assert [branch.backbone_checksum for branch in card.branches] == [
        backbone.checksum for backbone, _ in on
    ]
    assert "DeepGaze II on narrow-vgg16 and narrow-resnet50" in card.description
    assert card.n_readouts == len(card.training["curves"]) == 4
    np.testing.assert_array_equal(trained[0].folds, trained[1].folds)
    names = {path.name for path in folder.iterdir()}
    curves = {f"curves-{name}.svg" for name in NAMES}
    assert names == {*("card.json", READOUT_FILE, SECOND, CENTER_BIAS_FILE, CHECKPOINTS, *curves)}
    for one, file, name in zip(on, (READOUT_FILE, SECOND), NAMES, strict=True):
        own, (alone,) = train(dataset, [one], tmp_path / name)
        assert own.folds == card.folds
        assert content(tmp_path / name) == content(folder, file)
        assert content(tmp_path / name, CENTER_BIAS_FILE) == content(folder, CENTER_BIAS_FILE)
        np.testing.assert_array_equal(alone.gains, trained[NAMES.index(name)].gains)
        assert (tmp_path / name / "curves.svg").exists()
    if pretrained:
        before = card.training["pretraining"]
        assert before["data_set"] == "mice"
        assert len(before["curves"]) == sum(len(one.pretraining) for one in trained)


@dataclass(frozen=True)
class Whole:
    """A training that was not interrupted."""

    folder: Path
    card: Card
    trained: tuple[Trained, ...]
    drawings: int


@pytest.fixture(scope="module")
def whole(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Whole:
    folder = tmp_path_factory.mktemp("whole") / "both"
    with pytest.MonkeyPatch.context() as patch:
        drawings = Drawings(patch)
        card, trained = train(dataset, networks(), folder)
    return Whole(folder, card, trained, drawings.count)


class Drawings:
    """Counts a training's drawings of curves; ends it at one of them."""

    def __init__(self, patch: pytest.MonkeyPatch, stop_at: int | None = None) -> None:
        self.count = 0

        def draw(drawing: CurveDrawing, curves: Mapping[str, Curve], *, last: bool = False) -> None:
            self.count += 1
            if self.count == stop_at:
                raise KeyboardInterrupt

        patch.setattr(CurveDrawing, "__call__", draw)


def test_readouts_lie_in_the_order_of_networks_and_parts(whole: Whole) -> None:
    readouts = read_readouts(whole.folder, whole.card)
    for one, readout in zip(whole.trained, readouts, strict=True):
        vectors = [fit.parameters for fits in one.fits for fit in fits]
        for number, vector in enumerate(vectors):
            found = parameters_of(one.network, readout, number)
            np.testing.assert_allclose(found, vector, atol=1e-6)


@pytest.mark.parametrize(
    "share", [0.25, 0.5, 0.6, 0.8, 1], ids=["first", "between", "second's", "second", "end"]
)
def test_interrupted_anywhere_it_leads_to_the_same(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole: Whole, share: float
) -> None:
    stopped, stop_at = tmp_path / "stopped", round(share * whole.drawings)
    with monkeypatch.context() as patch:
        drawings = Drawings(patch, stop_at)
        with pytest.raises(KeyboardInterrupt):
            train(dataset, networks(), stopped)
        assert drawings.count == stop_at
    assert not (stopped / READOUT_FILE).exists()
    begun = {path.name for path in (stopped / CHECKPOINTS).iterdir()}
    assert begun == set(NAMES if share > 0.5 else NAMES[:1])
    again, trained_again = train(dataset, networks(), stopped)
    for name in (READOUT_FILE, SECOND, CENTER_BIAS_FILE):
        assert content(stopped, name) == content(whole.folder, name)
    for one, other in zip(whole.trained, trained_again, strict=True):
        np.testing.assert_array_equal(one.gains, other.gains)
    seconds = {"seconds_of_last_run": 0}
    found, expected = (replace(c, training=c.training | seconds) for c in (again, whole.card))
    assert found == expected


def test_what_is_trained_already_is_not_trained_again(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The model is whole once it is scored: until then, the same training leads to it at once."""
    on = networks()
    train(dataset, on, tmp_path / "both")

    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("deepgaze2.training.fit._Loop.epoch", stop)
    train(dataset, on, tmp_path / "both")
    other = [(backbone, replace(training, seed=3)) for backbone, training in on]
    with pytest.raises(DataError, match=r"both: holds a training with other parts, seed"):
        train(dataset, other, tmp_path / "both")
    remove_checkpoints(tmp_path / "both")
    with pytest.raises(DataError, match=r"both: holds a model already"):
        train(dataset, on, tmp_path / "both")


def test_it_goes_on_from_the_readouts_on_each_network(dataset: Dataset, tmp_path: Path) -> None:
    """Part by part: none that has seen a part's images."""
    ids = dataset.stimuli.ids
    parts = (tuple(ids[:2]), tuple(ids[2:]))
    _, backbones, readouts = parts_of_two(2)
    still = replace(SETTINGS, epochs=1, learning_rate=1e-9)
    on: list[tuple[Backbone, Training]] = [
        (
            backbone,
            Training(
                Recipe(own, finetuning=still, longer_side_px=96, learn_prior_weight=True),
                start=Start(readout, "before", parts),
            ),
        )
        for backbone, own, readout in zip(backbones, OF_TWO, readouts, strict=True)
    ]
    card, trained = train(dataset, on, tmp_path / "both")
    assert [sorted(part) for part in card.folds] == [sorted(part) for part in parts]
    assert card.training["from"] == "before"
    assert card.description.endswith(", fine-tuned from before")
    for found, begun, one in zip(
        read_readouts(tmp_path / "both", card), readouts, trained, strict=True
    ):
        assert one.start_gains is not None
        np.testing.assert_allclose(found.sigma_px, begun.sigma_px, rtol=1e-4)
        for own, other in zip(found.weights, begun.weights, strict=True):
            np.testing.assert_allclose(own, other, atol=1e-4)


def test_two_trainings_on_one_network_are_kept_apart(dataset: Dataset, tmp_path: Path) -> None:
    """Such as on other layers, or from other readouts."""
    (backbone, training), _ = networks()
    other = replace(
        training, recipe=replace(training.recipe, finetuning=replace(SETTINGS, epochs=1))
    )
    train(dataset, [(backbone, training), (backbone, other)], tmp_path / "both")
    train(dataset, [(backbone, other)], tmp_path / "alone")
    assert content(tmp_path / "both", SECOND) == content(tmp_path / "alone")
    assert content(tmp_path / "both") != content(tmp_path / "alone")
    assert (tmp_path / "both" / "curves-narrow-vgg16-2.svg").exists()
