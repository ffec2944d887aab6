"""The model folder: `card.json`, which says what a model is, its parameters and center bias."""

import difflib
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from deepgaze2.card import (
    CARD_FILE,
    OWN_CENTER_BIAS,
    BranchFacts,
    Card,
    ViewingFacts,
    read_card,
    write_card,
)
from deepgaze2.density.center_bias import CenterBias, load_center_bias, write_center_bias
from deepgaze2.errors import ModelError
from deepgaze2.features.backbone import PYTHON
from deepgaze2.readout.numpy_readout import Readout
from deepgaze2.readout.viewing import Viewing
from deepgaze2.support.files import ASSETS, sha256_of, written_atomically

READOUT_FILE = "readout.safetensors"
CENTER_BIAS_FILE = "center_bias.safetensors"
DEFAULT_MODEL = "deepgaze2-plus"
_PACKAGED = ASSETS / "models"


@dataclass(frozen=True)
class ModelName:
    """A model as users name it: `MODEL[@VIEWING][@python:module.function]`.

    Attributes
    ----------
    model
        Name of a packaged one, or a folder.
    viewing
        Of the data sets it was trained on, that whose viewing and center bias it takes; empty for
        the average.
    network
        The network of the user's own that it reads, `python:module.function`; empty if there is
        none.
    """

    model: str
    viewing: str = ""
    network: str = ""

    @classmethod
    def of(cls, name: "str | Path | ModelName") -> "ModelName":
        """Take a name apart; a folder may have an @ in its name."""
        if isinstance(name, ModelName):
            return name
        model, at, function = str(name).partition(f"@{PYTHON}")
        network, viewing = at.removeprefix("@") + function, ""
        before, sign, after = model.rpartition("@")
        if sign and not is_model(model) and (is_model(before) or not os.path.lexists(model)):
            model, viewing = before, after
        return cls(model, viewing, network)


def packaged_models() -> list[str]:
    """Return the names of the models that come with the package."""
    return sorted(card.parent.name for card in _PACKAGED.glob(f"*/{CARD_FILE}"))


def is_model(name: str) -> bool:
    """Tell whether a name without viewing and network is a model's."""
    # Not by `Path`, which raises where a name is too long for a file's.
    return name in ("default", *packaged_models()) or os.path.isfile(os.path.join(name, CARD_FILE))  # noqa: PTH113, PTH118


