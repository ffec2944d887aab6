"""What a request's query asks for."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NoReturn, TypeVar

from deepgaze2.density.center_bias import PACKAGED
from deepgaze2.density.regions import parse_region
from deepgaze2.errors import RegionError
from deepgaze2.serve.http.problems import ProblemError
from deepgaze2.serve.queue.limits import MAX_REGIONS, MAX_SAMPLES

FORMATS = {
    "json": "application/json",
    "png": "image/png",
    "npy": "application/octet-stream",
    "npz": "application/zip",
}
"""Media types of the formats that a prediction can be had in."""

MAX_SEED = 2**53 - 1  # the largest that every JSON reader keeps exact
_JSON_ALONE = ("samples", "seed", "regions")

Value = TypeVar("Value")


@dataclass(frozen=True)
class Options:
    """What to compute of an image.

    Attributes
    ----------
    model
        Name of a served model.
    center_bias
        Name of a packaged center bias; None takes the model's.
    pixels_per_degree
        Image pixels per degree of visual angle, if known.
    format
        A key of `FORMATS`.
    samples, seed
        Number of fixations to draw, and their seed.
    regions
        Regions as `parse_region` takes them.
    """

    model: str
    center_bias: str | None = None
    pixels_per_degree: float | None = None
    format: str = "json"
    samples: int = 0
    seed: int = 0
    regions: tuple[str, ...] = ()


def parse_options(
    query: Iterable[tuple[str, str]], models: Sequence[str], *, with_results: bool
) -> Options:
    """Read a query.

    Parameters
    ----------
    query
        Names and values.
    models
        Names of the served models, the default first.
    with_results
        Whether the request may choose what to return: format, samples and regions.

    Raises
    ------
    ProblemError
        If a parameter is unknown, invalid, or given twice.
    """
    given: dict[str, list[str]] = {}
    for name, value in query:
        given.setdefault(name, []).append(value)
    known = ["model", "center_bias", "pixels_per_degree"]
    known += ["format", *_JSON_ALONE] if with_results else []
    for name, values in given.items():
        if name not in known:
            _refuse(f"{name!r} is unknown; there are {', '.join(known)}")
        if len(values) > 1 and name != "regions":
            _refuse(f"{name} is given {len(values)} times; give it once")
    single = {name: values[0] for name, values in given.items() if name != "regions"}

    def given_or(default: Value, name: str, read: Callable[[str, str], Value]) -> Value:
        return read(name, single[name]) if name in single else default

    kind = given_or("json", "format", _one_of(tuple(FORMATS)))
    if kind != "json" and (useless := [name for name in _JSON_ALONE if name in given]):
        _refuse(f"{useless[0]} goes only with format=json, not with {kind}")
    return Options(
        model=given_or(models[0], "model", _one_of(models)),
        center_bias=given_or(None, "center_bias", _one_of(PACKAGED)),
        pixels_per_degree=given_or(None, "pixels_per_degree", _positive_number),
        format=kind,
        samples=given_or(0, "samples", _integer(MAX_SAMPLES)),
        seed=given_or(0, "seed", _integer(MAX_SEED)),
        regions=_regions(given.get("regions", [])),
    )


def _refuse(detail: str) -> NoReturn:
    raise ProblemError("invalid-parameter", detail)


def _one_of(names: Sequence[str]) -> Callable[[str, str], str]:
    def read(name: str, text: str) -> str:
        if text not in names:
            _refuse(f"{name}={text!r} is unknown; there are {', '.join(names)}")
        return text

    return read


def _integer(largest: int) -> Callable[[str, str], int]:
    def read(name: str, text: str) -> int:
        if not re.fullmatch("[0-9]{1,17}", text) or int(text) > largest:
            _refuse(f"{name}={text!r} is no whole number from 0 to {largest}")
        return int(text)

    return read


def _positive_number(name: str, text: str) -> float:
    is_number = re.fullmatch(r"([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,3})?", text)
    if not is_number or not 0 < float(text) < float("inf"):
        _refuse(f"{name}={text!r} is no positive number")
    return float(text)


def _regions(texts: Sequence[str]) -> tuple[str, ...]:
    if len(texts) > MAX_REGIONS:
        _refuse(f"{len(texts)} regions are given; the limit is {MAX_REGIONS}")
    for text in texts:
        try:
            parse_region(text)
        except RegionError as error:
            _refuse(str(error))
    return tuple(texts)
