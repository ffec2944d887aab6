"""Classic saliency models to compare with: 8-bit sRGB pixels in, a saliency map out.

Each is a function `saliency(pixels)` in a module of its own that takes a uint8 array
(height, width, 3) and returns a float32 array (height, width), higher = more salient, on a
scale of its own: none is a density.
"""

from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from importlib import import_module

import numpy as np
from numpy.typing import NDArray

from deepgaze2.errors import ModelError


@dataclass(frozen=True)
class Rival:
    """A saliency model of others, implemented here.

    Attributes
    ----------
    module : str
        Full name of the module whose `saliency` computes it.
    title, citation : str
        What tables call it, and the paper that describes it.
    """

    module: str
    title: str
    citation: str


RIVALS = {
    "spectral-residual": Rival(
        "deepgaze2.rivals.on_pixels.spectral_residual",
        "Spectral residual",
        'X. Hou and L. Zhang (2007), "Saliency detection: a spectral residual approach", CVPR',
    ),
    "itti-koch": Rival(
        "deepgaze2.rivals.on_pixels.itti_koch",
        "Itti-Koch-Niebur",
        'L. Itti, C. Koch and E. Niebur (1998), "A model of saliency-based visual attention for'
        ' rapid scene analysis", IEEE PAMI 20(11):1254-1259',
    ),
    "aim": Rival(
        "deepgaze2.rivals.on_pixels.aim",
        "AIM",
        'N. D. B. Bruce and J. K. Tsotsos (2009), "Saliency, attention, and visual search: an'
        ' information theoretic approach", Journal of Vision 9(3):5',
    ),
    "edn": Rival(
        "deepgaze2.rivals.on_pixels.edn",
        "eDN",
        'E. Vig, M. Dorr and D. Cox (2014), "Large-scale optimization of hierarchical features'
        ' for saliency prediction in natural images", CVPR',
    ),
}


def rival(name: str) -> Callable[[NDArray[np.uint8]], NDArray[np.float32]]:
    """Return a rival's function from pixels to a saliency map.

    Parameters
    ----------
    name : str
        A key of `RIVALS`.

    Returns
    -------
    function
        Takes a uint8 array (height, width, 3), sRGB; returns a float32 array (height, width).

    Raises
    ------
    ModelError
        If there is no rival of that name.
    """
    if name not in RIVALS:
        nearest = get_close_matches(name.lower(), RIVALS, n=1, cutoff=0)[0]
        known = ", ".join(RIVALS)
        raise ModelError(f"rival {name}: unknown; did you mean {nearest}? There are {known}")
    function: Callable[[NDArray[np.uint8]], NDArray[np.float32]]
    function = import_module(RIVALS[name].module).saliency
    return function
