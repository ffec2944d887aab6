"""The trained network is the predicting one, and its gradients are right."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import torch

import reference
from deepgaze2.readout import Readout, saliency
from deepgaze2.train.network import ReadoutNetwork, TrainingGrid, training_grid
from tiny import NARROW16, random_backbone, random_image, random_readout

CHANNELS = sum(NARROW16.tap_widths())


def network_of(readout: Readout) -> ReadoutNetwork:
    """A network with a given readout's parameters."""
    network = ReadoutNetwork(
        readout.n_models,
        readout.tap_deviation,
        layer_norm=readout.layer_norm,
        final_relu=readout.final_relu,
    )
    with torch.no_grad():
        for layer in range(4):
            network.weights[layer].copy_(torch.from_numpy(readout.weights[layer]))
            network.biases[layer].copy_(torch.from_numpy(readout.biases[layer]))
        network.log_sigma_px.copy_(torch.from_numpy(np.log(readout.sigma_px)))
    return network


def in_double(network: ReadoutNetwork, grid: TrainingGrid) -> tuple[ReadoutNetwork, TrainingGrid]:
    return network.double(), replace(grid, rows=grid.rows.double(), columns=grid.columns.double())


@pytest.mark.parametrize(("layer_norm", "final_relu"), list(product([False, True], repeat=2)))
@pytest.mark.parametrize("size", [(50, 75), (33, 17), (100, 64)])
def test_training_on_the_readouts_grid_is_prediction(
    layer_norm: bool, final_relu: bool, size: tuple[int, int]
) -> None:
    readout = random_readout(3, layer_norm=layer_norm, final_relu=final_relu)
    maps = reference.feature_maps(random_backbone(), random_image(*size))
    stored = tuple(maps[name].astype(np.float32) for name in NARROW16.stored_taps())
    taps = torch.from_numpy(np.concatenate([maps[tap] for tap in NARROW16.taps])).float()
    network = network_of(readout)
    with torch.no_grad():
        found = network(taps, training_grid(size, stored[0].shape[1:], block=2)).numpy()
    np.testing.assert_allclose(found, saliency(readout, NARROW16, stored, size), atol=1e-4)
    exported = network.readout()
    for layer in range(4):
        np.testing.assert_array_equal(exported.weights[layer], readout.weights[layer])
        np.testing.assert_array_equal(exported.biases[layer], readout.biases[layer])
    np.testing.assert_allclose(exported.sigma_px, readout.sigma_px, rtol=1e-6)
    assert (exported.layer_norm, exported.final_relu) == (layer_norm, final_relu)


def test_exported_parameters_are_a_copy() -> None:
    network = ReadoutNetwork(2, np.ones(CHANNELS, np.float32))
    exported = network.readout()
    before = exported.weights[1].copy()
    with torch.no_grad():
        network.weights[1].zero_()
    np.testing.assert_array_equal(exported.weights[1], before)


@pytest.mark.parametrize("block", [2, 3, 4])
def test_any_training_grid_samples_the_same_function(block: int) -> None:
    """Cell i of block b lies at 2^(b-1) i + (2^(b-1) - 1)/2; the blur's width is in pixels."""
    size, stride = (75, 50), 2 ** (block - 1)
    readout = random_readout(2)
    raw = np.random.default_rng(0).normal(20, 80, (CHANNELS, 4, 5))
    grid = training_grid(size, (4, 5), block)
    with torch.no_grad():
        found = network_of(readout)(torch.from_numpy(raw).float(), grid).numpy()

    height, width = -(-size[1] // stride), -(-size[0] // stride)
    assert grid.shape == (height, width)
    y, x = ((stride * np.arange(n) + (stride - 1) / 2 - 7.5) / 16 for n in (height, width))
    features = reference.resample(raw / readout.tap_deviation[:, None, None], y, x)
    sharp = replace(readout, sigma_px=np.full(2, 1e-3, np.float32))
    for k in range(2):
        unblurred = reference.one_saliency(sharp, k, features)
        expected = reference.gaussian_blur(unblurred, float(readout.sigma_px[k]) / stride)
        np.testing.assert_allclose(found[k], expected, atol=1e-4)


@pytest.mark.parametrize("layer_norm", [False, True])
def test_gradients_are_finite_differences(layer_norm: bool) -> None:
    readout = random_readout(2, layer_norm=layer_norm)
    raw = torch.from_numpy(np.random.default_rng(0).normal(20, 80, (CHANNELS, 4, 5)))
    network, grid = in_double(network_of(readout), training_grid((75, 50), (4, 5), 3))
    direction = torch.from_numpy(np.random.default_rng(1).normal(size=(2, *grid.shape)))

    def loss() -> torch.Tensor:
        weighted: torch.Tensor = network(raw, grid) * direction
        return weighted.sum()

    loss().backward()  # type: ignore[no-untyped-call]
    rng = np.random.default_rng(2)
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None
        flat = parameter.data.reshape(-1)
        for i in rng.choice(len(flat), min(len(flat), 4), replace=False):
            step = 1e-6
            ends = []
            for sign in (1, -1):
                flat[i] += sign * step
                ends.append(float(loss().detach()))
                flat[i] -= sign * step
            difference = (ends[0] - ends[1]) / (2 * step)
            assert float(parameter.grad.reshape(-1)[i]) == pytest.approx(
                difference, rel=1e-4, abs=1e-6
            ), name


def test_readouts_do_not_touch_each_other() -> None:
    """A loss on one readout's saliency has no gradient in the others' parameters."""
    network = network_of(random_readout(3))
    raw = torch.from_numpy(np.random.default_rng(0).normal(20, 80, (CHANNELS, 4, 5))).float()
    network(raw, training_grid((75, 50), (4, 5), 3))[1].square().sum().backward()
    for parameter in network.parameters():
        assert parameter.grad is not None
        assert not parameter.grad[[0, 2]].any()
        assert parameter.grad[1].any()


def test_dropout_is_for_training_only() -> None:
    network = ReadoutNetwork(1, np.ones(CHANNELS, np.float32), dropout=0.5)
    raw = torch.rand(CHANNELS, 4, 5)
    grid = training_grid((75, 50), (4, 5), 3)
    with torch.no_grad():
        assert not torch.equal(network(raw, grid), network(raw, grid))
        network.eval()
        assert torch.equal(network(raw, grid), network(raw, grid))


def test_the_seed_decides_where_training_begins() -> None:
    first, same, other = (
        ReadoutNetwork(2, np.ones(CHANNELS, np.float32), seed=seed).readout() for seed in (1, 1, 2)
    )
    for layer in range(4):
        np.testing.assert_array_equal(first.weights[layer], same.weights[layer])
        assert not np.array_equal(first.weights[layer], other.weights[layer])
        assert not np.array_equal(first.weights[layer][0], first.weights[layer][1])


@pytest.mark.parametrize("seed", range(10))
def test_every_readout_begins_alive(seed: int) -> None:
    network = ReadoutNetwork(10, np.ones(CHANNELS, np.float32), seed=seed)
    raw = torch.from_numpy(np.random.default_rng(seed).normal(0, 1, (CHANNELS, 12, 16))).float()
    with torch.no_grad():
        found = network(raw, training_grid((256, 192), (12, 16), 3))
    assert (found.flatten(1).std(1) > 1e-3).all()
