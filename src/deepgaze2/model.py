"""The model: an image in, a probability density over its pixels out."""

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from deepgaze2.density.center_bias import CenterBias, load_center_bias
from deepgaze2.density.mixture import mixture_log_density, weighted_prior
from deepgaze2.density.prediction import Prediction
from deepgaze2.errors import DeepGazeError, ModelError
from deepgaze2.features.backbone import PYTHON, Backbone, find_backbone, stored_taps
from deepgaze2.features.engines import Engine, create_engine
from deepgaze2.features.networks import NETWORKS
from deepgaze2.image.network_input import network_input, network_size
from deepgaze2.image.stimulus import Stimulus, read_stimulus
from deepgaze2.readout.numpy_readout import Readout, saliency
from deepgaze2.store import (
    Card,
    ModelName,
    find_model,
    named_card,
    read_center_bias,
    read_readout,
)
from deepgaze2.support.identity import checksum, code_version

ImageSource: TypeAlias = str | Path | bytes | Image.Image | NDArray[np.generic] | Stimulus
CenterBiasSource: TypeAlias = str | Path | NDArray[np.floating] | CenterBias

# On a GPU one image is decoded and one finished while the engine works on a third. On the CPU
# that would only take the engine's cores.
_WORKERS_BESIDE_GPU = 3


@dataclass(frozen=True)
class Model:
    """A loaded model. Thread-safe: several threads may predict with one model.

    Attributes
    ----------
    card
        What the model is and how good it is.
    readout
        The parameters of its K readouts.
    center_bias
        The prior used when a prediction names none.
    """

    card: Card
    backbone: Backbone
    readout: Readout
    center_bias: CenterBias
    engine: Engine
    _engine_thread: ThreadPoolExecutor

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle what the model is; whoever loads it makes an engine of its own."""
        parts = self.card, self.backbone, self.readout, self.center_bias
        return _assembled, (*parts, self.engine.name, self.engine.device)

    def predict(
        self,
        source: ImageSource,
        *,
        center_bias: CenterBiasSource | None = None,
        pixels_per_degree: float | None = None,
    ) -> Prediction:
        """Predict where people look in one image.

        Parameters
        ----------
        source
            Path, PIL image or array: (H, W) or (H, W, 1, 3 or 4), uint8, uint16 or float 0..1;
            also what an image file contains, as bytes, or what `read_stimulus` returned.
        center_bias
            The prior: a name (`mit1003`, `osie`, `uniform`, `gaussian`), an array or file of
            any size, or a `CenterBias`; None takes the one the model was trained with.
        pixels_per_degree
            Image pixels per degree of visual angle, if known. The network then sees the
            image at the 17.5 pixels per degree of the paper; else its longer side becomes
            512 pixels.

        Raises
        ------
        StimulusError, CenterBiasError
            If the image or the center bias cannot be used.
        """
        prior = self.center_bias if center_bias is None else load_center_bias(center_bias)
        stimulus = source if isinstance(source, Stimulus) else read_stimulus(source)
        sizes = self.input_sizes(stimulus, pixels_per_degree)
        grid_block = self.card.architecture.grid_block
        own = saliency(self.readout, self.features(stimulus, sizes), sizes)
        weighted = weighted_prior(own, self.readout.prior_weight, prior, sizes[0], grid_block)
        log_prior = prior.log_density(stimulus.height, stimulus.width)
        return Prediction(
            log_density=mixture_log_density(weighted, log_prior, sizes[0], grid_block),
            stimulus=stimulus,
            center_bias=prior,
            model=self.card.name,
            network_input_size=sizes[0],
        )

    def input_sizes(
        self, stimulus: Stimulus, pixels_per_degree: float | None = None
    ) -> list[tuple[int, int]]:
        """Return the network input's width and height for each group of taps, as in training."""
        return [
            network_size(
                stimulus.width,
                stimulus.height,
                pixels_per_degree=pixels_per_degree and pixels_per_degree / group.scale,
                longer_side_px=round(self.card.longer_side_px * group.scale),
                min_side_px=self.backbone.min_side_px,
            )
            for group in self.card.architecture.groups
        ]

    def features(
        self, stimulus: Stimulus, sizes: list[tuple[int, int]]
    ) -> list[dict[str, NDArray[np.float32]]]:
        """Return what the readouts see of an image: for each group the network's maps by name."""
        found = {}
        for seen in dict.fromkeys(sizes):
            image = network_input(stimulus.pixels, seen)
            # One image at a time, on one thread: two would only share the same cores, and each
            # thread that calls an engine gets a pool of threads of its own.
            stored = self._engine_thread.submit(self.engine.stored_features, image).result()
            found[seen] = dict(zip(stored_taps(self.backbone), stored, strict=True))
        return [found[seen] for seen in sizes]

    def predict_many(
        self,
        sources: Iterable[ImageSource],
        *,
        center_bias: CenterBiasSource | None = None,
        pixels_per_degree: float | None = None,
        on_error: Callable[[ImageSource, DeepGazeError], None] | None = None,
    ) -> Generator[Prediction]:
        """Predict a stream of images, in order, with bounded memory.

        The next images are computed while the caller uses one; with a GPU, decoding and
        finishing also overlap with the backbone. At most four images are under way.

        Parameters
        ----------
        on_error
            Called with a source that cannot be used and the error; the stream goes on.
            Without it, the error is raised.
        """
        prior = self.center_bias if center_bias is None else load_center_bias(center_bias)

        def predict(source: ImageSource) -> Prediction:
            return self.predict(source, center_bias=prior, pixels_per_degree=pixels_per_degree)

        pending: deque[tuple[ImageSource, Future[Prediction]]] = deque()
        remaining = iter(sources)
        workers = 1 if self.engine.device == "cpu" else _WORKERS_BESIDE_GPU
        with ThreadPoolExecutor(workers) as pool:
            while True:
                for source in islice(remaining, workers + 1 - len(pending)):
                    pending.append((source, pool.submit(predict, source)))
                if not pending:
                    return
                source, future = pending.popleft()
                try:
                    prediction = future.result()
                except DeepGazeError as error:
                    if on_error is None:
                        raise
                    on_error(source, error)
                else:
                    yield prediction

    def fold(self, k: int) -> "Model":
        """Return a model of those readouts alone that have not seen part k of the training set.

        It shares this model's engine.
        """
        per_fold = self.readout.n_models // len(self.card.folds)
        return replace(self, readout=self.readout.members(range(k * per_fold, (k + 1) * per_fold)))

    @cached_property
    def identity(self) -> str:
        """What decides the model's predictions, as 64 hexadecimal digits.

        Readouts, architecture, network, size of the network's input, prior and code count; the
        model's name and folder do not, nor does the engine: all compute the same, but for
        rounding.
        """
        return checksum(
            self.readout,
            self.card.architecture,
            self.card.backbone_checksum,
            self.card.longer_side_px,
            self.center_bias.template,
            code_version(__name__),
        )


