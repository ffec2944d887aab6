"""Saliency models of others to compare with. Each is a module of its own and an entry in `RIVALS`.

A plain one is a function of 8-bit sRGB pixels: it takes a uint8 array (height, width, 3) and
returns a float32 array (height, width), higher = more salient, on a scale of its own, no density.
A fitted one is fitted to fixations and gives densities, see `FittedRival`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from deepgaze2.errors import ModelError
from deepgaze2.support.files import ASSETS, sha256_of
from deepgaze2.support.identity import checksum, code_version

if TYPE_CHECKING:
    from deepgaze2.data.dataset import Dataset

Saliency = Callable[[NDArray[np.uint8]], NDArray[np.float32]]


class FittedRival(Protocol):
    """A model on a data set, each image predicted by a fit to other images.

    Its class takes the data set, what the user gave as `weights` (a Path or None) and `engine`,
    the name of what computes networks.
    """

    @property
    def note(self) -> str:
        """What was fitted to what, for the report."""

    @property
    def identity(self) -> str:
        """What its predictions depend on beside the data set and its code."""

    def log_density(self, i: int) -> NDArray[np.float32]:
        """Return the density (H, W), in nats, of a stimulus' fixations. Thread-safe."""


@dataclass(frozen=True)
class Rival:
    """A saliency model of others, implemented here.

    Attributes
    ----------
    module : str
        Full name of the module that computes it.
    title, citation : str
        What tables call it, and the paper that describes it.
    function : str
        What the module calls the function of pixels, or the class of a fitted one.
    fitted : bool
        Whether it is a `FittedRival`.
    weights : str
        What the file may hold that users can give as `name:FILE`, which the function then gets
        as `weights`; empty if none can be given.
    assets : tuple of str
        Files packaged in `assets/rivals` that it reads.
    """

    module: str
    title: str
    citation: str
    function: str = "saliency"
    fitted: bool = False
    weights: str = ""
    assets: tuple[str, ...] = ()

    @property
    def identity(self) -> str:
        """Checksum of its code and its packaged files."""
        files = [sha256_of(ASSETS / "rivals" / name) for name in self.assets]
        return checksum(files, code_version(self.module))

    def load(self) -> Callable[..., Any]:
        """Return its function or class; its module is imported now."""
        found: Callable[..., Any] = getattr(import_module(self.module), self.function)
        return found

    def on(self, dataset: "Dataset", weights: Path | None, engine: str) -> FittedRival:
        """Return a fitted one on a data set; it is fitted when it is first asked."""
        model: FittedRival = self.load()(dataset, weights=weights, engine=engine)
        return model


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
        assets=("aim_basis.safetensors",),
    ),
    "edn": Rival(
        "deepgaze2.rivals.on_pixels.edn",
        "eDN",
        'E. Vig, M. Dorr and D. Cox (2014), "Large-scale optimization of hierarchical features'
        ' for saliency prediction in natural images", CVPR',
        assets=("edn.safetensors",),
    ),
    "deepgaze1": Rival(
        "deepgaze2.rivals.fitted.fitted_deepgaze1",
        "DeepGaze I",
        'M. Kümmerer, L. Theis and M. Bethge (2015), "Deep Gaze I: boosting saliency prediction'
        ' with feature maps trained on ImageNet", ICLR workshop',
        function="FittedDeepGaze1",
        fitted=True,
        weights="AlexNet, as published; else VGG-16 is read",
    ),
}


def rival(name: str) -> Saliency:
    """Return a plain rival's function from pixels to a saliency map.

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
        If there is no plain rival of that name.
    """
    plain = [key for key, entry in RIVALS.items() if not entry.fitted]
    if name not in plain:
        nearest = get_close_matches(name.lower(), plain, n=1, cutoff=0)[0]
        known = ", ".join(plain)
        raise ModelError(f"rival {name}: unknown; did you mean {nearest}? There are {known}")
    return RIVALS[name].load()
