"""Readouts that are trained at once end as each would alone, and go on after an interruption."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from deepgaze2.features.cache import ImageFeatures
from deepgaze2.training.fit import Curve, Fit, FitSettings, fit
from deepgaze2.training.images import TrainingSet
from helpers.small_models import ARCHITECTURES
from helpers.training_images import divided, made_up, new_network, stopped_after

SETTINGS = FitSettings(epochs=3, learning_rate=1e-2, images_per_batch=3)
DROPPING = replace(SETTINGS, dropout=0.3, mirrored=True)
BY_SCORE = replace(DROPPING, epochs=None, most_epochs=5)
N = 3


def fitted(
    images: TrainingSet,
    settings: FitSettings,
    checkpoint: Path,
    seeds: Sequence[int] = range(N),
    kind: str = "paper",
    n_viewings: int = 1,
    **options: Any,
) -> list[Fit]:
    network = new_network(
        ARCHITECTURES[kind], learn_prior_weight=True, deviation=None, n_viewings=n_viewings
    )
    starts = np.stack([network.initial(seed) for seed in seeds])
    return fit(network, images, starts, settings, seeds, checkpoint, **options)


def viewed(images: TrainingSet, n_viewings: int) -> TrainingSet:
    """The images in turn of several data sets, whose fixations count differently."""
    return replace(
        images,
        images=[
            replace(image, viewing=i % n_viewings, weight=(0.5, 1.0, 1.8)[i % n_viewings])
            for i, image in enumerate(images.images)
        ],
    )


@pytest.mark.parametrize(
    ("settings", "kind", "n_viewings"),
    [
        (SETTINGS, "paper", 1),
        (DROPPING, "paper", 1),
        (replace(SETTINGS, dropout=0.3), "two scales", 1),
        (replace(SETTINGS, dropout=0.3), "two scales", 3),
        (BY_SCORE, "paper", 1),
    ],
    ids=["plain", "dropped and mirrored", "two scales", "three data sets", "by score"],
)
@pytest.mark.parametrize("parts", [(0, 0, 0), (0, 1, 2)], ids=["one part", "three parts"])
def test_each_ends_as_alone(
    tmp_path: Path,
    settings: FitSettings,
    kind: str,
    n_viewings: int,
    parts: tuple[int, ...],
) -> None:
    images = made_up(tmp_path / "images", 9, ARCHITECTURES[kind])
    mirrored = tmp_path / "mirrored" if settings.mirrored else None
    together = viewed(divided(images, parts, folder=mirrored), n_viewings)
    found = fitted(together, settings, tmp_path / "all.pt", kind=kind, n_viewings=n_viewings)
    assert len(found) == N
    for k, one in enumerate(found):
        (alone,) = fitted(
            *(together.part([k]), settings, tmp_path / f"{k}.pt", [k], kind, n_viewings)
        )
        np.testing.assert_allclose(one.parameters, alone.parameters, atol=1e-5)
        assert len(one.curve.training) == len(alone.curve.training)
        np.testing.assert_allclose(one.curve.training, alone.curve.training, atol=1e-4)
        np.testing.assert_allclose(one.curve.held_out, alone.curve.held_out, atol=1e-4)
        assert one.curve.passes == alone.curve.passes
        np.testing.assert_allclose(one.gains, alone.gains, atol=1e-4)
        np.testing.assert_allclose(one.start_gains, alone.start_gains, atol=1e-4)
        assert one.gains.shape == (3,)
    assert not np.allclose(found[0].parameters, found[1].parameters, atol=1e-2)


def test_where_all_see_the_same_a_readout_needs_no_others_to_know_its_minibatches(
    tmp_path: Path,
) -> None:
    images = divided(made_up(tmp_path / "images", 9), (0, 0, 0))
    found = fitted(images, SETTINGS, tmp_path / "all.pt")
    own = TrainingSet(images.images, images.seen[1:2], images.held_out[1:2])
    (alone,) = fitted(own, SETTINGS, tmp_path / "one.pt", [1])
    np.testing.assert_allclose(found[1].parameters, alone.parameters, atol=1e-5)


def test_what_a_readout_may_not_see_changes_nothing(tmp_path: Path) -> None:
    """Though others see it in the same minibatches."""
    first = made_up(tmp_path / "images", 9)
    others = made_up(tmp_path / "images", 9, seed=1)
    mixed = [others[i] if i % 3 == 0 else image for i, image in enumerate(first)]
    found, other = (
        fitted(divided(images, (0, 1, 2)), SETTINGS, tmp_path / f"{n}.pt")
        for n, images in enumerate((first, mixed))
    )
    # Its scale is the same in both: these images have as many fixations.
    assert found[0].parameters.tobytes() == other[0].parameters.tobytes()
    assert found[0].gains.tobytes() != other[0].gains.tobytes()
    for k in (1, 2):
        assert not np.allclose(found[k].parameters, other[k].parameters, atol=1e-3)


def test_one_that_stopped_stays_while_others_go_on(tmp_path: Path) -> None:
    """By the paper's rule each stops at an epoch of its own, and keeps its best."""
    settings = FitSettings(epochs=None, learning_rate=5e-2, images_per_batch=2, most_epochs=60)
    images = divided(made_up(tmp_path / "images", 6), (0, 1, 2))
    found = fitted(images, settings, tmp_path / "all.pt")
    lengths = [len(one.curve.training) for one in found]
    assert len(set(lengths)) > 1, lengths
    soonest = int(np.argmin(lengths))
    until = replace(settings, most_epochs=lengths[soonest])
    ended = fitted(images, until, tmp_path / "ended.pt")
    assert ended[soonest].parameters.tobytes() == found[soonest].parameters.tobytes()
    assert ended[soonest].curve == found[soonest].curve


@pytest.mark.parametrize("images_before_the_stop", [0, 5, 14, 25, 33])
@pytest.mark.parametrize("settings", [DROPPING, BY_SCORE], ids=["epochs", "by score"])
def test_interrupted_and_taken_up_they_end_the_same(
    tmp_path: Path,
    settings: FitSettings,
    images_before_the_stop: int,
) -> None:
    images = divided(made_up(tmp_path / "images", 9), (0, 1, 2), folder=tmp_path / "mirrored")
    whole = fitted(images, settings, tmp_path / "whole.pt")
    with stopped_after(images_before_the_stop):
        fitted(images, settings, tmp_path / "stopped.pt")
    for found, expected in zip(
        fitted(images, settings, tmp_path / "stopped.pt"), whole, strict=True
    ):
        assert found.parameters.tobytes() == expected.parameters.tobytes()
        assert found.gains.tobytes() == expected.gains.tobytes()
        assert found.curve == expected.curve


def test_an_images_features_are_read_once_for_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images, read = divided(made_up(tmp_path / "images", 9), (0, 1, 2)), 0
    load = ImageFeatures.tensors

    def counted(self: ImageFeatures, taps: Sequence[str]) -> list[NDArray[np.float16]]:
        nonlocal read
        read += 1
        return load(self, taps)

    epochs: list[int] = []

    def report(_: Sequence[Curve]) -> None:
        epochs.append(read)

    monkeypatch.setattr(ImageFeatures, "tensors", counted)
    fitted(images, SETTINGS, tmp_path / "all.pt", report=report)
    assert np.diff(epochs).tolist() == [9, 9, 9]
