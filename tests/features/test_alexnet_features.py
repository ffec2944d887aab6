"""AlexNet's features in the cache and on the readout's grid."""

from pathlib import Path

import numpy as np
import pytest

from deepgaze2.errors import ModelError
from deepgaze2.features.cache import View
from deepgaze2.features.cache_admin import FEATURES, cached_files
from deepgaze2.features.engines import create_engine
from deepgaze2.features.networks.alexnet import ALEXNET
from deepgaze2.image.network_input import network_input
from deepgaze2.image.stimulus import read_stimulus
from deepgaze2.readout.architecture import tap_groups
from deepgaze2.readout.grid import cell_centers_px
from helpers.cached import cache_features
from helpers.small_models import narrowed, random_backbone, write_photos


@pytest.mark.parametrize("width", [63, 78, 94, 130])
def test_a_group_has_the_places_of_the_layer(width: int) -> None:
    (group,) = tap_groups(ALEXNET, ALEXNET.taps)
    expected = (cell_centers_px(width, 3) - 15) / 16
    np.testing.assert_allclose(group.positions(width, width, 3), expected, atol=1e-12)


def test_the_cache_keeps_what_the_network_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEEPGAZE2_CACHE", str(tmp_path / "cache"))
    network, photos = (
        random_backbone(narrowed(ALEXNET)),
        write_photos(tmp_path, [(120, 80), (20, 200)]),
    )
    found = cache_features(photos, network, ("conv5",), View(100))
    engine = create_engine(network)
    for path, features in zip(photos, found, strict=True):
        pixels = network_input(read_stimulus(path).pixels, features.input_size)
        (expected,) = engine.stored_features(pixels)
        np.testing.assert_array_equal(features.tensor("conv5"), expected.astype(np.float16))
    assert found[1].input_size == (31, 100), "an oblong image is stretched until it has a cell"
    groups = {file.group for file in cached_files()}
    assert groups == {(FEATURES, f"narrow-alexnet-{network.checksum[:16]}", "100px", "conv5")}
    with pytest.raises(ModelError, match="conv5_1: narrow-alexnet has no such layer"):
        cache_features(photos, network, ("conv5_1",), View(100))
