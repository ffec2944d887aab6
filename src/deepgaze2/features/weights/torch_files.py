"""State dicts, as `.pth` or as safetensors: tensors by the names of modules."""

import pickle
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file

from deepgaze2.errors import WeightsError
from deepgaze2.features.weights.source import Source, Tensors
from deepgaze2.support.files import sha256_of

_HEAD = re.compile(r"(classifier|pre_logits|head|fc\d?)\.")  # layers of the classifier, not used
_RESNET = re.compile(r"layer(\d)\.(\d+)\.(?:(conv|bn)([1-3])|downsample\.([01]))\.(\w+)")
_RESNET_STEM = re.compile(r"(conv|bn)1\.(\w+)")
_BATCH_NORM = {"weight": "gamma", "bias": "beta", "running_mean": "mean", "running_var": "variance"}
_EPSILON = 1e-5
# How the SHA-256 of torchvision's own ResNets begins; their names end so.
_TORCHVISION_RESNETS = {
    *("0676ba61", "11ad3fa6", "19c8e357"),
    *("63fe2227", "cd907fc2", "5d3b4d8f"),
    *("394f9c45", "f82ba261", "b121ed2d"),
}


def read_torch(path: Path) -> Tensors:
    """Read a `.pth` file without running code in it.

    Raises
    ------
    WeightsError
        If PyTorch is missing, or the file is damaged or no state dict.
    """
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


def require_torch(what: str) -> None:
    """Raise a WeightsError if PyTorch, which alone reads `.pth` files, is not installed."""
    try:
        import torch  # noqa: F401
    except ImportError as error:
        raise WeightsError(
            f"{what}: reading it needs PyTorch; run `pip install 'deepgaze2[train]'`, "
            "or use the Keras file"
        ) from error


def read_safetensors(path: Path) -> Tensors:
    """Read a safetensors file.

    Raises
    ------
    WeightsError
        If it is none, or damaged.
    """
    try:
        return load_file(path)
    except (OSError, SafetensorError, TypeError, KeyError) as error:
        raise WeightsError(
            f"{path}: damaged, or none of safetensors, .pth, Keras HDF5 and TensorFlow.js; "
            "get the file again"
        ) from error


def state_dict_source(tensors: Tensors, path: Path) -> Source:
    """Tell Caffe's names from torchvision's, and leave out the classifier.

    VGG's and AlexNet's layers, which torchvision numbers, keep their numbers.

    Raises
    ------
    WeightsError
        If it is a ResNet of basic blocks, or a VGG that wants another input.
    """
    _refuse_other_scale(tensors, path)
    tensors = {name: tensor for name, tensor in tensors.items() if not _HEAD.match(name)}
    if any(name.startswith("layer1.0.") for name in tensors):
        return _resnet_source(tensors, path)
    is_torchvision = any(name.startswith("features.") for name in tensors)
    return Source("torchvision" if is_torchvision else "Caffe", tensors)


def _refuse_other_scale(tensors: Tensors, path: Path) -> None:
    """Refuse torchvision's `vgg16_features` file: same names, but an input of 0 to 255."""
    bias = tensors.get("classifier.0.bias")
    if bias is not None and np.isnan(bias).any():
        raise WeightsError(
            f"{path}: its classifier is NaN, so its input scale is not torchvision's usual one; "
            "use vgg16-397923af.pth or vgg19-dcbb9e9d.pth"
        )


def _resnet_source(tensors: Tensors, path: Path) -> Source:
    if "layer1.0.conv3.weight" not in tensors:
        raise WeightsError(
            f"{path}: a ResNet of two convolutions a block (18 or 34 layers); "
            "get the file of ResNet-50, 101 or 152"
        )
    named = {
        _resnet_name(name): tensor
        for name, tensor in tensors.items()
        if not name.endswith(".num_batches_tracked")
    }
    convolutions = {name.rpartition(".")[0] for name in named}
    is_published = sha256_of(path)[:8] in _TORCHVISION_RESNETS
    strides = {f"conv{stage}_1_2": 2 for stage in (3, 4, 5)} if is_published else {}
    return Source("torchvision", named, strides, dict.fromkeys(convolutions, _EPSILON))


def _resnet_name(name: str) -> str:
    """Return a tensor's name as `Source` has it; another network's stays."""
    if match := _RESNET_STEM.fullmatch(name):
        layer, is_norm, part = "conv1", match[1] == "bn", match[2]
    elif match := _RESNET.fullmatch(name):
        stage, block, kind, number, step, part = match.groups()
        place = f"{int(stage) + 1}_{int(block) + 1}"
        layer = f"conv{place}_{number}" if kind else f"shortcut{place}"
        is_norm = kind == "bn" or step == "1"
    else:
        return name
    return f"{layer}.{_BATCH_NORM.get(part, part) if is_norm else part}"
