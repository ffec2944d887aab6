"""The whole procedure: pretraining, cross-validated fine-tuning, packaging (section 2.2)."""

import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from deepgaze2.backbone import Backbone
from deepgaze2.card import OWN_CENTER_BIAS, Card, write_model
from deepgaze2.center_bias import CenterBias
from deepgaze2.data.splits import group_folds, near_duplicates
from deepgaze2.data.table import Dataset
from deepgaze2.errors import DataError
from deepgaze2.evaluate.baseline import center_bias_of, fit_center_bias
from deepgaze2.evaluate.out_of_fold import fold_center_biases
from deepgaze2.features import Network, View, cache_features, tap_deviations
from deepgaze2.image_files import image_files
from deepgaze2.readout import Readout
from deepgaze2.train.curves import CurveDrawing
from deepgaze2.train.fit import Curve, Fit
from deepgaze2.train.network import ReadoutNetwork, parameters_of, readout_of
from deepgaze2.train.preparation import PreparedImages, prepare_images
from deepgaze2.train.recipes import Recipe
from deepgaze2.train.record import training_record
from deepgaze2.train.runs import Run, train_all

CHECKPOINTS = "checkpoints"
_MOST_PRIOR_FIXATIONS = 200_000  # more do not change a center bias, and mouse samples are millions


@dataclass(frozen=True)
class Start:
    """A trained model to go on from: its readouts and where they are from."""

    readout: Readout
    name: str


@dataclass(frozen=True)
class Trained:
    """What cross-validated training leads to.

    Attributes
    ----------
    fits
        Of each part of the cross-validation, one for each seed.
    gains
        (n_images,) mean information gain of each image, by the first of the readouts that have not
        seen it, in bits per fixation over the center bias of the other parts. NaN in parts that
        no readout was trained for.
    start_gains
        The same before fine-tuning.
    pretraining
        Curves of the pretraining, by name.
    """

    network: ReadoutNetwork
    fits: tuple[tuple[Fit, ...], ...]
    folds: NDArray[np.intp]
    gains: NDArray[np.float64]
    start_gains: NDArray[np.float64]
    pretraining: dict[str, Curve]


def train_model(
    dataset: Dataset,
    backbone: Backbone,
    folder: Path,
    *,
    name: str,
    recipe: Recipe,
    pretrain: Dataset | None = None,
    start: Start | None = None,
    center_bias: str | None = None,
    n_folds: int = 10,
    normalize_over: Path | None = None,
    seed: int = 0,
) -> tuple[Card, Trained]:
    """Train a cross-validated mixture on a data set and write its model folder.

    Each readout's images see the center bias of the *other* parts' fixations as their prior,
    in training as in scoring. Images without fixations are left out.

    Parameters
    ----------
    dataset, pretrain
        To fine-tune and to pretrain on: first fixations dropped and all fixations inside their
        images. Images of the second that are also in a part of the first, or nearly, are not
        seen by the readouts that predict that part.
    folder
        Where the model goes; checkpoints lie in it while training.
    start
        Go on from this model's readouts instead of from random numbers.
    center_bias
        The packaged center bias that the model takes when a prediction names none; None
        estimates it from all fixations of the data set.
    n_folds
        Parts of the cross-validation.
    normalize_over
        Folder of images over which each channel gets unit variance; None takes the training
        images (the paper took ImageNet's).

    Returns
    -------
    Card
        The model's card, without scores.
    Trained
        The readouts and their gains.

    Raises
    ------
    DataError
        If there are fewer images with fixations than folds.
    """
    began = time.monotonic()
    dataset = _with_fixations(dataset)
    trained = cross_validate(
        dataset,
        backbone,
        folder,
        recipe=recipe,
        pretrain=pretrain,
        start=start,
        n_folds=n_folds,
        normalize_over=normalize_over,
        seed=seed,
    )
    own_center_bias = _center_bias(dataset) if center_bias is None else None
    ids = np.array(dataset.stimuli.ids)
    card = Card(
        name=name,
        description=_description(backbone, recipe, pretrain, start),
        license="MIT",
        network=backbone.vgg.name,
        backbone_checksum=backbone.checksum,
        architecture=recipe.architecture,
        longer_side_px=recipe.longer_side_px,
        center_bias=center_bias or OWN_CENTER_BIAS,
        folds=tuple(tuple(ids[trained.folds == k].tolist()) for k in range(n_folds)),
        training=training_record(
            dataset,
            recipe,
            trained.fits,
            trained.pretraining,
            time.monotonic() - began,
            pretrain=pretrain,
            start=start.name if start else None,
            seed=seed,
        ),
    )
    vectors = [fit.parameters for fits in trained.fits for fit in fits]
    card = write_model(folder, card, readout_of(trained.network, vectors), own_center_bias)
    for checkpoint in (folder / CHECKPOINTS).glob("*.pt"):
        checkpoint.unlink()
    (folder / CHECKPOINTS).rmdir()
    return card, trained


