"""Do a table's fixations lie where people look in their images? A packaged model tells.

Its densities of up to thirty images are what `align` compares fixations with. It predicts no image
by a readout that saw it, and without a center bias.
"""

from contextlib import suppress
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from deepgaze2.data.checks.alignment import CELLS, MIN_IMAGES, Alignment, Maps, align, contents
from deepgaze2.data.checks.check import misaligned
from deepgaze2.data.checks.problem import Problem, subject_name
from deepgaze2.data.dataset import Dataset, person_of
from deepgaze2.data.decisions import DOUBTS, Decision
from deepgaze2.errors import DataError, StimulusError
from deepgaze2.evaluation.out_of_fold import folds_of
from deepgaze2.image.stimulus import Stimulus, read_stimulus
from deepgaze2.loading import load
from deepgaze2.model import Model
from deepgaze2.support.progress import tracked

_MODEL = "deepgaze2-fast"
_COMPARED_IMAGES = 30
_REFERENCE = "where people look in them"
_FEWEST_OF_ONE, _FEWEST_UNRELATED = 8, 10  # images that a subject saw
_CERTAIN_OF_ONE_T, _LEAST_GAIN_OF_ONE = 5.0, 0.1
_NO_RELATION_OF_ONE_T = 1.5


def predicted_maps(dataset: Dataset) -> dict[int, NDArray[np.float32]]:
    """Return log densities of evenly chosen images with fixations, relative to a uniform one.

    Returns
    -------
    dict of int to float32 array (CELLS, CELLS)
        By the stimulus' number. Images that are missing, damaged or of another size are left out;
        nothing if there are fewer than four.
    """
    at_hand = [
        int(i)
        for i in np.flatnonzero(np.diff(dataset.offsets))
        if (path := dataset.stimuli.paths[i]) is not None and path.is_file()
    ]
    if len(at_hand) < MIN_IMAGES:
        return {}
    spread = np.linspace(0, len(at_hand) - 1, min(len(at_hand), _COMPARED_IMAGES))
    chosen = [at_hand[i] for i in spread.round().astype(int)]
    model = load(_MODEL)
    folds, seen = folds_of(model, dataset)
    maps = {}
    for i in tracked(chosen, "comparing with predictions", len(chosen), delay_s=1):
        with suppress(StimulusError):
            stimulus = read_stimulus(dataset.stimuli.path(i))
            size = dataset.stimuli.width[i], dataset.stimuli.height[i]
            if (stimulus.width, stimulus.height) == size:
                predictor = model.fold(folds[i]) if seen[i] else model
                maps[i] = predicted_map(predictor, stimulus)
    return maps


def predicted_map(model: Model, stimulus: Stimulus) -> NDArray[np.float32]:
    """Return a model's log density relative to a uniform one, (CELLS, CELLS), without a prior."""
    log_density = model.predict(stimulus, center_bias="uniform", viewport="none").log_density
    density = np.exp(log_density - log_density.max())
    cells = Image.fromarray(density).resize((CELLS, CELLS), Image.Resampling.BOX)
    smallest = np.finfo(np.float32).tiny
    values = np.maximum(np.asarray(cells, np.float64), smallest)
    return np.asarray(np.log(values / values.mean()), np.float32)


def placement_problems(dataset: Dataset) -> list[Problem]:
    """Return what the images tell about the positions of fixations, of all and of each subject.

    Of fewer than four images nothing can be told; of a subject, of fewer than eight.
    """
    content = contents(predicted_maps(dataset))
    found = align(dataset, content)
    problems = misaligned(found, _REFERENCE)
    return problems or (_of_subjects(dataset, content) if found else [])


def placed(dataset: Dataset, source: str, *, stated: bool) -> Dataset:
    """Return a table's data set with a note if its positions look wrong, or refuse it.

    Parameters
    ----------
    dataset : Dataset
        As `open_dataset` returns it.
    source : str
        What the user calls it.
    stated : bool
        Whether the user said where on a screen images were, which is taken for true.

    Raises
    ------
    DataError
        If positions surely lie elsewhere on their images, and nothing is stated.
    """
    problems = placement_problems(dataset)
    if not problems:
        return dataset
    looks = " and ".join(f"{problem.kind} ({problem.examples[0]})" for problem in problems)
    if any(problem.fatal for problem in problems) and not stated:
        raise DataError(
            f"{source}: {looks}; state how they were recorded, --origin, --column, --screen and"
            " --shown, or --screen none if they are surely the image's own"
        )
    doubt = Decision(DOUBTS, "look again at the positions", looks)
    decisions = (*dataset.decisions, doubt)
    return replace(dataset, notes=(str(doubt), *dataset.notes), decisions=decisions)


def _of_subjects(dataset: Dataset, content: Maps) -> list[Problem]:
    """Return the problem of subjects whose fixations lie elsewhere than the others'."""
    saw = np.isin(dataset.fixations.stimulus, list(content))
    examples = []
    for person in np.unique(dataset.person[saw]).tolist():
        own = dataset.person == person
        found = align(dataset.keep(own), content)
        if found and found.n_images >= _FEWEST_OF_ONE and (looks := _odd(found)):
            number = int(dataset.fixations.subject[np.flatnonzero(own)[0]])
            name = person_of(subject_name(dataset, number))
            examples.append(f"subject {name} {looks}")
    if not examples:
        return []
    advice = "look whether they were calibrated, recorded on the same screen and named rightly"
    kind = "subjects whose fixations do not lie where people look in the images"
    return [Problem(kind, len(examples), tuple(examples[:3]), False, advice, doubtful=True)]


def _odd(found: Alignment) -> str:
    if found.gain_t > _CERTAIN_OF_ONE_T and found.gain > _LEAST_GAIN_OF_ONE:
        return f"better {found.reading}, t = {found.gain_t:.1f} over {found.n_images} images"
    if found.agreement_t < _NO_RELATION_OF_ONE_T and found.n_images >= _FEWEST_UNRELATED:
        return f"no relation, t = {found.agreement_t:.1f} over {found.n_images} images"
    return ""
