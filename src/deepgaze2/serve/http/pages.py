"""What is served from files: the page and the example photos, each from a fixed list.

All are read when the server starts; no name that a client sends becomes a path.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from deepgaze2.image.examples import example_paths
from deepgaze2.serve.http.problems import ProblemError

PAGE = Path(__file__).parents[1] / "page"

_MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".jpg": "image/jpeg",
    ".js": "text/javascript; charset=utf-8",
    ".png": "image/png",
    ".svg": "image/svg+xml",
}


@dataclass(frozen=True)
class StoredFile:
    """A file's content."""

    content: bytes
    media_type: str


def read_files(paths: list[Path]) -> dict[str, StoredFile]:
    """Read files of known kinds, by name."""
    return {
        path.name: StoredFile(path.read_bytes(), _MEDIA_TYPES[path.suffix])
        for path in paths
        if path.suffix in _MEDIA_TYPES
    }


class Pages:
    """Answers requests for the page's files and the examples."""

    def __init__(self) -> None:
        self._page = read_files(sorted(PAGE.iterdir()))
        self._examples = read_files(example_paths())

    async def index(self, request: Request) -> Response:  # noqa: ARG002 (Starlette's signature)
        """`GET /`."""
        return _response(self._page, "index.html")

    async def static(self, request: Request) -> Response:
        """`GET /static/{name}`."""
        return _response(self._page, request.path_params["name"])

    async def examples(self, request: Request) -> Response:  # noqa: ARG002
        """`GET /v1/examples`."""
        return JSONResponse({"examples": list(self._examples)})

    async def example(self, request: Request) -> Response:
        """`GET /v1/examples/{name}`."""
        return _response(self._examples, request.path_params["name"])


def _response(files: Mapping[str, StoredFile], name: str) -> Response:
    if name not in files:
        raise ProblemError("not-found", f"{name!r} is not there")
    return Response(files[name].content, media_type=files[name].media_type)
