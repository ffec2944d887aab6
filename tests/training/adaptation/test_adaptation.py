"""A viewing that fixations were made with is found again; where there is none, nothing changes."""

from dataclasses import replace
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from deepgaze2.card import read_card
from deepgaze2.data.dataset import Dataset
from deepgaze2.density.center_bias import load_center_bias
from deepgaze2.errors import DataError
from deepgaze2.image.network_input import network_inputs
from deepgaze2.image.stimulus import read_stimulus
from deepgaze2.model import Model
from deepgaze2.references.baseline import fit_center_bias
from deepgaze2.store import read_center_bias, read_readouts
from deepgaze2.training.adaptation.adapt import (
    MOST_IMAGES,
    Adaptation,
    adapt,
    fit_change,
    images_to_fit,
    write_adapted,
)
from deepgaze2.training.adaptation.looked import Change, Looked, looked_at
from helpers.small_datasets import fixations_at, stimuli_of
from helpers.small_models import ARCHITECTURES, tiny_model, tiny_model_of_two, with_readouts

WIDTH, HEIGHT, N = 128, 96, 24
ELSEWHERE = Change(log_sigma=0.4, weight=0.5, log_factor=-0.7, log_scale=((0.2,),))


def model() -> Model:
    found = tiny_model(2, architecture=ARCHITECTURES["two scales"])
    return replace(found, card=replace(found.card, longer_side_px=128))


def as_viewed(one: Model, change: Change) -> Model:
    readouts = [branch.readout for branch in one.branches]
    viewed = [own.viewed(change.viewing(own, number)) for number, own in enumerate(readouts)]
    return with_readouts(one, *viewed)


def looked_by(observer: Model, folder: Path, n: int = N, n_fixations: int = 60) -> Dataset:
    """Images of noise, with fixations that are sampled from a model's densities."""
    rng = np.random.default_rng(0)
    folder.mkdir(exist_ok=True)
    paths = [folder / f"{i}.png" for i in range(n)]
    stimuli = replace(stimuli_of(n, WIDTH, HEIGHT), paths=tuple(paths))
    positions = []
    for i, path in enumerate(paths):
        coarse = rng.integers(0, 256, (6, 8, 3)).astype(np.uint8)
        Image.fromarray(coarse).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC).save(path)
        positions.append(observer.predict(path).sample(n_fixations, seed=i))
    x, y = np.concatenate(positions).T
    return Dataset("lab", stimuli, fixations_at(np.repeat(np.arange(n), n_fixations), x, y))


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> tuple[Model, Dataset, list[Looked]]:
    one = model()
    dataset = looked_by(as_viewed(one, ELSEWHERE), tmp_path_factory.mktemp("lab") / "images")
    return one, dataset, looked_at(one, dataset)


@pytest.mark.parametrize(
    "change",
    [
        Change(log_scale=((0.0,),)),
        Change(0.3, 0.4, -0.5, ((0.0,),)),
        Change(-0.3, -0.2, 0.4, ((0.25,),)),
        Change(0.0, 0.0, 0.0, ((-0.25,),)),
    ],
)
def test_the_likelihood_is_the_changed_models(
    elsewhere: tuple[Model, Dataset, list[Looked]], change: Change
) -> None:
    """At the fixated pixels; the grid's sum stands for that over pixels."""
    one, dataset, images = elsewhere
    changed = as_viewed(one, change)
    for i in range(4):
        image, fixations = images[i], dataset.fixations_on(i)
        predicted = changed.predict(dataset.stimuli.path(i)).log_density[fixations.pixel()]
        found = image.log_density(change, image.prior(one.center_bias))
        # A density per pixel of the network's input, whose size is the image's here.
        assert image.size == (WIDTH, HEIGHT)
        np.testing.assert_allclose(found.mean(), predicted.mean(), atol=0.02)
        np.testing.assert_allclose(found, predicted, atol=0.15)


def test_scales_are_interpolated(elsewhere: tuple[Model, Dataset, list[Looked]]) -> None:
    one, dataset, images = elsewhere
    change = Change(log_scale=((0.12,),))
    changed = as_viewed(one, change)
    for i in range(4):
        predicted = changed.predict(dataset.stimuli.path(i)).log_density
        at = predicted[dataset.fixations_on(i).pixel()]
        found = images[i].log_density(change, images[i].prior(one.center_bias))
        np.testing.assert_allclose(found.mean(), at.mean(), atol=0.02)


