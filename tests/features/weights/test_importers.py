"""Importers against each source's own convention, run by independent convolutions."""

import pickle
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from safetensors.numpy import save_file
from torch.nn import functional

from deepgaze2.errors import WeightsError
from deepgaze2.features.backbone import write_backbone
from deepgaze2.features.network import Network
from deepgaze2.features.networks.vgg import vgg as vgg_network
from deepgaze2.features.weights.importers import import_weights
from helpers.small_models import conv_names, conv_shapes

# The layers of VGG-16 and VGG-19 with few channels.
BLOCKS16 = ((2, 3), (4, 3), (2, 3, 4), (3, 2, 3), (4, 3, 2))
BLOCKS19 = ((2, 3), (4, 3), (2, 3, 4, 3), (2, 3, 4, 2), (3, 4, 2, 3))
NARROW16, NARROW19 = vgg_network("vgg16", BLOCKS16, ()), vgg_network("vgg19", BLOCKS19, ())
NARROW = [NARROW16, NARROW19]
# Positions of the convolutions in torchvision's `features`, written out from its printed models.
TORCHVISION_POSITIONS = {
    "vgg16": (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28),
    "vgg19": (0, 2, 5, 7, 10, 12, 14, 16, 19, 21, 23, 25, 28, 30, 32, 34),
}

Tensors = dict[str, NDArray[Any]]
Writer = Callable[[Path, Network, Tensors], Path]


def random_tensors(vgg: Network, seed: int = 0) -> Tensors:
    """Kernels (OIHW) and biases that keep the activations' size from layer to layer."""
    rng = np.random.default_rng(seed)
    tensors: Tensors = {}
    for name, (outputs, inputs) in conv_shapes(vgg).items():
        kernel = rng.normal(0, (2 / 9 / inputs) ** 0.5, (outputs, inputs, 3, 3))
        tensors[f"{name}.weight"] = kernel.astype(np.float32)
        tensors[f"{name}.bias"] = rng.uniform(0, 1, outputs).astype(np.float32)
    return tensors


def torchvision_names(vgg: Network, tensors: Tensors) -> Tensors:
    positions = TORCHVISION_POSITIONS[vgg.name]
    return {
        f"features.{position}.{part}": tensors[f"{name}.{part}"]
        for name, position in zip(conv_names(vgg), positions, strict=True)
        for part in ("weight", "bias")
    }


def write_caffe(folder: Path, vgg: Network, tensors: Tensors) -> Path:
    parts = [f"{name}.{part}" for name in conv_names(vgg) for part in ("weight", "bias")]
    save_file({part: tensors[part] for part in parts}, folder / "caffe.safetensors")
    return folder / "caffe.safetensors"


def write_torchvision(folder: Path, vgg: Network, tensors: Tensors, **options: Any) -> Path:
    state = {name: torch.tensor(t) for name, t in torchvision_names(vgg, tensors).items()}
    state["classifier.0.bias"] = torch.zeros(4)
    torch.save(state, folder / f"{vgg.name}.pth", **options)
    return folder / f"{vgg.name}.pth"


def write_torchvision_before_2020(folder: Path, vgg: Network, tensors: Tensors) -> Path:
    return write_torchvision(folder, vgg, tensors, _use_new_zipfile_serialization=False)


def write_torchvision_safetensors(folder: Path, vgg: Network, tensors: Tensors) -> Path:
    head = {"head.fc.weight": np.zeros((5, 2), np.float32)}
    save_file(torchvision_names(vgg, tensors) | head, folder / "model.safetensors")
    return folder / "model.safetensors"


def write_keras(
    folder: Path,
    vgg: Network,
    tensors: Tensors,
    kernel: str = "{layer}/{layer}_W_1:0",
    bias: str = "{layer}/{layer}_b_1:0",
) -> Path:
    with h5py.File(folder / "notop.h5", "w") as file:
        file.attrs["layer_names"] = [b"input_1"]
        file.create_group("block1_pool")
        file["dense_1/dense_1/kernel:0"] = np.zeros((2, 3), np.float32)
        for name in conv_names(vgg):
            layer = name.replace("conv", "block").replace("_", "_conv")
            weights = np.transpose(tensors[f"{name}.weight"], (2, 3, 1, 0))
            file[kernel.format(layer=layer)] = np.ascontiguousarray(weights)
            file[bias.format(layer=layer)] = tensors[f"{name}.bias"]
    return folder / "notop.h5"


