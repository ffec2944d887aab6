"""Keras' names of layers, its model configurations and its HDF5 files."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from deepgaze2.errors import WeightsError
from deepgaze2.features.weights.source import Source, Tensors

_VGG = re.compile(r"block(\d+)_conv(\d+)")
_OLD_RESNET = re.compile(r"(res|bn)(\d)([a-z])_branch(1|2[abc])")
_RESNET = re.compile(r"conv(\d)_block(\d+)_([0-3])_(conv|bn)")
# Keras' own ResNets differ in what they add to a variance, by the age of their names.
_EPSILON, _OLD_EPSILON = 1.001e-5, 1e-3
_PART = re.compile(
    r"(?:.*_)?(gamma|beta|moving_mean|moving_variance|running_mean|running_std)(?:_\d+)?(?::0)?"
)
_PARTS = {  # Keras 1 called the variance "std"
    **{"gamma": "gamma", "beta": "beta", "moving_mean": "mean", "running_mean": "mean"},
    **{"moving_variance": "variance", "running_std": "variance"},
}
_NUMBERED_PARTS = {"0": "gamma", "1": "beta", "2": "mean", "3": "variance"}  # Keras 3


class _Layer(NamedTuple):
    """A convolution's name here; of a batch normalization, that of the one before it."""

    name: str
    epsilon: float | None = None  # of a batch normalization


_STEMS = {
    "conv1": _Layer("conv1"),
    "bn_conv1": _Layer("conv1", _OLD_EPSILON),
    "conv1_conv": _Layer("conv1"),
    "conv1_bn": _Layer("conv1", _EPSILON),
}


def _layer(keras_name: str) -> _Layer | None:
    """Return what a layer is, by its name; None if it is of no network that is known."""
    if match := _VGG.search(keras_name):
        return _Layer(f"conv{match[1]}_{match[2]}")
    if match := _OLD_RESNET.fullmatch(keras_name):
        kind, stage, letter, branch = match.groups()
        number = "0abc".index(branch[1:] or "0")
        return _of_block(stage, ord(letter) - ord("a") + 1, number, kind, _OLD_EPSILON)
    if match := _RESNET.fullmatch(keras_name):
        return _of_block(match[1], int(match[2]), int(match[3]), match[4], _EPSILON)
    return _STEMS.get(keras_name)


def _of_block(stage: str, block: int, number: int, kind: str, epsilon: float) -> _Layer:
    name = f"conv{stage}_{block}_{number}" if number else f"shortcut{stage}_{block}"
    return _Layer(name, epsilon if kind == "bn" else None)


def keras_source(
    layout: str, arrays: Iterable[tuple[str, Any]], model: object, path: Path
) -> Source:
    """Name arrays as here, by where Keras put them, however deep.

    Parameters
    ----------
    layout
        See `Source`.
    arrays
        Locations, such as `bn2a_branch2a/bn2a_branch2a/gamma:0`, and the arrays or HDF5 data sets
        there; a classifier's are not read.
    model
        The model's configuration, decoded JSON, or None.
    path
        The file, for errors.

    Raises
    ------
    WeightsError
        If a layer is there twice, is of no network that is known, or works otherwise there.
    """
    tensors: Tensors = {}
    epsilons: dict[str, float] = {}
    strangers = []
    for location, array in arrays:
        known = next(filter(None, map(_layer, location.split("/"))), None)
        if known is None:
            # Beside a ResNet may be a classifier: matrices and biases, nothing else.
            if array.ndim == 4 or _part(location) in _PARTS:
                strangers.append(location)
            continue
        if known.epsilon is None:
            part = {4: "weight", 1: "bias"}.get(array.ndim, location)
        else:
            part = (_PARTS | _NUMBERED_PARTS).get(_part(location), location)
            epsilons[known.name] = known.epsilon
        name = f"{known.name}.{part}"
        if name in tensors:
            layer = next(filter(_layer, location.split("/")))
            raise WeightsError(f"{path}: holds {layer} more than once; use a `notop` file")
        content = np.asarray(array[()])
        # Keras stores (height, width, input, output).
        tensors[name] = content.transpose(3, 2, 0, 1) if content.ndim == 4 else content
    if epsilons and strangers:
        _refuse_stranger(min(strangers), path)
    strides, stated = _settings(model, path)
    return Source(layout, tensors, strides, epsilons | stated)


