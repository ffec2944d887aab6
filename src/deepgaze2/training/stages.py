"""The two stages of training (section 2.2): on another data set first, then on its own."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from deepgaze2.readout.torch_readout import ReadoutNetwork
from deepgaze2.training.preparation import PreparedImages
from deepgaze2.training.recipes import Training
from deepgaze2.training.runs import Run
from deepgaze2.training.starts import Key, Starts, run_name, seed_of


@dataclass(frozen=True)
class GroupedImages:
    """A data set's images, and which are alike.

    Attributes
    ----------
    groups
        (n_images,) equal for images that are alike, be they of one data set or of two.
    """

    prepared: PreparedImages
    groups: NDArray[np.intp]


def pretraining_runs(
    images: GroupedImages,
    finetuned: GroupedImages,
    folds: NDArray[np.intp],
    starts: Starts,
    network: ReadoutNetwork,
    training: Training,
) -> dict[Key, Run]:
    """Return the pretraining of each readout, never on an image like those of its own part.

    All parts share one pretraining where theirs would be equal: if readouts start from random
    numbers, no image is in both data sets, and no score on the second decides when to stop.

    Parameters
    ----------
    images
        To pretrain on.
    finetuned, folds
        To fine-tune on, and the part of each of these images.
    """
    settings, random = training.recipe.pretraining, training.start is None
    in_both = bool(np.isin(images.groups, finetuned.groups).any())
    apart = not random or settings.epochs is None or in_both
    runs: dict[Key, Run] = {}
    for (k, s), begin in starts.items():
        if k and not apart:
            runs[k, s] = runs[0, s]
            continue
        own = finetuned.groups[folds == k]
        sets = images.prepared.training_set(~np.isin(images.groups, own))
        if settings.epochs is None:
            # By the score on the other data set, as the paper's; never by the part itself.
            sets = replace(sets, held_out=finetuned.prepared.training_set(folds != k).seen)
        own_seed = replace(settings, seed=seed_of(training.seed, (k, s)))
        runs[k, s] = Run(run_name("pretraining", (k, s)), network, sets, begin, own_seed, random)
    return runs


def finetuning_runs(
    images: PreparedImages,
    folds: NDArray[np.intp],
    starts: Starts,
    network: ReadoutNetwork,
    training: Training,
) -> dict[Key, Run]:
    """Return the fine-tuning of each readout, on all parts but its own."""
    return {
        key: Run(
            run_name("finetuning", key),
            network,
            images.training_set(folds != key[0], folds == key[0]),
            begin,
            replace(training.recipe.finetuning, seed=seed_of(training.seed, key)),
            random=training.start is None and training.pretrain is None,
        )
        for key, begin in starts.items()
    }
