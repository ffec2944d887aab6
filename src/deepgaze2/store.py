"""The model folder: `card.json`, which says what a model is, its parameters and center bias."""

import difflib
import json
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from deepgaze2.density.center_bias import CenterBias, load_center_bias, write_center_bias
from deepgaze2.errors import ModelError
from deepgaze2.features.backbone import PYTHON
from deepgaze2.features.networks import NETWORKS
from deepgaze2.readout.architecture import Architecture
from deepgaze2.readout.numpy_readout import Readout
from deepgaze2.support.files import ASSETS, sha256_of, written_atomically
from deepgaze2.support.typed_json import typed

CARD_FILE = "card.json"
READOUT_FILE = "readout.safetensors"
CENTER_BIAS_FILE = "center_bias.safetensors"
OWN_CENTER_BIAS = "own"
DEFAULT_MODEL = "deepgaze2-plus"
_FORMAT = 1
_PACKAGED = ASSETS / "models"


@dataclass(frozen=True)
class Card:
    """What a model is, how it was made and how good it is.

    Attributes
    ----------
    name, description, license
        For people.
    network, backbone_checksum
        The backbone, as `find_backbone` takes it, and the checksum of the weights it was trained
        with.
    architecture
        The features that its readouts see and their layers.
    longer_side_px
        The network input's longer side when nothing is known of the viewing geometry.
    center_bias
        The default prior: the name of a packaged center bias, or `own`, which lies beside the
        card.
    folds
        For each part of the cross-validation, the names of its images. The K readouts are in
        the parts' order, equally many for each, and have *not* seen their part: its images are
        predicted by them alone, any other image by the whole mixture.
    training, scores
        What it was trained on and with, and its scores, as JSON values.
    readout_sha256, center_bias_sha256
        Checksums of the files beside the card; of the second, empty if there is none.
    """

    name: str
    description: str
    license: str
    network: str
    backbone_checksum: str
    architecture: Architecture
    longer_side_px: int
    center_bias: str
    folds: tuple[tuple[str, ...], ...]
    training: dict[str, Any] = field(default_factory=dict)
    scores: dict[str, Any] = field(default_factory=dict)
    readout_sha256: str = ""
    center_bias_sha256: str = ""
    format: int = _FORMAT

    @property
    def n_readouts(self) -> int:
        """How many readouts are averaged."""
        return len(self.folds) * int(self.training.get("seeds_per_fold", 1))


def packaged_models() -> list[str]:
    """Return the names of the models that come with the package."""
    return sorted(card.parent.name for card in _PACKAGED.glob(f"*/{CARD_FILE}"))


def split_name(name: str | Path) -> tuple[str, str]:
    """Return a model's name or folder and the network of the user's own that is named with it.

    `FOLDER@python:module.function` names both; the second is empty if there is none.
    """
    model, at, function = str(name).partition(f"@{PYTHON}")
    return model, at.removeprefix("@") + function


def find_model(name: str | Path) -> Path:
    """Return the folder of a packaged model, by name, or of a user's model, by path.

    Raises
    ------
    ModelError
        If there is neither; the nearest packaged name is suggested.
    """
    name, _ = split_name(name)
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


def read_card(folder: Path) -> Card:
    """Read a model folder's card.

    Raises
    ------
    ModelError
        If it is damaged, or was written by a newer version of this package.
    """
    path = folder / CARD_FILE
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        found = int(values["format"])  # first: what else a newer card holds is not known here
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ModelError(f"{path}: not a model card ({error}); get the model again") from error
    if found > _FORMAT:
        raise ModelError(
            f"{path}: written by a newer deepgaze2 (format {found}, this one reads {_FORMAT});"
            " run: pip install --upgrade deepgaze2"
        )
    try:
        return _card(values)
    except (ValueError, ModelError) as error:
        raise ModelError(f"{path}: not a model card ({error}); get the model again") from error


