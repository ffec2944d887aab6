"""The backbone file: what is written is read, and damage is noticed."""

import hashlib
import json
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

from deepgaze2.errors import OutputError, WeightsError
from deepgaze2.features.backbone import (
    StoredBackbone,
    assemble_backbone,
    cached_backbone_path,
    find_stored_backbone,
    read_backbone,
    stored_backbone_paths,
    write_backbone,
)
from deepgaze2.features.networks.vgg import VGG16
from deepgaze2.features.networks.vgg import vgg as vgg_network
from deepgaze2.support.files import ASSETS
from helpers.small_models import conv_names, conv_shapes

TINY = vgg_network("tiny", ((2,), (3,)), ("conv2_1",))
PACKAGED = ASSETS / "backbones"


def tiny_backbone(scale: float = 1.0) -> StoredBackbone:
    rng = np.random.default_rng(0)
    tensors = {"input_mean": np.array([123.68, 116.779, 103.939])}
    for name, (outputs, inputs) in conv_shapes(TINY).items():
        tensors[f"{name}.weight"] = rng.normal(0, scale, (outputs, inputs, 3, 3))
        tensors[f"{name}.bias"] = rng.normal(0, 1, outputs)
    return assemble_backbone(tensors, TINY, "tiny")


@pytest.fixture
def tiny_file(tmp_path: Path) -> Path:
    write_backbone(tiny_backbone(), tmp_path / "tiny.safetensors")
    return tmp_path / "tiny.safetensors"


def test_written_backbones_are_read_back_rounded_to_half_precision(tmp_path: Path) -> None:
    backbone = tiny_backbone()
    written = write_backbone(backbone, tmp_path / "new folder" / "tiny.safetensors")
    found = read_backbone(tmp_path / "new folder" / "tiny.safetensors", [TINY])
    assert found.checksum == written.checksum != backbone.checksum
    assert found.input_mean.dtype == np.float32
    np.testing.assert_array_equal(found.input_mean, backbone.input_mean)
    for name in conv_names(TINY):
        assert found.kernels[name].dtype == np.float16
        half = backbone.kernels[name].astype(np.float16)
        np.testing.assert_array_equal(found.kernels[name], half)
        assert found.biases[name].dtype == np.float32
        np.testing.assert_array_equal(found.biases[name], backbone.biases[name])


def test_the_same_backbone_gives_the_same_bytes(tiny_file: Path, tmp_path: Path) -> None:
    for _ in range(5):
        write_backbone(tiny_backbone(), tmp_path / "again.safetensors")
        assert (tmp_path / "again.safetensors").read_bytes() == tiny_file.read_bytes()


@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_a_flipped_bit_is_noticed_or_does_not_matter(
    tiny_file: Path, tmp_path: Path, data: st.DataObject
) -> None:
    content = bytearray(tiny_file.read_bytes())
    position = data.draw(st.integers(0, 8 * len(content) - 1))
    content[position // 8] ^= 1 << position % 8
    damaged = tmp_path / "damaged.safetensors"
    damaged.write_bytes(content)
    header_bytes = 8 + int.from_bytes(tiny_file.read_bytes()[:8], "little")
    if position // 8 >= header_bytes:
        with pytest.raises(WeightsError, match=r"damaged|NaN"):
            read_backbone(damaged, [TINY])
        return
    try:
        found = read_backbone(damaged, [TINY])
    except WeightsError:
        return
    assert found.checksum == tiny_backbone_in_half().checksum


def tiny_backbone_in_half() -> StoredBackbone:
    backbone = tiny_backbone()
    tensors = {"input_mean": backbone.input_mean}
    for name in conv_names(TINY):
        tensors[f"{name}.weight"] = backbone.kernels[name].astype(np.float16)
        tensors[f"{name}.bias"] = backbone.biases[name]
    return assemble_backbone(tensors, TINY, "tiny")


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(fraction=st.floats(0, 1, exclude_max=True))
def test_truncated_files_are_refused(tiny_file: Path, tmp_path: Path, fraction: float) -> None:
    content = tiny_file.read_bytes()
    truncated = tmp_path / "truncated.safetensors"
    truncated.write_bytes(content[: int(fraction * len(content))])
    with pytest.raises(WeightsError, match="damaged"):
        read_backbone(truncated, [TINY])


def test_the_checksum_is_of_the_content(tiny_file: Path) -> None:
    """Anyone can recompute it: name, mean, then each convolution's kernel and bias in order."""
    tensors = load_file(tiny_file)
    order = ["input_mean", "conv1_1.weight", "conv1_1.bias", "conv2_1.weight", "conv2_1.bias"]
    content = b"tiny" + b"".join(tensors[name].tobytes() for name in order)
    assert read_backbone(tiny_file, [TINY]).checksum == hashlib.sha256(content).hexdigest()


def test_refuses_kernels_that_overflow_half_precision(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"in float16: conv1_1\.weight holds NaN or infinity"):
        write_backbone(tiny_backbone(scale=1e6), tmp_path / "tiny.safetensors")
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_fills_up_leaves_no_file(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300, limits[1]))
    try:
        with pytest.raises(OutputError, match="cannot be written"):
            write_backbone(tiny_backbone(), tmp_path / "tiny.safetensors")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert list(tmp_path.iterdir()) == []


