"""Fixations among samples, beside loops that do what Salvucci & Goldberg (2000) write."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray

from deepgaze2.data.own import detection
from deepgaze2.data.own.detection import Detection, find_fixations
from deepgaze2.errors import DataError
from helpers.gaze_samples import recorded

Numbers = NDArray[np.float64]
Runs = list[tuple[int, int]]


def slow_runs(
    x: Numbers, y: Numbers, t: Numbers, step: float, begins: list[int], d: Detection
) -> Runs:
    """I-VT, sample by sample; the velocity is that over `around` samples more on either side."""
    around = (max(round(0.02 / step), 1) - 1) // 2
    found = []
    for begin, end in zip(begins, [*begins[1:], len(x)], strict=True):
        run = [begin]
        for i in range(begin, end - 1):
            a, b = max(i - around, begin), min(i + 1 + around, end - 1)
            distance = ((x[b] - x[a]) ** 2 + (y[b] - y[a]) ** 2) ** 0.5
            if distance > d.threshold * (t[b] - t[a]):
                found.append((run[0], run[-1]))
                run = []
            run.append(i + 1)
        found.append((run[0], run[-1]))
    return [(a, b) for a, b in found if t[b] - t[a] + step >= d.min_s - 1e-12]


def gathered_runs(
    x: Numbers, y: Numbers, t: Numbers, step: float, begins: list[int], d: Detection
) -> Runs:
    """I-DT: a window of the least duration, grown while it fits, else moved by a sample."""

    def dispersion(a: int, b: int) -> float:
        return float(np.ptp(x[a : b + 1]) + np.ptp(y[a : b + 1]))

    found = []
    for begin, end in zip(begins, [*begins[1:], len(x)], strict=True):
        a = begin
        while a < end:
            b = a
            while b < end and t[b] - t[a] + step < d.min_s - 1e-12:
                b += 1
            if b == end:
                break
            if dispersion(a, b) > d.threshold:
                a += 1
                continue
            while b + 1 < end and dispersion(a, b + 1) <= d.threshold:
                b += 1
            found.append((a, b))
            a = b + 1
    return found


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("rate", [30, 60, 250, 1000])
@pytest.mark.parametrize("how", ["ivt", "ivt,velocity=12,min_ms=20", "idt", "idt,dispersion=0.4"])
def test_as_the_paper_says_it(
    how: str, rate: float, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(detection, "_BLOCK", 300)
    rng = np.random.default_rng(seed)
    n = 12
    at_x, at_y = rng.uniform(0, 20, (2, n))
    samples = recorded(at_x, at_y, rng.uniform(0.05, 0.5, n), rate=rate, noise=0.03, rng=rng)
    x, y, t = samples.x, samples.y, samples.time_s
    kept = rng.uniform(size=len(t)) > 0.1  # some are missing
    x, y, t = x[kept], y[kept], t[kept]
    begins = np.unique(np.append(0, rng.integers(0, len(t), 4)))
    found = Detection.parse(how)
    loops = slow_runs if found.method == "ivt" else gathered_runs
    expected = loops(x, y, t, 1 / rate, begins.tolist(), found)
    assert expected
    first, last = find_fixations(x, y, t, np.full(len(t), 1 / rate), begins, found)
    assert list(zip(first.tolist(), last.tolist(), strict=True)) == expected


def test_one_long_fixation_is_one() -> None:
    n = 5000
    still, t = np.full(n, 3.0), np.arange(n) / 1000
    for how in ("ivt", "idt"):
        first, last = find_fixations(
            still, still, t, np.full(n, 1e-3), np.array([0]), Detection.parse(how)
        )
        assert_array_equal([first, last], [[0], [n - 1]])


def test_nothing_in_nothing() -> None:
    none, stretches = np.zeros(0), np.zeros(0, np.intp)
    for how in ("ivt", "idt"):
        first, last = find_fixations(none, none, none, none, stretches, Detection.parse(how))
        assert len(first) == len(last) == 0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ivt", ("ivt", 30, 0.06, 0.075)),
        ("idt", ("idt", 1, 0.1, 0.075)),
        ("ivt,velocity=45.5,gap_ms=20", ("ivt", 45.5, 0.06, 0.02)),
        ("idt,min_ms=80,dispersion=0.7", ("idt", 0.7, 0.08, 0.075)),
    ],
)
def test_what_is_typed(text: str, expected: tuple[str, float, float, float]) -> None:
    found = Detection.parse(text)
    assert found.method == expected[0]
    assert_allclose((found.threshold, found.min_s, found.gap_s), expected[1:])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("hmm", "by ivt or idt"),
        ("ivt,dispersion=1", "ivt takes velocity, min_ms, gap_ms"),
        ("idt,dispersion", "'dispersion' in"),
        ("ivt,velocity=0", "above 0"),
        ("ivt,velocity=nan", "above 0"),
        ("ivt,", "'' in 'ivt,'"),
    ],
)
def test_what_is_mistyped(text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        Detection.parse(text)
