"""What each metric says of one image: every metric of the map that suits it.

A probabilistic model is judged fairly if each metric gets the map that the model itself expects
to score best (Kümmerer et al. 2018): ranks take the density, shuffled AUC the density over
that of other images' fixations, CC and KL the density blurred like the fixation map, SIM
the map of largest expected similarity.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from deepgaze2.data.dataset import Fixations
from deepgaze2.errors import DataError
from deepgaze2.evaluation.candidates import Candidate, Map, View
from deepgaze2.metrics.auc import auc
from deepgaze2.metrics.empirical_map import empirical_map
from deepgaze2.metrics.map_arrays import Pixels
from deepgaze2.metrics.map_metrics import cc, kl_divergence, nss, similarity
from deepgaze2.metrics.optimal_maps import (
    blurred_density,
    shuffled_auc_map,
    similarity_map,
)
from deepgaze2.metrics.shuffled_auc import shuffled_auc
from deepgaze2.references.references import References

PER_FIXATION = (
    *("log_density", "auc", "shuffled_auc", "nss"),
    *("map_auc", "map_shuffled_auc", "map_nss"),
)
PER_IMAGE = ("cc", "kl", "sim", "map_cc", "map_kl", "map_sim")


@dataclass(frozen=True)
class ImageScores:
    """Scores of one image, by metric; see `Scores` for their names."""

    per_fixation: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    per_image: dict[str, float] = field(default_factory=dict)


def score_image(candidate: Candidate, references: References, i: int) -> ImageScores:
    """Score a candidate on one image.

    CC, KL and SIM compare with all fixations on the image: they have no value where the
    candidate predicts each subject by another density.

    Raises
    ------
    DataError
        If the candidate's density is of another size than the image, or cannot be scored.
    """
    fixations = references.dataset.fixations_on(i)
    scores = ImageScores({name: np.full(len(fixations), np.nan) for name in PER_FIXATION})
    others, center_bias = references.non_fixations.of(i), references.baseline.log_density_map(i)
    for view in candidate.views(i):
        _check_size(view, references, i)
        chosen = slice(None) if view.chosen is None else view.chosen
        found = _of_fixations(view, fixations[chosen], others, center_bias)
        for name, values in found.items():
            scores.per_fixation[name][chosen] = values
        if view.chosen is None:
            scores.per_image.update(_of_maps(view, fixations, references, i))
    return scores


def _check_size(view: View, references: References, i: int) -> None:
    stimuli = references.dataset.stimuli
    height, width = int(stimuli.height[i]), int(stimuli.width[i])
    if view.log_density.shape != (height, width):
        found = view.log_density.shape
        raise DataError(
            f"predicted at {found[1]} by {found[0]} pixels, but the fixations are on an image of"
            f" {width} by {height}; put back the image that was shown"
        )


def _of_fixations(
    view: View, fixations: Fixations, others: tuple[Pixels, Pixels, Pixels], center_bias: Map
) -> dict[str, NDArray[np.float64]]:
    rows, columns = fixations.pixel()
    log_density = view.log_density
    specific = shuffled_auc_map(log_density, center_bias)
    found = {
        "log_density": log_density[rows, columns].astype(np.float64),
        "auc": auc(log_density, rows, columns),
        "shuffled_auc": shuffled_auc(specific, rows, columns, *others),
        "nss": nss(np.exp(log_density), rows, columns),
    }
    if view.saliency is not None:
        found |= {
            "map_auc": auc(view.saliency, rows, columns),
            "map_shuffled_auc": shuffled_auc(view.saliency, rows, columns, *others),
            "map_nss": nss(view.saliency, rows, columns),
        }
    return found


def _of_maps(view: View, fixations: Fixations, references: References, i: int) -> dict[str, float]:
    rows, columns = fixations.pixel()
    sigma_px = references.map_sigma_px(i)
    height, width = view.log_density.shape
    truth = empirical_map(rows, columns, height, width, sigma_px)
    blurred = blurred_density(view.log_density, sigma_px)
    similar = similarity_map(view.log_density, sigma_px, len(rows), seed=i)
    found = _compared(blurred, truth) | {"sim": similarity(similar, truth)}
    if view.saliency is not None:
        of_map = _compared(view.saliency, truth) | {"sim": similarity(view.saliency, truth)}
        found |= {f"map_{name}": value for name, value in of_map.items()}
    return found


def _compared(drawn: Map, truth: Map) -> dict[str, float]:
    return {"cc": cc(drawn, truth), "kl": kl_divergence(drawn, truth)}
