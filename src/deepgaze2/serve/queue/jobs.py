"""Images on their way through the server: what is asked of each, and who waits for it."""

from asyncio import Future
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Task = Literal["predict", "layers"]

FORMATS = {
    "json": "application/json",
    "png": "image/png",
    "npy": "application/octet-stream",
    "npz": "application/zip",
}
"""Media types of the formats that a prediction can be had in."""


@dataclass(frozen=True)
class Options:
    """What to compute of an image: the checked values of a `PredictQuery` or a `LayersQuery`."""

    model: str
    center_bias: str | None = None
    pixels_per_degree: float | None = None
    viewport: str | None = None
    scroll: str | None = None
    format: str = "json"
    samples: int = 0
    seed: int = 0
    regions: tuple[str, ...] = ()


@dataclass(frozen=True)
class Answer:
    """A result: what the worker computed for an image."""

    media_type: str
    body: bytes = field(repr=False)  # megabytes, and nobody's business in a message


@dataclass(frozen=True, eq=False)
class Job:
    """An image to compute.

    Attributes
    ----------
    answer
        Becomes the answer or a ProblemError; done early if nobody waits any more.
    """

    task: Task
    options: Options
    image: bytes = field(repr=False)
    answer: "Future[Answer]" = field(repr=False)

    def header(self, number: int) -> dict[str, Any]:
        """Return what the worker is told about it."""
        return {"id": number, "task": self.task, "options": asdict(self.options)}
