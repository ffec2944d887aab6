"""The whole procedure: pretraining, cross-validated fine-tuning, packaging (section 2.2)."""

import re
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepgaze2.card import OWN_CENTER_BIAS, BranchFacts, Card
from deepgaze2.data.dataset import Dataset
from deepgaze2.density.center_bias import CenterBias, mean_center_bias
from deepgaze2.features.backbone import PYTHON, Backbone
from deepgaze2.readout.numpy_readout import Readout
from deepgaze2.readout.torch_readout import ReadoutNetwork, carried_over, readout_of
from deepgaze2.references.baseline import center_bias_of, fit_center_bias, fold_center_biases
from deepgaze2.references.references import dataset_checksum
from deepgaze2.store import write_model
from deepgaze2.support.cores import available_cores
from deepgaze2.support.resume import kept
from deepgaze2.training.curves import CurveDrawing, curves_file
from deepgaze2.training.fit import Curve, Fit
from deepgaze2.training.folder import CHECKPOINTS, refuse_finished
from deepgaze2.training.gains import gains_by_image, gains_of_starts
from deepgaze2.training.preparation import PreparedImages, feature_deviations, prepare_images
from deepgaze2.training.recipes import Recipe, Training
from deepgaze2.training.record import training_record
from deepgaze2.training.runs import train_all
from deepgaze2.training.sets import DataSets, alike, data_sets
from deepgaze2.training.stages import Stage, finetuning, pretraining
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
    sets
        What was trained on, whose images all others are numbered by.
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
        Curves of the pretraining, by the name of each readout.
    """

    sets: DataSets
    network: ReadoutNetwork
    fits: tuple[tuple[Fit, ...], ...]
    folds: NDArray[np.intp]
    gains: NDArray[np.float64]
    start_gains: NDArray[np.float64] | None
    pretraining: dict[str, Curve]


def train_model(
    datasets: Sequence[Dataset],
    networks: Sequence[tuple[Backbone, Training]],
    folder: Path,
    *,
    name: str,
    center_bias: str | None = None,
) -> tuple[Card, tuple[Trained, ...]]:
    """Train a cross-validated mixture on data sets and write its model folder.

    Each readout's images see the center bias of the *other* parts' fixations as their prior,
    in training as in scoring. Images without fixations are left out. Each data set has its own
    center bias and its own viewing (see `readout.viewing`). Readouts on several networks are
    trained network by network, with the same parts; those on each network count alike together,
    or as in the model to go on from.

    Parameters
    ----------
    datasets
        To fine-tune on: first fixations dropped and all fixations inside their images.
    networks
        Each with the training of the readouts on it, which differ in recipes and starts alone.
    folder
        Where the model goes. Checkpoints lie in it, from which the same training goes on if it was
        interrupted, until `remove_checkpoints`: what is done with the model, such as scoring it,
        may be interrupted too.
    center_bias
        The packaged center bias that the model takes when a prediction names none; None
        estimates it from all fixations, the mean over the data sets.

    Returns
    -------
    Card
        The model's card, without scores.
    tuple of Trained
        For each network the readouts and their gains.

    Raises
    ------
    DataError
        If there are fewer images with fixations than folds, or scores would be too good since
        the start has seen the images, or the folder holds another training's model or
        checkpoints, or two data sets have one name.
    """
    began = time.monotonic()
    refuse_finished(folder)
    trained = tuple(
        cross_validate(datasets, backbone, folder, training, label=label)
        for (backbone, training), label in zip(networks, _labels(networks), strict=True)
    )
    first, sets = trained[0], trained[0].sets
    record = training_record(trained, networks[0][1], time.monotonic() - began)
    own = [_center_bias(dataset) for dataset in sets.each]
    card = _card(networks, first, record, name, center_bias)
    readouts = [_readout(one) for one in trained]
    viewed = dict(zip(sets.names, own, strict=True)) if readouts[0].viewings else {}
    mean = mean_center_bias(own) if center_bias is None else None
    return write_model(folder, card, readouts, mean, viewed), trained


def _labels(networks: Sequence[tuple[Backbone, Training]]) -> list[str]:
    """Return what files of each network's training are called by; nothing if it is one."""
    names = [re.sub(r"[^\w.]+", "-", backbone.name) for backbone, _ in networks]
    if len(names) == 1:
        return [""]
    each = enumerate(names, 1)
    return [f"{name}-{i}" if names.count(name) > 1 else name for i, name in each]


