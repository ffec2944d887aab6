"""How pages are filled, and how they write values."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from jinja2 import Environment

    from deepgaze2.metrics.table import Metric


def page_environment() -> "Environment":
    """Return what fills the templates of pages."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("deepgaze2.reporting"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": number, "span": span, "heading": heading}
    return environment


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


def span(values: NDArray[np.generic], digits: int = 0) -> str:
    """Return the range of some numbers, and their median if they differ."""
    known = np.asarray(values, dtype=np.float64)
    known = known[~np.isnan(known)]
    if not len(known):
        return "unknown"
    low, middle, high = (number(float(x), digits) for x in np.quantile(known, [0, 0.5, 1]))
    return low if low == high else f"{low} to {high} (median {middle})"


def heading(metric: "Metric") -> str:
    """Return a metric's title with the direction in which values get better."""
    return f"{metric.title} {'↓' if metric.lower_is_better else '↑'}"
