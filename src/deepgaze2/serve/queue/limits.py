"""What the server lets a client ask of it."""

from dataclasses import dataclass

MAX_SAMPLES = 10_000
MAX_REGIONS = 100
MAX_CONNECTIONS = 512  # open files: systems allow a process 1024 and more
UNDER_WAY = 2  # images that the worker has: one is predicted, one is decoded or encoded
LINGER_S = 30.0  # for the rest of an upload that is refused
IDLE_S = 15.0  # an open connection without a whole request is closed after this time


@dataclass(frozen=True)
class Limits:
    """Limits that can be chosen when the server starts.

    For each of `requests` the server holds an upload, or its result of up to four bytes per pixel.
    The defaults keep it and its worker below 3 GB whatever clients do.

    Attributes
    ----------
    body_bytes
        Largest upload in bytes.
    pixels
        Of an image; known from its header, before it is decoded.
    compute_s
        Seconds from the end of an image's upload to its result: to wait and to be computed.
    transfer_s
        Seconds for an upload, and again for the download of its result.
    requests
        Images that are uploaded, waiting, computed or downloaded at the same time.
    queue
        Images that wait for the worker.
    """

    body_bytes: int = 50_000_000
    pixels: int = 35_000_000
    compute_s: float = 60.0
    transfer_s: float = 60.0
    requests: int = 6
    queue: int = 4

    @property
    def longest_s(self) -> float:
        """Seconds that a request can take: to come, to be computed, and to be taken."""
        return self.transfer_s + self.compute_s + self.transfer_s
