"""The readout against the float64 reference, which takes no shortcut."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import reference
from deepgaze2.readout import saliency
from deepgaze2.vgg import Vgg
from tiny import NARROW16, NARROW19, random_readout


def random_taps(
    vgg: Vgg, size: tuple[int, int], seed: int = 0
) -> tuple[tuple[NDArray[np.float32], ...], dict[str, NDArray[np.float64]]]:
    """What an engine would return for an input of (width, height), and every tap by name."""
    rng = np.random.default_rng(seed)
    height5, width5 = (-(-n // 16) for n in reversed(size))
    named = {}
    for name in vgg.conv_names():
        if name.startswith("conv5"):
            channels = vgg.conv_shapes()[name][0]
            values = rng.normal(20, 100, (channels, height5, width5)).astype(np.float32)
            named[name] = values.astype(np.float64)
            named[name.replace("conv", "relu")] = np.maximum(named[name], 0)
    return tuple(named[name].astype(np.float32) for name in vgg.stored_taps()), named


@pytest.mark.parametrize("size", [(50, 75), (33, 17), (16, 16), (200, 130), (520, 33)])
@pytest.mark.parametrize("layer_norm", [False, True])
@pytest.mark.parametrize("final_relu", [False, True])
def test_the_shortcut_changes_nothing(
    size: tuple[int, int], layer_norm: bool, final_relu: bool
) -> None:
    readout = random_readout(2, layer_norm=layer_norm, final_relu=final_relu)
    stored, maps = random_taps(NARROW16, size)
    expected = reference.saliency(readout, NARROW16, maps, size)
    assert final_relu or expected.min() < 0 < expected.max()
    np.testing.assert_allclose(saliency(readout, NARROW16, stored, size), expected, atol=5e-5)


@settings(max_examples=25, deadline=None)
@given(
    width=st.integers(16, 150),
    height=st.integers(16, 150),
    n_models=st.integers(1, 3),
    sigma_px=st.floats(0.1, 30),
)
def test_any_size_and_blur(width: int, height: int, n_models: int, sigma_px: float) -> None:
    readout = random_readout(n_models, NARROW19)
    readout = replace(readout, sigma_px=np.full(n_models, sigma_px, np.float32))
    stored, maps = random_taps(NARROW19, (width, height))
    expected = reference.saliency(readout, NARROW19, maps, (width, height))
    found = saliency(readout, NARROW19, stored, (width, height))
    assert found.shape == (n_models, -(-height // 2), -(-width // 2))
    np.testing.assert_allclose(found, expected, atol=5e-5)


def test_a_final_relu_forbids_negative_saliency() -> None:
    stored, _ = random_taps(NARROW16, (64, 48))
    readout = random_readout(3)
    assert saliency(readout, NARROW16, stored, (64, 48)).min() < -1
    clipped = saliency(replace(readout, final_relu=True), NARROW16, stored, (64, 48))
    assert clipped.min() >= 0 < clipped.max()


def test_a_member_is_one_of_the_mixture() -> None:
    stored, _ = random_taps(NARROW16, (64, 48))
    readout = random_readout(3)
    together = saliency(readout, NARROW16, stored, (64, 48))
    for k in range(3):
        member = readout.member(k)
        assert member.n_models == 1
        alone = saliency(member, NARROW16, stored, (64, 48))[0]
        np.testing.assert_allclose(alone, together[k], atol=1e-5)
    assert np.abs(together[0] - together[1]).max() > 0.1


def test_a_position_without_activity_survives_layer_normalization() -> None:
    readout = random_readout(1, layer_norm=True)
    stored, _ = random_taps(NARROW16, (64, 48))
    for maps in stored:
        maps[:, 1, 2] = 0
    assert np.isfinite(saliency(readout, NARROW16, stored, (64, 48))).all()


@pytest.mark.parametrize("layer_norm", [False, True])
def test_vggs_2560_channels_keep_their_precision(layer_norm: bool) -> None:
    wide = Vgg("wide", ((3,), (3,), (3,), (3,), (512,) * 3), NARROW16.taps)
    stored, maps = random_taps(wide, (64, 48))
    readout = random_readout(3, wide, layer_norm=layer_norm)
    expected = reference.saliency(readout, wide, maps, (64, 48))
    found = saliency(readout, wide, stored, (64, 48))
    np.testing.assert_allclose(found, expected, atol=5e-5)
