"""Where readouts start from, and the parts of the images that each is trained without."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deepgaze2.data.image_names import also_among, parts_by_name
from deepgaze2.errors import DataError
from deepgaze2.readout.numpy_readout import Readout
from deepgaze2.readout.torch_readout import ReadoutNetwork, parameters_of
from deepgaze2.training.sets import DataSets, set_folds

Key = tuple[int, int]
"""Number of the part, number of the seed."""

Starts = dict[Key, NDArray[np.float32]]
"""The parameters that each readout starts from."""

_FOLDS = 10
_NAMED = 3  # images, in a message


@dataclass(frozen=True)
class Start:
    """A trained model to go on from.

    Attributes
    ----------
    readout, name
        Its readouts and what it is called.
    folds
        Names of its training images, part by part, as in its card. The readouts are in the order
        of the parts; those of a part have seen the images of all other parts.
    seen_by_all
        Names of images that all its readouts have seen: those of its pretraining and of the models
        it started from.
    share
        What its readouts count together in its mixture, as in its card.
    """

    readout: Readout
    name: str
    folds: tuple[tuple[str, ...], ...] = ()
    seen_by_all: tuple[str, ...] = ()
    share: float = 1.0

    def parts_of(self, ids: Sequence[str]) -> NDArray[np.intp]:
        """Return the part that each image belongs to by its name; -1 if it was not trained on."""
        return parts_by_name(self.folds, ids)

    def seen_besides(self, ids: Sequence[str]) -> list[str]:
        """Return the names of the images other than these that any of its readouts has seen."""
        seen = {*self.seen_by_all, *(i for part in self.folds for i in part)}
        return sorted(seen - {*also_among(sorted(seen), ids)})


def run_name(stage: str, key: Key) -> str:
    """Return the name of a readout's training."""
    return f"{stage}-fold{key[0] + 1}-seed{key[1] + 1}"


def seed_of(seed: int, key: Key) -> int:
    """Return a seed of its own for each readout."""
    return (seed * 1000 + key[1]) * 1000 + key[0]


def random_starts(network: ReadoutNetwork, n_folds: int, n_seeds: int, seed: int) -> Starts:
    """Return random parameters for each readout."""
    keys = [(k, s) for k in range(n_folds) for s in range(n_seeds)]
    return {key: network.initial(seed_of(seed, key)) for key in keys}


def continued_starts(
    network: ReadoutNetwork,
    start: Start,
    parts: NDArray[np.intp] | None,
    n_folds: int,
    n_seeds: int,
) -> Starts:
    """Return a trained model's parameters for each readout.

    Parameters
    ----------
    parts
        (n_folds,) which of the start's parts each part is, see `kept_parts`: the readouts of that
        part have not seen it. None if no readout has seen any of the images; then they are taken
        in turn.
    """
    keys = [(k, s) for k in range(n_folds) for s in range(n_seeds)]
    n_models = start.readout.n_models
    if parts is None:
        chosen = [number % n_models for number in range(len(keys))]
    else:
        per_part = n_models // len(start.folds)
        chosen = [int(parts[k]) * per_part + s % per_part for k, s in keys]
    return {
        key: parameters_of(network, start.readout, number)
        for key, number in zip(keys, chosen, strict=True)
    }


def divide(
    sets: DataSets,
    groups: NDArray[np.intp],
    start: Start | None,
    n_folds: int | None,
    seed: int,
) -> tuple[NDArray[np.intp], NDArray[np.intp] | None]:
    """Return each image's part and, if parts are kept, which of the start's parts each is.

    Parameters
    ----------
    groups
        (n_images,) equal for images that are alike, which one part keeps together.
    n_folds
        How many parts; None takes ten, or the start's own.

    Raises
    ------
    DataError
        If there are too few images, or as `kept_parts` does.
    """
    if start is None or (kept := kept_parts(start, sets, groups, seed)) is None:
        return set_folds(sets, groups, _FOLDS if n_folds is None else n_folds, seed), None
    if n_folds is not None:
        raise DataError(
            f"{sets.name}: {start.name} was trained on some of these images, so its own parts"
            " are kept; leave the number of parts (--folds) out"
        )
    return kept


def kept_parts(
    start: Start, sets: DataSets, groups: NDArray[np.intp], seed: int
) -> tuple[NDArray[np.intp], NDArray[np.intp]] | None:
    """Keep images in the parts that they had in the training of the model to go on from.

    Otherwise each part would have images that its readouts have seen before, and scores on them
    would be too good. Images that are new to the model go to the smallest parts.

    Parameters
    ----------
    groups
        (n_images,) equal for images that are alike.

    Returns
    -------
    folds
        (n_images,) the part of each image; parts without images are left out.
    parts
        (n_folds,) which of the start's parts each of these is.
    None
        If the model was trained on none of the images.

    Raises
    ------
    DataError
        If that is impossible: images have been seen by all readouts, images that are alike are
        of several parts, or all are of one.
    """
    _refuse_seen_by_all(start, sets)
    known = start.parts_of(sets.ids)
    if not (known >= 0).any():
        return None
    _, group, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    part_of_group = _parts_of_known_groups(start, sets, known, group)
    n_in_part = np.zeros(len(start.folds), np.intp)
    np.add.at(n_in_part, part_of_group[part_of_group >= 0], sizes[part_of_group >= 0])
    new = np.random.default_rng(seed).permutation(np.flatnonzero(part_of_group < 0))
    for number in new[np.argsort(-sizes[new], kind="stable")]:
        part_of_group[number] = n_in_part.argmin()
        n_in_part[part_of_group[number]] += sizes[number]
    parts, folds = np.unique(part_of_group[group], return_inverse=True)
    if len(parts) < 2:
        raise DataError(
            f"{sets.name}: all images are of one part of {start.name}'s training; add images"
        )
    return folds, parts


def _refuse_seen_by_all(start: Start, sets: DataSets) -> None:
    if before := also_among(sets.ids, start.seen_by_all):
        raise DataError(
            f"{sets.name}: {_some(before)} had been seen in {start.name}'s pretraining or by the"
            " model that it went on from, by their names; scores would be too good: leave them out,"
            " go on from another model, or rename them if they are other images"
        )


def _parts_of_known_groups(
    start: Start, sets: DataSets, known: NDArray[np.intp], group: NDArray[np.intp]
) -> NDArray[np.intp]:
    """Return each group's part, -1 for groups that are new to the start."""
    ids = sets.ids
    found = np.full(group.max() + 1, -1)
    for i in np.flatnonzero(known >= 0).tolist():
        if found[group[i]] not in (-1, known[i]):
            alike = [ids[j] for j in np.flatnonzero((group == group[i]) & (known >= 0))]
            raise DataError(
                f"{sets.name}: {_some(alike)} are alike, but in several parts of {start.name}'s"
                " training; leave out all but one, or rename them if they are other images"
            )
        found[group[i]] = known[i]
    return found


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
