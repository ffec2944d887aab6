"""What each readout is trained on: never on its own part, nor on images like those."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageOps

from deepgaze2.card import Card, read_card
from deepgaze2.data.dataset import Dataset, Stimuli
from deepgaze2.errors import DataError
from deepgaze2.features.cache import View, tap_deviations
from deepgaze2.readout.architecture import Architecture
from deepgaze2.readout.torch_readout import ReadoutNetwork, parameters_of
from deepgaze2.references.baseline import fold_center_biases
from deepgaze2.store import read_readouts
from deepgaze2.training import curves as curves_module
from deepgaze2.training import procedure
from deepgaze2.training.fit import Curve, Fit, FitSettings
from deepgaze2.training.images import TrainingImage
from deepgaze2.training.objective import Objective
from deepgaze2.training.procedure import Trained, cross_validate, train_model
from deepgaze2.training.recipes import Recipe, Training
from deepgaze2.training.runs import Run
from deepgaze2.training.starts import Start
from helpers.cached import cache_features
from helpers.small_datasets import fixations_at
from helpers.small_models import (
    ARCHITECTURES,
    NARROW16,
    PAPER16,
    random_backbone,
    random_readout,
    write_photos,
)
from helpers.training_images import gains_of, images_of, train_one_by_one

BACKBONE = random_backbone()
SETTINGS = FitSettings(epochs=2, learning_rate=1e-2, images_per_batch=3)
RECIPE = Recipe(PAPER16, SETTINGS, SETTINGS, longer_side_px=64)
N_FOLDS = 3

Copy = Callable[[Image.Image], Image.Image]


def as_it_is(image: Image.Image) -> Image.Image:
    return image


def smaller(image: Image.Image) -> Image.Image:
    return image.resize((48, 36))


# Scene and how it is shown, for each image of the two data sets.
PEOPLE: list[tuple[int, Copy]] = [
    *((scene, as_it_is) for scene in range(7)),
    (0, smaller),
    (1, ImageOps.mirror),
]
MICE: list[tuple[int, Copy]] = [
    *((scene, as_it_is) for scene in range(10, 14)),
    (0, ImageOps.mirror),
    (2, as_it_is),
    (3, smaller),
]


@dataclass(frozen=True)
class Alone:
    """What one of the readouts that are trained at once is trained with."""

    network: ReadoutNetwork
    start: NDArray[np.float32]
    seen: list[TrainingImage]
    held_out: list[TrainingImage]
    mirrored: list[TrainingImage]


def each_alone(run: Run) -> dict[str, Alone]:
    images = run.images
    return {
        name: Alone(
            run.network,
            run.starts[k],
            images_of(images.seen[k], images.images),
            images_of(images.held_out[k], images.images),
            images_of(images.seen[k], images.mirrored) if images.mirrored else [],
        )
        for k, name in enumerate(run.readouts)
    }


@dataclass
class World:
    """Two data sets, and all trainings that were asked for."""

    people: Dataset
    mice: Dataset
    folder: Path
    runs: dict[str, Alone] = field(default_factory=dict)
    fits: dict[str, Fit] = field(default_factory=dict)
    drawn: list[dict[str, Curve]] = field(default_factory=list)

    def trained(
        self, recipe: Recipe = RECIPE, first_parts: int | None = None, **options: Any
    ) -> Trained:
        training = Training(recipe, **({"n_folds": N_FOLDS} | options))
        folder = self.folder / "model"
        return cross_validate([self.people], BACKBONE, folder, training, first_parts=first_parts)

    def packaged(self, recipe: Recipe = RECIPE, **options: Any) -> tuple[Card, Trained]:
        training = Training(recipe, **({"n_folds": N_FOLDS} | options))
        folder = self.folder / "model"
        card, (trained,) = train_model([self.people], [(BACKBONE, training)], folder, name="mine")
        return card, trained


def write_dataset(
    folder: Path, name: str, scenes: list[Path], shown: list[tuple[int, Copy]]
) -> Dataset:
    """Images and fixations; the last image but one has none."""
    folder.mkdir()
    paths, sizes = [], []
    for i, (scene, copy) in enumerate(shown):
        paths.append(folder / f"{i}-scene{scene}.png")
        image = copy(Image.open(scenes[scene]))
        image.save(paths[-1])
        sizes.append(image.size)
    n = np.random.default_rng(0).integers(8, 14, len(shown))
    stimulus = np.repeat(np.arange(len(shown)), n)
    at = np.random.default_rng(1).uniform(0, 0.999, (len(stimulus), 2))
    width, height = np.array(sizes, np.int32).T
    unknown = np.full(len(shown), np.nan)
    stimuli = Stimuli(tuple(p.name for p in paths), tuple(paths), width, height, unknown)
    return Dataset(name, stimuli, fixations_at(stimulus, *(at * np.array(sizes)[stimulus]).T))


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setenv("DEEPGAZE2_CACHE", str(tmp_path / "cache"))
    scenes = write_photos(tmp_path / "scenes", [(72, 54)] * 14)
    found = World(
        write_dataset(tmp_path / "people", "people", scenes, PEOPLE),
        write_dataset(tmp_path / "mice", "mice", scenes, MICE),
        tmp_path,
    )

    def train_all(runs: list[Run], folder: Path, **options: Any) -> dict[str, Fit]:
        for run in runs:
            found.runs |= each_alone(run)
        fits = train_one_by_one(runs, folder, **options)
        found.fits |= fits
        return fits

    monkeypatch.setattr(procedure, "train_all", train_all)
    monkeypatch.setattr(
        curves_module, "draw_curves", lambda curves, _: found.drawn.append(dict(curves))
    )
    return found


def numbers(images: list[TrainingImage], dataset: Dataset) -> list[int]:
    """Which images of a data set training images are."""
    paths = [dataset.stimuli.path(i) for i in range(len(dataset.stimuli))]
    view = View(RECIPE.longer_side_px)
    cached = cache_features(paths, BACKBONE, PAPER16.taps, view)
    by_name = {one.files["conv5_1"].name: i for i, one in enumerate(cached)}
    return [by_name[image.features[0].files["conv5_1"].name] for image in images]


def scenes_of(images: list[TrainingImage], world: World) -> set[int]:
    """What is seen on training images of either data set."""
    people, mice = world.people.stimuli, world.mice.stimuli
    paths = [s.path(i) for s in (people, mice) for i in range(len(s))]
    cached = cache_features(paths, BACKBONE, PAPER16.taps, View(RECIPE.longer_side_px))
    scenes = [scene for scene, _ in (*PEOPLE, *MICE)]
    by_name = {one.files["conv5_1"].name: scene for one, scene in zip(cached, scenes, strict=True)}
    return {by_name[image.features[0].files["conv5_1"].name] for image in images}


def test_duplicates_are_in_one_part(world: World) -> None:
    folds = world.trained().folds
    assert sorted(np.unique(folds)) == [0, 1, 2]
    by_scene: dict[int, set[int]] = {}
    for (scene, _), fold in zip(PEOPLE, folds, strict=True):
        by_scene.setdefault(scene, set()).add(int(fold))
    assert all(len(found) == 1 for found in by_scene.values())


def test_finetuning_never_sees_its_part_or_images_like_it(world: World) -> None:
    trained = world.trained(replace(RECIPE, n_seeds=2))
    assert len(world.runs) == 2 * N_FOLDS
    priors = fold_center_biases(world.people, trained.folds)
    for k in range(N_FOLDS):
        own = np.flatnonzero(trained.folds == k)
        for s in range(2):
            alone = world.runs[f"finetuning-fold{k + 1}-seed{s + 1}"]
            seen, held_out = alone.seen, alone.held_out
            assert numbers(held_out, world.people) == own.tolist()
            assert numbers(seen, world.people) == np.flatnonzero(trained.folds != k).tolist()
            assert not scenes_of(seen, world) & scenes_of(held_out, world)
            for image, i in zip(
                (*seen, *held_out), numbers([*seen, *held_out], world.people), strict=True
            ):
                width, height = image.sizes[0]
                expected = priors[trained.folds[i]].log_density(height, width)
                np.testing.assert_array_equal(image.log_center_bias, expected)


@pytest.mark.parametrize("epochs", [2, None])
def test_pretraining_never_sees_images_like_those_of_the_part(
    world: World, epochs: int | None
) -> None:
    """Not to stop by either."""
    settings = replace(SETTINGS, epochs=epochs, most_epochs=2, mirrored=epochs is None)
    recipe = replace(RECIPE, pretraining=settings, n_seeds=2)
    trained = world.trained(recipe, pretrain=(world.mice,))
    scenes = np.array([scene for scene, _ in PEOPLE])
    all_mice = {scene for scene, _ in MICE}
    dropped = 0
    for k in range(N_FOLDS):
        own = set(scenes[trained.folds == k].tolist())
        for s in range(2):
            name = f"fold{k + 1}-seed{s + 1}"
            run = world.runs[f"pretraining-{name}"]
            seen = scenes_of(run.seen, world)
            assert seen == all_mice - own
            dropped += len(all_mice & own)
            held_out = scenes_of(run.held_out, world)
            assert held_out == (set() if epochs else set(scenes.tolist()) - own)
            after = world.fits[f"pretraining-{name}"].parameters
            np.testing.assert_array_equal(world.runs[f"finetuning-{name}"].start, after)
    assert dropped == 2 * 3  # scenes 0, 2 and 3, for both seeds
    assert set(trained.pretraining) == {name for name in world.runs if "pretraining" in name}


def test_without_common_images_one_pretraining_serves_all_parts(world: World) -> None:
    mice = world.mice.select(np.arange(4))
    trained = world.trained(replace(RECIPE, n_seeds=2), pretrain=(mice,))
    names = ["pretraining-fold1-seed1", "pretraining-fold1-seed2"]
    assert list(trained.pretraining) == names
    for k in range(N_FOLDS):
        for s in range(2):
            start = world.runs[f"finetuning-fold{k + 1}-seed{s + 1}"].start
            np.testing.assert_array_equal(start, world.fits[names[s]].parameters)
    first, second = (world.fits[name].parameters for name in names)
    assert not np.array_equal(first, second)


def test_the_card_names_the_images_of_pretraining(world: World) -> None:
    """But not those that are trained on, too, which some readouts have not seen."""
    card, _ = world.packaged(pretrain=(world.mice,))
    ids = {name for part in card.folds for name in part}
    assert card.training["seen_before"] == sorted({*world.mice.stimuli.ids} - ids)
    assert card.training["seen_before"]


def test_pretraining_that_the_parts_stop_is_each_parts_own(world: World) -> None:
    """Though no image is in both sets: else a part would stop what predicts it."""
    settings = replace(SETTINGS, epochs=None, most_epochs=2)
    world.trained(
        replace(RECIPE, pretraining=settings), pretrain=(world.mice.select(np.arange(4)),)
    )
    for k in range(N_FOLDS):
        run = world.runs[f"pretraining-fold{k + 1}-seed1"]
        held_out = world.runs[f"finetuning-fold{k + 1}-seed1"].held_out
        stop_by = scenes_of(run.held_out, world)
        assert stop_by
        assert not stop_by & scenes_of(held_out, world)


def test_images_without_fixations_are_left_out(world: World) -> None:
    world.people = world.people.keep(world.people.fixations.stimulus != 4)
    world.mice = world.mice.keep(world.mice.fixations.stimulus > 1)
    card, trained = world.packaged(pretrain=(world.mice,))
    assert len(trained.folds) == len(PEOPLE) - 1
    names = [name for fold in card.folds for name in fold]
    assert sorted(names) == [f"{i}-scene{s}.png" for i, (s, _) in enumerate(PEOPLE) if i != 4]
    for run in world.runs.values():
        assert not {4, 10, 11} & scenes_of([*run.seen, *run.held_out], world)


def test_mirrored_images_are_those_that_are_seen(world: World) -> None:
    mirrored = replace(SETTINGS, mirrored=True)
    world.trained(
        replace(RECIPE, pretraining=mirrored, finetuning=mirrored), pretrain=(world.mice,)
    )
    for run in world.runs.values():
        assert len(run.mirrored) == len(run.seen)
        for one, other in zip(run.seen, run.mirrored, strict=True):
            file, swapped = (i.features[0].files["conv5_1"] for i in (one, other))
            assert (swapped.name, swapped.parents[1].name) == (file.name, "64px-mirrored")


def test_readouts_lie_in_the_order_of_parts_and_seeds(world: World) -> None:
    card, trained = world.packaged(replace(RECIPE, n_seeds=2))
    folder = world.folder / "model"
    assert read_card(folder) == card
    (readout,) = read_readouts(folder, card)
    assert readout.n_models == 2 * N_FOLDS
    vectors = [fit.parameters for fits in trained.fits for fit in fits]
    for number, vector in enumerate(vectors):
        found = parameters_of(trained.network, readout, number)
        np.testing.assert_allclose(found, vector, atol=1e-6)
    assert len({vector.tobytes() for vector in vectors}) == len(vectors)
    for k, names in enumerate(card.folds):
        expected = [f"{i}-scene{PEOPLE[i][0]}.png" for i in np.flatnonzero(trained.folds == k)]
        assert list(names) == expected
    json.dumps(card.training)
    assert card.training["seeds_per_fold"] == 2
    assert card.n_readouts == len(vectors)
    assert len(card.training["curves"]) == len(vectors)


@pytest.mark.parametrize("pretrained", [False, True])
def test_gains_are_by_readouts_that_have_not_seen_the_image_and_those_they_started_from(
    world: World, pretrained: bool
) -> None:
    """Before pretraining, if there is one."""
    start = Start(random_readout(2, PAPER16), "another")
    mice = (world.mice,) if pretrained else ()
    trained = world.trained(replace(RECIPE, n_seeds=2), start=start, pretrain=mice)
    assert trained.start_gains is not None
    for k in range(N_FOLDS):
        run = world.runs[f"finetuning-fold{k + 1}-seed1"]
        objective = Objective(run.network, run.held_out, grid_block=SETTINGS.grid_block)
        own = trained.folds == k
        assert len(run.held_out) == own.sum()
        begun = [parameters_of(trained.network, start.readout, s) for s in range(2)]
        for vectors, gains in (
            ([fit.parameters for fit in trained.fits[k]], trained.gains),
            (begun, trained.start_gains),
        ):
            found = [gains_of(objective, vector) for vector in vectors]
            np.testing.assert_allclose(gains[own], np.mean(found, axis=0), atol=1e-6)


def test_readouts_go_on_from_those_that_have_not_seen_their_part(world: World) -> None:
    """What a model was trained on is divided as it was then, by the names of the images."""
    ids = world.people.stimuli.ids
    # The small copy of scene 0 and the mirrored one of scene 1 are new, and go with the originals.
    parts = [("elsewhere.png", ids[0], ids[3]), (ids[1], ids[4]), ("other.png",), (ids[2], ids[5])]
    readout = random_readout(8, PAPER16)
    start = Start(readout, "another", tuple(parts))
    recipe = replace(RECIPE, n_seeds=2)
    card, trained = world.packaged(recipe, start=start, n_folds=None)
    assert [set(part) & set(ids) for part in parts] == [
        set(names) & {i for part in parts for i in part} for names in card.folds
    ]
    folds = dict(zip(ids, trained.folds, strict=True))
    assert (folds[ids[7]], folds[ids[8]]) == (folds[ids[0]], folds[ids[1]])
    assert folds[ids[6]] == 2  # the smallest part, which gets what is new
    for k in range(4):
        for s in range(2):
            begun = world.runs[f"finetuning-fold{k + 1}-seed{s + 1}"].start
            expected = parameters_of(trained.network, readout, 2 * k + s)
            np.testing.assert_array_equal(begun, expected)
    assert card.training["seen_before"] == ["elsewhere.png", "other.png"]
    with pytest.raises(DataError, match=r"people: another was trained on some .*--folds"):
        world.trained(recipe, start=start)


def test_pretraining_on_other_images_goes_on_from_readouts_that_have_not_seen_the_part(
    world: World,
) -> None:
    others = np.array([scene >= 10 for scene, _ in MICE])
    readout = random_readout(3, PAPER16)
    ids = world.people.stimuli.ids
    start = Start(readout, "another", (ids[:3], ids[3:5], ids[5:7]))
    mice = world.mice.select(others)
    trained = world.trained(start=start, pretrain=(mice,), n_folds=None)
    for k in range(3):
        begun = world.runs[f"pretraining-fold{k + 1}-seed1"].start
        np.testing.assert_array_equal(begun, parameters_of(trained.network, readout, k))


@pytest.mark.parametrize("n_processes", [9, 2])
def test_of_the_first_parts_alone_readouts_are_those_of_all(
    world: World, monkeypatch: pytest.MonkeyPatch, n_processes: int
) -> None:
    """To the bit if each is in a process of its own; else with others beside it."""
    monkeypatch.setattr(procedure, "available_cores", lambda: n_processes)
    tolerance = 0 if n_processes == 9 else 1e-5
    everything = world.trained(pretrain=(world.mice,))
    world.folder, all_runs, world.runs = world.folder / "few", world.runs, {}
    trained = world.trained(pretrain=(world.mice,), first_parts=2)
    assert set(world.runs) == {name for name in all_runs if "fold3" not in name}
    assert len(trained.fits) == 2
    for (one,), (other,) in zip(trained.fits, everything.fits[:2], strict=True):
        np.testing.assert_allclose(one.parameters, other.parameters, rtol=0, atol=tolerance)
    np.testing.assert_array_equal(trained.folds, everything.folds)
    expected = np.where(trained.folds == 2, np.nan, everything.gains)
    np.testing.assert_allclose(trained.gains, expected, rtol=0, atol=10 * tolerance)


def test_it_goes_on_from_a_models_readouts(world: World) -> None:
    """With its normalization, each part and seed from another readout while there are some."""
    architecture: Architecture = ARCHITECTURES["two scales"]
    readout = replace(
        random_readout(4, architecture), prior_weight=np.array([0.8, 0.9, 1, 1.1], np.float32)
    )
    recipe = replace(RECIPE, architecture=architecture, n_seeds=2, learn_prior_weight=True)
    card, trained = world.packaged(recipe, start=Start(readout, "another"))
    found = np.concatenate(trained.network.deviations)
    np.testing.assert_array_equal(found, readout.tap_deviation)
    for number, run in enumerate(world.runs.values()):
        expected = parameters_of(trained.network, readout, number % 4)
        np.testing.assert_array_equal(run.start, expected)
    assert card.training["from"] == "another"
    assert card.description.endswith(", fine-tuned from another")


def test_unit_variance_is_over_the_training_images_or_a_folders(world: World) -> None:
    people = [world.people.stimuli.path(i) for i in range(len(PEOPLE))]
    mice = [world.mice.stimuli.path(i) for i in range(len(MICE))]
    view = View(RECIPE.longer_side_px)
    deviations: list[NDArray[np.float32]] = []
    for paths, folder in ((people, None), (mice, mice[0].parent)):
        trained = world.trained(normalize_over=folder)
        images = cache_features(paths, BACKBONE, PAPER16.taps, view)
        deviations.append(tap_deviations(images, PAPER16.taps))
        np.testing.assert_allclose(trained.network.deviations[0], deviations[-1], rtol=1e-5)
        for checkpoint in (world.folder / "model" / "checkpoints").iterdir():
            checkpoint.unlink()
    assert not np.allclose(deviations[0], deviations[1], rtol=1e-2)
    assert len(deviations[0]) == sum(NARROW16.tap(name).channels for name in NARROW16.taps)


def test_seeds_decide_parts_and_starts(world: World) -> None:
    found = []
    for number, seed in enumerate((0, 0, 1)):
        world.folder = world.folder / str(number)
        trained = world.trained(seed=seed)
        found.append((trained.folds.tobytes(), trained.fits[0][0].parameters.tobytes()))
    assert found[0] == found[1]
    assert found[0][0] != found[2][0]
    assert found[0][1] != found[2][1]


def test_the_last_drawing_has_all_curves_to_their_ends(world: World) -> None:
    trained = world.trained(pretrain=(world.mice,))
    last = world.drawn[-1]
    assert set(last) == set(world.runs)
    for name, fit in world.fits.items():
        assert last[name] == fit.curve
    assert len(trained.pretraining) == N_FOLDS
