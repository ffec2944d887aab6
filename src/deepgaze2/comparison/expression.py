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
_LONGEST = 500
_DEEPEST = 20


@dataclass(frozen=True)
class Number:
    """A number; `power` is 1 if it is a percentage, 0 if not, None for zero, which is either."""

    value: float
    power: int | None


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

    Shares and percentages are one kind of quantity, plain numbers another: `cta >= 12` is refused,
    since a share of 12 is 1200%.

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


class _Parser:
    """Reads one requirement, a token at a time."""

    def __init__(self, text: str) -> None:
        self.text = text
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
        powers = power_of(left), power_of(right)
        if None not in powers and powers[0] != powers[1]:
            raise self._error(_unlike(*powers), sign.start)
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
            powers = power_of(left), power_of(right)
            if sign.text in "+-" and None not in powers and powers[0] != powers[1]:
                raise self._error(_unlike(*powers), sign.start)
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
            power = None if token.value == 0 else int(token.kind == "percent")
            found = Number(token.value, power)
        elif token.kind == "name":
            found = (token.text, self._variant())
        elif token.text == "(" and token.kind == "sign":
            found = self._inside(token)
        else:
            raise self._expected("a region, a number or a parenthesis", token)
        return Operation("*", Number(-1.0, 0), found) if negative else found

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

    def _expected(self, what: str, found: _Token, hint: str = "") -> RequirementError:
        instead = "the end" if found.kind == "end" else repr(found.text)
        return self._error(f"expected {what}, not {instead}{hint}", found.start)

    def _error(self, problem: str, position: int) -> RequirementError:
        shown = self.text if len(self.text) <= _LONGEST else f"{self.text[:60]}..."
        return RequirementError(f"--require {shown!r}, position {position + 1}: {problem}")


def power_of(expression: Expression) -> int | None:
    """Return of which power of a share an expression is: 1 for shares, 0 for plain numbers.

    None is zero's, which can be either.
    """
    match expression:
        case Number(_, power):
            return power
        case Operation(sign, left, right):
            first, second = power_of(left), power_of(right)
            if sign in "+-":
                return second if first is None else first
            if first is None or second is None:
                return None
            return first + second if sign == "*" else first - second
        case _:
            return 1


def _unlike(left: int | None, right: int | None) -> str:
    kinds: dict[int | None, str] = {0: "a plain number", 1: "a share"}
    named = [kinds.get(power, "neither share nor number") for power in (left, right)]
    return f"{named[0]} and {named[1]} cannot be compared or added; write shares as in 12%"
