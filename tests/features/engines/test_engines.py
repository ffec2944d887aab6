"""All engines against direct convolution in float64, alone and up to the log density."""

import gc
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from deepgaze2.density.mixture import mixture_log_density
from deepgaze2.errors import ModelError
from deepgaze2.features.backbone import StoredBackbone
from deepgaze2.features.engines import ENGINES, create_engine
from deepgaze2.features.engines.ncnn_engine import NcnnEngine
from deepgaze2.features.network import Network
from deepgaze2.features.networks.vgg import vgg as vgg_network
from deepgaze2.readout.numpy_readout import saliency
from helpers import float64_model
from helpers.engines import EXACT_ENGINES
from helpers.small_models import (
    ARCHITECTURES,
    NARROW16,
    NARROW19,
    group,
    random_backbone,
    random_image,
    random_readout,
)

ALL = pytest.mark.parametrize("engine", EXACT_ENGINES)
SIZES = [(50, 75), (33, 17), (16, 16), (17, 49), (95, 16)]  # width, height
ONE_AND_FIVE = vgg_network(  # other depths of the first block, which ncnn computes in strips
    "odd", ((4,), (4, 4, 4, 4, 4)), ("conv2_1", "relu2_1", "relu2_5")
)
THREE = vgg_network("three", ((4, 4, 4), (4,)), ("conv2_1", "relu2_1"))


def expected_features(
    backbone: StoredBackbone, image: NDArray[np.float32]
) -> list[NDArray[np.float64]]:
    maps = float64_model.feature_maps(backbone, image)
    return [maps[name] for name in backbone.network.stored_taps()]


def assert_same_features(
    found: tuple[NDArray[np.float32], ...], expected: list[NDArray[np.float64]]
) -> None:
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert one.dtype == np.float32
        assert one.shape == other.shape
        np.testing.assert_allclose(one, other, atol=2e-5 * np.abs(other).max())


