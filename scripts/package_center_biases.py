"""Make the packaged center biases from the eye-tracking data beside the repository.

mit1003   Gaussian kernel density estimate of the fixations on 903 images of MIT1003, first
          fixations dropped; bandwidth and uniform share by leave-one-image-out likelihood.
osie      The same of 600 images of OSIE.
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

from deepgaze2.data.sources import open_dataset
from deepgaze2.density.center_bias import CenterBias, write_center_bias
from deepgaze2.references.baseline import GRID, center_bias_of, fit_center_bias
from deepgaze2.support.files import sha256_of

_REPOSITORY = Path(__file__).resolve().parent.parent
_ASSETS = _REPOSITORY / "src" / "deepgaze2" / "assets" / "center_biases"


def fitted_center_bias(name: str, source: str) -> CenterBias:
    """Return the kernel density estimate of a data set's fixations, and print its parameters."""
    dataset = open_dataset(source)
    fit = fit_center_bias(dataset)
    print(f"{name}: bandwidth {fit.bandwidth:.4f}, uniform share {fit.uniform_share:.1e}")
    return center_bias_of(dataset, fit.bandwidth, fit.uniform_share, name)


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
    mit1003 = fitted_center_bias("mit1003", f"csv:{data / 'mit1003'}")
    density = np.exp(mit1003.template.astype(np.float64))
    center_biases = [
        mit1003,
        fitted_center_bias("osie", f"osie:{data / 'osie'}"),
        CenterBias("uniform", np.zeros((1, 1), dtype=np.float32)),
        CenterBias("gaussian", gaussian_log_density(density / density.sum()).astype(np.float32)),
    ]
    for center_bias in center_biases:
        path = _ASSETS / f"{center_bias.name}.safetensors"
        write_center_bias(center_bias, path)
        print(sha256_of(path), path.name, path.stat().st_size)


if __name__ == "__main__":
    main()
