"""ResNets of bottlenecks in plain PyTorch, with batch normalizations, and files as others write."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import save_file
from torch import Tensor, nn

Tensors = dict[str, NDArray[Any]]

CHANNELS = (64, (64, 128, 256, 512), (256, 512, 1024, 2048))
NARROW_CHANNELS = (3, (3, 3, 4, 8), (4, 8, 16, 32))
"""The stem's; of each stage, those inside its blocks and those between (`narrowed` leaves them)."""

SIDE_1X1, SIDE_3X3 = "1x1", "3x3"


class Bottleneck(nn.Module):
    def __init__(self, inputs: int, width: int, wide: int, stride: int, halves_in: str) -> None:
        super().__init__()
        first, second = (stride, 1) if halves_in == SIDE_1X1 else (1, stride)
        self.conv1 = nn.Conv2d(inputs, width, 1, first, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, second, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, wide, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(wide)

    def forward(self, x: Tensor) -> Tensor:
        y = torch.relu(self.bn1(self.conv1(x)))
        y = torch.relu(self.bn2(self.conv2(y)))
        shortcut = getattr(self, "downsample", nn.Identity())(x)
        return torch.relu(self.bn3(self.conv3(y)) + shortcut)


def resnet_module(
    halves_in: str, channels: Any = NARROW_CHANNELS, blocks: tuple[int, ...] = (3, 4, 6, 3)
) -> nn.Sequential:
    """A network without its classifier, its modules named as torchvision names them."""
    stem, widths, wides = channels
    network = nn.Sequential()
    network.add_module("conv1", nn.Conv2d(3, stem, 7, 2, 3, bias=False))
    network.add_module("bn1", nn.BatchNorm2d(stem))
    network.add_module("relu", nn.ReLU())
    network.add_module("maxpool", nn.MaxPool2d(3, 2, 1))
    inputs = stem
    for stage, (width, wide, n_blocks) in enumerate(zip(widths, wides, blocks, strict=True), 1):
        layer = nn.Sequential()
        for block in range(n_blocks):
            stride = 2 if stage > 1 and block == 0 else 1
            bottleneck = Bottleneck(inputs, width, wide, stride, halves_in)
            if block == 0:
                projection = nn.Conv2d(inputs, wide, 1, stride, bias=False)
                bottleneck.downsample = nn.Sequential(projection, nn.BatchNorm2d(wide))
            layer.add_module(str(block), bottleneck)
            inputs = wide
        network.add_module(f"layer{stage}", layer)
    return network.eval()


def random_state(module: nn.Module, seed: int = 0) -> Tensors:
    """Float32 tensors for a network, by torchvision's names, that keep the activations' size."""
    rng = np.random.default_rng(seed)
    state: Tensors = {}
    for name, tensor in module.state_dict().items():
        shape = tuple(tensor.shape)
        if name.endswith("num_batches_tracked"):
            state[name] = np.array(7)
        elif len(shape) == 4:
            state[name] = rng.normal(0, (2 / np.prod(shape[1:])) ** 0.5, shape)
        elif name.endswith(("running_var", "weight")):
            state[name] = rng.uniform(0.5, 1.5, shape) * (0.4 if "bn3.weight" in name else 1)
        else:
            state[name] = rng.normal(0, 0.2, shape)
    return {n: a if a.dtype.kind == "i" else a.astype(np.float32) for n, a in state.items()}


def load(module: nn.Module, state: Tensors, epsilon: float = 1e-5) -> nn.Module:
    """Put tensors into a network and make it float64."""
    module.load_state_dict({name: torch.from_numpy(np.array(a)) for name, a in state.items()})
    for layer in module.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.eps = epsilon
    return module.double()


def module_of(layer: str) -> str:
    """Whose output a layer's is: `conv4_6_2` is a batch normalization's, `block4_6` a block's."""
    kind, place = (layer[:5], layer[5:]) if layer.startswith("block") else (layer[:4], layer[4:])
    stage, block, *number = place.split("_")
    name = f"layer{int(stage) - 1}.{int(block) - 1}"
    return f"{name}.bn{number[0]}" if kind == "conv" else name


def outputs(module: nn.Module, x: NDArray[Any], layers: tuple[str, ...]) -> list[NDArray[Any]]:
    """What a network gives at some layers for one (3, h, w) input."""
    found: dict[str, NDArray[Any]] = {}

    def keeping(layer: str) -> Callable[..., None]:
        def hook(module: nn.Module, inputs: Any, output: Tensor) -> None:
            found[layer] = output[0].numpy().copy()

        return hook

    hooks = [
        module.get_submodule(module_of(layer)).register_forward_hook(keeping(layer))
        for layer in layers
    ]
    with torch.no_grad():
        module(torch.from_numpy(x)[None].double())
    for hook in hooks:
        hook.remove()
    return [found[layer] for layer in layers]


def write_safetensors(path: Path, state: Tensors) -> Path:
    save_file({"fc.weight": np.zeros((5, 2), np.float32), **state}, path)
    return path


def write_pth(path: Path, state: Tensors) -> Path:
    torch.save({name: torch.from_numpy(np.array(a)) for name, a in state.items()}, path)
    return path


_NORM_PARTS = ("weight", "bias", "running_mean", "running_var")
KERAS_PARTS = ("gamma", "beta", "moving_mean", "moving_variance")


def keras_name(module: str, *, old: bool) -> str:
    """How Keras calls one of torchvision's modules, in its first or its later ResNets."""
    if module in ("conv1", "bn1"):
        return {"conv1": "conv1", "bn1": "bn_conv1"}[module] if old else f"conv1_{module[:-1]}"[:10]
    stage, block, layer, *step = module.split(".")
    number = 0 if layer == "downsample" else int(layer[-1])
    kind = ("conv", "bn")[int(step[0])] if step else layer[:-1]
    place = int(stage[-1]) + 1, int(block)
    if old:
        branch = ("1", "2a", "2b", "2c")[number]
        return f"{'res' if kind == 'conv' else 'bn'}{place[0]}{chr(97 + place[1])}_branch{branch}"
    return f"conv{place[0]}_block{place[1] + 1}_{number}_{kind}"


def keras_arrays(state: Tensors, *, old: bool = True) -> dict[str, Tensors]:
    """By Keras layer, its arrays by Keras' names; convolutions get a bias, as Keras' have."""
    arrays: dict[str, Tensors] = {}
    for name, array in state.items():
        module, _, part = name.rpartition(".")
        layer = keras_name(module, old=old)
        if array.ndim == 4:
            kernel = np.ascontiguousarray(array.transpose(2, 3, 1, 0))
            bias = np.random.default_rng(len(arrays)).normal(0, 0.2, len(array))
            arrays[layer] = {"kernel": kernel, "bias": bias.astype(np.float32)}
        elif part in _NORM_PARTS:
            arrays.setdefault(layer, {})[KERAS_PARTS[_NORM_PARTS.index(part)]] = array
    return arrays


def with_keras_biases(module: nn.Module, arrays: dict[str, Tensors], *, old: bool) -> None:
    """Give a network's convolutions the biases of `keras_arrays`."""
    for name, layer in module.named_modules():
        if isinstance(layer, nn.Conv2d):
            bias = torch.from_numpy(arrays[keras_name(name, old=old)]["bias"]).double()
            layer.bias = nn.Parameter(bias)


def keras_config(module: nn.Module, epsilon: float, *, old: bool) -> dict[str, Any]:
    """A model's configuration as Keras writes it, as far as it matters."""
    layers: list[dict[str, Any]] = [{"class_name": "InputLayer", "config": {"name": "input_1"}}]
    for name, layer in module.named_modules():
        config: dict[str, Any]
        if isinstance(layer, nn.Conv2d):
            config = {"strides": list(layer.stride), "kernel_size": list(layer.kernel_size)}
            padding = "same" if layer.kernel_size == (3, 3) and layer.stride == (1, 1) else "valid"
            config |= {"padding": padding, "dilation_rate": [1, 1]}
        elif isinstance(layer, nn.BatchNorm2d):
            config = {"epsilon": epsilon}
        else:
            continue
        config["name"] = keras_name(name, old=old)
        kind = "Conv2D" if isinstance(layer, nn.Conv2d) else "BatchNormalization"
        layers.append({"class_name": kind, "config": config})
    return {"class_name": "Model", "config": {"name": "resnet50", "layers": layers}}


def write_keras(
    path: Path,
    arrays: dict[str, Tensors],
    config: dict[str, Any] | None = None,
    place: str = "{layer}/{layer}/{part}:0",
) -> Path:
    parts_of_keras1 = {"moving_mean": "running_mean", "moving_variance": "running_std"}
    with h5py.File(path, "w") as file:
        if config:
            file.attrs["model_config"] = json.dumps(config)
        file["fc1000/fc1000/kernel:0"] = np.zeros((2, 3), np.float32)
        file["fc1000/fc1000/bias:0"] = np.zeros(3, np.float32)
        for layer, parts in arrays.items():
            for number, (part, array) in enumerate(parts.items()):
                name = parts_of_keras1.get(part, part)
                file[place.format(layer=layer, part=part, number=number, old_part=name)] = array
    return path


def write_tfjs(
    folder: Path, arrays: dict[str, Tensors], config: dict[str, Any], shard_bytes: int = 5000
) -> Path:
    """Write `model.json` and shards; return the former."""
    folder.mkdir(exist_ok=True)
    weights, content = [], b""
    head = {"fc1000": {"kernel": np.zeros((2, 3), np.float32)}}
    for layer, parts in (arrays | head).items():
        for part, array in parts.items():
            entry = {"name": f"{layer}/{part}", "shape": list(array.shape), "dtype": "float32"}
            weights.append(entry)
            content += array.astype("<f4").tobytes()
    pieces = [content[i : i + shard_bytes] for i in range(0, len(content), shard_bytes)]
    names = [f"group1-shard{i}of{len(pieces)}.bin" for i in range(1, len(pieces) + 1)]
    for name, piece in zip(names, pieces, strict=True):
        (folder / name).write_bytes(piece)
    model = {
        "format": "layers-model",
        "modelTopology": {"keras_version": "2.2.4-tf", "model_config": config},
        "weightsManifest": [{"paths": names, "weights": weights}],
    }
    (folder / "model.json").write_text(json.dumps(model))
    return folder / "model.json"
