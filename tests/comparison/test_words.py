import re
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepgaze2.comparison.words import in_words, percent, points, ratio

NUMBERS = "one two three four five six seven eight nine ten".split()  # noqa: SIM905
OF_WORDS = {
    **{"half": Fraction(1, 2), "a quarter": Fraction(1, 4), "a third": Fraction(1, 3)},
    **{"two thirds": Fraction(2, 3), "three quarters": Fraction(3, 4)},
}


def meant(words: str) -> float:
    """The number that the words stand for."""
    fraction = words.removeprefix("about ")
    if fraction in OF_WORDS:
        return float(OF_WORDS[fraction])
    first, last = re.fullmatch(r"(\w+) in (\w+)", fraction).groups()  # type: ignore[union-attr]
    denominator = int(last) if last.isdecimal() else NUMBERS.index(last) + 1
    return (NUMBERS.index(first) + 1) / denominator


@settings(deadline=None)  # a busy machine is no error
@given(st.floats(0.009, 0.95))
def test_the_words_are_true_to_within_a_sixth(share: float) -> None:
    assert meant(in_words(share)) == pytest.approx(share, rel=1 / 6)


def test_the_ends_have_words_too() -> None:
    assert in_words(0.0) == in_words(0.0089) == "fewer than one in a hundred"
    assert in_words(1.0) == "nearly all"
    assert in_words(0.125) == "about one in eight"


def test_numbers_have_signs_of_their_own() -> None:
    assert [points(x) for x in (0.034, -0.006, 0.0, 0.0001)] == [
        "+3.4",
        "\N{MINUS SIGN}0.6",
        "0.0",
        "+0.0",
    ]
    assert percent(-0.00001) == "0.0%"
    assert ratio(float("nan")) == "\N{EN DASH}"
