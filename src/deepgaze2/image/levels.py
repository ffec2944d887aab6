"""Gray levels and channels of any depth as 8 bits.

Arrays mean what their type says. Files may hold fewer bits than their type has room for: cameras
write 10 or 12 bits into 16, and programs 8 into 32. What the file tells is believed, and so is a
brightest value that is just the largest of so many bits, as clipped highlights have it. An image
that is merely dark stays dark. Whatever is not sure is noted.
"""

import os
import re
import struct
import sys
from collections.abc import Callable
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile

from deepgaze2.errors import StimulusError

_DEPTHS = (8, 10, 12, 14)  # of sensors and screens; 16 is full
_DARK = 4096  # of 65535: below, they may be 12 bits or fewer
_BITS_PER_SAMPLE, _MAX_SAMPLE_VALUE = 258, 281
_OTHER_BYTE = {"L": "B", "B": "L", "N": "B" if sys.byteorder == "little" else "L"}


def eight_bit_array(values: NDArray[Any], label: str) -> NDArray[np.uint8]:
    """Scale an array of any accepted type to 0..255.

    Raises
    ------
    StimulusError
        If its type or range is another.
    """
    if values.dtype == np.uint8:
        return values
    if values.dtype == bool:
        return values.astype(np.uint8) * np.uint8(255)
    if values.dtype.kind == "f":
        lowest, highest = values.min(), values.max()
        if not (lowest >= 0 and highest <= 1):  # also where one is NaN
            raise StimulusError(
                f"{label}: float values must lie in 0..1, not {lowest:g}..{highest:g}; "
                "divide 8-bit values by 255 and replace NaN"
            )
        return np.rint(values * np.float32(255)).astype(np.uint8)
    if values.dtype.kind == "u" and values.dtype.itemsize == 2:  # of either byte order
        return ((values.astype(np.uint32) + 128) // 257).astype(np.uint8)
    raise StimulusError(
        f"{label}: {values.dtype} values have no fixed white; convert to uint8 (0..255), "
        "uint16 (0..65535) or float (0..1)"
    )


def eight_bit_image(
    image: Image.Image, label: str, reopen: Callable[[], ImageFile.ImageFile] | None = None
) -> tuple[Image.Image, tuple[str, ...]]:
    """Decode an image and scale what has more than 8 bits.

    Parameters
    ----------
    image : Pillow image
        Perhaps not decoded yet.
    label : str
        Its name for messages.
    reopen : callable, optional
        Returns the image once more, not decoded. Pillow keeps but the high bytes of colors of 16
        bits; if they are nearly empty, the low ones are read by this.

    Returns
    -------
    Pillow image
        The same if it had 8 bits.
    tuple of str
        Sentences that say what was assumed.

    Raises
    ------
    StimulusError
        If values have no fixed white.
    """
    told, deep = _told_bits(image), _is_deep_color(image)
    image.load()
    if image.mode == "F":
        return _from_floats(np.asarray(image), label)
    if image.mode.startswith("I"):
        values, wide = np.asarray(image), image.mode == "I"
        if wide and not (values.min() >= 0 and values.max() <= 65535):
            eight_bit_array(values, label)  # says why not
    elif deep and reopen and np.asarray(image)[..., :3].max() < 64:  # else 16 bits are in use
        high, wide = np.asarray(image).astype(np.uint16), False
        values = high * np.uint16(256) + _low_bytes(reopen())
    else:
        return image, ()
    if image.format == "PNG" and told and _is_scaled(values, told):
        told = 16
    return _from_integers(values, told, wide=wide)


def _from_floats(values: NDArray[np.float32], label: str) -> tuple[Image.Image, tuple[str, ...]]:
    # Brighter than half of 8 bits: beyond what an image of 0..1 overshoots by.
    if values.min() >= 0 and 128 <= values.max() <= 255:
        levels = np.rint(values).astype(np.uint8)
        return Image.fromarray(levels), ("floats of 0 to 255 are taken for 8 bits",)
    return Image.fromarray(eight_bit_array(values, label)), ()


def _from_integers(
    values: NDArray[Any], told: int | None, *, wide: bool
) -> tuple[Image.Image, tuple[str, ...]]:
    """Scale values of 0..65535; `wide` ones come in 32 bits. `told` bits are those of the file."""
    highest = int(values[..., :3].max() if values.ndim == 3 else values.max())
    if told and highest >= 2**told:
        told = None
    guess = next((bits for bits in _DEPTHS if highest == 2**bits - 1), 16)
    if wide and highest <= 255:  # black, were they 16 bits
        guess = 8
    bits, note = told or guess, ""
    if bits < 16 and told:
        note = f"{bits} bits, as the file tells, are scaled to 8"
    elif bits < 16:
        note = f"no value is over {highest}: taken for {bits} bits; if that is wrong, save it in 8"
    elif not told and 0 < highest < _DARK:
        note = (
            f"very dark: no value is over {highest} of 65535; if that is white, save it in 8 bits"
        )
    if bits == 16:
        levels = eight_bit_array(values.astype(np.uint16), "")
    else:
        white = 2**bits - 1
        levels = np.rint(np.minimum(values, white) * (255 / white)).astype(np.uint8)
    return Image.fromarray(levels), (note,) if note else ()


def _told_bits(image: Image.Image) -> int | None:
    """Return how many bits a file's values have, if it tells; to be asked before it is decoded."""
    if image.format in ("PPM", "JPEG2000"):
        return 16  # Pillow scales them
    if isinstance(image, TiffImageFile):
        depth, highest = (image.tag_v2.get(tag) for tag in (_BITS_PER_SAMPLE, _MAX_SAMPLE_VALUE))
        stored, white = (int(np.max(value)) if value else 0 for value in (depth, highest))
        if 8 < stored < 16:
            return stored
        # It may also be the brightest value that occurs, so others than these mean nothing.
        return next((bits for bits in (*_DEPTHS, 16) if white == 2**bits - 1 < 2**stored), None)
    if isinstance(image, PngImageFile) and image.fp is not None:
        return _significant_bits(image.fp)
    return None


def _significant_bits(stream: IO[bytes]) -> int | None:
    """Return what a PNG's chunk sBIT says; Pillow does not read it."""
    before, bits = stream.tell(), None
    stream.seek(8)
    while len(head := stream.read(8)) == 8:
        length, kind = struct.unpack(">I4s", head)
        if kind == b"sBIT" and 1 <= length <= 4:
            bits = max(stream.read(length)[:3])
        if kind in (b"sBIT", b"IDAT"):
            break
        stream.seek(length + 4, os.SEEK_CUR)
    stream.seek(before)
    return bits if bits and 8 <= bits <= 16 else None


def _is_scaled(values: NDArray[Any], bits: int) -> bool:
    """Tell whether values of fewer bits fill all 16, as PNG has them, not only the lowest ones.

    Of those that are scaled, as many of the lower bits are zero, or repeat the higher ones.
    """
    return bool(values.max() >= 2**bits or not (values % 2 ** (16 - bits)).any())


def _is_deep_color(image: Image.Image) -> bool:
    return any(re.fullmatch(r"RGB[AX]?;16[BLN]", mode) for mode in _raw_modes(image))


def _raw_modes(image: Image.Image) -> list[str]:
    """Return how an image's tiles are stored, before it is decoded."""
    arguments = [tile[3] for tile in getattr(image, "tile", [])]
    modes = [a[0] if isinstance(a, tuple) and a else a for a in arguments]
    return [mode for mode in modes if isinstance(mode, str)]


def _low_bytes(image: ImageFile.ImageFile) -> NDArray[np.uint8]:
    """Decode the low bytes of colors of 16 bits: the high ones of the other order of bytes."""
    image.tile = [
        tile._replace(args=(_swapped(tile[3][0]), *tile[3][1:]))
        if isinstance(tile[3], tuple)
        else tile._replace(args=_swapped(str(tile[3])))
        for tile in image.tile
    ]
    return np.asarray(image)


def _swapped(raw_mode: str) -> str:
    return raw_mode[:-1] + _OTHER_BYTE[raw_mode[-1]]
