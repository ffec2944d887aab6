"""Narrow VGGs with random weights and readouts to go with them."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from deepgaze2.branch import Branch
from deepgaze2.card import BranchFacts, Card
from deepgaze2.density.center_bias import load_center_bias
from deepgaze2.features.backbone import StoredBackbone, assemble_backbone
from deepgaze2.features.cache import ImageFeatures
from deepgaze2.features.cache_files import write_feature_map
from deepgaze2.features.engines import create_engine
from deepgaze2.features.network import Convolution, Network, Node
from deepgaze2.features.networks import NETWORKS
from deepgaze2.features.networks.vgg import VGG16, VGG19
from deepgaze2.model import Model
from deepgaze2.readout.architecture import Architecture, TapGroup, paper_architecture, tap_groups
from deepgaze2.readout.numpy_readout import Readout


def conv_names(network: Network) -> list[str]:
    """The convolutions in order."""
    return [node.name for node in network.convolutions()]


def conv_shapes(network: Network) -> dict[str, tuple[int, int]]:
    """Output and input channels of each convolution."""
    shapes = network.tensor_shapes
    return {
        name: (shapes[f"{name}.weight"][0], shapes[f"{name}.weight"][1])
        for name in conv_names(network)
    }


def narrowed(network: Network, divisor: int = 64) -> Network:
    """The same structure with fewer channels."""

    def narrow(node: Node) -> Node:
        step = node.operation
        if not isinstance(step, Convolution):
            return node
        return replace(node, operation=replace(step, channels=max(3, step.channels // divisor)))

    nodes = tuple(map(narrow, network.nodes))
    return replace(network, name=f"narrow-{network.name}", nodes=nodes)


NARROW16, NARROW19 = narrowed(VGG16), narrowed(VGG19)


def random_backbone(
    vgg: Network = NARROW16, seed: int = 0, *, half: bool = False
) -> StoredBackbone:
    rng = np.random.default_rng(seed)
    tensors: dict[str, NDArray[np.floating]] = {"input_mean": np.array([123.7, 116.8, 103.9])}
    for name, shape in vgg.tensor_shapes.items():
        if name.endswith(".bias"):
            tensors[name] = rng.normal(0, 20, shape)
        else:
            kernel = rng.normal(0, np.sqrt(2 / np.prod(shape[1:])), shape)
            tensors[name] = kernel.astype(np.float16 if half else np.float32)
    return assemble_backbone(tensors, vgg, "random")


def random_image(width: int, height: int, seed: int = 0) -> NDArray[np.float32]:
    """A network input: (3, height, width), 0..255."""
    rng = np.random.default_rng((seed, width, height))
    return rng.uniform(0, 255, (3, height, width)).astype(np.float32)


PAPER16 = paper_architecture(NARROW16)
_FIVE = NARROW16.taps
_FOUR = ("conv4_1", "relu4_1", "relu4_3")


def group(names: tuple[str, ...], scale: float = 1.0, network: Network = NARROW16) -> TapGroup:
    """Layers of a network that share one grid."""
    (one,) = tap_groups(network, names, (scale,))
    return one


ARCHITECTURES = {
    "paper": PAPER16,
    "final relu": replace(PAPER16, final_relu=True),
    "two scales": Architecture(
        (group(_FIVE), group(_FIVE, scale=0.5)), layer_norm=True, grid_block=3
    ),
    "blocks 4 and 5": Architecture((group(_FOUR), group(_FIVE)), activation="softplus"),
    "linear": Architecture((group(_FIVE, scale=1.5), group(_FOUR)), widths=(1,)),
    "three groups": Architecture(
        (group(("relu3_2",)), group(_FOUR, scale=0.7), group(_FIVE, scale=1.3)),
        widths=(6, 4, 1),
        activation="softplus",
        layer_norm=True,
        grid_block=4,
    ),
}
"""Of every kind, on `NARROW16`. A group's first scale need not be 1: sizes are what counts."""


def random_readout(
    n_models: int = 3, architecture: Architecture = PAPER16, vgg: Network = NARROW16, seed: int = 0
) -> Readout:
    """K readouts whose saliency varies over several nats on random features."""
    rng = np.random.default_rng(seed)
    channels = sum(group.channels for group in architecture.groups)
    weights, biases = [], []
    for inputs, outputs in pairwise((channels, *architecture.widths)):
        scale = np.sqrt(2 / inputs)
        weights.append(rng.normal(0, scale, (n_models, outputs, inputs)).astype(np.float32))
        biases.append(rng.normal(0.3, 0.1, (n_models, outputs)).astype(np.float32))
    for layer in range(max(1, len(weights) - 2), len(weights)):
        weights[layer] = np.abs(weights[layer])  # two units and one: keep the bottleneck alive
    if len(weights) > 1:
        weights[-1][:, :, 1] *= -1  # saliency of both signs, so that a final ReLU matters
    return Readout(
        architecture=architecture,
        weights=tuple(weights),
        biases=tuple(biases),
        sigma_px=rng.uniform(2, 7, n_models).astype(np.float32),
        prior_weight=np.ones(n_models, np.float32),
        tap_deviation=rng.uniform(20, 80, channels).astype(np.float32),
    )


