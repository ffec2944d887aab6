"""What each metric says of one image: every metric of the map that suits it, see `METRICS`."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from deepgaze2.errors import DataError
from deepgaze2.evaluation.candidates import Candidate, View
from deepgaze2.metrics.table import METRICS, Case, score_names
from deepgaze2.references.references import References

PER_FIXATION = ("log_density", *score_names(per_fixation=True))
PER_IMAGE = score_names(per_fixation=False)


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
    sigma_px = references.map_sigma_px(i)
    for view in candidate.views(i):
        _check_size(view, references, i)
        chosen = slice(None) if view.chosen is None else view.chosen
        pixels = fixations[chosen].pixel()
        case = Case(view.log_density, center_bias, *pixels, others, sigma_px, seed=i)
        _score_view(view, case, scores, chosen)
    return scores


def _score_view(
    view: View, case: Case, scores: ImageScores, chosen: NDArray[np.bool_] | slice
) -> None:
    scores.per_fixation["log_density"][chosen] = case.log_density[case.rows, case.columns]
    for metric in METRICS:
        if not (metric.per_fixation or view.chosen is None):
            continue
        found = {metric.name: metric.function(metric.wants(case), case)}
        if view.saliency is not None:
            found[f"map_{metric.name}"] = metric.function(view.saliency, case)
        for name, value in found.items():
            if metric.per_fixation:
                scores.per_fixation[name][chosen] = value
            else:
                scores.per_image[name] = float(value)


def _check_size(view: View, references: References, i: int) -> None:
    stimuli = references.dataset.stimuli
    height, width = int(stimuli.height[i]), int(stimuli.width[i])
    if view.log_density.shape != (height, width):
        found = view.log_density.shape
        raise DataError(
            f"predicted at {found[1]} by {found[0]} pixels, but the fixations are on an image of"
            f" {width} by {height}; put back the image that was shown"
        )
