"""The cache of features: computed once, kept in half precision, taken up after a stop."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from deepgaze2.engines import Engine, create_engine
from deepgaze2.features import CachedFeatures, cache_features, tap_deviations
from deepgaze2.network_input import network_input
from deepgaze2.stimulus import read_stimulus
from deepgaze2.vgg import Vgg
from tiny import NARROW16, NARROW19, random_backbone, write_photos

BACKBONE = random_backbone()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DEEPGAZE2_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def photos(tmp_path: Path) -> list[Path]:
    return write_photos(tmp_path, [(100, 75), (64, 64), (30, 90)])


class CountingEngine:
    """An engine that stops after a number of images."""

    name = "counting"
    device = "cpu"

    def __init__(self, images: int) -> None:
        self.left = images
        self.engine: Engine = create_engine(BACKBONE, threads=1)

    def stored_features(self, image: NDArray[np.float32]) -> tuple[NDArray[np.float32], ...]:
        if self.left == 0:
            raise KeyboardInterrupt
        self.left -= 1
        return self.engine.stored_features(image)


def test_the_cache_holds_what_the_engine_gives(photos: list[Path]) -> None:
    engine = create_engine(BACKBONE, threads=1)
    cached = cache_features(photos, BACKBONE, engine, longer_side_px=64)
    assert [one.input_size for one in cached] == [(64, 48), (64, 64), (21, 64)]
    for path, one in zip(photos, cached, strict=True):
        stored = engine.stored_features(network_input(read_stimulus(path).pixels, one.input_size))
        assert one.load().dtype == np.float16
        np.testing.assert_allclose(one.load(), np.concatenate(stored), rtol=1e-3, atol=1e-3)


def test_it_goes_on_where_it_stopped(photos: list[Path]) -> None:
    with pytest.raises(KeyboardInterrupt):
        cache_features(photos, BACKBONE, CountingEngine(2), longer_side_px=64)
    cache_features(photos, BACKBONE, CountingEngine(1), longer_side_px=64)
    cache_features(photos, BACKBONE, CountingEngine(0), longer_side_px=64)


def test_features_belong_to_pixels_size_and_weights(photos: list[Path], tmp_path: Path) -> None:
    def new(paths: list[Path], longer_side_px: int = 64, seed: int = 0) -> int:
        engine = CountingEngine(5)
        backbone = random_backbone(seed=seed)
        cache_features(paths, backbone, engine, longer_side_px=longer_side_px)
        return 5 - engine.left

    assert new(photos[:1]) == 1
    Image.open(photos[0]).save(tmp_path / "copy.bmp")
    assert new([tmp_path / "copy.bmp"]) == 0
    assert new(photos[:1], longer_side_px=80) == 1
    assert new(photos[:1], seed=1) == 1
    Image.open(photos[0]).transpose(Image.Transpose.ROTATE_180).save(photos[0])
    assert new(photos[:1]) == 1


def test_plain_images_of_other_shapes_are_other_images(tmp_path: Path) -> None:
    """Lying and standing, their bytes are the same."""
    for name, size in (("lying", (80, 40)), ("standing", (40, 80))):
        Image.new("RGB", size, "gray").save(tmp_path / f"{name}.png")
    engine = create_engine(BACKBONE, threads=1)
    paths = [tmp_path / "lying.png", tmp_path / "standing.png"]
    cached = cache_features(paths, BACKBONE, engine, longer_side_px=64)
    for one in cached:
        width, height = one.input_size
        assert one.load().shape[1:] == (-(-height // 16), -(-width // 16))


def write_features(folder: Path, arrays: list[NDArray[np.float16]]) -> list[CachedFeatures]:
    cached = []
    for i, array in enumerate(arrays):
        np.save(folder / f"{i}.npy", array)
        cached.append(CachedFeatures(folder / f"{i}.npy", (64, 48)))
    return cached


@pytest.mark.parametrize("vgg", [NARROW16, NARROW19])
def test_deviations_are_numpys_over_all_positions(tmp_path: Path, vgg: Vgg) -> None:
    width = vgg.tap_widths()[0]
    rng = np.random.default_rng(0)
    arrays = [
        rng.normal(300, 20, (width * len(vgg.stored_taps()), 3, n)).astype(np.float16)
        for n in (4, 2, 7)
    ]
    for array in arrays:
        array[1] = 1000  # a channel that never changes
        array[3] -= 400  # and one that a ReLU mostly closes
    cached = write_features(tmp_path, arrays)
    taps = [one.load_taps(vgg).numpy().astype(np.float64) for one in cached]
    every = np.concatenate([one.reshape(len(one), -1) for one in taps], axis=1)
    expected = every.std(axis=1)
    expected[expected < 1e-6] = 1
    np.testing.assert_allclose(tap_deviations(vgg, cached), expected, rtol=1e-5)
    assert tap_deviations(vgg, cached)[1] == 1


def test_taps_are_in_the_networks_order(tmp_path: Path) -> None:
    """VGG-16 stores conv5_1, relu5_2, conv5_3 and taps each convolution's ReLU behind it."""
    array = np.random.default_rng(0).normal(0, 50, (24, 3, 4)).astype(np.float16)
    (cached,) = write_features(tmp_path, [array])
    conv5_1, relu5_2, conv5_3 = np.split(array.astype(np.float32), 3)
    expected = [conv5_1, np.maximum(conv5_1, 0), relu5_2, conv5_3, np.maximum(conv5_3, 0)]
    np.testing.assert_array_equal(cached.load_taps(NARROW16).numpy(), np.concatenate(expected))
