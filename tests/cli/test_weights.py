"""`deepgaze2 weights`, run as a user would."""

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from numpy.typing import NDArray
from safetensors.numpy import save_file

from deepgaze2.cli.weights import weights
from deepgaze2.errors import WeightsError
from deepgaze2.features.backbone import cached_backbone_path, find_stored_backbone, read_backbone
from deepgaze2.features.networks import NETWORKS
from deepgaze2.features.networks.vgg import vgg as vgg_network
from deepgaze2.features.weights.published import PUBLISHED, PublishedWeights
from deepgaze2.support.download import RemoteFile
from helpers.resnet_files import SIDE_3X3, random_state, resnet_module, write_safetensors
from helpers.small_models import conv_shapes, narrowed

NARROW19 = vgg_network("vgg19", ((2, 2), (2, 2), (2,) * 4, (2,) * 4, (2,) * 4), ())


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small file in Caffe's layout, beside an empty cache."""
    monkeypatch.setenv("DEEPGAZE2_CACHE", str(tmp_path / "cache"))
    monkeypatch.setitem(NETWORKS, "vgg19", NARROW19)
    tensors: dict[str, NDArray[np.float32]] = {}
    for name, (outputs, inputs) in conv_shapes(NARROW19).items():
        tensors[f"{name}.weight"] = np.ones((outputs, inputs, 3, 3), np.float32)
        tensors[f"{name}.bias"] = np.zeros(outputs, np.float32)
    save_file(tensors, tmp_path / "mine.safetensors")
    return tmp_path / "mine.safetensors"


def run(*arguments: str | Path) -> str:
    result = CliRunner().invoke(weights, [str(a) for a in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_import_puts_a_file_into_the_cache(source: Path) -> None:
    output = run("import", source)
    assert str(cached_backbone_path("vgg19")) in output
    backbone = find_stored_backbone("vgg19")
    assert f"checksum  {backbone.checksum}" in output
    assert "origin    mine.safetensors (Caffe layout)" in output


def test_import_writes_elsewhere(source: Path, tmp_path: Path) -> None:
    run("import", source, "-o", tmp_path / "converted.safetensors")
    assert read_backbone(tmp_path / "converted.safetensors").network is NARROW19
    assert not cached_backbone_path("vgg19").exists()


def test_import_takes_the_network_that_it_is_told(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("resnet50", "resnet50-v1.5"):
        monkeypatch.setitem(NETWORKS, name, replace(narrowed(NETWORKS[name]), name=name))
    path = write_safetensors(tmp_path / "r.safetensors", random_state(resnet_module(SIDE_3X3)))
    with pytest.raises(WeightsError, match=r"whether it is resnet50 or resnet50-v1\.5.*--network"):
        run("import", path)
    for name in ("resnet50", "resnet50-v1.5"):
        output = run("import", path, "--network", name)
        assert output.startswith(f"{name}: {cached_backbone_path(name)}\n")


def test_import_refuses_other_files(source: Path) -> None:
    source.write_text("no weights")
    with pytest.raises(WeightsError, match=r"mine\.safetensors: damaged, or none of"):
        run("import", source)


def test_list_tells_what_is_here_and_what_is_not(source: Path) -> None:
    output = run("list")
    packaged = find_stored_backbone("vgg16")
    assert f"  size      29.4 MB\n  checksum  {packaged.checksum}\n" in output
    other = find_stored_backbone("resnet50")
    assert f"  size      47.0 MB\n  checksum  {other.checksum}\n" in output
    assert "resnet50-v1.5: not here; get it with `deepgaze2 weights import FILE`" in output
    assert "vgg19: not here; get it with `deepgaze2 weights fetch vgg19`" in output
    assert "alexnet: not here; get it with `deepgaze2 weights import FILE`" in output
    run("import", source)
    cached = cached_backbone_path("vgg19")
    assert f"vgg19: {cached}\n" in run("list")
    cached.write_text("damaged")
    assert f"{cached}: damaged" in run("list")


def test_fetch(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    md5 = hashlib.md5(source.read_bytes()).hexdigest()
    declared = PublishedWeights((RemoteFile("http://host/mine", f"md5:{md5}"),), "a credit")
    monkeypatch.setitem(PUBLISHED, ("vgg19", "torchvision"), declared)
    by_hand = tmp_path / "cache" / "downloads" / "mine"
    by_hand.parent.mkdir(parents=True)
    by_hand.write_bytes(source.read_bytes())  # there already, so no server is asked
    output = run("fetch", "vgg19", "--source", "torchvision")
    assert str(cached_backbone_path("vgg19")) in output
    assert "origin    torchvision mine; a credit" in output


def test_fetch_knows_its_networks_and_sources(source: Path) -> None:
    for arguments in (["fetch", "vgg18"], ["fetch", "vgg19", "--source", "mail"]):
        result = CliRunner().invoke(weights, arguments)
        assert result.exit_code == 2
        assert "is not one of" in result.output
