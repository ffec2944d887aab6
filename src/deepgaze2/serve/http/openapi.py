"""The description of the API (OpenAPI 3.1)."""

from collections.abc import Sequence
from typing import Any

from deepgaze2 import __version__
from deepgaze2.density.center_bias import PACKAGED
from deepgaze2.serve.http.metrics import MEDIA_TYPE as METRICS_TYPE
from deepgaze2.serve.http.openapi_schemas import EXAMPLE_PHOTO, EXAMPLES, SCHEMAS
from deepgaze2.serve.http.options import FORMATS, MAX_SEED
from deepgaze2.serve.http.problems import MEDIA_TYPE as PROBLEM_TYPE
from deepgaze2.serve.http.problems import PROBLEMS
from deepgaze2.serve.queue.limits import MAX_REGIONS, MAX_SAMPLES, Limits

Json = dict[str, Any]

_BINARY = {"schema": {"type": "string", "contentMediaType": "application/octet-stream"}}

_ANYWHERE = ("incomplete-request", "wrong-host", "cross-site", "method-not-allowed")
_GUARDED = (*_ANYWHERE, "unauthorized", "internal-error")
_PREDICTION_PROBLEMS = (
    *(*_GUARDED, "invalid-parameter", "invalid-multipart", "image-missing", "upload-too-slow"),
    *("body-too-large", "image-too-large", "unsupported-media-type", "unsupported-image"),
    *("image-damaged", "region-outside-image", "cannot-predict", "queue-full"),
    *("too-many-requests", "worker-lost", "not-ready", "compute-timeout"),
)


def document(models: Sequence[str], limits: Limits, *, asks_for_token: bool) -> Json:
    """Return the OpenAPI document of a server.

    Parameters
    ----------
    models
        Names of the served models, the default first.
    asks_for_token
        Whether clients must send one.
    """
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "deepgaze2",
            "version": __version__,
            "license": {"name": "MIT", "identifier": "MIT"},
            "description": "Where people look in an image, as a probability density over its "
            "pixels. Images are kept in memory while they are computed, and nowhere else.",
        },
        "servers": [{"url": "/"}],
        "security": [{"token": []}] if asks_for_token else [],
        "paths": {
            "/v1/predict": {"post": _predict(models, limits)},
            "/v1/layers": {"post": _layers(models, limits)},
            "/v1/models": {"get": _get("getModels", "The served models' cards", "Models")},
            "/v1/examples": {"get": _get("getExamples", "Names of example photos", "Examples")},
            "/v1/examples/{name}": {"get": _example()},
            "/healthz": {"get": _probe("getHealth", "Whether the server runs")},
            "/readyz": {"get": _probe("getReadiness", "Whether the model is loaded", "not-ready")},
            "/metrics": {"get": _metrics()},
        },
        "components": {
            "schemas": SCHEMAS,
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "What the server was started with; none if it was without.",
                }
            },
        },
    }


def _predict(models: Sequence[str], limits: Limits) -> Json:
    content: Json = {FORMATS["json"]: _json("Prediction")}
    content |= {kind: _BINARY for name, kind in FORMATS.items() if name != "json"}
    return {
        "operationId": "predict",
        "summary": "Predict where people look in an image",
        "description": "The numbers are those of the Python package, bit for bit. `png` is the "
        "density in color over the image, `npy` the log density in nats (float32, height by "
        "width), `npz` the same with its metadata. `samples`, `seed` and `regions` go with `json`.",
        "parameters": [
            *_shared_parameters(models),
            _parameter(
                "format", {"type": "string", "enum": list(FORMATS), "default": "json"}, "json"
            ),
            _parameter(
                "samples",
                {"type": "integer", "minimum": 0, "maximum": MAX_SAMPLES, "default": 0},
                2,
                "Number of fixations to draw.",
            ),
            _parameter(
                "seed",
                {"type": "integer", "minimum": 0, "maximum": MAX_SEED, "default": 0},
                0,
                "The same seed draws the same fixations.",
            ),
            _regions_parameter(),
        ],
        "requestBody": _image(limits),
        "responses": {
            "200": {"description": "The prediction.", "content": content},
            **_problems(_PREDICTION_PROBLEMS),
        },
    }


def _layers(models: Sequence[str], limits: Limits) -> Json:
    return {
        "operationId": "predictLayers",
        "summary": "Predict saliency and center bias on a grid, to be blended by the client",
        "description": "softmax(log_saliency + a · log_center_bias) is a density over the cells: "
        "with a = 1 that of `/v1/predict`, with a = 0 one without center bias.",
        "parameters": _shared_parameters(models),
        "requestBody": _image(limits),
        "responses": {
            "200": _ok("The two layers.", "Layers"),
            **_problems(_PREDICTION_PROBLEMS),
        },
    }


