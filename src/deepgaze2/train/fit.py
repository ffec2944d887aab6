"""Maximum-likelihood training of K cross-validation readouts at once, on cached features.

The readouts see the same images, each but its own held-out part, so features are read once
for all of them. The number of epochs is fixed beforehand: nothing is chosen by looking at a
held-out part, so its score stays an honest one.
"""

import hashlib
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from deepgaze2.errors import DataError
from deepgaze2.features import ImageFeatures
from deepgaze2.files import written_atomically
from deepgaze2.train.network import ReadoutNetwork, TrainingGrid
from deepgaze2.vgg import Vgg


@dataclass(frozen=True)
class FitSettings:
    """How the readouts are trained.

    Attributes
    ----------
    epochs
        Passes over the images.
    learning_rate
        Peak of Adam's one-cycle schedule (Smith and Topin 2018).
    images_per_step
        The paper's minibatch in fine-tuning.
    dropout
        Share of the normalized features set to zero while training.
    grid_block
        Block on whose grid the densities are computed: 3 is an eighth of the image's
        resolution when the image is halved for the network.
    seed
        Of the initial parameters and of the images' order.
    """

    epochs: int = 6
    learning_rate: float = 3e-3
    images_per_step: int = 10
    dropout: float = 0.0
    grid_block: int = 3
    seed: int = 0


@dataclass(frozen=True)
class TrainingImage:
    """One image with its fixations.

    Attributes
    ----------
    features
        The backbone's cached features.
    grid
        Where saliency is computed.
    log_center_bias
        (gh·gw,) log prior at the grid's cells, up to a constant.
    cells
        (n_fixations,) index of each fixation's cell.
    fold
        The part of the cross-validation that it belongs to: readout `fold` never sees it.
    """

    features: ImageFeatures
    grid: TrainingGrid
    log_center_bias: Tensor
    cells: Tensor
    fold: int


def fit(
    network: ReadoutNetwork,
    vgg: Vgg,
    images: list[TrainingImage],
    settings: FitSettings,
    checkpoint: Path,
) -> list[float]:
    """Train a network in place; interrupted, it goes on after the last whole epoch.

    Parameters
    ----------
    checkpoint
        File for the state after each epoch; taken up if it is there.

    Returns
    -------
    list of float
        For each epoch the mean information gain on the images trained on, bits/fixation.

    Raises
    ------
    DataError
        If a readout's saliency is constant after training (its bottleneck died).
    """
    steps = math.ceil(len(images) / settings.images_per_step)
    optimizer = torch.optim.Adam(network.parameters(), lr=settings.learning_rate, betas=(0.9, 0.99))
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer,
        max_lr=settings.learning_rate,
        total_steps=settings.epochs * steps,
        pct_start=0.2,
        cycle_momentum=False,
        final_div_factor=100,
    )
    parts = {"network": network, "optimizer": optimizer, "schedule": schedule}
    identity = _identity(network, images, settings)
    curve = _resume(checkpoint, parts, identity)
    network.train()
    total = settings.epochs * len(images)
    with tqdm(total=total, desc="training", unit="image", disable=None) as progress:
        progress.update(len(curve) * len(images))
        for epoch in range(len(curve), settings.epochs):
            torch.manual_seed(settings.seed * 1009 + epoch)  # dropout's masks, also when resumed
            order = np.random.default_rng((settings.seed, epoch)).permutation(len(images))
            gain = count = 0.0
            for step in np.array_split(order, steps):
                batch = [images[i] for i in step]
                optimizer.zero_grad()
                n_fixations = sum(len(image.cells) for image in batch)
                for image in batch:
                    bits = _accumulate(network, vgg, image, n_fixations)
                    gain += bits * len(image.cells)
                    count += len(image.cells)
                    progress.update()
                optimizer.step()
                schedule.step()
                progress.set_postfix_str(f"{gain / count:.3f} bits above the center bias")
            curve.append(gain / count)
            _save(checkpoint, parts, identity, curve)
    _refuse_dead(network, vgg, images[0])
    return curve


