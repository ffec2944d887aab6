"""How long each engine takes for each network, on this machine."""

import time
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from deepgaze2.features.backbone import StoredBackbone
from deepgaze2.features.engines.base import Engine, create_engine
from deepgaze2.features.engines.choice import Timing

_WIDTH_PX, _HEIGHT_PX = 512, 384
_ROUNDS = 5
_PAUSE_S = 0.4  # in which the threads of the engine before fall asleep


def timed(backbone: StoredBackbone, engines: Iterable[str]) -> tuple[Timing, ...]:
    """Time engines on a network, in turns, and return the best of each.

    Parameters
    ----------
    engines
        Names; all must be usable.
    """
    image = np.random.default_rng(0).uniform(0, 255, (3, _HEIGHT_PX, _WIDTH_PX)).astype(np.float32)
    made = {name: create_engine(backbone, name) for name in engines}
    for engine in made.values():
        engine.stored_features(image)
    seconds: dict[str, list[float]] = {name: [] for name in made}
    for _ in range(_ROUNDS):
        for name, engine in made.items():
            time.sleep(_PAUSE_S)
            seconds[name].append(_seconds(engine, image))
    return tuple(Timing(backbone.name, name, min(each)) for name, each in seconds.items())


def _seconds(engine: Engine, image: NDArray[np.float32]) -> float:
    began = time.perf_counter()
    engine.stored_features(image)
    return time.perf_counter() - began
