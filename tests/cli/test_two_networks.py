"""Commands with a model of two networks: trained, shown, gone on from, adapted, refused."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from deepgaze2.card import read_card
from deepgaze2.cli.adapt import _as_text
from deepgaze2.density.center_bias import load_center_bias
from deepgaze2.features.backbone import StoredBackbone
from deepgaze2.readout.viewing import Viewing
from deepgaze2.store import read_readouts, write_model
from deepgaze2.training.adaptation.adapt import Adaptation
from deepgaze2.training.adaptation.looked import Change
from helpers.command_line import Run
from helpers.small_datasets import write_recordings
from helpers.small_models import parts_of_two, tiny_model_of_two

BOTH = "--backbone narrow-vgg16 --backbone narrow-resnet50"
NETWORKS = ["narrow-vgg16", "narrow-resnet50"]


@pytest.fixture(autouse=True)
def _here(narrow_network: str, two_networks: list[StoredBackbone], tmp_path: Path) -> None:
    write_recordings(tmp_path / "lab", 8)


@pytest.fixture
def model(tmp_path: Path, two_networks: list[StoredBackbone]) -> Path:
    """A model of two networks, two readouts on each, trained on other images."""
    card, _, readouts = parts_of_two(2, backbones=two_networks)
    card = replace(card, name="base", folds=(("a.png",), ("b.png",)))
    write_model(tmp_path / "base", card, readouts)
    return tmp_path / "base"


def test_a_model_of_two_networks_is_trained_scored_and_shown(run: Run, tmp_path: Path) -> None:
    line = f"train --finetune csv:lab -o mine {BOTH} --recipe paper"
    found = run(f"{line} --folds 2 --seeds 2 --epochs 1")
    assert found.returncode == 0, found.stderr
    assert {path.name for path in (tmp_path / "mine").iterdir()} == {
        *("card.json", "readout.safetensors", "readout-2.safetensors", "report"),
        *("center_bias.safetensors", "curves-narrow-vgg16.svg", "curves-narrow-resnet50.svg"),
    }
    card = read_card(tmp_path / "mine")
    assert [branch.network for branch in card.branches] == NETWORKS
    assert card.scores["images"] == 8
    assert found.stdout.startswith("mine: 8 readouts in mine\n")
    last = found.stdout.splitlines()[-1]
    assert last == "score it on other images with: deepgaze2 evaluate mine csv:lab"
    again = run(last.partition("deepgaze2 ")[2])
    assert again.returncode == 0, again.stderr
    assert "mine: 8 images by the readout that has not seen them" in again.stdout
    assert f"{card.scores['model_bits']:.3f}" in again.stdout
    shown = run("info --model mine")
    assert shown.returncode == 0, shown.stderr
    assert "8, averaged as probabilities: 50% on narrow-vgg16, 50% on narrow" in shown.stdout
    photo = tmp_path / "lab" / "images" / "0.png"
    predicted = run(f"predict {photo} --model mine -o out")
    assert predicted.returncode == 0, predicted.stderr


def test_readouts_on_both_networks_are_gone_on_from(run: Run, model: Path, tmp_path: Path) -> None:
    found = run("train --finetune csv:lab -o mine --from base --folds 2 --epochs 1")
    assert found.returncode == 0, found.stderr
    before, after = read_card(model), read_card(tmp_path / "mine")
    assert after.training["from"] == "base"
    for old, new in zip(before.branches, after.branches, strict=True):
        assert new == replace(old, readout_sha256=new.readout_sha256)  # share and all
    pairs = zip(read_readouts(model, before), read_readouts(tmp_path / "mine", after), strict=True)
    for old_readout, new_readout in pairs:
        assert new_readout.n_models == 2
        for one, other in zip(old_readout.weights, new_readout.weights, strict=True):
            assert 0 < np.abs(one - other).max() < 0.05
    for name in NETWORKS:
        assert f"on images not trained on, each readout on {name} gains " in found.stdout


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ("--backbone narrow-vgg16 --backbone narrow-vgg16", "narrow-vgg16: given twice"),
        (f"{BOTH} --taps conv5_1", "--taps: several networks have no layers in common"),
        ("--backbone python:a.b --backbone python:c.d", "--backbone: only one may be a network of"),
        (f"{BOTH} --from base", "--backbone: a model that goes on from another keeps"),
        ("--backbone narrow-vgg16 --backbone nowhere", "nowhere"),
        (
            "--backbone narrow-vgg16 --backbone cache/backbones/narrow-vgg16.safetensors",
            "narrow-vgg16: given twice",
        ),
    ],
)
def test_networks_that_do_not_go_together_are_refused(
    run: Run, model: Path, tmp_path: Path, options: str, reason: str
) -> None:
    found = run(f"train --finetune csv:lab -o mine {options}")
    assert (found.returncode, found.stdout) == (2, "")
    assert found.stderr.count("\n") == 1
    assert found.stderr.startswith("error: ")
    assert reason in found.stderr
    assert not (tmp_path / "mine").exists()


def test_info_shows_each_network_what_it_counts_and_its_scales(
    run: Run, tmp_path: Path, two_networks: list[StoredBackbone]
) -> None:
    card, _, readouts = parts_of_two(2, shares=(1.0, 3.0), backbones=two_networks)
    rng = np.random.default_rng(0)
    viewed = []
    for readout in readouts:
        sigma, weight, factor = rng.uniform(0.5, 2, (3, 2)).astype(np.float32)
        scales = rng.uniform(0.5, 2, (2, 2)).astype(np.float32)
        viewing = Viewing(sigma, weight, factor, scales)
        viewed.append(replace(readout, viewings={"osie": viewing}))
    card = write_model(tmp_path / "two", card, viewed, viewed={"osie": load_center_bias("osie")})
    found = run("info --model two")
    assert found.returncode == 0, found.stderr
    for backbone in two_networks:
        assert f"{backbone.name}, weights {backbone.checksum[:12]}" in found.stdout
    assert (
        "4, averaged as probabilities: 25% on narrow-vgg16, 75% on narrow-resnet50\n"
        in found.stdout
    )
    titles, row, *_ = found.stdout[found.stdout.index("data set") :].splitlines()
    columns = [f"{name} scale {scale}" for name in NETWORKS for scale in ("1", "0.5")]
    assert titles.endswith("  ".join(columns))
    expected = [mean for one in viewed for mean in one.viewings["osie"].scale_factors.mean(axis=0)]
    numbers = [float(cell) for cell in row.split()[-4:]]
    np.testing.assert_allclose(numbers, expected, atol=6e-4)
    ends = [titles.index(column) + len(column) for column in columns]
    assert all(row[end - 1].isdigit() and row[end : end + 1] in ("", " ") for end in ends)


def test_both_networks_readouts_are_adapted(run: Run, model: Path, tmp_path: Path) -> None:
    found = run("adapt csv:lab -o mine --model base")
    assert found.returncode == 0, found.stderr
    card = read_card(tmp_path / "mine")
    assert [branch.network for branch in card.branches] == NETWORKS
    assert [branch.share for branch in card.branches] == [1.0, 2.5]
    assert [one.n_models for one in read_readouts(tmp_path / "mine", card)] == [2, 2]
    assert f"weight of 32 px, {NETWORKS[1]}" in card.training["adapted_to"]["viewing"]


@pytest.mark.parametrize("laboratory", ["lab", "a laboratory of a long name"])
def test_what_adapting_changes_is_in_columns(laboratory: str) -> None:
    before = tiny_model_of_two(2)
    change = Change(0.3, 0.4, -0.5, ((0.25,), (-0.125,)))
    much = np.full(5, 0.2)
    adaptation = Adaptation(change, before.center_bias, much, much / 2)
    assert adaptation.adopted == "all"
    _, titles, *rows = _as_text(before, adaptation, laboratory, 5)
    assert len(rows) == 5
    assert rows[-1].split()[:5] == ["weight", "of", "32", "px,", "narrow-resnet50"]
    assert [float(cell) for cell in rows[-1].split()[-2:]] == [1.0, 0.88]
    assert len({len(line) for line in (titles, *rows)}) == 1
    first = titles.index("tiny two") + len("tiny two")
    for row in rows:
        assert row[first - 1].isdigit()
        assert row[first] == " "
        assert row[first - 5] == " "
