"""What all figures share: colors safe for color blindness, text, and how they are saved."""

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from deepgaze2.support.files import written_atomically

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito (2008): told apart with any color vision.
BLUE, VERMILION, GRAY = "#0072B2", "#D55E00", "#767676"
SERIES_COLORS = (BLUE, VERMILION, "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
SUFFIXES = (".pdf", ".svg", ".png")
_PNG_DPI = 200
_REPRODUCIBLE = {"pdf": {"CreationDate": None}, "svg": {"Date": None}, "png": {"Software": None}}


def tidy(ax: "Axes") -> None:
    """Leave out the frame's upper and right lines."""
    ax.spines[["top", "right"]].set_visible(False)


def drawable(text: str, longest: int = 60) -> str:
    """Return a name that can be drawn: glyphs that the font has, no formulas, not too long.

    Of a longer name, the middle is left out: names of folders differ at their ends.
    """
    known = _glyphs()
    text = "".join(c if ord(c) in known else "?" for c in text)
    if len(text) > longest:
        text = f"{text[: longest // 2 - 1]}...{text[len(text) - longest + longest // 2 + 2 :]}"
    return text.replace("$", r"\$")


def with_signs(number: str) -> str:
    """Return a formatted number with the signs for minus and infinity."""
    return number.replace("-", "\N{MINUS SIGN}").replace("inf", "\N{INFINITY}")


@cache
def _glyphs() -> frozenset[int]:
    from matplotlib.font_manager import FontProperties, findfont, get_font

    return frozenset(get_font(findfont(FontProperties())).get_charmap()) - set(range(32))


def save_figure(figure: "Figure", folder: Path, name: str) -> list[Path]:
    """Write a figure as PDF and SVG, whose text stays text, and as PNG; return the files.

    Raises
    ------
    OutputError
        If a file cannot be written.
    """
    from matplotlib import rc_context

    paths = [folder / f"{name}{suffix}" for suffix in SUFFIXES]
    with rc_context({"pdf.fonttype": 42, "svg.fonttype": "none", "svg.hashsalt": name}):
        for path in paths:
            with written_atomically(path) as temporary:
                metadata = _REPRODUCIBLE[path.suffix[1:]]
                figure.savefig(temporary, dpi=_PNG_DPI, metadata=metadata)
    return paths