def load(name: str | Path = "default", *, engine: str = "auto", device: str | None = None) -> Model:
    """Load a model.

    Parameters
    ----------
    name
        A packaged model's name, `"default"`, or the folder of a model you trained. If that was
        on a network of your own, say which: `FOLDER@python:module.function`. A folder, which may
        be a stranger's, has no code run by itself. A model that was trained on several data sets
        predicts as for images of their average kind; `NAME@mit1003` takes the viewing and the
        center bias of one of them, which the card names.
    engine
        `"ncnn"` (the CPU's default), `"torch"`, or `"auto"`, which takes PyTorch only for a
        `device` other than the CPU.
    device
        PyTorch's device: `"cpu"`, `"cuda"`, `"mps"`.

    Raises
    ------
    ModelError, WeightsError
        If the model, its backbone or the engine cannot be loaded.
    """
    viewing, folder = ModelName.of(name).viewing, find_model(name)
    card = named_card(name)
    network = backbone_of(name, card)
    center_bias = read_center_bias(folder, card, viewing)
    readout = read_readout(folder, card)
    if viewing:
        readout = readout.viewed(readout.viewings[viewing])
    return _assembled(card, network, readout, center_bias, engine, device)


def _assembled(
    card: Card,
    backbone: Backbone,
    readout: Readout,
    center_bias: CenterBias,
    engine: str,
    device: str | None,
) -> Model:
    return Model(
        card=card,
        backbone=backbone,
        readout=readout,
        center_bias=center_bias,
        engine=create_engine(backbone, engine, device=device),
        _engine_thread=ThreadPoolExecutor(1, "deepgaze2-engine"),
    )


def backbone_of(name: str | Path | ModelName, card: Card) -> Backbone:
    """Return the network that a model was trained with, read at the model's layers.

    Parameters
    ----------
    name
        The model as the user names it; see `load`.

    Raises
    ------
    ModelError, WeightsError
        If it cannot be loaded, or has other weights than the model was trained with.
    """
    folder, named = ModelName.of(name).model, ModelName.of(name).network
    if named not in ("", card.network):
        raise ModelError(f"{folder}: trained on {card.network}, not on {named}")
    if card.network.startswith(PYTHON) and not named:
        raise ModelError(
            f"{folder}: trained on a network of somebody's own, whose code is not run unasked; if"
            f" it is yours, say so: {folder}@{card.network}"
        )
    if card.network not in NETWORKS and not named:
        raise ModelError(f"{folder}: network {card.network!r} is unknown; update deepgaze2")
    backbone = find_backbone(card.network).with_taps(card.architecture.taps)
    if backbone.checksum != card.backbone_checksum:
        raise ModelError(
            f"{folder}: trained with other {card.network} weights than those found here "
            f"(checksum {card.backbone_checksum[:12]}, found {backbone.checksum[:12]}); "
            f"import the weights it was trained with"
        )
    for tap in (tap for group in card.architecture.groups for tap in group.taps):
        if backbone.tap(tap.name) != tap:
            raise ModelError(
                f"{folder}: {tap.name} of {card.network} is another layer here than where the"
                " model was trained; use the same version of the network"
            )
    return backbone