@ALL
@pytest.mark.parametrize("vgg", [NARROW16, NARROW19], ids=lambda vgg: vgg.name)
@pytest.mark.parametrize("size", SIZES)
def test_features_are_direct_convolutions(engine: str, vgg: Network, size: tuple[int, int]) -> None:
    backbone, image = random_backbone(vgg), random_image(*size)
    found = create_engine(backbone, engine, threads=1).stored_features(image)
    assert found[0].shape[1:] == (-(-size[1] // 16), -(-size[0] // 16))
    assert_same_features(found, expected_features(backbone, image))


@ALL
@pytest.mark.parametrize("layer_norm", [False, True])
@pytest.mark.parametrize("kind", ["paper", "final relu", "blocks 4 and 5"])
@pytest.mark.parametrize(
    ("vgg", "n_models", "size", "image"),
    [
        (NARROW16, 3, (50, 75), (150, 100)),  # larger than the grid
        (NARROW16, 3, (33, 17), (9, 17)),  # equal
        (NARROW16, 1, (50, 75), (20, 11)),  # smaller
        (NARROW19, 1, (16, 16), (1, 1)),
        (NARROW19, 3, (130, 16), (3, 200)),
    ],
)
def test_log_density_is_the_references(
    engine: str,
    kind: str,
    layer_norm: bool,
    vgg: Network,
    n_models: int,
    size: tuple[int, int],
    image: tuple[int, int],
) -> None:
    architecture = replace(ARCHITECTURES[kind], layer_norm=layer_norm)
    if vgg is NARROW19:  # whose last layer has another name
        groups = (*architecture.groups[:-1], group(vgg.taps, network=vgg))
        architecture = replace(architecture, groups=groups)
    sizes = [size] * len(architecture.groups)
    backbone = random_backbone(vgg, half=True).with_taps(architecture.taps)
    pixels = random_image(*size)
    readout = random_readout(n_models, architecture, vgg)
    rng = np.random.default_rng(0)
    log_prior = rng.normal(-9, 1, image).astype(np.float32)

    tensors = create_engine(backbone, engine, threads=1).stored_features(pixels)
    stored = dict(zip(backbone.network.stored_taps(), tensors, strict=True))
    found = mixture_log_density(saliency(readout, [stored] * len(sizes), sizes), log_prior, size)

    maps = float64_model.feature_maps(backbone, pixels)
    expected = float64_model.saliency(readout, [maps] * len(sizes), sizes)
    np.testing.assert_allclose(
        found, float64_model.log_density(expected, log_prior, size), atol=1e-4
    )


@ALL
@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_layers_of_any_block_are_direct_convolutions(engine: str, kind: str) -> None:
    backbone = random_backbone(half=True).with_taps(ARCHITECTURES[kind].taps)
    image = random_image(50, 75)
    found = create_engine(backbone, engine, threads=1).stored_features(image)
    assert_same_features(found, expected_features(backbone, image))


@pytest.mark.parametrize("vgg", [NARROW16, ONE_AND_FIVE, THREE], ids=lambda vgg: vgg.name)
@pytest.mark.parametrize("size", [(301, 435), (2048, 33)])
def test_strips_leave_no_seams(vgg: Network, size: tuple[int, int]) -> None:
    """Inputs too large for one strip; PyTorch computes them whole."""
    backbone, image = random_backbone(vgg), random_image(*size)
    whole = create_engine(backbone, "torch").stored_features(image)
    found = create_engine(backbone, "ncnn", threads=1).stored_features(image)
    assert_same_features(found, [one.astype(np.float64) for one in whole])


@ALL
def test_zero_padding_stands_for_the_mean_color(engine: str) -> None:
    """So a mean-colored image gives what the biases alone give: the same as no image."""
    backbone = random_backbone()
    gray = np.broadcast_to(backbone.input_mean[:, None, None], (3, 40, 40)).astype(np.float32)
    unbiased = StoredBackbone(
        network=backbone.network,
        kernels=backbone.kernels,
        biases={name: np.zeros_like(bias) for name, bias in backbone.biases.items()},
        input_mean=backbone.input_mean,
        checksum="",
    )
    for features in create_engine(unbiased, engine).stored_features(gray):
        np.testing.assert_allclose(features, 0, atol=1e-4)


@ALL
def test_half_precision_kernels_are_used_as_they_are(engine: str) -> None:
    half, image = random_backbone(half=True), random_image(50, 75)
    found = create_engine(half, engine).stored_features(image)
    assert_same_features(found, expected_features(half, image))


@ALL
def test_one_engine_serves_several_threads(engine: str) -> None:
    served = create_engine(random_backbone(), engine)
    images = [random_image(64, 40 + 8 * i) for i in range(6)]
    alone = [served.stored_features(image) for image in images]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(served.stored_features, images * 5))
    for i, features in enumerate(together):
        for one, other in zip(features, alone[i % 6], strict=True):
            np.testing.assert_array_equal(one, other)


def test_ncnn_keeps_weights_and_results_of_its_own() -> None:
    """Neither the weights' buffer nor an earlier result may be reused for something else."""
    backbone, image = random_backbone(), random_image(50, 75)
    engine = NcnnEngine(backbone, threads=1)
    del backbone
    first = engine.stored_features(image)
    kept = [one.copy() for one in first]
    gc.collect()
    rubbish = [np.full(n, 1e9, np.float32) for n in range(1, 2000, 3)]
    engine.stored_features(random_image(64, 64, seed=1))
    again = engine.stored_features(image)
    assert len(rubbish) > 0
    for one, other, copy in zip(first, again, kept, strict=True):
        np.testing.assert_array_equal(one, copy)
        np.testing.assert_array_equal(other, copy)


def test_the_image_is_not_changed_and_need_not_be_writable() -> None:
    backbone, image = random_backbone(), random_image(33, 17)
    image.flags.writeable = False
    before = image.copy()
    create_engine(backbone, "ncnn").stored_features(image)
    np.testing.assert_array_equal(image, before)


def test_auto_is_ncnn_on_the_cpu_and_torch_elsewhere() -> None:
    backbone = random_backbone()
    assert create_engine(backbone).name == "ncnn"
    assert create_engine(backbone, device="cpu").name == "ncnn"
    assert create_engine(backbone, "torch").device == "cpu"
    elsewhere = create_engine(backbone, device="meta")  # PyTorch's device without memory
    assert (elsewhere.name, elsewhere.device) == ("torch", "meta")


@pytest.mark.parametrize(
    ("engine", "device", "reason"),
    [
        ("onnx", None, "onnx.*" + ".*".join(ENGINES)),
        ("ncnn", "cuda", "ncnn.*cuda.*torch"),
        ("torch", "abacus", "abacus"),
        ("openvino", "cuda", "openvino.*cuda.*torch"),
        ("auto", "cuda:99", "cuda:99"),
        ("fast", "cuda:99", "cuda:99"),
    ],
)
def test_what_cannot_run_is_said_in_one_line(engine: str, device: str | None, reason: str) -> None:
    with pytest.raises(ModelError, match=reason) as caught:
        create_engine(random_backbone(), engine, device=device)
    assert "\n" not in str(caught.value)


def test_without_torch_its_engine_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "torch", None)
    with pytest.raises(ModelError, match=r"deepgaze2\[train\]"):
        create_engine(random_backbone(), "torch")