def find_model(name: str | Path | ModelName) -> Path:
    """Return the folder of a packaged model, by name, or of a user's model, by path.

    Raises
    ------
    ModelError
        If there is neither; the nearest packaged name is suggested.
    """
    name = ModelName.of(name).model
    if name == "default":
        name = DEFAULT_MODEL
    names = packaged_models()
    if name in names:
        return _PACKAGED / name
    folder = Path(name)
    with suppress(OSError):  # a name that no file can have, or a folder that may not be entered
        if (folder / CARD_FILE).is_file():
            return folder
        if folder.is_dir():
            raise ModelError(f"{folder}: no {CARD_FILE} in it; give the folder that training wrote")
    near = difflib.get_close_matches(name, ["default", *names], n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"packaged models: {', '.join(names)}"
    raise ModelError(f"model {name!r} is neither a packaged model nor a folder; {hint}")


def named_card(name: str | Path | ModelName) -> Card:
    """Return the card of a model under the name that it goes by: with its viewing, if one is named.

    Raises
    ------
    ModelError
        As `find_model`, `read_card` and `viewing_facts` do.
    """
    folder, viewing = find_model(name), ModelName.of(name).viewing
    card = read_card(folder)
    if not viewing:
        return card
    viewing_facts(folder, card, viewing)
    return replace(card, name=f"{card.name}@{viewing}")


def read_readouts(folder: Path, card: Card) -> tuple[Readout, ...]:
    """Read a model folder's parameters, those on each network by themselves.

    Raises
    ------
    ModelError
        If a file is missing or its checksum is not the card's.
    """
    return tuple(_read_readout(folder, card, number) for number in range(len(card.branches)))


def _read_readout(folder: Path, card: Card, number: int) -> Readout:
    path, branch = _readout_file(folder, number), card.branches[number]
    try:
        _check(path, branch.readout_sha256)
        tensors = load_file(path)
    except (OSError, SafetensorError) as error:
        raise ModelError(f"{path}: cannot be read ({error}); get the model again") from error
    readout = _readout(tensors, card, branch)
    if readout is None:
        raise ModelError(f"{path}: its parameters are not those of the card; get the model again")
    return readout


def _readout_file(folder: Path, number: int) -> Path:
    path = folder / READOUT_FILE
    return path.with_stem(f"{path.stem}-{number + 1}") if number else path


def _readout(
    tensors: dict[str, NDArray[np.float32]], card: Card, branch: BranchFacts
) -> Readout | None:
    """Return the parameters, or None if there are other ones than the architecture has."""
    architecture, n = branch.architecture, card.readouts_per_branch
    channels = sum(group.channels for group in architecture.groups)
    shapes: dict[str, tuple[int, ...]] = {"tap_deviation": (channels,)}
    shapes |= {"sigma_px": (n,), "prior_weight": (n,)}
    own = shapes | {"factor": (n,), "scale_factors": (n, len(architecture.scales))}
    del own["tap_deviation"]
    for one in card.viewings:
        shapes |= {f"{one.name} {name}": shape for name, shape in own.items()}
    for layer, (inputs, outputs) in enumerate(pairwise((channels, *architecture.widths))):
        shapes |= {f"weight{layer}": (n, outputs, inputs), f"bias{layer}": (n, outputs)}
    if {name: tensor.shape for name, tensor in tensors.items()} != shapes:
        return None
    layers = range(len(architecture.widths))
    return Readout(
        weights=tuple(tensors[f"weight{layer}"] for layer in layers),
        biases=tuple(tensors[f"bias{layer}"] for layer in layers),
        architecture=architecture,
        sigma_px=tensors["sigma_px"],
        prior_weight=tensors["prior_weight"],
        tap_deviation=tensors["tap_deviation"],
        viewings={
            one.name: Viewing(*(tensors[f"{one.name} {part.name}"] for part in fields(Viewing)))
            for one in card.viewings
        },
    )


def read_center_bias(folder: Path, card: Card, viewing: str = "") -> CenterBias:
    """Return a model's default prior: a packaged center bias, or the folder's own.

    Parameters
    ----------
    viewing
        Name of one of the model's viewings, whose center bias is wanted.

    Raises
    ------
    ModelError
        If the file is missing or its checksum is not the card's, or there is no such viewing.
    CenterBiasError
        If the card names a center bias that is not known.
    """
    path, name, sha256 = folder / CENTER_BIAS_FILE, OWN_CENTER_BIAS, card.center_bias_sha256
    if viewing:
        facts = viewing_facts(folder, card, viewing)
        path, name, sha256 = _center_bias_file(folder, viewing), viewing, facts.center_bias_sha256
    elif card.center_bias != OWN_CENTER_BIAS:
        return load_center_bias(card.center_bias)
    try:
        _check(path, sha256)
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({error}); get the model again") from error
    return replace(load_center_bias(path), name=name)


def viewing_facts(folder: Path, card: Card, name: str) -> ViewingFacts:
    """Return one of a model's viewings by its name.

    Raises
    ------
    ModelError
        If there is none of that name.
    """
    known = {one.name: one for one in card.viewings}
    if name not in known:
        there_are = f"there are {', '.join(known)}" if known else "it has one alone; leave it out"
        raise ModelError(f"{folder}: viewing {name!r} is unknown; {there_are}")
    return known[name]


def _center_bias_file(folder: Path, viewing: str) -> Path:
    path = folder / CENTER_BIAS_FILE
    return path.with_stem(f"{path.stem}-{viewing}")


def _check(path: Path, sha256: str) -> None:
    if sha256_of(path) != sha256:
        raise ModelError(f"{path}: damaged (its SHA-256 is not the card's); get it again")


def write_model(
    folder: Path,
    card: Card,
    readouts: Sequence[Readout],
    center_bias: CenterBias | None = None,
    viewed: Mapping[str, CenterBias] | None = None,
) -> Card:
    """Write a model folder; the card last, so that a folder with a card is whole.

    Parameters
    ----------
    readouts
        For each of the card's branches.
    center_bias
        The model's own default prior; without one it is the packaged one that the card names.
    viewed
        The center bias of each of the readouts' viewings.

    Returns
    -------
    Card
        The card as written, with the files' checksums.
    """
    branches = [
        replace(branch, readout_sha256=_write_readout(readout, _readout_file(folder, number)))
        for number, (branch, readout) in enumerate(zip(card.branches, readouts, strict=True))
    ]
    card = replace(card, branches=tuple(branches))
    if center_bias is not None:
        write_center_bias(center_bias, folder / CENTER_BIAS_FILE)
        sha256 = sha256_of(folder / CENTER_BIAS_FILE)
        card = replace(card, center_bias=OWN_CENTER_BIAS, center_bias_sha256=sha256)
    else:  # one may be left from a training that was interrupted
        (folder / CENTER_BIAS_FILE).unlink(missing_ok=True)
    viewings = []
    for name, one in (viewed or {}).items():
        write_center_bias(one, path := _center_bias_file(folder, name))
        each = [readout.viewings[name] for readout in readouts]
        viewings.append(_facts(name, each, sha256_of(path)))
    card = replace(card, viewings=tuple(viewings))
    write_card(folder, card)
    return card


def _write_readout(readout: Readout, path: Path) -> str:
    """Write the parameters on one network; return the file's checksum."""
    tensors = {f"weight{i}": w for i, w in enumerate(readout.weights)}
    tensors |= {f"bias{i}": b for i, b in enumerate(readout.biases)}
    tensors |= {"sigma_px": readout.sigma_px, "prior_weight": readout.prior_weight}
    tensors |= {"tap_deviation": readout.tap_deviation}
    for name, viewing in readout.viewings.items():
        tensors |= {f"{name} {part.name}": getattr(viewing, part.name) for part in fields(viewing)}
    with written_atomically(path) as temporary:
        save_file({name: np.ascontiguousarray(t) for name, t in tensors.items()}, temporary)
    return sha256_of(path)


def _facts(name: str, viewings: Sequence[Viewing], sha256: str) -> ViewingFacts:
    def mean(part: str) -> float:
        return float(np.concatenate([getattr(one, part) for one in viewings]).mean())

    scales = np.concatenate([one.scale_factors.mean(axis=0) for one in viewings])
    return ViewingFacts(
        name=name,
        blur_px=round(mean("sigma_px"), 2),
        center_bias_weight=round(mean("prior_weight"), 3),
        sharpness=round(mean("factor"), 3),
        scale_weights=tuple(round(float(one), 3) for one in scales),
        center_bias_sha256=sha256,
    )
