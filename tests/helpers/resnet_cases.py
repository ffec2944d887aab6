"""A ResNet's file in each layout, with what it should be read as."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
import pytest

from deepgaze2.errors import WeightsError
from deepgaze2.features.networks import NETWORKS
from deepgaze2.features.weights.importers import import_weights
from helpers.resnet_files import (
    SIDE_1X1,
    SIDE_3X3,
    Tensors,
    keras_arrays,
    keras_config,
    resnet_module,
    write_keras,
    write_pth,
    write_safetensors,
    write_tfjs,
)
from helpers.small_models import narrowed

FIRST, SECOND = (narrowed(NETWORKS[name]) for name in ("resnet50", "resnet50-v1.5"))
BOTH = [FIRST, SECOND]
NEW_EPSILON, OLD_EPSILON, TORCH_EPSILON = 1.001e-5, 1e-3, 1e-5


class Case(NamedTuple):
    """A file, what it should be read as, and what the network is."""

    path: Path
    epsilon: float
    halves_in: str
    rgb: bool


Writer = Callable[[Path, Tensors], Case]
CASES: dict[str, Writer] = {}


def case(writer: Writer) -> Writer:
    CASES[writer.__name__] = writer
    return writer


@case
def keras_old(folder: Path, state: Tensors) -> Case:
    path = write_keras(folder / "r.h5", keras_arrays(state))
    return Case(path, OLD_EPSILON, SIDE_1X1, rgb=False)


@case
def keras_1(folder: Path, state: Tensors) -> Case:
    place = "{layer}/{layer}_{old_part}_1:0"
    path = write_keras(folder / "r.h5", keras_arrays(state), place=place)
    return Case(path, OLD_EPSILON, SIDE_1X1, rgb=False)


@case
def keras_new(folder: Path, state: Tensors) -> Case:
    path = write_keras(folder / "r.h5", keras_arrays(state, old=False))
    return Case(path, NEW_EPSILON, SIDE_1X1, rgb=False)


@case
def keras_3(folder: Path, state: Tensors) -> Case:
    arrays = keras_arrays(state, old=False)
    path = write_keras(folder / "r.h5", arrays, place="layers/{layer}/vars/{number}")
    return Case(path, NEW_EPSILON, SIDE_1X1, rgb=False)


@case
def keras_whole_model(folder: Path, state: Tensors) -> Case:
    config = keras_config(resnet_module(SIDE_1X1), 3e-3, old=False)
    nested = {"class_name": "Sequential", "config": [config]}
    place = "model_weights/resnet50/{layer}/{part}:0"
    path = write_keras(folder / "r.h5", keras_arrays(state, old=False), nested, place)
    with h5py.File(path, "a") as file:
        file["optimizer_weights/Adam/conv1_conv/kernel/m:0"] = np.zeros((7, 7, 3, 3), np.float32)
    return Case(path, 3e-3, SIDE_1X1, rgb=False)


@case
def tfjs(folder: Path, state: Tensors) -> Case:
    config = keras_config(resnet_module(SIDE_1X1), 2e-3, old=True)
    return Case(write_tfjs(folder / "m", keras_arrays(state), config), 2e-3, SIDE_1X1, rgb=False)


@case
def tfjs_folder(folder: Path, state: Tensors) -> Case:
    return tfjs(folder, state)._replace(path=folder / "m")


@case
def torchvision_pth(folder: Path, state: Tensors) -> Case:
    path = write_pth(folder / "r.pth", state)
    return Case(path, TORCH_EPSILON, SIDE_3X3, rgb=True)


@case
def torchvision_safetensors(folder: Path, state: Tensors) -> Case:
    path = write_safetensors(folder / "r.safetensors", state)
    return Case(path, TORCH_EPSILON, SIDE_3X3, rgb=True)


def refused(path: Path, networks: Any = None) -> str:
    with pytest.raises(WeightsError) as caught:
        import_weights(path, networks or BOTH)
    message = str(caught.value)
    assert message.startswith(str(path))
    assert "\n" not in message
    return message
