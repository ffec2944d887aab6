"""DeepGaze II: where people look in an image, as a probability density over its pixels.

>>> import deepgaze2
>>> model = deepgaze2.load()
>>> prediction = model.predict("photo.jpg")  # doctest: +SKIP
"""

from deepgaze2.density.prediction import Prediction
from deepgaze2.loading import load
from deepgaze2.model import Model

__all__ = ["Model", "Prediction", "load"]
__version__ = "0.1.0"
