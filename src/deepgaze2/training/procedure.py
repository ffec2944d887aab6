"""The whole procedure: pretraining, cross-validated fine-tuning, packaging (section 2.2)."""

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepgaze2.data.dataset import Dataset
from deepgaze2.data.splits import near_duplicates
from deepgaze2.density.center_bias import CenterBias
from deepgaze2.features.backbone import PYTHON, Backbone
from deepgaze2.readout.torch_readout import ReadoutNetwork, readout_of
from deepgaze2.references.baseline import center_bias_of, fit_center_bias, fold_center_biases
from deepgaze2.references.references import dataset_checksum
from deepgaze2.store import OWN_CENTER_BIAS, Card, write_model
from deepgaze2.support.resume import kept
from deepgaze2.training.curves import CurveDrawing
from deepgaze2.training.fit import Curve, Fit
from deepgaze2.training.folder import CHECKPOINTS, refuse_finished
from deepgaze2.training.gains import gains_by_image, gains_of_starts
from deepgaze2.training.preparation import PreparedImages, feature_deviations, prepare_images
from deepgaze2.training.recipes import Recipe, Training
from deepgaze2.training.record import training_record
from deepgaze2.training.runs import Run, train_all
from deepgaze2.training.stages import GroupedImages, finetuning_runs, pretraining_runs
from deepgaze2.training.starts import (
    Key,
    Starts,
    continued_starts,
    divide,
    random_starts,
)

_MOST_PRIOR_FIXATIONS = 200_000  # more do not change a center bias, and mouse samples are millions


@dataclass(frozen=True)
class Trained:
    """What cross-validated training leads to.

    Attributes
    ----------
    fits
        For each part of the cross-validation, a readout for each seed.
    gains
        (n_images,) information gain of each image in bits per fixation over the center bias of the
        other parts: the mean over the readouts that have not seen it; NaN in parts for which no
        readout was trained.
    start_gains
        The gains of the readouts that training started from; None if it started from random
        numbers.
    pretraining
        Curves of the pretraining, by the name of each run.
    """

    network: ReadoutNetwork
    fits: tuple[tuple[Fit, ...], ...]
    folds: NDArray[np.intp]
    gains: NDArray[np.float64]
    start_gains: NDArray[np.float64] | None
    pretraining: dict[str, Curve]


def train_model(
    dataset: Dataset,
    backbone: Backbone,
    folder: Path,
    training: Training,
    *,
    name: str,
    center_bias: str | None = None,
) -> tuple[Card, Trained]:
    """Train a cross-validated mixture on a data set and write its model folder.

    Each readout's images see the center bias of the *other* parts' fixations as their prior,
    in training as in scoring. Images without fixations are left out.

    Parameters
    ----------
    dataset
        To fine-tune on: first fixations dropped and all fixations inside their images.
    folder
        Where the model goes. Checkpoints lie in it, from which the same training goes on if it was
        interrupted, until `remove_checkpoints`: what is done with the model, such as scoring it,
        may be interrupted too.
    center_bias
        The packaged center bias that the model takes when a prediction names none; None
        estimates it from all fixations of the data set.

    Returns
    -------
    Card
        The model's card, without scores.
    Trained
        The readouts and their gains.

    Raises
    ------
    DataError
        If there are fewer images with fixations than folds, or scores would be too good since
        the start has seen the images, or the folder holds another training's model or
        checkpoints.
    """
    began = time.monotonic()
    refuse_finished(folder)
    dataset = _with_fixations(dataset)
    trained = cross_validate(dataset, backbone, folder, training)
    seconds = time.monotonic() - began
    record = training_record(dataset, training, trained.fits, trained.pretraining, seconds)
    own_center_bias = _center_bias(dataset) if center_bias is None else None
    card = _card(dataset, backbone, training, trained, record, name, center_bias)
    vectors = [fit.parameters for fits in trained.fits for fit in fits]
    card = write_model(folder, card, readout_of(trained.network, vectors), own_center_bias)
    return card, trained


def cross_validate(
    dataset: Dataset,
    backbone: Backbone,
    folder: Path,
    training: Training,
    *,
    first_parts: int | None = None,
) -> Trained:
    """Train the readouts of all or the first parts, and score each on its own part."""
    recipe, start, seed = training.recipe, training.start, training.seed
    normalize_over = training.normalize_over
    dataset = _with_fixations(dataset)
    pretrain = _with_fixations(training.pretrain) if training.pretrain is not None else None
    groups, other_groups = _groups(dataset, pretrain)
    folds, parts = divide(dataset, groups, start, training.n_folds, seed)
    kept(
        folder / CHECKPOINTS / "training.json",
        {
            "data set": dataset_checksum(dataset),
            "pretraining data set": dataset_checksum(pretrain) if pretrain is not None else None,
            "backbone": backbone.checksum,
            "recipe or options": asdict(recipe),
            "start": start.name if start else None,
            "parts": folds.tolist(),
            "images to normalize over": str(normalize_over) if normalize_over else None,
            "seed": seed,
        },
        lambda: None,  # that another training is not taken up in its place
        place=folder,
        work="training",
    )
    priors = fold_center_biases(dataset, folds)
    n_parts = len(priors) if first_parts is None else first_parts
    mirrored = recipe.finetuning.mirrored
    prepared = prepare_images(dataset, priors, folds, backbone, recipe, mirrored=mirrored)
    network = ReadoutNetwork(
        recipe.architecture,
        feature_deviations(recipe, backbone, prepared, normalize_over, start),
        learn_sigma=recipe.learn_sigma,
        learn_prior_weight=recipe.learn_prior_weight,
    )
    starts = _starts(network, training, parts, n_parts)
    begin, pretraining = starts, dict[str, Curve]()
    if pretrain is not None:
        images = GroupedImages(_to_pretrain_on(pretrain, backbone, recipe), other_groups)
        finetuned = GroupedImages(prepared, groups)
        runs = pretraining_runs(images, finetuned, folds, starts, network, training)
        begin, pretraining = _pretrained(runs, folder)
    runs = finetuning_runs(prepared, folds, begin, network, training)
    fits = _train(runs, folder, "fine-tuning", pretraining)
    return Trained(
        network=network,
        fits=tuple(tuple(fits[k, s] for s in range(recipe.n_seeds)) for k in range(n_parts)),
        folds=folds,
        gains=gains_by_image({key: fit.gains for key, fit in fits.items()}, folds),
        start_gains=gains_by_image(gains_of_starts(runs, fits, starts), folds) if start else None,
        pretraining=pretraining,
    )


