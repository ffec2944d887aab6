"""Loading a model: its folder, its networks and what computes them."""

from pathlib import Path

from deepgaze2.card import BranchFacts, Card
from deepgaze2.errors import ModelError
from deepgaze2.features.backbone import PYTHON, Backbone, find_backbone
from deepgaze2.features.networks import NETWORKS
from deepgaze2.model import Model, assembled
from deepgaze2.store import ModelName, find_model, named_card, read_center_bias, read_readouts


def load(name: str | Path = "default", *, engine: str = "auto", device: str | None = None) -> Model:
    """Load a model.

    Parameters
    ----------
    name
        A packaged model's name, `"default"`, or the folder of a model you trained. If that was
        on a network of your own, say which: `FOLDER@python:module.function`. A folder, which may
        be a stranger's, has no code run by itself. A model that was trained on several data sets
        predicts as for images of their average kind; `NAME@mit1003` takes the viewing and the
        center bias of one of them, which the card names.
    engine
        `"auto"` takes PyTorch for a `device` other than the CPU, else for each network the
        fastest exact engine that is installed; `"fast"` also takes bfloat16, where the device
        computes in it; or `"ncnn"` (what auto is without OpenVINO), `"openvino"`,
        `"openvino-bf16"`, `"torch"`, `"torch-bf16"`.
    device
        PyTorch's device: `"cpu"`, `"cuda"`, `"mps"`.

    Raises
    ------
    ModelError, WeightsError
        If the model, its backbone or the engine cannot be loaded.
    """
    viewing, folder = ModelName.of(name).viewing, find_model(name)
    card = named_card(name)
    networks = backbones_of(name, card)
    center_bias = read_center_bias(folder, card, viewing)
    readouts = read_readouts(folder, card)
    if viewing:
        readouts = tuple(readout.viewed(readout.viewings[viewing]) for readout in readouts)
    engines = [engine] * len(networks)
    return assembled(card, networks, readouts, center_bias, engines, device)


def backbones_of(name: str | Path | ModelName, card: Card) -> tuple[Backbone, ...]:
    """Return the networks that a model was trained with, read at the model's layers.

    Parameters
    ----------
    name
        The model as the user names it; see `load`.

    Raises
    ------
    ModelError, WeightsError
        If one cannot be loaded, or has other weights than the model was trained with.
    """
    folder, named = ModelName.of(name).model, ModelName.of(name).network
    networks = [branch.network for branch in card.branches]
    if named not in ("", *networks):
        raise ModelError(f"{folder}: trained on {card.networks}, not on {named}")
    return tuple(_backbone_of(folder, named, branch) for branch in card.branches)


def _backbone_of(folder: str, named: str, branch: BranchFacts) -> Backbone:
    is_named = branch.network == named
    if branch.network.startswith(PYTHON) and not is_named:
        raise ModelError(
            f"{folder}: trained on a network of somebody's own, whose code is not run unasked; if"
            f" it is yours, say so: {folder}@{branch.network}"
        )
    if branch.network not in NETWORKS and not is_named:
        raise ModelError(f"{folder}: network {branch.network!r} is unknown; update deepgaze2")
    backbone = find_backbone(branch.network).with_taps(branch.architecture.taps)
    if backbone.checksum != branch.backbone_checksum:
        raise ModelError(
            f"{folder}: trained with other {branch.network} weights than those found here "
            f"(checksum {branch.backbone_checksum[:12]}, found {backbone.checksum[:12]}); "
            f"import the weights it was trained with"
        )
    for tap in (tap for group in branch.architecture.groups for tap in group.taps):
        if backbone.tap(tap.name) != tap:
            raise ModelError(
                f"{folder}: {tap.name} of {branch.network} is another layer here than where the"
                " model was trained; use the same version of the network"
            )
    return backbone
