"""Make the packaged center biases from the eye-tracking data beside the repository.

mit1003   Mean of 903 of MIT1003's blurred fixation maps (8-bit JPEG), each averaged down to
          the grid of the unit square and normalized to sum one, mixed with 1% uniform: the
          rounding to 8 bits loses up to about 4% of a map's mass, all of it where few looked.
osie      Gaussian kernel density estimate of the fixations on 600 OSIE images, first fixations
          dropped; bandwidth and uniform share by leave-one-image-out likelihood.
uniform   Constant.
gaussian  Gaussian at the image's center, its standard deviations along width and height those
          of mit1003 about the center, cut off at the borders.

Usage: python scripts/package_center_biases.py [FOLDER], default $DEEPGAZE2_DATA or
../shared/data. Prints the SHA-256 of each file.
"""

import os
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile

from deepgaze2.data import read_osie
from deepgaze2.density.center_bias import CenterBias, write_center_bias
from deepgaze2.references.baseline import GRID, center_bias_of, fit_center_bias
from deepgaze2.support.files import sha256_of

_REPOSITORY = Path(__file__).resolve().parent.parent
_ASSETS = _REPOSITORY / "src" / "deepgaze2" / "assets" / "center_biases"
_MIT1003_UNIFORM_SHARE = 0.01


def mit1003_density(folder: Path) -> NDArray[np.float64]:
    """Return the mean of the blurred fixation maps over the unit square."""
    ImageFile.LOAD_TRUNCATED_IMAGES = True  # one map lacks its last six bytes
    paths = sorted(folder.glob("*.jpg"))
    if not paths:
        raise SystemExit(f"{folder}: no fixation maps")
    density = np.zeros(GRID)
    for path in paths:
        with Image.open(path) as image:
            small = image.convert("F").resize((GRID[1], GRID[0]), Image.Resampling.BOX)
        values = np.asarray(small, dtype=np.float64)
        density += values / values.sum() / len(paths)
    return (1 - _MIT1003_UNIFORM_SHARE) * density + _MIT1003_UNIFORM_SHARE / density.size


def osie_center_bias(folder: Path) -> CenterBias:
    """Return the kernel density estimate of OSIE's fixations, and print its parameters."""
    dataset = read_osie(folder).without_first()
    fit = fit_center_bias(dataset)
    print(f"osie: bandwidth {fit.bandwidth:.4f}, uniform share {fit.uniform_share:.1e}")
    return center_bias_of(dataset, fit.bandwidth, fit.uniform_share, "osie")


def gaussian_log_density(density: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a Gaussian log density with the second moments of a density about the center."""
    log_density = np.zeros(GRID)
    for axis, n_cells in enumerate(GRID):
        from_center = (np.arange(n_cells) + 0.5) / n_cells - 0.5
        variance = float(density.sum(axis=1 - axis) @ from_center**2)
        print(f"gaussian: standard deviation {np.sqrt(variance):.4f} of axis {axis}")
        term = -(from_center**2) / (2 * variance)
        log_density += term[:, None] if axis == 0 else term
    return log_density - float(np.log(np.exp(log_density).sum()))


def main() -> None:
    """Write the four files and print their checksums."""
    default = os.environ.get("DEEPGAZE2_DATA", str(_REPOSITORY.parent / "shared" / "data"))
    data = Path(sys.argv[1] if len(sys.argv) > 1 else default)
    mit1003 = mit1003_density(data / "mit1003_fixation_maps")
    center_biases = [
        CenterBias("mit1003", np.log(mit1003).astype(np.float32)),
        osie_center_bias(data / "osie"),
        CenterBias("uniform", np.zeros((1, 1), dtype=np.float32)),
        CenterBias("gaussian", gaussian_log_density(mit1003).astype(np.float32)),
    ]
    for center_bias in center_biases:
        path = _ASSETS / f"{center_bias.name}.safetensors"
        write_center_bias(center_bias, path)
        print(sha256_of(path), path.name, path.stat().st_size)


if __name__ == "__main__":
    main()
