"""Features of one network and view from the cache, which is most of what tests need."""

from collections.abc import Callable, Sequence
from pathlib import Path

from deepgaze2.features.backbone import Backbone
from deepgaze2.features.cache import ImageFeatures, View
from deepgaze2.features.cache_filling import cache_features as cache_readings
from deepgaze2.features.cache_filling import fastest_engine
from deepgaze2.features.cache_stores import Reading
from deepgaze2.features.engines import Engine

_WHOLE = View()


def cache_features(
    paths: Sequence[Path],
    backbone: Backbone,
    taps: tuple[str, ...],
    view: View = _WHOLE,
    *,
    make_engine: Callable[[Backbone], Engine] = fastest_engine,
) -> list[ImageFeatures]:
    (found,) = cache_readings(paths, [Reading(backbone, taps, view)], make_engine=make_engine)
    return found