def test_a_viewing_is_found_again(elsewhere: tuple[Model, Dataset, list[Looked]]) -> None:
    one, _, images = elsewhere
    priors = [image.prior(one.center_bias) for image in images]
    shrunk, found = fit_change(images, priors), fit_change(images, priors, most_per_image=1e9)
    # Blur and factor stand in for one another; what counts is what they do together, below.
    assert found.log_factor < ELSEWHERE.log_factor / 4
    np.testing.assert_allclose(found.weight, ELSEWHERE.weight, atol=0.35)
    assert np.linalg.norm(shrunk.values) < np.linalg.norm(found.values)
    none = Change(log_scale=((0.0,),))

    def likelihood(change: Change) -> float:
        pairs = zip(images, priors, strict=True)
        return float(np.mean([image.log_density(change, prior).mean() for image, prior in pairs]))

    assert likelihood(found) > likelihood(none) + 0.05
    assert likelihood(found) > likelihood(ELSEWHERE) - 0.02


def test_what_is_adopted_surely_helps(
    elsewhere: tuple[Model, Dataset, list[Looked]], tmp_path: Path
) -> None:
    one, dataset, images = elsewhere
    found = adapt(images, dataset, one.center_bias, name="lab")
    assert found.adopted == "all"
    assert found.gains.mean() > 0.05
    card = write_adapted(tmp_path / "new", one, dataset, found, "lab")
    assert card == read_card(tmp_path / "new")
    assert card.training["adapted_to"]["images"] == list(dataset.stimuli.ids)
    (readout,) = read_readouts(tmp_path / "new", card)
    np.testing.assert_allclose(
        readout.sigma_px,
        one.branches[0].readout.sigma_px * np.exp(found.change.log_sigma),
        rtol=1e-5,
    )
    bias = read_center_bias(tmp_path / "new", card)
    np.testing.assert_array_equal(bias.template, found.center_bias.template)
    rows = {what: (old, new) for what, old, new in found.table(one)}
    assert rows["sharpness"][1] == pytest.approx(np.exp(found.change.log_factor))
    assert set(rows) >= {"blur in pixels", "center bias's weight", "weight of 64 px"}


def test_where_nothing_differs_the_model_stays(tmp_path: Path) -> None:
    one = model()
    dataset = looked_by(one, tmp_path / "images", n=8)
    images = looked_at(one, dataset)
    found = adapt(images, dataset, one.center_bias, name="lab")
    assert abs(found.change.log_factor) < 0.25
    gains = np.array([-0.1, 0.1, 0.02, -0.03])
    assert replace(found, gains=gains, center_bias_gains=gains).adopted == "nothing"
    none = replace(found, gains=gains, center_bias_gains=gains)
    card = write_adapted(tmp_path / "new", one, dataset, none, "lab")
    (same,) = read_readouts(tmp_path / "new", card)
    for before, after in zip(one.branches[0].readout.weights, same.weights, strict=True):
        np.testing.assert_array_equal(before, after)
    bias = read_center_bias(tmp_path / "new", card)
    np.testing.assert_array_equal(bias.template, one.center_bias.template)


def test_the_better_of_two_is_adopted() -> None:
    bias = load_center_bias("gaussian")
    little, much = np.full(5, 0.1), np.full(5, 0.2)
    assert Adaptation(Change(), bias, much, little).adopted == "all"
    assert Adaptation(Change(), bias, little, much).adopted == "center bias"
    assert Adaptation(Change(), bias, -little, much).adopted == "center bias"
    assert Adaptation(Change(), bias, -little, -much).adopted == "nothing"


def test_one_image_is_too_few(elsewhere: tuple[Model, Dataset, list[Looked]]) -> None:
    _, dataset, _ = elsewhere
    with pytest.raises(DataError, match=r"lab: 1 image with fixations; .* give 2 or more"):
        images_to_fit(dataset.select(np.arange(N) == 0))


def test_of_many_images_some_are_taken() -> None:
    many = MOST_IMAGES + 50
    stimulus = np.arange(1, many)  # nobody looked at the first
    dataset = Dataset("lab", stimuli_of(many), fixations_at(stimulus, stimulus * 0, stimulus * 0))
    taken = images_to_fit(dataset).stimuli.ids
    assert len(set(taken)) == MOST_IMAGES
    assert set(taken) < set(dataset.stimuli.ids[1:])
    assert any(int(name[:-4]) > MOST_IMAGES for name in taken), "they are the first"


def test_a_known_center_bias_may_stand_in_the_uniform_ones_place(
    elsewhere: tuple[Model, Dataset, list[Looked]],
) -> None:
    """Two images say little: their center bias stays near what is known."""
    one, dataset, _ = elsewhere
    few = dataset.select(np.arange(N) < 2)
    fitted = fit_center_bias(few, rest=one.center_bias)
    alone = fit_center_bias(few)
    assert fitted.log_density.mean() > alone.log_density.mean()
    density = np.exp(fitted.of_all("lab").template.astype(np.float64))
    assert density.sum() == pytest.approx(1, abs=1e-5)
    share = fitted.uniform_share
    rest = np.exp(one.center_bias.log_density(*density.shape).astype(np.float64))
    assert np.all(density >= share * rest * (1 - 1e-4))


