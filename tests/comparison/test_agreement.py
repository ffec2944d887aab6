import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepgaze2.comparison.agreement import Agreed


@settings(deadline=None)  # a busy machine is no error
@given(st.lists(st.tuples(st.floats(-1, 1), st.integers(1, 5)), min_size=2, max_size=60))
def test_at_most_a_twentieth_lies_beyond_each_end_and_no_narrower_interval_has_that(
    drawn: list[tuple[float, int]],
) -> None:
    members, counts = (np.array(column, float) for column in zip(*drawn, strict=True))
    found = Agreed.of(0.5, members, counts / counts.sum())
    allowed = counts.sum() / 20 * (1 + 1e-6)
    assert counts[members < found.low].sum() <= allowed < counts[members <= found.low].sum()
    assert counts[members > found.high].sum() <= allowed < counts[members >= found.high].sum()


def test_of_forty_alike_two_lie_below_and_two_above() -> None:
    found = Agreed.of(0.0, np.arange(40.0)[::-1], np.full(40, 1 / 40))
    assert (found.low, found.high) == (2, 37)


@pytest.mark.parametrize("members", [[0.5], [0.5, np.inf], [0.5, np.nan]])
def test_one_readout_or_no_number_has_no_interval(members: list[float]) -> None:
    found = Agreed.of(0.5, np.array(members), np.full(len(members), 1 / len(members)))
    assert found.as_json() == {"value": 0.5, "low": None, "high": None}
