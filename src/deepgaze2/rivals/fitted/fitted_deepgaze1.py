"""DeepGaze I as a model to compare with: fitted to other images than it predicts."""

from collections.abc import Callable
from functools import cached_property, partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from deepgaze2.data.dataset import Dataset
from deepgaze2.data.splits import image_folds
from deepgaze2.features.backbone import StoredBackbone, find_stored_backbone
from deepgaze2.features.cache import View
from deepgaze2.features.cache_filling import cache_features, fastest_engine
from deepgaze2.features.cache_stores import Reading
from deepgaze2.features.engines import create_engine
from deepgaze2.features.engines.choice import exact
from deepgaze2.features.networks import NETWORKS
from deepgaze2.features.weights.importers import import_weights
from deepgaze2.references.baseline import fold_center_biases
from deepgaze2.rivals.fitted.deepgaze1 import DeepGaze1, Layer, TrainingImage, fit_deepgaze1
from deepgaze2.support.files import sha256_of
from deepgaze2.support.identity import checksum
from deepgaze2.support.once import Once
from deepgaze2.support.progress import tracked

_FOLDS = 5
_MOST_IMAGES = 600  # whose responses are held while fitting: half a gigabyte
_LONGER_SIDE_PX = 512
_VGG, _VGG_TAP = "vgg16", "conv5_3"
_ALEXNET = NETWORKS["alexnet"]


class FittedDeepGaze1:
    """DeepGaze I on a data set, each image predicted by a fit to the images of other folds.

    Parameters
    ----------
    dataset : Dataset
        The images and the fixations to fit to.
    weights : Path, optional
        Of AlexNet, whose conv5 the published model takes; by default VGG-16's conv5_3.
    engine : str
        What computes VGG-16; of bfloat16 its exact counterpart.
    """

    def __init__(self, dataset: Dataset, weights: Path | None, engine: str) -> None:
        self._dataset, self._alexnet = dataset, weights
        self._engine = exact(engine)  # other features would stay in the cache for all
        n_images = len(dataset.stimuli)
        self._folds = image_folds(n_images, min(_FOLDS, n_images), seed=0)
        self._priors = fold_center_biases(dataset, self._folds)
        self._models = Once(self._fitted)

    @property
    def note(self) -> str:
        """What was fitted to what, for the report."""
        layer = "AlexNet's conv5" if self._alexnet else "VGG-16's conv5_3"
        return f"on {layer}, fitted to other images ({int(self._folds.max()) + 1} folds)"

    @property
    def identity(self) -> str:
        """The network's weights and what computes it."""
        weights = sha256_of(self._alexnet) if self._alexnet else self._backbone.checksum
        return checksum(weights, self._engine)

    def log_density(self, i: int) -> NDArray[np.float32]:
        """Return the density (H, W), in nats, of a stimulus' fixations. Thread-safe.

        Raises
        ------
        DeepGazeError
            If the image, one that is fitted to, or the network's weights cannot be used.
        """
        model = self._models()[int(self._folds[i])]
        return model.log_density(self._layer(i), self._prior(i))

    def _fitted(self) -> dict[int, DeepGaze1]:
        """Return the fit that predicts each fold."""
        seen = np.flatnonzero(np.diff(self._dataset.offsets))
        drawn = np.random.default_rng(0).permutation(seen)[:_MOST_IMAGES].tolist()
        images = {i: self._training_image(i) for i in tracked(drawn, "features", len(drawn))}
        folds = np.unique(self._folds).tolist()
        return {
            fold: fit_deepgaze1([one for i, one in images.items() if self._folds[i] != fold])
            for fold in tracked(folds, "fitting", len(folds), "part")
        }

    def _training_image(self, i: int) -> TrainingImage:
        layer = self._layer(i)
        half = Layer(
            layer.responses.astype(np.float16), layer.input_size, layer.stride_px, layer.offset_px
        )
        return TrainingImage(half, self._prior(i), *self._dataset.fixations_on(i).pixel())

    def _prior(self, i: int) -> NDArray[np.float32]:
        stimuli = self._dataset.stimuli
        prior = self._priors[int(self._folds[i])]
        return prior.log_density(int(stimuli.height[i]), int(stimuli.width[i]))

    @cached_property
    def _backbone(self) -> StoredBackbone:
        if self._alexnet:
            return import_weights(self._alexnet, [_ALEXNET])
        return find_stored_backbone(_VGG).with_taps((_VGG_TAP,))

    @cached_property
    def _layer(self) -> Callable[[int], Layer]:
        dataset, backbone = self._dataset, self._backbone
        paths = [dataset.stimuli.path(i) for i in range(len(dataset.stimuli))]
        reading = Reading(backbone, backbone.taps, View(_LONGER_SIDE_PX))
        make_engine = (
            fastest_engine
            if self._engine == "auto"
            else partial(create_engine, engine=self._engine)
        )
        (cached,) = cache_features(paths, [reading], make_engine=make_engine)
        (tap,) = map(backbone.tap, backbone.taps)

        def layer(i: int) -> Layer:
            responses = cached[i].tensor(tap.name)
            return Layer(responses, cached[i].input_size, tap.stride_px, tap.offset_px)

        return layer
