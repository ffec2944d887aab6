"""Fitting finds what can be read, never sees what is held out, and can be interrupted."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from deepgaze2.errors import DataError
from deepgaze2.training.fit import Curve, Fit, FitSettings
from deepgaze2.training.images import TrainingSet
from deepgaze2.training.objective import Objective
from deepgaze2.training.optim.optimizers import OPTIMIZERS
from deepgaze2.training.stopping import best_epoch, should_stop
from helpers.small_models import ARCHITECTURES
from helpers.training_images import (
    divided,
    fit_one,
    gains_of,
    images_of,
    made_up,
    new_network,
    stopped_after,
)

SETTINGS = FitSettings(epochs=6, learning_rate=2e-2, images_per_batch=3, dropout=0.1)
SHORT = replace(SETTINGS, epochs=2)


@pytest.fixture
def images(tmp_path: Path) -> TrainingSet:
    """Six images to train on, mirrored too, and three to score on."""
    return divided(made_up(tmp_path / "images", 9), folder=tmp_path / "mirrored")


def run(
    images: TrainingSet, settings: FitSettings, checkpoint: Path, start: int = 0, **options: Any
) -> Fit:
    network = options.pop("network", new_network())
    return fit_one(network, images, network.initial(start), settings, checkpoint, **options)


def without_held_out(images: TrainingSet) -> TrainingSet:
    return replace(images, held_out=np.zeros_like(images.held_out))


def assert_same(one: Fit, other: Fit) -> None:
    assert one.parameters.tobytes() == other.parameters.tobytes()
    assert one.curve == other.curve
    assert one.gains.tobytes() == other.gains.tobytes()
    assert one.start_gains.tobytes() == other.start_gains.tobytes()


def test_what_is_readable_is_learned_and_generalizes(tmp_path: Path) -> None:
    images, gains = made_up(tmp_path, 12), []
    for part in range(3):
        found = run(divided(images, part), SETTINGS, tmp_path / f"{part}.pt", start=part)
        assert len(found.curve.training) == len(found.curve.passes) == SETTINGS.epochs
        assert found.curve.held_out == ()
        assert found.curve.training[-1] > found.curve.training[0]
        gains.append(found.gains.mean() - found.start_gains.mean())
        assert found.gains.mean() > 1.5
    assert np.mean(gains) > 0.3


@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_every_architecture_learns(tmp_path: Path, kind: str) -> None:
    images = divided(made_up(tmp_path, 6, ARCHITECTURES[kind]))
    network = new_network(ARCHITECTURES[kind], learn_prior_weight=True)
    settings = replace(SETTINGS, epochs=10, dropout=0)
    found = run(images, settings, tmp_path / "checkpoint.pt", network=network)
    objective = Objective(network, images.images, grid_block=3)
    before = gains_of(objective, network.initial(0), np.flatnonzero(images.seen[0]))
    assert found.curve.training[-1] > before.mean() + 0.2


def test_gains_are_the_held_out_images(images: TrainingSet, tmp_path: Path) -> None:
    network = new_network()
    found = run(images, SHORT, tmp_path / "checkpoint.pt")
    objective = Objective(network, images_of(images.held_out[0], images.images), grid_block=3)
    assert len(objective.images) == 3
    for vector, gains in ((found.parameters, found.gains), (network.initial(0), found.start_gains)):
        np.testing.assert_allclose(gains, gains_of(objective, vector), atol=1e-6)
    nothing = without_held_out(images)
    assert len(run(nothing, SHORT, tmp_path / "other.pt").gains) == 0


def test_the_first_epochs_gain_is_in_bits_over_the_center_bias(
    images: TrainingSet, tmp_path: Path
) -> None:
    """With a learning rate of next to nothing it is the untrained network's own gain."""
    settings = FitSettings(epochs=1, learning_rate=1e-9, images_per_batch=4)
    found = run(images, settings, tmp_path / "checkpoint.pt")
    seen = images_of(images.seen[0], images.images)
    gains = gains_of(Objective(new_network(), seen, grid_block=3), new_network().initial(0))
    expected = np.average(gains, weights=[len(image.pixels) for image in seen])
    assert found.curve.training[0] == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_held_out_images_change_nothing_but_their_scores(
    images: TrainingSet, tmp_path: Path, optimizer: str
) -> None:
    settings = FitSettings(optimizer, epochs=2, images_per_batch=3)
    found = run(images, settings, tmp_path / "0.pt")
    other = run(without_held_out(images), settings, tmp_path / "1.pt")
    assert found.parameters.tobytes() == other.parameters.tobytes()
    assert found.curve == other.curve


def test_the_same_seed_gives_the_same_readout(images: TrainingSet, tmp_path: Path) -> None:
    settings = replace(SHORT, mirrored=True)
    same, again = (run(images, settings, tmp_path / f"{i}.pt") for i in range(2))
    assert_same(same, again)
    other = run(images, replace(settings, seed=1), tmp_path / "2.pt")
    assert other.parameters.tobytes() != same.parameters.tobytes()
    elsewhere = run(images, settings, tmp_path / "3.pt", start=1)
    assert elsewhere.parameters.tobytes() != same.parameters.tobytes()


