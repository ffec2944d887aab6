"""What tests of commands share: the program in this process, and a network it is fast with."""

import shlex
import sys
from pathlib import Path

import pytest

from deepgaze2.cli import main
from deepgaze2.features.backbone import cached_backbone_path, write_backbone
from deepgaze2.features.networks import NETWORKS
from helpers.command_line import Outcome, Run
from helpers.small_models import NARROW16, random_backbone
from helpers.training_images import train_one_by_one


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
