"""Errors that a user can mend.

Each message is one line that names the file or value, what is wrong with it and
what to do. The command line prints it and exits with code 2; library code raises it.
"""


class DeepGazeError(ValueError):
    """Something the caller gave cannot be used as it is."""


class StimulusError(DeepGazeError):
    """An image cannot be read or is too large."""


class ImageFormatError(StimulusError):
    """What should be an image is not one, or is in a format that cannot be read."""


class ImageSizeError(StimulusError):
    """An image has more pixels than are allowed or fit in memory."""


class WeightsError(DeepGazeError):
    """A weights file is missing, damaged or of an unknown layout."""


class ModelError(DeepGazeError):
    """A model's name, folder or card cannot be used."""


class CenterBiasError(DeepGazeError):
    """A center bias is not a density over an image."""


class RegionError(DeepGazeError):
    """A region is malformed or not inside the image."""


class RequirementError(DeepGazeError):
    """A requirement is malformed, or names a region or variant that is not there."""


class ViewportError(DeepGazeError):
    """A viewport, or how far viewers scroll, is malformed or does not fit the image."""


class ShapeWarning(UserWarning):
    """An image is so long that little can be told of it as a whole."""


class DataError(DeepGazeError):
    """A data set is missing, damaged or inconsistent."""


class OutputError(DeepGazeError):
    """A result cannot be written."""


class ServeError(DeepGazeError):
    """The server cannot run as it was asked to."""


class DownloadError(DeepGazeError):
    """A file cannot be fetched, or what came is not the file that was meant."""


class OptimizationError(DeepGazeError):
    """A function cannot be minimized, or its parameters are not of the shape they should be."""
