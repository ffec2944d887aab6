"""Data sets that are trained on together."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from deepgaze2.data.dataset import Dataset
from deepgaze2.data.splits import group_folds, near_duplicates
from deepgaze2.errors import DataError


@dataclass(frozen=True)
class DataSets:
    """One data set or several, their images numbered through.

    Attributes
    ----------
    each
        First fixations dropped and all fixations inside their images. Images without fixations
        are left out by `data_sets`.
    """

    each: tuple[Dataset, ...]

    @property
    def name(self) -> str:
        """What they are called together."""
        return " + ".join(dataset.name for dataset in self.each)

    @property
    def names(self) -> tuple[str, ...]:
        """The name of each as a viewing has it: lower case, letters, digits, `_`, `.` and `-`."""
        return tuple(
            re.sub(r"[^\w.]+", "-", dataset.name.lower()).strip("-.") or "images"
            for dataset in self.each
        )

    @cached_property
    def ids(self) -> tuple[str, ...]:
        """The images' names."""
        return tuple(name for dataset in self.each for name in dataset.stimuli.ids)

    @cached_property
    def number(self) -> NDArray[np.intp]:
        """(n_images,) which of the data sets each image is of."""
        return np.repeat(np.arange(len(self.each)), [len(one.stimuli) for one in self.each])

    @cached_property
    def n_fixations(self) -> NDArray[np.intp]:
        """(n_images,)."""
        return np.concatenate([np.diff(dataset.offsets) for dataset in self.each])

    @cached_property
    def paths(self) -> list[Path]:
        """The images' files."""
        return [one.stimuli.path(i) for one in self.each for i in range(len(one.stimuli))]


def data_sets(datasets: Sequence[Dataset]) -> DataSets:
    """Return data sets without the images that nobody looked at.

    Raises
    ------
    DataError
        If two have one name.
    """
    found = DataSets(tuple(one.looked_at() for one in datasets))
    names = found.names
    if len(set(names)) < len(names):
        double = max(names, key=names.count)
        raise DataError(f"two data sets are called {double}; rename one, such as its folder")
    return found


def alike(sets: DataSets, others: DataSets) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return equal numbers for images that are alike, of either, (n_images,) and (n_others,).

    Images of the first that have one name count as alike, since a model's card tells images by
    their names.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    groups = near_duplicates(sets.paths + others.paths)
    n, n_groups = len(sets.ids), int(groups.max()) + 1
    _, by_name = np.unique(np.array(sets.ids), return_inverse=True)
    links = groups[:n], n_groups + by_name
    size = n_groups + n
    graph = coo_array((np.ones(n, bool), links), shape=(size, size))
    component = connected_components(graph, directed=False)[1][groups].astype(np.intp)
    return component[:n], component[n:]


def set_folds(sets: DataSets, groups: NDArray[np.intp], k: int, seed: int) -> NDArray[np.intp]:
    """Divide images at random into `k` parts, each data set into parts of similar size.

    Groups of images that are alike, be they of one data set or of two, are not split.

    Raises
    ------
    DataError
        If there are fewer groups than parts.
    """
    if len(np.unique(groups)) < k:
        raise DataError(
            f"{sets.name}: {k} folds, but only {len(np.unique(groups))} different images have"
            " fixations; use fewer folds (--folds), at least 2, or add images"
        )
    folds, every = np.full(len(groups), -1), np.ones(len(groups), bool)
    for s in range(len(sets.each)):
        own = sets.number == s
        new = own & (folds < 0)
        if new.any():
            # Among equal parts all sets' images decide, or small sets would fill the first ones.
            there = [np.bincount(folds[some & (folds >= 0)], minlength=k) for some in (own, every)]
            folds[new] = group_folds(groups[new], k, seed, there)
        part_of = dict(zip(groups[own].tolist(), folds[own].tolist(), strict=True))
        waiting = np.flatnonzero(folds < 0)
        folds[waiting] = [part_of.get(group, -1) for group in groups[waiting].tolist()]
    return folds
