"""What a request's query asks for: each option once, for those who read it and the document."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Literal, cast

from fastapi import Depends, Request
from fastapi.params import Depends as Dependency
from pydantic import AfterValidator, BaseModel, BeforeValidator, Field
from pydantic.json_schema import SkipJsonSchema

from deepgaze2.density.center_bias import PACKAGED
from deepgaze2.density.regions import parse_region
from deepgaze2.density.scrolling import parse_scroll
from deepgaze2.errors import DeepGazeError
from deepgaze2.image.viewport import parse_viewport
from deepgaze2.serve.http.problems import ProblemError
from deepgaze2.serve.queue.jobs import FORMATS
from deepgaze2.serve.queue.limits import MAX_REGIONS, MAX_SAMPLES

_FORMATS = tuple(FORMATS)
_MAX_SEED = 2**53 - 1  # the largest that every JSON reader keeps exact
_JSON_ALONE = ("samples", "seed", "regions")


def _written_as(pattern: str) -> BeforeValidator:
    """Take what is written so; of numbers, Pydantic alone would take 1_0 and nan, too."""

    def check(value: object) -> object:
        if not re.fullmatch(pattern, str(value)):
            raise ValueError
        return value

    return BeforeValidator(check)


def _read_by(parse: Callable[[str], object]) -> AfterValidator:
    """Take what a function can read, as it is: the worker reads it again."""

    def check(text: str) -> str:
        try:
            parse(text)
        except DeepGazeError as error:
            raise ValueError(str(error)) from error
        return text

    return AfterValidator(check)


_CenterBias = Literal[PACKAGED]  # type: ignore[valid-type]  # the names in the tuple
_Format = Literal[_FORMATS]  # type: ignore[valid-type]
_Nothing = SkipJsonSchema[None]  # which no query can say
_Whole = Annotated[int, _written_as("[0-9]{1,17}")]
_Positive = Annotated[
    float,
    Field(gt=0, allow_inf_nan=False),
    _written_as(r"([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,3})?"),
]


class LayersQuery(BaseModel, use_attribute_docstrings=True):
    """What to compute of an image."""

    model: str | _Nothing = None  # one of those that are served, of which the first
    """The model."""
    center_bias: _CenterBias | _Nothing = Field(default=None, examples=["osie"])
    """The center bias that the prediction contains, instead of the model's."""
    pixels_per_degree: _Positive | _Nothing = Field(default=None, examples=[35])
    """Image pixels per degree of visual angle, if known."""
    viewport: Annotated[str, _read_by(parse_viewport)] | _Nothing = Field(
        default=None, examples=["1024x600"]
    )
    """What viewers' screens show of a page that they scroll, in pixels of the image, as
    `1280x800`; `auto` guesses it for what looks like a page, `none` is for images seen at once."""
    scroll: Annotated[str, _read_by(parse_scroll)] | _Nothing = Field(
        default=None, examples=["100,60"]
    )
    """Percentages of the viewers who see each screenful of a page, the first being 100."""


class PredictQuery(LayersQuery, use_attribute_docstrings=True):
    """What to compute of an image, and what of it to return."""

    format: _Format = Field(default="json", examples=["json"])
    """What to return."""
    samples: _Whole = Field(default=0, ge=0, le=MAX_SAMPLES, examples=[2])
    """Number of fixations to draw."""
    seed: _Whole = Field(default=0, ge=0, le=_MAX_SEED, examples=[0])
    """The same seed draws the same fixations."""
    regions: tuple[Annotated[str, _read_by(parse_region)], ...] = Field(
        default=(),
        max_length=MAX_REGIONS,
        examples=[["face:440,240,250,280", "top:0%,0%,100%,50%"]],
    )
    """`name:x,y,width,height`, in pixels or all four in percent; repeatable."""


_SCHEMAS: Mapping[str, Mapping[str, Any]] = PredictQuery.model_json_schema()["properties"]


def known_once(query: type[LayersQuery]) -> Dependency:
    """Refuse what no option is called, what is given twice, and what would go for nothing.

    FastAPI would leave out the first and take the last of the second.
    """

    async def check(request: Request) -> None:
        given, known = request.query_params, list(query.model_fields)
        for name in dict.fromkeys(name for name, _ in given.multi_items()):
            if name not in known:
                raise _refusal(f"{name!r} is unknown; there are {', '.join(known)}")
            if (n := len(given.getlist(name))) > 1 and name != "regions":
                raise _refusal(f"{name} is given {n} times; give it once")
        kind = given.get("format", "json")
        if kind in FORMATS and kind != "json" and (useless := given.keys() & _JSON_ALONE):
            first = min(useless, key=_JSON_ALONE.index)
            raise _refusal(f"{first} goes only with format=json, not with {kind}")

    return cast("Dependency", Depends(check))


def invalid(error: Mapping[str, Any]) -> ProblemError:
    """Return the problem that an error of Pydantic's is, with what the option's schema allows."""
    (_, name, *_), value, schema = error["loc"], error["input"], _SCHEMAS[error["loc"][1]]
    if name == "regions":
        too_many = f"{len(value)} regions are given; the limit is {MAX_REGIONS}"
        return _refusal(too_many if error["type"] == "too_long" else str(error["ctx"]["error"]))
    if name in ("viewport", "scroll"):
        return _refusal(str(error["ctx"]["error"]))
    if "enum" in schema:
        return unknown(name, value, schema["enum"])
    kind = "positive number"
    if schema["type"] == "integer":
        kind = f"whole number from {schema['minimum']} to {schema['maximum']}"
    return _refusal(f"{name}={value!r} is no {kind}")


def unknown(name: str, value: str, names: Sequence[str]) -> ProblemError:
    """Return the problem of a value that is none of those that there are."""
    return _refusal(f"{name}={value!r} is unknown; there are {', '.join(names)}")


def _refusal(detail: str) -> ProblemError:
    return ProblemError("invalid-parameter", detail)
