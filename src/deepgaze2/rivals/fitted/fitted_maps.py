"""Saliency maps of a data set's images as densities, each fitted to fixations on other images."""

from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray

from deepgaze2.data.dataset import Dataset
from deepgaze2.data.splits import image_folds
from deepgaze2.rivals.fitted.saliency_density import SaliencyConversion
from deepgaze2.rivals.fitted.saliency_fit import FixatedMap, cross_fitted
from deepgaze2.support.once import Once

_FOLDS = 5
Map = NDArray[np.floating]


class FittedMaps:
    """Converts a model's maps; the conversions are fitted when the first one is needed.

    Parameters
    ----------
    name : str
        The model's, for messages.
    saliency : callable
        Takes a stimulus' number and returns its map, (H, W).
    dataset : Dataset
        The images and the fixations that the conversions are fitted to.
    """

    def __init__(self, name: str, saliency: Callable[[int], Map], dataset: Dataset) -> None:
        self._name, self._saliency, self._dataset = name, saliency, dataset
        n_images = len(dataset.stimuli)
        self._folds = image_folds(n_images, min(_FOLDS, n_images), seed=0)
        self._conversions = Once(self._fitted)

    @property
    def note(self) -> str:
        """How the densities came about, for the report."""
        n_folds = int(self._folds.max()) + 1
        return f"maps made densities by a conversion fitted to other images ({n_folds} folds)"

    def log_density(self, i: int, saliency: Map) -> NDArray[np.float32]:
        """Return the density (H, W), in nats, that a stimulus' map stands for. Thread-safe.

        Raises
        ------
        DeepGazeError
            If the map, or one that the conversions are fitted to, cannot be used.
        """
        conversion = self._conversions()[int(self._folds[i])]
        return conversion.log_density(saliency, *saliency.shape, name=self._label(i))

    def _fitted(self) -> dict[int, SaliencyConversion]:
        maps = [self._fixated(i) for i in range(len(self._folds))]
        return cross_fitted(maps, self._folds)

    def _fixated(self, i: int) -> FixatedMap:
        rows, columns = self._dataset.fixations_on(i).pixel()
        stimuli = self._dataset.stimuli
        return FixatedMap(
            self._label(i),
            partial(self._saliency, i),
            int(stimuli.height[i]),
            int(stimuli.width[i]),
            rows,
            columns,
        )

    def _label(self, i: int) -> str:
        return f"{self._name}, {self._dataset.stimuli.ids[i]}"
