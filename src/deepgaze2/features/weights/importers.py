"""Weights in the layouts that people have, brought to the convention of `backbone.py`.

The layout is told from the file's content, never from its name, and no code in a file is run.
"""

import pickle
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file

from deepgaze2.errors import WeightsError
from deepgaze2.features.backbone import StoredBackbone, assemble_backbone, read_backbone
from deepgaze2.features.network import Convolution, Network
from deepgaze2.features.networks import NETWORKS

_HDF5_START = b"\x89HDF\r\n\x1a\n"
_TORCH_STARTS = (b"PK\x03\x04", b"\x80\x02")  # zip since 2020, bare pickles before
_HEAD = re.compile(r"(classifier|pre_logits|head|fc\d)\.")  # layers of the classifier, not used
_KERAS_LAYER = re.compile(r"block(\d+)_conv(\d+)")

Tensors = dict[str, NDArray[np.floating]]


@dataclass(frozen=True)
class Convention:
    """What a source does to an RGB image of 0 to 255 before its first convolution."""

    name: str
    input_mean: tuple[float, ...]  # R, G, B, subtracted
    input_scale: tuple[float, ...]  # R, G, B, divided by afterwards
    channels: slice  # of its kernel, to bring them to the order R, G, B


# The Visual Geometry Group's own preprocessing, which Keras kept.
_CAFFE = Convention("Caffe", (123.68, 116.779, 103.939), (1, 1, 1), slice(None, None, -1))
_KERAS = replace(_CAFFE, name="Keras")
IMAGENET_MEAN, IMAGENET_DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # R, G, B of 1
TORCHVISION = Convention(
    "torchvision",
    tuple(255 * value for value in IMAGENET_MEAN),
    tuple(255 * value for value in IMAGENET_DEVIATION),
    slice(None),
)


def import_weights(path: Path, networks: Iterable[Network] = NETWORKS.values()) -> StoredBackbone:
    """Read a network's convolutions from a file of any known layout.

    Known are safetensors with the Caffe convention (`conv1_1.weight`, ...; input BGR, 0 to 255,
    minus the mean color) or torchvision's (`features.0.weight`, ...; RGB, 0 to 1, standardized),
    torchvision's `.pth` files (which need PyTorch), Keras' HDF5 files (`block1_conv1`, ...;
    with or without the classifier), and files of `deepgaze2.features.backbone.write_backbone`.

    Parameters
    ----------
    path
        The file.
    networks
        The networks it may hold; the layers in the file decide.

    Returns
    -------
    StoredBackbone
        In the file's precision, with the file's name and layout as its origin.

    Raises
    ------
    WeightsError
        If the file is missing, damaged, of another layout or network, or holds code.
    """
    tensors, convention = read_tensors(path)
    if convention is None:
        return read_backbone(path, networks)
    network, tensors = min(
        ((network, _renamed(tensors, network, convention)) for network in networks),
        key=lambda pair: len(pair[1].keys() ^ pair[0].tensor_shapes.keys()),
    )
    tensors["input_mean"] = np.array(convention.input_mean, np.float32)
    first = network.convolutions()[0].name
    kernel = assemble_backbone(tensors, network, str(path)).kernels[first]
    scale = np.array(convention.input_scale)[:, np.newaxis, np.newaxis]
    # Exact, borders included: padding stands for the mean color before and after.
    tensors[f"{first}.weight"] = (kernel[:, convention.channels] / scale).astype(np.float32)
    backbone = assemble_backbone(tensors, network, str(path))
    return replace(backbone, origin=f"{path.name} ({convention.name} layout)")


def _renamed(tensors: Tensors, network: Network, convention: Convention) -> Tensors:
    """Name a network's tensors as here; leave the others' names."""
    if convention is not TORCHVISION:
        return dict(tensors)
    names = {  # torchvision counts convolutions, ReLUs and poolings alike
        f"features.{number}": node.name
        for number, node in enumerate(network.nodes)
        if isinstance(node.operation, Convolution)
    }
    renamed = {}
    for name, tensor in tensors.items():
        layer_name, _, part = name.rpartition(".")
        renamed[f"{names.get(layer_name, layer_name)}.{part}"] = tensor
    return renamed


