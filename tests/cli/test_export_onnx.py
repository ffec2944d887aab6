"""`deepgaze2 export onnx`, run as a user would."""

from pathlib import Path

import onnx
import pytest

from deepgaze2.store import write_model
from helpers.command_line import Run
from helpers.small_models import card_of, random_backbone, random_readout


@pytest.fixture
def folder(narrow_network: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A model folder on the narrow network, whose kernels are halves."""
    readout = random_readout(2)
    card = card_of(readout, random_backbone(half=True))
    (tmp_path / "tiny").mkdir()
    write_model(tmp_path / "tiny", card, [readout])
    monkeypatch.setattr("deepgaze2.export.comparison._SIZES", ((1000, 100),))  # large ones are slow
    return tmp_path / "tiny"


def test_a_model_is_written_and_verified(run: Run, folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "new" / "model.onnx"
    found = run("export", "onnx", "-o", path, "--model", folder, "--float16", "--verify")
    assert found.returncode == 0, found
    first, *each, last = found.stdout.splitlines()
    assert first.startswith(f"{path}: tiny, 0.")
    assert len(each) == 7
    assert "1000 x 100 " in found.stdout
    assert last.startswith("largest difference ")
    assert last.endswith("as the library")
    assert [path.name for path in path.parent.iterdir()] == ["model.onnx"]
    file = onnx.load(path)
    assert [one.name for one in file.graph.input] == ["image", "log_center_bias"]
    assert [one.name for one in file.graph.output] == ["log_density"]


def test_a_file_that_differs_is_said_and_fails(
    run: Run, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deepgaze2.export.comparison.TOLERANCE_NATS", 1e-9)
    found = run("export", "onnx", "-o", tmp_path / "a.onnx", "--model", folder, "--verify")
    assert found.returncode == 1
    assert found.stdout.endswith("NOT as the library\n")


def test_mistakes_are_told_in_a_line_before_anything_is_done(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = run("export", "onnx", "-o", tmp_path / "a.txt")
    assert found.returncode == 2
    assert "a.txt: the file's name must end in .onnx" in found.stderr
    monkeypatch.setattr("deepgaze2.cli.export.find_spec", lambda _: None)
    found = run("export", "onnx", "-o", tmp_path / "a.onnx")
    assert found.returncode == 2
    assert "pip install 'deepgaze2[onnx]'" in found.stderr
    assert not list(tmp_path.iterdir())
