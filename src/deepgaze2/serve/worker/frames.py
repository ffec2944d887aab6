"""Messages between the server and its worker: a JSON header and bytes, through a pipe."""

import json
import struct
from asyncio import StreamReader
from collections.abc import Mapping
from typing import Any, BinaryIO

_LENGTHS = struct.Struct(">IQ")  # of header and payload

Frame = tuple[dict[str, Any], bytes]


def pack(header: Mapping[str, Any], payload: bytes = b"") -> tuple[bytes, bytes]:
    """Return what to write for a message: its beginning and its payload."""
    text = json.dumps(header).encode()
    return _LENGTHS.pack(len(text), len(payload)) + text, payload


def read(stream: BinaryIO) -> Frame | None:
    """Return the next message; None where the stream ends."""
    lengths = stream.read(_LENGTHS.size)
    if len(lengths) < _LENGTHS.size:
        return None
    header_length, payload_length = _LENGTHS.unpack(lengths)
    header = stream.read(header_length)
    payload = stream.read(payload_length)
    return (json.loads(header), payload) if len(payload) == payload_length else None


async def receive(stream: StreamReader) -> Frame:
    """Return the next message.

    Raises
    ------
    asyncio.IncompleteReadError
        If the stream ends before it.
    """
    header_length, payload_length = _LENGTHS.unpack(await stream.readexactly(_LENGTHS.size))
    header = json.loads(await stream.readexactly(header_length))
    return header, await stream.readexactly(payload_length)