def write_keras2(folder: Path, vgg: Network, tensors: Tensors) -> Path:
    return write_keras(folder, vgg, tensors, "{layer}/{layer}/kernel:0", "{layer}/{layer}/bias:0")


def write_keras_whole_model(folder: Path, vgg: Network, tensors: Tensors) -> Path:
    path = "model_weights/{layer}/{layer}/"
    written = write_keras(folder, vgg, tensors, path + "kernel:0", path + "bias:0")
    with h5py.File(written, "a") as file:
        moments = np.zeros((3, 3, 3, 2), np.float32)
        file["optimizer_weights/training/Adam/block1_conv1/kernel/m:0"] = moments
    return written


def write_keras3(folder: Path, vgg: Network, tensors: Tensors) -> Path:
    return write_keras(folder, vgg, tensors, "layers/{layer}/vars/0", "layers/{layer}/vars/1")


WRITERS: list[Writer] = [
    write_caffe,
    write_torchvision,
    write_torchvision_before_2020,
    write_torchvision_safetensors,
    write_keras,
    write_keras2,
    write_keras_whole_model,
    write_keras3,
]


def conv_oihw(x: NDArray[Any], kernel: NDArray[Any], bias: NDArray[Any]) -> NDArray[Any]:
    """Caffe's and PyTorch's convolution of an (h, w, channels) array."""
    output = functional.conv2d(
        torch.tensor(x, dtype=torch.float64).permute(2, 0, 1)[None],
        torch.tensor(kernel, dtype=torch.float64),
        torch.tensor(bias, dtype=torch.float64),
        padding=1,
    )
    features: NDArray[Any] = output[0].permute(1, 2, 0).numpy()
    return features


def conv_hwio(x: NDArray[Any], kernel: NDArray[Any], bias: NDArray[Any]) -> NDArray[Any]:
    """TensorFlow's convolution of an (h, w, channels) array, `same` padding."""
    windows = sliding_window_view(np.pad(x, ((1, 1), (1, 1), (0, 0))), (3, 3), (0, 1))
    return np.asarray(np.einsum("hwcij,ijco->hwo", windows, kernel.astype(np.float64)) + bias)


def activations(
    x: NDArray[Any], layers: list[tuple[NDArray[Any], NDArray[Any]]], convolve: Any
) -> list[NDArray[Any]]:
    """Return every convolution's output; ReLUs between, no pooling: borders in every layer."""
    outputs = []
    for kernel, bias in layers:
        outputs.append(convolve(x, kernel, bias))
        x = np.maximum(outputs[-1], 0)
    return outputs


def in_the_source(rgb: NDArray[Any], vgg: Network, tensors: Tensors, writer: Writer) -> Any:
    layers = [(tensors[f"{n}.weight"], tensors[f"{n}.bias"]) for n in conv_names(vgg)]
    if "torchvision" in writer.__name__:
        x = (rgb / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
        return activations(x, layers, conv_oihw)
    x = rgb[:, :, ::-1] - [103.939, 116.779, 123.68]
    if "keras" in writer.__name__:
        hwio = [(kernel.transpose(2, 3, 1, 0), bias) for kernel, bias in layers]
        return activations(x, hwio, conv_hwio)
    return activations(x, layers, conv_oihw)


@pytest.mark.parametrize("vgg", NARROW)
@pytest.mark.parametrize("writer", WRITERS)
def test_activations_are_those_of_the_source(tmp_path: Path, writer: Writer, vgg: Network) -> None:
    tensors = random_tensors(vgg)
    backbone = import_weights(writer(tmp_path, vgg, tensors), NARROW)
    assert backbone.network is vgg
    assert list(backbone.kernels) == list(conv_names(vgg))
    rgb = np.random.default_rng(1).integers(0, 256, (7, 9, 3)).astype(float)
    layers = [(backbone.kernels[name], backbone.biases[name]) for name in backbone.kernels]
    ours = activations(rgb - backbone.input_mean.astype(float), layers, conv_oihw)
    theirs = in_the_source(rgb, vgg, tensors, writer)
    for found, wanted in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=0, atol=2e-6 * np.abs(wanted).max())


def test_reads_its_own_files(tmp_path: Path) -> None:
    path = write_caffe(tmp_path, NARROW16, random_tensors(NARROW16))
    written = write_backbone(import_weights(path, NARROW), tmp_path / "ours.safetensors")
    again = import_weights(tmp_path / "ours.safetensors", NARROW)
    assert again.checksum == written.checksum
    assert again.origin == "caffe.safetensors (Caffe layout)"


