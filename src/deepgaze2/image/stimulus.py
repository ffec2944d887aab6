"""Stimuli: an image from a file, Pillow or NumPy becomes 8-bit sRGB pixels."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, UnidentifiedImageError
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile

from deepgaze2.errors import ImageFormatError, ImageSizeError, StimulusError

# The network sees at most 2048 px: pixels beyond this would only cost memory.
_HELD_PIXELS = 64_000_000

# Bytes may come from anybody. Of Pillow's formats some start other programs (EPS) or are read by
# code that nobody tends; these are the ones that photos and screenshots have.
_FORMATS_OF_BYTES = ("BMP", "GIF", "JPEG", "JPEG2000", "PNG", "PPM", "TIFF", "WEBP")

_HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx")

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
    """

    pixels: NDArray[np.uint8]
    width: int
    height: int
    name: str


def read_stimulus(
    source: str | os.PathLike[str] | bytes | Image.Image | NDArray[Any],
    *,
    max_pixels: int = 500_000_000,
) -> Stimulus:
    """Read an image from a file, a file's bytes, a Pillow image or an array.

    Gray is repeated to three channels, transparency is composited on white, CMYK and
    palettes are converted, 16 bits are scaled to 8, EXIF orientation is applied. Of an
    animation or a multi-page file the first picture is read. Color profiles are ignored.
    JPEGs over 64 megapixels are decoded reduced, so their memory stays bounded.

    Parameters
    ----------
    source : path, bytes, Pillow image or array
        Bytes are what a BMP, GIF, JPEG, JPEG 2000, PNG, PPM, TIFF or WebP file contains.
        Arrays have shape (height, width) or (height, width, 1, 3 or 4), the fourth channel
        being opacity, and are uint8, uint16 (0..65535), float (0..1) or bool (black, white).
    max_pixels : int
        Images with more pixels are refused before they are decoded. Formats other than
        JPEG and PNG end earlier, at Pillow's own limit (179 megapixels unless changed).

    Raises
    ------
    StimulusError
        If the source is missing, damaged, of an unknown format (ImageFormatError), too large
        (ImageSizeError), or an array of another shape, type or range.
    """
    if isinstance(source, bytes):
        return _decode(BytesIO(source), "image", max_pixels, _FORMATS_OF_BYTES)
    if isinstance(source, np.ndarray):
        _check_shape(source)
        _check_size((source.shape[1], source.shape[0]), "array", max_pixels)
        gray_or_color = source[:, :, 0] if source.shape[2:] == (1,) else source
        image = Image.fromarray(_eight_bit(gray_or_color, "array"))
        return _stimulus(image, "array")
    if isinstance(source, Image.Image):
        label = printable(getattr(source, "filename", "") or "image")
        _check_size(source.size, label, max_pixels)
        with _explained(label):
            return _stimulus(source, label)
    if isinstance(source, str | os.PathLike):
        return _read_file(Path(source), max_pixels)
    raise StimulusError(
        f"{type(source).__name__}: is not an image; give a path, a Pillow image or a NumPy array"
    )


def printable(path: str | os.PathLike[str]) -> str:
    r"""Return a path with line breaks and bytes that are no text as escapes such as `\udce9`."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in os.fsdecode(path))


def _read_file(path: Path, max_pixels: int) -> Stimulus:
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
        return _decode(stream, label, max_pixels)


def _decode(
    stream: IO[bytes], label: str, max_pixels: int, formats: tuple[str, ...] | None = None
) -> Stimulus:
    """Decode what an image file contains; `formats` are those beside JPEG and PNG, all if None."""
    with _explained(label):
        image = _opened(stream, label, formats)
        width, height = image.size
        _check_size(image.size, label, max_pixels)
        if isinstance(image, JpegImageFile):
            factor = _reduction(width, height)
            image.draft(None, (width // factor, height // factor))
            return _stimulus(image, label, whole=(width, height))
        return _stimulus(image, label)


def _opened(stream: IO[bytes], label: str, formats: tuple[str, ...] | None) -> Image.Image:
    """Read an image's header.

    `Image.open` warns above and refuses far above `Image.MAX_IMAGE_PIXELS`. That limit, like
    the filters of `warnings`, belongs to the whole process, and changing either for a
    moment would reach other threads. The classes behind `Image.open` do not look at it, so the
    two formats of very large photographs are opened by their class, under `max_pixels` alone.
    """
    if not stream.read(1):
        raise StimulusError(f"{label}: is empty; copy or download it again")
    for opened_as in (JpegImageFile, PngImageFile):
        stream.seek(0)
        with suppress(SyntaxError):  # how Pillow says: not this format
            return opened_as(stream)
    try:
        return Image.open(stream, formats=formats)
    except UnidentifiedImageError as error:
        stream.seek(4)
        is_heic = stream.read(4) == b"ftyp" and stream.read(4) in _HEIC_BRANDS
        problem = (
            "is in the HEIC format, which cannot be read; convert it to"
            if is_heic
            else "is not an image of a known format, or its beginning is damaged; save it anew as"
        )
        raise ImageFormatError(f"{label}: {problem} JPEG or PNG") from error


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


def _stimulus(image: Image.Image, label: str, whole: tuple[int, int] | None = None) -> Stimulus:
    """Decode; `whole` is the (width, height) of what `image` is a reduced draft of."""
    image.load()
    width, height = whole or image.size
    rgb = _rgb(image, label)
    drafted = round(width / image.width)
    if (factor := _reduction(width, height) // drafted) > 1:
        rgb = rgb.reduce(factor)
    orientation = _orientation(image)
    if orientation in _UPRIGHT:
        rgb = rgb.transpose(_UPRIGHT[orientation])
    if orientation >= 5:
        width, height = height, width
    return Stimulus(np.asarray(rgb), width, height, Path(label).name)


def _reduction(width: int, height: int) -> int:
    factor = 1
    while width * height > _HELD_PIXELS * factor**2:
        factor *= 2
    return factor


def _rgb(image: Image.Image, label: str) -> Image.Image:
    if image.mode == "F" or image.mode.startswith("I"):
        values = np.asarray(image)
        if image.mode == "I" and values.min() >= 0 and values.max() <= 65535:
            values = values.astype(np.uint16)  # what some files hold in 32 bits
        return Image.fromarray(_eight_bit(values, label)).convert("RGB")
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        white = Image.new("RGB", rgba.size, "white")
        white.paste(rgba, mask=rgba)
        return white
    return image if image.mode == "RGB" else image.convert("RGB")


def _orientation(image: Image.Image) -> int:
    """Return the EXIF orientation 1..8; of a damaged or missing EXIF block, 1 (upright)."""
    try:
        orientation = image.getexif().get(ExifTags.Base.Orientation)
        return orientation if orientation in _UPRIGHT else 1
    except Exception:  # the picture itself is sound
        return 1


def _eight_bit(values: NDArray[Any], label: str) -> NDArray[np.uint8]:
    """Scale gray levels or channels of any accepted type to 0..255."""
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
