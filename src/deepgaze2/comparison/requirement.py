"""What is required of variants: whether it is met, and by what numbers."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from deepgaze2.comparison.agreement import Agreed
from deepgaze2.comparison.comparison import Comparison
from deepgaze2.comparison.expression import (
    COMPARISONS,
    Requirement,
    Share,
    Value,
    evaluate,
    powers_of,
    shares_in,
)
from deepgaze2.comparison.words import MINUS, interval
from deepgaze2.errors import RequirementError

_MOST_DIGITS = 9


@dataclass(frozen=True)
class Side:
    """One side of a requirement that names a region: what was typed, and its value."""

    text: str
    value: Agreed
    is_share: bool

    def shown(self, digits: int) -> str:
        """Return the value as text."""
        number = f"{100 * self.value.value if self.is_share else self.value.value:.{digits}f}"
        if self.is_share:
            return f"{number.replace('-', MINUS)}%{interval(self.value)}"
        ends = self.value.low, self.value.high
        between = "" if np.isnan(ends[0]) else f" ({ends[0]:.{digits}f} to {ends[1]:.{digits}f})"
        return f"{number}{between}".replace("-", MINUS)


@dataclass(frozen=True)
class Outcome:
    """A requirement, whether it is met, and the values of its sides that name regions."""

    requirement: Requirement
    met: bool
    sides: tuple[Side, ...]
    digits: int

    @property
    def line(self) -> str:
        """What is said of it, as `cta >= 12%: cta is 9.8% (9.1 to 10.6)`."""
        values = [f"{side.text} is {side.shown(self.digits)}" for side in self.sides]
        return f"{self.requirement.text}: {', '.join(values)}"


def refuse_unknown(
    requirements: Sequence[Requirement], regions: Sequence[str], variants: Sequence[str]
) -> None:
    """Refuse requirements that name what is not there.

    Raises
    ------
    RequirementError
        If a region or variant is unknown.
    """
    for one in requirements:
        for region, variant in (*shares_in(one.left), *shares_in(one.right)):
            if region not in regions:
                _refuse(one, "region", region, regions)
            if variant and variant not in variants:
                _refuse(one, "variant", variant, variants)


def _refuse(requirement: Requirement, what: str, name: str, known: Sequence[str]) -> None:
    named = f"there are {', '.join(map(repr, known))}" if known else "give some with --region"
    raise RequirementError(
        f"--require {requirement.text!r}: no {what} is called {name!r}; {named}"
        + ("; other names than words stand in quotation marks" if known else "")
    )


def check(comparison: Comparison, requirement: Requirement) -> Outcome:
    """Return whether a requirement is met by the model's shares.

    A region that is named without a variant is that of the last.

    Raises
    ------
    RequirementError
        If a side has no value, as after a division by zero.
    """
    model: dict[Share, Value] = {}
    members: dict[Share, Value] = {}
    for variant in comparison.variants:
        for one in variant.regions:
            for name in (variant.name, ""):
                model[one.region.name, name] = one.share.value
                members[one.region.name, name] = one.members
    pairs = [
        (requirement.left, requirement.left_text),
        (requirement.right, requirement.right_text),
    ]
    values = [float(evaluate(side, model)) for side, _ in pairs]
    if not np.isfinite(values).all():
        raise RequirementError(
            f"--require {requirement.text!r}: is divided by zero, or a number is too large"
        )
    met = COMPARISONS[requirement.sign](*values)
    sides = tuple(
        Side(
            text,
            Agreed.of(value, np.asarray(evaluate(side, members)), comparison.readout_shares),
            1 in powers_of(side),
        )
        for (side, text), value in zip(pairs, values, strict=True)
        if any(True for _ in shares_in(side))
    )
    return Outcome(requirement, met, sides, _digits(requirement, values, sides))


def _digits(requirement: Requirement, values: Sequence[float], sides: Sequence[Side]) -> int:
    """Return with how many digits the values, as shown, still compare as they do."""
    scale = 100 if any(side.is_share for side in sides) else 1
    compared = COMPARISONS[requirement.sign]
    first = 1 if scale == 100 else 2
    for digits in range(first, _MOST_DIGITS):
        shown = [round(scale * value, digits) for value in values]
        if compared(*shown) == compared(*values) and (
            shown[0] != shown[1] or values[0] == values[1]
        ):
            return digits
    return _MOST_DIGITS
