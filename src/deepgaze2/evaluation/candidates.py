"""What can be evaluated, by the name that a user types.

A candidate predicts the fixations on the images of one data set. None of its predictions is
made from fixations on the same image by the subject who is predicted.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from deepgaze2.card import Card
from deepgaze2.data.dataset import Dataset
from deepgaze2.data.image_names import also_among
from deepgaze2.errors import DeepGazeError, ModelError
from deepgaze2.evaluation.out_of_fold import folds_of, out_of_fold
from deepgaze2.evaluation.pysaliency_models import imported_function
from deepgaze2.image.stimulus import printable, read_stimulus
from deepgaze2.loading import load
from deepgaze2.references.gold_standard import GoldStandard
from deepgaze2.references.references import References
from deepgaze2.rivals import RIVALS, Rival
from deepgaze2.rivals.fitted.fitted_maps import FittedMaps
from deepgaze2.rivals.fitted.map_files import open_maps
from deepgaze2.store import ModelName, is_model, packaged_models
from deepgaze2.support.files import sha256_of
from deepgaze2.support.identity import checksum, code_version

Map = NDArray[np.floating]


@dataclass(frozen=True)
class View:
    """One density of an image, and the fixations that it predicts.

    Attributes
    ----------
    log_density : float array (H, W)
        Nats.
    chosen : bool array (n_fixations_on_the_image,), optional
        The image's fixations that it predicts; None means all.
    saliency : float array (H, W), optional
        The map that the density was made from, where the candidate gives maps.
    """

    log_density: Map
    chosen: NDArray[np.bool_] | None = None
    saliency: Map | None = None


@dataclass(frozen=True)
class Candidate:
    """Something that predicts the fixations of one data set.

    Attributes
    ----------
    name : str
        As users know it.
    views : callable
        Takes a stimulus' number and returns its densities, each with the fixations it predicts.
    identity : str
        What its predictions depend on beside the data set; empty if that cannot be told.
    note : str
        How it was fitted to the data set, for the report.
    """

    name: str
    views: Callable[[int], Iterable[View]]
    identity: str
    note: str = ""


GOLD_STANDARD = "gold-standard"
_BUILT_IN = ("uniform", "center-bias", GOLD_STANDARD)
_PLACES = ("maps", "densities", "python")
_MAX_LOG_MASS = 0.01


def is_known(name: str) -> bool:
    """Tell whether something can be evaluated under a name; what it needs is not read."""
    prefix, _, rest = name.partition(":")
    with_file = [key for key, entry in RIVALS.items() if entry.weights]
    if name in _names() or (prefix in (*_PLACES, *with_file) and rest):
        return True
    return is_model(ModelName.of(name).model)


def _names() -> list[str]:
    return [*packaged_models(), "default", *_BUILT_IN, *RIVALS]


def refuse_unknown(name: str) -> None:
    """Raise a ModelError if nothing can be evaluated under a name; what it needs is not read."""
    if is_known(name):
        return
    names = _names()
    nearest = get_close_matches(name.lower(), names, n=1)
    hint = f"did you mean {nearest[0]!r}?" if nearest else f"give one of {', '.join(names)}."
    raise ModelError(
        f"{printable(name)}: nothing to evaluate is called so; {hint} Also: the folder of a"
        " trained model, maps:FOLDER, densities:FOLDER, python:MODULE.FUNCTION"
    )


def open_candidate(
    name: str, references: References, *, engine: str = "auto", device: str = "cpu"
) -> Candidate:
    """Return what is evaluated under a name.

    Parameters
    ----------
    name : str
        A packaged model, the folder of a trained one, `uniform`, `center-bias`,
        `gold-standard`, a rival, with `:FILE` if its weights can be given, `maps:FOLDER`,
        `densities:FOLDER` (or one HDF5 file), or `python:module.function`, see
        `imported_function`.
    references : References
        The data set. Maps become densities by a conversion fitted to other images of it.
    engine, device : str
        What computes the networks of our models, and where; see `load`.

    Raises
    ------
    ModelError
        If there is no such thing.
    DataError
        If its files are missing or damaged, or it needs several subjects per image.
    """
    refuse_unknown(name)
    prefix, _, rest = name.partition(":")
    if name in _BUILT_IN:
        return _built_in(name, references)
    path = Path(rest).expanduser()
    if prefix in RIVALS:
        return _rival(name, RIVALS[prefix], path if rest else None, references, engine)
    if prefix in ("maps", "densities"):
        files = open_maps(path, references.dataset)
        identity = checksum(files.identity, code_version(open_maps.__module__))
        if prefix == "maps":
            return _fitted(name, files.saliency, references, identity)
        return Candidate(name, lambda i: [View(files.log_density(i))], identity)
    if prefix == "python":
        return function_candidate(imported_function(name, rest), name, references)
    return _our_model(name, references, engine, device)


def _rival(
    name: str, entry: Rival, weights: Path | None, references: References, engine: str
) -> Candidate:
    if weights is not None and not weights.is_file():
        raise ModelError(f"{name}: no such file; give the weights of {entry.title}")
    if entry.fitted:
        model = entry.on(references.dataset, weights, engine)
        identity = checksum(entry.identity, model.identity)
        return Candidate(name, lambda i: [View(model.log_density(i))], identity, model.note)
    function = entry.load()
    if weights is None:
        return _fitted(name, partial(_map_of, function, references), references, entry.identity)
    compute = partial(_map_of, partial(function, weights=weights), references)
    return _fitted(name, compute, references, checksum(entry.identity, sha256_of(weights)))


def _our_model(name: str, references: References, engine: str, device: str) -> Candidate:
    model = load(name, engine=engine, device=device)
    engines = [branch.engine.name for branch in model.branches]  # what auto and fast are here
    predict = out_of_fold(model, references.dataset)
    n_seen = int(folds_of(model, references.dataset)[1].sum())
    card = model.card
    return Candidate(
        card.name,
        lambda i: [View(predict(i))],
        checksum(model.identity, code_version(out_of_fold.__module__), card.folds, n_seen, engines),
        "; ".join(_seen_notes(card, n_seen, references.dataset)),
    )


def _seen_notes(card: Card, n_seen: int, dataset: Dataset) -> Iterator[str]:
    """Say how images were predicted that a model was trained on."""
    if n_seen:
        yield f"{n_seen} images by the readout that has not seen them"
    ids = dataset.stimuli.ids
    adapted = also_among(ids, card.training.get("adapted_to", {}).get("images", ()))
    if adapted:
        yield (
            f"{len(adapted)} images have names of images that its viewing was fitted to; if they"
            " are the same, scores are a little too good"
        )
    if n_before := len(also_among(ids, card.training.get("seen_before", ()))):
        yield (
            f"{n_before} images have names of images that it was pretrained on, or the model that"
            " it went on from was trained on; if they are the same, scores are too good"
        )


def _built_in(name: str, references: References) -> Candidate:
    dataset = references.dataset
    if name == "uniform":

        def uniform(i: int) -> list[View]:
            shape = int(dataset.stimuli.height[i]), int(dataset.stimuli.width[i])
            return [View(np.full(shape, -np.log(shape[0] * shape[1])))]

        return Candidate(name, uniform, name)
    if name == "center-bias":
        baseline = references.baseline
        return Candidate(
            name,
            lambda i: [View(baseline.log_density_map(i))],
            name,
            "each image from the fixations on all others",
        )
    if references.gold is None:
        raise ModelError(
            f"gold-standard: no image of {dataset.name} was seen by two subjects, so none can be"
            " predicted from others; leave it out"
        )
    return Candidate(
        name,
        partial(_gold_views, references, references.gold),
        name,
        "each subject from the others on the image",
    )


def _gold_views(references: References, gold: GoldStandard, i: int) -> Iterator[View]:
    dataset = references.dataset
    baseline = references.baseline.log_density_map(i)
    on_image = dataset.person[dataset.offsets[i] : dataset.offsets[i + 1]]
    for person in np.unique(on_image).tolist():
        log_density = gold.log_density_without(person, dataset, i, baseline)
        yield View(log_density, on_image == person)


def _fitted(
    name: str, saliency: Callable[[int], Map], references: References, identity: str
) -> Candidate:
    maps = FittedMaps(name, saliency, references.dataset)
    if identity:
        conversion = code_version(FittedMaps.__module__, read_stimulus.__module__)
        identity = checksum(identity, conversion)

    def views(i: int) -> list[View]:
        drawn = saliency(i)
        return [View(maps.log_density(i, drawn), saliency=drawn)]

    return Candidate(name, views, identity, maps.note)


def function_candidate(
    function: Callable[[NDArray[np.uint8]], Map], name: str, references: References
) -> Candidate:
    """Return a function as a candidate.

    Parameters
    ----------
    function : callable
        Takes the pixels of an image, (H, W, 3) uint8 sRGB, and returns (H, W): a log density in
        nats if its exponential sums to one over the first image, else a saliency map. It is
        called from several threads.
    name : str
        What the report calls it.
    references : References
        The data set.

    Raises
    ------
    DeepGazeError
        If it fails on the first image, or returns no map of the image's size; later images'
        failures are raised when they are scored.
    """

    def explained(pixels: NDArray[np.uint8]) -> Map:
        try:
            return function(pixels)
        except Exception as error:  # whatever somebody's function raises
            raise ModelError(
                f"{name}: fails with {type(error).__name__} ({error}); correct the function"
            ) from error

    compute = partial(_map_of, explained, references)
    if abs(float(logsumexp(compute(0).astype(np.float64)))) <= _MAX_LOG_MASS:
        return Candidate(name, lambda i: [View(compute(i))], "")
    return _fitted(name, compute, references, "")


def _map_of(compute: Callable[[NDArray[np.uint8]], Map], references: References, i: int) -> Map:
    """Return what a function says of an image, checked for its shape."""
    stimulus = read_stimulus(references.dataset.stimuli.path(i))
    found = np.asarray(compute(stimulus.pixels))
    if found.dtype.kind not in "buif":
        raise DeepGazeError(
            f"{stimulus.name}: the map holds {found.dtype} values; return real numbers"
        )
    if found.shape != stimulus.pixels.shape[:2]:
        raise DeepGazeError(
            f"{stimulus.name}: the map has shape {found.shape}, the image"
            f" {stimulus.pixels.shape[:2]}; return one number for each pixel"
        )
    return found
