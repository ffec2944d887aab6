"""A model of several networks is the mixture of the models that it has on each."""

import pickle
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

import deepgaze2
from deepgaze2.branch import Branch
from deepgaze2.card import BranchFacts
from deepgaze2.density.center_bias import load_center_bias
from deepgaze2.features.backbone import StoredBackbone
from deepgaze2.features.engines import create_engine
from deepgaze2.features.networks.alexnet import ALEXNET
from deepgaze2.image import network_input
from deepgaze2.image.stimulus import read_stimulus
from deepgaze2.model import Model
from deepgaze2.readout.architecture import Architecture, tap_groups
from deepgaze2.readout.numpy_readout import Readout
from deepgaze2.readout.viewing import Viewing
from deepgaze2.store import write_model
from helpers.small_models import (
    ARCHITECTURES,
    narrowed,
    parts_of_two,
    random_backbone,
    random_readout,
    tiny_model,
    tiny_model_of_two,
    with_readouts,
    write_photos,
)

SHARES = (1.0, 2.5)
SIZES = [(60, 40), (31, 50), (200, 150), (16, 16)]


def two(n_models: int = 3, n_folds: int | None = None) -> Model:
    """Readouts on two networks, whose center biases have other weights, too."""
    model = tiny_model_of_two(n_models, n_folds=n_folds, shares=SHARES)
    weights = np.linspace(0.8, 1.3, 2 * n_models, dtype=np.float32)
    pairs = zip(model.branches, np.split(weights, 2), strict=True)
    return with_readouts(model, *(replace(one.readout, prior_weight=own) for one, own in pairs))


@pytest.fixture(scope="module")
def model() -> Model:
    return two()


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return write_photos(tmp_path_factory.mktemp("photos"), SIZES)


def mixed(*log_densities: NDArray[np.float32]) -> NDArray[np.float64]:
    """Log of the mean of densities, each of which counts as its branch's share.

    A model mixes on the grid, not at the image's size: on these rough maps up to 0.02 nats differ.
    """
    weighted = [
        share * np.exp(one.astype(np.float64))
        for share, one in zip(SHARES, log_densities, strict=True)
    ]
    return np.asarray(np.log(sum(weighted) / sum(SHARES)))


def picture(width: int, height: int) -> NDArray[np.uint8]:
    return np.random.default_rng((width, height)).integers(0, 256, (height, width, 3), np.uint8)


side = st.integers(1, 200)


@settings(max_examples=25, deadline=None)
@given(
    size=st.tuples(side, side) | st.sampled_from([(1, 1), (3, 200), (2000, 2), (17, 16)]),
    pixels_per_degree=st.none() | st.floats(20, 60),
    center_bias=st.sampled_from([None, "uniform", "mit1003"]),
)
def test_a_prediction_is_the_mean_of_each_networks(
    model: Model,
    size: tuple[int, int],
    pixels_per_degree: float | None,
    center_bias: str | None,
) -> None:
    whole, *alone = (
        one.predict(
            picture(*size),
            center_bias=center_bias,
            pixels_per_degree=pixels_per_degree,
            viewport="none",
        ).log_density
        for one in (model, model.alone(0), model.alone(1))
    )
    assert np.exp(whole.astype(np.float64)).sum() == pytest.approx(1, abs=1e-5)
    np.testing.assert_allclose(whole, mixed(*alone), atol=0.03)


def test_each_network_counts(model: Model, photos: list[Path]) -> None:
    """Neither is the other, nor do both count alike."""
    whole, *alone = (
        one.predict(photos[0]).density for one in (model, model.alone(0), model.alone(1))
    )
    for other in (*alone, np.mean(alone, axis=0)):
        assert not np.allclose(whole, other, rtol=1e-2)


def test_one_network_alone_is_a_model_of_it(photos: list[Path]) -> None:
    alone = tiny_model_of_two().alone(0)
    expected = tiny_model(architecture=ARCHITECTURES["two scales"])
    assert (alone.card.n_readouts, alone.card.networks) == (3, "narrow-vgg16")
    assert alone.card.name == "tiny two on narrow-vgg16 alone"
    for path in photos:
        found = alone.predict(path).log_density
        np.testing.assert_array_equal(found, expected.predict(path).log_density)


