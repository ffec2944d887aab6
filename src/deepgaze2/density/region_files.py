"""Files of regions: a JSON list, a CSV table, or the rectangles of an SVG drawing.

A drawing spans the image, whatever their two sizes: its rectangles become percentages, and an image
of another shape than the drawing's is refused. Numbers of the other two are pixels or percentages.
"""

import csv
import io
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from deepgaze2.density.region_drawing import rectangles
from deepgaze2.density.regions import Region, parse_region
from deepgaze2.errors import RegionError
from deepgaze2.image.stimulus import printable

_FIELDS = ("name", "x", "y", "width", "height")
_MOST_BYTES = 10_000_000
_SHAPE_TOLERANCE = 0.01  # sizes in whole pixels are rounded


@dataclass(frozen=True)
class RegionSource:
    """Regions that were given together.

    Attributes
    ----------
    regions : tuple of Region
        In their order.
    file : str
        Where they come from; empty if they were typed.
    frame : tuple of float, optional
        Width and height of the drawing that they are percentages of.
    """

    regions: tuple[Region, ...]
    file: str = ""
    frame: tuple[float, float] | None = None

    def on(self, image: str, width: int, height: int) -> list[Region]:
        """Return the regions of an image of this size, in pixels.

        Raises
        ------
        RegionError
            If one has no area or is not inside the image, or the drawing has another shape.
        """
        where = f"{self.file}: " if self.file else ""
        if self.frame and abs(self.frame[0] * height / (self.frame[1] * width) - 1) > (
            _SHAPE_TOLERANCE
        ):
            drawn = f"{self.frame[0]:g} by {self.frame[1]:g}"
            raise RegionError(
                f"{where}the drawing of {drawn} has another shape than {image} of {width} by"
                f" {height} pixels; draw the regions over the whole image"
            )
        try:
            return [region.in_pixels(width, height) for region in self.regions]
        except RegionError as error:
            raise RegionError(f"{where}{image}: {error}") from error


def all_regions(typed: Iterable[str], files: Iterable[Path]) -> list[RegionSource]:
    """Return regions that were typed, see `parse_region`, and those of files.

    Raises
    ------
    RegionError
        If one is malformed, or two have one name.
    """
    sources = [RegionSource(tuple(map(parse_region, typed))), *map(read_regions, files)]
    counts = Counter(region.name for source in sources for region in source.regions)
    for source in sources:
        for region in source.regions:
            if counts[region.name] > 1:
                where = f"{source.file}: " if source.file else ""
                raise RegionError(
                    f"{where}{counts[region.name]} regions are called {region.name!r}; give each a"
                    " name of its own"
                )
    return [source for source in sources if source.regions]


def read_regions(path: Path) -> RegionSource:
    """Read a file of regions, in the format that its suffix names.

    `.json` is a list of objects with `name`, `x`, `y`, `width` and `height`; `.csv` a table with
    these columns, separated by commas, semicolons or tabs. The numbers are pixels or, all four of a
    region, percentages such as `"12.5%"`. `.svg` is a drawing; see `rectangles`.

    Raises
    ------
    RegionError
        If the file is missing or malformed, or has no region.
    """
    label = printable(path)
    readers = {".json": _from_json, ".csv": _from_csv}
    suffix = path.suffix.lower()
    if suffix not in (*readers, ".svg"):
        raise RegionError(f"{label}: regions are read from .json, .csv and .svg files")
    text = _text(path, label)
    try:
        if suffix == ".svg":
            found, frame = rectangles(text)
            return RegionSource(tuple(found), label, frame)
        regions = readers[suffix](text)
    except RegionError as error:
        raise RegionError(f"{label}: {error}") from error
    if not regions:
        raise RegionError(f"{label}: has no region")
    return RegionSource(tuple(regions), label)


def _text(path: Path, label: str) -> str:
    try:
        with path.open("rb") as stream:
            content = stream.read(_MOST_BYTES + 1)
        if len(content) > _MOST_BYTES:
            raise RegionError(f"{label}: is over {_MOST_BYTES:,} bytes; is it a file of regions?")
        return content.decode("utf-8-sig")
    except OSError as error:
        reason = error.strerror or str(error)
        raise RegionError(f"{label}: cannot be read ({reason}); check the path") from error
    except UnicodeDecodeError as error:
        raise RegionError(f"{label}: is not UTF-8 text; save it as UTF-8") from error


def _from_json(text: str) -> list[Region]:
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise RegionError(f"is not JSON ({error})") from error
    if not isinstance(values, list):
        raise RegionError(f"is not a list of regions, [{{{', '.join(map(repr, _FIELDS))}}}, ...]")
    regions = []
    for number, value in enumerate(values, 1):
        if not isinstance(value, dict) or set(value) != set(_FIELDS):
            raise RegionError(f"region {number} is not an object of {', '.join(_FIELDS)}")
        if any(isinstance(value[name], bool | list | dict | None) for name in _FIELDS):
            raise RegionError(f"region {number} has a field that is neither a number nor a text")
        regions.append(_region([str(value[name]) for name in _FIELDS], f"region {number}"))
    return regions


def _from_csv(text: str) -> list[Region]:
    header = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=header.count)
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        columns = [cell.strip().lower() for cell in next(rows, [])]
        if sorted(columns) != sorted(_FIELDS):
            raise RegionError(f"line 1: the columns are not {', '.join(_FIELDS)}")
        regions = []
        for cells in rows:
            if not any(cell.strip() for cell in cells):
                continue
            place = f"line {rows.line_num}"
            if len(cells) != len(columns):
                raise RegionError(f"{place}: {len(cells)} cells, but there are 5 columns")
            values = dict(zip(columns, cells, strict=True))
            regions.append(_region([values[name].strip() for name in _FIELDS], place))
    except csv.Error as error:
        raise RegionError(f"line {rows.line_num}: {error}") from error
    return regions


def _region(fields: Sequence[str], place: str) -> Region:
    name, *numbers = fields
    if odd := [number for number in numbers if ":" in number]:
        raise RegionError(f"{place}: {odd[0]!r} is neither pixels nor a percentage")
    try:
        return parse_region(f"{name}:{','.join(numbers)}")
    except RegionError as error:
        raise RegionError(f"{place}: {error}") from error
