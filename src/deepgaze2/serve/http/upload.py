"""The image of a request, read within limits and kept in memory alone.

The name that a client gives its file is never looked at.
"""

import asyncio

from fastapi import Request
from python_multipart import MultipartParser
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header

from deepgaze2.serve.http.problems import ProblemError
from deepgaze2.serve.queue.limits import Limits

FIELD = "image"
_FORM_BYTES = 10_000  # of a form around an image: boundaries and headers
_KINDS = "send multipart/form-data with a file field 'image', or the image itself as image/*"


async def read_image(request: Request, limits: Limits) -> bytes:
    """Return the image file that a request uploads.

    Raises
    ------
    ProblemError
        If there is none, or it breaks a limit.
    starlette.requests.ClientDisconnect
        If the client went away.
    """
    kind, parameters = parse_options_header(request.headers.get("content-type"))
    is_form = kind == b"multipart/form-data"
    if not (is_form or kind.startswith(b"image/") or kind == b"application/octet-stream"):
        named = kind.decode("latin-1") or "no content type"
        raise ProblemError("unsupported-media-type", f"{named!r} is not taken; {_KINDS}")
    most = limits.body_bytes + (_FORM_BYTES if is_form else 0)
    announced = request.headers.get("content-length", "0")
    if announced.isdecimal() and int(announced) > most:
        raise _too_large(limits)
    sink = _Form(parameters.get(b"boundary", b"")) if is_form else _Whole()
    try:
        async with asyncio.timeout(limits.transfer_s):
            n_bytes = 0
            async for chunk in request.stream():
                n_bytes += len(chunk)
                if n_bytes > most:
                    raise _too_large(limits)
                sink.write(chunk)
    except TimeoutError:
        raise ProblemError(
            "upload-too-slow", f"the upload did not end within {limits.transfer_s:g} s"
        ) from None
    image = sink.image()
    if len(image) > limits.body_bytes:
        raise _too_large(limits)
    return image


def _too_large(limits: Limits) -> ProblemError:
    return ProblemError(
        "body-too-large", f"the upload is over the limit of {limits.body_bytes} bytes"
    )


class _Whole:
    """A body that is the image."""

    def __init__(self) -> None:
        self._content = bytearray()

    def write(self, chunk: bytes) -> None:
        self._content += chunk

    def image(self) -> bytes:
        if not self._content:
            raise ProblemError("image-missing", f"the request has no body; {_KINDS}")
        return bytes(self._content)


class _Form:
    """A form with the image as its only field."""

    def __init__(self, boundary: bytes) -> None:
        if not boundary:
            raise _damaged("its content type names no boundary")
        self._content: bytearray | None = None
        self._header = (bytearray(), bytearray())  # name and value
        self._disposition = b""
        self._has_ended = False
        try:
            self._parser = MultipartParser(
                boundary,
                {
                    "on_part_begin": self._begin_part,
                    "on_header_begin": self._begin_header,
                    "on_header_field": lambda data, a, b: self._header[0].extend(data[a:b]),
                    "on_header_value": lambda data, a, b: self._header[1].extend(data[a:b]),
                    "on_header_end": self._end_header,
                    "on_headers_finished": self._begin_content,
                    "on_part_data": self._add,
                    "on_end": self._end,
                },
            )
        except FormParserError as error:
            raise _damaged(str(error)) from error

    def write(self, chunk: bytes) -> None:
        try:
            self._parser.write(chunk)
        except FormParserError as error:
            raise _damaged(str(error)) from error

    def image(self) -> bytes:
        if not self._has_ended:
            raise _damaged("it ends before its last boundary")
        if not self._content:
            raise ProblemError("image-missing", f"the form has no file in a field {FIELD!r}")
        return bytes(self._content)

    def _begin_part(self) -> None:
        self._disposition = b""

    def _begin_header(self) -> None:
        self._header = (bytearray(), bytearray())

    def _end_header(self) -> None:
        name, value = self._header
        if name.lower() == b"content-disposition":
            self._disposition = bytes(value)

    def _begin_content(self) -> None:
        _, parameters = parse_options_header(self._disposition.decode("latin-1"))
        name = parameters.get(b"name", b"").decode("utf-8", "backslashreplace")
        if name != FIELD:
            raise ProblemError(
                "invalid-multipart",
                f"the form has a field {name!r}; send {FIELD!r} alone, all else in the query",
            )
        if self._content is not None:
            raise ProblemError("invalid-multipart", "the form has two images; send one")
        self._content = bytearray()

    def _add(self, data: bytes, start: int, end: int) -> None:
        if self._content is not None:
            self._content += memoryview(data)[start:end]

    def _end(self) -> None:
        self._has_ended = True


def _damaged(reason: str) -> ProblemError:
    return ProblemError("invalid-multipart", f"the form is damaged: {reason}")
