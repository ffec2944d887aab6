"""Training from a data set to a model folder: features, folds, fit, card."""

import platform
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from deepgaze2.backbone import Backbone
from deepgaze2.card import OWN_CENTER_BIAS, Card, write_model
from deepgaze2.center_bias import CenterBias
from deepgaze2.data.splits import image_folds
from deepgaze2.data.table import Dataset
from deepgaze2.errors import DataError
from deepgaze2.evaluate.baseline import center_bias_of, fit_center_bias
from deepgaze2.evaluate.out_of_fold import fold_center_biases
from deepgaze2.features import ImageFeatures, View, cache_features, tap_deviations
from deepgaze2.grid import cell_centers_px
from deepgaze2.image_files import image_files
from deepgaze2.train.fit import FitSettings, TrainingImage, fit, grid_cells
from deepgaze2.train.network import ReadoutNetwork, training_grid


def train_model(
    dataset: Dataset,
    backbone: Backbone,
    folder: Path,
    *,
    name: str,
    center_bias: str | None = None,
    n_folds: int = 10,
    layer_norm: bool = False,
    final_relu: bool = False,
    normalize_over: Path | None = None,
    longer_side_px: int = 512,
    settings: FitSettings | None = None,
) -> Card:
    """Train a cross-validated mixture on a data set and write its model folder.

    Each readout's images see the center bias of the *other* folds' fixations as their prior,
    in training as in scoring. Images without fixations are left out.

    Parameters
    ----------
    dataset
        First fixations dropped and all fixations inside their images.
    folder
        Where the model goes; the checkpoint lies in it while training.
    layer_norm, final_relu
        Switches of the readout; see `Readout`. The paper's text has the second, not the first.
    normalize_over
        Folder of images over which each channel gets unit variance; None takes the training
        images (the paper took ImageNet's).
    center_bias
        The packaged center bias that the model takes when a prediction names none; None
        estimates it from all fixations of the data set.

    Returns
    -------
    Card
        The model's card, without scores.

    Raises
    ------
    DataError
        If there are fewer images with fixations than folds.
    """
    settings = settings or FitSettings()
    began = time.monotonic()
    dataset = dataset.select(np.diff(dataset.offsets) > 0)
    folds = _folds(dataset, n_folds, settings.seed)
    own_center_bias = _center_bias(dataset) if center_bias is None else None
    paths = [dataset.stimuli.path(i) for i in range(len(dataset.stimuli))]
    taps, view = backbone.vgg.taps, View(longer_side_px)
    features = cache_features(paths, backbone, taps, view)
    reference = features
    if normalize_over is not None:
        reference = cache_features(image_files(normalize_over), backbone, taps, view)
    deviation = tap_deviations(reference, taps)
    images = _training_images(dataset, features, folds, settings.grid_block)
    network = ReadoutNetwork(
        n_folds,
        deviation,
        layer_norm=layer_norm,
        final_relu=final_relu,
        dropout=settings.dropout,
        seed=settings.seed,
    )
    checkpoint = folder / "checkpoint.pt"
    curve = fit(network, backbone.vgg, images, settings, checkpoint)
    ids = np.array(dataset.stimuli.ids)
    card = Card(
        name=name,
        description=_description(backbone.vgg.name, layer_norm),
        license="MIT",
        network=backbone.vgg.name,
        backbone_checksum=backbone.checksum,
        layer_norm=layer_norm,
        final_relu=final_relu,
        longer_side_px=longer_side_px,
        center_bias=center_bias or OWN_CENTER_BIAS,
        folds=tuple(tuple(ids[folds == k].tolist()) for k in range(n_folds)),
        training=_record(dataset, settings, curve, time.monotonic() - began),
    )
    card = write_model(folder, card, network.readout(), own_center_bias)
    checkpoint.unlink()
    return card


def _folds(dataset: Dataset, n_folds: int, seed: int) -> NDArray[np.intp]:
    if (n_images := len(dataset.stimuli)) < n_folds:
        raise DataError(
            f"{dataset.name}: {n_folds} folds, but only {n_images} images have fixations; use"
            " fewer folds (--folds), at least 2, or add images"
        )
    return image_folds(n_images, n_folds, seed)


def _center_bias(dataset: Dataset) -> CenterBias:
    fitted = fit_center_bias(dataset)
    return center_bias_of(dataset, fitted.bandwidth, fitted.uniform_share, OWN_CENTER_BIAS)


def _training_images(
    dataset: Dataset,
    features: list[ImageFeatures],
    folds: NDArray[np.integer],
    grid_block: int,
) -> list[TrainingImage]:
    priors = fold_center_biases(dataset, folds)
    images = []
    for i, cached in enumerate(features):
        fixations = dataset.fixations_on(i)
        size = int(dataset.stimuli.width[i]), int(dataset.stimuli.height[i])
        cells = cached.tensor(next(iter(cached.files))).shape[1:]
        grid = training_grid(cached.input_size, cells, grid_block)
        prior = _prior_at_cells(priors[folds[i]], size, cached.input_size, grid_block)
        images.append(
            TrainingImage(
                features=cached,
                grid=grid,
                log_center_bias=torch.from_numpy(prior.ravel()),
                cells=grid_cells(fixations.x, fixations.y, size, cached.input_size, grid),
                fold=int(folds[i]),
            )
        )
    return images


def _prior_at_cells(
    prior: CenterBias, size: tuple[int, int], input_size: tuple[int, int], block: int
) -> NDArray[np.float32]:
    """Return the prior's log density at the image pixels where the grid's cells lie."""
    columns, rows = (
        np.clip(
            (cell_centers_px(input_px, block) + 0.5) * (image_px / input_px), 0, image_px - 1
        ).astype(np.intp)
        for image_px, input_px in zip(size, input_size, strict=True)
    )
    return prior.log_density(size[1], size[0])[np.ix_(rows, columns)]


def _description(network: str, layer_norm: bool) -> str:
    if layer_norm:
        return f"DeepGaze II on {network}, features also normalized across channels"
    return f"DeepGaze II on {network} as in the paper, without pretraining"


def _record(
    dataset: Dataset, settings: FitSettings, curve: list[float], seconds: float
) -> dict[str, Any]:
    return {
        "data_set": dataset.name,
        "images": len(dataset.stimuli),
        "fixations": len(dataset.fixations),
        "procedure": "Adam, one-cycle schedule, fixed number of epochs; no pretraining",
        "settings": asdict(settings),
        "information_gain_on_training_images_bits_by_epoch": [round(bits, 4) for bits in curve],
        "seconds": round(seconds),
        "machine": f"{platform.machine()}, {torch.get_num_threads()} threads",
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
    }
