"""One feature map on disk: an ordinary .npy file and a checksum behind it.

The layout: NumPy's .npy format, version 1.0, with a little-endian float16 array of shape
(channels, h, w), C order, at once followed by 8 bytes: `DG2F` and a CRC-32, little-endian. The
CRC runs over the last four parts of the file's path, joined by slashes, and then over the .npy
part, so that a file in another's place is found out as well as a damaged one. `np.load` ignores
what follows the array, so anybody can read the files, mapped into memory or not.

CRC-32 is for accidents, not for forgers. Of the checksums in Python's library it is the fastest
that finds all short bursts of wrong bits.
"""

import io
import math
import os
import struct
import zlib
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from deepgaze2.errors import DataError
from deepgaze2.support.files import written_atomically

_TRAILER = struct.Struct("<4sI")
_MAGIC = b"DG2F"
_NAME_PARTS = 4


def write_feature_map(path: Path, features: NDArray[np.float16]) -> None:
    """Write a (channels, h, w) array, whole or not at all.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    stream = io.BytesIO()
    np.save(stream, features.astype("<f2", copy=False))
    content = stream.getbuffer()
    with written_atomically(path) as temporary, temporary.open("wb") as file:
        file.write(content)
        file.write(_trailer(path, content))


def read_feature_map(path: Path) -> NDArray[np.float16]:
    """Read a file, which is faster than mapping it; see `verify` for what is raised."""
    known = verify(path)
    count, offset_bytes = math.prod(known.shape), known.offset_bytes
    return np.fromfile(path, "<f2", count, offset=offset_bytes).reshape(known.shape)


@dataclass(frozen=True)
class Verified:
    """A file as it was when its checksum was found to fit, and where its array lies in it."""

    state: tuple[int, int, int]
    shape: tuple[int, ...]
    offset_bytes: int


_verified: dict[Path, Verified] = {}


def verify(path: Path) -> Verified:
    """Check a file the first time that this process meets it, and again if it has changed.

    The first time its time stamp is set to now, as the time of its last use: file systems
    mostly do not note when a file is read.

    Raises
    ------
    DataError
        If the file is missing or damaged.
    """
    known = _verified.get(path)
    try:
        if known is None:
            with suppress(OSError):  # a cache that is not one's own can be read, too
                os.utime(path)
        state = _state(path)
        if known is None or known.state != state:
            known = _verified[path] = Verified(state, *_layout(path))
    except FileNotFoundError as error:
        raise DataError(
            f"{path}: is missing, though it was there; run this again to compute it anew"
        ) from error
    return known


def _state(path: Path) -> tuple[int, int, int]:
    status = path.stat()
    return status.st_ino, status.st_size, status.st_mtime_ns


def _layout(path: Path) -> tuple[tuple[int, ...], int]:
    """Return the array's shape and its offset in the file, once its checksum fits."""
    content = memoryview(path.read_bytes())
    if content[-_TRAILER.size :] != _trailer(path, content[: -_TRAILER.size]):
        raise DataError(
            f"{path}: is damaged (its checksum does not fit); run this again to compute it anew"
        )
    mapped = np.load(path, mmap_mode="r")
    return mapped.shape, mapped.offset


def _trailer(path: Path, content: memoryview) -> bytes:
    name = "/".join(path.parts[-_NAME_PARTS:])
    return _TRAILER.pack(_MAGIC, zlib.crc32(content, zlib.crc32(os.fsencode(name))))
