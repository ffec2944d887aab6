"""Center biases: where people look whatever the image, as a density over the unit square.

A center bias is stored as a small template and brought to each image's size by
interpolating its log density and normalizing again, so that it stays a density.
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from io import BytesIO
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import safetensors.numpy
from numpy.typing import ArrayLike, NDArray
from safetensors import SafetensorError

from deepgaze2.errors import CenterBiasError
from deepgaze2.readout.grid import between
from deepgaze2.support.files import ASSETS, written_atomically

PACKAGED = ("mit1003", "osie", "uniform", "gaussian")
"""Names that `load_center_bias` knows."""

_KEY = "log_density"
_SUFFIXES = (".npy", ".npz", ".safetensors")
_BLOCK_PIXELS = 1 << 16
_MAX_LOG_MASS = 0.01
ZERO = np.float32(-1e30)
"""Stands for log 0 while interpolating, since 0 times infinity is not a number."""


@dataclass(frozen=True, eq=False)
class CenterBias:
    """An image-independent density of fixations.

    Attributes
    ----------
    name : str
        A packaged name, the file's name, or `array`.
    template : float32 array (h, w)
        Log density in nats over h by w equal cells of the image; sums to one. Minus
        infinity where no fixation can fall.
    """

    name: str
    template: NDArray[np.float32]

    def log_density(self, height: int, width: int) -> NDArray[np.float32]:
        """Return the log density over the pixels of an image.

        The template's log density is interpolated bilinearly at the pixels' centers, with
        its edges replicated, and normalized. A pixel next to a cell of zero density is zero too.

        Parameters
        ----------
        height, width : int
            Size of the image in pixels.

        Returns
        -------
        float32 array (height, width)
            Nats; its exponential sums to one.

        Raises
        ------
        CenterBiasError
            If every pixel falls on or next to a cell of zero density.
        """
        cells = np.maximum(self.template, ZERO)
        columns = between(cells, *_positions(width, cells.shape[1]), axis=1)
        low, high, share = _positions(height, cells.shape[0])
        out = np.empty((height, width), dtype=np.float32)
        step = max(1, _BLOCK_PIXELS // width)
        blocks = [slice(start, start + step) for start in range(0, height, step)]
        for block in blocks:
            out[block] = between(columns, low[block], high[block], share[block], axis=0)
        largest = out.max()
        if largest < ZERO / 1e10:
            raise CenterBiasError(
                f"center bias {self.name}: no mass at {width} by {height} pixels;"
                " use one without so many cells of zero density"
            )
        mass = sum(float(np.exp(out[block] - largest).sum(dtype=np.float64)) for block in blocks)
        out -= np.float32(largest + np.log(mass))
        if np.isneginf(self.template).any():
            out[out < ZERO / 1e10] = -np.inf
        return out


def load_center_bias(source: str | Path | ArrayLike | CenterBias) -> CenterBias:
    """Return a packaged center bias by name, or the user's own from a file or an array.

    A file or array of any size is taken to span the whole image. If any of its values is
    negative it is a log density in nats and must sum to one over its cells (within 1%),
    otherwise it is a density and is normalized. Zero density is allowed in some cells, but
    a model with such a center bias gives fixations there a log density of minus infinity.

    Parameters
    ----------
    source : str, Path, array or CenterBias
        `mit1003`, `osie`, `uniform` or `gaussian`; a .npy file, a .npz file with one array
        or a .safetensors file from `write_center_bias`; an array (h, w). A CenterBias is
        returned as it is.

    Returns
    -------
    CenterBias
        Normalized over its template's cells.

    Raises
    ------
    CenterBiasError
        If the name is unknown, the file unreadable or the array not a density.
    """
    if isinstance(source, CenterBias):
        return source
    if isinstance(source, str) and source in PACKAGED:
        return _packaged(source)
    if isinstance(source, str | Path):
        path = Path(source)
        if isinstance(source, str) and not path.suffix and not path.exists():
            raise CenterBiasError(_unknown(source))
        return CenterBias(path.stem, _normalized(_read(path), str(path)))
    return CenterBias("array", _normalized(source, "center bias array"))


def write_center_bias(center_bias: CenterBias, path: str | Path) -> None:
    """Write a center bias to a .safetensors file that `load_center_bias` reads.

    Raises
    ------
    CenterBiasError
        If the path has another suffix.
    OutputError
        If the file cannot be written.
    """
    path = Path(path)
    if path.suffix != ".safetensors":
        raise CenterBiasError(f"{path}: center biases are written as .safetensors; rename it")
    content = safetensors.numpy.save({_KEY: center_bias.template})
    with written_atomically(path) as temporary:
        temporary.write_bytes(content)


def mean_center_bias(each: Sequence[CenterBias]) -> CenterBias:
    """Return the mean of densities over the same cells, each counting alike."""
    if len(each) == 1:
        return each[0]
    with np.errstate(divide="ignore"):
        mean = np.log(np.mean([np.exp(one.template, dtype=np.float64) for one in each], axis=0))
    return CenterBias(each[0].name, mean.astype(np.float32))


def _positions(
    n_pixels: int, n_cells: int
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float32]]:
    """Return, for each pixel's center, the cells on both sides and the share of the higher."""
    position = np.clip((np.arange(n_pixels) + 0.5) * n_cells / n_pixels - 0.5, 0, n_cells - 1)
    low = position.astype(np.intp)
    return low, np.minimum(low + 1, n_cells - 1), (position - low).astype(np.float32)


