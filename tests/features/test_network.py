"""Networks as graphs: a residual one, by all engines, against the obvious computation."""

import numpy as np
import pytest
from numpy.typing import NDArray

from deepgaze2.errors import ModelError
from deepgaze2.features.backbone import stored_taps
from deepgaze2.features.engines import create_engine
from deepgaze2.features.network import (
    IMAGE,
    Addition,
    Convolution,
    MaxPooling,
    Network,
    Node,
    Relu,
)
from helpers import float64_model
from helpers.engines import EXACT_ENGINES
from helpers.small_models import NARROW16, random_backbone, random_image

RESIDUAL = Network(
    "residual",
    (
        Node("first", Convolution(6, kernel=7, stride=2, padding=3), (IMAGE,)),
        Node("first_relu", Relu(), ("first",)),
        Node("pool", MaxPooling(3, 2, padding=1), ("first_relu",)),
        Node("a", Convolution(4, kernel=1, padding=0, stride=2), ("pool",)),
        Node("a_relu", Relu(), ("a",)),
        Node("b", Convolution(8), ("a_relu",)),
        Node("shortcut", Convolution(8, kernel=1, padding=0, stride=2), ("pool",)),
        Node("sum", Addition(), ("b", "shortcut")),
        Node("out", Relu(), ("sum",)),
        Node("c", Convolution(8), ("out",)),
        Node("sum2", Addition(), ("c", "out")),
    ),
    taps=("sum", "out", "a_relu", "sum2"),
)
"""A stem and two blocks as ResNet-50 has them, the stride being in the first convolution."""


@pytest.mark.parametrize("engine", EXACT_ENGINES)
@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize("size", [(64, 48), (75, 33), (130, 101)])
def test_a_residual_network_is_computed_as_it_is_described(
    engine: str, half: bool, size: tuple[int, int]
) -> None:
    backbone, image = random_backbone(RESIDUAL, half=half), random_image(*size)
    expected = float64_model.feature_maps(backbone, image)
    found = create_engine(backbone, engine, threads=1).stored_features(image)
    names = stored_taps(backbone)
    assert names == ("sum", "a_relu", "sum2"), "a ReLU is had from what is before it"
    for name, maps in zip(names, found, strict=True):
        assert maps.shape == (backbone.tap(name).channels, *cells(name, size))
        deviation = expected[name].std()
        np.testing.assert_allclose(maps, expected[name], atol=1e-4 * deviation)


@pytest.mark.parametrize("taps", [("pool1",), ("pool1", "relu2_1"), ("relu1_2",)])
def test_a_network_may_be_read_at_its_first_layers_alone(taps: tuple[str, ...]) -> None:
    backbone, image = random_backbone(NARROW16).with_taps(taps), random_image(75, 33)
    expected = float64_model.feature_maps(backbone, image)
    found = create_engine(backbone, "ncnn", threads=1).stored_features(image)
    for name, maps in zip(taps, found, strict=True):
        np.testing.assert_allclose(maps, expected[name], atol=1e-4 * expected[name].std())


def cells(name: str, size: tuple[int, int]) -> tuple[int, int]:
    columns, rows = (RESIDUAL.cells(name, px) for px in size)
    return rows, columns


def test_strides_and_places_follow_from_the_windows() -> None:
    """ResNet's stages are centered on whole multiples of their strides."""
    for name, stride in (("first", 2), ("pool", 4), ("b", 8), ("sum", 8), ("out", 8)):
        tap = RESIDUAL.tap(name)
        assert (tap.stride_px, tap.offset_px) == (stride, 0)
    assert RESIDUAL.tap("out").relu_of == "sum"


@pytest.mark.parametrize("shift", [8, 16])
def test_features_follow_an_image_that_moves(shift: int) -> None:
    backbone = random_backbone(RESIDUAL)
    wide = random_image(400, 200)
    engine = create_engine(backbone, threads=1)
    before = engine.stored_features(np.ascontiguousarray(wide[:, :, : 400 - shift]))
    after = engine.stored_features(np.ascontiguousarray(wide[:, :, shift:]))
    steps = shift // 8
    middle = slice(6, 30)
    for one, other in zip(before, after, strict=True):
        moved: NDArray[np.float32] = one[:, :, steps:][:, :, middle]
        np.testing.assert_allclose(other[:, :, middle], moved, atol=1e-2)


def test_a_layer_that_is_not_there_is_refused() -> None:
    with pytest.raises(ModelError, match=r"conv9: residual has no such layer.*there are first, "):
        random_backbone(RESIDUAL).with_taps(("out", "conv9"))
