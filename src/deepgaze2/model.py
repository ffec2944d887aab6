"""The model: an image in, a probability density over its pixels out."""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain, islice
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from deepgaze2.branch import Branch
from deepgaze2.card import Card
from deepgaze2.density.center_bias import CenterBias, load_center_bias
from deepgaze2.density.members import member_log_densities
from deepgaze2.density.mixture import mixture_log_density, weighted_prior
from deepgaze2.density.prediction import Prediction
from deepgaze2.density.seen import as_seen, doubted
from deepgaze2.errors import DeepGazeError
from deepgaze2.features.backbone import Backbone
from deepgaze2.features.engines import create_engine
from deepgaze2.features.engines.choice import BITS_LOST
from deepgaze2.image.network_input import Size, network_inputs, network_size
from deepgaze2.image.stimulus import Stimulus, read_stimulus
from deepgaze2.image.viewport import Viewport
from deepgaze2.readout.numpy_readout import Readout
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
    branches
        Its networks, each with K readouts.
    center_bias
        The prior used when a prediction names none.
    """

    card: Card
    branches: tuple[Branch, ...]
    center_bias: CenterBias

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle what the model is; whoever loads it makes engines of its own."""
        networks = [branch.backbone for branch in self.branches]
        readouts = [branch.readout for branch in self.branches]
        engines = [branch.engine.name for branch in self.branches]
        return assembled, (
            *(self.card, networks, readouts, self.center_bias),
            *(engines, self.branches[0].engine.device),
        )

    def predict(
        self,
        source: ImageSource,
        *,
        center_bias: CenterBiasSource | None = None,
        pixels_per_degree: float | None = None,
        viewport: Viewport | None = None,
        scroll: Sequence[float] | None = None,
        on_screen: Callable[[int, int], None] | None = None,
    ) -> Prediction:
        """Predict where people look in one image, or in a page that they scroll.

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
        viewport
            Width and height of what viewers' screens show of a page, in pixels of the image: the
            page is predicted by screens, see `density.page`. `"auto"` guesses them for what looks
            like a page; `"none"` and None predict the image as seen at once, None with a warning
            if one side is more than three times the other.
        scroll
            Share of viewers who see each screenful of a page, 0..1, from the first on; None: half
            as many as see the one above.
        on_screen
            Called after each screen of a page with how many are done and how many there are.

        Raises
        ------
        StimulusError, CenterBiasError, ViewportError
            If the image, the center bias or the viewport cannot be used.
        """
        prior, stimulus = self._read(source, center_bias)
        return as_seen(
            stimulus,
            lambda seen: self._predict_at_once(seen, prior, pixels_per_degree)[0],
            viewport=viewport,
            scroll=scroll,
            center_bias=prior,
            prior_weight=float(self.shares @ self._prior_weight),
            on_screen=on_screen,
        )

    def predict_with_members(
        self,
        source: ImageSource,
        *,
        center_bias: CenterBiasSource | None = None,
        pixels_per_degree: float | None = None,
    ) -> tuple[Prediction, NDArray[np.float32]]:
        """Predict as `predict` does, and tell what each readout says alone, at little more cost.

        Returns
        -------
        prediction
            The mixture.
        members
            (n_readouts, h, w) log densities in nats, on a raster that spans the image and has 512
            pixels at most on its longer side; in the order of `shares`, which they count by.
        """
        prior, stimulus = self._read(source, center_bias)
        found, saliency = self._predict_at_once(stimulus, prior, pixels_per_degree)
        prediction = doubted(found, warned_above=1)
        members = member_log_densities(
            saliency,
            prediction.center_bias,
            (prediction.width, prediction.height),
            prediction.network_input_size,
            self.card.branches[0].architecture.grid_block,
        )
        return prediction, members

    def _read(
        self, source: ImageSource, center_bias: CenterBiasSource | None
    ) -> tuple[CenterBias, Stimulus]:
        prior = self.center_bias if center_bias is None else load_center_bias(center_bias)
        stimulus = source if isinstance(source, Stimulus) else read_stimulus(source, to_srgb=True)
        return prior, stimulus

    def _predict_at_once(
        self, stimulus: Stimulus, prior: CenterBias, pixels_per_degree: float | None
    ) -> tuple[Prediction, NDArray[np.float32]]:
        """Return a prediction, and the saliency of each readout that it was mixed from."""
        sizes = [self.input_sizes(b, stimulus, pixels_per_degree) for b in self.branches]
        views = network_inputs(stimulus.pixels, chain.from_iterable(sizes))
        saliency = np.concatenate(
            [b.saliency(views, own) for b, own in zip(self.branches, sizes, strict=True)]
        )
        input_size = sizes[0][0]
        grid_block = self.card.branches[0].architecture.grid_block
        weighted = weighted_prior(saliency, self._prior_weight, prior, input_size, grid_block)
        log_prior = prior.log_density(stimulus.height, stimulus.width)
        prediction = Prediction(
            log_density=mixture_log_density(
                weighted, log_prior, input_size, grid_block, shares=self.shares
            ),
            stimulus=stimulus,
            center_bias=prior,
            model=self.card.name,
            network_input_size=input_size,
        )
        return prediction, weighted

    @cached_property
    def shares(self) -> NDArray[np.float64]:
        """What each readout counts in the mixture, (n_readouts,); their sum is one."""
        each = [
            np.full(branch.readout.n_models, branch.share / branch.readout.n_models)
            for branch in self.branches
        ]
        shares = np.concatenate(each)
        return np.asarray(shares / shares.sum())

    @property
    def _prior_weight(self) -> NDArray[np.float32]:
        """What the center bias's log counts in each readout, (n_readouts,)."""
        return np.concatenate([branch.readout.prior_weight for branch in self.branches])

    def input_sizes(
        self, branch: Branch, stimulus: Stimulus, pixels_per_degree: float | None = None
    ) -> list[Size]:
        """Return a network input's width and height for each group of taps, as in training."""
        min_side_px = max(branch.backbone.min_side_px for branch in self.branches)
        return [
            network_size(
                stimulus.width,
                stimulus.height,
                pixels_per_degree=pixels_per_degree and pixels_per_degree / group.scale,
                longer_side_px=round(self.card.longer_side_px * group.scale),
                min_side_px=min_side_px,
            )
            for group in branch.readout.architecture.groups
        ]

    def predict_many(
        self,
        sources: Iterable[ImageSource],
        *,
        center_bias: CenterBiasSource | None = None,
        pixels_per_degree: float | None = None,
        viewport: Viewport | None = None,
        scroll: Sequence[float] | None = None,
        on_screen: Callable[[int, int], None] | None = None,
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
            return self.predict(
                source,
                center_bias=prior,
                pixels_per_degree=pixels_per_degree,
                viewport=viewport,
                scroll=scroll,
                on_screen=on_screen,
            )

        pending: deque[tuple[ImageSource, Future[Prediction]]] = deque()
        remaining = iter(sources)
        workers = 1 if self.branches[0].engine.device == "cpu" else _WORKERS_BESIDE_GPU
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

        It shares this model's engines.
        """
        per_fold = self.card.readouts_per_branch // len(self.card.folds)
        chosen = range(k * per_fold, (k + 1) * per_fold)
        return replace(self, branches=tuple(branch.members(chosen) for branch in self.branches))

    def alone(self, number: int) -> "Model":
        """Return a model of one branch, which shares this model's engine."""
        branch = self.card.branches[number]
        name = f"{self.card.name} on {branch.network} alone"
        card = replace(self.card, name=name, branches=(branch,), viewings=())
        return replace(self, card=card, branches=(self.branches[number],))

    @cached_property
    def identity(self) -> str:
        """What decides the model's predictions, as 64 hexadecimal digits.

        Readouts, architectures, networks, size of the network's input, prior and code count; the
        model's name and folder do not, nor do exact engines: all compute the same, but for
        rounding.
        """
        return checksum(
            [branch.readout for branch in self.branches],
            [(b.architecture, b.backbone_checksum, b.share) for b in self.card.branches],
            self.card.longer_side_px,
            self.center_bias.template,
            [b.engine.name if b.engine.name in BITS_LOST else "" for b in self.branches],
            code_version(__name__),
        )


def assembled(
    card: Card,
    networks: Sequence[Backbone],
    readouts: Sequence[Readout],
    center_bias: CenterBias,
    engines: Sequence[str],
    device: str | None,
) -> Model:
    """Return the model of networks, each with its readouts, and start its engines."""
    thread = ThreadPoolExecutor(1, "deepgaze2-engine")
    branches = [
        Branch(network, readout, create_engine(network, engine, device=device), facts.share, thread)
        for facts, network, readout, engine in zip(
            card.branches, networks, readouts, engines, strict=True
        )
    ]
    return Model(card, tuple(branches), center_bias)