def test_refuses_integers() -> None:
    integers = {"input_mean": np.zeros(3, np.int32)}
    with pytest.raises(WeightsError, match=r"a file: input_mean is int32 \(3,\)"):
        assemble_backbone(integers, vgg_network("tiny", (), ()), "a file")  # type: ignore[arg-type]


def test_refuses_other_networks(tiny_file: Path) -> None:
    with pytest.raises(WeightsError, match="network tiny, which is not known"):
        read_backbone(tiny_file)
    with pytest.raises(WeightsError, match="lacks tensor conv2_2"):
        read_backbone(tiny_file, [vgg_network("tiny", ((2,), (3, 3)), ())])
    with pytest.raises(WeightsError, match="unexpected tensor conv2_1"):
        read_backbone(tiny_file, [vgg_network("tiny", ((2,),), ())])
    with pytest.raises(WeightsError, match=r"conv2_1\.weight is float16 \(3, 2, 3, 3\)"):
        read_backbone(tiny_file, [vgg_network("tiny", ((2,), (4,)), ())])


@pytest.mark.parametrize(
    "metadata", [None, {"backbone": "{"}, {"backbone": "[1]"}, {"backbone": json.dumps({})}]
)
def test_other_safetensors_are_sent_to_the_importer(
    tmp_path: Path, metadata: dict[str, str] | None
) -> None:
    save_file({"x": np.zeros(3)}, tmp_path / "x.safetensors", metadata)
    with pytest.raises(WeightsError, match="deepgaze2 weights import"):
        read_backbone(tmp_path / "x.safetensors")


def test_refuses_missing_unreadable_and_other_files(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="no such weights file"):
        read_backbone(tmp_path / "missing.safetensors")
    with pytest.raises(WeightsError, match="cannot be read"):
        read_backbone(tmp_path)
    (tmp_path / "text").write_text("These are weights.")
    with pytest.raises(WeightsError, match="damaged or not safetensors"):
        read_backbone(tmp_path / "text")


def test_finds_the_packaged_network() -> None:
    backbone = find_stored_backbone("vgg16")
    assert backbone.network is VGG16
    assert "CC BY 4.0" in backbone.origin
    assert (PACKAGED / "vgg16.safetensors").stat().st_size < 30e6


def test_finds_by_path_and_in_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEEPGAZE2_CACHE", str(tmp_path))
    packaged = PACKAGED / "vgg16.safetensors"
    cached = cached_backbone_path("vgg16")
    assert stored_backbone_paths("vgg16") == [packaged]
    cached.parent.mkdir()
    cached.write_bytes(packaged.read_bytes())
    assert stored_backbone_paths("vgg16") == [packaged, cached]
    assert find_stored_backbone(str(cached)).checksum == find_stored_backbone(packaged).checksum
    cached.write_text("damaged")
    assert find_stored_backbone("vgg16").checksum == find_stored_backbone(packaged).checksum


def test_a_network_that_is_not_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEEPGAZE2_CACHE", str(tmp_path))
    with pytest.raises(WeightsError) as caught:
        find_stored_backbone("vgg19")
    assert "`deepgaze2 weights list` says how to get them" in str(caught.value)
    assert "`deepgaze2 weights import FILE`" in str(caught.value)
    with pytest.raises(WeightsError, match="vgg18: no such"):
        find_stored_backbone("vgg18")


def test_the_packaged_weights_are_the_source_rounded() -> None:
    default = Path(__file__).resolve().parents[3] / "shared" / "data"
    folder = Path(os.environ.get("DEEPGAZE2_DATA", default)).parent / "weights"
    source_path = folder / "vgg16_imagenet_caffe.safetensors"
    if not source_path.is_file():
        pytest.skip(f"no source weights at {source_path}")
    source = load_file(source_path)
    backbone = find_stored_backbone("vgg16")
    # The source's channels are B, G, R.
    source["conv1_1.weight"] = source["conv1_1.weight"][:, [2, 1, 0]]
    for name in conv_names(VGG16):
        kernel = source[f"{name}.weight"]
        np.testing.assert_array_equal(backbone.biases[name], source[f"{name}.bias"])
        # Half precision: 11 bits, and steps of 2^-24 below 2^-14.
        np.testing.assert_allclose(backbone.kernels[name], kernel, rtol=2**-11, atol=2**-25)