def _groups(
    dataset: Dataset, pretrain: Dataset | None
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return equal numbers for images that are alike, of either data set."""
    paths = _paths(dataset)
    groups = near_duplicates(paths + (_paths(pretrain) if pretrain is not None else []))
    return groups[: len(paths)], groups[len(paths) :]


def _starts(
    network: ReadoutNetwork, training: Training, parts: NDArray[np.intp] | None, n_parts: int
) -> Starts:
    n_seeds = training.recipe.n_seeds
    if training.start is None:
        return random_starts(network, n_parts, n_seeds, training.seed)
    return continued_starts(network, training.start, parts, n_parts, n_seeds)


def _to_pretrain_on(dataset: Dataset, backbone: Backbone, recipe: Recipe) -> PreparedImages:
    # All images' fixations make the prior, also those of images that are held out later: it is a
    # smooth template of where mice are moved on any image, and is not part of the model.
    prior = _center_bias(dataset)
    all_alike = np.zeros(len(dataset.stimuli), np.intp)
    mirrored = recipe.pretraining.mirrored
    return prepare_images(dataset, [prior], all_alike, backbone, recipe, mirrored=mirrored)


def _pretrained(runs: Mapping[Key, Run], folder: Path) -> tuple[Starts, dict[str, Curve]]:
    fits = _train(runs, folder, "pretraining")
    curves = {runs[key].name: fit.curve for key, fit in fits.items()}
    return {key: fit.parameters for key, fit in fits.items()}, curves


def _train(
    runs: Mapping[Key, Run],
    folder: Path,
    description: str,
    before: Mapping[str, Curve] | None = None,
) -> dict[Key, Fit]:
    """Train readouts, those that share a training once, and draw their curves."""
    drawing = CurveDrawing(folder, before)
    different = list({run.name: run for run in runs.values()}.values())
    found = train_all(different, folder / CHECKPOINTS, description=description, on_epoch=drawing)
    drawing({name: fit.curve for name, fit in found.items()}, last=True)
    return {key: found[run.name] for key, run in runs.items()}


def _with_fixations(dataset: Dataset) -> Dataset:
    return dataset.select(np.diff(dataset.offsets) > 0)


def _paths(dataset: Dataset) -> list[Path]:
    return [dataset.stimuli.path(i) for i in range(len(dataset.stimuli))]


def _center_bias(dataset: Dataset) -> CenterBias:
    n = len(dataset.fixations)
    if n > _MOST_PRIOR_FIXATIONS:
        chosen = np.zeros(n, bool)
        chosen[np.random.default_rng(0).permutation(n)[:_MOST_PRIOR_FIXATIONS]] = True
        dataset = dataset.keep(chosen)
    fitted = fit_center_bias(dataset)
    return center_bias_of(dataset, fitted.bandwidth, fitted.uniform_share, OWN_CENTER_BIAS)


def _card(
    dataset: Dataset,
    backbone: Backbone,
    training: Training,
    trained: Trained,
    record: dict[str, Any],
    name: str,
    center_bias: str | None,
) -> Card:
    ids = np.array(dataset.stimuli.ids)
    return Card(
        name=name,
        description=_description(backbone, training),
        license="MIT",
        network=backbone.name,
        backbone_checksum=backbone.checksum,
        architecture=training.recipe.architecture,
        longer_side_px=training.recipe.longer_side_px,
        center_bias=center_bias or OWN_CENTER_BIAS,
        folds=tuple(tuple(ids[trained.folds == k].tolist()) for k in range(len(trained.fits))),
        training=record,
    )


def _description(backbone: Backbone, training: Training) -> str:
    architecture, pretrain, start = training.recipe.architecture, training.pretrain, training.start
    text = f"DeepGaze II on {backbone.name}"
    if backbone.name.startswith(PYTHON):
        text += ", a network whose weights are the user's own"
    if len(architecture.groups) > 1:
        text += f", {len(architecture.groups)} groups of features"
    if architecture.layer_norm:
        text += ", features also normalized across channels"
    if pretrain is not None:
        text += f", pretrained on {pretrain.name}"
    return text + (f", fine-tuned from {start.name}" if start else "")
