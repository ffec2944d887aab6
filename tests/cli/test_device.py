"""`--device`, where networks are computed; there is no GPU to test with."""

from pathlib import Path

import pytest
import torch

from deepgaze2.features.backbone import StoredBackbone
from deepgaze2.image.examples import example_paths
from deepgaze2.store import write_model
from helpers.command_line import Run
from helpers.small_models import parts_of_two

without_cuda = pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")


@pytest.fixture
def model(tmp_path: Path, two_networks: list[StoredBackbone]) -> Path:
    card, _, readouts = parts_of_two(2, backbones=two_networks)
    write_model(tmp_path / "model", card, readouts)
    return tmp_path / "model"


@pytest.mark.parametrize(
    ("device", "engine", "reason"),
    [
        pytest.param("cuda", "auto", "'cuda' cannot be used by PyTorch", marks=without_cuda),
        pytest.param("cuda:7", "fast", "'cuda:7' cannot be used by PyTorch", marks=without_cuda),
        ("cuda", "ncnn", "'ncnn' runs on the CPU"),
        ("meta", "auto", "--device meta: no such device; give cpu, cuda, cuda:1 or mps"),
        ("gpu", "auto", "--device gpu: no such device"),
    ],
)
def test_a_device_that_cannot_be_used_is_one_line(
    run: Run, model: Path, device: str, engine: str, reason: str, tmp_path: Path
) -> None:
    options = ["--model", model, "--device", device, "--engine", engine, "-o", tmp_path / "out"]
    found = run("predict", example_paths()[0], *options)
    assert (found.returncode, found.stderr.count("\n")) == (2, 1), found.stderr
    assert reason in found.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("command", ["predict", "compare", "evaluate", "figures", "serve"])
def test_each_command_that_runs_a_model_has_it(run: Run, command: str) -> None:
    assert "--device cpu|cuda|cuda:N|mps" in run(command, "--help").stdout