def refused(path: Path) -> str:
    with pytest.raises(WeightsError) as caught:
        import_weights(path, NARROW)
    message = str(caught.value)
    assert message.startswith(str(path))
    assert "\n" not in message
    return message


@pytest.mark.parametrize("writer", WRITERS)
def test_refuses_missing_extra_misshapen_and_nan_tensors(tmp_path: Path, writer: Writer) -> None:
    tensors = random_tensors(NARROW16)
    truncated = {**tensors, "conv3_2.weight": tensors["conv3_2.weight"][:1]}
    assert "conv3_2.weight" in refused(writer(tmp_path, NARROW16, truncated))
    spoiled = {**tensors, "conv4_1.bias": tensors["conv4_1.bias"] * np.nan}
    assert "conv4_1.bias holds NaN" in refused(writer(tmp_path, NARROW16, spoiled))
    shorter = vgg_network("vgg16", BLOCKS16[:4], ())
    if "torchvision" not in writer.__name__:  # its positions are written out for whole networks
        assert "lacks tensor conv5_1" in refused(writer(tmp_path, shorter, tensors))
        longer = vgg_network("vgg19", (*BLOCKS19, (2,)), ())
        path = writer(tmp_path, longer, random_tensors(longer))
        assert "unexpected tensor conv6_1" in refused(path)


@pytest.mark.parametrize(
    ("extra", "content", "message"),
    [
        ("features.1.running_mean", 0, "unexpected tensor features.1.running_mean"),
        ("classifier.0.bias", np.nan, "its input scale is not torchvision's usual one"),
    ],
)
def test_refuses_other_torchvision_networks(
    tmp_path: Path, extra: str, content: float, message: str
) -> None:
    tensors = torchvision_names(NARROW16, random_tensors(NARROW16))
    save_file(tensors | {extra: np.full(4, content)}, tmp_path / "other.safetensors")
    assert message in refused(tmp_path / "other.safetensors")


def test_refuses_a_layer_that_is_there_twice(tmp_path: Path) -> None:
    path = write_keras(tmp_path, NARROW16, random_tensors(NARROW16))
    with h5py.File(path, "a") as file:
        file["copy/block1_conv1/bias"] = np.zeros(2, np.float32)
    assert "block1_conv1 more than once" in refused(path)


@pytest.mark.parametrize("legacy", [False, True])
def test_code_in_a_pth_file_does_not_run(tmp_path: Path, legacy: bool) -> None:
    canary = tmp_path / "canary"

    class Malicious:
        def __reduce__(self) -> Any:
            return (Path.touch, (canary,))

    path = tmp_path / "vgg16.pth"
    state = {"features.0.weight": Malicious()}
    torch.save(state, path, _use_new_zipfile_serialization=not legacy)
    assert "code" in refused(path)
    path.write_bytes(pickle.dumps(Malicious(), protocol=2))
    refused(path)
    assert not canary.exists()


@pytest.mark.parametrize("content", [torch.zeros(3), {"epoch": 3}, {1: torch.zeros(3)}])
def test_refuses_a_pth_file_that_is_no_state_dict(tmp_path: Path, content: Any) -> None:
    torch.save(content, tmp_path / "checkpoint.pth")
    assert "no state dict" in refused(tmp_path / "checkpoint.pth")


def test_without_pytorch_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_torchvision(tmp_path, NARROW16, random_tensors(NARROW16))
    monkeypatch.setitem(sys.modules, "torch", None)
    message = refused(path)
    assert "pip install 'deepgaze2[train]'" in message
    assert "Keras" in message


@pytest.mark.parametrize(
    "content", [b"", b"weights", b"PK\x03\x04", b"\x89HDF\r\n\x1a\n", b"\x80\x02"]
)
def test_refuses_what_is_no_weights_file(tmp_path: Path, content: bytes) -> None:
    refused(tmp_path)
    assert "no such" in refused(tmp_path / "vgg16.pth")
    (tmp_path / "vgg16.pth").write_bytes(content)
    refused(tmp_path / "vgg16.pth")


@pytest.mark.parametrize("writer", WRITERS)
@settings(derandomize=True, max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_damaged_files_raise_nothing_else(
    tmp_path: Path, writer: Writer, data: st.DataObject
) -> None:
    path = writer(tmp_path, NARROW16, random_tensors(NARROW16))
    content = bytearray(path.read_bytes())
    path.write_bytes(content[: data.draw(st.integers(0, len(content) - 1))])
    refused(path)
    for _ in range(5):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    with suppress(WeightsError):
        import_weights(path, NARROW)
    path.unlink()
