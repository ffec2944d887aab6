"""The formats of images that are read: one list for folders, tables and the server.

Files that users name themselves are read in whatever else Pillow knows, too.
"""

from contextlib import suppress
from typing import IO

from PIL import Image, ImageFile, UnidentifiedImageError
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile

from deepgaze2.errors import ImageFormatError, StimulusError

# By Pillow's name, with the suffixes of their files. MPO is what phones and stereo cameras write:
# several JPEGs in one file, of which the first is the photo.
FORMATS = {
    "AVIF": (".avif",),
    "BMP": (".bmp",),
    "GIF": (".gif",),
    "HEIF": (".heic", ".heif", ".hif"),
    "JPEG": (".jfif", ".jpe", ".jpeg", ".jpg", ".mpo"),
    "JPEG2000": (".jp2",),
    "PNG": (".png",),
    "PPM": (".pgm", ".ppm"),
    "TIFF": (".tif", ".tiff"),
    "WEBP": (".webp",),
}
SUFFIXES = tuple(suffix for suffixes in FORMATS.values() for suffix in suffixes)
IN_WORDS = "AVIF, BMP, GIF, HEIC, JPEG (or MPO), JPEG 2000, PNG, PPM, TIFF or WebP"

_HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")


def open_image(stream: IO[bytes], label: str, *, only_listed: bool) -> ImageFile.ImageFile:
    """Read an image's header.

    `Image.open` warns above and refuses far above `Image.MAX_IMAGE_PIXELS`. That limit, like
    the filters of `warnings`, belongs to the whole process, and changing either for a
    moment would reach other threads. The classes behind `Image.open` do not look at it, so the
    two formats of very large photographs are opened by their class, under our own limit alone.

    Parameters
    ----------
    stream : binary stream
        What the file contains; it is read from its beginning.
    label : str
        The file's name for messages.
    only_listed : bool
        Whether formats beside `FORMATS` are refused. Bytes may come from anybody, and of Pillow's
        formats some start other programs (EPS) or are read by code that nobody tends.

    Raises
    ------
    StimulusError
        If the file is empty or of no such format (ImageFormatError).
    """
    stream.seek(0)
    if not stream.read(1):
        raise StimulusError(f"{label}: is empty; copy or download it again")
    for opened_as in (JpegImageFile, PngImageFile):
        stream.seek(0)
        with suppress(SyntaxError):  # how Pillow says: not this format
            return opened_as(stream)
    stream.seek(4)
    brand = stream.read(8)
    stream.seek(0)
    if brand[:4] == b"ftyp" and brand[4:] in _HEIC_BRANDS:
        _register_heic(label)
    Image.init()  # only then are all formats that this Pillow reads in OPEN
    listed = [name for name in FORMATS if name in Image.OPEN]
    try:
        return Image.open(stream, formats=listed if only_listed else None)
    except UnidentifiedImageError as error:
        problem = (
            "is an AVIF image, which this Pillow cannot read; pip install -U pillow, or save it"
            if brand == b"ftypavif"
            else "is not an image of a known format, or its beginning is damaged; save it anew"
        )
        raise ImageFormatError(f"{label}: {problem} as JPEG or PNG") from error


def _register_heic(label: str) -> None:
    """Let Pillow read HEIC, which it does with another package alone."""
    try:
        from pillow_heif import register_heif_opener
    except ImportError as error:
        raise ImageFormatError(
            f"{label}: is in the HEIC format; pip install pillow-heif, or convert it to JPEG or PNG"
        ) from error
    register_heif_opener()