def test_of_each_network_the_readouts_of_a_part_are_taken(photos: list[Path]) -> None:
    model = two(6, n_folds=3)
    assert model.card.n_readouts == 12
    for k in range(3):
        part = model.fold(k)
        for own, whole in zip(part.branches, model.branches, strict=True):
            assert own.readout.n_models == 2
            for name in ("sigma_px", "prior_weight"):
                expected = getattr(whole.readout, name)[2 * k : 2 * k + 2]
                np.testing.assert_array_equal(getattr(own.readout, name), expected)
        alone = [part.alone(number).predict(photos[1]).log_density for number in range(2)]
        np.testing.assert_allclose(part.predict(photos[1]).log_density, mixed(*alone), atol=0.03)
    parts = [model.fold(k).predict(photos[1]).density for k in range(3)]
    np.testing.assert_allclose(model.predict(photos[1]).density, np.mean(parts, 0), rtol=0.02)


def test_it_can_be_pickled(model: Model, photos: list[Path]) -> None:
    again: Model = pickle.loads(pickle.dumps(model))
    assert again.card == model.card
    assert again.identity == model.identity
    np.testing.assert_array_equal(again.shares, model.shares)
    assert len({id(branch.engine_thread) for branch in again.branches}) == 1
    for path in photos:
        found, expected = (one.predict(path).log_density for one in (again, model))
        np.testing.assert_allclose(found, expected, atol=1e-5)


def test_what_a_network_counts_and_its_readouts_decide_what_a_model_is(model: Model) -> None:
    def with_share(share: float) -> Model:
        first, second = model.branches
        facts = replace(model.card.branches[1], share=share)
        card = replace(model.card, branches=(model.card.branches[0], facts))
        return replace(model, card=card, branches=(first, replace(second, share=share)))

    one, other = (branch.readout for branch in model.branches)
    louder = [replace(each, sigma_px=each.sigma_px + 1) for each in (one, other)]
    models = [
        *(model, with_share(2.0)),
        *(with_readouts(model, louder[0], other), with_readouts(model, one, louder[1])),
        *(model.alone(0), model.alone(1), model.fold(0)),
    ]
    assert len({each.identity for each in models}) == len(models)
    assert with_share(SHARES[1]).identity == model.identity
    renamed = replace(model, card=replace(model.card, name="other"))
    assert renamed.identity == model.identity


def test_many_are_predicted_as_each(model: Model, photos: list[Path]) -> None:
    found = list(model.predict_many(photos, center_bias="osie", pixels_per_degree=25))
    for path, prediction in zip(photos, found, strict=True):
        alone = model.predict(path, center_bias="osie", pixels_per_degree=25)
        assert prediction.log_density.tobytes() == alone.log_density.tobytes()


def test_from_several_threads_the_bytes_are_the_same(model: Model, photos: list[Path]) -> None:
    alone = [model.predict(path).log_density.tobytes() for path in photos]
    with ThreadPoolExecutor(4) as pool:
        together = list(
            pool.map(lambda path: model.predict(path).log_density.tobytes(), photos * 3)
        )
    assert together == alone * 3


@pytest.mark.parametrize("size", [(300, 10), (8, 200)])
def test_if_one_network_needs_larger_images_both_see_them_so(
    model: Model, size: tuple[int, int]
) -> None:
    """AlexNet needs 31 pixels: readouts would lie on two grids."""
    network = narrowed(ALEXNET, 16)
    groups = tap_groups(network, network.taps, (1.0, 0.5))
    architecture = Architecture(groups, layer_norm=True, grid_block=3)
    backbone = random_backbone(network)
    facts = BranchFacts(network.name, backbone.checksum, architecture)
    branch = Branch(
        backbone,
        random_readout(3, architecture, network),
        create_engine(backbone, threads=1),
        1.0,
        model.branches[0].engine_thread,
    )
    model = replace(
        model,
        card=replace(model.card, branches=(model.card.branches[0], facts)),
        branches=(model.branches[0], branch),
    )
    found = model.predict(picture(*size), viewport="none")
    assert min(found.network_input_size) == 31
    assert np.exp(found.log_density.astype(np.float64)).sum() == pytest.approx(1, abs=1e-5)


