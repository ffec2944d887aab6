"""Cards are read whole and typed: any other value than the written one is refused or is as good."""

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deepgaze2.card import CARD_FILE, read_card
from deepgaze2.errors import DeepGazeError, ModelError
from deepgaze2.store import read_center_bias, read_readouts, write_model
from helpers.small_models import ARCHITECTURES, card_of, random_backbone, random_readout

READOUT = random_readout(2, ARCHITECTURES["three groups"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=4,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    write_model(folder, card_of(READOUT, random_backbone()), [READOUT])
    return folder


def places(value: object, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The ways to all values within a JSON value."""
    found = [path] if path else []
    items: list[tuple[Any, object]] = []
    if isinstance(value, dict | list):
        items = [*(value.items() if isinstance(value, dict) else enumerate(value))]
    return found + [one for key, inner in items for one in places(inner, (*path, key))]


@contextmanager
def changed_card(folder: Path, change: Callable[[dict[str, Any]], None]) -> Iterator[Path]:
    """The card with other values, for a while."""
    card = folder / CARD_FILE
    original = card.read_text("utf-8")
    values = json.loads(original)
    change(values)
    card.write_text(json.dumps(values), "utf-8")
    try:
        yield card
    finally:
        card.write_text(original, "utf-8")


def within(values: Any, way: Sequence[Any]) -> Any:
    """What lies in a JSON value on a way of keys and indices."""
    for key in way:
        values = values[key]
    return values


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_changed_value_is_refused_or_read(folder: Path, data: st.DataObject) -> None:
    def change(values: dict[str, Any]) -> None:
        *way, last = data.draw(st.sampled_from(places(values)))
        if data.draw(st.booleans()):
            del within(values, way)[last]
        else:
            within(values, way)[last] = data.draw(JSON)

    with changed_card(folder, change):
        try:
            found = read_card(folder)
            readouts = read_readouts(folder, found)
            read_center_bias(folder, found)
        except DeepGazeError as error:
            refused = str(error)
        else:
            assert sum(one.n_models for one in readouts) == found.n_readouts
            refused = ""
    assert "\n" not in refused


@pytest.mark.parametrize(
    ("way", "value", "message"),
    [
        ("longer_side_px", "512", 'card.longer_side_px is "512", not a whole number'),
        ("longer_side_px", 0, "longer_side_px is not positive"),
        (
            "branches.0.architecture.activation",
            "gelu",
            "activation 'gelu' is unknown; there are relu, soft",
        ),
        (
            "branches.0.architecture.widths",
            [6, 4],
            "widths .6, 4. are not positive numbers that end with 1",
        ),
        ("a.layer_norm", 1, "layer_norm is 1, not true or false"),
        ("a.grid_block", 99, "grid_block 99"),
        ("a.groups", [], "groups of taps are missing"),
        ("a.colour", 1, 'has "colour", which is not known'),
        ("name", None, "name is null, not a text"),
        ("folds", [["a.png", 3]], "folds.0..1. is 3, not a text"),
    ],
)
def test_what_is_wrong_is_said(folder: Path, way: str, value: object, message: str) -> None:
    way = way.replace("a.", "branches.0.architecture.", 1) if way.startswith("a.") else way
    *outer, last = (int(key) if key.isdecimal() else key for key in way.split("."))

    def change(values: dict[str, Any]) -> None:
        within(values, outer)[last] = value

    with changed_card(folder, change) as card:
        with pytest.raises(ModelError, match=message) as caught:
            read_card(folder)
        assert str(caught.value).startswith(f"{card}: not a model card")


def of_one_network(folder: Path, old: Path, version: int) -> dict[str, Any]:
    """The card as it was written before there could be several networks."""
    values = json.loads((folder / CARD_FILE).read_text("utf-8"))
    (branch,) = values.pop("branches")
    del branch["share"]
    if version == 1:
        del values["viewings"]
    shutil.copytree(folder, old)
    return {**values, **branch, "format": version}


@pytest.mark.parametrize("version", [1, 2])
def test_a_card_of_before_several_networks_is_one_of_one(
    folder: Path, tmp_path: Path, version: int
) -> None:
    values = of_one_network(folder, tmp_path / "old", version)
    assert set(values) >= {"network", "backbone_checksum", "architecture", "readout_sha256"}
    (tmp_path / "old" / CARD_FILE).write_text(json.dumps(values), "utf-8")
    found = read_card(tmp_path / "old")
    assert found == read_card(folder)
    (readout,) = read_readouts(tmp_path / "old", found)
    np.testing.assert_array_equal(readout.sigma_px, READOUT.sigma_px)
    del values["network"]
    (tmp_path / "old" / CARD_FILE).write_text(json.dumps(values), "utf-8")
    with pytest.raises(ModelError, match=r"not a model card .*network"):
        read_card(tmp_path / "old")


def test_a_card_that_names_layers_alone_is_read_where_the_network_is_known(
    folder: Path, tmp_path: Path
) -> None:
    """As cards were written before networks of users' own."""
    old = tmp_path / "old"
    card = of_one_network(folder, old, 1)
    names = ["conv5_1", "relu5_1"]
    group = {"scale": 1.0, "taps": names}
    card |= {"network": "vgg16", "architecture": card["architecture"] | {"groups": [group]}}
    (old / CARD_FILE).write_text(json.dumps(card), "utf-8")
    (branch,) = read_card(old).branches
    (read,) = branch.architecture.groups
    assert (list(read.names), read.stride_px, read.channels) == (names, 16, 1024)
    group["taps"] = ["conv5_9"]
    (old / CARD_FILE).write_text(json.dumps(card), "utf-8")
    with pytest.raises(ModelError, match="conv5_9: vgg16 has no such layer"):
        read_card(old)
