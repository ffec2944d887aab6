"""A trained model fitted to a laboratory: its viewing and its center bias.

Images are looked at in other ways elsewhere (distance, task, tracker): see `readout.viewing`. All
readouts of a mixture are changed alike, by maximum likelihood, drawn towards no change by what
laboratories were found to differ in. No network is trained, so some images suffice.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from deepgaze2.card import Card
from deepgaze2.data.dataset import Dataset
from deepgaze2.data.decisions import reading_record
from deepgaze2.data.splits import image_folds
from deepgaze2.density.center_bias import CenterBias
from deepgaze2.errors import DataError
from deepgaze2.metrics.intervals import bootstrap_interval
from deepgaze2.model import Model
from deepgaze2.readout.activations import FloatArray
from deepgaze2.references.baseline import fit_center_bias
from deepgaze2.store import write_model
from deepgaze2.support.cores import available_cores, single_threaded_blas
from deepgaze2.training.adaptation.looked import Change, Looked

_SPREADS, _SCALE_SPREAD = (0.25, 0.25, 0.25), 0.2
"""How much laboratories differ: standard deviations of a change's numbers, and of scales'."""
_FIXATIONS_PER_IMAGE = 5.0  # that tell as much as all: fixations on one image are not independent
_FOLDS = 5
_LEAST_IMAGES = 2
MOST_IMAGES = 200
"""As many as are fitted to: each takes megabytes, and the next gain nothing."""


@dataclass(frozen=True)
class Adaptation:
    """What a laboratory's images say of its viewing and center bias.

    Attributes
    ----------
    change, center_bias
        Fitted to all images.
    gains
        (n_images,) by cross-validation: bits per fixation that each image gains by them over the
        model as it is, fitted to other images.
    center_bias_gains
        (n_images,) the same by the center bias alone.
    """

    change: Change
    center_bias: CenterBias
    gains: NDArray[np.float64]
    center_bias_gains: NDArray[np.float64]

    @cached_property
    def adopted(self) -> str:
        """What of it surely helps: `all`, `center bias`, or `nothing`."""
        sure = {"all": self.gains, "center bias": self.center_bias_gains}
        for name in sorted(sure, key=lambda one: -float(sure[one].mean())):
            if bootstrap_interval(sure[name], np.ones(len(self.gains)))[0] > 0:
                return name
        return "nothing"

    def table(self, model: Model) -> list[tuple[str, float, float]]:
        """Return what a viewing consists of, before and after: the mean of the readouts."""
        change, readouts = self.change, [branch.readout for branch in model.branches]
        sigma = float(np.concatenate([one.sigma_px for one in readouts]).mean())
        weight = float(np.concatenate([one.prior_weight for one in readouts]).mean())
        rows = [
            ("blur in pixels", sigma, sigma * float(np.exp(change.log_sigma))),
            ("center bias's weight", weight, weight + change.weight),
            ("sharpness", 1.0, float(np.exp(change.log_factor))),
        ]
        for branch, own in zip(model.branches, change.log_scale, strict=True):
            network = f", {branch.backbone.name}" if len(readouts) > 1 else ""
            scales = branch.readout.architecture.scales[1:]
            for scale, log_scale in zip(scales, own, strict=True):
                px = round(model.card.longer_side_px * scale)
                rows.append((f"weight of {px} px{network}", 1.0, float(np.exp(log_scale))))
        return rows


def adapt(
    images: Sequence[Looked],
    dataset: Dataset,
    center_bias: CenterBias,
    *,
    name: str,
    n_folds: int = _FOLDS,
) -> Adaptation:
    """Fit a model's viewing and center bias to a laboratory, and say what that gains.

    Parameters
    ----------
    images
        What `looked_at` returned of the data set.
    center_bias
        The model's.
    name
        Of the new center bias.
    """
    n = len(images)
    change, fitted = _fitted(images, dataset, center_bias, np.arange(n), None)
    before, by_bias, by_all = np.zeros((3, n))
    folds = image_folds(n, min(n, n_folds), seed=0)
    none = images[0].no_change
    for fold in range(folds.max() + 1):
        seen, held_out = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
        others_change, own = _fitted(images, dataset, center_bias, seen, change)
        for i in held_out.tolist():
            image = images[i]
            prior = image.prior(own)
            before[i] = image.log_density(none, image.prior(center_bias)).mean()
            by_bias[i] = image.log_density(none, prior).mean()
            by_all[i] = image.log_density(others_change, prior).mean()
    return Adaptation(
        change=change,
        center_bias=replace(fitted, name=name),
        gains=(by_all - before) / np.log(2),
        center_bias_gains=(by_bias - before) / np.log(2),
    )


def _fitted(
    images: Sequence[Looked],
    dataset: Dataset,
    center_bias: CenterBias,
    chosen: NDArray[np.intp],
    start: Change | None,
) -> tuple[Change, CenterBias]:
    """Return what is fitted to some of the images.

    An image's prior is the center bias of the others, so that its weight is not overrated.
    """
    some = dataset.select(np.isin(np.arange(len(images)), chosen))
    if len(chosen) == 1:  # which says nothing of a center bias that others have
        own, of_others = center_bias, [center_bias]
    else:
        fitted = fit_center_bias(some, rest=center_bias)
        own = fitted.of_all(dataset.name)
        of_others = [fitted.without(n) for n in range(len(chosen))]
    seen = [images[i] for i in chosen.tolist()]
    priors = [image.prior(one) for image, one in zip(seen, of_others, strict=True)]
    return fit_change(seen, priors, start), own


def images_to_fit(dataset: Dataset) -> Dataset:
    """Return a data set's images that somebody looked at, `MOST_IMAGES` of them at random.

    Raises
    ------
    DataError
        If they are too few to fit to and to judge by.
    """
    seen = dataset.looked_at()
    if (n := len(seen.stimuli)) < _LEAST_IMAGES:
        raise DataError(
            f"{dataset.name}: {n} image{'s' * (n != 1)} with fixations; what a fit gains is judged"
            f" by images left out, so give {_LEAST_IMAGES} or more"
        )
    return seen.select(np.sort(np.random.default_rng(0).permutation(n)[:MOST_IMAGES]))


def write_adapted(
    folder: Path, model: Model, dataset: Dataset, adaptation: Adaptation, name: str
) -> Card:
    """Write a model's folder with what of an adaptation surely helps."""
    adopted, before = adaptation.adopted, model.card
    readouts = [replace(branch.readout, viewings={}) for branch in model.branches]
    center_bias = model.center_bias
    if adopted != "nothing":
        center_bias = adaptation.center_bias
    if adopted == "all":
        change = adaptation.change
        readouts = [one.viewed(change.viewing(one, number)) for number, one in enumerate(readouts)]
    record = {
        "model": before.name,
        "data_set": dataset.name,
        "images": list(dataset.stimuli.ids),
        "fixations": len(dataset.fixations),
        **reading_record(dataset.decisions),
        "adopted": adopted,
        "gain_bits": round(float(adaptation.gains.mean()), 4),
        "viewing": {what: round(after, 4) for what, _, after in adaptation.table(model)},
    }
    card = replace(
        before,
        name=name,
        description=f"{before.description}, adapted to {dataset.name}",
        training={**before.training, "adapted_to": record},
        scores={},
        viewings=(),
    )
    return write_model(folder, card, readouts, center_bias)


