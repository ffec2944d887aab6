"""What the API's responses look like, as JSON schemas with an example each."""

from typing import Any

_NAME = {"type": "string"}
_COUNT = {"type": "integer", "minimum": 1}
_NUMBER = {"type": "number"}
_SHARE = {"type": "number", "minimum": 0}
_OBJECT = {"type": "object"}


def _object(properties: dict[str, Any], *optional: str) -> dict[str, Any]:
    """Return the schema of an object with these entries and no others."""
    return {
        "type": "object",
        "properties": properties,
        "required": [name for name in properties if name not in optional],
        "additionalProperties": False,
    }


def _array(items: dict[str, Any], **bounds: int) -> dict[str, Any]:
    return {"type": "array", "items": items, **bounds}


_REGION = _object(
    {
        "name": _NAME,
        "share": _SHARE,
        "center_bias_share": _SHARE,
        "ratio": {"type": ["number", "null"]},
    }
)

_CONTOUR = _object({"share_of_fixations": _SHARE, "share_of_area": _SHARE, "log_density": _NUMBER})

_MODEL = _object(
    {
        "name": _NAME,
        "description": _NAME,
        "license": _NAME,
        "network": _NAME,
        "readouts": _COUNT,
        "longer_side_px": _COUNT,
        "center_bias": _NAME,
        "training": _OBJECT,
        "scores": _OBJECT,
    }
)

SCHEMAS: dict[str, Any] = {
    "Prediction": _object(
        {
            "image": _NAME,
            "width": _COUNT,
            "height": _COUNT,
            "model": _NAME,
            "center_bias": _NAME,
            "network_input_width": _COUNT,
            "network_input_height": _COUNT,
            "unit": _NAME,
            "peak": _object({"x": _NUMBER, "y": _NUMBER}),
            "entropy_bits": _NUMBER,
            "bits_above_center_bias": _NUMBER,
            "contours": _array(_CONTOUR),
            "regions": _array(_REGION),
            "samples": _array(_array(_NUMBER, minItems=2, maxItems=2)),
        }
    ),
    "Layers": _object(
        {
            "model": _NAME,
            "width": _COUNT,
            "height": _COUNT,
            "grid_width": _COUNT,
            "grid_height": _COUNT,
            "log_saliency": {"type": "string", "contentEncoding": "base64"},
            "log_center_bias": {"type": "string", "contentEncoding": "base64"},
            "center_bias": _NAME,
            "network_input_size": _array(_COUNT, minItems=2, maxItems=2),
        }
    ),
    "Models": _object(
        {
            "default": _NAME,
            "models": _array(_MODEL, minItems=1),
            "center_biases": _array(_NAME),
            "limits": _object(
                {"bytes": _COUNT, "pixels": _COUNT, "samples": _COUNT, "regions": _COUNT}
            ),
        }
    ),
    "Examples": _object({"examples": _array(_NAME)}),
    "Status": _object({"status": _NAME}),
    "Problem": _object(
        {
            "type": {"type": "string", "format": "uri-reference"},
            "title": _NAME,
            "status": {"type": "integer", "minimum": 400, "maximum": 599},
            "detail": _NAME,
        }
    ),
}
"""Schemas of the responses, by name."""

EXAMPLE_PHOTO = "raccoon.jpg"
"""The packaged photo whose prediction is the example."""

EXAMPLES: dict[str, Any] = {
    "Prediction": {
        "image": "image",
        "width": 1024,
        "height": 768,
        "model": "deepgaze2-plus",
        "center_bias": "osie",
        "network_input_width": 512,
        "network_input_height": 384,
        "unit": "nats; the exponential sums to one over the pixels",
        "peak": {"x": 715.5, "y": 347.5},
        "entropy_bits": 17.02,
        "bits_above_center_bias": 1.61,
        "contours": [
            {"share_of_fixations": 0.25, "share_of_area": 0.01, "log_density": -10.5},
            {"share_of_fixations": 0.5, "share_of_area": 0.024, "log_density": -11.05},
            {"share_of_fixations": 0.75, "share_of_area": 0.077, "log_density": -12.9},
        ],
        "regions": [
            {"name": "face", "share": 0.61, "center_bias_share": 0.2, "ratio": 3.06},
        ],
        "samples": [[608.0, 381.0], [683.6, 429.7]],
    },
    "Layers": {
        "model": "deepgaze2-plus",
        "width": 2,
        "height": 1,
        "grid_width": 2,
        "grid_height": 1,
        "log_saliency": "AACAPwAAgL8=",
        "log_center_bias": "GHIxvxhyMb8=",
        "center_bias": "osie",
        "network_input_size": [512, 256],
    },
    "Models": {
        "default": "deepgaze2-plus",
        "models": [
            {
                "name": "deepgaze2-plus",
                "description": "DeepGaze II on vgg16, 3 groups of features, "
                "features also normalized across channels",
                "license": "MIT",
                "network": "vgg16",
                "readouts": 20,
                "longer_side_px": 512,
                "center_bias": "osie",
                "training": {"data_set": "OSIE", "images": 600},
                "scores": {"explained": 0.878},
            }
        ],
        "center_biases": ["mit1003", "osie", "uniform", "gaussian"],
        "limits": {"bytes": 50000000, "pixels": 35000000, "samples": 10000, "regions": 100},
    },
    "Examples": {"examples": ["astronaut.jpg", EXAMPLE_PHOTO]},
    "Status": {"status": "ok"},
}
"""An example of each response."""
