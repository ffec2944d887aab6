"""PNG files written byte by byte, with depths and chunks that Pillow does not write."""

import struct
import zlib
from collections.abc import Sequence


def png(
    width: int,
    height: int,
    depth: int,
    color_type: int,
    rows: bytes,
    chunks: Sequence[tuple[bytes, bytes]] = (),
) -> bytes:
    """Return a PNG; color type 0 is gray, 2 RGB, 6 RGBA; `rows` has no filter bytes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + check

    step = len(rows) // height
    filtered = b"".join(
        b"\0" + rows[i * step : (i + 1) * step] for i in range(height if step else 0)
    )
    header = struct.pack(">IIBBBBB", width, height, depth, color_type, 0, 0, 0)
    others = b"".join(chunk(kind, data) for kind, data in chunks)
    body = chunk(b"IHDR", header) + others + chunk(b"IDAT", zlib.compress(filtered))
    return b"\x89PNG\r\n\x1a\n" + body + chunk(b"IEND", b"")
