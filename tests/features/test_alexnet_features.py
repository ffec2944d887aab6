"""AlexNet's features in the cache and on the readout's grid."""

from pathlib import Path

import numpy as np
import pytest

from deepgaze2.errors import ModelError
from deepgaze2.features.alexnet import MIN_SIDE_PX, AlexNet
from deepgaze2.features.cache import View, cache_features
from deepgaze2.features.cache_admin import FEATURES, cached_files
from deepgaze2.image.network_input import network_input
from deepgaze2.image.stimulus import read_stimulus
from deepgaze2.readout.architecture import TapGroup
from deepgaze2.readout.grid import cell_centers_px
from deepgaze2.rivals.fitted.deepgaze1 import Layer
from helpers.small_models import write_photos

GROUP = TapGroup(("conv5",))


def narrow() -> AlexNet:
    """The same windows and strides with few channels."""
    rng = np.random.default_rng(0)
    shapes = [(4, 3, 11), (4, 4, 5), (4, 4, 3), (4, 4, 3), (2, 4, 3)]
    return AlexNet(
        tuple(rng.normal(0, 0.2, (n, m, size, size)).astype(np.float32) for n, m, size in shapes),
        tuple(np.zeros(n, np.float32) for n, _, _ in shapes),
    )


@pytest.mark.parametrize("size", [(MIN_SIDE_PX, 90), (78, 79), (94, 95), (130, 111)])
def test_a_group_has_the_shape_and_the_places_of_the_layer(size: tuple[int, int]) -> None:
    layer = narrow().conv5(np.zeros((3, *size[::-1]), np.float32))
    assert GROUP.shape(size) == layer.responses.shape[1:]
    centers = cell_centers_px(size[0], 3)
    expected = (centers - layer.offset_px) / layer.stride_px
    np.testing.assert_allclose(GROUP.positions(size[0], size[0], 3), expected, atol=1e-12)


def test_the_cache_keeps_what_the_network_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEEPGAZE2_CACHE", str(tmp_path / "cache"))
    network, photos = narrow(), write_photos(tmp_path, [(120, 80), (80, 120)])
    found = cache_features(photos, network, ("conv5",), View(100))
    for path, features in zip(photos, found, strict=True):
        layer: Layer = network.conv5(network_input(read_stimulus(path).pixels, features.input_size))
        expected = layer.responses.astype(np.float16)
        np.testing.assert_array_equal(features.tensor("conv5"), expected)
    groups = {file.group for file in cached_files()}
    assert groups == {(FEATURES, f"alexnet-{network.checksum[:16]}", "100px", "conv5")}
    with pytest.raises(ModelError, match="conv5_1: of AlexNet, conv5 alone"):
        cache_features(photos, network, ("conv5_1",), View(100))
    with pytest.raises(ModelError, match=r"60 by 90 pixels is too small .* needs 63"):
        cache_features(photos[1:], network, ("conv5",), View(90))