def viewed_by_hand(readout: Readout, viewing: Viewing) -> Readout:
    """The readouts as one would write them for a viewing."""
    first, *others = readout.weights
    first, begin = first.copy(), 0
    for group in readout.architecture.groups:
        scale = readout.architecture.scales.index(group.scale)
        factors = viewing.scale_factors[:, scale]
        first[:, :, begin : begin + group.channels] *= factors[:, None, None]
        begin += group.channels
    others[-1] = others[-1] * viewing.factor[:, None, None]
    return replace(
        readout,
        weights=(first, *others),
        biases=(*readout.biases[:-1], readout.biases[-1] * viewing.factor[:, None]),
        sigma_px=viewing.sigma_px,
        prior_weight=viewing.prior_weight,
        viewings={},
    )


def test_a_viewing_is_that_of_the_readouts_on_each_network(
    tmp_path: Path, photos: list[Path], two_networks: list[StoredBackbone]
) -> None:
    card, _, readouts = parts_of_two(shares=SHARES, backbones=two_networks)
    rng = np.random.default_rng(0)
    viewings: list[dict[str, Viewing]] = [{}, {}]
    for own in viewings:
        for name in ("osie", "mit1003"):
            sigma, weight, factor = rng.uniform(0.5, 2, (3, 3)).astype(np.float32)
            scales = rng.uniform(0.5, 2, (3, 2)).astype(np.float32)
            own[name] = Viewing(sigma, weight, factor, scales)
    pairs = list(zip(readouts, viewings, strict=True))
    biases = {name: load_center_bias(name) for name in viewings[0]}
    written = [replace(readout, viewings=own) for readout, own in pairs]
    card = write_model(tmp_path / "both", card, written, viewed=biases)
    average = deepgaze2.load(tmp_path / "both")
    assert [one.backbone.name for one in average.branches] == [one.name for one in two_networks]
    np.testing.assert_allclose(average.shares, np.repeat(SHARES, 3) / 3 / sum(SHARES))
    for facts, name in zip(card.viewings, biases, strict=True):
        both = [own[name] for own in viewings]
        means = [one.scale_factors.mean(axis=0) for one in both]
        np.testing.assert_allclose(facts.scale_weights, np.concatenate(means), atol=5e-4)
        blurs = [one.sigma_px.mean() for one in both]
        assert facts.blur_px == pytest.approx(np.mean(blurs), abs=0.006)
        found = deepgaze2.load(f"{tmp_path / 'both'}@{name}").predict(photos[0])
        assert (found.model, found.center_bias.name) == (f"tiny two@{name}", name)
        by_hand = with_readouts(
            average, *(viewed_by_hand(readout, own[name]) for readout, own in pairs)
        )
        expected = by_hand.predict(photos[0], center_bias=name)
        np.testing.assert_allclose(found.log_density, expected.log_density, atol=1e-4)
        for number in range(2):  # neither branch is left as it is
            changed = [one.readout for one in by_hand.branches]
            changed[number] = average.branches[number].readout
            other = with_readouts(average, *changed).predict(photos[0], center_bias=name)
            assert not np.allclose(found.log_density, other.log_density, atol=1e-2)


def test_an_image_is_resized_once_for_all_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    resized, original = [], network_input._resized

    def counted(image: Image.Image, size: tuple[int, int]) -> Image.Image:
        resized.append(size)
        return original(image, size)

    monkeypatch.setattr(network_input, "_resized", counted)
    model, pixels = two(), np.zeros((40, 60, 3), np.uint8)
    model.predict(pixels, viewport="none")
    sizes = [model.input_sizes(one, read_stimulus(pixels)) for one in model.branches]
    assert set(sizes[0]) & set(sizes[1]), "they see it at no size in common"
    assert sorted(resized) == sorted({size for own in sizes for size in own})
