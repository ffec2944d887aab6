"""Batch normalization as part of the convolution before it."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from deepgaze2.errors import WeightsError
from deepgaze2.features.weights.source import Source, Tensors

_PARTS = ("gamma", "beta", "mean", "variance")


def folded(source: Source, path: Path) -> Tensors:
    """Return the tensors without batch normalizations, which became kernels and biases.

    What is folded is float64; other tensors stay as they are.

    Raises
    ------
    WeightsError
        If a batch normalization is incomplete, misshapen, not finite or of no positive variance.
    """
    tensors = dict(source.tensors)
    suffixes = tuple(f".{part}" for part in _PARTS)
    for name in sorted({key.rpartition(".")[0] for key in tensors if key.endswith(suffixes)}):
        parts = {part: tensors.pop(f"{name}.{part}", None) for part in ("weight", "bias", *_PARTS)}
        kernel, bias = _folded(parts, source.epsilons[name], f"{path}: {name}")
        tensors[f"{name}.weight"], tensors[f"{name}.bias"] = kernel, bias
    return tensors


def _folded(
    parts: Mapping[str, NDArray[np.floating] | None], epsilon: float, what: str
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    found = {}
    for part, array in parts.items():
        if array is not None:
            if array.dtype.kind != "f":
                raise WeightsError(f"{what}: its {part} is {array.dtype}; get it in floats")
            found[part] = array.astype(np.float64)
    kernel = found.get("weight")
    if kernel is None or kernel.ndim != 4:
        raise WeightsError(f"{what} has a batch normalization, but no kernel; get the file again")
    found.setdefault("bias", np.zeros(len(kernel)))
    if missing := parts.keys() - found.keys():
        raise WeightsError(
            f"{what} has a batch normalization without its {min(missing)}; get the file again"
        )
    for part, array in found.items():
        if part != "weight" and array.shape != kernel.shape[:1]:
            raise WeightsError(
                f"{what} has {len(kernel)} channels, but its {part} is {array.shape}; "
                "get the file again"
            )
        if not np.isfinite(array).all():
            raise WeightsError(f"{what}: its {part} holds NaN or infinity; get the file again")
    variance = found["variance"] + epsilon
    if not (variance > 0).all():
        raise WeightsError(f"{what}: its variance is not positive; get the file again")
    scale = found["gamma"] / np.sqrt(variance)
    bias = found["beta"] + (found["bias"] - found["mean"]) * scale
    return kernel * scale[:, np.newaxis, np.newaxis, np.newaxis], bias
