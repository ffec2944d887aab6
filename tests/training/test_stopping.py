"""The paper's stopping rule, to the letter."""

from hypothesis import given
from hypothesis import strategies as st

from deepgaze2.training.stopping import best_epoch, should_stop

SCORES = st.integers(-3, 3).map(float)  # few values, so that ties are frequent


def worse(scores: list[float]) -> list[bool]:
    """Whether each of the last three epochs is worse than that five epochs before it."""
    n = len(scores)  # epoch e is scores[e - 1]
    return [scores[e - 1] < scores[e - 5 - 1] for e in (n - 2, n - 1, n)]


def test_the_papers_wording_on_made_up_sequences() -> None:
    rising = [float(i) for i in range(25)]
    assert not should_stop(rising)
    falling = rising[::-1]
    assert should_stop(falling[:20])
    assert not should_stop(falling[:19])
    # Epochs 18, 19 and 20 are compared with 13, 14 and 15, and with nothing else.
    scores = [9.0] * 12 + [3, 3, 3] + [9, 9] + [2, 2, 2]
    assert should_stop(scores)
    for number in (18, 19, 20):
        tie = scores.copy()
        tie[number - 1] = 3
        assert not should_stop(tie), number
        tie[number - 1] = 4
        assert not should_stop(tie), number


@given(st.lists(SCORES, max_size=19))
def test_never_before_the_twentieth_epoch(scores: list[float]) -> None:
    assert not should_stop(scores)


@given(st.lists(SCORES, min_size=20, max_size=90))
def test_then_exactly_if_all_three_are_worse(scores: list[float]) -> None:
    assert should_stop(scores) == all(worse(scores))


@given(st.lists(SCORES, min_size=20, max_size=60), st.integers(0, 2), st.floats(0, 5))
def test_one_that_is_as_good_or_better_goes_on(
    scores: list[float], back: int, better_by: float
) -> None:
    scores[-1 - back] = scores[-6 - back] + better_by
    assert not should_stop(scores)


def test_after_800_epochs_always() -> None:
    rising = [float(i) for i in range(801)]
    assert not should_stop(rising[:799])
    assert should_stop(rising[:800])
    assert should_stop(rising)


@given(st.lists(SCORES, min_size=1, max_size=40), st.integers(1, 40))
def test_or_after_another_last_epoch(scores: list[float], last_epoch: int) -> None:
    expected = len(scores) >= last_epoch or should_stop(scores)
    assert should_stop(scores, last_epoch) == expected


@given(st.lists(SCORES, min_size=1, max_size=60))
def test_the_best_epoch_is_the_first_of_the_best(scores: list[float]) -> None:
    number = best_epoch(scores)
    assert all(score < scores[number] for score in scores[:number])
    assert all(score <= scores[number] for score in scores[number:])