def group_sizes(architecture: Architecture, size: tuple[int, int]) -> list[tuple[int, int]]:
    """Width and height of each group's network input, at least a cell of the last block."""
    return [
        (max(16, round(size[0] * group.scale)), max(16, round(size[1] * group.scale)))
        for group in architecture.groups
    ]


def cells_of(group: TapGroup, size: tuple[int, int]) -> tuple[int, int]:
    """Rows and columns of a group of VGG's layers for a network input of (width, height)."""
    columns, rows = (-(-px // round(group.stride_px)) for px in size)
    return rows, columns


def card_of(
    readout: Readout, backbone: StoredBackbone, name: str = "tiny", n_folds: int | None = None
) -> Card:
    n_folds = n_folds or readout.n_models
    return Card(
        name=name,
        description="random numbers",
        license="MIT",
        branches=(BranchFacts(backbone.name, backbone.checksum, readout.architecture),),
        longer_side_px=64,
        center_bias="gaussian",
        folds=tuple((f"{k}.png",) for k in range(n_folds)),
        training={"seeds_per_fold": readout.n_models // n_folds},
    )


def tiny_model(
    n_models: int = 3,
    engine: str = "ncnn",
    architecture: Architecture = PAPER16,
    n_folds: int | None = None,
) -> Model:
    backbone = random_backbone().with_taps(architecture.taps)
    readout = random_readout(n_models, architecture)
    card = card_of(readout, backbone, n_folds=n_folds)
    return _model(card, [backbone], [readout], engine)


def _model(
    card: Card, backbones: Sequence[StoredBackbone], readouts: Sequence[Readout], engine: str
) -> Model:
    thread = ThreadPoolExecutor(1)
    branches = [
        Branch(one, readout, create_engine(one, engine, threads=1), facts.share, thread)
        for facts, one, readout in zip(card.branches, backbones, readouts, strict=True)
    ]
    return Model(card, tuple(branches), load_center_bias("gaussian"))


def with_readouts(model: Model, *readouts: Readout) -> Model:
    """The model with other readouts on each of its networks."""
    pairs = zip(model.branches, readouts, strict=True)
    return replace(model, branches=tuple(replace(one, readout=other) for one, other in pairs))


NARROW50 = narrowed(NETWORKS["resnet50"])
"""A network whose images must be larger than a VGG's, and whose layers have other strides."""
OF_TWO = (
    ARCHITECTURES["two scales"],
    Architecture(tap_groups(NARROW50, NARROW50.taps, (1.0, 0.5)), layer_norm=True, grid_block=3),
)
"""On `NARROW16` and `NARROW50`."""


def parts_of_two(
    n_models: int = 3,
    n_folds: int | None = None,
    shares: tuple[float, float] = (1.0, 2.5),
    backbones: Sequence[StoredBackbone] = (random_backbone(), random_backbone(NARROW50, 1)),
) -> tuple[Card, list[StoredBackbone], list[Readout]]:
    """A card with branches on two networks that count differently, the networks, the readouts."""
    backbones = [one.with_taps(own.taps) for one, own in zip(backbones, OF_TWO, strict=True)]
    readouts = [
        random_readout(n_models, own, backbone.network, seed)
        for seed, (backbone, own) in enumerate(zip(backbones, OF_TWO, strict=True))
    ]
    card = card_of(readouts[0], backbones[0], "tiny two", n_folds)
    branches = [
        BranchFacts(backbone.name, backbone.checksum, own, share)
        for backbone, own, share in zip(backbones, OF_TWO, shares, strict=True)
    ]
    return replace(card, branches=tuple(branches)), backbones, readouts


def tiny_model_of_two(
    n_models: int = 3,
    engine: str = "ncnn",
    n_folds: int | None = None,
    shares: tuple[float, float] = (1.0, 2.5),
) -> Model:
    """A model with readouts on two networks."""
    return _model(*parts_of_two(n_models, n_folds, shares), engine)


def write_features(
    folder: Path, name: str, vgg: Network, stacked: NDArray[np.floating], size: tuple[int, int]
) -> ImageFeatures:
    """Features of an image as the cache keeps them, from VGG's distinct taps on one grid."""
    files = {}
    parts = np.split(stacked.astype(np.float16), len(vgg.stored_taps()))
    for tap, part in zip(vgg.stored_taps(), parts, strict=True):
        files[tap] = folder / tap / f"{name}.npy"
        write_feature_map(files[tap], part)
    return ImageFeatures(files, size, vgg.relu_inputs)


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
