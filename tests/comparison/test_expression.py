"""The language of requirements: against Python's own arithmetic, and against anything typed."""

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from deepgaze2.comparison.expression import (
    COMPARISONS,
    Requirement,
    evaluate,
    parse_requirement,
    shares_in,
)
from deepgaze2.density.regions import parse_region
from deepgaze2.errors import RequirementError

SHARES = {("cta", ""): 0.098, ("cta", "before"): 0.05, ("head line", ""): 0.3, ("é", "v 2"): 0.125}
TYPED = {
    ("cta", ""): ("cta", "'cta'"),
    ("cta", "before"): ("cta.before", "cta . 'before'"),
    ("head line", ""): ("'head line'", '"head line"'),
    ("é", "v 2"): ("é.'v 2'", '"é" . "v 2"'),
}
Pair = tuple[str, str]
"""An expression as it is typed for a requirement, and in Python."""


@st.composite
def numbers(draw: st.DrawFn) -> str:
    value = draw(st.floats(0.001, 1000))
    return draw(st.sampled_from([f"{value:.3f}", f"{value:.2e}", str(math.ceil(value))]))


@st.composite
def pairs(draw: st.DrawFn, power: int, depth: int = 0) -> Pair:
    """Sums, products and quotients of which both sides of a sum are alike."""
    kinds = ["leaf", "leaf"] if depth > 3 else ["leaf", "sum", "product", "quotient", "minus", "in"]
    kind = draw(st.sampled_from(kinds)) if power in (0, 1) or depth > 3 else "product"
    if kind == "leaf":
        number = draw(numbers())
        if power == 0 and draw(st.booleans()):
            return number, number
        if power == 0 or draw(st.booleans()):
            space = draw(st.sampled_from(["", " "]))
            return f"{number}{space}%", f"({number} / 100)"
        share = draw(st.sampled_from(sorted(SHARES)))
        return draw(st.sampled_from(TYPED[share])), f"{SHARES[share]!r}"
    if kind == "sum":
        sign = draw(st.sampled_from("+-"))
        parts = draw(pairs(power, depth + 1)), draw(pairs(power, depth + 1))
    elif kind == "minus":
        typed, python = draw(pairs(power, depth + 1))
        return f"-({typed})", f"-({python})"
    elif kind == "in":
        typed, python = draw(pairs(power, depth + 1))
        return f"( {typed})", f"({python})"
    elif kind == "product":
        sign = "*"
        parts = draw(pairs(power, depth + 4)), draw(pairs(0, depth + 1))
        if draw(st.booleans()):
            parts = parts[1], parts[0]
        parts = tuple((f"({a})", f"({b})") for a, b in parts)  # type: ignore[assignment]
    else:
        sign = "/"
        parts = draw(pairs(power, depth + 4)), draw(pairs(0, depth + 1))
        if power == 0 and draw(st.booleans()):
            parts = draw(pairs(1, depth + 1)), draw(pairs(1, depth + 1))
        parts = (f"({parts[0][0]})", f"({parts[0][1]})"), (f"({parts[1][0]})", f"({parts[1][1]})")
    typed, python = (f"{a} {sign} {b}" for a, b in zip(*parts, strict=True))
    return typed, python


@settings(deadline=None)  # a busy machine is no error
@given(st.integers(0, 1).flatmap(lambda power: st.tuples(pairs(power), pairs(power))))
def test_expressions_have_the_values_that_python_gives_them(sides: tuple[Pair, Pair]) -> None:
    (left, python_left), (right, python_right) = sides
    for sign in COMPARISONS:
        text = f"{left} {sign} {right}"
        assume(len(text) <= 500)
        assume(any(typed in text for both in TYPED.values() for typed in both))
        try:
            expected = [eval(python_left, {}), eval(python_right, {})]
        except ZeroDivisionError:
            return
        requirement = parse_requirement(text)
        found = [float(evaluate(side, SHARES)) for side in (requirement.left, requirement.right)]
        assert found == expected
        assert COMPARISONS[sign](*found) == eval(f"({python_left}) {sign} ({python_right})", {})
        assert (requirement.left_text, requirement.right_text) == (left.strip(), right.strip())


