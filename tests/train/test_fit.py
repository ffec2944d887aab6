"""Fitting finds what can be read, never sees what is held out, and can be interrupted."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.special import logsumexp

import reference
from deepgaze2.errors import DataError
from deepgaze2.features import ImageFeatures
from deepgaze2.train.fit import (
    FitSettings,
    TrainingImage,
    fit,
    grid_cells,
    load_taps,
    log_densities,
)
from deepgaze2.train.network import ReadoutNetwork, training_grid
from tiny import NARROW16, write_features

CHANNELS = sum(NARROW16.tap_widths())
SIZE = (96, 64)  # network input; 6 by 4 cells of block 5
SETTINGS = FitSettings(epochs=6, learning_rate=2e-2, images_per_step=3, dropout=0.1)


def made_up(folder: Path, n_images: int = 12, n_folds: int = 3) -> list[TrainingImage]:
    """Noise with one conspicuous cell of block 5, at which all fixations lie."""
    rng = np.random.default_rng(0)
    images = []
    for i in range(n_images):
        features = rng.normal(0, 1, (24, 4, 6))
        row, column = rng.integers(4), rng.integers(6)
        features[2, row, column] += 30
        grid = training_grid(SIZE, (4, 6), 3)
        x = np.clip(16 * column + 7.5 + rng.normal(0, 3, 20), 0, 95)
        y = np.clip(16 * row + 7.5 + rng.normal(0, 3, 20), 0, 63)
        images.append(
            TrainingImage(
                features=write_features(folder, str(i), NARROW16, features, SIZE),
                grid=grid,
                log_center_bias=torch.from_numpy(rng.normal(0, 0.3, 24 * 16)).float(),
                cells=grid_cells(x, y, SIZE, SIZE, grid),
                fold=i % n_folds,
            )
        )
    return images


def new_network(n_models: int = 3, dropout: float = 0.1) -> ReadoutNetwork:
    return ReadoutNetwork(n_models, np.ones(CHANNELS, np.float32), dropout=dropout)


def parameters(network: ReadoutNetwork) -> dict[str, bytes]:
    return {name: p.detach().numpy().tobytes() for name, p in network.named_parameters()}


def test_what_is_readable_is_learned_and_generalizes(tmp_path: Path) -> None:
    images = made_up(tmp_path)
    network = new_network()
    curve = fit(network, NARROW16, images, SETTINGS, tmp_path / "checkpoint.pt")
    assert len(curve) == SETTINGS.epochs
    assert curve[-1] > curve[0] + 1
    network.eval()
    gains = []
    for image in images:  # each by the readout that has not seen it
        taps = load_taps(image.features, NARROW16)
        with torch.no_grad():
            found = log_densities(network(taps, image.grid), image.log_center_bias)
        baseline = torch.log_softmax(image.log_center_bias, 0)
        gains.append(float((found[image.fold] - baseline)[image.cells].mean()))
    assert np.mean(gains) / np.log(2) > 1


def test_the_first_epochs_gain_is_in_bits_over_the_center_bias(tmp_path: Path) -> None:
    """With a learning rate of next to nothing it is the untrained network's own gain."""
    images = made_up(tmp_path, n_images=4, n_folds=2)
    network = new_network(2, dropout=0)
    readout = replace(network.readout(), sigma_px=np.full(2, 1e-3, np.float32))
    bits, counts = [], []
    for image in images:
        taps = load_taps(image.features, NARROW16).numpy().astype(np.float64)
        y, x = ((4 * np.arange(n) + 1.5 - 7.5) / 16 for n in (16, 24))
        features = reference.resample(taps, y, x)
        prior = image.log_center_bias.numpy().astype(np.float64)
        k = 1 - image.fold  # of two readouts, the one that trains on it
        saliency = reference.gaussian_blur(reference.one_saliency(readout, k, features), 10 / 4)
        density = saliency.ravel() + prior
        gain = density - logsumexp(density) - (prior - logsumexp(prior))
        bits.append(gain[image.cells.numpy()].mean() / np.log(2))
        counts.append(len(image.cells))
    settings = FitSettings(epochs=1, learning_rate=1e-9, images_per_step=4)
    curve = fit(network, NARROW16, images, settings, tmp_path / "checkpoint.pt")
    assert curve[0] == pytest.approx(np.average(bits, weights=counts), abs=1e-4)


def test_a_readout_never_sees_its_own_fold(tmp_path: Path) -> None:
    images = [replace(image, fold=1) for image in made_up(tmp_path)]
    network = new_network(3)
    start = {name: p.detach().clone() for name, p in network.named_parameters()}
    fit(network, NARROW16, images, replace(SETTINGS, epochs=2), tmp_path / "checkpoint.pt")
    for name, parameter in network.named_parameters():
        assert torch.equal(parameter[1], start[name][1]), name
        assert not torch.equal(parameter[0], start[name][0]), name
        assert not torch.equal(parameter[2], start[name][2]), name


