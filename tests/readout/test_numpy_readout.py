"""The readout against the float64 reference, which takes no shortcut."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from deepgaze2.features.network import Network
from deepgaze2.features.networks.vgg import vgg as vgg_network
from deepgaze2.readout.activations import ACTIVATIONS
from deepgaze2.readout.architecture import Architecture, paper_architecture
from deepgaze2.readout.numpy_readout import saliency
from helpers import float64_model
from helpers.small_models import (
    ARCHITECTURES,
    NARROW16,
    NARROW19,
    PAPER16,
    conv_shapes,
    group_sizes,
    random_readout,
)


@dataclass(frozen=True)
class Taps:
    """Features of one image: what an engine would return, and every layer by name."""

    stored: list[dict[str, NDArray[np.float32]]]
    maps: list[dict[str, NDArray[np.float64]]]
    sizes: list[tuple[int, int]]


def random_taps(
    size: tuple[int, int], architecture: Architecture = PAPER16, vgg: Network = NARROW16
) -> Taps:
    """Features for a network input of (width, height), or what becomes of it in other groups."""
    rng = np.random.default_rng(0)
    tapped = replace(vgg, taps=architecture.taps)
    sizes = group_sizes(architecture, size)
    stored, maps = [], []
    for width, height in sizes:
        named = {}
        for name, (channels, _) in conv_shapes(vgg).items():
            stride = 2 ** (int(name[4]) - 1)
            shape = channels, -(-height // stride), -(-width // stride)
            named[name] = rng.normal(20, 100, shape).astype(np.float32).astype(np.float64)
            named[name.replace("conv", "relu")] = np.maximum(named[name], 0)
        maps.append(named)
        stored.append({name: named[name].astype(np.float32) for name in tapped.stored_taps()})
    return Taps(stored, maps, sizes)


@pytest.mark.parametrize("size", [(50, 75), (33, 17), (16, 16), (200, 130), (520, 33)])
@pytest.mark.parametrize("layer_norm", [False, True])
@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_the_shortcut_changes_nothing(kind: str, layer_norm: bool, size: tuple[int, int]) -> None:
    architecture = replace(ARCHITECTURES[kind], layer_norm=layer_norm)
    readout = random_readout(2, architecture)
    taps = random_taps(size, architecture)
    expected = float64_model.saliency(readout, taps.maps, taps.sizes)
    assert np.ptp(expected) > 0.5
    found = saliency(readout, taps.stored, taps.sizes)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-4)


@settings(max_examples=25, deadline=None)
@given(
    width=st.integers(16, 150),
    height=st.integers(16, 150),
    n_models=st.integers(1, 3),
    sigma_px=st.floats(0.1, 30),
    grid_block=st.integers(2, 5),
    scale=st.floats(0.3, 2),
)
def test_any_size_and_blur(
    width: int, height: int, n_models: int, sigma_px: float, grid_block: int, scale: float
) -> None:
    (group,) = paper_architecture(NARROW19).groups
    architecture = Architecture((group, replace(group, scale=scale)), grid_block=grid_block)
    readout = random_readout(n_models, architecture, NARROW19)
    readout = replace(readout, sigma_px=np.full(n_models, sigma_px, np.float32))
    taps = random_taps((width, height), architecture, NARROW19)
    found = saliency(readout, taps.stored, taps.sizes)
    cells = 2 ** (grid_block - 1)
    assert found.shape == (n_models, -(-height // cells), -(-width // cells))
    expected = float64_model.saliency(readout, taps.maps, taps.sizes)
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_the_order_of_groups_is_that_of_the_channels() -> None:
    """Two readouts whose groups and first weights are swapped alike say the same."""
    one, other = ARCHITECTURES["blocks 4 and 5"].groups
    readout = random_readout(2, Architecture((one, other)))
    channels = one.channels
    swapped = replace(
        readout,
        architecture=Architecture((other, one)),
        weights=(np.roll(readout.weights[0], -channels, axis=2), *readout.weights[1:]),
        tap_deviation=np.roll(readout.tap_deviation, -channels),
    )
    taps = random_taps((64, 48), readout.architecture)
    np.testing.assert_allclose(
        saliency(swapped, taps.stored[::-1], taps.sizes),
        saliency(readout, taps.stored, taps.sizes),
        atol=1e-4,
    )


def test_a_final_relu_forbids_negative_saliency() -> None:
    taps = random_taps((64, 48))
    readout = random_readout(3)
    assert saliency(readout, taps.stored, taps.sizes).min() < -1
    rectified = replace(readout, architecture=ARCHITECTURES["final relu"])
    clipped = saliency(rectified, taps.stored, taps.sizes)
    assert clipped.min() >= 0 < clipped.max()


def test_members_are_some_of_the_mixture() -> None:
    taps = random_taps((64, 48))
    readout = replace(random_readout(4), prior_weight=np.arange(4, dtype=np.float32))
    together = saliency(readout, taps.stored, taps.sizes)
    for chosen in ([0], [3], [1, 2], range(4)):
        members = readout.members(chosen)
        assert members.n_models == len(chosen)
        found = saliency(members, taps.stored, taps.sizes)
        np.testing.assert_allclose(found, together[list(chosen)], atol=1e-5)
        np.testing.assert_array_equal(members.prior_weight, np.array(chosen, np.float32))
        np.testing.assert_array_equal(members.sigma_px, readout.sigma_px[list(chosen)])
    assert np.abs(together[0] - together[1]).max() > 0.1


def test_a_position_without_activity_survives_layer_normalization() -> None:
    architecture = replace(PAPER16, layer_norm=True)
    taps = random_taps((64, 48))
    for maps in taps.stored[0].values():
        maps[:, 1, 2] = 0
    assert np.isfinite(saliency(random_readout(1, architecture), taps.stored, taps.sizes)).all()


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("layer_norm", [False, True])
def test_vggs_2560_channels_keep_their_precision(layer_norm: bool, activation: str) -> None:
    wide = vgg_network("wide", ((3,), (3,), (3,), (3,), (512,) * 3), NARROW16.taps)
    architecture = replace(paper_architecture(wide), layer_norm=layer_norm, activation=activation)
    taps = random_taps((64, 48), vgg=wide)
    readout = random_readout(3, architecture, wide)
    expected = float64_model.saliency(readout, taps.maps, taps.sizes)
    np.testing.assert_allclose(saliency(readout, taps.stored, taps.sizes), expected, atol=5e-5)
