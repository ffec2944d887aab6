"""The model card: what a model is, how it was made and how good it is."""

import json
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from deepgaze2.errors import ModelError
from deepgaze2.features.networks import NETWORKS
from deepgaze2.readout.architecture import Architecture
from deepgaze2.support.files import written_atomically
from deepgaze2.support.typed_json import typed

CARD_FILE = "card.json"
OWN_CENTER_BIAS = "own"
_FORMAT = 3
_OF_BRANCHES = ("network", "backbone_checksum", "architecture", "readout_sha256")


@dataclass(frozen=True)
class ViewingFacts:
    """How one of the data sets that a model was trained on was viewed: the mean of its readouts.

    Attributes
    ----------
    name
        As `load` takes it.
    blur_px
        Standard deviation of the final blur, in pixels of the network's input.
    center_bias_weight
        Factor of the center bias's log density.
    sharpness
        Factor on saliency, relative to the average over the data sets: above one, people agreed
        more.
    scale_weights
        Factor on the features of each scale, relative to the average: those of the first network,
        then those of the next.
    center_bias_sha256
        Checksum of its center bias's file.
    """

    name: str
    blur_px: float
    center_bias_weight: float
    sharpness: float
    scale_weights: tuple[float, ...]
    center_bias_sha256: str


@dataclass(frozen=True)
class BranchFacts:
    """The readouts on one of a model's networks.

    Attributes
    ----------
    network, backbone_checksum
        The backbone, as `find_backbone` takes it, and the checksum of the weights it was trained
        with.
    architecture
        The features that its readouts see and their layers.
    share
        What its readouts count together in the mixture, relative to the other branches.
    readout_sha256
        Checksum of the readouts' file.
    """

    network: str
    backbone_checksum: str
    architecture: Architecture
    share: float = 1.0
    readout_sha256: str = ""


@dataclass(frozen=True)
class Card:
    """What a model is, how it was made and how good it is.

    Attributes
    ----------
    name, description, license
        For people.
    branches
        A network each, and the readouts on it.
    longer_side_px
        The network input's longer side when nothing is known of the viewing geometry.
    center_bias
        The default prior: the name of a packaged center bias, or `own`, which lies beside the
        card.
    folds
        For each part of the cross-validation, the names of its images. The K readouts of a branch
        are in the parts' order, equally many for each, and have *not* seen their part: its images
        are predicted by them alone, any other image by the whole mixture.
    training, scores
        What it was trained on and with, and its scores, as JSON values.
    viewings
        Of the data sets it was trained on, if they were several.
    center_bias_sha256
        Checksum of the center bias beside the card; empty if there is none.
    """

    name: str
    description: str
    license: str
    branches: tuple[BranchFacts, ...]
    longer_side_px: int
    center_bias: str
    folds: tuple[tuple[str, ...], ...]
    training: dict[str, Any] = field(default_factory=dict)
    scores: dict[str, Any] = field(default_factory=dict)
    viewings: tuple[ViewingFacts, ...] = ()
    center_bias_sha256: str = ""
    format: int = _FORMAT

    @property
    def readouts_per_branch(self) -> int:
        """K, the number of readouts on each network."""
        return len(self.folds) * int(self.training.get("seeds_per_fold", 1))

    @property
    def n_readouts(self) -> int:
        """How many readouts are averaged."""
        return len(self.branches) * self.readouts_per_branch

    @property
    def networks(self) -> str:
        """The networks' names, for people."""
        return " and ".join(branch.network for branch in self.branches)


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
    if "branches" not in values:  # of before there could be several
        branch = {key: values.pop(key) for key in _OF_BRANCHES if key in values}
        with suppress(AttributeError, KeyError, TypeError):  # which `typed` has words for
            network = NETWORKS[branch["network"]]
            for group in branch["architecture"]["groups"]:
                # Once layers' names alone, before other networks than the known ones were read.
                taps = group["taps"]
                group["taps"] = [asdict(network.tap(t)) if isinstance(t, str) else t for t in taps]
        values = {**values, "branches": [branch], "format": _FORMAT}
    card: Card = typed(Card, values, "the card")
    if not card.folds or not card.branches or card.longer_side_px < 1:
        raise ValueError("the card has no folds or branches, or its longer_side_px is not positive")
    architectures = [branch.architecture for branch in card.branches]
    if len({(one.grid_block, one.groups[0].scale) for one in architectures}) > 1:
        raise ValueError("the branches have different grids")
    if not all(branch.share > 0 for branch in card.branches):
        raise ValueError("a branch's share is not positive")
    seeds = typed(int, card.training.get("seeds_per_fold", 1), "training.seeds_per_fold")
    if seeds < 1:
        raise ValueError(f"training.seeds_per_fold is {seeds}, not positive")
    return card


def write_card(folder: Path, card: Card) -> None:
    """Write a model folder's card alone, for example with new scores."""
    with written_atomically(folder / CARD_FILE) as temporary:
        text = json.dumps(asdict(card), indent=1, ensure_ascii=False, sort_keys=True)
        temporary.write_text(text + "\n", encoding="utf-8")
