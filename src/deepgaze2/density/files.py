"""Predictions as files: pictures, arrays and a summary in numbers."""

import io
import json
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
from PIL import Image

from deepgaze2.density.fixation_density import FixationDensity
from deepgaze2.density.plot import members, overlay, panel
from deepgaze2.errors import OutputError
from deepgaze2.image.stimulus import printable
from deepgaze2.support.files import written_atomically

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_UNIT = "nats; the exponential sums to one over the pixels"
_COMPRESS_LEVEL = 3  # of PNG: 9 takes several times as long for a tenth less
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time a zip file can hold


def save(prediction: FixationDensity, path: Path) -> None:
    """Write a prediction in the format that the path's suffix names.

    See `Prediction.save`. `.npz` and `.h5` hold `log_density` and the entries of `metadata`,
    the latter as attributes in `.h5`; `.json` holds `summary`.

    Raises
    ------
    OutputError
        If the suffix is unknown or the file cannot be written.
    """
    write = _WRITERS.get(path.suffix.lower())
    if write is None:
        raise OutputError(
            f"{path}: unknown format {path.suffix!r}; choose one of {', '.join(_WRITERS)}"
        )
    with written_atomically(path) as temporary, temporary.open("wb") as stream:
        write(prediction, stream)


def encoded(prediction: FixationDensity, suffix: str) -> bytes:
    """Return what `save` writes to a file of this suffix, for example `.npy`."""
    stream = io.BytesIO()
    _WRITERS[suffix](prediction, stream)
    return stream.getvalue()


def save_panel(prediction: FixationDensity, path: Path, n_samples: int, seed: int | None) -> None:
    """Write `plot.panel` as a .png file.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    _save_figure(panel(prediction, n_samples, seed), path)


def save_members(predictions: Sequence[FixationDensity], path: Path) -> None:
    """Write `plot.members` as a .png file.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    _save_figure(members(predictions), path)


def _save_figure(figure: "Figure", path: Path) -> None:
    encoded = io.BytesIO()
    figure.savefig(encoded, format="png", pil_kwargs={"compress_level": _COMPRESS_LEVEL})
    with written_atomically(path) as temporary:
        temporary.write_bytes(encoded.getbuffer())


def metadata(prediction: FixationDensity) -> dict[str, str | int]:
    """Return what a file says of its log density: the image, model, center bias and unit.

    The viewport is `none` for an image that was seen at once; `scroll` are the percentages of
    viewers who see each screenful.
    """
    network_width, network_height = prediction.network_input_size
    page = prediction.scrolling
    return {
        "image": prediction.stimulus.name,
        "width": prediction.width,
        "height": prediction.height,
        "model": prediction.model,
        "center_bias": printable(prediction.center_bias.name),
        "network_input_width": network_width,
        "network_input_height": network_height,
        "viewport": prediction.viewport,
        "scroll": ",".join(f"{100 * share:.3g}" for share in page.shares) if page else "100",
        "unit": _UNIT,
    }


def summary(prediction: FixationDensity) -> dict[str, object]:
    """Return the prediction in a few numbers, ready for JSON.

    Returns
    -------
    dict
        The entries of `metadata` and:

        - `peak`: center of the most likely pixel, x and y in pixels;
        - `entropy_bits`: how spread out the density is, at most log2 of the number of pixels;
        - `bits_above_center_bias`: information gain per fixation over the center bias if
          people looked exactly as predicted (Kullback-Leibler divergence);
        - `contours`: for each of the three contours that cut the mass in four, the share of
          fixations and of the image's area that it encloses, and its log density in nats;
        - `notes`: what was assumed, guessed or is doubtful, in words.
    """
    log_density = prediction.log_density
    center_bias = prediction.center_bias.log_density(*log_density.shape)
    entropy = gain = 0.0
    for row, row_center_bias in zip(log_density, center_bias, strict=True):
        possible = np.isfinite(row)
        log_p = row[possible].astype(np.float64)
        p = np.exp(log_p)
        entropy -= float(p @ log_p)
        gain += float(p @ (log_p - row_center_bias[possible]))
    peak_y, peak_x = np.unravel_index(np.argmax(log_density), log_density.shape)
    levels = prediction.contour_levels()[::-1]
    contours = [
        {
            "share_of_fixations": (k + 1) / (len(levels) + 1),
            "share_of_area": float((log_density >= level).mean()),
            "log_density": float(level),
        }
        for k, level in enumerate(levels)
    ]
    return {
        **metadata(prediction),
        "peak": {"x": int(peak_x) + 0.5, "y": int(peak_y) + 0.5},
        "entropy_bits": entropy / np.log(2),
        "bits_above_center_bias": gain / np.log(2),
        "contours": contours,
        "notes": prediction.all_notes,
    }


def _write_png(prediction: FixationDensity, stream: BinaryIO) -> None:
    encoded = io.BytesIO()  # Pillow, writing to a file, hides the reason when a disk is full
    picture = Image.fromarray(overlay(prediction))
    picture.save(encoded, format="PNG", compress_level=_COMPRESS_LEVEL)
    stream.write(encoded.getbuffer())


def _write_jpeg(prediction: FixationDensity, stream: BinaryIO) -> None:
    encoded = io.BytesIO()
    Image.fromarray(overlay(prediction)).save(encoded, format="JPEG", quality=90)
    stream.write(encoded.getbuffer())


def _write_npy(prediction: FixationDensity, stream: BinaryIO) -> None:
    np.save(stream, prediction.log_density, allow_pickle=False)


def _write_npz(prediction: FixationDensity, stream: BinaryIO) -> None:
    arrays = {"log_density": prediction.log_density, **metadata(prediction)}
    with zipfile.ZipFile(stream, "w") as archive:
        for key, value in arrays.items():  # np.savez would store the time of writing
            entry = zipfile.ZipInfo(f"{key}.npy", _EPOCH)
            with archive.open(entry, "w", force_zip64=True) as member:
                np.lib.format.write_array(member, np.asanyarray(value), allow_pickle=False)


def _write_h5(prediction: FixationDensity, stream: BinaryIO) -> None:
    import h5py

    encoded = io.BytesIO()  # HDF5 cannot close a file on a full disk
    with h5py.File(encoded, "w") as file:
        dataset = file.create_dataset(
            "log_density",
            data=prediction.log_density,
            compression="gzip",
            shuffle=True,
            track_times=False,
        )
        dataset.attrs.update(metadata(prediction))
    stream.write(encoded.getbuffer())


def _write_tiff(prediction: FixationDensity, stream: BinaryIO) -> None:
    encoded = io.BytesIO()
    Image.fromarray(prediction.log_density).save(encoded, format="TIFF")
    stream.write(encoded.getbuffer())


def _write_json(prediction: FixationDensity, stream: BinaryIO) -> None:
    text = json.dumps(summary(prediction), indent=2, ensure_ascii=False, allow_nan=False)
    stream.write(f"{text}\n".encode())


_WRITERS: dict[str, Callable[[FixationDensity, BinaryIO], None]] = {
    ".png": _write_png,
    ".jpg": _write_jpeg,
    ".jpeg": _write_jpeg,
    ".npy": _write_npy,
    ".npz": _write_npz,
    ".h5": _write_h5,
    ".hdf5": _write_h5,
    ".tiff": _write_tiff,
    ".tif": _write_tiff,
    ".json": _write_json,
}
