"""Colors as an image's ICC profile means them, converted to sRGB, which the network knows."""

from io import BytesIO

import numpy as np
from PIL import Image, ImageCms

_MODES = {"RGB ": "RGB", "GRAY": "L", "CMYK": "CMYK"}
_SAME = 8  # levels: profiles called sRGB differ by up to 6 from one another, in shadows
_STEPS = np.linspace(0, 255, 9).astype(np.uint8)


def in_srgb(image: Image.Image, profile: bytes) -> tuple[Image.Image, tuple[str, ...]]:
    """Convert colors to sRGB.

    Parameters
    ----------
    image : Pillow image
        8 bits, without opacity.
    profile : bytes
        An ICC profile.

    Returns
    -------
    Pillow image
        The same where the profile is sRGB's, or not one of the image's kind of colors.
    tuple of str
        Sentences that say what was done.
    """
    try:
        opened = ImageCms.ImageCmsProfile(BytesIO(profile))
        mode = _MODES.get(opened.profile.xcolor_space)
        if mode not in (image.mode, "RGB") or image.mode == "CMYK" != mode:
            return image, ()
        to_srgb = ImageCms.buildTransform(
            opened,
            ImageCms.createProfile("sRGB"),
            mode,
            "RGB",
            ImageCms.Intent.RELATIVE_COLORIMETRIC,
            ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
        if mode != "CMYK" and _changes_nothing(to_srgb, mode):
            return image, ()
        of_mode = image if image.mode == mode else image.convert(mode)
        converted = ImageCms.applyTransform(of_mode, to_srgb)
        name = ImageCms.getProfileDescription(opened).strip()
    except (ImageCms.PyCMSError, OSError, ValueError):
        return image, ("its color profile is damaged and ignored",)
    assert converted is not None  # noqa: S101 (only if it were done in place)
    return converted, (f"colors are converted from {ascii(name)[1:-1]} to sRGB",)


def _changes_nothing(to_srgb: ImageCms.ImageCmsTransform, mode: str) -> bool:
    """Tell whether all colors stay, to rounding."""
    channels = [_STEPS] * len(mode)
    lattice = np.stack([axis.ravel() for axis in np.meshgrid(*channels)], -1)[None]
    before = Image.fromarray(lattice[..., 0] if mode == "L" else lattice)
    after = np.asarray(ImageCms.applyTransform(before, to_srgb))
    return int(np.abs(after.astype(int) - lattice).max()) <= _SAME
