"""ResNets as data, against plain PyTorch with batch normalizations, and where their cells look."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from deepgaze2.features.backbone import StoredBackbone, find_stored_backbone
from deepgaze2.features.engines import create_engine
from deepgaze2.features.networks import NETWORKS
from deepgaze2.features.python_backbone import PythonBackbone
from deepgaze2.features.weights.importers import import_weights
from deepgaze2.image.examples import example_paths
from deepgaze2.image.network_input import network_input
from deepgaze2.image.stimulus import read_stimulus
from deepgaze2.readout.architecture import tap_groups
from deepgaze2.readout.grid import cell_centers_px, interpolation_matrix
from helpers.engines import EXACT_ENGINES
from helpers.resnet_files import (
    CHANNELS,
    SIDE_1X1,
    SIDE_3X3,
    Tensors,
    load,
    module_of,
    outputs,
    random_state,
    resnet_module,
    write_safetensors,
)
from helpers.small_models import narrowed, random_backbone, random_image

FORMS = {"resnet50": SIDE_1X1, "resnet50-v1.5": SIDE_3X3}
LAYERS = ("block2_3", *NETWORKS["resnet50"].taps, "block4_6", "block5_3")
BGR_MEAN = np.array([103.939, 116.779, 123.68])[:, None, None]
RGB_MEAN = np.array([0.485, 0.456, 0.406])[:, None, None]
RGB_SCALE = np.array([0.229, 0.224, 0.225])[:, None, None]


def as_input(image: NDArray[np.float32], name: str) -> NDArray[np.float64]:
    """What Caffe's and torchvision's weights want of an RGB image."""
    if FORMS[name] == SIDE_1X1:
        return np.ascontiguousarray(image[::-1] - BGR_MEAN)
    return np.asarray((image / np.float64(255) - RGB_MEAN) / RGB_SCALE)


@pytest.fixture(scope="module")
def state() -> Tensors:
    return random_state(resnet_module(SIDE_1X1, CHANNELS))


@pytest.fixture(scope="module")
def file(state: Tensors, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_safetensors(tmp_path_factory.mktemp("resnet") / "r50.safetensors", state)


@pytest.mark.parametrize("engine", EXACT_ENGINES)
@pytest.mark.parametrize("name", FORMS)
def test_features_are_those_of_plain_pytorch(
    name: str, engine: str, file: Path, state: Tensors
) -> None:
    image = random_image(131, 97)
    module = load(resnet_module(FORMS[name], CHANNELS), state)
    expected = outputs(module, as_input(image, name), LAYERS)
    backbone = import_weights(file, [NETWORKS[name]]).with_taps(LAYERS)
    found = create_engine(backbone, engine).stored_features(image)
    for layer, ours, theirs in zip(LAYERS, found, expected, strict=True):
        assert ours.shape == theirs.shape, layer
        assert np.abs(ours - theirs).max() < 1e-4 * theirs.std(), layer


@pytest.mark.parametrize("size", [(64, 45), (33, 70)])
def test_the_two_forms_differ(size: tuple[int, int]) -> None:
    first = random_backbone(narrowed(NETWORKS["resnet50"], 16))
    other = replace(first, network=narrowed(NETWORKS["resnet50-v1.5"], 16))
    one, two = (
        create_engine(backbone.with_taps(LAYERS)).stored_features(random_image(*size))
        for backbone in (first, other)
    )
    np.testing.assert_array_equal(one[0], two[0])  # no stride yet
    for ours, theirs in zip(one[1:], two[1:], strict=True):
        assert ours.shape == theirs.shape
        assert np.abs(ours - theirs).mean() > 0.1 * theirs.std()


@pytest.mark.parametrize(
    ("layer", "stride_px"),
    [("block4_6", 16), ("block5_3", 32)],
)
@pytest.mark.parametrize("name", FORMS)
def test_where_cells_look_is_what_is_measured(name: str, layer: str, stride_px: float) -> None:
    module = load(resnet_module(FORMS[name]), random_state(resnet_module(FORMS[name]))).float()
    backbone = PythonBackbone("python:a.resnet", module, (module_of(layer),))
    measured = backbone.tap(module_of(layer))
    centered = replace(NETWORKS[name], past_center_px=()).tap(layer)
    assert (measured.stride_px, measured.offset_px) == (stride_px, 0)
    assert (centered.stride_px, centered.offset_px) == (stride_px, 0)


# The layers that share a readout, whose cells are as far apart but look at other places.
OFFSETS_PX = {("vgg16", "conv5_3"): 7.5, ("resnet50", "conv4_6_2"): 0}
SIDE_PX, SPREAD_PX = 256, 8


def blob(y: float, x: float) -> NDArray[np.float32]:
    rows, columns = np.mgrid[:SIDE_PX, :SIDE_PX]
    peak = np.exp(-((rows - y) ** 2 + (columns - x) ** 2) / (2 * SPREAD_PX**2))
    return np.repeat((110 + 130 * peak)[None], 3, axis=0).astype(np.float32)


def misplaced_px(backbone: StoredBackbone, offset_px: float, steps_px: range) -> Any:
    """How far, down and across, the response to a blob lies from it on the readout's grid.

    On average over blobs at different places relative to the cells.
    """
    (group,) = tap_groups(backbone, backbone.taps)
    group = replace(group, taps=tuple(replace(tap, offset_px=offset_px) for tap in group.taps))
    engine = create_engine(backbone)
    (blank,) = engine.stored_features(np.full((3, SIDE_PX, SIDE_PX), 110, np.float32))
    positions = group.positions(SIDE_PX, SIDE_PX, grid_block=2)
    matrix = interpolation_matrix(positions, blank.shape[1])
    centers = cell_centers_px(SIDE_PX, 2)
    errors = []
    for step in steps_px:
        y, x = SIDE_PX / 2 + step, SIDE_PX / 2 + 5 * step % 16
        (seen,) = engine.stored_features(blob(y, x))
        energy = matrix @ ((seen - blank).astype(float) ** 2).mean(axis=0) @ matrix.T
        energy /= energy.sum()
        errors.append((energy.sum(axis=1) @ centers - y, energy.sum(axis=0) @ centers - x))
    return np.mean(errors, axis=0)


@pytest.mark.parametrize(("name", "layer"), OFFSETS_PX)
def test_responses_of_both_networks_lie_where_the_image_has_something(
    name: str, layer: str
) -> None:
    """Kernels that are their own mirror images: a network that prefers no side."""
    random = random_backbone(narrowed(NETWORKS[name], 8))
    kernels = {
        node: np.sum([np.flip(kernel, axes) for axes in ((), 2, 3, (2, 3))], axis=0) / 2
        for node, kernel in random.kernels.items()
    }
    backbone = replace(random, kernels=kernels).with_taps((layer,))
    offset_px = replace(NETWORKS[name], past_center_px=()).tap(layer).offset_px
    assert offset_px == OFFSETS_PX[name, layer]
    assert np.abs(misplaced_px(backbone, offset_px, range(0, 16, 2))).max() < 1
    other_px = 7.5 - offset_px  # as if it were the other network's
    wrong = misplaced_px(backbone, other_px, range(0, 16, 8))
    assert np.abs(wrong).min() > 6


@pytest.mark.parametrize(("name", "layer"), [("vgg16", "conv5_3"), ("resnet50", "conv4_6_2")])
def test_trained_cells_respond_where_the_image_has_something(name: str, layer: str) -> None:
    backbone = find_stored_backbone(name).with_taps((layer,))
    found = misplaced_px(backbone, backbone.tap(layer).offset_px, range(0, 16, 8))
    assert np.abs(found).max() < 4, found


@pytest.mark.parametrize(
    ("name", "layer"),
    [("vgg16", "conv5_3"), ("resnet50", "conv4_1_2"), ("resnet50", "conv4_6_2")],
)
def test_of_mirrored_photos_cells_look_at_the_mirrored_places(name: str, layer: str) -> None:
    """Where cells look at o + 16·i, those of a photo of 16·n + 1 + 2·o pixels mirror one another.

    Features agree best for an o near the described one; see docs/decisions.md.
    """
    backbone = find_stored_backbone(name).with_taps((layer,))
    tap, engine, n = backbone.tap(layer), create_engine(backbone), 18
    offsets_px = np.arange(0.0, 12, 1.5)
    agreement = np.zeros(len(offsets_px))
    for path in example_paths()[:3]:
        pixels = read_stimulus(path).pixels
        for number, offset_px in enumerate(offsets_px):
            image = network_input(pixels, (int(16 * n + 1 + 2 * offset_px), 240))
            (seen,) = engine.stored_features(image)
            (mirrored,) = engine.stored_features(np.ascontiguousarray(image[:, :, ::-1]))
            one, other = seen[:, :, 2 : n - 1], mirrored[:, :, n - 2 : 1 : -1]
            agreement[number] += np.corrcoef(one.ravel(), other.ravel())[0, 1]
    assert abs(offsets_px[agreement.argmax()] - tap.offset_px) < 3, agreement


def test_the_packaged_weights_give_finite_features_that_vary() -> None:
    backbone = find_stored_backbone("resnet50")
    assert backbone.checksum == "217b2e231b32a3f32517ea9d290f5dba120b9587c2400d031d2eb03e51c07beb"
    found = create_engine(backbone).stored_features(random_image(131, 97))
    for features in found:
        assert np.isfinite(features).all()
        assert features.std() > 0.1