def _accumulate(network: ReadoutNetwork, vgg: Vgg, image: TrainingImage, n_fixations: int) -> float:
    """Add one image's gradients; return the mean gain of the readouts that may see it, bits."""
    saliency = network(load_taps(image.features, vgg), image.grid)
    log_density = log_densities(saliency, image.log_center_bias)
    likelihood = log_density[:, image.cells].mean(1)
    sees = torch.arange(len(likelihood)) != image.fold
    loss = -likelihood[sees].sum() * (len(image.cells) / n_fixations)
    loss.backward()  # type: ignore[no-untyped-call]
    baseline = torch.log_softmax(image.log_center_bias, 0)[image.cells].mean()
    return float((likelihood[sees].mean() - baseline).detach()) / math.log(2)


def load_taps(features: ImageFeatures, vgg: Vgg) -> Tensor:
    """Return the readout's input, (channels, h5, w5)."""
    stacked = np.concatenate([features.tensor(tap) for tap in vgg.taps])
    return torch.from_numpy(stacked).float()


def log_densities(saliency: Tensor, log_center_bias: Tensor) -> Tensor:
    """Return (K, gh·gw) log densities over the training grid's cells."""
    return torch.log_softmax(saliency.flatten(1) + log_center_bias, 1)


def _identity(
    network: ReadoutNetwork, images: list[TrainingImage], settings: FitSettings
) -> dict[str, Any]:
    """Return what a checkpoint must share with the training that takes it up."""
    digest = hashlib.sha256(network.tap_deviation.numpy().tobytes())
    for image in images:
        names = sorted(f"{tap} {path.name}" for tap, path in image.features.files.items())
        digest.update(f"{names} {image.fold}".encode())
        digest.update(image.cells.numpy().tobytes())
    return asdict(settings) | {
        "readouts": len(network.log_sigma_px),
        "layer_norm": network.layer_norm,
        "final_relu": network.final_relu,
        "images_and_features": digest.hexdigest(),
    }


def _save(path: Path, parts: dict[str, Any], identity: dict[str, Any], curve: list[float]) -> None:
    state = {name: part.state_dict() for name, part in parts.items()}
    with written_atomically(path) as temporary:
        torch.save(state | {"identity": identity, "curve": curve}, temporary)


def _resume(path: Path, parts: dict[str, Any], identity: dict[str, Any]) -> list[float]:
    if not path.exists():
        return []
    try:
        state = torch.load(path, weights_only=True)
    except Exception as error:  # torch raises many kinds on a damaged file
        raise DataError(f"{path}: damaged checkpoint; remove it to begin anew") from error
    found = state.get("identity", {})
    if differing := sorted(key for key in identity if found.get(key) != identity[key]):
        raise DataError(
            f"{path}: from a training with other {', '.join(differing)}; "
            "remove it to begin anew, or train as before"
        )
    for name, part in parts.items():
        part.load_state_dict(state[name])
    curve: list[float] = state["curve"]
    return curve


def _refuse_dead(network: ReadoutNetwork, vgg: Vgg, image: TrainingImage) -> None:
    network.eval()
    with torch.no_grad():
        saliency = network(load_taps(image.features, vgg), image.grid).flatten(1)
    dead = (saliency.std(1) < 1e-4).nonzero().flatten().tolist()
    if dead:
        raise DataError(
            f"readouts {dead} predict the bare center bias (their bottleneck died); "
            "train again with another seed"
        )


def grid_cells(
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    image_size: tuple[int, int],
    input_size: tuple[int, int],
    grid: TrainingGrid,
) -> Tensor:
    """Return the index of the training grid's cell nearest to each fixation's pixel center."""
    indices = []
    for positions, image_px, input_px, cells in zip(
        (x, y), image_size, input_size, reversed(grid.shape), strict=True
    ):
        in_input = (np.floor(positions) + 0.5) * (input_px / image_px) - 0.5
        nearest = np.rint((in_input - (grid.stride_px - 1) / 2) / grid.stride_px)
        indices.append(np.clip(nearest, 0, cells - 1).astype(np.int64))
    return torch.from_numpy(indices[1] * grid.shape[1] + indices[0])
