"""Toronto (Bruce, Tsotsos): 120 photos of 681×511, 20 observers, 4 s of free viewing.

Layout of http://www-sop.inria.fr/members/Neil.Bruce/eyetrackingdata.zip, folder
`eyetrackingdata/fixdens`: `Original Image Set/1.jpg` ... and `origfixdata.mat`, a map of fixated
pixels per image. Its folder `Raw` has listings by subject, but not in the images' coordinates.
"""

from pathlib import Path

from deepgaze2.data.dataset import Dataset
from deepgaze2.data.images import image_paths, stimuli_of
from deepgaze2.data.published.matlab import matlab_content
from deepgaze2.data.published.scanpaths import UNORDERED, fixations_of, marked_pixels


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
    paths = image_paths(Path(folder) / "Original Image Set", "[0-9]*.jpg")
    stimuli = stimuli_of(paths)
    with matlab_content(Path(folder) / "origfixdata.mat", "Toronto's fixations") as content:
        maps = [content["white"][int(path.stem) - 1] for path in paths]
        fixated = [marked_pixels(stimuli, i, marked) for i, marked in enumerate(maps)]
    return Dataset("Toronto", stimuli, fixations_of(fixated), notes=(UNORDERED,))
