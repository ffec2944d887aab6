"""The packaged example photos, to try the model on."""

from pathlib import Path

from deepgaze2.support.files import ASSETS


def example_paths() -> list[Path]:
    """Return the example photos, by name; all are in the public domain or CC0 (see NOTICE)."""
    folder = ASSETS / "examples"
    return sorted(folder.glob("*.jpg"))
