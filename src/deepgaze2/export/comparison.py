"""An ONNX file compared with the library, on the example photos and in other sizes."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from PIL import Image

from deepgaze2.export.onnx_file import IMAGE, LOG_CENTER_BIAS, LOG_DENSITY
from deepgaze2.image.examples import example_paths
from deepgaze2.image.stimulus import read_stimulus
from deepgaze2.model import Model

TOLERANCE_NATS = 1e-4
"""By how much two log densities may differ: as the library's engines may."""

# Width and height: smaller and larger than the network sees, long ones, over six times as large.
_SIZES = ((40, 30), (90, 900), (1000, 100), (300, 451), (1000, 1501), (2048, 1152), (3300, 2200))


@dataclass(frozen=True)
class Comparison:
    """The largest difference of two log densities of an image, in nats."""

    image: str
    width: int
    height: int
    difference: float


def compared(model: Model, path: Path) -> Iterator[Comparison]:
    """Compare what ONNX Runtime computes from a file on the CPU with a model's predictions."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    for name, pixels in _images():
        inputs = {IMAGE: pixels, LOG_CENTER_BIAS: model.center_bias.template}
        (found,) = session.run([LOG_DENSITY], inputs)
        difference = np.abs(found - model.predict(pixels, viewport="none").log_density)
        height, width = found.shape
        yield Comparison(name, width, height, float(difference.max()))


def _images() -> Iterator[tuple[str, NDArray[np.uint8]]]:
    photos = [read_stimulus(path) for path in example_paths()]
    for photo in photos:
        yield photo.name, photo.pixels
    for number, size in enumerate(_SIZES):
        photo = photos[number % len(photos)]
        resized = Image.fromarray(photo.pixels).resize(size, Image.Resampling.BICUBIC)
        yield photo.name, np.asarray(resized)
