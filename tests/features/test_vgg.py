"""VGG as data, against what is published of the two networks."""

import pytest

from deepgaze2.features.network import Network
from deepgaze2.features.networks import NETWORKS
from deepgaze2.features.networks.vgg import VGG16, VGG19
from deepgaze2.features.networks.vgg import vgg as vgg_network
from helpers.small_models import conv_names, conv_shapes


@pytest.mark.parametrize(
    ("vgg", "convolutions", "parameters"), [(VGG16, 13, 14_714_688), (VGG19, 16, 20_024_384)]
)
def test_depth_and_size_are_the_published_ones(
    vgg: Network, convolutions: int, parameters: int
) -> None:
    shapes = conv_shapes(vgg)
    assert len(shapes) == convolutions
    assert sum(9 * out * inputs + out for out, inputs in shapes.values()) == parameters
    assert list(shapes) == conv_names(vgg)
    assert NETWORKS[vgg.name] is vgg


def test_names_count_blocks_and_layers_from_one() -> None:
    names = conv_names(VGG16)
    assert names[:4] == ["conv1_1", "conv1_2", "conv2_1", "conv2_2"]
    assert names[-3:] == ["conv5_1", "conv5_2", "conv5_3"]
    assert conv_names(VGG19)[-1] == "conv5_4"


def test_channels_chain_from_rgb() -> None:
    shapes = conv_shapes(VGG19)
    assert shapes["conv1_1"] == (64, 3)
    assert shapes["conv3_1"] == (256, 128)
    outputs = [out for out, _ in shapes.values()]
    assert [inputs for _, inputs in shapes.values()] == [3, *outputs[:-1]]


def test_taps_are_the_papers() -> None:
    assert VGG19.taps == ("conv5_1", "relu5_1", "relu5_2", "conv5_3", "relu5_4")
    assert VGG16.taps == ("conv5_1", "relu5_1", "relu5_2", "conv5_3", "relu5_3")
    for vgg in (VGG16, VGG19):
        assert {vgg.tap(name).channels for name in vgg.taps} == {512}


def test_a_convolution_and_its_relu_are_stored_once() -> None:
    assert VGG16.stored_taps() == ("conv5_1", "relu5_2", "conv5_3")
    assert VGG19.stored_taps() == ("conv5_1", "relu5_2", "conv5_3", "relu5_4")


def test_the_order_of_taps_does_not_decide_what_is_stored() -> None:
    vgg = vgg_network("x", ((3,), (5, 7)), ("relu2_2", "conv2_2", "relu2_1"))
    assert vgg.stored_taps() == ("conv2_2", "relu2_1")
    assert [vgg.tap(name).channels for name in vgg.taps] == [7, 7, 5]
