"""CAT2000 (Borji, Itti 2015): 2000 images of 1920×1080 in 20 categories, 18 observers, 5 s each.

Layout of http://saliency.mit.edu/trainSet.zip: `Stimuli/<category>/001.jpg` and
`FIXATIONLOCS/<category>/001.mat`, a map of fixated pixels. Its `allFixData.mat`, which also
knows subjects and order, holds an object that only Matlab can read.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from deepgaze2.data.dataset import Dataset
from deepgaze2.data.images import stimuli_of
from deepgaze2.data.published.matlab import load_matlab, parsing
from deepgaze2.data.published.scanpaths import UNORDERED, fixations_of, marked_pixels
from deepgaze2.errors import DataError
from deepgaze2.image.image_files import natural_key
from deepgaze2.image.stimulus import printable
from deepgaze2.support.progress import tracked


def read_cat2000(folder: str | Path) -> Dataset:
    """Read CAT2000's training images and the maps of fixated pixels.

    Subjects and order are lost, and fixations at the same pixel count once: there are fewer than
    the 672053 in `allFixData.mat`; a file of the set that pysaliency wrote has those, see
    `read_pysaliency`. EXIF orientation is ignored.

    Parameters
    ----------
    folder : str or Path
        Contains `Stimuli` and `FIXATIONLOCS`.

    Returns
    -------
    Dataset
        Stimuli in natural order, called `<category>/<file>`; all fixations are of subject 0, and
        their order says nothing.

    Raises
    ------
    DataError
        If images or maps are missing or damaged.
    """
    images, maps = Path(folder) / "Stimuli", Path(folder) / "FIXATIONLOCS"
    names = sorted(
        (
            path.relative_to(images).as_posix()
            for path in images.glob("[!.]*/[!.]*.jpg")
            if path.parent.name != "Output" and not path.stem.endswith("_SaliencyMap")
        ),
        key=natural_key,
    )
    if not names:
        raise DataError(f"{printable(images)}: no .jpg images; give the folder above Stimuli")
    if not maps.is_dir():
        raise DataError(
            f"{printable(maps)}: missing; give the folder of the training images, `trainSet`"
            " (fixations on the test images are private)"
        )
    stimuli = replace(stimuli_of([images / name for name in names]), ids=tuple(names))
    sizes = zip(stimuli.height.tolist(), stimuli.width.tolist(), strict=True)
    fixated = [
        marked_pixels(i, _read_map((maps / names[i]).with_suffix(".mat"), size))
        for i, size in enumerate(tracked(sizes, "reading", len(names), delay_s=2))
    ]
    return Dataset("CAT2000", stimuli, fixations_of(fixated), notes=(UNORDERED,))


def _read_map(path: Path, size: tuple[int, int]) -> NDArray[np.generic]:
    content = load_matlab(path)
    with parsing(path, "a map of fixated pixels"):
        (fixation_map,) = content.values()
        if np.shape(fixation_map) != size:
            raise ValueError(f"its shape is {np.shape(fixation_map)}, the image's {size}")
        return np.asarray(fixation_map)
