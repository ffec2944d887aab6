"""ResNets in each layout, with random tensors, against plain PyTorch with batch normalizations."""

import hashlib
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from deepgaze2.features.backbone import StoredBackbone
from deepgaze2.features.engines import create_engine
from deepgaze2.features.networks import NETWORKS
from deepgaze2.features.weights import torch_files
from deepgaze2.features.weights.importers import import_weights
from helpers.resnet_cases import BOTH, CASES, FIRST, SECOND, TORCH_EPSILON, Case, refused
from helpers.resnet_files import (
    NARROW_CHANNELS,
    SIDE_1X1,
    Tensors,
    keras_arrays,
    keras_config,
    load,
    outputs,
    random_state,
    resnet_module,
    with_keras_biases,
    write_keras,
    write_pth,
    write_safetensors,
    write_tfjs,
)
from helpers.small_models import narrowed, random_image

BLOCKS = {"resnet50": (3, 4, 6, 3), "resnet101": (3, 4, 23, 3), "resnet152": (3, 8, 36, 3)}
LAYERS = ("block2_3", "conv4_6_2", "block5_3")


@pytest.fixture(scope="module")
def state() -> Tensors:
    return random_state(resnet_module(SIDE_1X1))


def known_to_torchvision(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a file be one of those that torchvision publishes."""
    prefix = hashlib.sha256(path.read_bytes()).hexdigest()[:8]
    monkeypatch.setattr(torch_files, "_TORCHVISION_RESNETS", {prefix})


def expected(found: Case, state: Tensors, rgb: NDArray[np.float32]) -> list[NDArray[Any]]:
    """What the file's network gives, by PyTorch, with its own input."""
    module = load(resnet_module(found.halves_in), state, found.epsilon)
    if "pth" not in found.path.suffix and "safetensors" not in found.path.suffix:
        for old in (True, False):
            with suppress(KeyError):
                with_keras_biases(module, keras_arrays(state, old=old), old=old)
    bgr = rgb[::-1] - np.array([103.939, 116.779, 123.68])[:, None, None]
    mean, scale = np.array([[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]])[:, :, None, None]
    return outputs(module, (rgb / 255 - mean) / scale if found.rgb else bgr.copy(), LAYERS)


def assert_same(backbone: StoredBackbone, wanted: list[NDArray[Any]], image: Any) -> None:
    engine = create_engine(backbone.with_taps(LAYERS), "torch")
    for ours, theirs in zip(engine.stored_features(image), wanted, strict=True):
        assert np.abs(ours - theirs).max() < 1e-5 * np.abs(theirs).max()


@pytest.mark.parametrize("name", CASES)
def test_features_are_those_of_the_source(
    name: str, tmp_path: Path, state: Tensors, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = CASES[name](tmp_path, state)
    if found.rgb:
        known_to_torchvision(found.path, monkeypatch)
    backbone = import_weights(found.path, BOTH)
    assert backbone.network is (FIRST if found.halves_in == SIDE_1X1 else SECOND)
    image = random_image(70, 61)
    assert_same(backbone, expected(found, state, image), image)


def test_caffes_weights_under_torchvisions_names_are_said_to_be(
    tmp_path: Path, state: Tensors
) -> None:
    path = write_safetensors(tmp_path / "caffe.safetensors", state)
    backbone = import_weights(path, [FIRST])
    assert backbone.origin == "caffe.safetensors (Caffe layout)"
    image = random_image(70, 61)
    found = Case(path, TORCH_EPSILON, SIDE_1X1, rgb=False)
    assert_same(backbone, expected(found, state, image), image)


@pytest.mark.parametrize(
    ("name", "old"),
    [("resnet101", True), ("resnet101", False), ("resnet152", False)],  # letters end at z
)
def test_deeper_ones_are_told_by_their_blocks(name: str, old: bool, tmp_path: Path) -> None:
    module = resnet_module(SIDE_1X1, NARROW_CHANNELS, BLOCKS[name])
    state = random_state(module)
    networks = [narrowed(network) for key, network in NETWORKS.items() if "resnet" in key]
    path = write_keras(tmp_path / "r.h5", keras_arrays(state, old=old))
    assert import_weights(path, networks).name == f"narrow-{name}"


def test_where_the_stride_is_must_be_said_or_known(
    tmp_path: Path, state: Tensors, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_pth(tmp_path / "mine.pth", state)
    message = refused(path)
    assert "narrow-resnet50 or narrow-resnet50-v1.5" in message
    assert "--network" in message
    assert import_weights(path, [SECOND]).network is SECOND
    known_to_torchvision(path, monkeypatch)
    assert "conv3_1_2 has a stride of 2, other than that of narrow-resnet50" in refused(
        path, [FIRST]
    )


def test_torchvisions_files_are_known_by_their_names_ends() -> None:
    assert {len(prefix) for prefix in torch_files._TORCHVISION_RESNETS} == {8}
    assert len(torch_files._TORCHVISION_RESNETS) == 9


def test_a_stated_stride_decides(tmp_path: Path, state: Tensors) -> None:
    config = keras_config(resnet_module(SIDE_1X1), 1e-3, old=True)
    by_name = {layer["config"]["name"]: layer["config"] for layer in config["config"]["layers"]}
    for stage in (3, 4, 5):
        by_name[f"res{stage}a_branch2a"]["strides"] = [1, 1]
        by_name[f"res{stage}a_branch2b"] |= {"strides": [2, 2], "padding": "valid"}
    path = write_tfjs(tmp_path / "m", keras_arrays(state), config)
    assert import_weights(path, BOTH).network is SECOND
    assert "res" not in refused(path, [FIRST]).replace("narrow-resnet50", "")
    by_name["res4a_branch2b"]["padding"] = "same"
    path = write_tfjs(tmp_path / "m", keras_arrays(state), config)
    assert "res4a_branch2b has a stride and `same` padding" in refused(path)
    by_name["res4a_branch2b"] |= {"strides": [1, 1], "dilation_rate": [2, 2]}
    path = write_tfjs(tmp_path / "m", keras_arrays(state), config)
    assert "res4a_branch2b is dilated" in refused(path)
    path = write_tfjs(tmp_path / "m", keras_arrays(state), {})
    assert "does not tell" in refused(path)
