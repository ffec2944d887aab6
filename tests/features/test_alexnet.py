"""AlexNet's description against the same network in PyTorch, with random weights."""

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.numpy import save_file
from torch import nn

from deepgaze2.errors import WeightsError
from deepgaze2.features.backbone import StoredBackbone
from deepgaze2.features.engines import create_engine
from deepgaze2.features.networks.alexnet import ALEXNET
from deepgaze2.features.weights.importers import import_weights

MIN_SIDE_PX = 31


def network() -> nn.Sequential:
    """The layers up to conv5, numbered as torchvision numbers them."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 64, 11, 4, 2),
        nn.ReLU(),
        nn.MaxPool2d(3, 2),
        nn.Conv2d(64, 192, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(3, 2),
        nn.Conv2d(192, 384, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(384, 256, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(256, 256, 3, padding=1),
    )


def tensors() -> dict[str, NDArray[np.float32]]:
    return {f"features.{name}": value.numpy() for name, value in network().state_dict().items()}


def image(height: int, width: int) -> NDArray[np.float32]:
    return np.random.default_rng(0).uniform(0, 255, (3, height, width)).astype(np.float32)


def read_alexnet(path: Path) -> StoredBackbone:
    return import_weights(path, [ALEXNET])


@pytest.mark.parametrize("engine", ["ncnn", "torch"])
@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
@pytest.mark.parametrize("size", [(96, 130), (MIN_SIDE_PX, 64)])
def test_it_computes_what_pytorch_does(
    tmp_path: Path, suffix: str, size: tuple[int, int], engine: str
) -> None:
    path = tmp_path / f"alexnet{suffix}"
    classifier = {"classifier.1.weight": np.zeros((2, 2), np.float32)}
    if suffix == ".pth":
        values = (tensors() | classifier).items()
        torch.save({name: torch.from_numpy(value) for name, value in values}, path)
    else:
        save_file(tensors() | classifier, path)
    pixels = image(*size)
    (found,) = create_engine(read_alexnet(path), engine).stored_features(pixels)
    mean = torch.tensor([0.485, 0.456, 0.406])[:, None, None]
    scale = torch.tensor([0.229, 0.224, 0.225])[:, None, None]
    with torch.no_grad():
        expected = network()(((torch.from_numpy(pixels) / 255 - mean) / scale)[None])[0].numpy()
    cells = tuple(ALEXNET.cells("conv5", px) for px in size)
    assert found.shape == expected.shape == (256, *cells)
    np.testing.assert_allclose(found, expected, atol=1e-4 * np.abs(expected).max())


def test_the_smallest_input_leaves_a_cell() -> None:
    assert ALEXNET.min_side_px == MIN_SIDE_PX
    with pytest.raises(RuntimeError), torch.no_grad():
        network()(torch.zeros(1, 3, MIN_SIDE_PX - 1, 99))


def test_a_cell_lies_at_the_center_of_what_it_sees() -> None:
    """Max pooling hides the center, so every kernel is made a mean and the pools are averages."""
    tap = ALEXNET.tap("conv5")
    averaging = network()
    for i in (2, 5):
        averaging[i] = nn.AvgPool2d(3, 2)
    for convolution in averaging:
        if isinstance(convolution, nn.Conv2d):
            nn.init.constant_(convolution.weight, 1e-3)
            assert convolution.bias is not None
            nn.init.constant_(convolution.bias, 0)
    pixels = torch.ones(1, 3, 240, 240, requires_grad=True)
    cell = 6
    averaging(pixels)[0, 0, cell, cell].backward()
    assert pixels.grad is not None
    seen = pixels.grad[0, 0].sum(0).numpy()
    center = float((np.arange(240) * seen).sum() / seen.sum())
    assert tap.stride_px * cell + tap.offset_px == pytest.approx(center, abs=1e-3)


def test_other_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.safetensors"
    save_file(tensors() | {"features.3.weight": np.zeros((2, 3), np.float32)}, path)
    with pytest.raises(WeightsError, match=r"other.safetensors: conv2.weight is"):
        read_alexnet(path)
    with pytest.raises(WeightsError, match="no such weights file"):
        read_alexnet(tmp_path / "missing.pth")