def read_tensors(path: Path) -> tuple[Tensors, Convention | None]:
    """Read a weights file's tensors, without those of a classifier.

    Returns
    -------
    tensors : dict of array
        As they are named in the file.
    convention : Convention or None
        What the network wants as its input; None means that it is a backbone of this program.

    Raises
    ------
    WeightsError
        If the file is missing, damaged, or holds code.
    """
    try:
        with path.open("rb") as stream:
            start = stream.read(8)
    except FileNotFoundError as error:
        raise WeightsError(f"{path}: no such weights file") from error
    except OSError as error:
        raise WeightsError(f"{path}: cannot be read ({error.strerror})") from error
    if start == _HDF5_START:
        return _read_keras(path), _KERAS
    tensors = _read_torch(path) if start.startswith(_TORCH_STARTS) else _read_safetensors(path)
    if "input_mean" in tensors:
        return tensors, None
    _refuse_other_scale(tensors, path)
    tensors = {name: tensor for name, tensor in tensors.items() if not _HEAD.match(name)}
    is_torchvision = any(name.startswith("features.") for name in tensors)
    return tensors, TORCHVISION if is_torchvision else _CAFFE


def _refuse_other_scale(tensors: Tensors, path: Path) -> None:
    """Refuse torchvision's `vgg16_features` file: same names, but an input of 0 to 255."""
    bias = tensors.get("classifier.0.bias")
    if bias is not None and np.isnan(bias).any():
        raise WeightsError(
            f"{path}: its classifier is NaN, so its input scale is not torchvision's usual one; "
            "use vgg16-397923af.pth or vgg19-dcbb9e9d.pth"
        )


def _read_safetensors(path: Path) -> Tensors:
    try:
        return load_file(path)
    except (OSError, SafetensorError, TypeError, KeyError) as error:
        raise WeightsError(
            f"{path}: damaged, or none of safetensors, .pth and Keras HDF5; get the file again"
        ) from error


def require_torch(what: str) -> None:
    """Raise a WeightsError if PyTorch, which alone reads `.pth` files, is not installed."""
    try:
        import torch  # noqa: F401
    except ImportError as error:
        raise WeightsError(
            f"{what}: reading it needs PyTorch; run `pip install 'deepgaze2[train]'`, "
            "or use the Keras file"
        ) from error


def _read_torch(path: Path) -> Tensors:
    require_torch(str(path))
    import torch

    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise WeightsError(
            f"{path}: damaged, or holds code beside tensors, which is never run; "
            "get the file from torchvision"
        ) from error
    except Exception as error:  # a damaged pickle can fail in any way
        raise WeightsError(f"{path}: damaged; get the file again") from error
    if not isinstance(state, Mapping) or not all(
        isinstance(name, str) and isinstance(tensor, torch.Tensor) for name, tensor in state.items()
    ):
        raise WeightsError(f"{path}: no state dict (tensors by name); save model.state_dict()")
    return {name: tensor.float().numpy() for name, tensor in state.items()}


def _read_keras(path: Path) -> Tensors:
    """Read every array below a group named `blockB_convL`, however deep Keras put it."""
    import h5py

    tensors: Tensors = {}

    def visit(location: str, item: object) -> None:
        match = _KERAS_LAYER.search(location)
        if not isinstance(item, h5py.Dataset) or not match or "optimizer" in location:
            return
        part = {4: "weight", 1: "bias"}.get(item.ndim, location)
        name = f"conv{match[1]}_{match[2]}.{part}"
        if name in tensors:
            raise WeightsError(f"{path}: holds {match[0]} more than once; use a `notop` file")
        # Keras stores (height, width, input, output).
        tensors[name] = item[()].transpose(3, 2, 0, 1) if part == "weight" else item[()]

    try:
        with h5py.File(path, "r") as file:
            file.visititems(visit)
    except WeightsError:
        raise
    except Exception as error:  # likewise
        raise WeightsError(f"{path}: damaged HDF5; get the file again") from error
    return tensors
