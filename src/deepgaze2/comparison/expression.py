"""The small language of requirements: `cta >= 12%`, `cta.after - cta.before >= 1%`.

    requirement := sum (">=" | "<=" | ">" | "<") sum
    sum         := product (("+" | "-") product)*
    product     := factor (("*" | "/") factor)*
    factor      := ("+" | "-")* (NUMBER | NUMBER "%" | share | "(" sum ")")
    share       := NAME ("." NAME)?

A name is a word, or anything in quotation marks. Nothing is evaluated but this.
"""

import operator
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from deepgaze2.errors import RequirementError
from deepgaze2.image.stimulus import printable

Value: TypeAlias = float | NDArray[np.float64]
Share = tuple[str, str]
"""A region and a variant; the latter is empty where it was not named."""

COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}
_OPERATIONS: dict[str, Callable[[Value, Value], Value]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
}
_TOKEN = re.compile(
    r"""(?P<number>\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)(?P<percent>\s*%)?
    |(?P<name>[^\W\d]\w*)
    |'(?P<single>[^']+)'
    |"(?P<double>[^"]+)"
    |(?P<sign>>=|<=|==|!=|[-+*/()<>.])""",
    re.VERBOSE,
)
_QUOTED_OR_SPACE = re.compile(r"""('[^']*'|"[^"]*")|\s""")
_PLAIN, _SHARE, _EITHER = frozenset((0,)), frozenset((1,)), frozenset((0, 1))
_LONGEST = 500
_DEEPEST = 20


@dataclass(frozen=True)
class Number:
    """A number, and of which powers of a share it may be; see `powers_of`."""

    value: float
    powers: frozenset[int]


@dataclass(frozen=True)
class Operation:
    """Two expressions and the sign between them."""

    sign: str
    left: "Expression"
    right: "Expression"


Expression: TypeAlias = Number | Share | Operation


@dataclass(frozen=True)
class Requirement:
    """A comparison of two expressions.

    Attributes
    ----------
    text : str
        As it was typed, without spaces around it.
    sign : str
        A key of `COMPARISONS`.
    left, right : Expression
        What is compared.
    left_text, right_text : str
        These as they were typed.
    """

    text: str
    sign: str
    left: Expression
    right: Expression
    left_text: str
    right_text: str


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    start: int
    value: float = 0.0


def parse_requirement(text: str) -> Requirement:
    """Read a requirement.

    Shares are one kind of quantity, plain numbers another: `cta >= 12` is refused, since a share of
    12 is 1200%.

    Raises
    ------
    RequirementError
        If it is malformed, in one line with the position, counted from 1.
    """
    return _Parser(text).requirement()


def shares_in(expression: Expression) -> Iterator[Share]:
    """Yield the shares that an expression names, from left to right."""
    match expression:
        case Operation(_, left, right):
            yield from shares_in(left)
            yield from shares_in(right)
        case (str(), str()):
            yield expression


def evaluate(expression: Expression, shares: Mapping[Share, Value]) -> Value:
    """Return an expression's value; of arrays of shares, element by element.

    Division by zero gives what NumPy gives: infinity, or no number.
    """
    match expression:
        case Operation(sign, left, right):
            first, second = evaluate(left, shares), evaluate(right, shares)
            with np.errstate(all="ignore"):
                return _OPERATIONS[sign](np.asarray(first), np.asarray(second))
        case Number(value):
            return value
        case share:
            return shares[share]


def _in_one_line(text: str) -> str:
    """Return text with names as regions' are shown, and with spaces for line breaks around them."""
    return _QUOTED_OR_SPACE.sub(lambda found: printable(found[1]) if found[1] else " ", text)


