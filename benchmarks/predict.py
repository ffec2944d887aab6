"""Speed and memory of prediction, as ratios measured alternately in one run.

    python benchmarks/predict.py            # needs the extra [train] for the PyTorch peer

Every pair is timed in turns (ours, peer, ours, peer, ...), and medians are compared, so that
a slow spell of the machine falls on both.

What is outside the networks cannot become nothing. The readouts of `deepgaze2-plus` on a 1024×768
image are 2.8 billion products of features and weights in their first layers (1.8 on VGG-16, 0.9 on
ResNet-50) and 1.4 billion behind them, of which 0.9 interpolate to the readout's grid.
"""

import argparse
import itertools
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

import deepgaze2
from deepgaze2.image.examples import example_paths
from deepgaze2.image.network_input import network_input, network_size
from deepgaze2.model import Model
from deepgaze2.store import packaged_models
from deepgaze2.support.cores import available_cores
from eager import eager_prediction

SIZE = (1024, 768)
LARGE = (6000, 4000)  # 24 megapixels


def alternate(rounds: int, *calls: Callable[[], object]) -> list[float]:
    """Return the median seconds of each call, run in turns after one warm-up each."""
    seconds: list[list[float]] = [[] for _ in calls]
    for turn in range(rounds + 1):
        for times, call in zip(seconds, calls, strict=True):
            began = time.perf_counter()
            call()
            if turn:
                times.append(time.perf_counter() - began)
    return [statistics.median(times) for times in seconds]


def photo(size: tuple[int, int]) -> NDArray[np.uint8]:
    """Return an example photo, (H, W, 3), brought to a size."""
    with Image.open(example_paths()[0]) as image:
        return np.asarray(image.convert("RGB").resize(size, Image.Resampling.BICUBIC))


