"""The images of a data set that are files, and their table."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from deepgaze2.data.dataset import Stimuli
from deepgaze2.errors import DataError
from deepgaze2.image.image_files import natural_key
from deepgaze2.image.stimulus import printable


def image_paths(folder: Path, pattern: str) -> list[Path]:
    """Return the images in a folder whose names match, in natural order (2.jpg before 10.jpg).

    Raises
    ------
    DataError
        If there are none.
    """
    paths = folder.glob(pattern)
    found = sorted(paths, key=lambda path: natural_key(path.relative_to(folder).as_posix()))
    if not found:
        raise DataError(
            f"{printable(folder)}: no {Path(pattern).suffix} images; give the folder that the data"
            " set was unpacked to"
        )
    return found


def stimuli_of(paths: Sequence[Path], pixels_per_degree: float = np.nan) -> Stimuli:
    """Return the table of these image files, in their order; their pixels are not decoded.

    Parameters
    ----------
    paths : sequence of Path
        The images; their file names become the stimuli's ids.
    pixels_per_degree : float
        Pixels per degree of visual angle, the same for all.

    Raises
    ------
    DataError
        If a file is not an image.
    """
    sizes = np.array([stored_size(path) for path in paths], dtype=np.int32).reshape(-1, 2)
    return Stimuli(
        ids=tuple(path.name for path in paths),
        paths=tuple(paths),
        width=sizes[:, 0],
        height=sizes[:, 1],
        pixels_per_degree=np.full(len(paths), pixels_per_degree),
    )


def stored_size(path: Path) -> tuple[int, int]:
    """Return an image's width and height in pixels, as stored: orientation is not applied.

    Raises
    ------
    DataError
        If the file is not an image.
    """
    try:
        with Image.open(path) as image:
            return image.size
    except (OSError, Image.DecompressionBombError) as error:
        raise DataError(f"{printable(path)}: not a readable image; fetch it again") from error