def _get(operation: str, summary: str, schema: str) -> Json:
    return {
        "operationId": operation,
        "summary": summary,
        "responses": {"200": _ok(f"{summary}.", schema), **_problems(_GUARDED)},
    }


def _example() -> Json:
    name = {"type": "string", "pattern": r"^[a-z]+\.jpg$"}
    photo = {"schema": {"type": "string", "contentMediaType": "image/jpeg"}}
    return {
        "operationId": "getExample",
        "summary": "An example photo",
        "parameters": [
            {
                "name": "name",
                "in": "path",
                "required": True,
                "schema": name,
                "example": EXAMPLE_PHOTO,
            }
        ],
        "responses": {
            "200": {"description": "The photo.", "content": {"image/jpeg": photo}},
            **_problems((*_GUARDED, "not-found")),
        },
    }


def _probe(operation: str, summary: str, *problems: str) -> Json:
    return {
        "operationId": operation,
        "summary": summary,
        "security": [],
        "responses": {
            "200": _ok("Yes.", "Status"),
            **_problems((*_ANYWHERE, "internal-error", *problems)),
        },
    }


def _metrics() -> Json:
    return {
        "operationId": "getMetrics",
        "summary": "Counts, in Prometheus's text format",
        "responses": {
            "200": {
                "description": "The counts.",
                "content": {METRICS_TYPE: {"schema": {"type": "string"}}},
            },
            **_problems(_GUARDED),
        },
    }


def _shared_parameters(models: Sequence[str]) -> list[Json]:
    return [
        _parameter(
            "model",
            {"type": "string", "enum": list(models), "default": models[0]},
            models[0],
            "The model.",
        ),
        _parameter(
            "center_bias",
            {"type": "string", "enum": list(PACKAGED)},
            "osie",
            "The center bias that the prediction contains, instead of the model's.",
        ),
        _parameter(
            "pixels_per_degree",
            {"type": "number", "exclusiveMinimum": 0},
            35,
            "Image pixels per degree of visual angle, if known.",
        ),
    ]


def _regions_parameter() -> Json:
    return _parameter(
        "regions",
        {
            "type": "array",
            "items": {"type": "string"},
            "maxItems": MAX_REGIONS,
        },
        ["face:440,240,250,280", "top:0%,0%,100%,50%"],
        "`name:x,y,width,height`, in pixels or all four in percent; repeatable.",
    )


def _parameter(
    name: str, schema: Json, example: object, description: str = "What to return."
) -> Json:
    return {
        "name": name,
        "in": "query",
        "description": description,
        "schema": schema,
        "example": example,
    }


def _image(limits: Limits) -> Json:
    form = {
        "type": "object",
        "properties": {"image": _BINARY["schema"]},
        "required": ["image"],
        "additionalProperties": False,
    }
    photo = _BINARY | {"examples": {"photo": {"externalValue": f"/v1/examples/{EXAMPLE_PHOTO}"}}}
    return {
        "required": True,
        "description": "A BMP, GIF, JPEG, JPEG 2000, PNG, PPM, TIFF or WebP image of at most "
        f"{limits.body_bytes} bytes and {limits.pixels} pixels; its file name is not looked at.",
        "content": {
            "multipart/form-data": {"schema": form},
            "image/*": photo,
            "application/octet-stream": photo,
        },
    }


def _json(schema: str) -> Json:
    return {
        "schema": {"$ref": f"#/components/schemas/{schema}"},
        "examples": {"example": {"value": EXAMPLES[schema]}},
    }


def _ok(description: str, schema: str) -> Json:
    return {"description": description, "content": {"application/json": _json(schema)}}


def _problems(names: Sequence[str]) -> Json:
    """Return the responses for problems; those of one status share a response."""
    responses: Json = {}
    for problem in (problem for name, problem in PROBLEMS.items() if name in names):
        value = {
            "type": f"/problems/{problem.name}",
            "title": problem.title,
            "status": problem.status,
            "detail": "what is wrong with this request, and what to do",
        }
        response = responses.setdefault(str(problem.status), _problem_response(problem.status))
        media = response["content"][PROBLEM_TYPE]
        media["examples"][problem.name] = {"value": value}
        response["description"] = "; ".join(PROBLEMS[name].title for name in media["examples"])
    return responses


def _problem_response(status: int) -> Json:
    response: Json = {
        "content": {
            PROBLEM_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}, "examples": {}}
        }
    }
    text = {"type": "string"}
    headers = {
        401: {"WWW-Authenticate": {"required": True, "schema": text}},
        405: {"Allow": {"required": True, "schema": text}},
        503: {
            "Retry-After": {
                "required": True,
                "description": "Seconds.",
                "schema": {"type": "integer", "minimum": 1},
            }
        },
    }
    if status in headers:
        response["headers"] = headers[status]
    return response
