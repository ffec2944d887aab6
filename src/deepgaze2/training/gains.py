"""How good readouts are on the images of their own part, which they have not seen."""

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray

from deepgaze2.training.fit import Fit
from deepgaze2.training.objective import Objective
from deepgaze2.training.stages import Stage
from deepgaze2.training.starts import Key, Starts


def gains_of_starts(
    stage: Stage, fits: Mapping[Key, Fit], starts: Starts
) -> dict[Key, NDArray[np.float64]]:
    """Return the gains of the parameters that readouts started from, before any pretraining.

    Parameters
    ----------
    stage, fits
        The fine-tuning.

    Returns
    -------
    dict of float64 array (n_images_of_the_part,)
        Bits per fixation over the center bias of the other parts.
    """
    run = stage.run
    objective = Objective(run.network, run.images.images, grid_block=run.settings.grid_block)
    gains = {}
    for row, (key, start) in enumerate(starts.items()):
        if np.array_equal(run.starts[row], start):
            gains[key] = fits[key].start_gains
            continue
        vector = torch.from_numpy(start)[None]
        gains[key] = np.array(
            [
                objective.information_gains(vector, i)[0]
                for i in np.flatnonzero(run.images.held_out[row]).tolist()
            ]
        )
    return gains


def gains_by_image(
    gains: Mapping[Key, NDArray[np.float64]], folds: NDArray[np.intp]
) -> NDArray[np.float64]:
    """Return each image's gain by the readouts of its own part, the mean over seeds: (n_images,).

    It is NaN for images of parts without readouts.

    Parameters
    ----------
    gains
        Gains of the images of a part, by part and seed.
    folds
        (n_images,) the part of each image.
    """
    n_seeds = len({s for _, s in gains})
    found = np.full(len(folds), np.nan)
    for k in range(len(gains) // n_seeds):
        found[folds == k] = np.mean([gains[k, s] for s in range(n_seeds)], axis=0)
    return found
