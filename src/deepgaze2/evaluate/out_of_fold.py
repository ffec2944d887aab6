"""A model's log density at the fixations of a data set, never by a readout that saw the image."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from deepgaze2.center_bias import CenterBias
from deepgaze2.data.splits import image_folds
from deepgaze2.data.table import Dataset
from deepgaze2.evaluate.baseline import fit_center_bias
from deepgaze2.model import Model

_CENTER_BIAS_FOLDS = 10
_IMAGES_AT_ONCE = 3  # one is decoded and one scored while the engine works on a third


def fold_center_biases(dataset: Dataset, folds: NDArray[np.integer]) -> list[CenterBias]:
    """Return, for each fold, the center bias of all *other* folds' fixations.

    Bandwidth and uniform share are fitted once, across the folds.
    """
    fitted = fit_center_bias(dataset, folds)
    return [fitted.without(fold) for fold in range(folds.max() + 1)]


def folds_of(model: Model, dataset: Dataset) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """Return each image's fold, and whether the model was trained on the image, (n_stimuli,).

    Images that the model's card names have the card's fold. All others are split anew, for
    the center bias alone.
    """
    ids = dataset.stimuli.ids
    trained_here = model.card.training.get("data_set") == dataset.name
    fold_by_id = {name: k for k, names in enumerate(model.card.folds) for name in names}
    known = np.array([fold_by_id.get(name, -1) if trained_here else -1 for name in ids])
    split = image_folds(len(ids), min(_CENTER_BIAS_FOLDS, len(ids)), seed=0)
    return np.where(known >= 0, known, split), known >= 0


def model_log_density(model: Model, dataset: Dataset) -> NDArray[np.float64]:
    """Return the model's log density at each fixation's pixel, nats, (n_fixations,).

    An image that the model was trained on is predicted by the one readout that has not seen
    it, any other by the mixture. The center bias is that of the data set's other folds.
    """
    folds, seen = folds_of(model, dataset)
    priors = fold_center_biases(dataset, folds)
    members = [model.member(k) for k in range(model.readout.n_models)]

    def at_fixations(i: int) -> NDArray[np.float32]:
        predictor = members[folds[i]] if seen[i] else model
        prediction = predictor.predict(dataset.stimuli.path(i), center_bias=priors[folds[i]])
        rows, columns = dataset.fixations_on(i).pixel()
        return prediction.log_density[rows, columns]

    n_images = len(dataset.stimuli)
    with ThreadPoolExecutor(_IMAGES_AT_ONCE) as pool:
        results = pool.map(at_fixations, range(n_images))
        parts = list(tqdm(results, "scoring", n_images, unit="image", disable=None))
    return np.concatenate(parts).astype(np.float64)
