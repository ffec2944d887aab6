"""A model predicts what its parts give, from any thread, in any order, in bounded memory."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import deepgaze2
from deepgaze2.card import read_card, write_card
from deepgaze2.density.center_bias import load_center_bias
from deepgaze2.density.prediction import Prediction
from deepgaze2.errors import CenterBiasError, DeepGazeError, ModelError, StimulusError
from deepgaze2.features.backbone import find_stored_backbone
from deepgaze2.features.engines import Engine
from deepgaze2.features.networks.vgg import VGG16
from deepgaze2.image.network_input import NetworkInput, network_input, network_size
from deepgaze2.image.stimulus import read_stimulus
from deepgaze2.model import ImageSource, Model
from deepgaze2.readout.architecture import paper_architecture
from deepgaze2.readout.viewing import Viewing
from deepgaze2.store import packaged_models, write_model
from helpers import float64_model
from helpers.small_models import (
    ARCHITECTURES,
    card_of,
    random_backbone,
    random_readout,
    tiny_model,
    with_readouts,
    write_photos,
)

SIZES = [(60, 40), (31, 50), (200, 150), (64, 64), (30, 90), (129, 70), (16, 16), (90, 30)]


@pytest.fixture(scope="module")
def model() -> Model:
    return tiny_model()


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return write_photos(tmp_path_factory.mktemp("photos"), SIZES)


def chain(model: Model, found: Prediction, sizes: list[tuple[int, int]]) -> NDArray[np.float64]:
    """The reference's log density, for network inputs of these sizes."""
    (readout,) = (branch.readout for branch in model.branches)
    pixels, backbone = found.stimulus.pixels, random_backbone()
    maps = [float64_model.feature_maps(backbone, network_input(pixels, size)) for size in sizes]
    prior = found.center_bias.log_density(found.height, found.width)
    return float64_model.log_density(
        float64_model.saliency(readout, maps, sizes),
        prior,
        sizes[0],
        readout.architecture.grid_block,
    )


@pytest.mark.parametrize("options", [{}, {"pixels_per_degree": 30.0}, {"center_bias": "uniform"}])
def test_a_prediction_is_the_whole_chains(
    model: Model, photos: list[Path], options: dict[str, float | str]
) -> None:
    for path in photos[:3]:
        found = model.predict(path, **options)  # type: ignore[arg-type]
        expected = chain(model, found, [found.network_input_size])
        np.testing.assert_allclose(found.log_density, expected, atol=1e-4)


@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_so_is_one_of_any_architecture(photos: list[Path], kind: str) -> None:
    """Also with a weighted prior, which is constant so that it costs no precision."""
    model = tiny_model(2, architecture=ARCHITECTURES[kind])
    weights = np.array([0.6, 1.2], np.float32)
    model = with_readouts(model, replace(model.branches[0].readout, prior_weight=weights))
    scales = [group.scale for group in ARCHITECTURES[kind].groups]
    for path in photos[:3]:
        found = model.predict(path, center_bias="uniform")
        width, height = found.width, found.height
        sizes = [network_size(width, height, longer_side_px=round(64 * s)) for s in scales]
        assert found.network_input_size == sizes[0]
        np.testing.assert_allclose(found.log_density, chain(model, found, sizes), atol=2e-4)
        by_degree = model.predict(path, center_bias="uniform", pixels_per_degree=30)
        sizes = [network_size(width, height, pixels_per_degree=30 / s) for s in scales]
        np.testing.assert_allclose(by_degree.log_density, chain(model, by_degree, sizes), atol=2e-4)


def test_a_weighted_prior_is_seen_in_the_prediction(model: Model, photos: list[Path]) -> None:
    """With twice the log prior, the ratio of two predictions is the prior itself."""
    model = replace(model.fold(0), card=replace(model.card, longer_side_px=512))
    (readout,) = (branch.readout for branch in model.branches)
    one, two = (
        with_readouts(model, replace(readout, prior_weight=np.array([w], np.float32))).predict(
            photos[2]
        )
        for w in (1, 2)
    )
    prior = one.center_bias.log_density(one.height, one.width)
    ratio = two.log_density - one.log_density - prior
    assert np.ptp(ratio) < 0.03 < np.ptp(prior)


