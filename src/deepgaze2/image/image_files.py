"""Which files of a folder are images."""

import re
from pathlib import Path

from deepgaze2.errors import StimulusError

SUFFIXES = (
    *(".bmp", ".gif", ".jfif", ".jp2", ".jpe", ".jpeg", ".jpg", ".pgm", ".png", ".ppm"),
    *(".tif", ".tiff", ".webp"),
)


def image_files(folder: Path) -> list[Path]:
    """Return a folder's image files, by suffix, in natural order (2.jpg before 10.jpg).

    Hidden files and sub-folders are left out.

    Raises
    ------
    StimulusError
        If the folder cannot be read or has no image in it.
    """
    try:
        paths = [
            path
            for path in folder.iterdir()
            if path.suffix.lower() in SUFFIXES and path.name[0] != "." and path.is_file()
        ]
    except OSError as error:
        raise StimulusError(
            f"{folder}: cannot be read ({error.strerror}); check its name and permissions"
        ) from error
    if not paths:
        raise StimulusError(f"{folder}: no image in it; give a folder of photos")
    return sorted(paths, key=lambda path: natural_key(path.name))


def natural_key(name: str) -> list[tuple[int, str]]:
    """Return a sorting key that takes runs of digits as numbers."""
    return [(int(part), "") if part.isdecimal() else (0, part) for part in re.split(r"(\d+)", name)]