def _packaged(name: str) -> CenterBias:
    file = ASSETS / "center_biases" / f"{name}.safetensors"
    return CenterBias(name, safetensors.numpy.load(file.read_bytes())[_KEY])


def _unknown(name: str) -> str:
    nearest = get_close_matches(name.lower(), PACKAGED, n=1, cutoff=0)[0]
    known = ", ".join(PACKAGED)
    return f"center bias {name}: unknown; did you mean {nearest}? There are {known}, or give a file"


def _read(path: Path) -> NDArray[np.generic]:
    if path.suffix not in _SUFFIXES:
        raise CenterBiasError(f"{path}: not a center bias; give one of {', '.join(_SUFFIXES)}")
    try:
        content = path.read_bytes()
        if path.suffix == ".safetensors":
            arrays = list(safetensors.numpy.load(content).values())
        else:
            loaded = np.load(BytesIO(content), allow_pickle=False)
            arrays = [loaded] if isinstance(loaded, np.ndarray) else list(loaded.values())
    except OSError as error:
        raise CenterBiasError(f"{path}: cannot be read ({error.strerror}); check it") from error
    except (ValueError, EOFError, SafetensorError, BadZipFile, zlib.error) as error:
        raise CenterBiasError(f"{path}: damaged ({error}); save it again") from error
    if len(arrays) != 1:
        raise CenterBiasError(f"{path}: holds {len(arrays)} arrays; save the center bias alone")
    return arrays[0]


def _normalized(source: ArrayLike, name: str) -> NDArray[np.float32]:
    try:
        values = np.asarray(source).astype(np.float64, casting="same_kind")
    except (TypeError, ValueError) as error:
        raise CenterBiasError(f"{name}: not an array of real numbers; give a density") from error
    if values.ndim != 2 or values.size == 0:
        raise CenterBiasError(f"{name}: has shape {values.shape}; give a non-empty (h, w) array")
    if np.isnan(values).any() or np.isposinf(values).any():
        raise CenterBiasError(f"{name}: contains NaN or infinity; replace such values")
    if not values.any() or np.isneginf(values).all():
        raise CenterBiasError(f"{name}: has no mass; give a density that is positive somewhere")
    if not (values < 0).any():
        with np.errstate(divide="ignore"):
            values = np.log(values / values.max())
    elif abs(_log_mass(values)) > _MAX_LOG_MASS:
        raise CenterBiasError(
            f"{name}: has negative values but is no log density (the log of its"
            f" mass is {_log_mass(values):.3g}, not 0); subtract scipy.special.logsumexp of it"
        )
    return (values - _log_mass(values)).astype(np.float32)


def _log_mass(log_density: NDArray[np.float64]) -> float:
    largest = log_density.max()
    return float(largest + np.log(np.exp(log_density - largest).sum()))