def test_mirrored_images_are_seen_only_if_wanted(images: TrainingSet, tmp_path: Path) -> None:
    bare = replace(images, mirrored=())
    with_and_without = [
        run(some, SHORT, tmp_path / f"{i}.pt").parameters.tobytes()
        for i, some in enumerate((images, bare))
    ]
    assert with_and_without[0] == with_and_without[1]
    mirrored = run(images, replace(SHORT, mirrored=True), tmp_path / "2.pt")
    assert mirrored.parameters.tobytes() != with_and_without[0]
    swapped = replace(images, images=images.mirrored, mirrored=images.images)
    other = run(swapped, replace(SHORT, mirrored=True), tmp_path / "3.pt")
    assert mirrored.parameters.tobytes() != other.parameters.tobytes()
    with pytest.raises(DataError, match="mirrored"):
        run(bare, replace(SHORT, mirrored=True), tmp_path / "4.pt")


@pytest.mark.parametrize("images_before_the_stop", [0, 4, 13, 20, 30])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_interrupted_and_taken_up_it_ends_the_same(
    images: TrainingSet,
    tmp_path: Path,
    optimizer: str,
    images_before_the_stop: int,
) -> None:
    settings = FitSettings(optimizer, epochs=None, most_epochs=4, images_per_batch=3)
    if not OPTIMIZERS[optimizer].same_batches:
        settings = replace(settings, dropout=0.2, mirrored=True)
    whole = run(images, settings, tmp_path / "whole.pt")
    with stopped_after(images_before_the_stop):
        run(images, settings, tmp_path / "stopped.pt")
    assert_same(run(images, settings, tmp_path / "stopped.pt"), whole)


def test_a_finished_training_is_not_done_again(images: TrainingSet, tmp_path: Path) -> None:
    reports: list[Curve] = []
    checkpoint = tmp_path / "checkpoint.pt"
    found = run(images, SHORT, checkpoint, report=reports.append)
    assert [len(curve.training) for curve in reports] == [0, 1, 2]
    assert reports[-1] == found.curve
    again = run(images, SHORT, checkpoint, report=reports.append)
    assert [len(curve.training) for curve in reports[3:]] == [2]
    assert_same(found, again)


def held_out_scores(images: TrainingSet, parameters: NDArray[np.float32]) -> float:
    held_out = images_of(images.held_out[0], images.images)
    gains = gains_of(Objective(new_network(), held_out, grid_block=3), parameters)
    return float(np.average(gains, weights=[len(image.pixels) for image in held_out]))


def test_the_papers_rule_keeps_the_best_epoch(tmp_path: Path) -> None:
    """A large learning rate overfits four images until the rule stops it."""
    images = divided(made_up(tmp_path / "images", 6))
    settings = FitSettings(epochs=None, learning_rate=5e-2, images_per_batch=2)
    found = run(images, settings, tmp_path / "checkpoint.pt")
    scores = found.curve.held_out
    assert 20 <= len(scores) < 800
    assert should_stop(scores)
    assert not any(should_stop(scores[:n]) for n in range(len(scores)))
    best = best_epoch(scores)
    assert best < len(scores) - 1
    assert held_out_scores(images, found.parameters) == pytest.approx(scores[best], abs=1e-5)
    counts = [len(image.pixels) for image in images_of(images.held_out[0], images.images)]
    assert np.average(found.gains, weights=counts) == pytest.approx(scores[best], abs=1e-5)

    # The same parameters as those of a training that ends with that epoch.
    until = replace(settings, most_epochs=best + 1)
    ended = run(images, until, tmp_path / "ended.pt")
    assert ended.parameters.tobytes() == found.parameters.tobytes()


def test_a_number_of_epochs_keeps_the_last(images: TrainingSet, tmp_path: Path) -> None:
    settings = FitSettings(epochs=3, learning_rate=1.0, images_per_batch=3)  # ever worse
    found = run(images, settings, tmp_path / "checkpoint.pt")
    state = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    assert found.parameters.tobytes() == state["optimizer"]["x"][0].numpy().tobytes()


def test_a_dead_readout_is_known(images: TrainingSet, tmp_path: Path) -> None:
    network = new_network()
    start = network.initial(0)
    assert not fit_one(network, images, start, SHORT, tmp_path / "alive.pt").is_dead
    network.named(torch.from_numpy(start))["bias2"][:] = -1e4  # nothing passes the two units
    assert fit_one(network, images, start, SHORT, tmp_path / "checkpoint.pt").is_dead


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        (FitSettings(epochs=None), "800 epochs"),
        (FitSettings(optimizer="lbfgs", dropout=0.1), "lbfgs needs the same answer"),
        (FitSettings(optimizer="sfo", mirrored=True), "sfo needs the same answer"),
    ],
)
def test_settings_that_do_not_fit_are_refused(
    images: TrainingSet, tmp_path: Path, settings: FitSettings, reason: str
) -> None:
    some = without_held_out(images) if settings.epochs is None else images
    with pytest.raises(DataError, match=reason):
        run(some, settings, tmp_path / "checkpoint.pt")
    assert not (tmp_path / "checkpoint.pt").exists()
    with pytest.raises(DataError, match="no image to train on"):
        run(replace(images, seen=np.zeros_like(images.seen)), SHORT, tmp_path / "checkpoint.pt")
