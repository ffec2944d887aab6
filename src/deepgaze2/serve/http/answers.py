"""What the API's responses look like, each field with an example.

These are for the document alone: responses are sent as they are, whatever their size.
"""

from typing import Annotated, Any

from pydantic import BaseModel, Field

EXAMPLE_PHOTO = "raccoon.jpg"
"""The packaged photo whose prediction is the example."""


def _as(example: object, **bounds: Any) -> Any:  # noqa: ANN401 (as Pydantic's own)
    return Field(examples=[example], **bounds)


def _example(schema: dict[str, Any]) -> None:
    """Gather the fields' examples into one of the whole."""
    fields = schema["properties"].items()
    if all("examples" in field for _, field in fields):
        schema["examples"] = [{name: field.pop("examples")[0] for name, field in fields}]


class _Answer(BaseModel, extra="forbid", json_schema_extra=_example):
    pass


_Count = Annotated[int, Field(ge=1)]
_Share = Annotated[float, Field(ge=0)]
_BASE64 = {"contentEncoding": "base64"}
_Two = Field(min_length=2, max_length=2)


class Peak(_Answer):
    """Where the density is highest, in pixels."""

    x: float
    y: float


class Contour(_Answer):
    """The smallest area that holds a share of the fixations."""

    share_of_fixations: _Share
    share_of_area: _Share
    log_density: float


class Region(_Answer):
    """What a region holds of the fixations."""

    name: str
    share: _Share
    center_bias_share: _Share
    ratio: float | None


class Prediction(_Answer):
    """A density in numbers."""

    image: str = _as("image")
    width: _Count = _as(1024)
    height: _Count = _as(768)
    model: str = _as("deepgaze2-plus")
    center_bias: str = _as("own")
    network_input_width: _Count = _as(512)
    network_input_height: _Count = _as(384)
    viewport: str = _as("none")
    scroll: str = _as("100")
    unit: str = _as("nats; the exponential sums to one over the pixels")
    peak: Peak = _as({"x": 595.5, "y": 315.5})
    entropy_bits: float = _as(16.85)
    bits_above_center_bias: float = _as(1.46)
    contours: list[Contour] = _as(
        [
            {"share_of_fixations": 0.25, "share_of_area": 0.009, "log_density": -10.37},
            {"share_of_fixations": 0.5, "share_of_area": 0.022, "log_density": -10.94},
            {"share_of_fixations": 0.75, "share_of_area": 0.064, "log_density": -12.8},
        ]
    )
    notes: list[str] = _as([])
    regions: list[Region] = _as(
        [{"name": "face", "share": 0.64, "center_bias_share": 0.29, "ratio": 2.21}]
    )
    samples: list[Annotated[list[float], _Two]] = _as([[616.0, 360.0], [698.6, 406.7]])


class Layers(_Answer):
    """Saliency and center bias: float32, little-endian, row by row."""

    model: str = _as("deepgaze2-plus")
    width: _Count = _as(2)
    height: _Count = _as(1)
    grid_width: _Count = _as(2)
    grid_height: _Count = _as(1)
    log_saliency: str = _as("AACAPwAAgL8=", json_schema_extra=_BASE64)
    log_center_bias: str = _as("GHIxvxhyMb8=", json_schema_extra=_BASE64)
    center_bias: str = _as("own")
    network_input_size: Annotated[list[_Count], _Two] = _as([512, 256])
    viewport: str = _as("none")
    notes: list[str] = _as([])


class Model(_Answer):
    """A model's card."""

    name: str
    description: str
    license: str
    network: str
    readouts: _Count
    longer_side_px: _Count
    center_bias: str
    training: dict[str, Any]
    scores: dict[str, Any]


class ServerLimits(_Answer):
    """The most that the server takes."""

    bytes: _Count
    pixels: _Count
    samples: _Count
    regions: _Count


_CARD = {
    "name": "deepgaze2-plus",
    "description": "DeepGaze II on vgg16 and resnet50, 6 groups of features, "
    "features also normalized across channels",
    "license": "MIT",
    "network": "vgg16 and resnet50",
    "readouts": 40,
    "longer_side_px": 512,
    "center_bias": "own",
    "training": {"data_set": "mit1003 + OSIE + eyecrowd + figrim", "images": 3011},
    "scores": {"mit1003": {"explained": 0.878}},
}


class Models(_Answer):
    """What can be chosen."""

    default: str = _as("deepgaze2-plus")
    models: list[Model] = _as([_CARD], min_length=1)
    center_biases: list[str] = _as(["mit1003", "osie", "uniform", "gaussian"])
    limits: ServerLimits = _as(
        {"bytes": 50_000_000, "pixels": 35_000_000, "samples": 10_000, "regions": 100}
    )


class Examples(_Answer):
    """The example photos' names."""

    examples: list[str] = _as(["astronaut.jpg", EXAMPLE_PHOTO])


class Status(_Answer):
    """How the server is."""

    status: str = _as("ok")


class Problem(_Answer):
    """Problem details, see RFC 9457."""

    type: Annotated[str, Field(json_schema_extra={"format": "uri-reference"})]
    title: str
    status: Annotated[int, Field(ge=400, le=599)]
    detail: str
