"""`benchmarks/gpu.py` runs, on the CPU and on small networks, and refuses without a GPU."""

import runpy
import sys
from pathlib import Path

import pytest
import torch

from deepgaze2.features.backbone import StoredBackbone
from deepgaze2.store import write_model
from helpers.small_models import parts_of_two

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "gpu.py"


def run_script(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    monkeypatch.syspath_prepend(str(SCRIPT.parent))
    monkeypatch.setattr(sys, "argv", [SCRIPT.name, *arguments])
    runpy.run_path(str(SCRIPT), run_name="__main__")


def test_each_network_has_a_row_for_each_precision_and_batch(
    tmp_path: Path,
    two_networks: list[StoredBackbone],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    card, _, readouts = parts_of_two(2, backbones=two_networks)
    write_model(tmp_path / "model", card, readouts)
    monkeypatch.setattr("deepgaze2.features.engines.base.unusable", lambda _: "")
    small = ["--width", "64", "--height", "48", "--matrix", "64", "--rounds", "1", "--stream", "2"]
    model = ["--model", str(tmp_path / "model"), "--device", "cpu"]
    run_script(monkeypatch, *model, *small, "--batches", "1", "3")
    lines = capsys.readouterr().out.splitlines()
    rows = [line.split()[:3] for line in lines if line.startswith("narrow")]
    each = [
        ["eager", "1"],
        ["torch", "1"],
        ["torch", "3"],
        ["torch-bf16", "1"],
        ["torch-bf16", "3"],
    ]
    assert rows == [[one.name, *row] for one in two_networks for row in each]
    assert [line.split(":")[0] for line in lines[-2:]] == [
        "predict_many, auto",
        "predict_many, fast",
    ]


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_without_a_gpu_it_refuses_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SystemExit, match="no cuda device here; nothing was measured") as caught:
        run_script(monkeypatch)
    assert "\n" not in str(caught.value.code)
