"""What studies share: each of their trainings is kept when it is finished."""

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepgaze2.data.dataset import Dataset
from deepgaze2.evaluation.report import Estimate, estimate_ratio
from deepgaze2.features.backbone import Backbone
from deepgaze2.references.references import dataset_checksum
from deepgaze2.support.resume import kept
from deepgaze2.training.folder import remove_checkpoints
from deepgaze2.training.recipes import Training


def kept_training(
    file: Path,
    dataset: Dataset,
    network: Backbone,
    training: Training,
    compute: Callable[[Path], Any],
    **others: object,
) -> Any:  # noqa: ANN401
    """Return what a training led to from its file, or train and write it there.

    Parameters
    ----------
    file
        A JSON file; checkpoints lie beside it while the training is at work.
    compute
        Trains with checkpoints in a folder, and returns JSON values.
    others
        What else the result depends on, as JSON values by name.

    Raises
    ------
    DataError
        If the file is damaged or of other data or settings, or what `compute` raises.
    """
    checkpoints = file.with_suffix("")
    identity = {
        "data_set": dataset_checksum(dataset),
        "pretraining": [dataset_checksum(one) for one in training.pretrain],
        "network": network.checksum,
        "recipe": asdict(training.recipe),
        "folds": training.n_folds,
        "seed": training.seed,
    }
    found = kept(file, identity | others, lambda: compute(checkpoints))
    remove_checkpoints(checkpoints)
    return found


def mean_bits(bits: NDArray[np.float64], counts: NDArray[np.float64]) -> Estimate:
    """Return bits per fixation from (n_images,) each image's, and its number of fixations."""
    return estimate_ratio(bits * counts, counts)
