"""What tests of commands share: the program in this process, and a network it is fast with."""

import shlex
import sys
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from deepgaze2.cli import main
from deepgaze2.evaluation.placement import predicted_map
from deepgaze2.features.backbone import cached_backbone_path, write_backbone
from deepgaze2.features.networks import NETWORKS
from deepgaze2.image.stimulus import Stimulus
from deepgaze2.model import Model
from helpers.command_line import Outcome, Run
from helpers.small_models import NARROW16, random_backbone
from helpers.training_images import train_one_by_one


@pytest.fixture(scope="session", autouse=True)
def _positions_are_compared_with_each_image_once() -> Iterator[None]:
    """Predicting the same few images for dozens of commands would take minutes."""
    known: dict[tuple[str, str], NDArray[np.float32]] = {}

    def remembered(model: Model, stimulus: Stimulus) -> NDArray[np.float32]:
        key = model.identity, sha256(stimulus.pixels.tobytes()).hexdigest()
        if key not in known:
            known[key] = predicted_map(model, stimulus)
        return known[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("deepgaze2.evaluation.placement.predicted_map", remembered)
        yield


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """The program within this process: faster, since Python is already up."""

    def call(*arguments: str | Path) -> Outcome:
        typed = shlex.split(str(arguments[0])) if len(arguments) == 1 else map(str, arguments)
        monkeypatch.setattr(sys, "argv", ["deepgaze2", *typed])
        with pytest.raises(SystemExit) as caught:
            main()
        captured = capsys.readouterr()
        return Outcome(int(caught.value.code or 0), captured.out, captured.err)

    return call


@pytest.fixture
def narrow_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A narrow network among those that are known, in an empty folder; trainings in here."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DEEPGAZE2_CACHE", str(tmp_path / "cache"))
    monkeypatch.setitem(NETWORKS, NARROW16.name, NARROW16)
    monkeypatch.setattr("deepgaze2.training.procedure.train_all", train_one_by_one)
    write_backbone(random_backbone(), cached_backbone_path(NARROW16.name))
    return NARROW16.name
