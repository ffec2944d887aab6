"""AlexNet's convolutions (Krizhevsky 2014, the one-tower variant), in NumPy, for DeepGaze I.

No weights are packaged: torchvision's `alexnet-owt-7be5be79.pth`, or the same tensors as
safetensors, serve.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from deepgaze2.errors import WeightsError
from deepgaze2.rivals.deepgaze1 import Layer
from deepgaze2.weights.importers import TORCHVISION, read_tensors

_SHAPES = {  # by torchvision's names; out, in, height and width
    "features.0": (64, 3, 11, 11),
    "features.3": (192, 64, 5, 5),
    "features.6": (384, 192, 3, 3),
    "features.8": (256, 384, 3, 3),
    "features.10": (256, 256, 3, 3),
}
_STRIDE_PX, _OFFSET_PX = 16, 15
"""conv1 reaches from 4i - 2 to 4i + 8, so its cells lie at 4i + 3; each pooling, 3 wide without
padding, doubles the stride and takes the middle one of three: 8i + 7, then 16i + 15."""

MIN_SIDE_PX = 63
"""The smallest side of an input that leaves conv5 a cell."""


@dataclass(frozen=True)
class AlexNet:
    """Kernels (out, in, h, w) and biases (out,) of the five convolutions."""

    kernels: tuple[NDArray[np.float32], ...]
    biases: tuple[NDArray[np.float32], ...]

    def conv5(self, image: NDArray[np.float32]) -> Layer:
        """Return the responses of the last convolution, before its ReLU.

        Parameters
        ----------
        image : float32 array (3, h, w)
            RGB, 0..255, at least 63 pixels on each side.
        """
        mean = np.array(TORCHVISION.input_mean, np.float32)
        scale = np.array(TORCHVISION.input_scale, np.float32)
        x = (image - mean[:, None, None]) / scale[:, None, None]
        x = _pooled(np.maximum(_convolved(x, self.kernels[0], self.biases[0], 4, 2), 0))
        x = _pooled(np.maximum(_convolved(x, self.kernels[1], self.biases[1], 1, 2), 0))
        for kernel, bias in zip(self.kernels[2:4], self.biases[2:4], strict=True):
            x = np.maximum(_convolved(x, kernel, bias, 1, 1), 0)
        x = _convolved(x, self.kernels[4], self.biases[4], 1, 1)
        return Layer(x, (image.shape[2], image.shape[1]), _STRIDE_PX, _OFFSET_PX)


def read_alexnet(path: Path) -> AlexNet:
    """Read torchvision's AlexNet from a `.pth` (which needs PyTorch) or safetensors file.

    Raises
    ------
    WeightsError
        If the file is missing, damaged or of another network.
    """
    tensors, _ = read_tensors(path)
    for name, shape in _SHAPES.items():
        found = getattr(tensors.get(f"{name}.weight"), "shape", None)
        if found != shape or getattr(tensors.get(f"{name}.bias"), "shape", None) != shape[:1]:
            raise WeightsError(
                f"{path}: not torchvision's AlexNet ({name}.weight has shape {found}, not {shape});"
                " use alexnet-owt-7be5be79.pth"
            )
    return AlexNet(
        tuple(tensors[f"{name}.weight"].astype(np.float32) for name in _SHAPES),
        tuple(tensors[f"{name}.bias"].astype(np.float32) for name in _SHAPES),
    )


def _convolved(
    x: NDArray[np.float32],
    kernel: NDArray[np.float32],
    bias: NDArray[np.float32],
    stride: int,
    padding: int,
) -> NDArray[np.float32]:
    """Convolve (in, h, w) with (out, in, kh, kw), zero padded: (out, h', w')."""
    padded = np.pad(x, ((0, 0), (padding, padding), (padding, padding)))
    windows = sliding_window_view(padded, kernel.shape[2:], axis=(1, 2))[:, ::stride, ::stride]
    convolved = np.tensordot(kernel, windows, axes=((1, 2, 3), (0, 3, 4)))
    return np.asarray(convolved + bias[:, None, None], dtype=np.float32)


def _pooled(x: NDArray[np.float32]) -> NDArray[np.float32]:
    """Take the largest of each 3 by 3 cells, every second row and column."""
    windows = sliding_window_view(x, (3, 3), axis=(1, 2))[:, ::2, ::2]
    return np.asarray(windows.max(axis=(3, 4)))
