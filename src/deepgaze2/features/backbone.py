"""The frozen VGG weights: read, checked, found and written.

Whatever convention a published file has, here there is one: the network's input is RGB,
0 to 255, minus `input_mean`; nothing else is done to it.
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from deepgaze2.errors import ModelError, WeightsError
from deepgaze2.features.vgg import NETWORKS, Vgg
from deepgaze2.support.files import ASSETS, cache_directory, written_atomically

_PACKAGED = ASSETS / "backbones"


@dataclass(frozen=True)
class Backbone:
    """The weights of a VGG's convolutions.

    Attributes
    ----------
    vgg
        The network they belong to.
    kernels
        By convolution name, (output channels, input channels, 3, 3), float16 or float32.
        The input channels of `conv1_1` are R, G, B.
    biases
        By convolution name, (output channels,), float32.
    input_mean
        (3,), float32: R, G and B, 0 to 255, to subtract from the image before `conv1_1`.
        It is not folded into `conv1_1`'s bias, since zero padding stands for the mean color.
    checksum
        SHA-256 of the network's name and the tensors, 64 hexadecimal digits.
    origin
        Where the weights come from, for people.
    """

    vgg: Vgg
    kernels: dict[str, NDArray[np.floating]]
    biases: dict[str, NDArray[np.float32]]
    input_mean: NDArray[np.float32]
    checksum: str
    origin: str = ""

    @property
    def name(self) -> str:
        """The network's name."""
        return self.vgg.name

    def stored_taps(self, taps: tuple[str, ...]) -> tuple[str, ...]:
        """Return the distinct tensors behind layers; see `with_taps` and `Vgg.stored_taps`."""
        return self.with_taps(taps).vgg.stored_taps()

    def with_taps(self, taps: tuple[str, ...]) -> "Backbone":
        """Return the same weights, read at other layers, whose names are checked.

        Raises
        ------
        ModelError
            If a tap is no layer of the second block or a later one.
        """
        layers = [name[4:] for name in self.vgg.conv_names() if not name.startswith("conv1_")]
        known = {f"{kind}{layer}" for kind in ("conv", "relu") for layer in layers}
        if unknown := [tap for tap in taps if tap not in known]:
            raise ModelError(
                f"{unknown[0]}: {self.vgg.name} has no such layer to read features from; give"
                f" convB_L or reluB_L, B_L one of {', '.join(layers)}"
            )
        return replace(self, vgg=replace(self.vgg, taps=taps))


def assemble_backbone(tensors: dict[str, NDArray[np.floating]], vgg: Vgg, source: str) -> Backbone:
    """Check a network's tensors and compute their checksum.

    Parameters
    ----------
    tensors
        `convB_L.weight`, `convB_L.bias` for every convolution and `input_mean`, as in `Backbone`.
    vgg
        The network they must fit.
    source
        What to call them in an error, usually the file's path.

    Raises
    ------
    WeightsError
        If a tensor is missing, too many, misshapen or not finite.
    """
    shapes = _tensor_shapes(vgg)
    if tensors.keys() != shapes.keys():
        name = min(tensors.keys() ^ shapes.keys())
        problem = "lacks" if name in shapes else "has an unexpected"
        raise WeightsError(f"{source}: {problem} tensor {name} for {vgg.name}; get the file again")
    digest = hashlib.sha256(vgg.name.encode())
    checked = {}
    for name, shape in shapes.items():
        tensor = tensors[name]
        if tensor.shape != shape or tensor.dtype.kind != "f":
            raise WeightsError(
                f"{source}: {name} is {tensor.dtype} {tensor.shape}, "
                f"but {vgg.name} needs floats {shape}"
            )
        keeps_half = name.endswith(".weight") and tensor.dtype == np.float16
        tensor = np.ascontiguousarray(tensor, dtype="<f2" if keeps_half else "<f4")
        if not np.isfinite(tensor).all():
            raise WeightsError(f"{source}: {name} holds NaN or infinity; get the file again")
        digest.update(tensor.tobytes())
        checked[name] = tensor
    return Backbone(
        vgg=vgg,
        kernels={name: checked[f"{name}.weight"] for name in vgg.conv_names()},
        biases={name: checked[f"{name}.bias"] for name in vgg.conv_names()},
        input_mean=checked["input_mean"],
        checksum=digest.hexdigest(),
    )


def _tensor_shapes(vgg: Vgg) -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {"input_mean": (3,)}
    for name, (out_channels, in_channels) in vgg.conv_shapes().items():
        shapes[f"{name}.weight"] = (out_channels, in_channels, 3, 3)
        shapes[f"{name}.bias"] = (out_channels,)
    return shapes


def read_backbone(path: Path, networks: Iterable[Vgg] = NETWORKS.values()) -> Backbone:
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
    vgg = next((vgg for vgg in networks if vgg.name == name), None)
    if vgg is None:
        raise WeightsError(f"{path}: holds the network {name}, which is not known here")
    backbone = assemble_backbone(tensors, vgg, str(path))
    if backbone.checksum != checksum:
        raise WeightsError(f"{path}: damaged (its checksum does not fit); get the file again")
    return replace(backbone, origin=origin)


def write_backbone(backbone: Backbone, path: Path) -> Backbone:
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
        for name in backbone.vgg.conv_names():
            tensors[f"{name}.weight"] = backbone.kernels[name].astype(np.float16)
            tensors[f"{name}.bias"] = backbone.biases[name]
    rounded = assemble_backbone(tensors, backbone.vgg, f"{path} in float16")
    about = {
        "network": rounded.vgg.name,
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
    """Read a backbone by its network's name (packaged or in the cache) or by its path.

    Raises
    ------
    WeightsError
        If there is none, or it is damaged.
    """
    name = str(name_or_path)
    if name not in NETWORKS:
        return read_backbone(Path(name_or_path))
    if paths := stored_backbone_paths(name):
        return read_backbone(paths[0])
    raise WeightsError(
        f"{name}: its weights are not here; run `deepgaze2 weights fetch {name}`, or, offline, "
        f"`deepgaze2 weights import FILE` with a Keras or torchvision file from another machine"
    )
