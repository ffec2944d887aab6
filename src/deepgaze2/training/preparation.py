"""From data sets to images to train on: features, priors and fixated pixels."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from deepgaze2.data.dataset import Dataset
from deepgaze2.density.center_bias import CenterBias
from deepgaze2.features.backbone import Backbone
from deepgaze2.features.cache import View, tap_deviations
from deepgaze2.features.cache_filling import cache_features
from deepgaze2.features.cache_stores import Reading
from deepgaze2.image.image_files import image_files
from deepgaze2.training.images import TrainingImage, fixated_pixels
from deepgaze2.training.recipes import Recipe
from deepgaze2.training.sets import DataSets
from deepgaze2.training.starts import Start

_MOST_IMAGES = 600  # over which a channel's variance is taken; more do not change it


@dataclass(frozen=True)
class PreparedImages:
    """Data sets' images, as they are and, if wanted, mirrored."""

    images: list[TrainingImage]
    mirrored: list[TrainingImage]

    def by_average(self) -> "PreparedImages":
        """Return the images as those of a set that is not trained on."""
        return PreparedImages(
            [replace(image, viewing=None) for image in self.images],
            [replace(image, viewing=None) for image in self.mirrored],
        )


def prepare_images(
    sets: DataSets,
    priors: Sequence[Sequence[CenterBias]],
    folds: NDArray[np.integer],
    backbone: Backbone,
    recipe: Recipe,
    *,
    mirrored: bool = False,
) -> PreparedImages:
    """Return images with their features, from the cache or computed, fixations and priors.

    Parameters
    ----------
    priors
        For each data set one for each part.
    folds
        (n_images,) the part of each image.
    mirrored
        Whether mirrored images are wanted too.
    """
    weights = _weights(sets, recipe.weighing)

    def prepared(*, mirrored: bool) -> list[TrainingImage]:
        images = []
        for number, dataset in enumerate(sets.each):
            own = folds[sets.number == number]
            images += _prepare(dataset, priors[number], own, backbone, recipe, mirrored=mirrored)
        return [
            replace(image, viewing=number, weight=weight)
            for image, number, weight in zip(
                images, sets.number.tolist(), weights.tolist(), strict=True
            )
        ]

    return PreparedImages(prepared(mirrored=False), prepared(mirrored=True) if mirrored else [])


def _weights(sets: DataSets, weighing: str) -> NDArray[np.float64]:
    """Return what each fixation on each image counts; the mean over all fixations is one."""
    counts = sets.n_fixations.astype(np.float64)
    if weighing == "image":
        weights = 1 / counts
    elif weighing == "set":
        weights = 1 / np.bincount(sets.number, counts)[sets.number]
    else:
        weights = np.ones_like(counts)
    return np.asarray(weights * (counts.sum() / (weights * counts).sum()))


def _prepare(
    dataset: Dataset,
    priors: Sequence[CenterBias],
    folds: NDArray[np.integer],
    backbone: Backbone,
    recipe: Recipe,
    *,
    mirrored: bool,
) -> list[TrainingImage]:
    stimuli = dataset.stimuli
    paths = [stimuli.path(i) for i in range(len(stimuli))]
    features = cache_features(paths, _readings(backbone, recipe, mirrored=mirrored))

    @cache  # one array for all images of a size and part
    def prior(fold: int, width: int, height: int) -> NDArray[np.float32]:
        log_density = priors[fold].log_density(height, width)
        return np.ascontiguousarray(log_density[:, ::-1]) if mirrored else log_density

    images = []
    for i, seen in enumerate(zip(*features, strict=True)):
        fixations = dataset.fixations_on(i)
        size = int(stimuli.width[i]), int(stimuli.height[i])
        pixels = fixated_pixels(fixations.x, fixations.y, size, seen[0].input_size)
        if mirrored:
            row, column = np.divmod(pixels, seen[0].input_size[0])
            pixels = row * np.int32(seen[0].input_size[0]) + (seen[0].input_size[0] - 1 - column)
        images.append(
            TrainingImage(seen, prior(int(folds[i]), *seen[0].input_size), pixels.astype(np.int32))
        )
    return images


def _readings(backbone: Backbone, recipe: Recipe, *, mirrored: bool = False) -> list[Reading]:
    """Return what the cache is asked for, for each group of taps."""
    return [
        Reading(backbone, group.names, View(round(recipe.longer_side_px * group.scale), mirrored))
        for group in recipe.architecture.groups
    ]


def feature_deviations(
    recipe: Recipe,
    backbone: Backbone,
    prepared: PreparedImages,
    normalize_over: Path | None,
    start: Start | None,
) -> list[NDArray[np.float32]]:
    """Return, for each group of taps, what its channels are divided by for unit variance.

    Parameters
    ----------
    normalize_over
        Folder of images to take the variance over; None takes the prepared ones.
    start
        A model to go on from, whose own deviations are taken, whatever the images are.

    Returns
    -------
    list of float32 array (channels,)
        Standard deviations.
    """
    groups = recipe.architecture.groups
    if start is not None:
        widths = [group.channels for group in groups]
        return np.split(start.readout.tap_deviation, np.cumsum(widths)[:-1])
    if normalize_over is None:
        n = len(prepared.images)
        some = np.linspace(0, n - 1, min(n, _MOST_IMAGES)).astype(int).tolist()
        chosen = [prepared.images[i] for i in some]
        return [
            tap_deviations([image.features[g] for image in chosen], group.names)
            for g, group in enumerate(groups)
        ]
    features = cache_features(image_files(normalize_over), _readings(backbone, recipe))
    return [
        tap_deviations(images, group.names) for images, group in zip(features, groups, strict=True)
    ]
