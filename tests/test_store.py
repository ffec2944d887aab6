"""Model folders: what is written is read, damage is noticed, names are suggested."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deepgaze2 import store as module
from deepgaze2.card import CARD_FILE, Card, read_card, write_card
from deepgaze2.density.center_bias import CenterBias, load_center_bias, write_center_bias
from deepgaze2.errors import ModelError
from deepgaze2.readout.viewing import Viewing
from deepgaze2.store import (
    CENTER_BIAS_FILE,
    DEFAULT_MODEL,
    READOUT_FILE,
    ModelName,
    find_model,
    packaged_models,
    read_center_bias,
    read_readouts,
    viewing_facts,
    write_model,
)
from helpers.small_models import ARCHITECTURES, card_of, random_backbone, random_readout

READOUT = replace(
    random_readout(3, ARCHITECTURES["two scales"]),
    prior_weight=np.array([0.9, 1, 1.2], np.float32),
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_model(tmp_path / "tiny", card_of(READOUT, random_backbone()), [READOUT])
    return tmp_path / "tiny"


def change(folder: Path, **values: object) -> None:
    content = json.loads((folder / CARD_FILE).read_text())
    (folder / CARD_FILE).write_text(json.dumps(content | values))


def test_what_is_written_is_read(tmp_path: Path) -> None:
    card = replace(
        card_of(READOUT, random_backbone(), name="größer"),
        training={"data_set": "osie", "images": 3},
        scores={"explained": 0.77, "explained_interval": [0.7, 0.8]},
    )
    written = write_model(tmp_path / "new" / "folder", card, [READOUT])
    found = read_card(tmp_path / "new" / "folder")
    assert found == written
    assert replace(found, branches=(replace(found.branches[0], readout_sha256=""),)) == card
    (readout,) = read_readouts(tmp_path / "new" / "folder", found)
    assert (readout.architecture, readout.n_models) == (READOUT.architecture, 3)
    np.testing.assert_array_equal(readout.sigma_px, READOUT.sigma_px)
    np.testing.assert_array_equal(readout.prior_weight, READOUT.prior_weight)
    np.testing.assert_array_equal(readout.tap_deviation, READOUT.tap_deviation)
    for layer in range(4):
        np.testing.assert_array_equal(readout.weights[layer], READOUT.weights[layer])
        np.testing.assert_array_equal(readout.biases[layer], READOUT.biases[layer])


@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_every_architecture_is_read_as_it_was_written(tmp_path: Path, kind: str) -> None:
    readout = random_readout(2, ARCHITECTURES[kind])
    card = write_model(tmp_path, card_of(readout, random_backbone()), [readout])
    assert read_card(tmp_path) == card
    (found,) = read_readouts(tmp_path, card)
    assert found.architecture == ARCHITECTURES[kind]
    assert [w.shape for w in found.weights] == [w.shape for w in readout.weights]


@pytest.mark.parametrize(
    "architecture",
    [None, {}, [], {"groups": []}, {"groups": [{"taps": ["conv5_1"]}], "widths": [1]}, "color"],
)
def test_a_card_whose_architecture_is_none_is_named(folder: Path, architecture: object) -> None:
    (branch,) = json.loads((folder / CARD_FILE).read_text())["branches"]
    if architecture == "color":
        architecture = branch["architecture"] | {"color": 1}
    change(folder, branches=[branch | {"architecture": architecture}])
    with pytest.raises(ModelError, match=f"{CARD_FILE}: not a model card"):
        read_card(folder)


def test_the_same_model_gives_the_same_bytes(folder: Path) -> None:
    names = (CARD_FILE, READOUT_FILE)
    before = [(folder / name).read_bytes() for name in names]
    for _ in range(5):  # safetensors may order a file's entries at random
        write_model(folder, card_of(READOUT, random_backbone()), [READOUT])
        assert [(folder / name).read_bytes() for name in names] == before


def test_a_views_own_values_are_written(tmp_path: Path) -> None:
    """safetensors ignores strides: a slice or transpose would be saved scrambled."""
    member = READOUT.members([1])
    turned = replace(
        member,
        weights=tuple(np.asfortranarray(w) for w in member.weights),
        tap_deviation=np.repeat(READOUT.tap_deviation, 2)[::2],
    )
    card = write_model(tmp_path, card_of(turned, random_backbone()), [turned])
    (found,) = read_readouts(tmp_path, card)
    np.testing.assert_array_equal(found.weights[0], READOUT.weights[0][1:2])
    np.testing.assert_array_equal(found.tap_deviation, READOUT.tap_deviation)


def test_new_scores_leave_the_parameters_alone(folder: Path) -> None:
    card = read_card(folder)
    write_card(folder, replace(card, scores={"explained": 0.5}))
    again = read_card(folder)
    assert again.scores == {"explained": 0.5}
    read_readouts(folder, again)


@pytest.fixture
def own_bias(folder: Path) -> CenterBias:
    """The center bias that the model folder has from now on."""
    density = np.random.default_rng(0).uniform(0.1, 1, (6, 8))
    own = load_center_bias(density)
    write_model(folder, read_card(folder), [READOUT], own)
    return own


def test_a_models_own_center_bias_moves_with_it(
    folder: Path, own_bias: CenterBias, tmp_path: Path
) -> None:
    moved = folder.rename(tmp_path / "größer moved")
    card = read_card(moved)
    found = read_center_bias(moved, card)
    assert (card.center_bias, found.name) == ("own", "own")
    np.testing.assert_allclose(found.template, own_bias.template, atol=1e-6)
    read_readouts(moved, card)


def test_without_its_own_a_model_has_the_packaged_center_bias_that_it_names(folder: Path) -> None:
    found = read_center_bias(folder, read_card(folder))
    np.testing.assert_array_equal(found.template, load_center_bias("gaussian").template)
    assert not (folder / CENTER_BIAS_FILE).exists()


@pytest.mark.usefixtures("own_bias")
def test_a_damaged_or_missing_center_bias_is_named(folder: Path) -> None:
    path = folder / CENTER_BIAS_FILE
    write_center_bias(load_center_bias("osie"), path)
    with pytest.raises(ModelError, match=f"{CENTER_BIAS_FILE}: damaged"):
        read_center_bias(folder, read_card(folder))
    path.unlink()
    with pytest.raises(ModelError, match=f"{CENTER_BIAS_FILE}: cannot be read"):
        read_center_bias(folder, read_card(folder))


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_flipped_bit_in_the_parameters_is_noticed(folder: Path, data: st.DataObject) -> None:
    path = folder / READOUT_FILE
    content = bytearray(path.read_bytes())
    bit = data.draw(st.integers(0, 8 * len(content) - 1))
    content[bit // 8] ^= 1 << bit % 8
    path.write_bytes(content)
    with pytest.raises(ModelError, match=f"{READOUT_FILE}.*damaged"):
        read_readouts(folder, read_card(folder))
    content[bit // 8] ^= 1 << bit % 8
    path.write_bytes(content)


def test_missing_parameters_are_named(folder: Path) -> None:
    (folder / READOUT_FILE).unlink()
    with pytest.raises(ModelError, match=f"{READOUT_FILE}.*cannot be read"):
        read_readouts(folder, read_card(folder))


def test_a_newer_format_asks_for_an_update(folder: Path) -> None:
    change(folder, format=4)
    with pytest.raises(ModelError, match=r"format 4.*upgrade"):
        read_card(folder)
    change(folder, format=4, field_of_the_future=1)
    with pytest.raises(ModelError, match=r"format 4.*upgrade"):
        read_card(folder)
    change(folder, folds=3, branches="of the future")
    with pytest.raises(ModelError, match=r"newer deepgaze2 \(format 4.*pip install --upgrade"):
        read_card(folder)


def viewing(seed: int) -> Viewing:
    rng = np.random.default_rng(seed)
    sigma, weight, factor = rng.uniform(0.5, 3, (3, 3)).astype(np.float32)
    return Viewing(sigma, weight, factor, rng.uniform(0.5, 2, (3, 2)).astype(np.float32))


VIEWINGS = {"osie": viewing(0), "cat2000-train": viewing(1)}
BIASES = dict(zip(VIEWINGS, map(load_center_bias, ("osie", "gaussian")), strict=True))


@pytest.fixture
def viewed(tmp_path: Path) -> Path:
    """The folder of a model that was trained on two data sets."""
    readout, card = replace(READOUT, viewings=VIEWINGS), card_of(READOUT, random_backbone())
    write_model(tmp_path / "both", card, [readout], load_center_bias("mit1003"), BIASES)
    return tmp_path / "both"


def test_viewings_are_read_as_they_were_written(viewed: Path) -> None:
    card = read_card(viewed)
    assert card.format == 3
    (readout,) = read_readouts(viewed, card)
    assert list(readout.viewings) == list(VIEWINGS)
    for (name, expected), facts, bias in zip(
        VIEWINGS.items(), card.viewings, BIASES.values(), strict=True
    ):
        found = readout.viewings[name]
        np.testing.assert_array_equal(found.sigma_px, expected.sigma_px)
        np.testing.assert_array_equal(found.prior_weight, expected.prior_weight)
        np.testing.assert_array_equal(found.factor, expected.factor)
        np.testing.assert_array_equal(found.scale_factors, expected.scale_factors)
        assert facts == viewing_facts(viewed, card, name)
        assert facts.name == name
        assert facts.blur_px == pytest.approx(expected.sigma_px.mean(), abs=0.005)
        assert facts.center_bias_weight == pytest.approx(expected.prior_weight.mean(), abs=5e-4)
        assert facts.sharpness == pytest.approx(expected.factor.mean(), abs=5e-4)
        assert facts.scale_weights == pytest.approx(expected.scale_factors.mean(0), abs=5e-4)
        own = read_center_bias(viewed, card, name)
        assert own.name == name
        np.testing.assert_allclose(own.template, bias.template, atol=1e-6)
    mean = read_center_bias(viewed, card)
    np.testing.assert_allclose(mean.template, load_center_bias("mit1003").template, atol=1e-6)


def test_an_unknown_viewing_is_a_line_that_names_the_known(viewed: Path, folder: Path) -> None:
    with pytest.raises(ModelError, match="both: viewing 'salicon' is unknown; there are osie, cat"):
        read_center_bias(viewed, read_card(viewed), "salicon")
    with pytest.raises(ModelError, match="tiny: viewing 'osie' is unknown; it has one alone;"):
        viewing_facts(folder, read_card(folder), "osie")


def test_a_viewings_damaged_center_bias_is_named(viewed: Path) -> None:
    path = viewed / "center_bias-osie.safetensors"
    write_center_bias(load_center_bias("uniform"), path)
    with pytest.raises(ModelError, match=r"center_bias-osie\.safetensors: damaged"):
        read_center_bias(viewed, read_card(viewed), "osie")
    path.unlink()
    with pytest.raises(ModelError, match=r"center_bias-osie\.safetensors: cannot be read"):
        read_center_bias(viewed, read_card(viewed), "osie")


def test_parameters_of_other_viewings_than_the_cards_are_refused(viewed: Path) -> None:
    card = read_card(viewed)
    with pytest.raises(ModelError, match=f"{READOUT_FILE}: its parameters are not those of the"):
        read_readouts(viewed, replace(card, viewings=card.viewings[:1]))
    renamed = tuple(replace(one, name=one.name[::-1]) for one in card.viewings)
    with pytest.raises(ModelError, match=f"{READOUT_FILE}: its parameters are not those of the"):
        read_readouts(viewed, replace(card, viewings=renamed))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("default", ModelName("default")),
        ("default@osie", ModelName("default", "osie")),
        ("a/b@c", ModelName("a/b", "c")),
        ("m@python:x.y", ModelName("m", "", "python:x.y")),
        ("m@osie@python:x.y", ModelName("m", "osie", "python:x.y")),
        (ModelName("a", "b"), ModelName("a", "b")),
    ],
)
def test_a_models_name_is_taken_apart(name: str | ModelName, expected: ModelName) -> None:
    assert ModelName.of(name) == expected


def test_a_folder_may_have_an_at_in_its_name(viewed: Path, tmp_path: Path) -> None:
    odd = viewed.rename(tmp_path / "me@home")
    assert ModelName.of(odd) == ModelName(str(odd))
    assert ModelName.of(f"{odd}@osie") == ModelName(str(odd), "osie")
    assert find_model(odd) == find_model(f"{odd}@osie") == odd
    # A folder of predictions may be called as what made them.
    (tmp_path / "me@home@osie").mkdir()
    assert ModelName.of(f"{odd}@osie") == ModelName(str(odd), "osie")
    (tmp_path / "an@empty").mkdir()
    with pytest.raises(ModelError, match=f"an@empty: no {CARD_FILE}"):
        find_model(tmp_path / "an@empty")


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "3", "{}", '{"folds": 3}', '{"folds": [], "color": 1}', "\udcff"]
)
def test_a_damaged_card_is_named(folder: Path, content: str) -> None:
    (folder / CARD_FILE).write_bytes(content.encode(errors="surrogateescape"))
    with pytest.raises(ModelError, match=f"{CARD_FILE}: not a model card") as caught:
        read_card(folder)
    assert "\n" not in str(caught.value)


def test_folders_are_found_by_path(folder: Path, tmp_path: Path) -> None:
    assert find_model(folder) == find_model(str(folder)) == folder
    (tmp_path / "empty").mkdir()
    with pytest.raises(ModelError, match=f"empty: no {CARD_FILE}"):
        find_model(tmp_path / "empty")


def test_an_interrupted_write_is_no_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(folder: Path, card: Card) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "write_card", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_model(tmp_path, card_of(READOUT, random_backbone()), [READOUT])
    assert [path.name for path in tmp_path.iterdir()] == [READOUT_FILE]
    with pytest.raises(ModelError, match=f"no {CARD_FILE}"):
        find_model(tmp_path)


def test_packaged_models_are_found_by_name_and_suggested(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.rename(tmp_path / DEFAULT_MODEL)
    (tmp_path / "unfinished").mkdir()
    monkeypatch.setattr(module, "_PACKAGED", tmp_path)
    assert packaged_models() == [DEFAULT_MODEL]
    assert find_model(DEFAULT_MODEL) == find_model("default") == tmp_path / DEFAULT_MODEL
    for wrong, near in ((DEFAULT_MODEL[:-1], DEFAULT_MODEL), ("defualt", "default")):
        with pytest.raises(ModelError, match=f"{wrong}'.*did you mean '{near}'"):
            find_model(wrong)
    with pytest.raises(ModelError, match=f"packaged models: {DEFAULT_MODEL}"):
        find_model("x/y")


@pytest.mark.parametrize("name", ["", "x" * 300, "a\0b"])
def test_names_that_no_file_can_have_are_unknown_models(name: str) -> None:
    with pytest.raises(ModelError):
        find_model(name)
