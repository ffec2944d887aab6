"""Several images of one size at once, where that pays: on a GPU.

There, a network on one small image takes as long as it takes to start its kernels, one by one.
On the CPU one image keeps all cores busy.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from deepgaze2.features.engines.base import Engine
from deepgaze2.features.engines.torch_engine import TorchEngine
from deepgaze2.image.network_input import NetworkInput

# Pixels of all network inputs together: VGG-16's largest maps then take 0.6 GB. And their number,
# since all of their features wait to be written.
_MOST_PX = 1 << 20
_MOST_IMAGES = 32


def images_at_once(engine: Engine, input_px: int) -> int:
    """Return how many images to give to an engine at once, of `input_px` pixels each."""
    if not isinstance(engine, TorchEngine) or engine.device == "cpu":
        return 1
    return max(1, min(_MOST_IMAGES, _MOST_PX // input_px))


def features_of_several(
    engine: Engine, images: Sequence[NetworkInput]
) -> list[tuple[NDArray[np.float32], ...]]:
    """Return the stored features of images of one size, see `Engine.stored_features`."""
    if len(images) > 1 and isinstance(engine, TorchEngine):
        return engine.features_of_several(images)
    return [engine.stored_features(image) for image in images]
