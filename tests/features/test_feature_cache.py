"""The cache of features: computed once, named by all they depend on, safe at any interruption."""

from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageOps

from deepgaze2.errors import DataError, ModelError, OutputError, StimulusError
from deepgaze2.features import cache_filling as module
from deepgaze2.features.backbone import Backbone, StoredBackbone
from deepgaze2.features.cache import ImageFeatures, View, tap_deviations
from deepgaze2.features.engines import Engine, create_engine
from deepgaze2.features.network import Network
from deepgaze2.image.network_input import NetworkInput, network_input
from deepgaze2.image.stimulus import read_stimulus
from helpers.cached import cache_features
from helpers.small_models import (
    NARROW16,
    NARROW19,
    conv_names,
    random_backbone,
    write_features,
    write_photos,
)

BACKBONE = random_backbone()
TAPS = BACKBONE.network.taps
SMALL = View(64)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DEEPGAZE2_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def photos(tmp_path: Path) -> list[Path]:
    return write_photos(tmp_path, [(100, 75), (64, 64), (30, 90)])


class CountingEngine:
    """An engine that stops after a number of images, and what makes it."""

    name = "counting"
    device = "cpu"

    def __init__(self, images: int) -> None:
        self.left = images

    def __call__(self, backbone: Backbone) -> "CountingEngine":
        self.engine = create_engine(backbone, threads=1)
        return self

    def stored_features(self, image: NetworkInput) -> tuple[NDArray[np.float32], ...]:
        if self.left == 0:
            raise KeyboardInterrupt
        self.left -= 1
        return self.engine.stored_features(image)


def contents(cache: Path) -> dict[str, bytes]:
    """Every file below the cache folder, temporary ones too."""
    return {
        str(path.relative_to(cache)): path.read_bytes()
        for path in cache.rglob("*")
        if path.is_file()
    }


def later_blocks(vgg: Network) -> tuple[str, ...]:
    convolutions = [name for name in conv_names(vgg) if not name.startswith("conv1")]
    relus = [name.replace("conv", "relu") for name in convolutions]
    return tuple(name for pair in zip(convolutions, relus, strict=True) for name in pair)


@pytest.mark.parametrize("vgg", [NARROW16, NARROW19], ids=lambda vgg: vgg.name)
def test_every_layer_of_blocks_2_to_5_is_pytorchs(vgg: Network, photos: list[Path]) -> None:
    """PyTorch gives convolutions and ReLUs each on their own, never derived from each other."""
    taps = later_blocks(vgg)
    backbone = random_backbone(vgg)
    cached = cache_features(photos, backbone, taps, SMALL)
    assert [one.input_size for one in cached] == [(64, 48), (64, 64), (21, 64)]
    for kind in ("conv", "relu"):
        own = tuple(tap for tap in taps if tap.startswith(kind))
        engine = create_engine(backbone.with_taps(own), "torch")
        for path, one in zip(photos, cached, strict=True):
            image = network_input(read_stimulus(path).pixels, one.input_size)
            for tap, expected in zip(own, engine.stored_features(image), strict=True):
                found = one.tensor(tap)
                assert found.dtype == np.float16
                assert found.shape == expected.shape
                atol = 1e-3 * np.abs(expected).max()
                np.testing.assert_allclose(found, expected, rtol=1e-3, atol=atol)