def model_of_two() -> Model:
    found = tiny_model_of_two(2)
    return replace(found, card=replace(found.card, longer_side_px=128))


@pytest.fixture(scope="module")
def seen_by_two(tmp_path_factory: pytest.TempPathFactory) -> tuple[Model, Dataset, list[Looked]]:
    one = model_of_two()
    change = replace(ELSEWHERE, log_scale=((0.2,), (-0.2,)))
    dataset = looked_by(as_viewed(one, change), tmp_path_factory.mktemp("two") / "images", n=8)
    return one, dataset, looked_at(one, dataset)


@pytest.mark.parametrize(
    "change",
    [
        Change(log_scale=((0.0,), (0.0,))),
        Change(0.3, 0.4, -0.5, ((0.25,), (-0.25,))),
        Change(-0.2, -0.2, 0.2, ((0.0,), (0.25,))),
        Change(log_scale=((-0.25,), (0.0,))),
    ],
)
def test_on_two_networks_the_likelihood_is_the_changed_models(
    seen_by_two: tuple[Model, Dataset, list[Looked]], change: Change
) -> None:
    model, dataset, images = seen_by_two
    changed = as_viewed(model, change)
    for i, image in enumerate(images[:4]):
        path, at = dataset.stimuli.path(i), dataset.fixations_on(i).pixel()
        predicted = changed.predict(path).log_density[at]
        found = image.log_density(change, image.prior(model.center_bias))
        stimulus = read_stimulus(path)
        sizes = [changed.input_sizes(one, stimulus) for one in changed.branches]
        views = network_inputs(stimulus.pixels, chain.from_iterable(sizes))
        each = [one.saliency(views, own) for one, own in zip(changed.branches, sizes, strict=True)]
        np.testing.assert_allclose(image.saliency(change), np.concatenate(each), atol=1e-3)
        assert image.size == (WIDTH, HEIGHT)
        np.testing.assert_allclose(found.mean(), predicted.mean(), atol=0.03)
        np.testing.assert_allclose(found, predicted, atol=0.15)


def test_on_two_networks_each_has_scales_of_its_own(
    seen_by_two: tuple[Model, Dataset, list[Looked]],
) -> None:
    one, _, images = seen_by_two
    assert images[0].no_change == Change(log_scale=((0.0,), (0.0,)))
    priors = [image.prior(one.center_bias) for image in images]
    found = fit_change(images, priors)
    (first,), (second,) = found.log_scale
    assert first != second
    assert found.of(found.values) == found

    def likelihood(change: Change) -> float:
        pairs = zip(images, priors, strict=True)
        return float(np.mean([image.log_density(change, prior).mean() for image, prior in pairs]))

    swapped = replace(found, log_scale=((second,), (first,)))
    assert likelihood(found) > max(likelihood(images[0].no_change), likelihood(swapped))


def test_on_two_networks_the_readouts_of_both_are_written(
    seen_by_two: tuple[Model, Dataset, list[Looked]], tmp_path: Path
) -> None:
    one, dataset, _ = seen_by_two
    change = Change(0.3, 0.4, -0.5, ((0.25,), (-0.125,)))
    much = np.full(len(dataset.stimuli), 0.2)
    found = Adaptation(change, one.center_bias, much, much / 2)
    card = write_adapted(tmp_path / "new", one, dataset, found, "lab")
    assert card == read_card(tmp_path / "new")
    before = [replace(branch, readout_sha256="") for branch in one.card.branches]
    assert [replace(branch, readout_sha256="") for branch in card.branches] == before
    readouts = read_readouts(tmp_path / "new", card)
    for branch, after, (log_scale,) in zip(one.branches, readouts, change.log_scale, strict=True):
        readout = branch.readout
        np.testing.assert_allclose(after.sigma_px, readout.sigma_px * np.exp(0.3), rtol=1e-5)
        np.testing.assert_allclose(after.prior_weight, readout.prior_weight + 0.4, rtol=1e-5)
        np.testing.assert_allclose(after.weights[-1], readout.weights[-1] * np.exp(-0.5), rtol=1e-5)
        factors = [
            np.full(group.channels, np.exp(log_scale) if group.scale == 0.5 else 1.0)
            for group in readout.architecture.groups
        ]
        np.testing.assert_allclose(
            after.weights[0], readout.weights[0] * np.concatenate(factors), rtol=1e-5
        )
    rows = {what: (old, new) for what, old, new in found.table(one)}
    sigma = np.mean([branch.readout.sigma_px.mean() for branch in one.branches])
    assert rows["blur in pixels"] == pytest.approx((sigma, sigma * np.exp(0.3)), rel=1e-5)
    assert rows["weight of 64 px, narrow-vgg16"] == pytest.approx((1, np.exp(0.25)))
    assert rows["weight of 64 px, narrow-resnet50"] == pytest.approx((1, np.exp(-0.125)))
