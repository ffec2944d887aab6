"""Make AIM's packaged basis: independent components of patches of OSIE's images.

300 patches of 21×21 pixels are drawn from each of the 600 images (no fixation is used),
reduced to the principal components with 95% of their variance and unmixed by FastICA
(Hyvärinen 1999, IEEE Transactions on Neural Networks 10(3):626-634).

Usage: python scripts/package_aim_basis.py [FOLDER], default $DEEPGAZE2_DATA or
../shared/data. Prints the SHA-256 of the file. Takes about half a minute.
"""

import os
import sys
from pathlib import Path

import numpy as np
import safetensors.numpy
from numpy.typing import NDArray
from PIL import Image

from deepgaze2.image.image_files import image_files
from deepgaze2.support.files import sha256_of, written_atomically

_REPOSITORY = Path(__file__).resolve().parent.parent
_TARGET = _REPOSITORY / "src/deepgaze2/assets/rivals/aim_basis.safetensors"
_SIDE_PX = 21
_PATCHES_PER_IMAGE = 300
_VARIANCE_KEPT = 0.95
_SEED = 0
_MAX_STEPS = 1000
_TOLERANCE = 1e-5  # 1 - |cosine| between a component's directions before and after a step


def random_patches(paths: list[Path], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return patches (n, 21·21·3), flattened with the channels innermost."""
    patches = []
    for path in paths:
        with Image.open(path) as image:
            pixels = np.asarray(image.convert("RGB"))
        tops = rng.integers(0, pixels.shape[0] - _SIDE_PX + 1, _PATCHES_PER_IMAGE)
        lefts = rng.integers(0, pixels.shape[1] - _SIDE_PX + 1, _PATCHES_PER_IMAGE)
        for top, left in zip(tops, lefts, strict=True):
            patches.append(pixels[top : top + _SIDE_PX, left : left + _SIDE_PX].ravel())
    return np.stack(patches)


def whitening(patches: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return the matrix (k, 21·21·3) that whitens pixels in 0..1, of 95% of their variance."""
    mean = patches.mean(axis=0)
    covariance = np.zeros((patches.shape[1], patches.shape[1]))
    for start in range(0, len(patches), 5000):
        centered = patches[start : start + 5000] - mean
        covariance += centered.T @ centered
    covariance /= len(patches) * 255**2
    variances, directions = np.linalg.eigh(covariance)
    variances, directions = variances[::-1], directions[:, ::-1]
    share = np.cumsum(variances) / variances.sum()
    n_kept = int(np.searchsorted(share, _VARIANCE_KEPT)) + 1
    print(f"{n_kept} principal components have {share[n_kept - 1]:.4f} of the variance")
    return np.asarray(directions[:, :n_kept].T / np.sqrt(variances[:n_kept, None]))


def fast_ica(white: NDArray[np.floating], rng: np.random.Generator) -> NDArray[np.float64]:
    """Return the rotation (k, k) that makes white signals (n, k) independent.

    Symmetric FastICA with the contrast log cosh, whose derivative is tanh. Source i is
    `white @ rotation[i]`.
    """
    n_signals = white.shape[1]
    rotation = decorrelated(rng.standard_normal((n_signals, n_signals)))
    for _ in range(_MAX_STEPS):
        squashed = np.tanh(white @ rotation.T.astype(white.dtype))
        slope = 1 - (squashed**2).mean(axis=0, dtype=np.float64)
        update = (squashed.T @ white).astype(np.float64) / len(white)
        before, rotation = rotation, decorrelated(update - slope[:, None] * rotation)
        if np.max(1 - np.abs((before * rotation).sum(axis=1))) < _TOLERANCE:
            return rotation
    raise SystemExit(f"FastICA does not settle in {_MAX_STEPS} steps")


def decorrelated(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the orthogonal matrix nearest to a square one."""
    left, _, right = np.linalg.svd(matrix)
    return np.asarray(left @ right)


def main() -> None:
    """Write the basis and print its checksum."""
    default = os.environ.get("DEEPGAZE2_DATA", str(_REPOSITORY.parent / "shared" / "data"))
    data = Path(sys.argv[1] if len(sys.argv) > 1 else default)
    rng = np.random.default_rng(_SEED)
    patches = random_patches(image_files(data / "osie" / "stimuli"), rng)
    to_white = whitening(patches)
    blocks = np.array_split(patches, 40)
    white = np.concatenate([(block / 255 @ to_white.T).astype(np.float32) for block in blocks])
    white -= white.mean(axis=0)
    basis = fast_ica(white, rng) @ to_white
    filters = basis.reshape(len(basis), _SIDE_PX, _SIDE_PX, 3).astype(np.float16)
    with written_atomically(_TARGET) as temporary:
        temporary.write_bytes(safetensors.numpy.save({"basis": filters}))
    print(sha256_of(_TARGET), _TARGET.name, _TARGET.stat().st_size)


if __name__ == "__main__":
    main()
