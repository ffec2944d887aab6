"""AlexNet's convolutions (Krizhevsky 2014, the one-tower variant), in NumPy, for DeepGaze I.

No weights are packaged: torchvision's `alexnet-owt-7be5be79.pth`, or the same tensors as
safetensors, serve.
"""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from deepgaze2.errors import ModelError, WeightsError
from deepgaze2.features.weights.importers import TORCHVISION, read_tensors
from deepgaze2.readout.architecture import ALEXNET_TAP
from deepgaze2.readout.grid import ALEXNET_OFFSET_PX
from deepgaze2.rivals.fitted.deepgaze1 import Layer

_SHAPES = {  # by torchvision's names; out, in, height and width
    "features.0": (64, 3, 11, 11),
    "features.3": (192, 64, 5, 5),
    "features.6": (384, 192, 3, 3),
    "features.8": (256, 384, 3, 3),
    "features.10": (256, 256, 3, 3),
}
_STRIDE_PX = 16

MIN_SIDE_PX = 63
"""The smallest side of an input that leaves conv5 a cell."""


@dataclass(frozen=True)
class AlexNet:
    """Kernels (out, in, h, w) and biases (out,) of the five convolutions.

    It is a network and, as in `deepgaze2.features.engines`, what computes its features.
    """

    kernels: tuple[NDArray[np.float32], ...]
    biases: tuple[NDArray[np.float32], ...]
    name: str = "alexnet"
    device: str = "cpu"

    @cached_property
    def checksum(self) -> str:
        """SHA-256 of the tensors, 64 hexadecimal digits."""
        digest = hashlib.sha256()
        for tensor in (*self.kernels, *self.biases):
            digest.update(np.ascontiguousarray(tensor).tobytes())
        return digest.hexdigest()

    def stored_taps(self, taps: tuple[str, ...]) -> tuple[str, ...]:
        """Return the only layer that can be read, `conv5`.

        Raises
        ------
        ModelError
            If another is asked for.
        """
        if other := sorted({*taps} - {ALEXNET_TAP}):
            raise ModelError(f"{other[0]}: of AlexNet, {ALEXNET_TAP} alone can be read")
        return (ALEXNET_TAP,)

    def stored_features(self, image: NDArray[np.float32]) -> tuple[NDArray[np.float32], ...]:
        """See `Engine.stored_features`.

        Raises
        ------
        ModelError
            If a side of the image is too short.
        """
        _, height, width = image.shape
        if min(height, width) < MIN_SIDE_PX:
            raise ModelError(
                f"a network input of {width} by {height} pixels is too small for AlexNet, which"
                f" needs {MIN_SIDE_PX} on each side; leave out images as oblong as this"
            )
        return (np.asarray(self.conv5(image).responses, np.float32),)

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
        return Layer(x, (image.shape[2], image.shape[1]), _STRIDE_PX, ALEXNET_OFFSET_PX)


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
