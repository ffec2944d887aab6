"""A network of the user's own, from training to prediction and scores."""

import json
import pickle
import re
from pathlib import Path

import numpy as np
import pytest

import deepgaze2
from deepgaze2.data.exchange.convert import convert
from deepgaze2.data.sources import open_dataset
from deepgaze2.errors import ModelError
from helpers.command_line import Run
from helpers.small_datasets import write_recordings

NETWORK = "python:helpers.own_network.small"
TRAIN = f"--backbone {NETWORK} --folds 2 --recipe paper --epochs 2"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DEEPGAZE2_CACHE", str(tmp_path / "cache"))


@pytest.mark.slow
def test_it_is_trained_and_predicts_if_its_code_is_asked_for(run: Run, tmp_path: Path) -> None:
    write_recordings(tmp_path / "lab", 8)
    done = run(f"train --finetune csv:lab -o mine {TRAIN} --taps act1,conv3")
    assert done.returncode == 0, done.stderr
    card = json.loads((tmp_path / "mine" / "card.json").read_text())
    (branch,) = card["branches"]
    assert branch["network"] == NETWORK
    assert "a network whose weights are the user's own" in card["description"]
    taps = [tap for group in branch["architecture"]["groups"] for tap in group["taps"]]
    assert [(tap["name"], tap["stride_px"]) for tap in taps] == [("act1", 2), ("conv3", 16)]
    assert "conv3" in run("cache").stdout, "features of any layer's name can be removed"

    photo = next((tmp_path / "lab").rglob("*.png"))
    refused = run(f"predict '{photo}' --model mine")
    assert refused.returncode == 2
    assert f"say so: mine@{NETWORK}" in refused.stderr
    model = f"mine@{NETWORK}"
    done = run(f"predict '{photo}' --model {model} --format npy -o out")
    assert done.returncode == 0, done.stderr
    log_density = np.load(tmp_path / "out" / f"{photo.stem}.npy")
    assert np.exp(log_density.astype(np.float64)).sum() == pytest.approx(1, abs=1e-4)
    again = pickle.loads(pickle.dumps(deepgaze2.load(model)))
    np.testing.assert_array_equal(again.predict(photo).log_density, log_density)
    scored = run(f"evaluate {model} csv:lab")
    assert scored.returncode == 0, scored.stderr
    assert "8 images by the readout that has not seen them" in scored.stdout


@pytest.mark.slow
def test_other_weights_and_networks_are_refused(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    write_recordings(tmp_path / "lab", 4)
    missing = run(f"train --finetune csv:lab -o mine {TRAIN}")
    assert (missing.returncode, "--taps: say which layers" in missing.stderr) == (2, True)
    assert run(f"train --finetune csv:lab -o mine {TRAIN} --taps conv3").returncode == 0
    with pytest.raises(ModelError, match=r"trained on python:.*small, not on"):
        deepgaze2.load("mine@python:helpers.own_network.oblong")
    monkeypatch.setattr(torch, "randn", lambda shape, **_: torch.ones(shape))
    with pytest.raises(ModelError, match=r"trained with other .* weights"):
        deepgaze2.load(f"mine@{NETWORK}")


@pytest.mark.slow
def test_on_osie_it_gains_over_the_center_bias_alone(
    run: Run, tmp_path: Path, shared_data: Path
) -> None:
    dataset = open_dataset(f"osie:{shared_data / 'osie'}")
    convert(dataset.select(np.arange(len(dataset.stimuli)) < 24), tmp_path / "few")
    done = run(
        f"train --finetune csv:few -o mine --backbone {NETWORK} --taps act1,conv2 --folds 2"
        " --recipe paper --epochs 8"
    )
    assert done.returncode == 0, done.stderr
    assert f"deepgaze2 evaluate mine@{NETWORK} csv:few" in done.stdout
    scored = run(f"evaluate mine@{NETWORK} csv:few")
    assert scored.returncode == 0, scored.stderr
    gain = re.search(r"^mine +(\S+) \(", scored.stdout, re.MULTILINE)
    assert gain is not None, scored.stdout
    assert float(gain[1]) > 0, "random features, too, tell something of where people look"
