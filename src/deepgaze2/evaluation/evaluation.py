"""Models evaluated on a data set: opened, scored and summarized."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deepgaze2.data.dataset import Dataset
from deepgaze2.errors import ModelError
from deepgaze2.evaluation.candidates import (
    Candidate,
    function_candidate,
    open_candidate,
)
from deepgaze2.evaluation.report import Report, report
from deepgaze2.evaluation.scores import Scores, score
from deepgaze2.references.references import References, fit_references

Function = Callable[[NDArray[np.uint8]], NDArray[np.floating]]


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Models on a data set, with all that pictures and tables are made from.

    Attributes
    ----------
    references : References
        The data set, its center bias and its gold standard.
    candidates : tuple of Candidate
        What was evaluated.
    scores : tuple of Scores
        Of each candidate.
    report : Report
        The summary.
    """

    references: References
    candidates: tuple[Candidate, ...]
    scores: tuple[Scores, ...]
    report: Report


def evaluate(
    models: Sequence[str | Function],
    dataset: Dataset,
    *,
    engine: str = "auto",
    device: str = "cpu",
) -> Evaluation:
    """Evaluate models on a data set, with progress; interrupted, it goes on where it was.

    Parameters
    ----------
    models : sequence of str or function
        Names as `open_candidate` knows them, or functions of an image's pixels, see
        `function_candidate`. The first is compared with each other one.
    dataset : Dataset
        As `open_dataset` returns it: first fixations dropped, all inside their images.
    engine, device : str
        What computes the networks of our models, and where; see `load`.

    Raises
    ------
    ModelError
        If a model is unknown, or two are called the same.
    DataError
        If the data set has fixations on fewer than two images, or an image or a map of it
        cannot be used.
    """
    if isinstance(models, str):
        models = [models]
    references = fit_references(dataset)
    candidates = tuple(
        open_candidate(model, references, engine=engine, device=device)
        if isinstance(model, str)
        else function_candidate(model, getattr(model, "__name__", "function"), references)
        for model in models
    )
    names = Counter(candidate.name for candidate in candidates)
    if doubled := [name for name, n in names.items() if n > 1]:
        raise ModelError(f"two models are called {doubled[0]}; give one, or rename one")
    scores = tuple(score(candidate, references) for candidate in candidates)
    return Evaluation(references, candidates, scores, report(references, scores))
