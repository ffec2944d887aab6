"""The description of the API (OpenAPI 3.1): FastAPI's, and what it has no words for."""

from collections.abc import Sequence
from typing import Any

from fastapi.openapi.utils import get_openapi

from deepgaze2 import __version__
from deepgaze2.image.formats import IN_WORDS
from deepgaze2.serve.http.answers import Problem
from deepgaze2.serve.http.routes import ROUTES
from deepgaze2.serve.queue.limits import Limits

_TOKEN = {
    "type": "http",
    "scheme": "bearer",
    "description": "What the server was started with; none if it was without.",
}


def document(models: Sequence[str], limits: Limits, *, asks_for_token: bool) -> dict[str, Any]:
    """Return the OpenAPI document of a server.

    Parameters
    ----------
    models
        Names of the served models, the default first.
    asks_for_token
        Whether clients must send one.
    """
    openapi = get_openapi(
        title="deepgaze2",
        version=__version__,
        license_info={"name": "MIT", "identifier": "MIT"},
        description="Where people look in an image, as a probability density over its pixels. "
        "Images are kept in memory while they are computed, and nowhere else.",
        servers=[{"url": "/"}],
        routes=ROUTES,
    )
    openapi["security"] = [{"token": []}] if asks_for_token else []
    openapi["components"]["securitySchemes"] = {"token": _TOKEN}
    openapi["components"]["schemas"]["Problem"] = Problem.model_json_schema()
    for operation in (o for methods in openapi["paths"].values() for o in methods.values()):
        summary, _, operation["description"] = operation["description"].partition("\n\n")
        operation["summary"] = summary.removesuffix(".")
        operation["responses"]["200"]["description"] = summary
        if "401" not in operation["responses"]:
            operation["security"] = []
        if "requestBody" in operation:
            _complete(operation, models, limits)
    return openapi


def _complete(operation: dict[str, Any], models: Sequence[str], limits: Limits) -> None:
    """Say of an upload what depends on the server, and an example of each parameter."""
    operation["requestBody"]["description"] = (
        f"An image, {IN_WORDS}, of at most {limits.body_bytes} bytes and {limits.pixels} pixels;"
        " its file name is not looked at."
    )
    served = {"enum": list(models), "default": models[0], "examples": models[:1]}
    for parameter in operation["parameters"]:
        schema = parameter["schema"]
        schema |= served if parameter["name"] == "model" else {}
        [parameter["example"]] = schema.pop("examples")