def fit_change(
    images: Sequence[Looked],
    priors: Sequence[FloatArray],
    start: Change | None = None,
    *,
    most_per_image: float = _FIXATIONS_PER_IMAGE,
) -> Change:
    """Return the change that makes fixations most likely, drawn towards none.

    Parameters
    ----------
    priors
        Each image's center bias on its grid.
    start
        Where to begin.
    most_per_image
        How many independent fixations those on an image tell as much as, at most.
    """
    begin = start or images[0].no_change
    spread = np.full(len(begin.values), _SCALE_SPREAD)
    spread[: len(_SPREADS)] = _SPREADS
    counts = [min(one.n_fixations, most_per_image) for one in images]
    with single_threaded_blas(), ThreadPoolExecutor(available_cores()) as pool:

        def loss(values: NDArray[np.float64]) -> float:
            change = begin.of(values * spread)

            def one(i: int) -> float:
                return -counts[i] * float(images[i].log_density(change, priors[i]).mean())

            return sum(pool.map(one, range(len(images)))) + 0.5 * float(np.square(values).sum())

        found = minimize(
            loss,
            begin.values / spread,
            method="L-BFGS-B",
            bounds=[(-6, 6)] * len(spread),
            options={"eps": 1e-2, "ftol": 1e-6, "maxiter": 40},
        )
    return begin.of(found.x * spread)
