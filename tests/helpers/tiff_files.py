"""TIFF files written byte by byte, with what Pillow does not write."""

import struct
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray


def tiff(
    values: NDArray[Any],
    tags: Mapping[int, int] | None = None,
    *,
    order: str = "<",
    compressed: bool = False,
    packed: bool = False,
) -> bytes:
    """Return a file of one strip.

    Parameters
    ----------
    values : array (h, w) or (h, w, 3)
        Of the type that the file shall have.
    tags : mapping, optional
        More tags of 16 bits, one value for each channel.
    order : str
        Of bytes, `<` or `>`.
    compressed : bool
        Whether by zlib.
    packed : bool
        Whether two gray values share three bytes, 12 bits each.
    """
    height, width = values.shape[:2]
    channels = values.shape[2] if values.ndim == 3 else 1
    data = values.astype(values.dtype.newbyteorder(order)).tobytes()  # type: ignore[arg-type]
    bits = values.dtype.itemsize * 8
    if packed:
        bits, pairs = 12, values.reshape(-1, 2).astype(np.uint32)
        data = b"".join(int(a << 12 | b).to_bytes(3, "big") for a, b in pairs)
    data = zlib.compress(data) if compressed else data
    entries: dict[int, tuple[str, list[int]]] = {
        256: ("I", [width]),
        257: ("I", [height]),
        258: ("H", [bits] * channels),
        259: ("H", [8 if compressed else 1]),
        262: ("H", [2 if channels == 3 else 1]),
        273: ("I", [8]),
        277: ("H", [channels]),
        278: ("I", [height]),
        279: ("I", [len(data)]),
        339: ("H", [{"u": 1, "i": 2, "f": 3}[values.dtype.kind]] * channels),
    }
    entries |= {tag: ("H", [value] * channels) for tag, value in (tags or {}).items()}
    data += b"\0" * (len(data) % 2)
    after = 8 + len(data) + 2 + 12 * len(entries) + 4
    fields, beyond = b"", b""
    for tag, (kind, numbers) in sorted(entries.items()):
        raw = struct.pack(f"{order}{len(numbers)}{kind}", *numbers)
        where = raw.ljust(4, b"\0")
        if len(raw) > 4:
            where = struct.pack(f"{order}I", after + len(beyond))
            beyond += raw
        fields += struct.pack(f"{order}HHI", tag, {"H": 3, "I": 4}[kind], len(numbers)) + where
    head = {"<": b"II*\0", ">": b"MM\0*"}[order] + struct.pack(f"{order}I", 8 + len(data))
    return head + data + struct.pack(f"{order}H", len(entries)) + fields + bytes(4) + beyond
