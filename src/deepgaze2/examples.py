"""The packaged example photos, to try the model on."""

from pathlib import Path


def example_paths() -> list[Path]:
    """Return the example photos, by name; all are in the public domain or CC0 (see NOTICE)."""
    folder = Path(__file__).with_name("assets") / "examples"
    return sorted(folder.glob("*.jpg"))