def cross_validate(
    dataset: Dataset,
    backbone: Network,
    folder: Path,
    *,
    recipe: Recipe,
    pretrain: Dataset | None = None,
    start: Start | None = None,
    n_folds: int = 10,
    first_parts: int | None = None,
    normalize_over: Path | None = None,
    seed: int = 0,
) -> Trained:
    """Train the readouts of all parts and score each on its own part; see `train_model`.

    Parameters
    ----------
    first_parts
        Train for so many parts only, the first ones; None trains for all `n_folds`.
    """
    n_parts = n_folds if first_parts is None else first_parts
    dataset = _with_fixations(dataset)
    paths = _paths(dataset)
    others = _paths(pretrain) if pretrain is not None else []
    groups = near_duplicates([*paths, *others])
    folds = _folds(dataset, groups[: len(paths)], n_folds, seed)
    mirrored = recipe.finetuning.mirrored
    prepared = prepare_images(
        dataset, fold_center_biases(dataset, folds), folds, backbone, recipe, mirrored=mirrored
    )
    network = ReadoutNetwork(
        recipe.architecture,
        _deviations(recipe, backbone, prepared, normalize_over, start),
        learn_sigma=recipe.learn_sigma,
        learn_prior_weight=recipe.learn_prior_weight,
    )
    starts = _starts(network, start, n_parts, recipe.n_seeds, seed)
    pretraining: dict[str, Curve] = {}
    if pretrain is not None:
        starts, pretraining = _pretrained(
            pretrain,
            groups[len(paths) :],
            groups[: len(paths)],
            folds,
            prepared,
            starts,
            network,
            backbone,
            recipe,
            folder,
            seed,
        )
    runs = {
        key: Run(
            _run_name("finetuning", key),
            network,
            prepared.training_set(folds != key[0], folds == key[0]),
            begin,
            replace(recipe.finetuning, seed=_seed(seed, key)),
        )
        for key, begin in starts.items()
    }
    drawing = CurveDrawing(folder, pretraining)
    found = train_all(
        list(runs.values()), folder / CHECKPOINTS, description="fine-tuning", on_epoch=drawing
    )
    drawing({name: fit.curve for name, fit in found.items()}, last=True)
    fits = tuple(
        tuple(found[runs[k, s].name] for s in range(recipe.n_seeds)) for k in range(n_parts)
    )
    gains, start_gains = np.full((2, len(folds)), np.nan)
    for k, (first, *_) in enumerate(fits):
        gains[folds == k], start_gains[folds == k] = first.gains, first.start_gains
    return Trained(
        network=network,
        fits=fits,
        folds=folds,
        gains=gains,
        start_gains=start_gains,
        pretraining=pretraining,
    )


_Key = tuple[int, int]  # number of the part, number of the seed
_Starts = dict[_Key, NDArray[np.float32]]


def _run_name(stage: str, key: _Key) -> str:
    return f"{stage}-fold{key[0] + 1}-seed{key[1] + 1}"


def _seed(seed: int, key: _Key) -> int:
    """Return a seed of its own for each readout."""
    return (seed * 1000 + key[1]) * 1000 + key[0]


def _starts(
    network: ReadoutNetwork, start: Start | None, n_parts: int, n_seeds: int, seed: int
) -> _Starts:
    keys = [(k, s) for k in range(n_parts) for s in range(n_seeds)]
    if start is None:
        return {key: network.initial(_seed(seed, key)) for key in keys}
    n_models = start.readout.n_models
    return {
        key: parameters_of(network, start.readout, number % n_models)
        for number, key in enumerate(keys)
    }


