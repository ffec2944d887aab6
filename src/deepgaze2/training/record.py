"""What a model's card says of its training."""

import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import torch

from deepgaze2.data.dataset import Dataset
from deepgaze2.support.cores import available_cores
from deepgaze2.training.fit import Curve, Fit
from deepgaze2.training.recipes import Training


def training_record(
    dataset: Dataset,
    training: Training,
    fits: Sequence[Sequence[Fit]],
    pretraining: Mapping[str, Curve],
    seconds: float,
) -> dict[str, Any]:
    """Return data, settings, curves, time, machine and versions, as JSON values."""
    recipe, start, pretrain = training.recipe, training.start, training.pretrain
    record: dict[str, Any] = {
        "data_set": dataset.name,
        "images": len(dataset.stimuli),
        "fixations": len(dataset.fixations),
        "settings": asdict(recipe.finetuning),
        "seeds_per_fold": recipe.n_seeds,
        "seed": training.seed,
        "learn_sigma": recipe.learn_sigma,
        "learn_prior_weight": recipe.learn_prior_weight,
        "curves": [_curve(fit.curve) for row in fits for fit in row],
        "seconds_of_last_run": round(seconds),
        "machine": f"{platform.machine()}, {available_cores()} of {os.cpu_count()} cores",
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "numpy": np.__version__,
        },
    }
    if start is not None:
        record["from"] = start.name
        record["seen_before"] = start.seen_besides(dataset.stimuli.ids)
    if pretrain is not None:
        record["pretraining"] = {
            "data_set": pretrain.name,
            "images": len(pretrain.stimuli),
            "fixations": len(pretrain.fixations),
            "settings": asdict(recipe.pretraining),
            "curves": [_curve(curve) for curve in pretraining.values()],
        }
    return record


def _curve(curve: Curve) -> dict[str, list[float]]:
    """Return a curve's rounded values, bits per fixation by epoch."""
    return {name: [round(value, 4) for value in values] for name, values in asdict(curve).items()}
