"""Stimuli: an image from a file, Pillow or NumPy becomes 8-bit sRGB pixels."""

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageFile
from PIL.JpegImagePlugin import JpegImageFile

from deepgaze2.errors import ImageSizeError, StimulusError
from deepgaze2.image.color_profile import in_srgb
from deepgaze2.image.formats import open_image
from deepgaze2.image.levels import eight_bit_array, eight_bit_image

# The network sees at most 2048 px: pixels beyond this would only cost memory.
_HELD_PIXELS = 64_000_000

_UPRIGHT = {  # by EXIF orientation; those from 5 on swap width and height
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


@dataclass(frozen=True, eq=False)
class Stimulus:
    """An image as it is shown to an observer.

    Attributes
    ----------
    pixels : uint8 array, shape (h, w, 3)
        sRGB. (h, w) is (height, width), except for images over 64 megapixels, whose
        pixels are averaged over blocks of 2×2, 4×4, … until they are below that.
    width, height : int
        Size of the whole image in pixels, upright.
    name : str
        File name for messages and titles, always printable; `"array"` or `"image"` without one.
    notes : tuple of str
        What reading it assumed or converted.
    """

    pixels: NDArray[np.uint8]
    width: int
    height: int
    name: str
    notes: tuple[str, ...] = ()


def read_stimulus(
    source: str | os.PathLike[str] | bytes | Image.Image | NDArray[Any],
    *,
    max_pixels: int = 500_000_000,
    to_srgb: bool = False,
) -> Stimulus:
    """Read an image from a file, a file's bytes, a Pillow image or an array.

    Gray is repeated to three channels, transparency is composited on white, CMYK and
    palettes are converted, 16 bits are scaled to 8, EXIF orientation is applied. Of an
    animation or a multi-page file the first picture is read. Files of 10 or 12 bits in 16, and of
    8 bits in 32, are noticed, see `levels.py`. JPEGs over 64 megapixels are decoded reduced, so
    their memory stays bounded.

    Parameters
    ----------
    source : path, bytes, Pillow image or array
        Bytes are what a file of one of the formats in `formats.FORMATS` contains.
        Arrays have shape (height, width) or (height, width, 1, 3 or 4), the fourth channel
        being opacity, and are uint8, uint16 (0..65535), float (0..1) or bool (black, white).
    max_pixels : int
        Images with more pixels are refused before they are decoded. Formats other than
        JPEG and PNG end earlier, at Pillow's own limit (179 megapixels unless changed).
    to_srgb : bool
        Whether a color profile other than sRGB's is converted, as photos are shown. The images of
        data sets are not: programs of experiments send their numbers to the screen.

    Raises
    ------
    StimulusError
        If the source is missing, damaged, of an unknown format (ImageFormatError), too large
        (ImageSizeError), or an array of another shape, type or range.
    """
    if isinstance(source, bytes):
        return _decode(BytesIO(source), "image", max_pixels, to_srgb, only_listed=True)
    if isinstance(source, np.ndarray):
        _check_shape(source)
        height, width = source.shape[:2]
        _check_size((width, height), "array", max_pixels)
        if source.dtype == np.uint8 and source.shape[2:] == (3,) and _reduction(width, height) == 1:
            return Stimulus(np.array(source, order="C"), width, height, "array")
        gray_or_color = source[:, :, 0] if source.shape[2:] == (1,) else source
        image = Image.fromarray(eight_bit_array(gray_or_color, "array"))
        return _stimulus(image, "array", to_srgb)
    if isinstance(source, Image.Image):
        label = printable(getattr(source, "filename", "") or "image")
        _check_size(source.size, label, max_pixels)
        with _explained(label):
            return _stimulus(source, label, to_srgb)
    if isinstance(source, str | os.PathLike):
        with _opened(Path(source)) as stream:
            return _decode(stream, printable(source), max_pixels, to_srgb)
    raise StimulusError(
        f"{type(source).__name__}: is not an image; give a path, a Pillow image or a NumPy array"
    )


def printable(path: str | os.PathLike[str]) -> str:
    r"""Return a path with line breaks and bytes that are no text as escapes such as `\udce9`."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in os.fsdecode(path))


def upright_size(path: Path) -> tuple[int, int]:
    """Return the width and height that `read_stimulus` finds, from an image's header.

    Raises
    ------
    StimulusError
        If it is missing or not an image.
    """
    label = printable(path)
    with _opened(path) as stream, _explained(label):
        image = open_image(stream, label, only_listed=False)
        width, height = image.size
        return (height, width) if _orientation(image) >= 5 else (width, height)


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    label = printable(path)
    try:
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):  # opening a pipe would wait forever
            kind = "a folder" if stat.S_ISDIR(mode) else "not a regular file"
            raise StimulusError(f"{label}: is {kind}; give an image file")
        stream = path.open("rb")
    except (FileNotFoundError, NotADirectoryError) as error:
        raise StimulusError(f"{label}: does not exist; check the path") from error
    except OSError as error:
        raise StimulusError(
            f"{label}: cannot be opened ({error.strerror}); check its permissions"
        ) from error
    with stream:
        yield stream


def _decode(
    stream: IO[bytes],
    label: str,
    max_pixels: int,
    to_srgb: bool,
    *,
    only_listed: bool = False,
) -> Stimulus:
    """Decode what an image file contains; `only_listed` as in `open_image`."""
    with _explained(label):
        reopen = partial(open_image, stream, label, only_listed=only_listed)
        image = reopen()
        whole = image.size
        _check_size(whole, label, max_pixels)
        if isinstance(image, JpegImageFile):
            factor = _reduction(*whole)
            image.draft(None, (whole[0] // factor, whole[1] // factor))
        return _stimulus(image, label, to_srgb, whole=whole, reopen=reopen)


@contextmanager
def _explained(label: str) -> Iterator[None]:
    """Turn whatever a decoder raises into a StimulusError."""
    try:
        yield
    except StimulusError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageSizeError(
            f"{label}: is over Pillow's size limit for this format; save it as JPEG or PNG"
        ) from error
    except MemoryError as error:
        raise ImageSizeError(f"{label}: does not fit in memory; save it smaller") from error
    except Exception as error:  # decoders raise all kinds for damaged files
        reason = " ".join(str(error).split())
        raise StimulusError(
            f"{label}: is damaged or incomplete ({reason}); copy it again or save it anew"
        ) from error


def _stimulus(
    image: Image.Image,
    label: str,
    to_srgb: bool,
    whole: tuple[int, int] | None = None,
    reopen: Callable[[], ImageFile.ImageFile] | None = None,
) -> Stimulus:
    """Decode; `whole` is the (width, height) of what `image` may be a reduced draft of."""
    shallow, notes = eight_bit_image(image, label, reopen)
    width, height = whole or image.size
    profile = image.info.get("icc_profile") if to_srgb else None
    rgb, converted = _rgb(shallow, profile)
    drafted = round(width / image.width)
    if (factor := _reduction(width, height) // drafted) > 1:
        rgb = rgb.reduce(factor)
    orientation = _orientation(image)
    if orientation in _UPRIGHT:
        rgb = rgb.transpose(_UPRIGHT[orientation])
    if orientation >= 5:
        width, height = height, width
    return Stimulus(np.asarray(rgb), width, height, Path(label).name, notes + converted)


def _reduction(width: int, height: int) -> int:
    factor = 1
    while width * height > _HELD_PIXELS * factor**2:
        factor *= 2
    return factor


def _rgb(image: Image.Image, profile: bytes | None) -> tuple[Image.Image, tuple[str, ...]]:
    """Return colors on white, converted to sRGB if there is a profile, and what is to be said."""
    notes: tuple[str, ...] = ()
    rgba = image.convert("RGBA") if image.has_transparency_data else None
    opaque = rgba.convert("RGB") if rgba and profile else image
    if profile:
        opaque, notes = in_srgb(opaque, profile)
    if rgba:
        white = Image.new("RGB", rgba.size, "white")
        white.paste(opaque if profile else rgba, mask=rgba)
        return white, notes
    return opaque if opaque.mode == "RGB" else opaque.convert("RGB"), notes


def _orientation(image: Image.Image) -> int:
    """Return the EXIF orientation 1..8; of a damaged or missing EXIF block, 1 (upright)."""
    try:
        orientation = image.getexif().get(ExifTags.Base.Orientation)
        return orientation if orientation in _UPRIGHT else 1
    except Exception:  # the picture itself is sound
        return 1


def _check_shape(array: NDArray[Any]) -> None:
    if array.size == 0 or array.ndim not in (2, 3) or array.shape[2:] not in ((), (1,), (3,), (4,)):
        raise StimulusError(
            f"array: shape {array.shape} is not an image's; "
            "give (height, width) or (height, width, 1, 3 or 4)"
        )


def _check_size(size: tuple[int, int], label: str, max_pixels: int) -> None:
    width, height = size
    if width * height > max_pixels:
        raise ImageSizeError(
            f"{label}: {width} x {height} pixels are over the limit of {max_pixels}; "
            "save it smaller or raise max_pixels"
        )
