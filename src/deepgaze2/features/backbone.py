"""The frozen network: what every backbone is, and those whose weights are kept in files.

Whatever convention a published file has, here there is one: the network's input is RGB,
0 to 255, minus `input_mean`; nothing else is done to it.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from deepgaze2.errors import WeightsError
from deepgaze2.features.network import Network, Tap, distinct
from deepgaze2.features.networks import NETWORKS
from deepgaze2.support.files import ASSETS, cache_directory, written_atomically

_PACKAGED = ASSETS / "backbones"

PYTHON = "python:"
"""How names of networks of the user's own begin."""


class Backbone(Protocol):
    """A frozen network from an image to feature maps, read at some of its layers."""

    @property
    def name(self) -> str:
        """The network's name; `find_backbone` finds it by that."""

    @property
    def checksum(self) -> str:
        """SHA-256 of all that decides the features, 64 hexadecimal digits."""

    @property
    def origin(self) -> str:
        """Where the weights come from, for people."""

    @property
    def taps(self) -> tuple[str, ...]:
        """The layers that are read, in the order of the readout's input channels."""

    @property
    def relu_inputs(self) -> Mapping[str, str]:
        """Of each ReLU that may be computed from the layer before it, that layer."""

    @property
    def min_side_px(self) -> int:
        """The smallest side of an input that leaves every tap a cell."""

    def tap(self, name: str) -> Tap:
        """Return what there is to know of a layer; a ModelError says that there is none."""

    def with_taps(self, taps: tuple[str, ...]) -> "Backbone":
        """Return the same weights, read at other layers, whose names are checked."""


def stored_taps(backbone: Backbone, taps: tuple[str, ...] | None = None) -> tuple[str, ...]:
    """Return the distinct tensors behind layers, in order: an engine's features.

    A layer and its own ReLU are one tensor: that before the ReLU.
    """
    read = backbone.with_taps(taps) if taps else backbone
    return distinct(read.taps, read.relu_inputs)


@dataclass(frozen=True)
class StoredBackbone:
    """A described network and its weights; a `Backbone`.

    Attributes
    ----------
    network
        The network they belong to.
    kernels
        By convolution name, (output channels, input channels, h, w), float16 or float32.
        The input channels of the first are R, G, B.
    biases
        By convolution name, (output channels,), float32.
    input_mean
        (3,), float32: R, G and B, 0 to 255, to subtract from the image before the network.
        It is not folded into the first bias, since zero padding stands for the mean color.
    checksum
        SHA-256 of the network's name and the tensors, 64 hexadecimal digits.
    origin
        Where the weights come from, for people.
    """

    network: Network
    kernels: dict[str, NDArray[np.floating]]
    biases: dict[str, NDArray[np.float32]]
    input_mean: NDArray[np.float32]
    checksum: str
    origin: str = ""

    @property
    def name(self) -> str:
        """The network's name."""
        return self.network.name

    @property
    def taps(self) -> tuple[str, ...]:
        """See `Backbone`."""
        return self.network.taps

    @property
    def relu_inputs(self) -> Mapping[str, str]:
        """See `Backbone`."""
        return self.network.relu_inputs

    @property
    def min_side_px(self) -> int:
        """See `Backbone`."""
        return self.network.min_side_px

    def tap(self, name: str) -> Tap:
        """See `Backbone`."""
        return self.network.tap(name)

    def with_taps(self, taps: tuple[str, ...]) -> "StoredBackbone":
        """See `Backbone`.

        Raises
        ------
        ModelError
            If a tap is no layer.
        """
        for tap in taps:
            self.network.tap(tap)
        return replace(self, network=replace(self.network, taps=taps))


def assemble_backbone(
    tensors: dict[str, NDArray[np.floating]], network: Network, source: str
) -> StoredBackbone:
    """Check a network's tensors and compute their checksum.

    Parameters
    ----------
    tensors
        `NAME.weight`, `NAME.bias` for every convolution and `input_mean`, as in `StoredBackbone`.
    network
        The one they must fit.
    source
        What to call them in an error, usually the file's path.

    Raises
    ------
    WeightsError
        If a tensor is missing, too many, misshapen or not finite.
    """
    shapes = {"input_mean": (3,), **network.tensor_shapes}
    if tensors.keys() != shapes.keys():
        name = min(tensors.keys() ^ shapes.keys())
        problem = "lacks" if name in shapes else "has an unexpected"
        raise WeightsError(
            f"{source}: {problem} tensor {name} for {network.name}; get the file again"
        )
    digest = hashlib.sha256(network.name.encode())
    checked = {}
    for name, shape in shapes.items():
        tensor = tensors[name]
        if tensor.shape != shape or tensor.dtype.kind != "f":
            raise WeightsError(
                f"{source}: {name} is {tensor.dtype} {tensor.shape}, "
                f"but {network.name} needs floats {shape}"
            )
        keeps_half = name.endswith(".weight") and tensor.dtype == np.float16
        tensor = np.ascontiguousarray(tensor, dtype="<f2" if keeps_half else "<f4")
        if not np.isfinite(tensor).all():
            raise WeightsError(f"{source}: {name} holds NaN or infinity; get the file again")
        digest.update(tensor.tobytes())
        checked[name] = tensor
    names = [node.name for node in network.convolutions()]
    return StoredBackbone(
        network=network,
        kernels={name: checked[f"{name}.weight"] for name in names},
        biases={name: checked[f"{name}.bias"] for name in names},
        input_mean=checked["input_mean"],
        checksum=digest.hexdigest(),
    )


