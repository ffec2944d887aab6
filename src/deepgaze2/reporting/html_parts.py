"""Parts of an HTML page: numbers, tables, pictures. Whatever is not `Html` is escaped."""

import base64
from collections.abc import Iterable, Sequence
from html import escape
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np

from deepgaze2.evaluation.report import Estimate

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_PNG_DPI = 120
_CSS_PX_PER_INCH = 96
_LEAST_SHARE = 0.55
"""Of its size, down to which a picture shrinks on small screens before it scrolls."""


class Html(str):
    """Text that is HTML already."""

    __slots__ = ()


def html(text: str) -> Html:
    """Return text as HTML."""
    return text if isinstance(text, Html) else Html(escape(text))


def joined(parts: Iterable[str], between: str = "\n") -> Html:
    """Return parts one after the other."""
    return Html(between.join(html(part) for part in parts))


def element(name: str, content: str, **attributes: str) -> Html:
    """Return an element; attributes are named as in Python, `class_`, `aria_label`."""
    written = (
        f' {key.rstrip("_").replace("_", "-")}="{escape(value)}"'
        for key, value in attributes.items()
    )
    return Html(f"<{name}{''.join(written)}>{html(content)}</{name}>")


def number(value: float, digits: int = 3) -> str:
    """Return a number with a true minus sign; infinity as its sign, a dash for no number."""
    if np.isnan(value):
        return "\N{EN DASH}"
    if np.isinf(value):
        return "\N{INFINITY}" if value > 0 else "\N{MINUS SIGN}\N{INFINITY}"
    text = f"{value:,.{digits}f}"
    if not text.strip("-0."):
        text = text.lstrip("-")  # no negative zero
    return text.replace("-", "\N{MINUS SIGN}")


def estimate(
    shown: Estimate | None, digits: int = 3, scale: float = 1, *, best: bool = False
) -> Html:
    """Return a value with its interval below it; the best ones of a column are bold."""
    if shown is None:
        return html(number(np.nan))
    value = element("strong" if best else "span", number(scale * shown.value, digits))
    low, high = (number(scale * end, digits) for end in (shown.low, shown.high))
    return joined([value, element("small", f"{low} to {high}")], "<br>")


def table(
    caption: str, head: Sequence[str], rows: Iterable[Sequence[str]], *, text_columns: int = 0
) -> Html:
    """Return a table; its first column names the rows, the last ones may be text, not numbers.

    It scrolls in itself where it is too wide or too long, also by keyboard.
    """

    def row(first: str, *others: str) -> Html:
        n_numbers = len(others) - text_columns
        cells = [
            *(element("td", cell) for cell in others[:n_numbers]),
            *(element("td", cell, class_="text") for cell in others[n_numbers:]),
        ]
        return element("tr", joined([element("th", first, scope="row"), *cells]))

    n_numbers = len(head) - text_columns
    top = [
        *(element("th", cell, scope="col") for cell in head[:n_numbers]),
        *(element("th", cell, scope="col", class_="text") for cell in head[n_numbers:]),
    ]
    parts = [
        element("caption", caption),
        element("thead", element("tr", joined(top))),
        element("tbody", joined(row(*cells) for cells in rows)),
    ]
    return _scrolling(element("table", joined(parts)), caption)


def picture(figure: "Figure", caption: str, alternative: str) -> Html:
    """Return a figure as an embedded PNG with its caption.

    Parameters
    ----------
    figure : matplotlib Figure
        Written with 120 dots per inch.
    caption : str
        Below it.
    alternative : str
        What it shows, for those who do not see it.
    """
    stream = BytesIO()
    figure.savefig(stream, format="png", dpi=_PNG_DPI, metadata={"Software": None})
    width, height = (round(inches * _CSS_PX_PER_INCH) for inches in figure.get_size_inches())
    source = f"data:image/png;base64,{base64.b64encode(stream.getvalue()).decode()}"
    image = Html(
        f'<img src="{source}" alt="{escape(alternative)}" width="{width}" height="{height}"'
        f' style="min-width: {round(_LEAST_SHARE * width)}px">'
    )
    return element(
        "figure", joined([_scrolling(image, alternative), element("figcaption", caption)])
    )


def _scrolling(content: Html, label: str) -> Html:
    return element("div", content, class_="scroll", tabindex="0", role="region", aria_label=label)
