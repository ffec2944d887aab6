"""Variants of a design side by side: what each region gets, and what changes."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from deepgaze2.comparison.agreement import Agreed
from deepgaze2.density.members import member_shares
from deepgaze2.density.prediction import Prediction
from deepgaze2.density.region_files import RegionSource
from deepgaze2.density.regions import Region, RegionShare, region_shares
from deepgaze2.errors import RegionError
from deepgaze2.image.stimulus import Stimulus
from deepgaze2.image.viewport import guessed_viewport
from deepgaze2.model import CenterBiasSource, Model

_BLOCK_ROWS = 256


@dataclass(frozen=True)
class NamedImage:
    """A variant before it is predicted: its name, its file and what that shows."""

    name: str
    file: str
    stimulus: Stimulus


@dataclass(frozen=True, eq=False)
class RegionNumbers:
    """What a region of a variant gets.

    Attributes
    ----------
    region : Region
        In pixels of the variant.
    numbers : RegionShare
        Its share, that under the center bias alone, and their ratio.
    members : float array (K,)
        The share that each readout alone expects.
    share : Agreed
        The share with the readouts' interval.
    change : Agreed or None
        The share less that of the first variant, readout by readout; None for the first.
    agreeing : int
        How many readouts see a change of the same sign as the model does.
    """

    region: Region
    numbers: RegionShare
    members: NDArray[np.float64]
    share: Agreed
    change: Agreed | None
    agreeing: int


@dataclass(frozen=True, eq=False)
class Variant:
    """An image, what is predicted for it, and what its regions get."""

    name: str
    file: str
    prediction: Prediction
    regions: tuple[RegionNumbers, ...]

    @property
    def notes(self) -> list[str]:
        """What reading the image assumed, and what is doubtful in predicting it at once."""
        width, height = self.prediction.width, self.prediction.height
        if guessed_viewport(width, height) is None:
            return self.prediction.all_notes
        advice = "variants are compared without a viewport; cut pages to what a screen shows"
        return [*self.prediction.all_notes, advice]


@dataclass(frozen=True, eq=False)
class Comparison:
    """Variants of a design, the first being what the others are compared with.

    Attributes
    ----------
    variants : tuple of Variant
        At least one, in the order in which they were given; all have the same regions.
    readout_shares : float array (K,)
        What each readout counts.
    divergences : dict
        For pairs of names of variants of the same size, the Jensen-Shannon divergence of their
        densities in bits: 0 if they are equal, 1 if they do not overlap.
    """

    variants: tuple[Variant, ...]
    readout_shares: NDArray[np.float64]
    divergences: dict[tuple[str, str], float]

    @property
    def region_names(self) -> list[str]:
        """The regions' names, in order."""
        return [one.region.name for one in self.variants[0].regions]

    def ranked(self, region: str) -> list[Variant]:
        """Return the variants by what a region gets, most first; equal ones stay in order."""
        number = self.region_names.index(region)
        return sorted(self.variants, key=lambda v: v.regions[number].share.value, reverse=True)


def compare(
    model: Model,
    images: Sequence[NamedImage],
    sources: Sequence[RegionSource],
    *,
    center_bias: CenterBiasSource | None = None,
    pixels_per_degree: float | None = None,
) -> Comparison:
    """Predict variants, each once, and compare them.

    Variants with the same pixels are predicted together, so that their differences are zero.

    Raises
    ------
    RegionError
        If regions do not fit, see `placed`.
    CenterBiasError
        If the center bias cannot be used.
    """
    regions = placed(images, sources)
    same: dict[bytes, tuple[Prediction, NDArray[np.float64]]] = {}
    variants: list[Variant] = []
    for image, own in zip(images, regions, strict=True):
        key = _content(image.stimulus)
        if key not in same:
            prediction, members = model.predict_with_members(
                image.stimulus, center_bias=center_bias, pixels_per_degree=pixels_per_degree
            )
            size = prediction.width, prediction.height
            same[key] = prediction, member_shares(members, own, size)
        prediction, shares = same[key]
        first = variants[0].regions if variants else None
        numbers = _numbers(prediction, own, shares, model.shares, first)
        variants.append(Variant(image.name, image.file, prediction, numbers))
    divergences = {
        (a.name, b.name): jensen_shannon_bits(a.prediction.log_density, b.prediction.log_density)
        for a, b in combinations(variants, 2)
        if a.prediction.log_density.shape == b.prediction.log_density.shape
    }
    return Comparison(tuple(variants), model.shares, divergences)


def placed(images: Sequence[NamedImage], sources: Sequence[RegionSource]) -> list[list[Region]]:
    """Return each image's regions in pixels.

    Raises
    ------
    RegionError
        If one is not inside an image, or is in pixels while the images have different sizes.
    """
    first = images[0]
    size = first.stimulus.width, first.stimulus.height
    for image in images[1:]:
        other = image.stimulus.width, image.stimulus.height
        in_pixels = [r for source in sources for r in source.regions if not r.percent]
        if other != size and in_pixels:
            raise RegionError(
                f"{image.file}: has {other[0]} by {other[1]} pixels and {first.file} {size[0]} by"
                f" {size[1]}, so region {in_pixels[0].name} in pixels is another place in each;"
                " give it in %"
            )
    return [
        [
            region
            for source in sources
            for region in source.on(image.file, image.stimulus.width, image.stimulus.height)
        ]
        for image in images
    ]


def _content(stimulus: Stimulus) -> bytes:
    shape = (*stimulus.pixels.shape, stimulus.width, stimulus.height)
    return sha256(repr(shape).encode() + stimulus.pixels.tobytes()).digest()


def _numbers(
    prediction: Prediction,
    regions: Sequence[Region],
    members: NDArray[np.float64],
    weights: NDArray[np.float64],
    first: Sequence[RegionNumbers] | None,
) -> tuple[RegionNumbers, ...]:
    found = []
    for number, (region, shares) in enumerate(
        zip(regions, region_shares(prediction, regions), strict=True)
    ):
        own, change, agreeing = members[number], None, 0
        if first:
            difference = shares.share - first[number].share.value
            each = own - first[number].members
            change = Agreed.of(difference, each, weights)
            agreeing = int((np.sign(each) == np.sign(difference)).sum())
        share = Agreed.of(shares.share, own, weights)
        found.append(RegionNumbers(region, shares, own, share, change, agreeing))
    return tuple(found)


def jensen_shannon_bits(first: NDArray[np.float32], second: NDArray[np.float32]) -> float:
    """Return the Jensen-Shannon divergence of two densities in bits.

    Parameters
    ----------
    first, second : array (H, W)
        Log densities in nats.

    Returns
    -------
    float
        0 if they are equal, 1 if nowhere both have mass.
    """
    total = 0.0
    for start in range(0, len(first), _BLOCK_ROWS):
        rows = slice(start, start + _BLOCK_ROWS)
        p, q = (np.exp(one[rows], dtype=np.float64) for one in (first, second))
        middle = (p + q) / 2
        for one in (p, q):
            ratio = np.divide(one, middle, out=np.ones_like(one), where=one > 0)
            total += float((one * np.log2(ratio)).sum()) / 2
    return min(max(total, 0.0), 1.0)
