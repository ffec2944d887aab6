"""Toronto (Bruce, Tsotsos): 120 photos of 681×511, 20 observers, 4 s of free viewing.

Layout of http://www-sop.inria.fr/members/Neil.Bruce/eyetrackingdata.zip, folder
`eyetrackingdata/fixdens`: `Original Image Set/1.jpg` ... and `origfixdata.mat`, a map of fixated
pixels per image. Its folder `Raw` has listings by subject, but not in the images' coordinates.
"""

from pathlib import Path

import numpy as np

from deepgaze2.data.dataset import Dataset
from deepgaze2.data.images import stimuli_of
from deepgaze2.data.published.matlab import load_matlab, parsing
from deepgaze2.data.published.scanpaths import UNORDERED, fixations_of, marked_pixels
from deepgaze2.errors import DataError
from deepgaze2.image.image_files import natural_key
from deepgaze2.image.stimulus import printable


def read_toronto(folder: str | Path) -> Dataset:
    """Read Toronto's images and fixated pixels; only images that are in their folder are used.

    Parameters
    ----------
    folder : str or Path
        Contains `Original Image Set` and `origfixdata.mat`.

    Returns
    -------
    Dataset
        Stimuli in natural order; all fixations are of subject 0, and their order says nothing.

    Raises
    ------
    DataError
        If images or fixations are missing or damaged.
    """
    images = Path(folder) / "Original Image Set"
    paths = sorted(images.glob("[0-9]*.jpg"), key=lambda path: natural_key(path.name))
    if not paths:
        raise DataError(f"{printable(images)}: no .jpg images; give the folder above it")
    stimuli = stimuli_of(paths)
    source = Path(folder) / "origfixdata.mat"
    content = load_matlab(source)
    sizes = list(zip(stimuli.height.tolist(), stimuli.width.tolist(), strict=True))
    fixated = []
    with parsing(source, "Toronto's fixations"):
        for i, path in enumerate(paths):
            fixation_map = content["white"][int(path.stem) - 1]
            if (shape := np.shape(fixation_map)) != sizes[i]:
                raise ValueError(f"the map of {path.name} is {shape}, the image {sizes[i]}")
            fixated.append(marked_pixels(i, fixation_map))
    return Dataset("Toronto", stimuli, fixations_of(fixated), notes=(UNORDERED,))