def _readout(trained: Trained) -> Readout:
    vectors = [fit.parameters for fits in trained.fits for fit in fits]
    return readout_of(trained.network, vectors, trained.sets.names)


def cross_validate(
    datasets: Sequence[Dataset],
    backbone: Backbone,
    folder: Path,
    training: Training,
    *,
    first_parts: int | None = None,
    label: str = "",
) -> Trained:
    """Train the readouts of all or the first parts, and score each on its own part.

    A label tells the files of this training in the folder from others' there.
    """
    recipe, start, seed = training.recipe, training.start, training.seed
    sets, pretrain = data_sets(datasets), data_sets(training.pretrain)
    groups, other_groups = alike(sets, pretrain)
    folds, parts = divide(sets, groups, start, training.n_folds, seed)
    identity = _identity(sets, pretrain, backbone, training, folds)
    # That another training is not taken up in its place; and it goes on in as many processes.
    place = folder / CHECKPOINTS / label
    drawing = partial(CurveDrawing, curves_file(folder, label))
    n_processes = kept(
        place / "training.json",
        identity,
        available_cores,
        place=folder,
        work="training",
    )
    prepared = _prepared(sets, folds, backbone, recipe, mirrored=recipe.finetuning.mirrored)
    deviations = feature_deviations(recipe, backbone, prepared, training.normalize_over, start)
    network = _network(recipe, deviations, sets)
    n_parts = int(folds.max()) + 1 if first_parts is None else first_parts
    starts = _starts(network, training, parts, n_parts)
    begin, curves = starts, dict[str, Curve]()
    if training.pretrain:
        before = _network(recipe, deviations, pretrain)
        images = _to_pretrain_on(pretrain, backbone, recipe)
        stage = pretraining(
            *(images, other_groups, prepared, groups, folds),
            *(_starts(before, training, parts, n_parts), before, training),
        )
        fits = _train(stage, place, drawing(), "pretraining", n_processes)
        curves = {stage.readouts[key]: fit.curve for key, fit in fits.items()}
        begin = {key: carried_over(before, network, fit.parameters) for key, fit in fits.items()}
    stage = finetuning(prepared, folds, begin, network, training)
    fits = _train(stage, place, drawing(curves), "fine-tuning", n_processes)
    return Trained(
        sets=sets,
        network=network,
        fits=tuple(tuple(fits[k, s] for s in range(recipe.n_seeds)) for k in range(n_parts)),
        folds=folds,
        gains=gains_by_image({key: fit.gains for key, fit in fits.items()}, folds),
        start_gains=gains_by_image(gains_of_starts(stage, fits, starts), folds) if start else None,
        pretraining=curves,
    )


def _identity(
    sets: DataSets,
    pretrain: DataSets,
    backbone: Backbone,
    training: Training,
    folds: NDArray[np.intp],
) -> dict[str, Any]:
    """Return what decides a training, by what users call it."""
    return {
        "data set": [dataset_checksum(dataset) for dataset in sets.each],
        "pretraining data set": [dataset_checksum(dataset) for dataset in pretrain.each],
        "backbone": backbone.checksum,
        "recipe or options": asdict(training.recipe),
        "start": training.start.name if training.start else None,
        "parts": folds.tolist(),
        "images to normalize over": str(training.normalize_over or ""),
        "seed": training.seed,
    }


def _network(
    recipe: Recipe, deviations: Sequence[NDArray[np.float32]], sets: DataSets
) -> ReadoutNetwork:
    return ReadoutNetwork(
        recipe.architecture,
        deviations,
        learn_sigma=recipe.learn_sigma,
        learn_prior_weight=recipe.learn_prior_weight,
        n_viewings=len(sets.each),
    )


