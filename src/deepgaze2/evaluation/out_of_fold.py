"""A model's predictions of a data set's images, never by a readout that saw the image."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from deepgaze2.card import Card
from deepgaze2.data.dataset import Dataset
from deepgaze2.data.image_names import parts_by_name
from deepgaze2.data.splits import image_folds
from deepgaze2.image.stimulus import read_stimulus
from deepgaze2.model import Model
from deepgaze2.references.baseline import fold_center_biases

_CENTER_BIAS_FOLDS = 10
_SAME_SET = 0.5  # of the images, with names that the model's card has


def folds_of(model: Model, dataset: Dataset) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """Return each image's fold, and whether the model was trained on the image, (n_stimuli,).

    Images that the model's card names have the card's fold. All others are split anew, for
    the center bias alone. A data set of another name counts as the training set too if the card
    names half of its images: a copy under a new name would else be scored too well, whereas
    taking one readout for another set's images costs little.
    """
    ids = dataset.stimuli.ids
    known = parts_by_name(model.card.folds, ids)
    if dataset.name not in _trained_on(model.card) and (known >= 0).mean() < _SAME_SET:
        known[:] = -1
    split = image_folds(len(ids), min(_CENTER_BIAS_FOLDS, len(ids)), seed=0)
    return np.where(known >= 0, known, split), known >= 0


def _trained_on(card: Card) -> set[str]:
    """Return the names of the data sets that a model was trained on."""
    several = card.training.get("data_sets", [])  # cards of before there could be several have none
    return {card.training.get("data_set", ""), *(one["name"] for one in several)}


def out_of_fold(model: Model, dataset: Dataset) -> Callable[[int], NDArray[np.float32]]:
    """Return what predicts each image of a data set without having seen it.

    An image that the model was trained on is predicted by the readouts that have not seen
    it, any other by the whole mixture. The center bias is that of the data set's other folds.

    Returns
    -------
    callable
        Takes a stimulus' number and returns its log density, float32 (H, W), nats.
        Thread-safe.
    """
    folds, seen = folds_of(model, dataset)
    priors = fold_center_biases(dataset, folds)
    members = [model.fold(k) for k in range(len(model.card.folds))]

    def log_density(i: int) -> NDArray[np.float32]:
        predictor = members[folds[i]] if seen[i] else model
        # Not the path: with color profiles as in training, where they do not count.
        stimulus = read_stimulus(dataset.stimuli.path(i))
        prior = priors[folds[i]]
        return predictor.predict(stimulus, center_bias=prior, viewport="none").log_density

    return log_density