def _part(location: str) -> str:
    """Return which of a batch normalization's arrays is there; what else it is called, if none."""
    last = location.rpartition("/")[2]
    match = _PART.fullmatch(last)
    return match[1] if match else last


def _refuse_stranger(location: str, path: Path) -> None:
    if "preact" in location or "post_bn" in location:
        raise WeightsError(
            f"{path}: a ResNet V2, whose blocks begin with a batch normalization ({location}); "
            "get the file of ResNet50, ResNet101 or ResNet152"
        )
    raise WeightsError(
        f"{path}: {location} belongs to no ResNet that is known here; "
        "get the file of Keras' ResNet50, ResNet101 or ResNet152"
    )


def _settings(model: object, path: Path) -> tuple[dict[str, int], dict[str, float]]:
    """Return the strides of convolutions and the epsilons of batch normalizations."""
    strides: dict[str, int] = {}
    epsilons: dict[str, float] = {}
    for layer in _layers_of(model):
        config = layer["config"]
        known = _layer(str(config.get("name")))
        if known is None:
            continue
        if "epsilon" in config:
            epsilons[known.name] = float(config["epsilon"])
        elif "strides" in config:
            _refuse_other_convolution(config, path)
            strides[known.name] = max(config["strides"])
    return strides, epsilons


def _refuse_other_convolution(config: Mapping[str, Any], path: Path) -> None:
    """Refuse dilation, and what TensorFlow pads by one cell more behind than before."""
    is_uneven = config.get("padding") == "same" and max(config["strides"]) > 1
    is_dilated = max(config.get("dilation_rate", (1,))) > 1
    if is_dilated or (is_uneven and max(config["kernel_size"]) > 1):
        how = "is dilated" if is_dilated else "has a stride and `same` padding"
        raise WeightsError(
            f"{path}: {config['name']} {how}, as in no network that is known here; "
            "use it as `--backbone python:...`"
        )


def _layers_of(model: object) -> Iterator[dict[str, Any]]:
    """Yield the layers' configurations, those of models inside models too."""
    config = model.get("config") if isinstance(model, dict) else None
    layers = config.get("layers") if isinstance(config, dict) else config
    if isinstance(layers, list):
        for layer in layers:
            yield from _layers_of(layer)
    elif isinstance(model, dict) and isinstance(config, dict):
        yield model


def read_keras(path: Path) -> Source:
    """Read an HDF5 file: of a model, or of weights only.

    Raises
    ------
    WeightsError
        As `keras_source`, or if the file is damaged.
    """
    import h5py

    datasets: list[tuple[str, Any]] = []

    def visit(location: str, item: object) -> None:
        if isinstance(item, h5py.Dataset) and "optimizer" not in location:
            datasets.append((location, item))

    try:
        with h5py.File(path, "r") as file:
            file.visititems(visit)
            text = file.attrs.get("model_config")
            model = None if text is None else json.loads(text)
            source = keras_source("Keras", datasets, model, path)
    except WeightsError:
        raise
    except Exception as error:  # a damaged file can fail in any way
        raise WeightsError(f"{path}: damaged HDF5; get the file again") from error
    if model is None and source.epsilons:
        # Keras' own ResNets halve the resolution there, and a file of weights does not tell.
        halving = {f"conv{stage}_1_1": 2 for stage in (3, 4, 5)}
        return Source(source.layout, source.tensors, halving, source.epsilons)
    return source
