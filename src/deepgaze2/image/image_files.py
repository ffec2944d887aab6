"""Which files of a folder are images."""

import re
from pathlib import Path

from deepgaze2.errors import StimulusError
from deepgaze2.image.formats import SUFFIXES


def image_files(folder: Path) -> list[Path]:
    """Return a folder's image files, as `images_and_others` finds them."""
    return images_and_others(folder)[0]


def images_and_others(folder: Path) -> tuple[list[Path], list[Path]]:
    """Return a folder's image files, by suffix, and its other files.

    Both are in natural order (2.jpg before 10.jpg). Hidden files and sub-folders are left out.

    Raises
    ------
    StimulusError
        If the folder cannot be read or has no image in it.
    """
    try:
        paths = [path for path in folder.iterdir() if path.name[0] != "." and path.is_file()]
    except OSError as error:
        raise StimulusError(
            f"{folder}: cannot be read ({error.strerror}); check its name and permissions"
        ) from error
    paths.sort(key=lambda path: natural_key(path.name))
    images = [path for path in paths if path.suffix.lower() in SUFFIXES]
    if not images:
        raise StimulusError(f"{folder}: no image in it; give a folder of photos")
    return images, [path for path in paths if path.suffix.lower() not in SUFFIXES]


def natural_key(name: str) -> list[tuple[int, str]]:
    """Return a sorting key that takes runs of digits as numbers."""
    return [(int(part), "") if part.isdecimal() else (0, part) for part in re.split(r"(\d+)", name)]
