"""Speed and memory of prediction, as ratios measured alternately in one run.

    python benchmarks/predict.py            # needs the extra [train] for the PyTorch peer

Every pair is timed in turns (ours, peer, ours, peer, ...), and medians are compared, so that
a slow spell of the machine falls on both.
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
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

import deepgaze2
from deepgaze2.image.examples import example_paths
from deepgaze2.image.network_input import network_input, network_size
from deepgaze2.model import Model
from deepgaze2.support.cores import available_cores

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


def eager_pytorch(model: Model) -> Callable[[NDArray[np.uint8]], object]:
    """Return the same computation as one writes it in PyTorch: no shortcut, maps one by one."""
    import torch
    from torch.nn import functional

    from deepgaze2.features.backbone import find_stored_backbone
    from deepgaze2.features.network import Convolution, MaxPooling
    from deepgaze2.readout.activations import ACTIVATIONS
    from deepgaze2.readout.grid import blur_matrix, image_in_grid, interpolation_matrix
    from deepgaze2.readout.numpy_readout import LAYER_NORM_EPSILON

    (branch,) = model.branches
    backbone = find_stored_backbone(branch.backbone.name)
    layers = {
        name: (
            torch.from_numpy(backbone.kernels[name].astype(np.float32)),
            torch.from_numpy(backbone.biases[name]),
        )
        for name in backbone.kernels
    }
    readout, architecture = branch.readout, branch.readout.architecture
    widths = [group.channels for group in architecture.groups]
    deviations = torch.split(torch.from_numpy(readout.tap_deviation)[:, None, None], widths)
    prior = torch.from_numpy(model.center_bias.log_density(SIZE[1], SIZE[0]))
    activation = ACTIVATIONS[architecture.activation].torch

    def matrix(positions: NDArray[np.float64], cells: int) -> torch.Tensor:
        return torch.from_numpy(interpolation_matrix(positions, cells).astype(np.float32))

    def feature_maps(pixels: NDArray[np.uint8], size: tuple[int, int]) -> dict[str, torch.Tensor]:
        x = torch.from_numpy(network_input(pixels, size))[None]
        x = x - torch.from_numpy(backbone.input_mean)[:, None, None]
        found: dict[str, torch.Tensor] = {}
        for node in backbone.network.nodes:
            if isinstance(node.operation, MaxPooling):
                x = functional.max_pool2d(x, 2, ceil_mode=True)
            elif isinstance(node.operation, Convolution):
                x = functional.conv2d(x, *layers[node.name], padding=1)
            else:
                x = functional.relu(x)
            found[node.name] = x[0]
        return found

    def on_grid(pixels: NDArray[np.uint8], sizes: list[tuple[int, int]]) -> torch.Tensor:
        features = []
        for group, size, deviation in zip(architecture.groups, sizes, deviations, strict=True):
            found = feature_maps(pixels, size)
            taps = torch.cat([found[tap] for tap in group.names]) / deviation
            if architecture.layer_norm:
                spread, mean = torch.std_mean(taps, dim=0, correction=0)
                taps = (taps - mean) / (spread.square() + LAYER_NORM_EPSILON).sqrt()
            rows, columns = (
                matrix(group.positions(main, own, architecture.grid_block), cells)
                for main, own, cells in zip(sizes[0][::-1], size[::-1], taps.shape[1:], strict=True)
            )
            features.append(rows @ (taps @ columns.T))
        return torch.cat(features)[None]  # (1, channels, gh, gw)

    def predict(pixels: NDArray[np.uint8]) -> object:
        longer = model.card.longer_side_px
        sizes = [
            network_size(*SIZE, longer_side_px=round(longer * group.scale))
            for group in architecture.groups
        ]
        features = on_grid(pixels, sizes)
        height, width = features.shape[2:]
        rows, columns = (
            matrix(image_in_grid(image_px, input_px, architecture.grid_block), cells)
            for image_px, input_px, cells in zip(
                SIZE[::-1], sizes[0][::-1], (height, width), strict=True
            )
        )
        logs = []
        for k in range(readout.n_models):
            z = features
            for layer, (w, b) in enumerate(zip(readout.weights, readout.biases, strict=True)):
                z = functional.conv2d(
                    z, torch.from_numpy(w[k])[..., None, None], torch.from_numpy(b[k])
                )
                if layer < len(readout.weights) - 1:
                    z = activation(z)
            sigma = float(readout.sigma_px[k]) / 2 ** (architecture.grid_block - 1)
            vertical = torch.from_numpy(blur_matrix(height, sigma).astype(np.float32))
            horizontal = torch.from_numpy(blur_matrix(width, sigma).astype(np.float32))
            s = rows @ (vertical @ z[0, 0] @ horizontal.T) @ columns.T
            weighted = float(readout.prior_weight[k]) * prior
            logs.append(torch.log_softmax((s + weighted).flatten(), 0))
        return (torch.logsumexp(torch.stack(logs), 0) - np.log(len(logs))).reshape(SIZE[1], SIZE[0])

    def guarded(pixels: NDArray[np.uint8]) -> object:
        with torch.inference_mode():
            return predict(pixels)

    return guarded


def peak_memory_mb(size: tuple[int, int]) -> float:
    """Return the peak resident memory of a fresh process that predicts one image (Linux)."""
    code = (
        "import sys, numpy as np, deepgaze2\n"
        "w, h = int(sys.argv[1]), int(sys.argv[2])\n"
        "pixels = np.random.default_rng(0).integers(0, 256, (h, w, 3), dtype=np.uint8)\n"
        "deepgaze2.load().predict(pixels)\n"
        # Linux's ru_maxrss would count the parent's memory too, inherited for a moment.
        "status = open('/proc/self/status').read().split()\n"
        "print(int(status[status.index('VmHWM:') + 1]) * 1024 / 1e6)\n"
    )
    command = [sys.executable, "-c", code, str(size[0]), str(size[1])]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def first_picture_s() -> tuple[float, float]:
    """Return seconds from typing the command to the first picture, and to its end."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "photo.jpg"
        Image.fromarray(photo(SIZE)).save(source, quality=90)
        out = Path(folder) / "out"
        began = time.perf_counter()
        command = [sys.executable, "-c", "from deepgaze2.cli import main; main()"]
        process = subprocess.Popen(
            [*command, "predict", str(source), "-o", str(out)],
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


def backbone_inputs(model: Model, pixels: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
    """Return what the backbone sees of an image: once for each scale."""
    (facts,) = model.card.branches
    scales = dict.fromkeys(group.scale for group in facts.architecture.groups)
    sides_px = [round(model.card.longer_side_px * scale) for scale in scales]
    return [network_input(pixels, network_size(*SIZE, longer_side_px=side)) for side in sides_px]


def single_image(rounds: int) -> dict[str, float]:
    """Compare one 1024×768 image between the engines."""
    ncnn, torch_engine = deepgaze2.load(), deepgaze2.load(engine="torch", device="cpu")
    pixels = photo(SIZE)
    inputs = backbone_inputs(ncnn, pixels)
    direct = eager_pytorch(ncnn)
    difference = np.abs(ncnn.predict(pixels).log_density - np.asarray(direct(pixels))).max()
    ours, backbone, same, eager = alternate(
        rounds,
        lambda: ncnn.predict(pixels),
        lambda: [ncnn.branches[0].engine.stored_features(image) for image in inputs],
        lambda: torch_engine.predict(pixels),
        lambda: direct(pixels),
    )
    return {
        "one 1024x768 image, s": ours,
        "share outside the backbone": 1 - backbone / ours,
        "eager PyTorch, direct / ours": eager / ours,
        "PyTorch engine with our readout / ours": same / ours,
        "largest difference to eager PyTorch, nats": float(difference),
    }


def large_image(rounds: int) -> dict[str, float]:
    """Compare a 24-megapixel array with a 1024×768 one; decoding and writing left out."""
    model = deepgaze2.load()
    small, large = photo(SIZE), photo(LARGE)
    ours, big = alternate(rounds, lambda: model.predict(small), lambda: model.predict(large))
    memory = {size: peak_memory_mb(size) for size in (SIZE, LARGE)}
    return {
        "24 megapixels / 1024x768, time": big / ours,
        "peak memory, 1024x768, MB": memory[SIZE],
        "24 megapixels / 1024x768, peak memory": memory[LARGE] / memory[SIZE],
    }


def stream(n_images: int, rounds: int) -> dict[str, float]:
    """Compare predict_many over files with the engine alone on ready inputs."""
    model = deepgaze2.load()
    with tempfile.TemporaryDirectory() as folder:
        paths = []
        for i, source in zip(range(n_images), itertools.cycle(example_paths()), strict=False):
            path = Path(folder) / f"{i:03d}.jpg"
            with Image.open(source) as example:
                example.convert("RGB").resize(SIZE).save(path, quality=90)
            paths.append(path)
        inputs = backbone_inputs(model, photo(SIZE))

        def raw() -> None:
            for _ in paths:
                for image in inputs:
                    model.branches[0].engine.stored_features(image)

        def many() -> None:
            for _ in model.predict_many(paths):
                pass

        engine_s, many_s = alternate(rounds, raw, many)
    return {
        f"predict_many, {n_images} images, images/s": n_images / many_s,
        "predict_many / engine's raw rate": engine_s / many_s,
    }


def main() -> None:
    """Run all comparisons and print them as a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--images", type=int, default=100, help="images in the stream")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    arguments = parser.parse_args()
    figures = single_image(arguments.rounds) | large_image(arguments.rounds)
    figures |= stream(arguments.images, rounds=2)
    first, total = zip(*(first_picture_s() for _ in range(3)), strict=True)
    figures["command to first picture, s"] = statistics.median(first)
    figures["command to its end, s"] = statistics.median(total)
    print(f"{available_cores()} cores, {deepgaze2.load().card.name}")
    for name, value in figures.items():
        print(f"{name:<45} {value:10.4g}")
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