def read(text: str) -> tuple[Requirement | None, str]:
    """A requirement, or why there is none."""
    try:
        return parse_requirement(text), ""
    except RequirementError as error:
        return None, str(error)


TOKENS = [*"+-*/().<>=!'\"% ", ">=", "<=", "cta", "before", "12", "1e999", "0", "3.5%", "and", "é"]


@settings(deadline=None)  # a busy machine is no error
@given(st.one_of(st.text(), st.lists(st.sampled_from(TOKENS)).map("".join)))
def test_whatever_is_typed_is_read_or_refused_in_one_line(text: str) -> None:
    requirement, refused = read(text)
    if requirement is None:
        assert len(refused.splitlines()) == 1
        assert ", position " in refused
    else:
        names = {*shares_in(requirement.left), *shares_in(requirement.right)}
        assert names
        values = [
            evaluate(s, dict.fromkeys(names, 0.5)) for s in (requirement.left, requirement.right)
        ]
        assert all(np.ndim(value) == 0 for value in values)


@pytest.mark.parametrize("text", ["(" * 400 + "cta", "-" * 400 + "cta > 0", "cta" + "+cta" * 120])
def test_deep_expressions_end_no_stack(text: str) -> None:
    requirement, refused = read(text)
    assert requirement or "position" in refused


@pytest.mark.parametrize(
    ("text", "position", "problem"),
    [
        ("", 1, "expected a region, a number or a parenthesis, not the end"),
        ("cta", 4, "expected one of >=, <=, > and <, not the end"),
        ("cta == 12%", 5, "hardly ever equal"),
        ("cta >= 12", 5, "a share and a plain number"),
        ("cta * logo > 1%", 12, "neither share nor number and a percentage"),
        ("cta + 1 > 12%", 5, "a share and a plain number"),
        ("2 > 1", 1, "names no region"),
        ("cta > 1% > 0", 10, "repeat --require"),
        ("(cta > 1%", 6, "closing parenthesis"),
        ("cta. > 1%", 6, "variant's name"),
        ("cta.2 > 1%", 5, "quotation marks"),
        ("cta > 1e999", 7, "too large"),
        ("cta > $5", 7, "'$' has no meaning"),
        ("'cta > 5%", 1, "has no meaning"),
        ("__import__('os') > 1", 11, "expected one of"),
        ("x" * 501 + " > 1", 501, "over 500"),
    ],
)
def test_what_is_malformed_is_told_with_its_position(
    text: str, position: int, problem: str
) -> None:
    with pytest.raises(RequirementError) as caught:
        parse_requirement(text)
    message = str(caught.value)
    assert f"position {position}: " in message, message
    assert problem in message


def test_line_breaks_are_spaces_and_names_are_as_regions_are_shown() -> None:
    found = parse_requirement("'price\xa0tag'\n\x1f>= 12%\n")
    assert found.text == r"'price\xa0tag'  >= 12%"
    (name,) = shares_in(found.left)
    assert name == (parse_region("price\xa0tag:1,2,3,4").name, "")


def test_zero_is_a_share_or_a_number() -> None:
    for text in ("cta - cta.before >= 0", "cta / cta.before > 0", "0 <= cta", "cta > 0%"):
        parse_requirement(text)


def test_a_percentage_is_a_share_or_a_factor() -> None:
    for text in ("cta > 12%", "cta > 110% * cta.before", "cta / logo > 50%", "cta + 1% > 110%*cta"):
        parse_requirement(text)


def test_arrays_are_evaluated_element_by_element() -> None:
    shares = {("a", ""): np.array([0.1, 0.2]), ("b", ""): np.array([0.1, 0.0])}
    requirement = parse_requirement("(a - b) / b >= 2")
    np.testing.assert_array_equal(evaluate(requirement.left, shares), [0, np.inf])