class _Parser:
    """Reads one requirement, a token at a time."""

    def __init__(self, text: str) -> None:
        self.text = _in_one_line(text)
        self.depth = 0
        if len(text) > _LONGEST:
            raise self._error(f"is over {_LONGEST} characters", _LONGEST)
        self.tokens = list(self._split())

    def requirement(self) -> Requirement:
        left = self._sum()
        sign = self._next()
        if sign.text not in COMPARISONS or sign.kind != "sign":
            hint = "; shares are hardly ever equal" if sign.text in ("==", "!=") else ""
            raise self._expected("one of >=, <=, > and <", sign, hint)
        right = self._sum()
        end = self._next()
        if end.kind != "end":
            hint = "; repeat --require for another" if end.text in COMPARISONS else ""
            raise self._expected("the end", end, hint)
        self._refuse_unlike(left, right, sign)
        if not any(True for side in (left, right) for _ in shares_in(side)):
            raise self._error("names no region", 0)
        sides = self.text[: sign.start].strip(), self.text[sign.start + len(sign.text) :].strip()
        return Requirement(self.text.strip(), sign.text, left, right, *sides)

    def _sum(self) -> Expression:
        return self._chain(("+", "-"), self._product)

    def _product(self) -> Expression:
        return self._chain(("*", "/"), self._factor)

    def _chain(self, signs: tuple[str, str], part: Callable[[], Expression]) -> Expression:
        left = part()
        while self.tokens[0].kind == "sign" and self.tokens[0].text in signs:
            sign = self._next()
            right = part()
            if sign.text in "+-":
                self._refuse_unlike(left, right, sign)
            left = Operation(sign.text, left, right)
        return left

    def _factor(self) -> Expression:
        token = self._next()
        negative = False
        while token.kind == "sign" and token.text in "+-":
            negative ^= token.text == "-"
            token = self._next()
        found: Expression
        if token.kind in ("number", "percent"):
            is_either = token.kind == "percent" or token.value == 0
            found = Number(token.value, _EITHER if is_either else _PLAIN)
        elif token.kind == "name":
            found = (token.text, self._variant())
        elif token.text == "(" and token.kind == "sign":
            found = self._inside(token)
        else:
            raise self._expected("a region, a number or a parenthesis", token)
        return Operation("*", Number(-1.0, _PLAIN), found) if negative else found

    def _inside(self, opened: _Token) -> Expression:
        self.depth += 1
        if self.depth > _DEEPEST:
            raise self._error("has too many parentheses in one another", opened.start)
        found = self._sum()
        closed = self._next()
        if closed.text != ")" or closed.kind != "sign":
            raise self._expected("a closing parenthesis", closed)
        self.depth -= 1
        return found

    def _variant(self) -> str:
        if self.tokens[0].text != "." or self.tokens[0].kind != "sign":
            return ""
        self._next()
        variant = self._next()
        if variant.kind != "name":
            hint = "; put names that are no words in quotation marks"
            raise self._expected("a variant's name", variant, hint)
        return variant.text

    def _split(self) -> Iterator[_Token]:
        position = 0
        while position < len(self.text):
            if self.text[position].isspace():
                position += 1
                continue
            match = _TOKEN.match(self.text, position)
            if not match:
                raise self._error(f"{self.text[position]!r} has no meaning", position)
            yield self._token(match)
            position = match.end()
        yield _Token("end", "", len(self.text))

    def _token(self, match: re.Match[str]) -> _Token:
        start = match.start()
        if number := match["number"]:
            value = float(number)
            if not np.isfinite(value):
                raise self._error(f"{number} is too large", start)
            if match["percent"]:
                return _Token("percent", match[0], start, value / 100)
            return _Token("number", number, start, value)
        if sign := match["sign"]:
            return _Token("sign", sign, start)
        return _Token("name", match["name"] or match["single"] or match["double"], start)

    def _next(self) -> _Token:
        return self.tokens.pop(0) if len(self.tokens) > 1 else self.tokens[0]

    def _refuse_unlike(self, left: Expression, right: Expression, sign: _Token) -> None:
        powers = powers_of(left), powers_of(right)
        if not powers[0] & powers[1]:
            raise self._error(_unlike(*powers), sign.start)

    def _expected(self, what: str, found: _Token, hint: str = "") -> RequirementError:
        instead = "the end" if found.kind == "end" else repr(found.text)
        return self._error(f"expected {what}, not {instead}{hint}", found.start)

    def _error(self, problem: str, position: int) -> RequirementError:
        shown = self.text if len(self.text) <= _LONGEST else f"{self.text[:60]}..."
        return RequirementError(f"--require {shown!r}, position {position + 1}: {problem}")


def powers_of(expression: Expression) -> frozenset[int]:
    """Return of which powers of a share an expression may be: 1 for shares, 0 for plain numbers.

    Percentages may be either, as in `cta >= 12%` and `cta >= 110% * cta.before`, and so may zero.
    """
    match expression:
        case Number(_, powers):
            return powers
        case Operation(sign, left, right):
            first, second = powers_of(left), powers_of(right)
            if sign in "+-":
                return first & second
            direction = 1 if sign == "*" else -1
            return frozenset(a + direction * b for a in first for b in second)
        case _:
            return _SHARE


def _unlike(left: frozenset[int], right: frozenset[int]) -> str:
    kinds = {_SHARE: "a share", _PLAIN: "a plain number", _EITHER: "a percentage"}
    named = [kinds.get(powers, "neither share nor number") for powers in (left, right)]
    return f"{named[0]} and {named[1]} cannot be compared or added; write shares as in 12%"
