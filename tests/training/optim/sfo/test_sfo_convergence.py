"""How fast the Sum-of-Functions Optimizer converges: recorded runs, limits, and other methods.

The recorded numbers are those of the method's authors' program, of which one line was changed
so that a subfunction's first evaluation makes no pair. F is the mean of the subfunctions.
"""

from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import minimize

from deepgaze2.training.optim.sfo.sfo import Sfo
from deepgaze2.training.optim.sfo.sfo_settings import SfoSettings
from helpers.sums_of_functions import (
    FloatArray,
    InOrder,
    SumOfFunctions,
    logistic_regression,
    n_active,
    quadratics,
    small_network,
)

LOGISTIC = logistic_regression()
NETWORK = small_network()
LOGISTIC_MINIMUM = 0.2103704764270124
SEEDS = range(5)
ADAM_RATES = (0.01, 0.03, 0.1)

# Iteration: subfunction, active ones, whether it failed, F after it.
LOGISTIC_TRACE = {
    1: (0, 2, False, 0.69314664211185),
    2: (0, 2, False, 0.69314610366785),
    3: (1, 3, True, 0.52434939320044),
    6: (0, 3, False, 0.38507450909734),
    10: (3, 4, False, 0.3119365150512),
    30: (1, 12, False, 0.24004972230322),
    60: (19, 20, False, 0.22494179219588),
    90: (7, 20, False, 0.21294724650987),
    200: (18, 20, False, 0.21037050215436),
}
NETWORK_TRACE = {
    1: (0, 2, False, 0.99599656788765),
    2: (0, 2, False, 0.99584781510171),
    3: (1, 3, True, 0.60916827594224),
    6: (0, 3, False, 0.36489717563046),
    10: (3, 4, False, 0.30056757094814),
    30: (6, 7, False, 0.23703651220046),
    60: (11, 12, False, 0.082075951674316),
    90: (13, 14, False, 0.051113446148975),
}


@pytest.mark.parametrize(
    ("problem", "size", "mean", "at_start", "at_probe"),
    [
        (
            *(LOGISTIC, (50, 20), 0.6931471805599453),
            (0.6931471805599453, 0.39062607796859583),
            (0.7057220616651254, 0.33285889554114906),
        ),
        (
            *(NETWORK, (789, 30), 0.9961454328047787),
            (0.9621594092162579, 5.845479654748279),
            (1.0404750270825736, 5.422521217117453),
        ),
    ],
    ids=["logistic", "network"],
)
def test_problems_are_those_of_the_recorded_runs(
    problem: SumOfFunctions,
    size: tuple[int, int],
    mean: float,
    at_start: tuple[float, float],
    at_probe: tuple[float, float],
) -> None:
    assert (len(problem.x0), problem.n) == size
    assert problem.mean(problem.x0) == pytest.approx(mean, rel=1e-13)
    probe = problem.x0 + 0.05 * np.cos(np.arange(len(problem.x0)))
    for x, i, expected in ((problem.x0, 0, at_start), (probe, 3, at_probe)):
        value, gradient = problem.f_df(x, i)
        assert (value, np.linalg.norm(gradient)) == pytest.approx(expected, rel=1e-13)


@pytest.mark.parametrize(
    "problem", [LOGISTIC, NETWORK, quadratics(9, 4)], ids=["logistic", "network", "quadratics"]
)
def test_gradients_are_those_of_finite_differences(problem: SumOfFunctions) -> None:
    rng = np.random.default_rng(0)
    x = problem.x0 + 0.01 * rng.standard_normal(len(problem.x0))
    direction = rng.standard_normal(len(x))
    ahead, behind = (problem.f_df(x + sign * 1e-6 * direction, 2)[0] for sign in (1, -1))
    slope = problem.f_df(x, 2)[1] @ direction
    assert slope == pytest.approx((ahead - behind) / 2e-6, rel=1e-6)


@pytest.mark.parametrize(
    ("problem", "trace"),
    [(LOGISTIC, LOGISTIC_TRACE), (NETWORK, NETWORK_TRACE)],
    ids=["logistic", "network"],
)
def test_without_random_choices_a_run_is_the_recorded_one(
    problem: SumOfFunctions, trace: dict[int, tuple[int, int, bool, float]]
) -> None:
    in_order = InOrder(np.random.PCG64())
    settings = SfoSettings(selection="distance")
    sfo = Sfo(problem.f_df, problem.x0, problem.n, seed=in_order, settings=settings)
    failures = []
    for iteration in range(1, max(trace) + 1):
        step = sfo.step()
        failures.append(step.failed)
        if iteration in trace:
            *choices, mean = trace[iteration]
            assert [step.subfunction, n_active(sfo), step.failed] == choices
            assert problem.mean(sfo.x) == pytest.approx(mean, rel=1e-10)
    assert failures[2]