def _starts(
    network: ReadoutNetwork, training: Training, parts: NDArray[np.intp] | None, n_parts: int
) -> Starts:
    n_seeds = training.recipe.n_seeds
    if training.start is None:
        return random_starts(network, n_parts, n_seeds, training.seed)
    return continued_starts(network, training.start, parts, n_parts, n_seeds)


def _prepared(
    sets: DataSets, folds: NDArray[np.intp], backbone: Backbone, recipe: Recipe, *, mirrored: bool
) -> PreparedImages:
    priors = [
        fold_center_biases(dataset, folds[sets.number == number])
        for number, dataset in enumerate(sets.each)
    ]
    return prepare_images(sets, priors, folds, backbone, recipe, mirrored=mirrored)


def _to_pretrain_on(sets: DataSets, backbone: Backbone, recipe: Recipe) -> PreparedImages:
    # All images' fixations make the prior, also those of images that are held out later: it is a
    # smooth template of where mice are moved on any image, and is not part of the model.
    priors = [[_center_bias(dataset)] for dataset in sets.each]
    all_alike = np.zeros(len(sets.ids), np.intp)
    mirrored = recipe.pretraining.mirrored
    return prepare_images(sets, priors, all_alike, backbone, recipe, mirrored=mirrored)


def _train(
    stage: Stage,
    checkpoints: Path,
    drawing: CurveDrawing,
    description: str,
    n_processes: int,
) -> dict[Key, Fit]:
    """Train a stage's readouts and draw their curves."""
    runs = stage.run.groups(n_processes)
    found = train_all(runs, checkpoints, description=description, on_epoch=drawing)
    drawing({name: fit.curve for name, fit in found.items()}, last=True)
    return {key: found[name] for key, name in stage.readouts.items()}


def _center_bias(dataset: Dataset) -> CenterBias:
    n = len(dataset.fixations)
    if n > _MOST_PRIOR_FIXATIONS:
        chosen = np.zeros(n, bool)
        chosen[np.random.default_rng(0).permutation(n)[:_MOST_PRIOR_FIXATIONS]] = True
        dataset = dataset.keep(chosen)
    fitted = fit_center_bias(dataset)
    return center_bias_of(dataset, fitted.bandwidth, fitted.uniform_share, OWN_CENTER_BIAS)


def _card(
    networks: Sequence[tuple[Backbone, Training]],
    trained: Trained,
    record: dict[str, Any],
    name: str,
    center_bias: str | None,
) -> Card:
    ids = np.array(trained.sets.ids)
    return Card(
        name=name,
        description=_description(networks),
        license="MIT",
        branches=tuple(
            BranchFacts(
                *(backbone.name, backbone.checksum, training.recipe.architecture),
                share=training.start.share if training.start else 1.0,
            )
            for backbone, training in networks
        ),
        longer_side_px=networks[0][1].recipe.longer_side_px,
        center_bias=center_bias or OWN_CENTER_BIAS,
        folds=tuple(tuple(ids[trained.folds == k].tolist()) for k in range(len(trained.fits))),
        training=record,
    )


def _description(networks: Sequence[tuple[Backbone, Training]]) -> str:
    training, names = networks[0][1], [backbone.name for backbone, _ in networks]
    text = f"DeepGaze II on {' and '.join(names)}"
    if any(name.startswith(PYTHON) for name in names):
        text += ", a network whose weights are the user's own"
    architectures = [training.recipe.architecture for _, training in networks]
    if (n_groups := sum(len(one.groups) for one in architectures)) > len(networks):
        text += f", {n_groups} groups of features"
    if architectures[0].layer_norm:
        text += ", features also normalized across channels"
    if training.pretrain:
        text += f", pretrained on {data_sets(training.pretrain).name}"
    return text + (f", fine-tuned from {training.start.name}" if training.start else "")
