"""DeepGaze I as a model to compare with: fitted to other images than it predicts."""

from collections.abc import Callable
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from deepgaze2.data.dataset import Dataset
from deepgaze2.data.splits import image_folds
from deepgaze2.features.alexnet import MIN_SIDE_PX, read_alexnet
from deepgaze2.features.backbone import Backbone, find_backbone
from deepgaze2.features.cache import View, cache_features
from deepgaze2.features.engines import create_engine
from deepgaze2.image.network_input import network_input, network_size
from deepgaze2.image.stimulus import read_stimulus
from deepgaze2.readout.grid import block_stride
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


class FittedDeepGaze1:
    """DeepGaze I on a data set, each image predicted by a fit to the images of other folds.

    Parameters
    ----------
    dataset : Dataset
        The images and the fixations to fit to.
    weights : Path, optional
        Of AlexNet, whose conv5 the published model takes; by default VGG-16's conv5_3.
    engine : str
        What computes VGG-16.
    """

    def __init__(self, dataset: Dataset, weights: Path | None, engine: str) -> None:
        self._dataset, self._alexnet, self._engine = dataset, weights, engine
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
    def _layer(self) -> Callable[[int], Layer]:
        return _alexnet_layers(self._dataset, self._alexnet) if self._alexnet else self._vgg_layers

    @cached_property
    def _backbone(self) -> Backbone:
        return find_backbone(_VGG)

    @cached_property
    def _vgg_layers(self) -> Callable[[int], Layer]:
        dataset, backbone = self._dataset, self._backbone
        engine = None
        if self._engine != "auto":
            engine = create_engine(backbone.with_taps((_VGG_TAP,)), self._engine)
        cached = cache_features(
            [dataset.stimuli.path(i) for i in range(len(dataset.stimuli))],
            backbone,
            (_VGG_TAP,),
            View(_LONGER_SIDE_PX),
            engine=engine,
        )
        stride = block_stride(len(backbone.vgg.blocks))

        def layer(i: int) -> Layer:
            responses = cached[i].tensor(_VGG_TAP)
            return Layer(responses, cached[i].input_size, stride, (stride - 1) / 2)

        return layer


def _alexnet_layers(dataset: Dataset, weights: Path) -> Callable[[int], Layer]:
    alexnet = read_alexnet(weights)

    def layer(i: int) -> Layer:
        stimulus = read_stimulus(dataset.stimuli.path(i))
        width, height = network_size(
            stimulus.width, stimulus.height, longer_side_px=_LONGER_SIDE_PX
        )
        size = max(width, MIN_SIDE_PX), max(height, MIN_SIDE_PX)
        return alexnet.conv5(network_input(stimulus.pixels, size))

    return layer
