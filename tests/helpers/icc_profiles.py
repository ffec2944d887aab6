"""Color profiles written byte by byte: primaries or grays, with a power as curve."""

import struct

import numpy as np
from numpy.typing import NDArray

# Chromaticities x, y of red, green and blue; all have the white of D65.
ADOBE = ((0.64, 0.33), (0.21, 0.71), (0.15, 0.06))
SRGB = ((0.64, 0.33), (0.30, 0.60), (0.15, 0.06))
GAMMA = 2 + 51 / 256  # Adobe's
D65, D50 = np.array([0.9505, 1, 1.089]), np.array([0.9642, 1, 0.8249])
BRADFORD = np.array(
    [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
)


def to_xyz(primaries: tuple[tuple[float, float], ...]) -> NDArray[np.float64]:
    """Return the matrix from linear colors to XYZ under D65."""
    columns = np.array([(x / y, 1, (1 - x - y) / y) for x, y in primaries]).T
    return np.asarray(columns * np.linalg.solve(columns, D65))


def profile(kind: bytes, gamma: float, primaries: tuple[tuple[float, float], ...] = ()) -> bytes:
    """Return a profile of colors (`RGB `) or grays (`GRAY`) with a power as curve."""

    def xyz(values: NDArray[np.float64]) -> bytes:
        return b"XYZ \0\0\0\0" + struct.pack(">3i", *np.rint(values * 65536).astype(int))

    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256)) + b"\0\0"
    name = b"Wide\0"
    said = b"desc\0\0\0\0" + struct.pack(">I", len(name)) + name + bytes(78)
    tags = {b"desc": said, b"wtpt": xyz(D50), b"cprt": b"text\0\0\0\0none\0"}
    if kind == b"GRAY":
        tags[b"kTRC"] = curve
    else:
        adapted = np.linalg.inv(BRADFORD) @ np.diag(BRADFORD @ D50 / (BRADFORD @ D65)) @ BRADFORD
        for letter, column in zip("rgb", (adapted @ to_xyz(primaries)).T, strict=True):
            tags |= {f"{letter}XYZ".encode(): xyz(column), f"{letter}TRC".encode(): curve}
    table, data = b"", b""
    for name, content in tags.items():
        table += name + struct.pack(">II", 128 + 4 + 12 * len(tags) + len(data), len(content))
        data += content + bytes(-len(content) % 4)
    body = struct.pack(">I", len(tags)) + table + data
    head = struct.pack(">I4sI4s4s4s", 128 + len(body), b"", 0x02400000, b"mntr", kind, b"XYZ ")
    head += bytes(12) + b"acsp" + bytes(28) + struct.pack(">3i", *np.rint(D50 * 65536).astype(int))
    return head.ljust(128, b"\0") + body