def test_a_prediction_says_where_it_comes_from(model: Model, photos: list[Path]) -> None:
    found = model.predict(photos[0])
    assert (found.model, found.center_bias.name) == ("tiny", "gaussian")
    assert found.stimulus.name == "0.png"
    assert found.network_input_size == network_size(60, 40, longer_side_px=64)
    assert (found.width, found.height) == (60, 40)
    by_degree = model.predict(photos[0], pixels_per_degree=20, center_bias="mit1003")
    assert by_degree.network_input_size == network_size(60, 40, pixels_per_degree=20)
    assert by_degree.center_bias.name == "mit1003"


def test_paths_images_and_arrays_are_one(model: Model, photos: list[Path]) -> None:
    by_path = model.predict(photos[0]).log_density
    image = Image.open(photos[0])
    content = photos[0].read_bytes()
    sources: list[ImageSource] = [str(photos[0]), image, np.asarray(image), content]
    sources.append(read_stimulus(content))
    for source in sources:
        np.testing.assert_array_equal(model.predict(source).log_density, by_path)


@pytest.mark.parametrize("size", [(1, 1), (3, 5000), (1500, 2)])
def test_extreme_sizes_have_densities(model: Model, size: tuple[int, int]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    found = model.predict(pixels, viewport="none").log_density
    assert found.shape == size
    assert np.exp(found.astype(np.float64)).sum() == pytest.approx(1, abs=1e-5)


def test_engines_agree(photos: list[Path]) -> None:
    other = tiny_model(engine="torch").predict(photos[1]).log_density
    np.testing.assert_allclose(tiny_model().predict(photos[1]).log_density, other, atol=1e-4)


def test_the_mixture_is_the_mean_of_its_members(model: Model, photos: list[Path]) -> None:
    """But for what mixing on the grid instead of at the image's size changes."""
    members = [model.fold(k).predict(photos[1]).density for k in range(3)]
    np.testing.assert_allclose(model.predict(photos[1]).density, np.mean(members, 0), rtol=5e-3)
    assert not np.allclose(members[0], members[1], rtol=1e-2)


def test_a_part_has_as_many_readouts_as_seeds(photos: list[Path]) -> None:
    model = tiny_model(6, n_folds=3)
    for k in range(3):
        (own,), (whole,) = ([b.readout for b in one.branches] for one in (model.fold(k), model))
        assert own.n_models == 2
        np.testing.assert_array_equal(own.sigma_px, whole.sigma_px[2 * k :][:2])
    means = np.mean([model.fold(k).predict(photos[1]).density for k in range(3)], axis=0)
    np.testing.assert_allclose(model.predict(photos[1]).density, means, rtol=5e-3)


def test_four_threads_give_the_same_bytes(model: Model, photos: list[Path]) -> None:
    alone = [model.predict(path).log_density.tobytes() for path in photos]
    with ThreadPoolExecutor(4) as pool:
        together = list(
            pool.map(lambda path: model.predict(path).log_density.tobytes(), photos * 3)
        )
    assert together == alone * 3


def test_many_are_predicted_in_order(model: Model, photos: list[Path]) -> None:
    found = list(model.predict_many(photos, center_bias="osie", pixels_per_degree=25))
    assert len(found) == len(photos)
    for path, prediction in zip(photos, found, strict=True):
        alone = model.predict(path, center_bias="osie", pixels_per_degree=25)
        assert prediction.stimulus.name == path.name
        assert prediction.log_density.tobytes() == alone.log_density.tobytes()
    assert list(model.predict_many([])) == []


def test_what_cannot_be_used_is_passed_over(model: Model, photos: list[Path]) -> None:
    sources: list[ImageSource] = [
        photos[0],
        "missing.png",
        photos[1],
        np.zeros((3, 3, 7)),
        photos[2],
    ]
    errors: list[tuple[ImageSource, DeepGazeError]] = []
    found = model.predict_many(sources, on_error=lambda *failure: errors.append(failure))
    assert [prediction.stimulus.name for prediction in found] == ["0.png", "1.png", "2.png"]
    assert errors[0][0] == "missing.png"
    assert errors[1][0] is sources[3]
    assert all(isinstance(error, StimulusError) for _, error in errors)


def test_without_a_handler_an_error_comes_in_its_place(model: Model, photos: list[Path]) -> None:
    stream = model.predict_many([photos[0], "missing.png", photos[1]])
    assert next(stream).stimulus.name == "0.png"
    with pytest.raises(StimulusError, match="missing"):
        next(stream)
    with pytest.raises(StopIteration):
        next(stream)


def test_a_bad_center_bias_is_refused(model: Model, photos: list[Path]) -> None:
    with pytest.raises(CenterBiasError, match="gaussian"):
        model.predict(photos[0], center_bias="gausian")
    errors: list[object] = []
    stream = model.predict_many(
        photos, center_bias=np.full((3, 3), np.nan), on_error=lambda *e: errors.append(e)
    )
    with pytest.raises(CenterBiasError):  # it fails for every image alike
        next(stream)
    assert errors == []


def counted(sources: list[Path], read: list[Path]) -> Iterator[Path]:
    for source in sources:
        read.append(source)
        yield source


def test_sources_are_read_only_a_few_ahead(model: Model, photos: list[Path]) -> None:
    read: list[Path] = []
    stream = model.predict_many(counted(photos * 3, read))
    assert read == []
    for done, _ in enumerate(stream, 1):
        assert len(read) <= done + 3
    assert len(read) == len(photos) * 3


def test_a_closed_stream_stops(model: Model, photos: list[Path]) -> None:
    read: list[Path] = []
    stream = model.predict_many(counted(photos * 100, read))
    next(stream)
    before = threading.active_count()
    stream.close()
    assert len(read) <= 4
    assert threading.active_count() < before


@dataclass
class SlowEngine:
    """Waits instead of computing, and notes how many images it works on at once."""

    engine: Engine
    name: str = "slow"
    device: str = "cpu"
    busy: int = 0
    most: int = 0

    def stored_features(self, image: NetworkInput) -> tuple[NDArray[np.float32], ...]:
        self.busy += 1
        self.most = max(self.most, self.busy)
        time.sleep(0.02)
        features = self.engine.stored_features(image)
        self.busy -= 1
        return features


def test_the_engine_works_on_one_image_at_a_time(model: Model, photos: list[Path]) -> None:
    (branch,) = model.branches
    slow = SlowEngine(branch.engine)
    list(replace(model, branches=(replace(branch, engine=slow),)).predict_many(photos))
    assert slow.most == 1


def test_a_model_folder_is_loaded(tmp_path: Path, photos: list[Path]) -> None:
    """With the packaged VGG-16, the only one that folders can name without a download."""
    readout = random_readout(1, paper_architecture(VGG16), VGG16)
    backbone = find_stored_backbone("vgg16")
    card = write_model(tmp_path / "mine", card_of(readout, backbone, "mine"), [readout])
    loaded = deepgaze2.load(tmp_path / "mine")
    assert loaded.card == card
    found = loaded.predict(photos[0])
    assert found.model == "mine"
    assert np.exp(found.log_density.astype(np.float64)).sum() == pytest.approx(1, abs=1e-5)

    (facts,) = card.branches
    other = replace(facts, backbone_checksum="0" * 64)
    write_card(tmp_path / "mine", replace(card, branches=(other,)))
    with pytest.raises(ModelError, match=f"000000000000, found {backbone.checksum[:12]}"):
        deepgaze2.load(tmp_path / "mine")
    write_card(tmp_path / "mine", replace(card, branches=(replace(facts, network="resnet9"),)))
    with pytest.raises(ModelError, match="network 'resnet9' is unknown"):
        deepgaze2.load(tmp_path / "mine")


def test_a_viewing_is_loaded_with_its_center_bias(tmp_path: Path, photos: list[Path]) -> None:
    """The same as a model whose readouts were made for it by hand."""
    architecture, rng = paper_architecture(VGG16), np.random.default_rng(0)
    readout, backbone = random_readout(1, architecture, VGG16), find_stored_backbone("vgg16")
    viewings = {}
    for name in ("osie", "mit1003"):
        sigma, weight, factor = rng.uniform(0.5, 2, (3, 1)).astype(np.float32)
        viewings[name] = Viewing(sigma, weight, factor, np.ones((1, 1), np.float32))
    biases = {name: load_center_bias(name) for name in viewings}
    card = write_model(
        tmp_path / "both",
        card_of(readout, backbone, "both"),
        [replace(readout, viewings=viewings)],
        viewed=biases,
    )
    average = deepgaze2.load(tmp_path / "both").predict(photos[0])
    assert average.center_bias.name == "gaussian"
    for name, viewing in viewings.items():
        found = deepgaze2.load(f"{tmp_path / 'both'}@{name}").predict(photos[0])
        assert found.center_bias.name == name
        by_hand = replace(
            readout,
            weights=(*readout.weights[:-1], readout.weights[-1] * viewing.factor),
            biases=(*readout.biases[:-1], readout.biases[-1] * viewing.factor),
            sigma_px=viewing.sigma_px,
            prior_weight=viewing.prior_weight,
        )
        write_model(tmp_path / name, card_of(by_hand, backbone), [by_hand], biases[name])
        expected = deepgaze2.load(tmp_path / name).predict(photos[0])
        np.testing.assert_allclose(found.log_density, expected.log_density, atol=1e-5)
        assert not np.allclose(found.log_density, average.log_density, atol=1e-2)
    with pytest.raises(ModelError, match=r"both: viewing 'salicon' is unknown; there are osie, mi"):
        deepgaze2.load(f"{tmp_path / 'both'}@salicon")
    odd = (tmp_path / "both").rename(tmp_path / "me@home")
    assert deepgaze2.load(odd).card == card
    again = deepgaze2.load(f"{odd}@mit1003").predict(photos[0])
    np.testing.assert_array_equal(again.log_density, found.log_density)
    with pytest.raises(ModelError, match="viewing 'osie' is unknown; it has one alone"):
        deepgaze2.load("deepgaze2@osie")


@pytest.fixture(scope="module")
def packaged() -> Model:
    if not packaged_models():
        pytest.skip("no model is packaged")
    return deepgaze2.load()


def test_the_packaged_model_gives_densities(packaged: Model) -> None:
    found = packaged.predict(np.random.default_rng(0).integers(0, 256, (100, 300, 3), np.uint8))
    assert found.log_density.shape == (100, 300)
    assert np.isfinite(found.log_density).all()
    assert np.exp(found.log_density.astype(np.float64)).sum() == pytest.approx(1, abs=1e-5)


def test_the_packaged_model_looks_at_what_stands_out(packaged: Model) -> None:
    """A face-sized colored blob on gray, away from the center, draws fixations from there."""
    y, x = np.mgrid[:240, :320]
    blob = np.exp(-((x - 240) ** 2 + (y - 70) ** 2) / (2 * 14.0**2))[..., None]
    pixels = (128 + blob * np.array([100, -100, -100])).astype(np.uint8)
    found = packaged.predict(pixels, center_bias="uniform")
    assert found.mass(200, 30, 80, 80) > 2 * 80 * 80 / (240 * 320)


def test_the_packaged_card_is_complete(packaged: Model) -> None:
    card = packaged.card
    assert len(card.folds) == 10
    assert all(branch.readout.n_models % 10 == 0 for branch in packaged.branches)
    names = [name for fold in card.folds for name in fold]
    assert len(names) == len(set(names)) == card.training["images"]
    each = [card.scores[one.name] for one in card.viewings] or [card.scores]
    for scores in each:
        assert scores["explained"] == pytest.approx(scores["model_bits"] / scores["gold_bits"])
    assert sum(scores["images"] for scores in each) == len(names)
    assert all(one["citation"] for one in card.training["data_sets"])
    assert read_card(Path(deepgaze2.__file__).parent / "assets" / "models" / card.name) == card
