"""What can stand between a readout's layers: each nonlinearity in NumPy and in PyTorch.

A new one is a new entry of `ACTIVATIONS`; nothing else in the package knows their names.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

FloatArray: TypeAlias = NDArray[np.float32]


@dataclass(frozen=True)
class Activation:
    """A nonlinearity f, applied to each number by itself.

    Attributes
    ----------
    numpy, torch
        f(x), for prediction and, differentiable, for training; the same numbers.
    less_bias
        A shortcut for prediction, where there is one: takes x, a bias and an array, which it
        fills with f(x + bias) - bias. The next layer's bias makes up for what is missing.
    """

    numpy: Callable[[FloatArray], FloatArray]
    torch: "Callable[[Tensor], Tensor]"
    less_bias: Callable[[FloatArray, FloatArray, FloatArray], object] | None = None


def _numpy_relu(x: FloatArray) -> FloatArray:
    return np.maximum(x, 0)


def _torch_relu(x: "Tensor") -> "Tensor":
    import torch

    return torch.relu(x)


def _relu_less_bias(x: FloatArray, bias: FloatArray, out: FloatArray) -> None:
    np.maximum(x, -bias, out=out)  # saves a pass over the activations


def _numpy_softplus(x: FloatArray) -> FloatArray:
    return np.asarray(np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x))))


def _torch_softplus(x: "Tensor") -> "Tensor":
    import torch

    return torch.nn.functional.softplus(x)


ACTIVATIONS = {
    "relu": Activation(_numpy_relu, _torch_relu, _relu_less_bias),
    "softplus": Activation(_numpy_softplus, _torch_softplus),
}
"""The activations by the names that architectures and model cards give them."""