def _card(values: dict[str, Any]) -> Card:
    """Return a card whose every value has been checked; a ValueError says which is wrong."""
    with suppress(AttributeError, KeyError, TypeError):  # which `typed` has words for
        network = NETWORKS[values["network"]]
        for group in values["architecture"]["groups"]:
            # Cards had layers' names alone, before networks other than the known ones were read.
            taps = group["taps"]
            group["taps"] = [asdict(network.tap(t)) if isinstance(t, str) else t for t in taps]
    card: Card = typed(Card, values, "the card")
    if not card.folds or card.longer_side_px < 1:
        raise ValueError("the card has no folds, or its longer_side_px is not positive")
    seeds = typed(int, card.training.get("seeds_per_fold", 1), "training.seeds_per_fold")
    if seeds < 1:
        raise ValueError(f"training.seeds_per_fold is {seeds}, not positive")
    return card


def read_readout(folder: Path, card: Card) -> Readout:
    """Read a model folder's parameters.

    Raises
    ------
    ModelError
        If the file is missing or its checksum is not the card's.
    """
    path = folder / READOUT_FILE
    try:
        _check(path, card.readout_sha256)
        tensors = load_file(path)
    except (OSError, SafetensorError) as error:
        raise ModelError(f"{path}: cannot be read ({error}); get the model again") from error
    readout = _readout(tensors, card)
    if readout is None:
        raise ModelError(f"{path}: its parameters are not those of the card; get the model again")
    return readout


def _readout(tensors: dict[str, NDArray[np.float32]], card: Card) -> Readout | None:
    """Return the parameters, or None if there are other ones than the architecture has."""
    architecture, n = card.architecture, card.n_readouts
    channels = sum(group.channels for group in architecture.groups)
    shapes: dict[str, tuple[int, ...]] = {"sigma_px": (n,), "prior_weight": (n,)}
    shapes["tap_deviation"] = (channels,)
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
    )


def read_center_bias(folder: Path, card: Card) -> CenterBias:
    """Return a model's default prior: a packaged center bias, or the folder's own.

    Raises
    ------
    ModelError
        If the file is missing or its checksum is not the card's.
    CenterBiasError
        If the card names a center bias that is not known.
    """
    if card.center_bias != OWN_CENTER_BIAS:
        return load_center_bias(card.center_bias)
    path = folder / CENTER_BIAS_FILE
    try:
        _check(path, card.center_bias_sha256)
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({error}); get the model again") from error
    return replace(load_center_bias(path), name=OWN_CENTER_BIAS)


def _check(path: Path, sha256: str) -> None:
    if sha256_of(path) != sha256:
        raise ModelError(f"{path}: damaged (its SHA-256 is not the card's); get it again")


def write_model(
    folder: Path, card: Card, readout: Readout, center_bias: CenterBias | None = None
) -> Card:
    """Write a model folder; the card last, so that a folder with a card is whole.

    Parameters
    ----------
    center_bias
        The model's own default prior; without one it is the packaged one that the card names.

    Returns
    -------
    Card
        The card as written, with the files' checksums.
    """
    tensors = {f"weight{i}": w for i, w in enumerate(readout.weights)}
    tensors |= {f"bias{i}": b for i, b in enumerate(readout.biases)}
    tensors |= {"sigma_px": readout.sigma_px, "prior_weight": readout.prior_weight}
    tensors |= {"tap_deviation": readout.tap_deviation}
    with written_atomically(folder / READOUT_FILE) as temporary:
        save_file({name: np.ascontiguousarray(t) for name, t in tensors.items()}, temporary)
    card = replace(card, readout_sha256=sha256_of(folder / READOUT_FILE))
    if center_bias is not None:
        write_center_bias(center_bias, folder / CENTER_BIAS_FILE)
        sha256 = sha256_of(folder / CENTER_BIAS_FILE)
        card = replace(card, center_bias=OWN_CENTER_BIAS, center_bias_sha256=sha256)
    else:  # one may be left from a training that was interrupted
        (folder / CENTER_BIAS_FILE).unlink(missing_ok=True)
    write_card(folder, card)
    return card


def write_card(folder: Path, card: Card) -> None:
    """Write a model folder's card alone, for example with new scores."""
    with written_atomically(folder / CARD_FILE) as temporary:
        text = json.dumps(asdict(card), indent=1, ensure_ascii=False, sort_keys=True)
        temporary.write_text(text + "\n", encoding="utf-8")