def peak_memory_mb(model: str, size: tuple[int, int]) -> float:
    """Return the peak resident memory of a fresh process that predicts one image (Linux)."""
    code = (
        "import sys, numpy as np, deepgaze2\n"
        "w, h = int(sys.argv[1]), int(sys.argv[2])\n"
        "pixels = np.random.default_rng(0).integers(0, 256, (h, w, 3), dtype=np.uint8)\n"
        "deepgaze2.load(sys.argv[3]).predict(pixels)\n"
        # Linux's ru_maxrss would count the parent's memory too, inherited for a moment.
        "status = open('/proc/self/status').read().split()\n"
        "print(int(status[status.index('VmHWM:') + 1]) * 1024 / 1e6)\n"
    )
    command = [sys.executable, "-c", code, str(size[0]), str(size[1]), model]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def first_picture_s(model: str) -> tuple[float, float]:
    """Return seconds from typing the command to the first picture, and to its end."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "photo.jpg"
        Image.fromarray(photo(SIZE)).save(source, quality=90)
        out = Path(folder) / "out"
        began = time.perf_counter()
        command = [sys.executable, "-c", "from deepgaze2.cli import main; main()"]
        process = subprocess.Popen(
            [*command, "predict", str(source), "-o", str(out), "--model", model],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        first = None
        while process.poll() is None:
            # A file gets its name only when whole; temporary ones begin with a dot.
            if first is None and any(not p.name.startswith(".") for p in out.rglob("*.png")):
                first = time.perf_counter() - began
            time.sleep(0.005)
        total = time.perf_counter() - began
    if process.returncode != 0 or first is None:
        raise RuntimeError("deepgaze2 predict failed; run it by hand")
    return first, total


def run_networks(model: Model, inputs: list[list[NDArray[np.uint8]]]) -> None:
    """Run the networks alone, each on what it sees of an image."""
    for branch, seen in zip(model.branches, inputs, strict=True):
        for image in seen:
            branch.engine.stored_features(image)


def network_inputs(model: Model, pixels: NDArray[np.uint8]) -> list[list[NDArray[np.uint8]]]:
    """Return what each network sees of an image: once for each scale."""
    inputs = []
    for branch in model.card.branches:
        sides_px = [round(model.card.longer_side_px * one) for one in branch.architecture.scales]
        sizes = [network_size(*SIZE, longer_side_px=side_px) for side_px in sides_px]
        inputs.append([network_input(pixels, size) for size in sizes])
    return inputs


def single_image(name: str, rounds: int) -> dict[str, float]:
    """Compare one 1024×768 image between the engines."""
    ncnn, torch_engine = deepgaze2.load(name), deepgaze2.load(name, engine="torch", device="cpu")
    pixels = photo(SIZE)
    inputs, direct = network_inputs(ncnn, pixels), eager_prediction(ncnn, SIZE)
    difference = np.abs(ncnn.predict(pixels).log_density - direct(pixels)).max()
    ours, networks, same, eager = alternate(
        rounds,
        lambda: ncnn.predict(pixels),
        lambda: run_networks(ncnn, inputs),
        lambda: torch_engine.predict(pixels),
        lambda: direct(pixels),
    )
    return {
        "one 1024x768 image, s": ours,
        "share outside the networks": 1 - networks / ours,
        "eager PyTorch, direct / ours": eager / ours,
        "PyTorch engine with our readout / ours": same / ours,
        "largest difference to eager PyTorch, nats": float(difference),
    }


def against_others(name: str, rounds: int) -> dict[str, float]:
    """Compare a model with its networks alone, and with the packaged models."""
    model, pixels = deepgaze2.load(name), photo(SIZE)
    others = {f"{other} / {name}": deepgaze2.load(other) for other in packaged_models()}
    if len(model.branches) > 1:
        for number, branch in enumerate(model.branches):
            others[f"its {branch.backbone.name} alone / {name}"] = model.alone(number)
    calls = [partial(one.predict, pixels) for one in (model, *others.values())]
    ours, *times = alternate(rounds, *calls)
    figures = {f"{what}, time": own / ours for what, own in zip(others, times, strict=True)}
    return figures | {
        f"peak memory of {other}, 1024x768, MB": peak_memory_mb(other, SIZE)
        for other in packaged_models()
    }


def large_image(name: str, rounds: int) -> dict[str, float]:
    """Compare a 24-megapixel array with a 1024×768 one; decoding and writing left out."""
    model = deepgaze2.load(name)
    small, large = photo(SIZE), photo(LARGE)
    ours, big = alternate(rounds, lambda: model.predict(small), lambda: model.predict(large))
    memory = {size: peak_memory_mb(name, size) for size in (SIZE, LARGE)}
    return {
        "24 megapixels / 1024x768, time": big / ours,
        "peak memory, 1024x768, MB": memory[SIZE],
        "24 megapixels / 1024x768, peak memory": memory[LARGE] / memory[SIZE],
    }


def stream(name: str, n_images: int, rounds: int) -> dict[str, float]:
    """Compare predict_many over files with the engines alone on ready inputs."""
    model = deepgaze2.load(name)
    with tempfile.TemporaryDirectory() as folder:
        paths = []
        for i, source in zip(range(n_images), itertools.cycle(example_paths()), strict=False):
            path = Path(folder) / f"{i:03d}.jpg"
            with Image.open(source) as example:
                example.convert("RGB").resize(SIZE).save(path, quality=90)
            paths.append(path)
        inputs = network_inputs(model, photo(SIZE))

        def raw() -> None:
            for _ in paths:
                run_networks(model, inputs)

        def many() -> None:
            for _ in model.predict_many(paths):
                pass

        engine_s, many_s = alternate(rounds, raw, many)
    return {
        f"predict_many, {n_images} images, images/s": n_images / many_s,
        "predict_many / the engines' raw rate": engine_s / many_s,
    }


def main() -> None:
    """Run all comparisons and print them as a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="default")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--images", type=int, default=100, help="images in the stream")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    arguments = parser.parse_args()
    name, rounds = arguments.model, arguments.rounds
    figures = single_image(name, rounds) | large_image(name, rounds) | against_others(name, rounds)
    figures |= stream(name, arguments.images, rounds=2)
    first, total = zip(*(first_picture_s(name) for _ in range(3)), strict=True)
    figures["command to first picture, s"] = statistics.median(first)
    figures["command to its end, s"] = statistics.median(total)
    print(f"{available_cores()} cores, {deepgaze2.load(name).card.name}")
    for what, value in figures.items():
        print(f"{what:<50} {value:10.4g}")
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
