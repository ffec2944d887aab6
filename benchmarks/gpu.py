"""What a model's networks take on a GPU: eager PyTorch, our engine by batches, and the floor.

    python benchmarks/gpu.py [--model default] [--device cuda]

Times are of an image from the host's memory to features in it, copies included, the best of some
rounds; in the first, which does not count, PyTorch chooses kernels. The floor is what the
convolutions multiply and add at the rate of a large matrix product in the same precision, measured
in the same run. Eager PyTorch keeps its default, TF32, which is not exact. Whole predictions of a
stream of images come last: what the readouts take on the host is in them.
"""

import argparse
import sys
import time
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray

from deepgaze2.features.backbone import StoredBackbone
from deepgaze2.features.engines.torch_engine import Precision, TorchEngine, computes_in_bf16
from deepgaze2.loading import backbones_of, load
from deepgaze2.model import Model
from deepgaze2.store import named_card
from eager import plain_network
from fill_cache import multiply_adds_for


def best_s(call: Callable[[], object], device: str, rounds: int) -> float:
    """Return the least seconds that a call takes until the device has done it."""

    def once() -> float:
        began = time.perf_counter()
        call()
        if device != "cpu":
            torch.accelerator.synchronize() if device == "mps" else torch.cuda.synchronize(device)
        return time.perf_counter() - began

    once()
    return min(once() for _ in range(rounds))


def rate(device: str, precision: Precision, side: int, rounds: int) -> float:
    """Return multiplications and additions per second, pairs, of a product of large matrices."""
    kind = torch.float32 if precision == "f32" else torch.bfloat16
    a, b = torch.randn(2, side, side, device=device).to(kind)
    return side**3 / best_s(lambda: a @ b, device, rounds)


def peak_mb(call: Callable[[], object], device: str) -> str:
    """Return the GPU memory that a call takes at most, weights included."""
    if not device.startswith("cuda"):
        return "-"
    torch.cuda.reset_peak_memory_stats(device)
    call()
    return f"{torch.cuda.max_memory_allocated(device) / 1e6:.0f}"


def eager(backbone: StoredBackbone, image: NDArray[np.uint8], device: str) -> Callable[[], object]:
    """Return what computes a network as one writes it in PyTorch, and copies its taps."""
    maps, taps = plain_network(backbone, device), backbone.network.stored_taps()

    def call() -> object:
        with torch.inference_mode():
            found = maps(torch.from_numpy(image).to(device).float())
            return [found[name].cpu() for name in taps]

    return call


def show_network(backbone: StoredBackbone, options: argparse.Namespace) -> None:
    """Print a row for eager PyTorch, and one for our engine in each precision and batch."""
    device, rounds, size = options.device, options.rounds, (options.height, options.width)
    work = multiply_adds_for(backbone.network, *size)
    images = np.random.default_rng(0).integers(0, 256, (max(options.batches), 3, *size), np.uint8)

    def show(name: str, n: int, call: Callable[[], object], precision: Precision) -> None:
        each_s = best_s(call, device, rounds) / n
        share = work / options.rates[precision] / each_s
        print(
            f"{backbone.name:<16}{name:<16}{n:>6}{each_s * 1e3:>12.3f}{share:>10.1%}"
            f"{peak_mb(call, device):>9}"
        )

    show("eager", 1, eager(backbone, images[0], device), "f32")
    for precision in options.rates:
        engine = TorchEngine(backbone, device=device, precision=precision)
        for n in options.batches:
            batch = list(images[:n])
            show(engine.name, n, partial(engine.features_of_several, batch), precision)
        del engine


def _predict_all(model: Model, images: list[NDArray[np.uint8]]) -> None:
    for _ in model.predict_many(images):
        pass


def show_predictions(options: argparse.Namespace) -> None:
    """Print how long a prediction of a stream takes, readouts on the host included."""
    size = (options.height * 2, options.width * 2, 3)
    images = list(np.random.default_rng(1).integers(0, 256, (options.stream, *size), np.uint8))
    for engine in ("auto", "fast")[: len(options.rates)]:
        model = load(options.model, engine=engine, device=options.device)
        each_s = best_s(partial(_predict_all, model, images), options.device, 1)
        print(f"predict_many, {engine}: {each_s / len(images) * 1e3:.1f} ms for an image")


def main() -> None:
    """Print rates, rows and predictions; refuse where there is no GPU."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="default")
    parser.add_argument("--device", default="cuda", help="cuda, cuda:1, mps; cpu only to try it")
    parser.add_argument("--width", type=int, default=512)
    parser.add_argument("--height", type=int, default=384)
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 8, 32])
    parser.add_argument("--matrix", type=int, default=8192, help="side of the large matrices")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--stream", type=int, default=32, help="images of the stream")
    options = parser.parse_args()
    device = options.device
    missing = device.startswith("cuda") and not torch.cuda.is_available()
    if missing or (device == "mps" and not torch.backends.mps.is_available()):
        sys.exit(f"benchmarks/gpu.py: PyTorch sees no {device} device here; nothing was measured")
    precisions: list[Precision] = ["f32"]
    if device == "cpu" or computes_in_bf16(device):
        precisions.append("bf16")
    options.rates = {p: rate(device, p, options.matrix, options.rounds) for p in precisions}
    name = torch.cuda.get_device_name(device) if device.startswith("cuda") else device
    rates = ", ".join(f"{2 * r / 1e12:.2f} in {p}" for p, r in options.rates.items())
    print(f"{name}, PyTorch {torch.__version__}; matrix products, TFLOP/s: {rates}")
    print(f"{'network':<16}{'by':<16}{'batch':>6}{'ms/image':>12}{'of floor':>10}{'MB':>9}")
    for backbone in backbones_of(options.model, named_card(options.model)):
        if isinstance(backbone, StoredBackbone):
            show_network(backbone, options)
    show_predictions(options)


if __name__ == "__main__":
    main()
