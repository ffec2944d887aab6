"""A branch of a model: one frozen network, and the readouts that see its features."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from deepgaze2.features.backbone import Backbone, stored_taps
from deepgaze2.features.engines import Engine
from deepgaze2.image.network_input import Size
from deepgaze2.readout.numpy_readout import Readout, saliency

Views = Mapping[Size, NDArray[np.uint8]]
"""An image as networks see it, by the size of their input."""


@dataclass(frozen=True)
class Branch:
    """A network and the readouts on it.

    Attributes
    ----------
    readout
        The parameters of its K readouts.
    share
        What its readouts count together in the mixture, relative to the other branches.
    engine_thread
        On which the engine works, one image at a time: two would only share the same cores, and
        each thread that calls an engine gets a pool of threads of its own.
    """

    backbone: Backbone
    readout: Readout
    engine: Engine
    share: float
    engine_thread: ThreadPoolExecutor

    def members(self, chosen: range) -> "Branch":
        """Return the branch with the readouts of these numbers alone."""
        return replace(self, readout=self.readout.members(chosen))

    def features(self, views: Views, sizes: list[Size]) -> list[dict[str, NDArray[np.float32]]]:
        """Return what the readouts see of an image: for each group the network's maps by name.

        Parameters
        ----------
        views
            Of the image, see `network_inputs`.
        sizes
            Of the network's input, for each group of taps.
        """
        found = {}
        for seen in dict.fromkeys(sizes):
            stored = self.engine_thread.submit(self.engine.stored_features, views[seen]).result()
            found[seen] = dict(zip(stored_taps(self.backbone), stored, strict=True))
        return [found[seen] for seen in sizes]

    def saliency(self, views: Views, sizes: list[Size]) -> NDArray[np.float32]:
        """Return S of each readout on the readouts' grid, (K, gh, gw), nats."""
        return saliency(self.readout, self.features(views, sizes), sizes)
