"""What can go wrong with a request, as problem details (RFC 9457)."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starlette.responses import Response

MEDIA_TYPE = "application/problem+json"


@dataclass(frozen=True)
class Problem:
    """A kind of problem; its `type` is `/problems/<name>`."""

    name: str
    status: int
    title: str


_ALL = (
    Problem("invalid-parameter", 400, "A query parameter is unknown or has an invalid value"),
    Problem("invalid-multipart", 400, "The multipart form is damaged or has other fields"),
    Problem("image-missing", 400, "The request has no image"),
    Problem("incomplete-request", 400, "The request is no HTTP, or too long a header"),
    Problem("unauthorized", 401, "The bearer token is missing or wrong"),
    Problem("cross-site", 403, "Another web site may not use this server"),
    Problem("not-found", 404, "There is nothing at this address"),
    Problem("method-not-allowed", 405, "The address does not take this method"),
    Problem("upload-too-slow", 408, "The upload took too long"),
    Problem("body-too-large", 413, "The upload has too many bytes"),
    Problem("image-too-large", 413, "The image has too many pixels"),
    Problem("unsupported-media-type", 415, "The upload is neither a form nor an image"),
    Problem("unsupported-image", 415, "The upload is no image of a format that can be read"),
    Problem("wrong-host", 421, "The server does not go by this name"),
    Problem("image-damaged", 422, "The image is damaged or incomplete"),
    Problem("region-outside-image", 422, "A region is not inside the image"),
    Problem("cannot-predict", 422, "The image cannot be predicted with these parameters"),
    Problem("internal-error", 500, "The server made a mistake"),
    Problem("queue-full", 503, "Too many images are waiting"),
    Problem("too-many-requests", 503, "Too many images are under way"),
    Problem("worker-lost", 503, "The process that computed the image died"),
    Problem("not-ready", 503, "The model is not loaded"),
    Problem("compute-timeout", 504, "The image took too long to compute"),
)
PROBLEMS: Mapping[str, Problem] = {problem.name: problem for problem in _ALL}


class ProblemError(Exception):
    """Ends a request with a problem.

    Parameters
    ----------
    name
        One of `PROBLEMS`.
    detail
        One line: what is wrong with this request, and what to do.
    headers
        More headers of the response.
    """

    def __init__(self, name: str, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.problem = PROBLEMS[name]
        self.detail = detail
        self.headers = headers or {}


def busy(name: str, detail: str, retry_after_s: int) -> ProblemError:
    """Return a problem that goes away by itself, with when to try again."""
    return ProblemError(name, detail, {"Retry-After": str(retry_after_s)})


def as_body(problem: Problem, detail: str) -> bytes:
    """Return a problem as JSON."""
    entries = {
        "type": f"/problems/{problem.name}",
        "title": problem.title,
        "status": problem.status,
        "detail": detail,
    }
    return json.dumps(entries, ensure_ascii=False).encode("utf-8", "backslashreplace")


def as_response(error: ProblemError) -> Response:
    """Return the response that an error ends its request with."""
    body = as_body(error.problem, error.detail)
    return Response(body, error.problem.status, dict(error.headers), MEDIA_TYPE)


_TEXT = {"required": True, "schema": {"type": "string"}}
_SECONDS = {
    "required": True,
    "description": "Seconds.",
    "schema": {"type": "integer", "minimum": 1},
}
_HEADERS = {
    401: {"WWW-Authenticate": _TEXT},
    405: {"Allow": _TEXT},
    503: {"Retry-After": _SECONDS},
}


def described(*names: str) -> dict[int | str, dict[str, Any]]:
    """Return the OpenAPI document's responses for problems; those of one status share one."""
    responses: dict[int | str, dict[str, Any]] = {}
    for status in sorted({PROBLEMS[name].status for name in names}):
        problems = [p for p in _ALL if p.name in names and p.status == status]
        detail = "what is wrong with this request, and what to do"
        examples = {p.name: {"value": json.loads(as_body(p, detail))} for p in problems}
        schema = {"$ref": "#/components/schemas/Problem"}
        responses[status] = {
            "description": "; ".join(problem.title for problem in problems),
            "content": {MEDIA_TYPE: {"schema": schema, "examples": examples}},
        }
        if status in _HEADERS:
            responses[status]["headers"] = _HEADERS[status]
    return responses