def test_the_same_seed_gives_the_same_readouts(tmp_path: Path) -> None:
    images = made_up(tmp_path)
    results = []
    for i, seed in enumerate((0, 0, 1)):
        network = new_network()
        settings = replace(SETTINGS, epochs=2, seed=seed)
        curve = fit(network, NARROW16, images, settings, tmp_path / f"{i}.pt")
        results.append((curve, parameters(network)))
    assert results[0] == results[1] != results[2]


@pytest.mark.parametrize("images_before_the_stop", [12, 17, 24])
def test_interrupted_and_taken_up_it_ends_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, images_before_the_stop: int
) -> None:
    images = made_up(tmp_path)
    settings = replace(SETTINGS, epochs=3)
    whole = new_network()
    curve = fit(whole, NARROW16, images, settings, tmp_path / "whole.pt")

    left = images_before_the_stop * len(NARROW16.taps)
    load = ImageFeatures.tensor

    def stop(self: ImageFeatures, tap: str) -> NDArray[np.float16]:
        nonlocal left
        if left == 0:
            raise KeyboardInterrupt
        left -= 1
        return load(self, tap)

    monkeypatch.setattr(ImageFeatures, "tensor", stop)
    with pytest.raises(KeyboardInterrupt):
        fit(new_network(), NARROW16, images, settings, tmp_path / "stopped.pt")
    monkeypatch.setattr(ImageFeatures, "tensor", load)
    resumed = new_network()
    torch.rand(7)  # what else happens to the global generator must not matter
    assert fit(resumed, NARROW16, images, settings, tmp_path / "stopped.pt") == curve
    assert parameters(resumed) == parameters(whole)


@pytest.mark.parametrize("change", [{"learning_rate": 1e-3}, {"epochs": 3}, {"seed": 5}])
def test_a_checkpoint_of_other_settings_is_refused(
    tmp_path: Path, change: dict[str, float]
) -> None:
    images, checkpoint = made_up(tmp_path), tmp_path / "checkpoint.pt"
    settings = replace(SETTINGS, epochs=2)
    fit(new_network(), NARROW16, images, settings, checkpoint)
    with pytest.raises(DataError, match=r"checkpoint\.pt.*from a training with other"):
        fit(new_network(), NARROW16, images, replace(settings, **change), checkpoint)  # type: ignore[arg-type]


def test_a_checkpoint_of_another_network_or_data_is_refused(tmp_path: Path) -> None:
    images, checkpoint = made_up(tmp_path), tmp_path / "checkpoint.pt"
    settings = replace(SETTINGS, epochs=2)
    fit(new_network(), NARROW16, images, settings, checkpoint)
    normalized = new_network()
    normalized.layer_norm = True
    for network, some, what in (
        (normalized, images, "layer_norm"),
        (new_network(), images[:5], "images_and_features"),
        (new_network(4), images, "readouts"),
    ):
        with pytest.raises(DataError, match=f"with other {what};"):
            fit(network, NARROW16, some, settings, checkpoint)
    checkpoint.write_bytes(b"not a checkpoint")
    with pytest.raises(DataError, match="damaged"):
        fit(new_network(), NARROW16, images, settings, checkpoint)


def test_a_dead_readout_is_refused_by_its_number(tmp_path: Path) -> None:
    network = new_network(3)
    with torch.no_grad():
        network.biases[2][1] = -1e4  # nothing passes its two-unit layer
    with pytest.raises(DataError, match=r"readouts \[1\] predict the bare center bias"):
        fit(
            network,
            NARROW16,
            made_up(tmp_path),
            replace(SETTINGS, epochs=1, learning_rate=1e-4),
            tmp_path / "checkpoint.pt",
        )


@pytest.mark.parametrize("block", [2, 3])
def test_fixations_belong_to_the_nearest_cell(block: int) -> None:
    rng = np.random.default_rng(0)
    (width, height), input_size = (150, 101), (75, 51)
    x, y = rng.uniform(0, width, 300), rng.uniform(0, height, 300)
    grid = training_grid(input_size, (4, 5), block)
    stride = 2 ** (block - 1)
    cell_x = stride * np.arange(grid.shape[1]) + (stride - 1) / 2
    cell_y = stride * np.arange(grid.shape[0]) + (stride - 1) / 2
    at_x = (np.floor(x) + 0.5) * 75 / width - 0.5  # the pixel's center in the network input
    at_y = (np.floor(y) + 0.5) * 51 / height - 0.5
    found_y, found_x = np.divmod(
        grid_cells(x, y, (width, height), input_size, grid).numpy(), grid.shape[1]
    )
    nearest_x = np.abs(at_x[:, None] - cell_x).min(1)
    nearest_y = np.abs(at_y[:, None] - cell_y).min(1)
    np.testing.assert_allclose(np.abs(cell_x[found_x] - at_x), nearest_x, atol=1e-9)
    np.testing.assert_allclose(np.abs(cell_y[found_y] - at_y), nearest_y, atol=1e-9)
