"""The table of metrics: an entry here is all that scores, tables, reports and help know of one.

A probabilistic model is judged fairly if each metric gets the map that the model itself expects
to score best (Kümmerer et al. 2018): each entry names that map.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from deepgaze2.metrics.auc import auc
from deepgaze2.metrics.empirical_map import empirical_map
from deepgaze2.metrics.map_arrays import Pixels
from deepgaze2.metrics.map_metrics import cc, kl_divergence, nss, similarity
from deepgaze2.metrics.optimal_maps import blurred_density, shuffled_auc_map, similarity_map
from deepgaze2.metrics.shuffled_auc import shuffled_auc

Map = NDArray[np.floating]


@dataclass(frozen=True, eq=False)
class Case:
    """A density on an image and the fixations that it is to predict; maps are made once, on demand.

    Attributes
    ----------
    log_density, log_center_bias : float array (H, W)
        Nats per pixel.
    rows, columns : int array (n,)
        The fixations' pixels.
    others : (rows, columns, counts)
        The fixations on all other images, see `NonFixations.of`.
    sigma_px : float
        Blur of the empirical map.
    seed : int
        Of samples.
    """

    log_density: Map
    log_center_bias: Map
    rows: Pixels
    columns: Pixels
    others: tuple[Pixels, Pixels, Pixels]
    sigma_px: float
    seed: int

    @cached_property
    def density(self) -> Map:
        """The density itself."""
        return np.asarray(np.exp(self.log_density))

    @cached_property
    def over_center_bias(self) -> Map:
        """The density divided by the center bias', its log."""
        return shuffled_auc_map(self.log_density, self.log_center_bias)

    @cached_property
    def blurred(self) -> Map:
        """The density, blurred as the empirical map is."""
        return blurred_density(self.log_density, self.sigma_px)

    @cached_property
    def most_similar(self) -> Map:
        """The map of largest expected similarity."""
        return similarity_map(self.log_density, self.sigma_px, len(self.rows), seed=self.seed)

    @cached_property
    def empirical(self) -> Map:
        """All fixations, blurred."""
        height, width = self.log_density.shape
        return empirical_map(self.rows, self.columns, height, width, self.sigma_px)


@dataclass(frozen=True)
class Metric:
    """A metric of saliency maps.

    Attributes
    ----------
    name : str
        In score files, reports and cards.
    title, unit, definition : str
        For people; the definition says its source and which map a density hands in.
    wants : function
        From a case to that map.
    function : function
        From a map, that one or any saliency map, and the case to values: one for each fixation,
        (n,), or one number.
    per_fixation : bool
        Which of the two. What has one number for an image is not computed where each subject is
        predicted by another density.
    lower_is_better : bool
        The direction.
    """

    name: str
    title: str
    unit: str
    definition: str
    wants: Callable[[Case], Map]
    function: Callable[[Map, Case], NDArray[np.float64] | float]
    per_fixation: bool
    lower_is_better: bool = False


METRICS = (
    Metric(
        "auc",
        "AUC",
        "0 to 1, chance 0.5",
        "For each fixation the share of the image's pixels with a lower value, plus half the share"
        " of equal ones: the area under the ROC curve with all pixels as negatives, as in"
        " pysaliency. Map: the density.",
        lambda case: case.log_density,  # ranks are the density's
        lambda map_, case: auc(map_, case.rows, case.columns),
        per_fixation=True,
    ),
    Metric(
        "shuffled_auc",
        "sAUC",
        "0 to 1, chance 0.5",
        "AUC against the fixations on all other images, their coordinates scaled to this image's"
        " size; repeats count, as in pysaliency. Map: the density divided by the center bias'"
        " density.",
        lambda case: case.over_center_bias,
        lambda map_, case: shuffled_auc(map_, case.rows, case.columns, *case.others),
        per_fixation=True,
    ),
    Metric(
        "nss",
        "NSS",
        "standard deviations, chance 0",
        "The map's value at the fixation, less the map's mean, divided by its population standard"
        " deviation (Peters et al. 2005). Map: the density.",
        lambda case: case.density,
        lambda map_, case: nss(map_, case.rows, case.columns),
        per_fixation=True,
    ),
    Metric(
        "cc",
        "CC",
        "\u22121 to 1",
        "Pearson's correlation, over pixels, with the empirical map: all fixations on the image,"
        " blurred by a Gaussian of one degree of visual angle where that is known, else of 24/1024"
        " of the image's longer side, as in the MIT benchmark. Map: the density, blurred alike.",
        lambda case: case.blurred,
        lambda map_, case: cc(map_, case.empirical),
        per_fixation=False,
    ),
    Metric(
        "kl",
        "KL",
        "nats, 0 is best",
        "\u03a3 q ln(\u03b5 + q / (p + \u03b5)) with \u03b5 = 2\u207b\u2075\u00b2, of the map p"
        " from the empirical map q, both summing to one (the MIT benchmark's KLdiv.m). Map: the"
        " density, blurred alike.",
        lambda case: case.blurred,
        lambda map_, case: kl_divergence(map_, case.empirical),
        per_fixation=False,
        lower_is_better=True,
    ),
    Metric(
        "sim",
        "SIM",
        "0 to 1",
        "\u03a3 min(p, q), both maps summing to one, as in pysaliency. Map: the one whose expected"
        " similarity to the empirical map of as many fixations, sampled from the density, is"
        " largest.",
        lambda case: case.most_similar,
        lambda map_, case: similarity(map_, case.empirical),
        per_fixation=False,
    ),
)


def score_names(*, per_fixation: bool) -> tuple[str, ...]:
    """Return the metrics' names, then those of maps as they were given: with `map_` before."""
    names = [metric.name for metric in METRICS if metric.per_fixation == per_fixation]
    return (*names, *(f"map_{name}" for name in names))
