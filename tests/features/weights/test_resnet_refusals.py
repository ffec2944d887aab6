"""ResNets that are damaged, incomplete or of another kind."""

import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deepgaze2.errors import WeightsError
from deepgaze2.features.weights.importers import import_weights
from helpers.resnet_cases import BOTH, CASES, refused
from helpers.resnet_files import (
    SIDE_1X1,
    SIDE_3X3,
    Tensors,
    keras_arrays,
    random_state,
    resnet_module,
    write_keras,
    write_pth,
    write_safetensors,
)


@pytest.fixture(scope="module")
def state() -> Tensors:
    return random_state(resnet_module(SIDE_1X1))


@pytest.mark.parametrize(
    ("module", "change", "message"),
    [
        ("layer2.0.bn2.running_var", lambda a: a - 5, "conv3_1_2: its variance is not positive"),
        ("layer2.0.bn2.running_var", lambda a: a * np.nan, "conv3_1_2: its variance holds NaN"),
        ("layer1.2.bn1.bias", lambda a: a * np.inf, "conv2_3_1: its beta holds NaN or infinity"),
        ("layer4.0.conv2.weight", lambda a: a * np.nan, "conv5_1_2: its weight holds NaN"),
        ("layer3.1.bn3.weight", lambda a: a[:-1], "conv4_2_3 has 16 channels, but its gamma"),
        ("layer2.0.conv2.weight", lambda a: a[:, :1], "conv3_1_2.weight is float64 (3, 1, 3, 3)"),
        ("bn1.running_mean", None, "conv1 has a batch normalization without its mean"),
        ("layer1.0.downsample.0.weight", None, "shortcut2_1 has a batch normalization, but no"),
        ("layer3.1.conv2.weight", lambda a: a.astype(np.int32), "its weight is int32"),
    ],
)
@pytest.mark.parametrize("writer", [write_safetensors, write_pth])
def test_faulty_tensors_are_named(
    writer: Any, module: str, change: Any, message: str, tmp_path: Path, state: Tensors
) -> None:
    if writer is write_pth and "int32" in message:
        return  # which reads everything as floats
    faulty = {name: array for name, array in state.items() if name != module}
    if change is not None:
        faulty[module] = np.ascontiguousarray(change(state[module]))
    assert message in refused(writer(tmp_path / "r.file", faulty))


def test_other_residual_networks_are_refused(tmp_path: Path, state: Tensors) -> None:
    basic = {name: a for name, a in state.items() if "conv3" not in name and "bn3" not in name}
    path = write_safetensors(tmp_path / "r18.safetensors", basic)
    assert "a ResNet of two convolutions a block" in refused(path)
    wide = random_state(resnet_module(SIDE_3X3, (3, (6, 6, 8, 16), (4, 8, 16, 32))))
    path = write_safetensors(tmp_path / "wide.safetensors", wide)
    assert "conv2_1_1.weight is float64 (6, 3, 1, 1), but narrow-resnet50 needs floats" in refused(
        path
    )
    gated = state | {"layer1.0.se.fc1.weight": np.zeros((3, 3), np.float32)}
    path = write_safetensors(tmp_path / "se.safetensors", gated)
    assert "unexpected tensor layer1.0.se.fc1.weight" in refused(path)


def test_keras_other_residual_networks_are_refused(tmp_path: Path, state: Tensors) -> None:
    ones = np.ones(3, np.float32)
    arrays = keras_arrays(state, old=False)
    path = write_keras(tmp_path / "v2.h5", arrays | {"conv2_block1_preact_bn": {"gamma": ones}})
    assert "a ResNet V2, whose blocks begin with a batch normalization" in refused(path)
    grouped = {"kernel": np.ones((3, 3, 3, 2), np.float32), "bias": ones}
    path = write_keras(tmp_path / "next.h5", arrays | {"conv2_block1_2_conv": grouped})
    assert "conv2_1_2.weight" in refused(path) or "conv2_1_2 has" in refused(path)
    scaled = keras_arrays(state) | {"scale2a_branch2a": {"gamma": ones}}
    path = write_keras(tmp_path / "caffe.h5", scaled)
    assert "scale2a_branch2a/gamma:0 belongs to no ResNet that is known" in refused(path)
    with h5py.File(path, "a") as file:
        del file["scale2a_branch2a"]
        file["copy/bn_conv1/gamma:0"] = ones
    assert "bn_conv1 more than once" in refused(path)


def edited(path: Path, edit: Callable[[dict[str, Any]], None]) -> Path:
    model = json.loads(path.read_text())
    edit(model)
    path.write_text(json.dumps(model))
    return path


def test_faults_of_shards_are_said_in_one_line(tmp_path: Path, state: Tensors) -> None:
    def fresh() -> Path:
        return CASES["tfjs"](tmp_path, state).path

    def first(model: dict[str, Any]) -> Any:
        return model["weightsManifest"][0]

    def rename(name: str) -> Callable[[dict[str, Any]], None]:
        return lambda model: first(model)["paths"].__setitem__(0, name)

    shard = fresh().with_name(first(json.loads(fresh().read_text()))["paths"][0])
    content = shard.read_bytes()
    shard.unlink()
    assert f"its shard {shard.name} is missing" in refused(shard.with_name("model.json"))
    for changed in (content[:-1], content + b"\0\0\0\0"):
        shard.write_bytes(changed)
        assert f"the shards {shard.name} to" in refused(shard.with_name("model.json"))
    outside = tmp_path / "outside.bin"
    outside.write_bytes(content)
    for name in ("../outside.bin", str(outside)):
        path = edited(fresh(), rename(name))
        assert "lies outside its folder" in refused(path)
    path = edited(fresh(), lambda model: first(model)["weights"][0].update(dtype="int32"))
    assert "is int32, not float32" in refused(path)
    quantization = {"dtype": "uint8", "min": 0, "scale": 1}
    path = edited(
        fresh(), lambda model: first(model)["weights"][0].update(quantization=quantization)
    )
    assert "is quantized, not float32" in refused(path)
    path = edited(fresh(), lambda model: model.update(modelTopology={"node": []}))
    assert "a graph model" in refused(path)
    path.write_text('{"name": "something else"}')
    assert "no TensorFlow.js layers model" in refused(path)


@pytest.mark.parametrize(
    "name", ["keras_new", "tfjs", "torchvision_pth", "torchvision_safetensors"]
)
@settings(derandomize=True, max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_damaged_files_raise_nothing_else(
    name: str, tmp_path: Path, state: Tensors, data: st.DataObject
) -> None:
    path = CASES[name](tmp_path, state).path
    content = bytearray(path.read_bytes())
    path.write_bytes(content[: data.draw(st.integers(0, len(content) - 1))])
    refused(path)
    for _ in range(5):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    with suppress(WeightsError):
        import_weights(path, BOTH)
    path.unlink()
