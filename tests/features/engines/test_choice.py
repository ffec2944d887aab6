"""Which engine `auto` and `fast` are: by installation, processor and timings."""

import json
import pickle
from dataclasses import replace
from pathlib import Path

import pytest

from deepgaze2.features.engines import choice as module
from deepgaze2.features.engines.choice import (
    BITS_LOST,
    Timing,
    chosen_engine,
    exact,
    keep_timings,
    read_timings,
    timings_path,
)
from deepgaze2.features.network import Network
from deepgaze2.features.networks import NETWORKS
from deepgaze2.loading import load
from deepgaze2.support.cpu import Cpu
from helpers.engines import needs_openvino

VGG, RESNET = NETWORKS["vgg16"], NETWORKS["resnet50"]
AVX2 = Cpu("an AVX2", frozenset({"avx2"}))
ZEN4 = Cpu("a Zen 4", frozenset({"avx2", "avx512_bf16"}))
AMX = Cpu("a Xeon", frozenset({"avx2", "avx512_bf16", "amx_bf16"}))


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and a machine with OpenVINO on which nothing was timed."""
    monkeypatch.setenv("DEEPGAZE2_CACHE", str(tmp_path))
    monkeypatch.setattr(module, "find_spec", lambda _: "there")
    monkeypatch.setattr(module, "this_cpu", lambda: AVX2)
    return tmp_path


def chosen(network: Network, wanted: str) -> str:
    return chosen_engine(network, only_exact=wanted == "auto").engine


def timings(network: Network, **seconds: float) -> tuple[Timing, ...]:
    return tuple(
        Timing(network.name, name.replace("_", "-"), value) for name, value in seconds.items()
    )


def test_costs_are_below_what_fast_may_lose() -> None:
    assert max(BITS_LOST.values()) < 0.002


def test_without_openvino_it_is_ncnn_and_nothing_is_read(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep_timings(timings(VGG, ncnn=9.0, openvino=1.0, openvino_bf16=0.5))
    monkeypatch.setattr(module, "find_spec", lambda _: None)
    monkeypatch.setattr(module, "read_timings", lambda: pytest.fail("read for nothing"))
    assert {chosen(VGG, wanted) for wanted in ("auto", "fast")} == {"ncnn"}


@pytest.mark.parametrize(
    ("cpu", "vgg", "resnet"),
    [
        (AVX2, "ncnn", "ncnn"),
        (ZEN4, "ncnn", "openvino-bf16"),
        (AMX, "openvino-bf16", "openvino-bf16"),
    ],
    ids=["AVX2", "Zen 4", "AMX"],
)
def test_without_timings_the_processor_decides(
    cpu: Cpu, vgg: str, resnet: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "this_cpu", lambda: cpu)
    assert (chosen(VGG, "fast"), chosen(RESNET, "fast")) == (vgg, resnet)
    assert {chosen(network, "auto") for network in (VGG, RESNET)} == {"ncnn"}


def test_timings_decide_for_each_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "this_cpu", lambda: ZEN4)
    keep_timings(timings(VGG, ncnn=0.3, openvino=0.28, openvino_bf16=0.2))
    keep_timings(timings(RESNET, ncnn=0.3, openvino=0.2, openvino_bf16=0.25))
    assert (chosen(VGG, "auto"), chosen(VGG, "fast")) == ("ncnn", "openvino-bf16")
    assert (chosen(RESNET, "auto"), chosen(RESNET, "fast")) == ("openvino", "openvino")
    keep_timings(timings(VGG, ncnn=0.3, openvino=0.29, openvino_bf16=0.28))
    assert chosen(VGG, "fast") == "ncnn", "less than a tenth faster"
    assert chosen(RESNET, "auto") == "openvino", "other networks' timings stay"


def test_timings_without_one_of_the_engines_do_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    keep_timings(timings(VGG, ncnn=0.3, torch=0.1))
    assert chosen(VGG, "auto") == "ncnn"
    assert "not timed" in chosen_engine(VGG, only_exact=True).reason


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x80\x81",
        b"[" * 100_000,
        b"[]",
        b'{"machine": {}, "timings": []}',
        b'{"machine": 3, "timings": 4}',
        b'{"timings": [{"network": "vgg16", "engine": "ncnn", "seconds": "1"}]}',
    ],
    ids=["empty", "no text", "deep", "list", "another's", "types", "lacking"],
)
def test_a_damaged_or_foreign_file_is_ignored(content: bytes) -> None:
    path = keep_timings(timings(VGG, ncnn=0.3, openvino=0.1))
    assert chosen(VGG, "auto") == "openvino"
    path.write_bytes(content)
    assert read_timings() == ()
    assert chosen(VGG, "auto") == "ncnn"
    keep_timings(timings(VGG, ncnn=0.3, openvino=0.1))
    assert chosen(VGG, "auto") == "openvino"


@pytest.mark.parametrize("seconds", [0, -1])
def test_impossible_timings_do_not_count(seconds: float) -> None:
    keep_timings(timings(VGG, ncnn=0.3, openvino=seconds))
    assert chosen(VGG, "auto") == "ncnn"


def test_timings_of_another_machine_are_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    here = keep_timings(timings(VGG, ncnn=0.3, openvino=0.1))
    changes = {
        "this_cpu": lambda: replace(AVX2, name="another"),
        "available_cores": lambda: 77,
        "version": lambda _: "9.9",
    }
    for name, value in changes.items():
        with monkeypatch.context() as other:
            other.setattr(module, name, value)
            elsewhere = timings_path()
            assert elsewhere != here
            assert chosen(VGG, "auto") == "ncnn"
            here.rename(elsewhere)  # as if checksums collided
            assert read_timings() == ()
            elsewhere.rename(here)
    assert chosen(VGG, "auto") == "openvino"
    assert json.loads(here.read_bytes())["machine"]["cpu"] == AVX2.name


def test_what_is_kept_for_others_is_exact() -> None:
    assert [exact(name) for name in ("auto", "fast", "ncnn", "openvino-bf16", "torch")] == [
        *("auto", "auto", "ncnn", "openvino", "torch")
    ]


@needs_openvino
@pytest.mark.slow
def test_a_model_that_is_sent_keeps_each_networks_engine() -> None:
    keep_timings(timings(RESNET, ncnn=0.3, openvino=0.1))
    model = load()
    sent = pickle.loads(pickle.dumps(model))
    for one in (model, sent):
        assert [branch.engine.name for branch in one.branches] == ["ncnn", "openvino"]
    assert model.identity == load(engine="ncnn").identity
