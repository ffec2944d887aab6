"""What a release promises: credits, size, light import, one version, nobody's paths."""

import json
import re
import shutil
import subprocess
import sys
import tomllib
import zlib
from importlib.metadata import version
from pathlib import Path

import pytest

import deepgaze2
from deepgaze2.card import read_card
from deepgaze2.features.backbone import find_backbone
from deepgaze2.store import read_readouts
from deepgaze2.support.files import sha256_of

REPOSITORY = Path(__file__).resolve().parent.parent
PACKAGE = REPOSITORY / "src" / "deepgaze2"
ASSETS = PACKAGE / "assets"


def test_notice_credits_every_packaged_file_of_others_by_its_checksum() -> None:
    notice = (REPOSITORY / "NOTICE").read_text(encoding="utf-8")
    lines = re.findall(r"^ +([0-9a-f]{64})  (\S+)$", notice, re.M)
    credited = {name: checksum for checksum, name in lines}
    folders = ("backbones", "center_biases", "colors", "examples", "rivals")
    packaged = {
        str(path.relative_to(ASSETS)): sha256_of(path)
        for folder in folders
        for path in (ASSETS / folder).iterdir()
    }
    assert credited == packaged
    assert {path.name for path in ASSETS.iterdir()} <= {*folders, "models", "datasets", "trackers"}


def test_model_cards_fit_their_parameters_and_the_packaged_backbone() -> None:
    for folder in (ASSETS / "models").iterdir():
        card = read_card(folder)
        assert card.name == folder.name
        assert len(read_readouts(folder, card)) == len(card.branches)
        for branch in card.branches:
            assert find_backbone(branch.network).checksum == branch.backbone_checksum
        assert card.license == "MIT"


def test_the_wheel_is_small() -> None:
    """Compressed, as wheels are; PyPI takes 100 MB."""
    files = [path for path in PACKAGE.rglob("*") if "__pycache__" not in path.parts]
    sizes = [len(zlib.compress(path.read_bytes())) for path in files if path.is_file()]
    assert sum(sizes) < 98e6  # the backbones 70, readouts 23
    assert max(sizes) < 45e6


@pytest.mark.parametrize("module", ["deepgaze2", "deepgaze2.cli"])
def test_import_loads_nothing_heavy(module: str) -> None:
    code = f"import json, sys, {module}; print(json.dumps(sorted(sys.modules)))"
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True).stdout
    heavy = {"h5py", "matplotlib", "ncnn", "openvino", "pandas", "requests", "torch", "tqdm"}
    assert not heavy & set(json.loads(loaded))


def test_one_version_everywhere() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    citation = (REPOSITORY / "CITATION.cff").read_text(encoding="utf-8")
    changelog = (REPOSITORY / "CHANGELOG.md").read_text(encoding="utf-8")
    latest = re.search(r"^## \[(.+?)\]", changelog, re.M)
    in_citation = re.search(r"^version: (.+)$", citation, re.M)
    assert latest is not None
    assert in_citation is not None
    found = {version("deepgaze2"), deepgaze2.__version__, latest[1], in_citation[1]}
    assert found == {project["version"]}


def test_tracked_text_names_no_folder_of_a_developer() -> None:
    if not (REPOSITORY / ".git").exists() or shutil.which("git") is None:
        pytest.skip("not a git checkout, or no git")
    listing = subprocess.run(
        ["git", "ls-files", "-z"], cwd=REPOSITORY, check=True, capture_output=True
    ).stdout
    paths = [REPOSITORY / name for name in listing.decode().split("\0") if name]
    # A test may need somebody's home: Eve's.
    personal = re.compile(rb"(?<![\w.~])/(?:(?:home|Users)/(?!eve\b)|root/|work/)\w")
    assert len(paths) > 50
    assert [path for path in paths if personal.search(path.read_bytes())] == []
