"""What is served from files: the page and the example photos, each from a fixed list.

All are read when the server starts; no name that a client sends becomes a path.
"""

from collections.abc import Iterable
from pathlib import Path

from fastapi import Response

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


class Files(dict[str, tuple[bytes, str]]):
    """Contents and media types of files of known kinds, by name."""

    def __init__(self, paths: Iterable[Path]) -> None:
        super().__init__(
            (path.name, (path.read_bytes(), _MEDIA_TYPES[path.suffix]))
            for path in paths
            if path.suffix in _MEDIA_TYPES
        )

    def response(self, name: str) -> Response:
        """Return a file, if there is one of this name."""
        if name not in self:
            raise ProblemError("not-found", f"{name!r} is not there")
        content, media_type = self[name]
        return Response(content, media_type=media_type)
