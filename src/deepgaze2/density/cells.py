"""A prediction in two layers on a coarse grid, which a web page can mix by itself.

The saliency is what the image adds to the center bias, in nats: the density with the center bias
weighted by `a` is softmax(log_saliency + a · log_center_bias) over the cells.
"""

import base64
import math

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from deepgaze2.density.fixation_density import FixationDensity

_MAX_CELLS = 512  # on the longer side; of a page as many in all as a square has
_BLOCK_PIXELS = 1 << 20


def layers(prediction: FixationDensity) -> dict[str, object]:
    """Return a prediction's layers, ready for JSON.

    Returns
    -------
    dict
        `log_center_bias` is the log of the center bias's mass in each cell and `log_saliency`
        the log of the prediction's mass over it: little-endian float32, row by row, in base64.
        Where the center bias has no mass, the first is the lowest number of float32 and the
        second is 0.
    """
    width, height = prediction.width, prediction.height
    longer = math.sqrt(width * height) if prediction.scrolling else max(width, height)
    cells = min(longer, _MAX_CELLS)
    columns, rows = (max(1, round(side * cells / longer)) for side in (width, height))
    center_bias = prediction.center_bias.log_density(height, width)
    with np.errstate(divide="ignore", invalid="ignore"):
        log_center_bias = np.log(cell_masses(center_bias, rows, columns))
        log_mass = np.log(cell_masses(prediction.log_density, rows, columns))
        log_saliency = np.where(np.isfinite(log_center_bias), log_mass - log_center_bias, 0)
    lowest = np.finfo(np.float32).min
    network_width, network_height = prediction.network_input_size
    return {
        "model": prediction.model,
        "width": width,
        "height": height,
        "grid_width": columns,
        "grid_height": rows,
        "log_saliency": _base64(np.maximum(log_saliency, lowest)),
        "log_center_bias": _base64(np.maximum(log_center_bias, lowest)),
        "center_bias": prediction.center_bias.name,
        "network_input_size": [network_width, network_height],
        "viewport": prediction.viewport,
        "notes": prediction.all_notes,
    }


def cell_masses(log_density: NDArray[np.float32], rows: int, columns: int) -> NDArray[np.float64]:
    """Return a density's mass in each cell of a coarser grid, (rows, columns).

    Cells are equally large; a pixel that lies in several counts in each by its covered area.

    Parameters
    ----------
    log_density : array (H, W)
        Nats.
    """
    height, width = log_density.shape
    down, across = _coverage(height, rows), _coverage(width, columns)
    masses = np.zeros((rows, columns))
    step = max(1, _BLOCK_PIXELS // width)
    for start in range(0, height, step):
        block = np.exp(log_density[start : start + step], dtype=np.float64)
        masses += down[:, start : start + step] @ (across @ block.T).T
    return masses


def _coverage(pixels: int, cells: int) -> csr_array:
    """Return the (cells, pixels) matrix of which share of each pixel lies in each cell."""
    edges = np.arange(cells + 1) * pixels / cells
    first = np.floor(edges[:-1]).astype(np.intp)
    per_cell = int(np.ceil(pixels / cells)) + 1  # pixels that a cell can touch
    pixel = first[:, None] + np.arange(per_cell)
    share = np.minimum(pixel + 1, edges[1:, None]) - np.maximum(pixel, edges[:-1, None])
    cell, offset = np.nonzero((share > 0) & (pixel < pixels))
    return csr_array((share[cell, offset], (cell, pixel[cell, offset])), shape=(cells, pixels))


def _base64(values: NDArray[np.float64]) -> str:
    return base64.b64encode(values.astype("<f4").tobytes()).decode()
