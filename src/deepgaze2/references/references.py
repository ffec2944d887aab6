"""What models are measured against on a data set: center bias, gold standard, other fixations."""

from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from deepgaze2.data.dataset import Dataset
from deepgaze2.metrics.information import information_gain, mean_per_image
from deepgaze2.metrics.shuffled_auc import NonFixations
from deepgaze2.references.baseline import CenterBiasFit, fit_center_bias
from deepgaze2.references.gold_standard import GoldStandard, fit_gold_standard, people_per_image
from deepgaze2.support.identity import checksum

_SIGMA_OF_LONGER_SIDE = 24 / 1024
"""The MIT benchmark's blur: 24 px for images whose longer side has 1024."""


@dataclass(frozen=True, eq=False)
class References:
    """A data set with what every model is measured against on it.

    Attributes
    ----------
    dataset : Dataset
        As `open_dataset` returns it: first fixations dropped, all inside their images.
    baseline : CenterBiasFit
        The center bias, estimated for each image from all others.
    gold : GoldStandard or None
        None if no image was seen by two subjects.
    """

    dataset: Dataset
    baseline: CenterBiasFit
    gold: GoldStandard | None

    @cached_property
    def non_fixations(self) -> NonFixations:
        """Where people looked on all other images, shuffled AUC's negatives."""
        return NonFixations(self.dataset)

    def map_sigma_px(self, stimulus: int) -> float:
        """Return the blur of a stimulus' fixation map: one degree, or as in the MIT benchmark."""
        stimuli = self.dataset.stimuli
        degree_px = float(stimuli.pixels_per_degree[stimulus])
        longer_px = int(max(stimuli.width[stimulus], stimuli.height[stimulus]))
        return degree_px if np.isfinite(degree_px) else _SIGMA_OF_LONGER_SIDE * longer_px

    def gain_per_image(self, log_density: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return each image's mean information gain over the center bias, bits/fixation.

        Parameters
        ----------
        log_density : float64 array (n_fixations,)
            Nats per pixel at each fixation.

        Returns
        -------
        float64 array (n_stimuli,)
            NaN without fixations.
        """
        gain = information_gain(log_density, self.baseline.log_density)
        return mean_per_image(gain, self.dataset.fixations.stimulus, len(self.dataset.stimuli))

    @cached_property
    def identity(self) -> str:
        """Checksum of the data set."""
        return dataset_checksum(self.dataset)


def dataset_checksum(dataset: Dataset) -> str:
    """Return a checksum of the fixations, of who looked, and of the images' names and sizes."""
    columns = [
        getattr(table, field.name)
        for table in (dataset.fixations, dataset.stimuli)
        for field in fields(table)
    ]
    arrays = [column for column in columns if isinstance(column, np.ndarray)]
    return checksum(dataset.stimuli.ids, arrays, dataset.person)


def fit_references(dataset: Dataset) -> References:
    """Fit the center bias and, where images were seen by several subjects, the gold standard.

    Raises
    ------
    DataError
        If fixations lie outside their stimulus, or on fewer than two images.
    """
    baseline = fit_center_bias(dataset)
    shared = (people_per_image(dataset) > 1).any()
    gold = fit_gold_standard(dataset, baseline.log_density) if shared else None
    return References(dataset, baseline, gold)
