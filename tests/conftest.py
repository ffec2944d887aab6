"""Shared fixtures: where the eye-tracking data lie, if they lie anywhere."""

import os
import signal
from pathlib import Path

import pytest

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
