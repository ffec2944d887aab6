"""Training images: the pixels that were looked at, the features, and all of it mirrored."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps

from deepgaze2.data.dataset import Dataset, Stimuli
from deepgaze2.density.center_bias import load_center_bias
from deepgaze2.training.images import TrainingSet, fixated_pixels, load_features
from deepgaze2.training.objective import Objective
from deepgaze2.training.preparation import prepare_images
from deepgaze2.training.recipes import Recipe
from deepgaze2.training.sets import DataSets
from helpers.small_datasets import fixations_at
from helpers.small_models import ARCHITECTURES, PAPER16, group, random_backbone, write_photos
from helpers.training_images import made_up, maps_of, new_network, stacked

SIZES = [(96, 64), (64, 96), (97, 61), (200, 150)]
RECIPE = Recipe(ARCHITECTURES["two scales"], longer_side_px=80)


@given(
    image=st.tuples(st.integers(1, 3000), st.integers(1, 3000)),
    network=st.tuples(st.integers(16, 600), st.integers(16, 600)),
    at=st.tuples(st.floats(0, 0.9999), st.floats(0, 0.9999)),
)
def test_a_fixation_belongs_to_the_pixel_that_it_lies_in(
    image: tuple[int, int], network: tuple[int, int], at: tuple[float, float]
) -> None:
    x, y = at[0] * image[0], at[1] * image[1]
    found = fixated_pixels(np.array([x]), np.array([y]), image, network)
    assert found.dtype == np.int32
    row, column = divmod(int(found[0]), network[0])
    for position, pixel, from_px, to_px in zip((x, y), (column, row), image, network, strict=True):
        assert 0 <= pixel < to_px
        share = position / from_px * to_px
        assert pixel - 1e-6 <= share <= pixel + 1 + 1e-6


def test_at_equal_sizes_the_pixel_is_the_images_own() -> None:
    x, y = np.array([0, 0.999, 1, 63.5, 95.99]), np.array([0, 3.2, 63.9, 10, 0.5])
    found = fixated_pixels(x, y, (96, 64), (96, 64))
    np.testing.assert_array_equal(found, np.floor(y) * 96 + np.floor(x))


def test_fixations_on_the_far_border_stay_inside() -> None:
    found = fixated_pixels(np.array([150.0]), np.array([100.0]), (150, 100), (75, 50))
    assert found.tolist() == [50 * 75 - 1]


@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_features_are_read_in_the_order_of_the_taps(tmp_path: Path, kind: str) -> None:
    architecture = ARCHITECTURES[kind]
    (image,) = made_up(tmp_path, 1, architecture)
    found = load_features(image, architecture)
    for tensors, read, maps in zip(
        found, architecture.groups, maps_of(image, architecture), strict=True
    ):
        for tap, tensor in zip(read.names, tensors, strict=True):
            assert tensor.dtype == torch.float16
            np.testing.assert_array_equal(tensor.numpy(), maps[tap])


def test_a_relu_is_its_convolutions_where_that_is_stored(tmp_path: Path) -> None:
    architecture = replace(PAPER16, groups=(group(("relu5_1", "conv5_1")),))
    (image,) = made_up(tmp_path, 1, architecture)
    assert list(image.features[0].files) == ["conv5_1"]
    ((rectified, raw),) = load_features(image, architecture)
    assert raw.min() < 0 <= rectified.min()
    assert torch.equal(rectified, raw.clamp(min=0))


@pytest.fixture
def dataset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Dataset:
    monkeypatch.setenv("DEEPGAZE2_CACHE", str(tmp_path / "cache"))
    paths = write_photos(tmp_path / "photos", SIZES)
    width, height = np.array(SIZES, np.int32).T
    stimuli = Stimuli(
        tuple(path.name for path in paths), tuple(paths), width, height, np.full(4, np.nan)
    )
    stimulus = np.repeat(np.arange(4), 25)
    at = np.random.default_rng(0).uniform(0, 0.999, (100, 2))
    return Dataset("photos", stimuli, fixations_at(stimulus, *(at * np.array(SIZES)[stimulus]).T))


def test_mirrored_images_are_those_of_a_mirrored_data_set(dataset: Dataset, tmp_path: Path) -> None:
    """Photos, fixations and priors that were mirrored by hand are prepared as they are."""
    paths = []
    for path in map(dataset.stimuli.path, range(4)):
        paths.append(tmp_path / f"mirrored-{path.name}")
        ImageOps.mirror(Image.open(path)).save(paths[-1])
    fixations = dataset.fixations
    by_hand = replace(
        dataset,
        stimuli=replace(dataset.stimuli, paths=tuple(paths)),
        fixations=replace(fixations, x=dataset.stimuli.width[fixations.stimulus] - fixations.x),
    )
    folds = np.array([0, 1, 0, 1])
    densities = np.random.default_rng(0).uniform(0.2, 1, (2, 9, 12))
    priors = [load_center_bias(density) for density in densities]
    turned = [load_center_bias(density[:, ::-1]) for density in densities]

    backbone = random_backbone()
    prepared = prepare_images(
        DataSets((dataset,)), [priors], folds, backbone, RECIPE, mirrored=True
    )
    expected = prepare_images(DataSets((by_hand,)), [turned], folds, backbone, RECIPE)
    assert expected.mirrored == []
    for found, other in zip(prepared.mirrored, expected.images, strict=True):
        assert found.sizes == other.sizes
        np.testing.assert_array_equal(np.sort(found.pixels), np.sort(other.pixels))
        np.testing.assert_allclose(found.log_center_bias, other.log_center_bias, atol=1e-5)
        pairs = zip(
            load_features(found, RECIPE.architecture),
            load_features(other, RECIPE.architecture),
            strict=True,
        )
        for one, two in pairs:
            assert all(map(torch.equal, one, two))
    for as_is, found in zip(prepared.images, prepared.mirrored, strict=True):
        width = as_is.sizes[0][0]
        (row, column), (other_row, other_column) = (
            np.divmod(image.pixels, width) for image in (as_is, found)
        )
        np.testing.assert_array_equal(row, other_row)
        np.testing.assert_array_equal(column + other_column, width - 1)
        np.testing.assert_array_equal(as_is.log_center_bias[:, ::-1], found.log_center_bias)

    network, n_fixations = new_network(RECIPE.architecture, deviation=30), len(fixations)
    values = [
        Objective(network, images, grid_block=3).loss_and_gradient(
            stacked(network.initial(0)), range(4)
        )[0][0]
        / n_fixations
        for images in (prepared.images, prepared.mirrored, expected.images)
    ]
    assert values[1] == pytest.approx(values[2], abs=1e-6)
    assert values[1] != pytest.approx(values[0], abs=1e-4)


def test_priors_are_shared_by_images_of_one_size_and_part(dataset: Dataset) -> None:
    """They are most of the memory of a large data set, and of what is sent to processes."""
    folds = np.array([0, 0, 1, 0])
    priors = [load_center_bias("gaussian"), load_center_bias("osie")]
    doubled = replace(
        dataset.select(np.array([0, 1, 2, 3])),
        stimuli=replace(dataset.stimuli, ids=("a", "b", "c", "d")),
    )
    images = prepare_images(DataSets((doubled,)), [priors], folds, random_backbone(), RECIPE).images
    for image, fold in zip(images, folds, strict=True):
        width, height = image.sizes[0]
        np.testing.assert_array_equal(
            image.log_center_bias, priors[fold].log_density(height, width)
        )
    both = prepare_images(
        DataSets((dataset.select(np.array([0, 0])),)),
        [priors],
        np.array([0, 0]),
        random_backbone(),
        RECIPE,
    ).images
    assert both[0].log_center_bias is both[1].log_center_bias


def test_a_part_has_the_images_that_its_readouts_meet_and_all_minibatches(
    tmp_path: Path,
) -> None:
    images = made_up(tmp_path / "images", 5)
    mirrored = made_up(tmp_path / "mirrored", 5, seed=1)
    seen = np.array([[1, 0, 1, 0, 0], [0, 1, 1, 0, 0]], bool)
    held_out = np.array([[0, 1, 0, 0, 0], [0, 0, 0, 1, 0]], bool)
    whole = TrainingSet(images, seen, held_out, mirrored)
    assert whole.drawn_for is seen
    first = whole.part([0])
    # The second image is in the minibatches; the fourth, held out, is of no use to this readout.
    for found, expected in ((first.images, images), (first.mirrored, mirrored)):
        assert all(one is expected[i] for one, i in zip(found, (0, 1, 2), strict=True))
    np.testing.assert_array_equal(first.seen, seen[:1, :3])
    np.testing.assert_array_equal(first.held_out, held_out[:1, :3])
    np.testing.assert_array_equal(first.drawn_for, seen[:, :3])
    both = replace(whole, mirrored=()).part([1, 0])
    assert (len(both.images), len(both.mirrored)) == (4, 0)  # nobody meets the last
    np.testing.assert_array_equal(both.seen, seen[[1, 0], :4])
    np.testing.assert_array_equal(both.part([1]).drawn_for, seen[:, :3])


@pytest.mark.parametrize("weighing", ["fixation", "image", "set"])
def test_what_fixations_count_depends_on_what_shall_count_alike(
    dataset: Dataset, weighing: str
) -> None:
    """Two data sets of 3 images and 1, with 10 to 25 fixations each."""
    f = dataset.fixations
    kept = np.arange(100) % 25 < np.array([10, 15, 20, 25])[f.stimulus]
    uneven = dataset.keep(kept)
    sets = DataSets((uneven.select(np.arange(3)), uneven.select(np.array([3]))))
    assert sets.n_fixations.tolist() == [10, 15, 20, 25]
    priors = [[load_center_bias("gaussian")], [load_center_bias("osie")]]
    recipe = replace(RECIPE, weighing=weighing)
    images = prepare_images(sets, priors, np.zeros(4, int), random_backbone(), recipe).images
    assert [image.viewing for image in images] == [0, 0, 0, 1]
    for image, (prior,) in zip(images, [priors[0]] * 3 + [priors[1]], strict=True):
        width, height = image.sizes[0]
        expected = prior.log_density(height, width)
        np.testing.assert_array_equal(image.log_center_bias, expected)
    masses = np.array([len(image.pixels) * image.weight for image in images])
    assert masses.sum() == pytest.approx(70)  # so that a fixation's mean weight is one
    np.testing.assert_allclose(masses, Objective(new_network(), images, grid_block=3).masses)
    expected_masses: dict[str, list[float]] = {
        "fixation": [10, 15, 20, 25],
        "image": [17.5] * 4,
        "set": [35 * 10 / 45, 35 * 15 / 45, 35 * 20 / 45, 35],
    }
    np.testing.assert_allclose(masses, expected_masses[weighing])


def test_images_of_another_kind_are_seen_in_the_average_viewing(dataset: Dataset) -> None:
    priors = [[load_center_bias("gaussian")]]
    prepared = prepare_images(
        *(DataSets((dataset,)), priors, np.zeros(4, int), random_backbone(), RECIPE), mirrored=True
    )
    average = prepared.by_average()
    for before, after in ((prepared.images, average.images), (prepared.mirrored, average.mirrored)):
        assert len(before) == len(after) == 4
        for one, other in zip(before, after, strict=True):
            assert (one.viewing, other.viewing) == (0, None)
            assert replace(other, viewing=0) == one
