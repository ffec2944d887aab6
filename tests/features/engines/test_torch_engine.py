"""PyTorch's engine beyond what all engines do: batches, bfloat16 and what a GPU needs, on the CPU.

No GPU is needed: what differs on one is replaced by stand-ins that take note.
"""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from torch.nn import functional

from deepgaze2.errors import ModelError
from deepgaze2.features.engines import choice, create_engine, torch_engine
from deepgaze2.features.engines.several import features_of_several, images_at_once
from deepgaze2.features.engines.torch_engine import TorchEngine, exact_convolutions
from deepgaze2.features.network import Network
from deepgaze2.support.cpu import Cpu
from helpers.small_models import NARROW16, NARROW50, random_backbone, random_image

NETWORKS = pytest.mark.parametrize("network", [NARROW16, NARROW50], ids=lambda n: n.name)


@NETWORKS
def test_several_at_once_are_what_they_are_one_by_one(network: Network) -> None:
    engine = TorchEngine(random_backbone(network))
    images = [random_image(75, 50, seed) for seed in range(4)]
    alone = [engine.stored_features(image) for image in images]
    for found, expected in zip(features_of_several(engine, images), alone, strict=True):
        for one, other in zip(found, expected, strict=True):
            assert one.flags.c_contiguous
            np.testing.assert_allclose(one, other, atol=2e-6 * np.abs(other).max())
    assert not np.allclose(alone[0][0], alone[1][0])


@pytest.mark.parametrize("engine", ["ncnn", "torch"])
def test_gray_levels_as_bytes_are_the_same_image(engine: str) -> None:
    levels = np.random.default_rng(0).integers(0, 256, (3, 50, 75), np.uint8)
    made = create_engine(random_backbone(), engine, threads=1)
    as_floats = made.stored_features(levels.astype(np.float32))
    for one, other in zip(made.stored_features(levels), as_floats, strict=True):
        np.testing.assert_array_equal(one, other)


@NETWORKS
def test_bfloat16_is_near_and_not_exact(network: Network) -> None:
    backbone, image = random_backbone(network), random_image(75, 50)
    exact = TorchEngine(backbone).stored_features(image)
    engine = TorchEngine(backbone, precision="bf16")
    assert engine.name == "torch-bf16"
    for one, other in zip(engine.stored_features(image), exact, strict=True):
        assert one.dtype == np.float32
        # Each of up to 115 layers rounds by 2^-9, and random kernels do not average that out.
        assert 1e-4 < np.linalg.norm(one - other) / np.linalg.norm(other) < 6e-2


def test_only_gpus_take_several_images_and_no_more_than_fit() -> None:
    engine = TorchEngine(random_backbone())
    assert images_at_once(engine, 64 * 48) == 1
    assert images_at_once(create_engine(random_backbone(), "ncnn"), 64 * 48) == 1
    engine.device = "cuda"
    assert images_at_once(engine, 64 * 48) == 32
    assert images_at_once(engine, 512 * 384) == 5
    assert images_at_once(engine, 2048 * 2048) == 1


def test_float32_on_cuda_is_not_rounded_to_tf32() -> None:
    assert torch.backends.cudnn.allow_tf32, "PyTorch's default"
    with exact_convolutions("cpu"):
        assert torch.backends.cudnn.allow_tf32
    with exact_convolutions("cuda:1"):
        assert not torch.backends.cudnn.allow_tf32
    assert torch.backends.cudnn.allow_tf32

    def kept(_: int) -> bool:
        with exact_convolutions("cuda"):
            return not torch.backends.cudnn.allow_tf32

    with ThreadPoolExecutor(4) as pool:  # none ends what another needs
        assert all(pool.map(kept, range(200)))
    assert torch.backends.cudnn.allow_tf32


def test_on_cuda_copies_are_pinned_and_waited_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    empty, convolve = torch.empty, functional.conv2d
    engine, images = TorchEngine(random_backbone()), [random_image(33, 17, s) for s in range(2)]
    expected = engine.features_of_several(images)

    class Stream:
        def synchronize(self) -> None:
            done.append("waited")

    def pinned_empty(shape: torch.Size, *, pin_memory: bool) -> torch.Tensor:
        done.append("pinned" if pin_memory else "pageable")
        return empty(shape)

    def noted(*arguments: object) -> torch.Tensor:
        done.append("tf32" if torch.backends.cudnn.allow_tf32 else "exact")
        return convolve(*arguments)  # type: ignore[call-overload, no-any-return]

    def pinned(x: torch.Tensor) -> torch.Tensor:
        done.append("uploaded")
        return x

    monkeypatch.setattr(torch.Tensor, "pin_memory", pinned)
    monkeypatch.setattr(torch, "empty", pinned_empty)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda _: Stream())
    monkeypatch.setattr(functional, "conv2d", noted)
    engine.device, engine._is_cuda = "cuda", True
    found = engine.features_of_several(images)
    assert (done[0], done[-1]) == ("uploaded", "waited")
    assert (done.count("uploaded"), done.count("waited")) == (1, 1)
    assert set(done[1:-1]) == {"exact", "pinned"}
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one[-1], other[-1])


def test_a_gpu_without_memory_is_a_memory_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    engine = TorchEngine(random_backbone())
    monkeypatch.setattr(functional, "conv2d", fail)
    with pytest.raises(MemoryError, match=r"cpu has too little memory.*\(1, 3, 17, 33\)"):
        engine.stored_features(random_image(33, 17))


@pytest.mark.parametrize(
    ("engine", "has_bf16", "expected"),
    [
        ("auto", True, "torch"),
        ("fast", True, "torch-bf16"),
        ("fast", False, "torch"),
        ("torch", True, "torch"),
        ("torch-bf16", True, "torch-bf16"),
    ],
)
def test_fast_on_a_gpu_is_bfloat16_if_it_has_that(
    engine: str, has_bf16: bool, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch_engine, "computes_in_bf16", lambda _: has_bf16)
    made = create_engine(random_backbone(), engine, device="meta")  # a device without memory
    assert (made.name, made.device) == (expected, "meta")


def test_bfloat16_is_refused_where_it_is_not_known(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ModelError, match=r"torch-bf16.*meta.*auto"):
        create_engine(random_backbone(), "torch-bf16", device="meta")
    monkeypatch.setattr(choice, "this_cpu", lambda: Cpu("Abacus 3", frozenset()))
    with pytest.raises(ModelError, match=r"torch-bf16.*Abacus 3.*auto"):
        create_engine(random_backbone(), "torch-bf16")


def test_what_is_computed_in_bfloat16_counts_as_another_model() -> None:
    assert choice.exact("torch-bf16") == "torch"
    assert choice.BITS_LOST.keys() == {"openvino-bf16", "torch-bf16"}
