"""Filling the cache for several readings: how often networks run, and what they leave there."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from numpy.typing import NDArray

from deepgaze2.density.center_bias import load_center_bias
from deepgaze2.features import cache_filling as module
from deepgaze2.features.backbone import Backbone, StoredBackbone, stored_taps
from deepgaze2.features.cache import View
from deepgaze2.features.cache_filling import cache_features
from deepgaze2.features.cache_stores import Reading
from deepgaze2.features.engines import create_engine
from deepgaze2.features.engines.torch_engine import TorchEngine
from deepgaze2.features.networks.alexnet import ALEXNET
from deepgaze2.image.network_input import NetworkInput, network_input
from deepgaze2.image.stimulus import Stimulus, read_stimulus
from deepgaze2.training.preparation import prepare_images
from deepgaze2.training.recipes import plus_recipe
from deepgaze2.training.sets import data_sets
from helpers.small_datasets import patches
from helpers.small_models import narrowed, random_backbone, write_photos

BACKBONE = random_backbone()
THREE_SCALES = plus_recipe(BACKBONE)
GROUPS = tuple(group for group in THREE_SCALES.architecture.groups if group.scale >= 0.5)
RECIPE = replace(
    THREE_SCALES,
    architecture=replace(THREE_SCALES.architecture, groups=GROUPS),
    longer_side_px=64,
)
PLUS = [
    Reading(BACKBONE, group.names, View(round(64 * group.scale)))
    for group in RECIPE.architecture.groups
]
SIZES = [(100, 75), (64, 64), (30, 90)]


class Counts:
    """What was decoded, which engines were made, and what they ran on.

    Attributes
    ----------
    runs
        Rows and columns of each network input.
    most_runs
        After which a user interrupts.
    """

    def __init__(self) -> None:
        self.decoded = Counter[str]()
        self.made: list[tuple[str, tuple[str, ...]]] = []
        self.runs: list[tuple[int, ...]] = []
        self.most_runs = 1000

    def read(self, path: Path) -> Stimulus:
        self.decoded[path.name] += 1
        return read_stimulus(path)

    def make(self, backbone: Backbone) -> "CountedEngine":
        self.made.append((backbone.name, backbone.taps))
        return CountedEngine(self, backbone)


class CountedEngine:
    name = device = "cpu"

    def __init__(self, counts: Counts, backbone: Backbone) -> None:
        self.counts, self.engine = counts, create_engine(backbone, threads=1)

    def stored_features(self, image: NetworkInput) -> tuple[NDArray[np.float32], ...]:
        if len(self.counts.runs) == self.counts.most_runs:
            raise KeyboardInterrupt
        self.counts.runs.append(image.shape[1:])
        return self.engine.stored_features(image)


@pytest.fixture
def photos(tmp_path: Path) -> list[Path]:
    return write_photos(tmp_path, SIZES)


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Callable[[], Counts]:
    """Begin to count anew."""

    def begin() -> Counts:
        counts = Counts()
        monkeypatch.setattr(module, "read_stimulus", counts.read)
        monkeypatch.setattr(module, "create_engine", counts.make)
        return counts

    return begin


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DEEPGAZE2_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


class BatchEngine(TorchEngine):
    """As if on a GPU; it takes note of how many images it gets at once."""

    batches: ClassVar[list[tuple[int, ...]]] = []

    def __init__(self, backbone: Backbone) -> None:
        assert isinstance(backbone, StoredBackbone)
        super().__init__(backbone)
        self.device = "cuda"

    def features_of_several(
        self, images: Sequence[NetworkInput]
    ) -> list[tuple[NDArray[np.float32], ...]]:
        self.batches.append((len(images), *images[0].shape[1:]))
        self.device = "cpu"  # where it really computes
        found = super().features_of_several(images)
        self.device = "cuda"
        return found


def contents(cache: Path) -> dict[str, bytes]:
    return {str(p.relative_to(cache)): p.read_bytes() for p in cache.rglob("*") if p.is_file()}


def test_a_training_decodes_each_image_once_and_runs_once_for_each_view(
    tmp_path: Path, counted: Callable[[], Counts]
) -> None:
    sets, priors = data_sets([patches(tmp_path, 4)]), [[load_center_bias("gaussian")]]
    assert {group.scale for group in RECIPE.architecture.groups} == {1.0, 0.5}
    assert len({group.stride_px for group in RECIPE.architecture.groups}) == 2
    counts = counted()
    first = prepare_images(sets, priors, np.zeros(4, int), BACKBONE, RECIPE).images
    assert counts.decoded == {f"{i}.png": 1 for i in range(4)}
    assert counts.runs == [(43, 64), (21, 32)] * 4
    assert len(counts.made) == 1
    counts = counted()
    again = prepare_images(sets, priors, np.zeros(4, int), BACKBONE, RECIPE).images
    assert counts.decoded == {f"{i}.png": 1 for i in range(4)}
    assert (counts.runs, counts.made) == ([], [])
    assert [image.names for image in again] == [image.names for image in first]


def test_what_is_cached_does_not_depend_on_what_is_read_with_it(
    photos: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    together = cache_features(photos, PLUS)
    whole = contents(tmp_path / "cache")
    monkeypatch.setenv("DEEPGAZE2_CACHE", str(tmp_path / "apart"))
    apart = [cache_features(photos, [reading])[0] for reading in PLUS]
    assert contents(tmp_path / "apart") == whole
    for reading, ones, others in zip(PLUS, together, apart, strict=True):
        for one, other in zip(ones, others, strict=True):
            assert [*one.files] == [*other.files]
            assert one.input_size == other.input_size
            for tap in reading.taps:
                np.testing.assert_array_equal(one.tensor(tap), other.tensor(tap))


def test_one_more_layer_is_one_more_run_up_to_it(
    photos: list[Path], cache: Path, counted: Callable[[], Counts]
) -> None:
    cache_features(photos, PLUS)
    before, counts = contents(cache), counted()
    more = [*PLUS, Reading(BACKBONE, ("relu3_2",), View(64))]
    found = cache_features(photos, more)
    assert counts.made == [("narrow-vgg16", ("relu3_2",))]
    assert counts.runs == [(48, 64), (64, 64), (64, 21)]
    assert sum(counts.decoded.values()) == len(photos)
    added = contents(cache).keys() - before.keys()
    assert added == {str(one.files["relu3_2"].relative_to(cache)) for one in found[-1]}
    assert contents(cache).items() >= before.items()


def test_a_relu_in_one_view_and_its_convolution_in_another(
    photos: list[Path], counted: Callable[[], Counts]
) -> None:
    (expected,) = cache_features(photos, [Reading(BACKBONE, ("relu4_3",), View(32))])
    for path in {one.files["relu4_3"] for one in expected}:
        path.rename(path.with_suffix(".kept"))
    counts = counted()
    kinds = (("conv4_3", 64), ("relu4_3", 32))
    readings = [Reading(BACKBONE, (tap,), View(side_px)) for tap, side_px in kinds]
    _, found = cache_features(photos, readings)
    assert len(counts.made) == 1
    for one in found:
        (path,) = one.files.values()
        assert path.read_bytes() == path.with_suffix(".kept").read_bytes()


def test_several_networks_share_the_decoding(
    photos: list[Path], counted: Callable[[], Counts]
) -> None:
    other = random_backbone(narrowed(ALEXNET))
    alone = cache_features(photos, [Reading(other, ("conv5",), View(64))])[0]
    for one in alone:
        one.files["conv5"].unlink()
    counts = counted()
    views = [View(64), View(64, mirrored=True)]
    readings = [Reading(one, one.taps, view) for one in (BACKBONE, other) for view in views]
    found = cache_features(photos, readings)
    assert counts.decoded == {path.name: 1 for path in photos}
    assert len(counts.runs) == len(readings) * len(photos)
    assert [name for name, _ in counts.made] == ["narrow-vgg16", "narrow-alexnet"]
    assert [one.files for one in found[2]] == [one.files for one in alone]
    assert found[0][0].files["conv5_1"] != found[1][0].files["conv5_1"]


@pytest.mark.parametrize("runs", range(6))
def test_interrupted_at_any_run_it_computes_the_others(
    photos: list[Path], counted: Callable[[], Counts], runs: int
) -> None:
    counts = counted()
    counts.most_runs = runs
    with pytest.raises(KeyboardInterrupt):
        cache_features(photos, PLUS)
    counts = counted()
    cache_features(photos, PLUS)
    assert len(counts.runs) == 2 * len(photos) - runs


def test_the_same_picture_twice_is_computed_once(
    photos: list[Path], tmp_path: Path, counted: Callable[[], Counts]
) -> None:
    copy = tmp_path / "copy.png"
    copy.write_bytes(photos[0].read_bytes())
    counts = counted()
    found = cache_features([photos[0], copy, *photos[1:]], PLUS)
    assert len(counts.runs) == 2 * len(photos)
    assert [ones[0].files for ones in found] == [ones[1].files for ones in found]


def test_on_a_gpu_images_of_one_size_that_follow_each_other_are_computed_at_once(
    tmp_path: Path,
) -> None:
    sizes = [(100, 75)] * 5 + [(64, 64)] * 2 + [(100, 75)]
    paths = [*write_photos(tmp_path / "photos", sizes)]
    BatchEngine.batches.clear()
    found = cache_features([*paths, paths[0]], PLUS, make_engine=BatchEngine)
    whole, half = [(48, 64), (64, 64), (48, 64)], [(24, 32), (32, 32), (24, 32)]
    # The first is alone: only then it is known what computes.
    expected = [(1, *whole[0]), (1, *half[0])]
    for n, one, other in zip((4, 2, 1), whole, half, strict=True):
        expected += [(n, *one), (n, *other)]
    assert BatchEngine.batches == expected
    alone = [create_engine(BACKBONE.with_taps(reading.taps), "torch") for reading in PLUS]
    for path, image in zip([*paths, paths[0]], zip(*found, strict=True), strict=True):
        pixels = read_stimulus(path).pixels
        for features, reading, engine in zip(image, PLUS, alone, strict=True):
            computed = engine.stored_features(network_input(pixels, features.input_size))
            names = stored_taps(engine_backbone(reading))
            for tap, exact in zip(names, computed, strict=True):
                kept = np.load(features.files[tap]).astype(np.float32)
                np.testing.assert_allclose(kept, exact, rtol=2e-3, atol=1e-3 * np.abs(exact).max())


def engine_backbone(reading: Reading) -> Backbone:
    return reading.backbone.with_taps(reading.taps)
