"""A small evaluation: images, what two models say of them, and random other metrics."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from deepgaze2.evaluation.candidates import Candidate, View
from deepgaze2.evaluation.evaluation import Evaluation
from deepgaze2.evaluation.image_scores import PER_FIXATION, PER_IMAGE
from deepgaze2.evaluation.report import report
from deepgaze2.evaluation.scores import Scores
from deepgaze2.references.references import References, fit_references
from helpers.small_datasets import patches

NAMES = ("first", "<b>maps:a & $b$</b>")


def small_evaluation(folder: Path, n_images: int = 7, *, gold: bool = True) -> Evaluation:
    """Evaluate Gaussians around the mean fixation, narrow ones and ones that miss at times."""
    dataset = patches(folder, n_images).without_first()
    references = fit_references(dataset)
    if not gold:
        references = replace(references, gold=None)
    rng = np.random.default_rng(3)
    shifts = rng.uniform(-60, 60, n_images)
    candidates = (
        Candidate(NAMES[0], lambda i: [View(_gaussian(references, i, 15, shifts[i] / 6))], "1"),
        Candidate(NAMES[1], lambda i: [View(_gaussian(references, i, 25, shifts[i]))], "2", "<i>"),
    )
    scores = tuple(_scores(candidate, references, rng) for candidate in candidates)
    return Evaluation(references, candidates, scores, report(references, scores))


def _gaussian(
    references: References, i: int, sigma_px: float, shift_px: float
) -> NDArray[np.float64]:
    fixations = references.dataset.fixations_on(i)
    stimuli = references.dataset.stimuli
    y, x = np.mgrid[: stimuli.height[i], : stimuli.width[i]] + 0.5
    squares = (x - fixations.x.mean() - shift_px) ** 2 + (y - fixations.y.mean()) ** 2
    log_density = np.logaddexp(-squares / (2 * sigma_px**2), -6)
    return np.asarray(log_density - np.log(np.exp(log_density).sum()))


def _scores(candidate: Candidate, references: References, rng: np.random.Generator) -> Scores:
    dataset = references.dataset
    per_fixation = {name: rng.random(len(dataset.fixations)) for name in PER_FIXATION}
    per_image = {name: rng.random(len(dataset.stimuli)) for name in PER_IMAGE}
    if candidate.name == NAMES[0]:  # gives no maps
        for columns in (per_fixation, per_image):
            for name in columns:
                if name.startswith("map_"):
                    columns[name][:] = np.nan
    for i in range(len(dataset.stimuli)):
        (view,) = candidate.views(i)
        rows = slice(dataset.offsets[i], dataset.offsets[i + 1])
        fixated = dataset.fixations_on(i).pixel()
        per_fixation["log_density"][rows] = view.log_density[fixated]
    return Scores(candidate.name, candidate.note, per_fixation, per_image)
