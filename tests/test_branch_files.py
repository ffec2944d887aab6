"""The folder of a model of several networks: written, read, damaged, or of no sense."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from deepgaze2.card import CARD_FILE, read_card, write_card
from deepgaze2.errors import ModelError
from deepgaze2.store import read_readouts, write_model
from helpers.small_models import parts_of_two

CARD, _, READOUTS = parts_of_two(4, n_folds=2)
SECOND = "readout-2.safetensors"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_model(tmp_path / "two", CARD, READOUTS)
    return tmp_path / "two"


def test_the_readouts_on_each_network_are_read_as_they_were_written(folder: Path) -> None:
    assert {path.name for path in folder.iterdir()} == {CARD_FILE, "readout.safetensors", SECOND}
    card = read_card(folder)
    unwritten = [replace(branch, readout_sha256="") for branch in card.branches]
    assert replace(card, branches=tuple(unwritten)) == CARD
    assert len({branch.readout_sha256 for branch in card.branches}) == 2
    assert (card.readouts_per_branch, card.n_readouts) == (4, 8)
    assert card.networks == "narrow-vgg16 and narrow-resnet50"
    for found, expected in zip(read_readouts(folder, card), READOUTS, strict=True):
        assert found.architecture == expected.architecture
        for name in ("sigma_px", "prior_weight", "tap_deviation"):
            np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
        for own, other in zip(
            (*found.weights, *found.biases), (*expected.weights, *expected.biases), strict=True
        ):
            np.testing.assert_array_equal(own, other)


def test_damage_to_the_second_networks_readouts_is_named(folder: Path) -> None:
    path, card = folder / SECOND, read_card(folder)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r"two/readout-2\.safetensors: damaged"):
        read_readouts(folder, card)
    path.unlink()
    with pytest.raises(ModelError, match=r"readout-2\.safetensors: cannot be read"):
        read_readouts(folder, card)


def test_readouts_of_the_other_network_are_refused(folder: Path) -> None:
    card = read_card(folder)
    shutil.copy(folder / "readout.safetensors", folder / SECOND)
    first, second = card.branches
    swapped = replace(second, readout_sha256=first.readout_sha256)
    with pytest.raises(ModelError, match=r"readout-2\.safetensors: its parameters are not those"):
        read_readouts(folder, replace(card, branches=(first, swapped)))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"share": 0}, "a branch's share is not positive"),
        ({"share": -1.5}, "a branch's share is not positive"),
        ({"share": float("nan")}, "share"),
        ({"share": float("inf")}, "share"),
        ({"share": "half"}, 'share is "half", not a finite number'),
        ({"grid_block": 2}, "the branches have different grids"),
        ({"scale": 2.0}, "the branches have different grids"),
        ({"network": 1}, "branches.1..network is 1, not a text"),
        ({"color": 1}, 'has "color", which is not known'),
    ],
)
def test_branches_that_make_no_sense_are_refused(
    folder: Path, change: dict[str, Any], reason: str
) -> None:
    values = json.loads((folder / CARD_FILE).read_text("utf-8"))
    branch, architecture = values["branches"][1], values["branches"][1]["architecture"]
    ((name, value),) = change.items()
    own = {"grid_block": architecture, "scale": architecture["groups"][0]}
    own.get(name, branch)[name] = value
    (folder / CARD_FILE).write_text(json.dumps(values), "utf-8")
    with pytest.raises(ModelError, match=f"{CARD_FILE}: not a model card .*{reason}") as caught:
        read_card(folder)
    assert "\n" not in str(caught.value)


def test_a_card_without_branches_is_refused(folder: Path) -> None:
    write_card(folder, replace(read_card(folder), branches=()))
    with pytest.raises(ModelError, match=f"{CARD_FILE}: not a model card .*no folds or branches"):
        read_card(folder)