def _pretrained(
    pretrain: Dataset,
    pretrain_groups: NDArray[np.intp],
    groups: NDArray[np.intp],
    folds: NDArray[np.intp],
    prepared: PreparedImages,
    starts: _Starts,
    network: ReadoutNetwork,
    backbone: Network,
    recipe: Recipe,
    folder: Path,
    seed: int,
) -> tuple[_Starts, dict[str, Curve]]:
    """Train on the other data set first, never on an image like those of the own part.

    Where no image is in both sets, one pretraining serves all parts.
    """
    usable = np.diff(pretrain.offsets) > 0
    pretrain, pretrain_groups = pretrain.select(usable), pretrain_groups[usable]
    everywhere = np.zeros(len(pretrain.stimuli), np.intp)
    settings = recipe.pretraining
    images = prepare_images(
        pretrain,
        [_center_bias(pretrain)],
        everywhere,
        backbone,
        recipe,
        mirrored=settings.mirrored,
    )
    shared = bool(np.isin(pretrain_groups, groups).any())
    runs: dict[_Key, Run] = {}
    for (k, s), begin in starts.items():
        if k and not shared:
            continue
        unseen = ~np.isin(pretrain_groups, groups[folds == k])
        sets = images.training_set(unseen)
        if settings.epochs is None:
            # By the score on the other data set, as the paper's; never by the part itself.
            sets = replace(sets, held_out=prepared.training_set(folds != k).seen)
        runs[k, s] = Run(
            _run_name("pretraining", (k, s)),
            network,
            sets,
            begin,
            replace(settings, seed=_seed(seed, (k, s))),
        )
    drawing = CurveDrawing(folder)
    found = train_all(
        list(runs.values()), folder / CHECKPOINTS, description="pretraining", on_epoch=drawing
    )
    curves = {name: fit.curve for name, fit in found.items()}
    drawing(curves, last=True)
    return {(k, s): found[runs[k if shared else 0, s].name].parameters for k, s in starts}, curves


def _with_fixations(dataset: Dataset) -> Dataset:
    return dataset.select(np.diff(dataset.offsets) > 0)


def _paths(dataset: Dataset) -> list[Path]:
    return [dataset.stimuli.path(i) for i in range(len(dataset.stimuli))]


def _folds(dataset: Dataset, groups: NDArray[np.intp], n_folds: int, seed: int) -> NDArray[np.intp]:
    if (n_images := len(np.unique(groups))) < n_folds:
        raise DataError(
            f"{dataset.name}: {n_folds} folds, but only {n_images} different images have"
            " fixations; use fewer folds (--folds), at least 2, or add images"
        )
    return group_folds(groups, n_folds, seed)


def _deviations(
    recipe: Recipe,
    backbone: Network,
    prepared: PreparedImages,
    normalize_over: Path | None,
    start: Start | None,
) -> list[NDArray[np.float32]]:
    groups = recipe.architecture.groups
    if start is not None:
        widths = [
            sum(len(one.tensor(tap)) for tap in group.taps)
            for one, group in zip(prepared.images[0].features, groups, strict=True)
        ]
        return np.split(start.readout.tap_deviation, np.cumsum(widths)[:-1])
    if normalize_over is None:
        return [
            tap_deviations([image.features[g] for image in prepared.images], group.taps)
            for g, group in enumerate(groups)
        ]
    reference = image_files(normalize_over)
    deviations = []
    for group in groups:
        view = View(round(recipe.longer_side_px * group.scale))
        features = cache_features(reference, backbone, group.taps, view)
        deviations.append(tap_deviations(features, group.taps))
    return deviations


def _center_bias(dataset: Dataset) -> CenterBias:
    n = len(dataset.fixations)
    if n > _MOST_PRIOR_FIXATIONS:
        chosen = np.zeros(n, bool)
        chosen[np.random.default_rng(0).permutation(n)[:_MOST_PRIOR_FIXATIONS]] = True
        dataset = dataset.keep(chosen)
    fitted = fit_center_bias(dataset)
    return center_bias_of(dataset, fitted.bandwidth, fitted.uniform_share, OWN_CENTER_BIAS)


def _description(
    backbone: Backbone, recipe: Recipe, pretrain: Dataset | None, start: Start | None
) -> str:
    architecture = recipe.architecture
    text = f"DeepGaze II on {backbone.vgg.name}"
    if len(architecture.groups) > 1:
        text += f", {len(architecture.groups)} groups of features"
    if architecture.layer_norm:
        text += ", features also normalized across channels"
    if pretrain is not None:
        text += f", pretrained on {pretrain.name}"
    return text + (f", fine-tuned from {start.name}" if start else "")
