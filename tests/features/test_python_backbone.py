"""Networks of the user's own: what is measured of their layers, and what is refused."""

import numpy as np
import pytest
import torch
from torch import nn

from deepgaze2.errors import ModelError
from deepgaze2.features.backbone import StoredBackbone, find_backbone
from deepgaze2.features.engines import create_engine
from deepgaze2.features.network import Convolution, MaxPooling, Network
from deepgaze2.features.networks.vgg import VGG16
from deepgaze2.features.python_backbone import PythonBackbone
from helpers import own_network
from helpers.small_models import NARROW16, random_backbone, random_image

NAME = "python:helpers.own_network.small"


@pytest.mark.parametrize(
    ("layer", "channels", "stride_px", "offset_px"),
    [
        ("conv1", 12, 2, 0),
        ("act1", 12, 2, 0),
        ("pool", 12, 4, 1),
        ("conv2", 16, 16, 1),
        ("act2", 16, 16, 1),
        ("conv3", 16, 16, 1),
    ],
)
def test_strides_and_places_are_measured(
    layer: str, channels: int, stride_px: float, offset_px: float
) -> None:
    tap = find_backbone(NAME).tap(layer)
    assert (tap.channels, tap.stride_px, tap.offset_px) == (channels, stride_px, offset_px)


def as_module(backbone: StoredBackbone) -> nn.Module:
    """A described chain of layers in PyTorch."""
    layers: dict[str, nn.Module] = {}
    channels = 3
    for node in backbone.network.nodes:
        step = node.operation
        if isinstance(step, Convolution):
            conv = nn.Conv2d(channels, step.channels, step.kernel, step.stride, step.padding)
            conv.weight.data = torch.from_numpy(backbone.kernels[node.name].astype(np.float32))
            layers[node.name], channels = conv, step.channels
        elif isinstance(step, MaxPooling):
            layers[node.name] = nn.MaxPool2d(step.kernel, step.stride, ceil_mode=step.ceil)
        else:
            layers[node.name] = nn.ReLU()
    module = nn.Sequential()
    for name, layer in layers.items():
        module.add_module(name, layer)
    return module


@pytest.mark.parametrize("layer", ["conv2_1", "relu3_2", "conv4_3", "relu5_3"])
def test_what_is_measured_of_vgg_is_what_its_description_says(layer: str) -> None:
    network: Network = NARROW16
    module = as_module(random_backbone(network)).eval().requires_grad_(requires_grad=False)
    tap, expected = PythonBackbone("python:vgg", module).tap(layer), VGG16.tap(layer)
    assert (tap.stride_px, tap.offset_px) == (expected.stride_px, expected.offset_px)
    assert tap.channels == network.tap(layer).channels


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        ("mean", "each of its cells depends on the whole image"),
        ("classes", "its output is no map"),
        ("conv9", "has no such layer; there are conv"),
        ("", "no name.: .*has no such layer"),
    ],
)
def test_layers_that_are_no_maps_are_refused(layer: str, message: str) -> None:
    with pytest.raises(ModelError, match=message) as caught:
        find_backbone(NAME).tap(layer)
    assert str(caught.value).startswith(layer or "(")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        ("helpers.own_network.no_network", "returned str; it must return a torch.nn.Module"),
        ("helpers.own_network.failing", "failed .OSError: weights.pth is missing"),
        ("helpers.own_network.nowhere", "cannot be imported .*give MODULE.FUNCTION"),
        ("not_a_module.network", "cannot be imported .*No module named 'not_a_module'"),
        ("network", "cannot be imported"),
    ],
)
def test_functions_that_give_no_network_are_refused(function: str, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        find_backbone(f"python:{function}")


@pytest.mark.parametrize(
    ("function", "layer", "stride_px", "offset_px"),
    [("gated", "next", 4, 0), ("demanding", "2", 16, 5 + 4 + 3 * 8)],
)
def test_gates_and_small_images_do_not_hinder_measuring(
    function: str, layer: str, stride_px: float, offset_px: float
) -> None:
    backbone = find_backbone(f"python:helpers.own_network.{function}")
    tap = backbone.tap(layer)
    assert (tap.channels, tap.stride_px, tap.offset_px) == (4, stride_px, offset_px)


def test_the_smallest_side_leaves_a_cell() -> None:
    backbone = find_backbone("python:helpers.own_network.demanding").with_taps(("2",))
    assert backbone.min_side_px == 11 + 4 * (3 - 1 + 2 * (7 - 1))
    assert find_backbone(NAME).with_taps(("conv3",)).min_side_px == 1


def test_a_module_that_fails_is_named_with_its_reason() -> None:
    backbone = find_backbone("python:helpers.own_network.of_thirty_two").with_taps(("conv",))
    assert backbone.min_side_px == 32
    message = r"of_thirty_two: failed for an image of 90 by 70 pixels \(AssertionError: sides must"
    with pytest.raises(ModelError, match=message):
        create_engine(backbone).stored_features(random_image(90, 70))


def test_images_go_where_the_module_is() -> None:
    backbone = find_backbone("python:helpers.own_network.of_thirty_two").with_taps(("conv",))
    assert isinstance(backbone, PythonBackbone)
    backbone.module.to("meta")
    assert backbone.min_side_px == 32


def test_a_class_that_is_in_no_file_has_a_checksum() -> None:
    assert len(find_backbone("python:helpers.own_network.in_no_file").checksum) == 64


def test_directions_that_differ_are_refused() -> None:
    with pytest.raises(ModelError, match="alike in all directions"):
        find_backbone("python:helpers.own_network.oblong").tap("conv")


def test_features_are_the_modules() -> None:
    backbone = find_backbone(NAME).with_taps(("act1", "conv3"))
    image = random_image(90, 70)
    first, last = create_engine(backbone).stored_features(image)
    mean = torch.tensor([0.485, 0.456, 0.406])[:, None, None]
    deviation = torch.tensor([0.229, 0.224, 0.225])[:, None, None]
    layers = own_network.small().eval()
    assert isinstance(layers, nn.Sequential)
    with torch.no_grad():
        x = ((torch.from_numpy(image) / 255 - mean) / deviation)[None]
        expected = layers[:2](x)
        np.testing.assert_allclose(first, expected[0].numpy(), atol=1e-5)
        expected = layers[2:7](expected)
    np.testing.assert_allclose(last, expected[0].numpy(), atol=1e-4)
    with pytest.raises(ModelError, match="engine 'ncnn' does not run"):
        create_engine(backbone, "ncnn")


def test_the_checksum_tells_weights_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    before = find_backbone(NAME).checksum
    assert find_backbone(NAME).checksum == before
    monkeypatch.setattr(torch, "randn", lambda shape, **_: torch.ones(shape))
    assert find_backbone(NAME).checksum != before
