"""Weights in the layouts that people have, brought to the convention of `backbone.py`.

The layout is told from the file's content, never from its name, and no code in a file is run.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from deepgaze2.errors import WeightsError
from deepgaze2.features.backbone import StoredBackbone, assemble_backbone, read_backbone
from deepgaze2.features.network import Convolution, Network
from deepgaze2.features.networks import NETWORKS
from deepgaze2.features.weights.batch_norm import folded
from deepgaze2.features.weights.keras import read_keras
from deepgaze2.features.weights.source import Source, Tensors
from deepgaze2.features.weights.tfjs import read_tfjs
from deepgaze2.features.weights.torch_files import (
    read_safetensors,
    read_torch,
    require_torch,
    state_dict_source,
)

__all__ = [
    "CONVENTIONS",
    "IMAGENET_DEVIATION",
    "IMAGENET_MEAN",
    "TORCHVISION",
    "Convention",
    "import_weights",
    "read_source",
    "require_torch",
]

_HDF5_START = b"\x89HDF\r\n\x1a\n"
_TORCH_STARTS = (b"PK\x03\x04", b"\x80\x02")  # zip since 2020, bare pickles before


@dataclass(frozen=True)
class Convention:
    """What a source does to an RGB image of 0 to 255 before its first convolution."""

    input_mean: tuple[float, ...]  # R, G, B, subtracted
    input_scale: tuple[float, ...]  # R, G, B, divided by afterwards
    channels: slice  # of its kernel, to bring them to the order R, G, B


# The Visual Geometry Group's own preprocessing, which ResNet's authors and Keras kept.
CAFFE = Convention((123.68, 116.779, 103.939), (1, 1, 1), slice(None, None, -1))
IMAGENET_MEAN, IMAGENET_DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # R, G, B of 1
TORCHVISION = Convention(
    tuple(255 * value for value in IMAGENET_MEAN),
    tuple(255 * value for value in IMAGENET_DEVIATION),
    slice(None),
)
CONVENTIONS = {
    "Caffe": CAFFE,
    "Keras": CAFFE,
    "TensorFlow.js": CAFFE,
    "torchvision": TORCHVISION,
}


def import_weights(path: Path, networks: Iterable[Network] = NETWORKS.values()) -> StoredBackbone:
    """Read a network's convolutions from a file of any known layout.

    Known are

    - safetensors of a VGG with the Caffe convention (`conv1_1.weight`, ...; input BGR, 0 to 255,
      minus the mean color);
    - state dicts with torchvision's names (`features.0.weight`, `layer1.0.conv1.weight`, ...;
      RGB, 0 to 1, standardized), as safetensors or `.pth`, which needs PyTorch. Caffe's ResNets
      go under the same names: one that is stated to have its strides where Caffe has them
      (`networks`) is taken to have Caffe's input, too;
    - Keras' HDF5 files of a VGG or ResNet, and layers models of TensorFlow.js, with or without
      the classifier (input as Caffe's);
    - files of `deepgaze2.features.backbone.write_backbone`.

    Batch normalization becomes part of the convolutions.

    Parameters
    ----------
    path
        The file; of a TensorFlow.js model, `model.json` or its folder.
    networks
        The networks it may hold; the layers in the file decide.

    Returns
    -------
    StoredBackbone
        In float32, or the file's float16, with the file's name and layout as its origin.

    Raises
    ------
    WeightsError
        If the file is missing, damaged, of another layout or network, or holds code, or if it
        may be either of two of the networks.
    """
    path = path / "model.json" if path.is_dir() else path
    source = read_source(path)
    if not source.layout:
        return read_backbone(path, networks)
    network, tensors = _fitting(replace(source, tensors=folded(source, path)), networks, path)
    layout = _layout(source, network)
    convention = CONVENTIONS[layout]
    tensors["input_mean"] = np.array(convention.input_mean, np.float32)
    assemble_backbone(tensors, network, str(path))  # which checks them
    first = f"{network.convolutions()[0].name}.weight"
    scale = np.array(convention.input_scale)[:, np.newaxis, np.newaxis]
    # Exact, borders included: padding stands for the mean color before and after.
    tensors[first] = (tensors[first][:, convention.channels] / scale).astype(np.float32)
    backbone = assemble_backbone(tensors, network, str(path))
    return replace(backbone, origin=f"{path.name} ({layout} layout)")


def _layout(source: Source, network: Network) -> str:
    """Return whose input it has: a ResNet that halves as Caffe's do is one of Caffe's."""
    first = network.node.get("conv3_1_1")
    is_caffes = first and isinstance(first.operation, Convolution) and first.operation.stride == 2
    return "Caffe" if source.layout == "torchvision" and is_caffes else source.layout


def _fitting(source: Source, networks: Iterable[Network], path: Path) -> tuple[Network, Tensors]:
    """Return the network whose layers a file has, and its tensors by their names here.

    Raises
    ------
    WeightsError
        If several fit alike, or its strides are other ones.
    """
    candidates = []
    for network in networks:
        tensors = _numbers_named(source.tensors, network)
        shapes = network.tensor_shapes
        others = len(tensors.keys() ^ shapes.keys())
        misshapen = sum(name in tensors and tensors[name].shape != shapes[name] for name in shapes)
        strides = _other_strides(source.strides, network)
        candidates.append(((others, misshapen, len(strides)), network, tensors))
    (*unlike, n_strides), network, tensors = min(candidates, key=lambda candidate: candidate[0])
    if any(unlike):
        return network, tensors  # in which `assemble_backbone` names the fault
    if n_strides:
        layer = min(_other_strides(source.strides, network))
        raise WeightsError(
            f"{path}: its {layer} has a stride of {source.strides[layer]}, other than that of"
            f" {network.name}"
        )
    alike = [other.name for distance, other, _ in candidates if not any(distance)]
    if len(alike) > 1:
        raise WeightsError(
            f"{path}: does not tell whether it is {' or '.join(alike)}, which differ in their"
            " strides alone; say it with --network"
        )
    return network, tensors


def _other_strides(strides: Mapping[str, int], network: Network) -> list[str]:
    steps = {node.name: node.operation for node in network.convolutions()}
    return [
        name
        for name, stride in strides.items()
        if isinstance(step := steps.get(name), Convolution) and step.stride != stride
    ]


def _numbers_named(tensors: Tensors, network: Network) -> Tensors:
    """Name a network's tensors as here, where torchvision numbers them; leave others' names."""
    names = {  # it counts convolutions, ReLUs and poolings alike
        f"features.{number}": node.name
        for number, node in enumerate(network.nodes)
        if isinstance(node.operation, Convolution)
    }
    renamed = {}
    for name, tensor in tensors.items():
        layer_name, _, part = name.rpartition(".")
        renamed[f"{names.get(layer_name, layer_name)}.{part}"] = tensor
    return renamed


def read_source(path: Path) -> Source:
    """Read a weights file, without its classifier.

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
        return read_keras(path)
    if start.lstrip().startswith(b"{") and b"\0" not in start:  # safetensors begin with a number
        return read_tfjs(path)
    tensors = read_torch(path) if start.startswith(_TORCH_STARTS) else read_safetensors(path)
    return Source("", tensors) if "input_mean" in tensors else state_dict_source(tensors, path)
