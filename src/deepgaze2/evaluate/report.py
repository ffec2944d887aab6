"""How good a model is on a data set, in bits: the table behind `deepgaze2 evaluate`."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deepgaze2.data.table import Dataset
from deepgaze2.evaluate.baseline import fit_center_bias, uniform_log_density
from deepgaze2.evaluate.gold_standard import fit_gold_standard
from deepgaze2.evaluate.information import (
    information_gain,
    information_gain_explained,
    mean_per_image,
    sum_per_image,
)
from deepgaze2.evaluate.intervals import bootstrap_interval
from deepgaze2.evaluate.out_of_fold import folds_of, model_log_density
from deepgaze2.model import Model


@dataclass(frozen=True)
class Report:
    """Scores in bits per fixation; means over fixations, 95% intervals over images.

    Attributes
    ----------
    center_bias_bits
        The cross-validated center bias over the uniform density.
    gold_bits
        The leave-one-subject-out gold standard over the center bias.
    model_bits, model_interval
        The model over the center bias.
    explained, explained_interval
        Information gain explained: the ratio of the two, 0 to 1.
    negative_images
        Images on which the model is worse than the center bias.
    images_trained_on
        Images that the model was trained on, each predicted by the readout that has not seen
        it; the others are predicted by the mixture.
    folds
        For each fold with fixations: its number, images, the model's and the gold standard's
        bits, and their ratio.
    gold_bandwidth_px, gold_weights
        The gold standard's kernel, and the shares of kernels, center bias and uniform.
    """

    data_set: str
    images: int
    fixations: int
    center_bias_bits: float
    gold_bits: float
    model_bits: float
    model_interval: tuple[float, float]
    explained: float
    explained_interval: tuple[float, float]
    negative_images: int
    images_trained_on: int
    folds: tuple[dict[str, float], ...]
    gold_bandwidth_px: float
    gold_weights: tuple[float, ...]


def evaluate_model(model: Model, dataset: Dataset) -> Report:
    """Score a model on a data set, against the center bias and the gold standard.

    Parameters
    ----------
    dataset
        As `open_dataset` returns it: first fixations dropped, all inside their images.
    """
    baseline = fit_center_bias(dataset)
    gold = fit_gold_standard(dataset, baseline.log_density)
    gain = information_gain(model_log_density(model, dataset), baseline.log_density)
    gold_gain = information_gain(gold.log_density, baseline.log_density)
    stimulus = dataset.fixations.stimulus
    n_images = len(dataset.stimuli)

    def per_image(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return sum_per_image(values, stimulus, n_images)

    folds, seen = folds_of(model, dataset)
    counts = per_image(np.ones(len(stimulus)))
    over_uniform = information_gain(baseline.log_density, uniform_log_density(dataset))
    return Report(
        data_set=dataset.name,
        images=n_images,
        fixations=len(stimulus),
        center_bias_bits=float(over_uniform.mean()),
        gold_bits=float(gold_gain.mean()),
        model_bits=float(gain.mean()),
        model_interval=bootstrap_interval(per_image(gain), counts),
        explained=information_gain_explained(gain, gold_gain),
        explained_interval=bootstrap_interval(per_image(gain), per_image(gold_gain)),
        negative_images=int((mean_per_image(gain, stimulus, n_images) < 0).sum()),
        images_trained_on=int(seen.sum()),
        folds=tuple(
            {"fold": int(fold), "images": int((folds == fold).sum())}
            | _scores(gain, gold_gain, folds[stimulus] == fold)
            for fold in np.unique(folds[stimulus])
        ),
        gold_bandwidth_px=gold.bandwidth_px,
        gold_weights=tuple(gold.weights.tolist()),
    )


def _scores(
    gain: NDArray[np.float64], gold: NDArray[np.float64], rows: NDArray[np.bool_]
) -> dict[str, float]:
    return {
        "model_bits": float(gain[rows].mean()),
        "gold_bits": float(gold[rows].mean()),
        "explained": information_gain_explained(gain[rows], gold[rows]),
    }