def read_backbone(path: Path, networks: Iterable[Network] = NETWORKS.values()) -> StoredBackbone:
    """Read and verify a file written by `write_backbone`.

    Parameters
    ----------
    path
        The safetensors file.
    networks
        The networks it may hold.

    Raises
    ------
    WeightsError
        If the file is missing, damaged (the stored checksum tells) or of another layout.
    """
    try:
        with safe_open(path, framework="numpy") as stored:
            metadata = stored.metadata() or {}
            tensors = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118
    except FileNotFoundError as error:
        raise WeightsError(f"{path}: no such weights file") from error
    except OSError as error:
        raise WeightsError(f"{path}: cannot be read ({error.strerror or error})") from error
    except (SafetensorError, TypeError, AttributeError) as error:
        raise WeightsError(f"{path}: damaged or not safetensors; get the file again") from error
    try:
        about = json.loads(metadata["backbone"])
        name, checksum, origin = (str(about[key]) for key in ("network", "checksum", "origin"))
    except (KeyError, TypeError, ValueError) as error:
        raise WeightsError(
            f"{path}: not a backbone of this program; convert it with `deepgaze2 weights import`"
        ) from error
    network = next((network for network in networks if network.name == name), None)
    if network is None:
        raise WeightsError(f"{path}: holds the network {name}, which is not known here")
    backbone = assemble_backbone(tensors, network, str(path))
    if backbone.checksum != checksum:
        raise WeightsError(f"{path}: damaged (its checksum does not fit); get the file again")
    return replace(backbone, origin=origin)


def write_backbone(backbone: StoredBackbone, path: Path) -> StoredBackbone:
    """Write float16 kernels and float32 biases; return the backbone as it was written.

    Raises
    ------
    WeightsError
        If a kernel does not fit into float16.
    OutputError
        If the file cannot be written.
    """
    tensors: dict[str, NDArray[np.floating]] = {"input_mean": backbone.input_mean}
    with np.errstate(over="ignore"):  # an overflow is infinite, which is refused next
        for name, kernel in backbone.kernels.items():
            tensors[f"{name}.weight"] = kernel.astype(np.float16)
            tensors[f"{name}.bias"] = backbone.biases[name]
    rounded = assemble_backbone(tensors, backbone.network, f"{path} in float16")
    about = {
        "network": rounded.name,
        "checksum": rounded.checksum,
        "origin": backbone.origin,
    }
    # One entry: safetensors writes several in random order, and equal files should be equal.
    metadata = {"backbone": json.dumps(about)}
    with written_atomically(path) as temporary:
        temporary.write_bytes(save(tensors, metadata))
    return replace(rounded, origin=backbone.origin)


def cached_backbone_path(name: str) -> Path:
    """Return where the user's own copy of a network's backbone is or would be."""
    return cache_directory() / "backbones" / f"{name}.safetensors"


def stored_backbone_paths(name: str) -> list[Path]:
    """Return the files there are of a network: the packaged one, then the user's own."""
    candidates = (_PACKAGED / f"{name}.safetensors", cached_backbone_path(name))
    return [path for path in candidates if path.is_file()]


def find_backbone(name_or_path: str | Path = "vgg16") -> Backbone:
    """Open a backbone by its network's name (packaged or in the cache) or by its path.

    `python:module.function` is a network of the user's own, see `python_backbone`.

    Raises
    ------
    WeightsError
        If there is none, or it is damaged.
    """
    name = str(name_or_path)
    if name.startswith(PYTHON):
        from deepgaze2.features.python_backbone import python_backbone

        return python_backbone(name)
    return find_stored_backbone(name_or_path)


def find_stored_backbone(name_or_path: str | Path) -> StoredBackbone:
    """Read a backbone by its network's name or by its path; see `find_backbone`."""
    name = str(name_or_path)
    if name not in NETWORKS:
        return read_backbone(Path(name_or_path))
    if paths := stored_backbone_paths(name):
        return read_backbone(paths[0])
    raise WeightsError(
        f"{name}: its weights are not here; `deepgaze2 weights list` says how to get them, or,"
        " offline, run `deepgaze2 weights import FILE` with a file from another machine"
    )
