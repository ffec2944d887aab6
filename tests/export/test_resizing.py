"""The graph sees an image by the very gray levels by which the library sees it."""

import numpy as np
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from onnx import TensorProto, helper

from deepgaze2.export.graph import Graph, Value
from deepgaze2.export.resizing import network_size, resized
from deepgaze2.image import network_input as library

LONGER_SIDE_PX = 96


def session(graph: Graph, *outputs: Value, kind: int, rank: int) -> onnxruntime.InferenceSession:
    """A graph of an image alone."""
    shape = [f"axis{axis}" for axis in range(rank)]
    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "part",
            [helper.make_tensor_value_info("image", TensorProto.UINT8, ["h", "w", 3])],
            [helper.make_tensor_value_info(one.name, kind, shape) for one in outputs],
            list(graph.constants.values()),
        ),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=8,
    )
    return onnxruntime.InferenceSession(model.SerializeToString())


def resizing(longer_side_px: int, min_side_px: int = 1) -> onnxruntime.InferenceSession:
    graph = Graph()
    pixels = Value(graph, "image")
    found = resized(pixels, network_size(pixels, longer_side_px, min_side_px))
    return session(graph, found, kind=TensorProto.FLOAT, rank=3)


SMALL, LARGE = resizing(LONGER_SIDE_PX, 30), resizing(512)


def noise(width: int, height: int) -> NDArray[np.uint8]:
    return np.random.default_rng((width, height)).integers(0, 256, (height, width, 3), np.uint8)


@settings(max_examples=80, deadline=None)
@given(st.integers(1, 1300), st.integers(1, 1300))
def test_sizes_and_gray_levels_are_the_librarys(width: int, height: int) -> None:
    """Also where whole blocks are averaged first, up to 13 pixels wide."""
    pixels = noise(width, height)
    size = library.network_size(width, height, longer_side_px=LONGER_SIDE_PX, min_side_px=30)
    (found,) = SMALL.run(None, {"image": pixels})
    np.testing.assert_array_equal(found, library.network_input(pixels, size))


@pytest.mark.parametrize(
    ("width", "height"),
    [(1024, 768), (333, 1024), (2000, 31), (37, 3100), (512, 512), (1800, 3200)],
)
def test_so_they_are_at_the_packaged_models_size(width: int, height: int) -> None:
    pixels = noise(width, height)
    (found,) = LARGE.run(None, {"image": pixels})
    expected = library.network_input(pixels, library.network_size(width, height))
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("longer", [2565, 5120, 3333, 1025])
def test_halves_of_a_pixel_are_rounded_alike(longer: int) -> None:
    graph = Graph()
    height, width = network_size(Value(graph, "image"), 512, 1)
    size = session(graph, width, height, kind=TensorProto.INT64, rank=0)
    for shorter in range(5, longer, 5 if longer < 5000 else 95):
        found = size.run(None, {"image": np.zeros((shorter, longer, 3), np.uint8)})
        assert tuple(found) == library.network_size(longer, shorter)
