"""Regions as rectangles of an SVG drawing, as programs for design export it."""

import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from dataclasses import dataclass

from deepgaze2.density.regions import Region
from deepgaze2.errors import RegionError
from deepgaze2.image.stimulus import printable

_SVG = "{http://www.w3.org/2000/svg}"
_INKSCAPE_LABEL = "{http://www.inkscape.org/namespaces/inkscape}label"
_NOT_SHOWN = {f"{_SVG}{tag}" for tag in ("defs", "clipPath", "mask", "pattern", "symbol", "marker")}
_GROUPS = tuple(f"{_SVG}{tag}" for tag in ("g", "a", "switch"))
_DEEPEST = 100
_PLACED_BY_STYLE = re.compile(
    r"(?:^|[;\s])(?:transform|translate|scale|rotate|x|y|width|height)\s*:"
)
_NUMBER = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)(px|%)?")
_STEP = re.compile(r"\s*(\w+)\s*\(([^()]*)\)\s*,?")


@dataclass(frozen=True)
class _Frame:
    """What the drawing shows: the rectangle of its user units that spans the image."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class _Scaled:
    """x to `sx * x + tx`, and y alike: what keeps rectangles upright."""

    sx: float = 1.0
    sy: float = 1.0
    tx: float = 0.0
    ty: float = 0.0

    def after(self, other: "_Scaled") -> "_Scaled":
        """Return what does `other` first and then this."""
        return _Scaled(
            self.sx * other.sx,
            self.sy * other.sy,
            self.sx * other.tx + self.tx,
            self.sy * other.ty + self.ty,
        )


def rectangles(text: str) -> tuple[list[Region], tuple[float, float]]:
    """Return an SVG drawing's named rectangles, in percent, and its width and height.

    A rectangle's name is its `inkscape:label`, its `<title>` or its `id`; those without one, as
    backgrounds are, and those in definitions are left out.

    Raises
    ------
    RegionError
        If it is no SVG, has no size or no named rectangle, or one is turned or has other units
        than pixels and percent.
    """
    if "<!ENTITY" in text:
        raise RegionError("declares entities, which are not read; export it as plain SVG")
    try:
        root = ElementTree.fromstring(text)  # noqa: S314
    except ElementTree.ParseError as error:
        raise RegionError(f"is not an SVG file ({error})") from error
    if root.tag != f"{_SVG}svg":
        raise RegionError("is not an SVG file; export the drawing as SVG")
    frame = _frame(root)
    found = [
        _region(element, name, placed, frame) for element, name, placed in _named(root, _Scaled())
    ]
    if not found:
        raise RegionError("has no rectangle with a name; give each <rect> an id or a label")
    return found, (frame.width, frame.height)


def _frame(root: ElementTree.Element) -> _Frame:
    if box := root.get("viewBox"):
        numbers = [_NUMBER.fullmatch(part) for part in re.split(r"[\s,]+", box.strip())]
        values = [float(number[1]) for number in numbers if number and not number[2]]
        if len(values) != 4 or len(numbers) != 4:
            raise RegionError(f"its viewBox is {printable(box)!r}, not four numbers")
        frame = _Frame(*values)
    else:
        whole = _Frame(0, 0, 0, 0)  # a size in percent has nothing that it is a share of
        frame = _Frame(0, 0, *(_length(root, side, whole) for side in ("width", "height")))
    if not (frame.width > 0 and frame.height > 0):
        raise RegionError("does not say how large the drawing is; give it a viewBox")
    return frame


def _named(
    element: ElementTree.Element, placed: _Scaled, depth: int = 1
) -> Iterator[tuple[ElementTree.Element, str, _Scaled]]:
    """Yield the rectangles that have names, with what all that holds them does to their places."""
    if depth > _DEEPEST:
        raise RegionError(f"has over {_DEEPEST} groups in one another; flatten the drawing")
    for child in element:
        if child.tag in _NOT_SHOWN:
            continue
        if child.tag == f"{_SVG}svg":
            raise RegionError("has a drawing inside the drawing; export it flat")
        if child.tag not in (*_GROUPS, f"{_SVG}rect"):
            continue
        if _PLACED_BY_STYLE.search(child.get("style", "")):
            raise RegionError("places something by its style, which is not read; flatten it")
        inner = placed.after(_transform(child))
        if child.tag in _GROUPS:
            yield from _named(child, inner, depth + 1)
        elif name := _name(child):
            yield child, name, inner


def _name(rectangle: ElementTree.Element) -> str:
    title = rectangle.findtext(f"{_SVG}title")
    names = rectangle.get(_INKSCAPE_LABEL), title, rectangle.get("id")
    return next((printable(name.strip()) for name in names if name and name.strip()), "")


def _region(rectangle: ElementTree.Element, name: str, placed: _Scaled, frame: _Frame) -> Region:
    try:
        x, y, width, height = (
            _length(rectangle, side, frame) for side in ("x", "y", "width", "height")
        )
    except RegionError as error:
        raise RegionError(f"rectangle {name!r}: {error}") from error
    xs = sorted(placed.sx * edge + placed.tx - frame.x for edge in (x, x + width))
    ys = sorted(placed.sy * edge + placed.ty - frame.y for edge in (y, y + height))
    return Region(
        name,
        100 * xs[0] / frame.width,
        100 * ys[0] / frame.height,
        100 * (xs[1] - xs[0]) / frame.width,
        100 * (ys[1] - ys[0]) / frame.height,
        percent=True,
    )


def _length(element: ElementTree.Element, side: str, frame: _Frame) -> float:
    """Return a position or size in user units; what is missing is zero."""
    text = element.get(side, "0").strip()
    number = _NUMBER.fullmatch(text)
    if not number:
        raise RegionError(f"its {side} is {printable(text)!r}; give a number of pixels")
    whole = frame.width if side in ("x", "width") else frame.height
    return float(number[1]) * (whole / 100 if number[2] == "%" else 1)


def _transform(element: ElementTree.Element) -> _Scaled:
    """Return what an element's `transform` does.

    Raises
    ------
    RegionError
        If it turns or skews.
    """
    text = element.get("transform", "")
    placed, end = _Scaled(), 0
    while step := _STEP.match(text, end):
        placed, end = placed.after(_step(step[1], step[2])), step.end()
    if text[end:].strip():
        raise RegionError(f"has the transform {printable(text)!r}, which is malformed")
    return placed


def _step(kind: str, arguments: str) -> _Scaled:
    numbers = [_NUMBER.fullmatch(part) for part in re.split(r"[\s,]+", arguments.strip())]
    values = [float(number[1]) for number in numbers if number and not number[2]]
    match kind, values:
        case "translate", [tx]:
            return _Scaled(tx=tx)
        case "translate", [tx, ty]:
            return _Scaled(tx=tx, ty=ty)
        case "scale", [scale]:
            return _Scaled(scale, scale)
        case "scale", [sx, sy]:
            return _Scaled(sx, sy)
        case "matrix", [sx, 0.0, 0.0, sy, tx, ty]:
            return _Scaled(sx, sy, tx, ty)
    raise RegionError(
        f"has the transform {kind}({printable(arguments)}), which is not read: rectangles must be"
        " upright; flatten the drawing"
    )
