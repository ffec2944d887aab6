"""Numbers as people read them."""

import math

from deepgaze2.comparison.agreement import Agreed

_FRACTIONS = {
    1 / 4: "a quarter",
    1 / 3: "a third",
    2 / 5: "two in five",
    1 / 2: "half",
    3 / 5: "three in five",
    2 / 3: "two thirds",
    3 / 4: "three quarters",
    4 / 5: "four in five",
    9 / 10: "nine in ten",
    **{
        1 / n: f"one in {word}"
        for n, word in enumerate(("five", "six", "seven", "eight", "nine", "ten"), 5)
    },
    **{1 / n: f"one in {n}" for n in (11, 12, 15, 20, 25, 30, 40, 50, 75, 100)},
}
MINUS = "\N{MINUS SIGN}"


def in_words(share: float) -> str:
    """Return a share, 0..1, as a fraction that is easy to picture, as in `about one in eight`."""
    if share < 0.009:
        return "fewer than one in a hundred"
    if share > 0.95:
        return "nearly all"
    nearest = min(_FRACTIONS, key=lambda fraction: abs(math.log(fraction / share)))
    return f"about {_FRACTIONS[nearest]}"


def percent(value: float, digits: int = 1) -> str:
    """Return a share in percent."""
    return f"{_number(100 * value, digits)}%"


def points(value: float) -> str:
    """Return a difference of shares in percentage points, with its sign; an exact zero has none."""
    text = _number(100 * value, 1)
    return text if value == 0 or text.startswith(MINUS) else f"+{text}"


def interval(agreed: Agreed, *, signed: bool = False) -> str:
    """Return the readouts' interval in percent or points, as in ` (9.1 to 10.6)`, or nothing."""
    if math.isnan(agreed.low):
        return ""
    shown = [points(end) if signed else _number(100 * end, 1) for end in (agreed.low, agreed.high)]
    return f" ({shown[0]} to {shown[1]})"


def ratio(value: float) -> str:
    """Return a ratio; a dash for no number."""
    return _number(value, 2) if math.isfinite(value) else "\N{EN DASH}"


def _number(value: float, digits: int) -> str:
    text = f"{value:.{digits}f}"
    if not text.strip("-0."):
        text = text.lstrip("-")  # no negative zero
    return text.replace("-", MINUS)
