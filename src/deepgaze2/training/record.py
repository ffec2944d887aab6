"""What a model's card says of its training."""

import os
import platform
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from deepgaze2.data.dataset import Dataset
from deepgaze2.data.decisions import reading_record
from deepgaze2.data.image_names import also_among
from deepgaze2.support.cores import available_cores
from deepgaze2.training.fit import Curve
from deepgaze2.training.recipes import Training

if TYPE_CHECKING:
    from deepgaze2.training.procedure import Trained


def training_record(
    trained: Sequence["Trained"], training: Training, seconds: float
) -> dict[str, Any]:
    """Return data, settings, curves, time, machine and versions, as JSON values.

    Parameters
    ----------
    trained
        For each network; their curves follow one another.
    training
        That of the first; what is recorded of it is common to all.
    """
    recipe, start, sets = training.recipe, training.start, trained[0].sets
    record: dict[str, Any] = {
        "data_set": sets.name,
        "data_sets": _sizes(sets.each),
        "images": len(sets.ids),
        "fixations": int(sets.n_fixations.sum()),
        "settings": asdict(recipe.finetuning),
        "seeds_per_fold": recipe.n_seeds,
        "seed": training.seed,
        "learn_sigma": recipe.learn_sigma,
        "learn_prior_weight": recipe.learn_prior_weight,
        "weighing": recipe.weighing,
        "curves": [_curve(fit.curve) for one in trained for row in one.fits for fit in row],
        "seconds_of_last_run": round(seconds),
        "machine": f"{platform.machine()}, {available_cores()} of {os.cpu_count()} cores",
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "numpy": np.__version__,
        },
    }
    before = {name for dataset in training.pretrain for name in dataset.stimuli.ids}
    before -= {*also_among(sorted(before), sets.ids)}  # which no readout of their part has seen
    if start is not None:
        record["from"] = start.name
        before |= {*start.seen_besides(sets.ids)}
    if before or start is not None:
        record["seen_before"] = sorted(before)
    if training.pretrain:
        sizes = _sizes(training.pretrain)
        record["pretraining"] = {
            "data_set": " + ".join(dataset.name for dataset in training.pretrain),
            "data_sets": sizes,
            "images": sum(one["images"] for one in sizes),
            "fixations": sum(one["fixations"] for one in sizes),
            "settings": asdict(recipe.pretraining),
            "curves": [_curve(curve) for one in trained for curve in one.pretraining.values()],
        }
    return record


def _sizes(datasets: Sequence[Dataset]) -> list[dict[str, Any]]:
    return [
        {
            "name": dataset.name,
            "images": len(dataset.stimuli),
            "fixations": len(dataset.fixations),
            **reading_record(dataset.decisions),
        }
        for dataset in datasets
    ]


def _curve(curve: Curve) -> dict[str, list[float]]:
    """Return a curve's rounded values, bits per fixation by epoch."""
    return {name: [round(value, 4) for value in values] for name, values in asdict(curve).items()}
