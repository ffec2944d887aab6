"""Fetching from declaration to cache, against a local server and a small imitation file."""

import functools
import hashlib
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from math import prod
from pathlib import Path

import h5py
import numpy as np
import pytest

from deepgaze2.errors import DownloadError, WeightsError
from deepgaze2.features.backbone import cached_backbone_path, find_stored_backbone
from deepgaze2.features.networks import NETWORKS
from deepgaze2.features.networks.vgg import vgg as vgg_network
from deepgaze2.features.weights.published import PUBLISHED, PublishedWeights, fetch_backbone
from deepgaze2.support import download as download_module
from deepgaze2.support.download import RemoteFile
from helpers.small_models import conv_shapes

NARROW19 = vgg_network("vgg19", ((2, 2), (2, 2), (2,) * 4, (2,) * 4, (2,) * 4), ())


class Handler(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@dataclass
class Publisher:
    """A server's folder with one file, declared as VGG-19 from Keras."""

    url: str
    file: Path

    def declare(self, *urls: str) -> None:
        md5 = hashlib.md5(self.file.read_bytes()).hexdigest()
        mirrors = [RemoteFile(url, f"md5:{md5}") for url in urls]
        PUBLISHED["vgg19", "keras"] = PublishedWeights(tuple(mirrors), "a credit")


@pytest.fixture
def publisher(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Publisher]:
    monkeypatch.setenv("DEEPGAZE2_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(download_module, "_PAUSES_S", ())
    monkeypatch.setitem(NETWORKS, "vgg19", NARROW19)
    for key in PUBLISHED:
        monkeypatch.setitem(PUBLISHED, key, PUBLISHED[key])
    folder = tmp_path / "published"
    folder.mkdir()
    with h5py.File(folder / "vgg19_notop.h5", "w") as file:
        for name, (outputs, inputs) in conv_shapes(NARROW19).items():
            layer = name.replace("conv", "block").replace("_", "_conv")
            file[f"{layer}/{layer}_W_1:0"] = np.ones((3, 3, inputs, outputs), np.float32)
            file[f"{layer}/{layer}_b_1:0"] = np.full(outputs, 0.1, np.float32)
    handler = functools.partial(Handler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}/vgg19_notop.h5"
        publisher = Publisher(url, folder / "vgg19_notop.h5")
        publisher.declare(url)
        yield publisher
        server.shutdown()
        thread.join()


def test_fetches_converts_and_cleans_up(publisher: Publisher, tmp_path: Path) -> None:
    path = fetch_backbone("vgg19")
    assert path == cached_backbone_path("vgg19")
    backbone = find_stored_backbone("vgg19")
    assert backbone.network is NARROW19
    assert backbone.kernels["conv5_4"].dtype == np.float16
    assert backbone.origin == "keras vgg19_notop.h5; a credit"
    assert [file for file in (tmp_path / "cache").rglob("*") if file.is_file()] == [path]


def test_fetches_again_only_what_is_damaged_or_from_another_source(publisher: Publisher) -> None:
    path = fetch_backbone("vgg19")
    content = path.read_bytes()
    publisher.file.rename(publisher.file.with_suffix(".away"))
    assert fetch_backbone("vgg19") == path  # needs no server
    path.write_bytes(content[:-1])
    with pytest.raises(DownloadError):
        fetch_backbone("vgg19")
    publisher.file.with_suffix(".away").rename(publisher.file)
    assert fetch_backbone("vgg19").read_bytes() == content


@pytest.mark.parametrize("broken", [0, 1])
def test_one_working_mirror_is_enough(publisher: Publisher, broken: int) -> None:
    mirrors = [publisher.url, publisher.url]
    mirrors[broken] = publisher.url.replace("/vgg19", "/moved/vgg19")
    publisher.declare(*mirrors)
    assert fetch_backbone("vgg19").is_file()


def test_a_changed_file_is_refused(publisher: Publisher) -> None:
    publisher.file.write_bytes(publisher.file.read_bytes() + b"changed")
    with pytest.raises(DownloadError, match="not the one declared"):
        fetch_backbone("vgg19")
    assert not cached_backbone_path("vgg19").exists()


def test_a_file_saved_by_hand_is_used(publisher: Publisher, tmp_path: Path) -> None:
    publisher.file.rename(publisher.file.with_suffix(".away"))
    with pytest.raises(DownloadError):
        fetch_backbone("vgg19")
    by_hand = tmp_path / "cache" / "downloads" / "vgg19_notop.h5"
    publisher.file.with_suffix(".away").rename(by_hand)
    assert fetch_backbone("vgg19").is_file()


def test_torchvision_without_pytorch_is_refused_before_half_a_gigabyte_comes(
    publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(WeightsError, match=r"vgg19-dcbb9e9d\.pth: reading it needs PyTorch"):
        fetch_backbone("vgg19", "torchvision")


def test_unknown_names_and_sources(publisher: Publisher) -> None:
    with pytest.raises(WeightsError, match=r"vgg18 from keras: no such.*vgg16 from keras"):
        fetch_backbone("vgg18")
    with pytest.raises(WeightsError, match="vgg19 from caffe: no such"):
        fetch_backbone("vgg19", "caffe")


@pytest.mark.parametrize("key", PUBLISHED)
def test_declarations_are_complete(key: tuple[str, str]) -> None:
    for mirror in PUBLISHED[key].mirrors:
        algorithm, digest = (mirror.checksum or "").split(":")
        assert len(digest) == {"md5": 32, "sha256": 64}[algorithm]
        assert int(digest, 16)
        assert mirror.url.startswith("https://")
        # The kernels and biases of all convolutions, four bytes each, and little else; or
        # the classifier too, with 25088·4096 + 4096² + 4096·1000 weights.
        parameters = sum(map(prod, NETWORKS[key[0]].tensor_shapes.values()))
        if key[1] == "torchvision":
            parameters += 25088 * 4096 + 4096**2 + 4096 * 1000 + 2 * 4096 + 1000
        assert mirror.size_bytes is not None
        assert 0 < mirror.size_bytes - 4 * parameters < 60_000
