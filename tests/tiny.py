"""Narrow VGGs with random weights and readouts to go with them."""

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from deepgaze2.backbone import Backbone, assemble_backbone
from deepgaze2.card import Card
from deepgaze2.center_bias import load_center_bias
from deepgaze2.engines import create_engine
from deepgaze2.feature_file import write_feature_map
from deepgaze2.features import ImageFeatures
from deepgaze2.model import Model
from deepgaze2.readout import Readout
from deepgaze2.vgg import VGG16, VGG19, Vgg


def narrowed(vgg: Vgg, divisor: int = 64) -> Vgg:
    """The same structure with fewer channels."""
    blocks = tuple(tuple(max(3, width // divisor) for width in widths) for widths in vgg.blocks)
    return Vgg(f"narrow-{vgg.name}", blocks, vgg.taps)


NARROW16, NARROW19 = narrowed(VGG16), narrowed(VGG19)


def random_backbone(vgg: Vgg = NARROW16, seed: int = 0, *, half: bool = False) -> Backbone:
    rng = np.random.default_rng(seed)
    tensors: dict[str, NDArray[np.floating]] = {"input_mean": np.array([123.7, 116.8, 103.9])}
    for name, (outputs, inputs) in vgg.conv_shapes().items():
        kernel = rng.normal(0, np.sqrt(2 / (9 * inputs)), (outputs, inputs, 3, 3))
        tensors[f"{name}.weight"] = kernel.astype(np.float16 if half else np.float32)
        tensors[f"{name}.bias"] = rng.normal(0, 20, outputs)
    return assemble_backbone(tensors, vgg, "random")


def random_image(width: int, height: int, seed: int = 0) -> NDArray[np.float32]:
    """A network input: (3, height, width), 0..255."""
    rng = np.random.default_rng((seed, width, height))
    return rng.uniform(0, 255, (3, height, width)).astype(np.float32)


def random_readout(
    n_models: int = 3,
    vgg: Vgg = NARROW16,
    seed: int = 0,
    *,
    layer_norm: bool = False,
    final_relu: bool = False,
) -> Readout:
    """K readouts whose saliency varies over several nats on random features."""
    rng = np.random.default_rng(seed)
    widths = (sum(vgg.tap_widths()), 16, 32, 2, 1)
    weights, biases = [], []
    for inputs, outputs in pairwise(widths):
        scale = np.sqrt(2 / inputs)
        weights.append(rng.normal(0, scale, (n_models, outputs, inputs)).astype(np.float32))
        biases.append(rng.normal(0.3, 0.1, (n_models, outputs)).astype(np.float32))
    for layer in (2, 3):  # two units and one: keep the bottleneck alive
        weights[layer] = np.abs(weights[layer])
    weights[3][:, :, 1] *= -1  # saliency of both signs, so that a final ReLU matters
    return Readout(
        weights=tuple(weights),
        biases=tuple(biases),
        sigma_px=rng.uniform(2, 7, n_models).astype(np.float32),
        tap_deviation=rng.uniform(20, 80, widths[0]).astype(np.float32),
        layer_norm=layer_norm,
        final_relu=final_relu,
    )


def card_of(readout: Readout, backbone: Backbone, name: str = "tiny") -> Card:
    return Card(
        name=name,
        description="random numbers",
        license="MIT",
        network=backbone.vgg.name,
        backbone_checksum=backbone.checksum,
        layer_norm=readout.layer_norm,
        final_relu=readout.final_relu,
        longer_side_px=64,
        center_bias="gaussian",
        folds=tuple((f"{k}.png",) for k in range(readout.n_models)),
    )


def tiny_model(n_models: int = 3, engine: str = "ncnn") -> Model:
    backbone = random_backbone()
    readout = random_readout(n_models)
    return Model(
        card=card_of(readout, backbone),
        vgg=backbone.vgg,
        readout=readout,
        center_bias=load_center_bias("gaussian"),
        engine=create_engine(backbone, engine, threads=1),
        _engine_thread=ThreadPoolExecutor(1),
    )


def write_features(
    folder: Path, name: str, vgg: Vgg, stacked: NDArray[np.floating], size: tuple[int, int]
) -> ImageFeatures:
    """Features of an image as the cache keeps them, from VGG's distinct taps on one grid."""
    files = {}
    parts = np.split(stacked.astype(np.float16), len(vgg.stored_taps()))
    for tap, part in zip(vgg.stored_taps(), parts, strict=True):
        files[tap] = folder / tap / f"{name}.npy"
        write_feature_map(files[tap], part)
    return ImageFeatures(files, size)


def write_photos(folder: Path, sizes: list[tuple[int, int]], seed: int = 0) -> list[Path]:
    """Write smooth random color pictures, `0.png`, `1.png`, ..., of (width, height) pixels."""
    from PIL import Image

    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    paths = []
    for i, size in enumerate(sizes):
        coarse = Image.fromarray(rng.integers(0, 256, (6, 8, 3), np.uint8))
        paths.append(folder / f"{i}.png")
        coarse.resize(size, Image.Resampling.BICUBIC).save(paths[-1])
    return paths