def test_a_relu_needs_no_file_beside_its_convolution(photos: list[Path], cache: Path) -> None:
    (one, *_) = cache_features(photos, BACKBONE, ("relu5_1", "conv5_1", "relu5_2"), SMALL)
    assert sorted(one.files) == ["conv5_1", "relu5_2"]
    assert sorted(path.name for path in cache.rglob("*5_*")) == ["conv5_1", "relu5_2"]
    convolution, relu = one.tensor("conv5_1"), one.tensor("relu5_1")
    assert convolution.min() < 0
    np.testing.assert_array_equal(relu, np.where(convolution > 0, convolution, 0))
    together = one.tensors(("relu5_1", "relu5_2", "conv5_1"))
    for found, expected in zip(together, (relu, one.tensor("relu5_2"), convolution), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_sets_of_taps_share_files_and_nothing_is_computed_twice(
    photos: list[Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def refuse(*_: object) -> Engine:
        raise AssertionError("no engine is needed")

    cache_features(photos, BACKBONE, ("conv5_1", "relu3_2"), SMALL)
    with monkeypatch.context() as patch:
        patch.setattr(module, "create_engine", refuse)
        cached = cache_features(photos, BACKBONE, ("relu5_1", "relu3_2"), SMALL)
        assert cache_features([], BACKBONE, TAPS) == []
    assert sorted(cached[0].files) == ["conv5_1", "relu3_2"]
    engine = CountingEngine(3)
    cache_features(photos, BACKBONE, ("relu5_1", "relu3_2", "conv4_3"), SMALL, make_engine=engine)
    assert engine.left == 0
    in_steps = contents(tmp_path / "cache")
    monkeypatch.setenv("DEEPGAZE2_CACHE", str(tmp_path / "at once"))
    cache_features(photos, BACKBONE, ("conv5_1", "relu3_2", "conv4_3"), SMALL)
    assert contents(tmp_path / "at once") == in_steps


def test_a_layer_that_is_not_there_is_refused(photos: list[Path]) -> None:
    for tap in ("conv0_1", "conv5_4", "relu6_1", "pool5"):
        with pytest.raises(ModelError, match=rf"{tap}: narrow-vgg16 has no such layer.*2_1, "):
            cache_features(photos, BACKBONE, ("conv5_1", tap), SMALL)


class Ingredients(NamedTuple):
    """All that features depend on."""

    pixel: int
    width: int
    height: int
    longer_side_px: int
    mirrored: bool
    weights: int
    tap: str


INGREDIENTS = st.builds(
    Ingredients,
    *(st.sampled_from([90, 91]), st.sampled_from([20, 40]), st.sampled_from([20, 40])),
    *(st.sampled_from([32, 48]), st.booleans(), st.sampled_from([0, 1])),
    st.sampled_from(["conv5_1", "relu5_2", "conv3_1"]),
)
BACKBONES = [random_backbone(seed=0), random_backbone(seed=1)]


class Zeros:
    """An engine that is fast and wrong."""

    name = device = "cpu"

    def stored_features(self, _: NetworkInput) -> tuple[NDArray[np.float32], ...]:
        return (np.zeros((1, 1, 1), np.float32),)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(one=INGREDIENTS, other=INGREDIENTS, changed=st.sets(st.sampled_from(Ingredients._fields)))
def test_files_are_the_same_exactly_if_all_ingredients_are(
    tmp_path: Path, one: Ingredients, other: Ingredients, changed: set[str]
) -> None:
    """Lying and standing images have the same bytes here, and others differ in one of them."""
    other = one._replace(**{name: getattr(other, name) for name in changed})
    files = []
    for i, kind in enumerate((one, other)):
        pixels = np.full((kind.height, kind.width, 3), 90, np.uint8)
        pixels[0, 3, 1] = kind.pixel
        Image.fromarray(pixels).save(tmp_path / f"{i}.png")
        view = View(kind.longer_side_px, kind.mirrored)
        backbone = BACKBONES[kind.weights]
        (cached,) = cache_features(
            [tmp_path / f"{i}.png"], backbone, (kind.tap,), view, make_engine=lambda _: Zeros()
        )
        files.append(cached.files[kind.tap])
    assert (files[0] == files[1]) == (one == other)


def test_an_images_name_and_format_do_not_matter(photos: list[Path], tmp_path: Path) -> None:
    cache_features(photos[:1], BACKBONE, TAPS, SMALL)
    Image.open(photos[0]).save(tmp_path / "copy.bmp")
    engine = CountingEngine(0)
    cache_features([tmp_path / "copy.bmp", photos[0]], BACKBONE, TAPS, SMALL, make_engine=engine)


def test_mirrored_features_are_those_of_the_mirrored_image(
    photos: list[Path], tmp_path: Path
) -> None:
    for path in photos:
        ImageOps.mirror(Image.open(path)).save(tmp_path / f"mirrored-{path.name}")
    by_hand = [tmp_path / f"mirrored-{path.name}" for path in photos]
    expected = cache_features(by_hand, BACKBONE, TAPS, SMALL)
    found = cache_features(photos, BACKBONE, TAPS, View(64, mirrored=True))
    for one, other in zip(found, expected, strict=True):
        for tap in TAPS:
            np.testing.assert_array_equal(one.tensor(tap), other.tensor(tap))


def test_the_fastest_engine_is_pytorchs_where_it_sees_a_gpu(
    photos: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    torch = pytest.importorskip("torch")
    chosen: list[str | None] = []

    def on_the_cpu(backbone: StoredBackbone, *, device: str | None = None) -> Engine:
        chosen.append(device)
        return create_engine(backbone)

    monkeypatch.setattr(module, "create_engine", on_the_cpu)
    for path, has_gpu in zip(photos, (False, True), strict=False):
        monkeypatch.setattr(torch.cuda, "is_available", lambda has_gpu=has_gpu: has_gpu)
        cache_features([path], BACKBONE, TAPS, SMALL)
    assert chosen == [None, "cuda"]


def test_it_goes_on_where_it_stopped(photos: list[Path]) -> None:
    with pytest.raises(KeyboardInterrupt):
        cache_features(photos, BACKBONE, TAPS, SMALL, make_engine=CountingEngine(2))
    cache_features(photos, BACKBONE, TAPS, SMALL, make_engine=CountingEngine(1))
    cache_features(photos, BACKBONE, TAPS, SMALL, make_engine=CountingEngine(0))


def test_damaged_files_are_reported_and_computed_anew(
    photos: list[Path], cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cached = cache_features(photos, BACKBONE, TAPS, SMALL)
    whole = contents(cache)
    altered, cut_off = cached[0].files["conv5_3"], cached[2].files["conv5_1"]
    altered.write_bytes(b"?" + altered.read_bytes()[1:])
    cut_off.write_bytes(cut_off.read_bytes()[:100])
    with pytest.raises(DataError, match="damaged"):
        cached[2].tensor("relu5_1")
    assert "damaged" not in capsys.readouterr().err
    cache_features(photos, BACKBONE, TAPS, SMALL, make_engine=CountingEngine(2))
    written = capsys.readouterr().err.splitlines()
    assert [line for line in written if line.startswith("note: ")] == [
        f"note: {path}: is damaged; it is computed anew" for path in (altered, cut_off)
    ]
    assert contents(cache) == whole


def test_an_image_that_cannot_be_read_takes_nothing_with_it(
    photos: list[Path], tmp_path: Path
) -> None:
    with pytest.raises(StimulusError, match="nowhere"):
        cache_features([*photos, tmp_path / "nowhere.png"], BACKBONE, TAPS, SMALL)
    cache_features(photos, BACKBONE, TAPS, SMALL, make_engine=CountingEngine(0))


def test_what_half_precision_cannot_hold_is_refused(photos: list[Path], cache: Path) -> None:
    bias = np.array([-7e4] + [0] * 7, np.float32)
    loud = replace(BACKBONE, biases=BACKBONE.biases | {"conv5_1": bias})
    with pytest.raises(ModelError, match=r"conv5_1: reaches 7\d{4}.*half precision \(65504\)"):
        cache_features(photos, loud, ("conv5_1",), SMALL)
    assert contents(cache) == {}


def test_a_folder_that_cannot_be_written_is_one_line(
    photos: list[Path], cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cache_features(photos[:1], BACKBONE, ("conv5_1",), SMALL)
    (folder,) = cache.rglob("64px")
    (folder / "conv5_3").write_text("a file where a folder should be")
    with pytest.raises(OutputError, match=r"conv5_3.*cannot be written") as caught:
        cache_features(photos, BACKBONE, ("conv5_3",), SMALL)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("vgg", [NARROW16, NARROW19], ids=lambda vgg: vgg.name)
def test_deviations_are_numpys_over_all_positions(tmp_path: Path, vgg: Network) -> None:
    rng = np.random.default_rng(0)
    images = []
    for i, n in enumerate((4, 2, 7)):
        array = rng.normal(300, 20, (vgg.tap(vgg.taps[0]).channels * len(vgg.stored_taps()), 3, n))
        array[1] = 1000  # a channel that never changes
        array[3] -= 400  # and one that a ReLU mostly closes
        images.append(write_features(tmp_path, str(i), vgg, array, (64, 48)))
    found = tap_deviations(images, vgg.taps)
    assert found.dtype == np.float32
    expected = np.concatenate([direct_deviation(images, tap) for tap in vgg.taps])
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert expected[1] == 1


def test_deviations_of_layers_on_several_grids(photos: list[Path]) -> None:
    taps = ("relu3_1", "conv5_2", "relu5_2")
    images = cache_features(photos, BACKBONE, taps, SMALL)
    expected = np.concatenate([direct_deviation(images, tap) for tap in taps])
    np.testing.assert_allclose(tap_deviations(images, taps), expected, rtol=1e-6)


def direct_deviation(images: list[ImageFeatures], tap: str) -> NDArray[np.float64]:
    values = [np.array(image.tensor(tap), np.float64) for image in images]
    deviation = np.concatenate([one.reshape(len(one), -1) for one in values], axis=1).std(axis=1)
    return np.where(deviation < 1e-6, 1, deviation)