@pytest.mark.parametrize("n_parameters", [20, 300])
@pytest.mark.parametrize("seed", range(2))
def test_quadratic_functions_are_minimized_in_a_few_passes(n_parameters: int, seed: int) -> None:
    problem = quadratics(n_parameters, 30, seed)
    lowest = problem.mean(problem.minimum)
    start = problem.mean(problem.x0) - lowest
    sfo = Sfo(problem.f_df, problem.x0, problem.n, seed=seed)
    assert problem.mean(sfo.optimize(5)) - lowest < 1e-6 * start
    assert problem.mean(sfo.optimize(8)) - lowest < 1e-11 * start
    np.testing.assert_allclose(sfo.x, problem.minimum, atol=1e-4)


@cache
def sfo_medians(problem: SumOfFunctions, passes: tuple[int, ...]) -> FloatArray:
    """Return F after so many passes, the median of several seeds."""
    curves = []
    for seed in SEEDS:
        sfo = Sfo(problem.f_df, problem.x0, problem.n, seed=seed)
        curves.append([problem.mean(sfo.optimize(n)) for n in passes])
    medians: FloatArray = np.median(curves, axis=0)
    return medians


def lbfgs(problem: SumOfFunctions, passes: tuple[int, ...]) -> list[float]:
    """Return the lowest F that L-BFGS found within so many gradients of the whole sum."""
    found: list[float] = []

    def recorded(x: FloatArray) -> tuple[float, FloatArray]:
        value, gradient = problem.mean_and_gradient(x)
        found.append(value)
        return value, gradient

    minimize(
        recorded,
        problem.x0,
        jac=True,
        method="L-BFGS-B",
        options={"maxfun": max(passes) + 1, "maxcor": 10, "ftol": 0, "gtol": 0},
    )
    return [min(found[: n + 1]) for n in passes]


def adam(problem: SumOfFunctions, passes: tuple[int, ...], rate: float) -> list[float]:
    """Return F after so many passes of Adam (Kingma and Ba 2015)."""
    rng = np.random.default_rng(0)
    x = problem.x0.copy()
    mean, square = np.zeros((2, len(x)))
    curve, count = [], 0
    for n in range(1, max(passes) + 1):
        order: NDArray[np.int64] = rng.permutation(problem.n)
        for i in order:
            count += 1
            gradient = problem.f_df(x, int(i))[1]
            mean = 0.9 * mean + 0.1 * gradient
            square = 0.999 * square + 0.001 * gradient**2
            unbiased = np.sqrt(square / (1 - 0.999**count)) + 1e-8
            x = x - rate * mean / (1 - 0.9**count) / unbiased
        if n in passes:
            curve.append(problem.mean(x))
    return curve


def best_of_adam(problem: SumOfFunctions, passes: tuple[int, ...]) -> FloatArray:
    curves = np.array([adam(problem, passes, rate) for rate in ADAM_RATES])
    return np.asarray(curves.min(axis=0), np.float64)


LOGISTIC_PASSES = (5, 10, 20)
NETWORK_PASSES = (2, 5, 20)


def test_logistic_regression_is_within_the_limits() -> None:
    excess = sfo_medians(LOGISTIC, LOGISTIC_PASSES) - LOGISTIC_MINIMUM
    assert (excess < [2e-3, 1e-6, 1e-12]).all()


def test_single_precision_functions_are_minimized_to_their_precision() -> None:
    def f_df(x: FloatArray, i: int) -> tuple[float, NDArray[np.float32]]:
        value, gradient = LOGISTIC.f_df(x, i)
        return float(np.float32(value)), gradient.astype(np.float32)

    settings = SfoSettings(initial_curvature=100.0)
    sfo = Sfo(f_df, LOGISTIC.x0, LOGISTIC.n, settings=settings)
    assert LOGISTIC.mean(sfo.optimize(10)) - LOGISTIC_MINIMUM < 1e-6


def test_logistic_regression_takes_fewer_gradients_than_with_other_methods() -> None:
    excess = sfo_medians(LOGISTIC, LOGISTIC_PASSES) - LOGISTIC_MINIMUM
    of_lbfgs = np.array(lbfgs(LOGISTIC, LOGISTIC_PASSES)) - LOGISTIC_MINIMUM
    of_adam = best_of_adam(LOGISTIC, LOGISTIC_PASSES) - LOGISTIC_MINIMUM
    assert (excess < np.minimum(of_lbfgs, of_adam) / [5, 1000, 1e6]).all()


@pytest.mark.slow
def test_a_small_network_is_within_the_limits() -> None:
    assert (sfo_medians(NETWORK, NETWORK_PASSES) < [0.1, 0.04, 0.0055]).all()


@pytest.mark.slow
def test_a_small_network_takes_fewer_gradients_than_with_other_methods() -> None:
    """Adam is ahead at first: SFO starts with two subfunctions."""
    median = sfo_medians(NETWORK, NETWORK_PASSES)
    assert (median < np.array(lbfgs(NETWORK, NETWORK_PASSES)) / [2, 4, 10]).all()
    assert median[-1] < best_of_adam(NETWORK, NETWORK_PASSES)[-1] / 1.3
