"""Shared fixtures: where the eye-tracking data lie, if they lie anywhere."""

import os
import signal
from pathlib import Path

import pytest

from deepgaze2.features.backbone import StoredBackbone, cached_backbone_path, write_backbone
from deepgaze2.features.networks import NETWORKS
from helpers.small_models import parts_of_two
from helpers.toy import toy

# A shell's background jobs begin with interrupts ignored, and so would all that tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)

__all__ = ["shared_data", "toy"]

_REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder with `osie/`, `mit1003_fixation_maps/` and others; set DEEPGAZE2_DATA to move it."""
    folder = Path(os.environ.get("DEEPGAZE2_DATA", _REPOSITORY.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no eye-tracking data at {folder}; set DEEPGAZE2_DATA to its folder")
    return folder


@pytest.fixture
def two_networks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[StoredBackbone]:
    """The networks of `parts_of_two`, as if they were known and their weights had been fetched."""
    monkeypatch.setenv("DEEPGAZE2_CACHE", str(tmp_path / "cache"))
    _, backbones, _ = parts_of_two()
    for one in backbones:
        monkeypatch.setitem(NETWORKS, one.name, one.network)
    return [write_backbone(one, cached_backbone_path(one.name)) for one in backbones]
