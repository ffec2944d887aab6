"""`deepgaze2 info --engines`, and `--engine` where it is given."""

import json
import sys
from pathlib import Path

import pytest

from deepgaze2.features.backbone import StoredBackbone
from deepgaze2.features.engines import timing
from deepgaze2.features.engines.choice import read_timings, timings_path
from deepgaze2.image.examples import example_paths
from deepgaze2.store import write_model
from helpers.command_line import Run
from helpers.engines import needs_openvino
from helpers.small_models import parts_of_two


@pytest.fixture
def model(
    tmp_path: Path, two_networks: list[StoredBackbone], monkeypatch: pytest.MonkeyPatch
) -> Path:
    """A folder of a model on two small networks, which are timed quickly."""
    for name, value in {"_WIDTH_PX": 64, "_HEIGHT_PX": 48, "_PAUSE_S": 0, "_ROUNDS": 2}.items():
        monkeypatch.setattr(timing, name, value)
    card, _, readouts = parts_of_two(2, backbones=two_networks)
    write_model(tmp_path / "model", card, readouts)
    return tmp_path / "model"


def test_engines_are_timed_for_each_network_and_kept(
    run: Run, model: Path, two_networks: list[StoredBackbone], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)  # as if it were not installed
    found = run("info", "--model", model, "--engines")
    assert found.returncode == 0, found.stderr
    assert "openvino: not installed (pip install 'deepgaze2[openvino]')" in found.stdout
    for one in two_networks:
        assert f"{one.name}: auto takes ncnn, no other may be taken here" in found.stdout
    assert str(timings_path()) in found.stdout
    kept = {(one.network, one.engine) for one in read_timings()}
    names = {one.name for one in two_networks}
    assert kept == {(name, engine) for name in names for engine in ("ncnn", "torch")}


@needs_openvino
def test_what_is_printed_as_json_is_what_is_kept(run: Run, model: Path) -> None:
    found = json.loads(run("info", "--model", model, "--engines", "--json").stdout)
    kept = [[one.network, one.engine, one.seconds] for one in read_timings()]
    assert [[*one.values()] for one in found["timings"]] == kept
    assert {"ncnn", "openvino", "torch"} <= {one["engine"] for one in found["timings"]}
    assert {one["wanted"] for one in found["taken"]} == {"auto", "fast"}
    assert all("timed here" in one["reason"] for one in found["taken"])


def test_timings_that_cannot_be_kept_are_one_line(
    run: Run, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    timings_path().parent.parent.mkdir(exist_ok=True)
    timings_path().parent.write_text("a file where the folder would be")
    found = run("info", "--model", model, "--engines")
    assert (found.returncode, found.stderr.count("\n")) == (2, 1)
    assert "cannot be written" in found.stderr


@pytest.mark.parametrize("engine", ["openvino", "openvino-bf16", "abacus"])
def test_an_engine_that_is_missing_is_one_line(
    run: Run, model: Path, engine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    photo = example_paths()[0]
    found = run("predict", photo, "--model", model, "--engine", engine, "-o", tmp_path / "out")
    assert (found.returncode, found.stderr.count("\n")) == (2, 1)
    assert engine in found.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("engine", ["auto", "fast", pytest.param("openvino", marks=needs_openvino)])
def test_predictions_by_any_engine(run: Run, model: Path, engine: str, tmp_path: Path) -> None:
    photo = example_paths()[0]
    found = run("predict", photo, "--model", model, "--engine", engine, "-o", tmp_path / "out")
    assert found.returncode == 0, found.stderr
    assert (tmp_path / "out" / f"{photo.stem}.npy").exists()
