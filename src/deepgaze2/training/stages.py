"""The two stages of training (section 2.2): on other data sets first, then on its own."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from deepgaze2.readout.torch_readout import ReadoutNetwork
from deepgaze2.training.images import TrainingSet
from deepgaze2.training.preparation import PreparedImages
from deepgaze2.training.recipes import Training
from deepgaze2.training.runs import Run
from deepgaze2.training.starts import Key, Starts, run_name, seed_of


@dataclass(frozen=True)
class Stage:
    """What is trained at once, and which of its readouts each part and seed takes."""

    run: Run
    readouts: dict[Key, str]


def pretraining(
    images: PreparedImages,
    groups: NDArray[np.intp],
    finetuned: PreparedImages,
    finetuned_groups: NDArray[np.intp],
    folds: NDArray[np.intp],
    starts: Starts,
    network: ReadoutNetwork,
    training: Training,
) -> Stage:
    """Return the pretraining of all readouts, none on an image like those of its own part.

    All parts share one pretraining where theirs would be equal: if readouts start from random
    numbers, no image is in both data sets, and no score on the second decides when to stop.

    Parameters
    ----------
    images, groups
        To pretrain on. Groups are equal for images that are alike, be they of one data set
        or of two.
    finetuned, finetuned_groups, folds
        To fine-tune on, and the part of each of these images.
    network
        The pretraining's.
    """
    settings = training.recipe.pretraining
    in_both = bool(np.isin(groups, finetuned_groups).any())
    apart = training.start is not None or settings.epochs is None or in_both
    keys = [key for key in starts if apart or key[0] == 0]
    n, n_others = len(images.images), 0
    others = PreparedImages([], [])
    if settings.epochs is None:
        # By the score on the other data sets, as the paper's; never by the part itself.
        others, n_others = finetuned.by_average(), len(finetuned.images)
    seen, held_out = np.zeros((2, len(keys), n + n_others), bool)
    for row, (part, _) in enumerate(keys):
        seen[row, :n] = ~np.isin(groups, finetuned_groups[folds == part]) if apart else True
        held_out[row, n:] = (folds != part)[:n_others]
    sets = TrainingSet(
        [*images.images, *others.images],
        seen,
        held_out,
        # The others, which no readout is trained on, are not needed mirrored, and may not be there.
        [*images.mirrored, *others.images] if images.mirrored else (),
    )
    taken = {key: key if apart else (0, key[1]) for key in starts}
    run = _run("pretraining", sets, keys, starts, network, training, training.start is None)
    return Stage(run, {key: run_name("pretraining", one) for key, one in taken.items()})


def finetuning(
    images: PreparedImages,
    folds: NDArray[np.intp],
    starts: Starts,
    network: ReadoutNetwork,
    training: Training,
) -> Stage:
    """Return the fine-tuning of all readouts, each on all parts but its own."""
    keys = list(starts)
    held_out = np.array([folds == part for part, _ in keys])
    sets = TrainingSet(images.images, ~held_out, held_out, images.mirrored)
    random = training.start is None and not training.pretrain
    run = _run("finetuning", sets, keys, starts, network, training, random)
    return Stage(run, {key: run_name("finetuning", key) for key in keys})


def _run(
    stage: str,
    sets: TrainingSet,
    keys: list[Key],
    starts: Starts,
    network: ReadoutNetwork,
    training: Training,
    random: bool,
) -> Run:
    settings = getattr(training.recipe, stage)
    return Run(
        readouts=tuple(run_name(stage, key) for key in keys),
        network=network,
        images=sets,
        starts=np.stack([starts[key] for key in keys]),
        settings=replace(settings, seed=training.seed),
        seeds=tuple(seed_of(training.seed, key) for key in keys),
        random=random,
    )
