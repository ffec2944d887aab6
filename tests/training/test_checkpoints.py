"""A checkpoint is taken up by its own training alone."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from deepgaze2.errors import DataError
from deepgaze2.training.fit import Fit, FitSettings
from deepgaze2.training.images import TrainingImage, TrainingSet
from helpers.small_models import PAPER16
from helpers.training_images import divided, fit_one, made_up, new_network

SHORT = FitSettings(epochs=2, learning_rate=2e-2, images_per_batch=3, dropout=0.1)


@pytest.fixture
def images(tmp_path: Path) -> TrainingSet:
    """Six images to train on, mirrored too, and three to score on."""
    return divided(made_up(tmp_path / "images", 9), folder=tmp_path / "mirrored")


def run(
    images: TrainingSet, settings: FitSettings, checkpoint: Path, start: int = 0, **options: Any
) -> Fit:
    network = options.pop("network", new_network())
    return fit_one(network, images, network.initial(start), settings, checkpoint, **options)


CHANGES: dict[str, tuple[dict[str, Any], str]] = {
    "learning rate": ({"settings": replace(SHORT, learning_rate=1e-3)}, "learning_rate"),
    "epochs": ({"settings": replace(SHORT, epochs=3)}, "epochs"),
    "seed": ({"settings": replace(SHORT, seed=5)}, "seed"),
    "optimizer": ({"settings": replace(SHORT, optimizer="lbfgs", dropout=0)}, "optimizer"),
    "start": ({"start": 1}, "start"),
    "architecture": (
        {"network": new_network(replace(PAPER16, layer_norm=True))},
        "architecture",
    ),
    "blur": ({"network": new_network(learn_sigma=False)}, "parameters, start"),
    "deviations": ({"network": new_network(deviation=2)}, "images"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_checkpoint_of_another_training_is_refused(
    images: TrainingSet, tmp_path: Path, change: str
) -> None:
    checkpoint = tmp_path / "checkpoint.pt"
    run(images, SHORT, checkpoint)
    options, what = CHANGES[change]
    settings = options.get("settings", SHORT)
    others = {key: value for key, value in options.items() if key != "settings"}
    with pytest.raises(DataError, match=rf"checkpoint\.pt: .*with other .*{what}.*;") as caught:
        run(images, settings, checkpoint, **others)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("part", ["seen", "mirrored", "held_out"])
@pytest.mark.parametrize("change", ["fewer", "fixations", "prior", "features", "viewing", "weight"])
def test_a_checkpoint_of_other_images_is_refused(
    images: TrainingSet, tmp_path: Path, part: str, change: str
) -> None:
    checkpoint = tmp_path / "checkpoint.pt"
    run(images, SHORT, checkpoint)
    with pytest.raises(DataError, match="with other images;"):
        run(changed(images, part, change), SHORT, checkpoint)


def changed(images: TrainingSet, part: str, change: str) -> TrainingSet:
    """A training set of which one image is another; of all that are mirrored, the first."""
    if part != "mirrored" and change == "fewer":
        fewer = getattr(images, part).copy()
        fewer[0, np.flatnonzero(fewer[0])[0]] = False
        return replace(images, **{part: fewer})
    own = list(images.mirrored if part == "mirrored" else images.images)
    i = 0 if part == "mirrored" else int(np.flatnonzero(getattr(images, part)[0])[0])
    first = own[i]
    own[i : i + 1] = {
        "fewer": [],
        "fixations": [replace(first, pixels=first.pixels[::-1])],
        "prior": [replace(first, log_center_bias=first.log_center_bias + 1)],
        "features": [replace(first, features=own[i + 1].features)],
        "viewing": [replace(first, viewing=None)],
        "weight": [replace(first, weight=2.0)],
    }[change]
    return replace(images, mirrored=own) if part == "mirrored" else replace(images, images=own)


def moved(images: TrainingSet, old: Path, new: Path) -> TrainingSet:
    """The same images with their features in another place."""

    def one(image: TrainingImage) -> TrainingImage:
        features = tuple(
            replace(f, files={tap: new / path.relative_to(old) for tap, path in f.files.items()})
            for f in image.features
        )
        return replace(image, features=features)

    return replace(images, images=list(map(one, images.images)))


def test_features_of_another_network_are_other_images_and_those_of_a_moved_cache_are_not(
    images: TrainingSet, tmp_path: Path
) -> None:
    """The files' names tell the images alone; the folders above them are network and view."""
    checkpoint, old = tmp_path / "checkpoint.pt", tmp_path / "images"
    images = replace(images, mirrored=())
    found = run(images, SHORT, checkpoint)
    with pytest.raises(DataError, match="with other images;"):
        run(moved(images, old / "0", old / "another network"), SHORT, checkpoint)
    new = tmp_path / "disk" / "cache"
    new.parent.mkdir()
    old.rename(new)
    again = run(moved(images, old, new), SHORT, checkpoint)
    assert again.parameters.tobytes() == found.parameters.tobytes()


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", None])
def test_a_damaged_checkpoint_is_refused_in_a_line(
    images: TrainingSet, tmp_path: Path, content: bytes | None
) -> None:
    checkpoint = tmp_path / "checkpoint.pt"
    run(images, SHORT, checkpoint)
    whole = checkpoint.read_bytes()
    checkpoint.write_bytes(whole[: len(whole) // 2] if content is None else content)
    with pytest.raises(DataError, match=r"checkpoint\.pt: damaged.*remove it") as caught:
        run(images, SHORT, checkpoint)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("state", [{}, [], {"identity": 3}, {"identity": {"seed": 0}}, 7])
def test_so_is_a_file_of_something_else(images: TrainingSet, tmp_path: Path, state: object) -> None:
    checkpoint = tmp_path / "checkpoint.pt"
    torch.save(state, checkpoint)
    with pytest.raises(DataError, match=r"checkpoint\.pt: .*; .*remove "):
        run(images, SHORT, checkpoint)
