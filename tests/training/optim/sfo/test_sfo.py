"""What the Sum-of-Functions Optimizer keeps true at each step, at its limits, and when it fails."""

import doctest
import io
import pickle
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch

from deepgaze2.errors import OptimizationError
from deepgaze2.training.optim.sfo import sfo as sfo_module
from deepgaze2.training.optim.sfo.sfo import Sfo, SfoState, SfoStep
from deepgaze2.training.optim.sfo.sfo_settings import SfoSettings
from helpers.sums_of_functions import (
    FloatArray,
    InOrder,
    SumOfFunctions,
    n_active,
    quadratics,
    small_network,
)


def started(problem: SumOfFunctions, seed: int | np.random.Generator = 0, **settings: Any) -> Sfo:
    return Sfo(problem.f_df, problem.x0, problem.n, seed=seed, settings=SfoSettings(**settings))


def lifted(state: SfoState, name: str, active: Any) -> FloatArray:
    """Return the positions or gradients of active subfunctions as (n, M) vectors."""
    basis = np.asarray(state["basis"])
    coordinates = np.asarray(state[name])[active]
    assert not coordinates[:, len(basis) :].any()
    vectors: FloatArray = coordinates[:, : len(basis)] @ basis
    return vectors


def run_and_watch(
    sfo: Sfo, evaluations: int, watch: Callable[[SfoState, SfoState, SfoStep], None]
) -> None:
    after = sfo.state()
    while sfo.n_evaluations < evaluations:
        before = after
        step = sfo.step()
        after = sfo.state()
        watch(before, after, step)


@pytest.mark.parametrize(
    "problem", [quadratics(300, 30), small_network()], ids=["quadratics", "network"]
)
def test_every_step_keeps_the_subspace_and_the_models_sound(problem: SumOfFunctions) -> None:
    ranks = []

    def watch(before: SfoState, after: SfoState, step: SfoStep) -> None:
        basis, x = np.asarray(after["basis"]), np.asarray(after["x"])
        ranks.append(len(basis))
        np.testing.assert_allclose(basis @ basis.T, np.eye(len(basis)), atol=1e-12)
        np.testing.assert_allclose((basis @ x) @ basis, x, atol=1e-11)
        np.testing.assert_allclose(basis @ x, np.asarray(after["z"])[: len(basis)], atol=1e-11)
        others = np.asarray(before["active"]).copy()
        others[step.subfunction] = False
        for name in ("positions", "gradients"):
            expected = lifted(before, name, others)
            scale = max(1, np.abs(expected).max(initial=0))
            np.testing.assert_allclose(lifted(after, name, others), expected, atol=1e-10 * scale)
        curvatures = np.asarray(after["floors"])[:, None] + np.asarray(after["weights"])
        assert (curvatures[np.asarray(after["counts"]) > 0] > 0).all()

    run_and_watch(started(problem), 5 * problem.n, watch)
    assert sum(later < earlier for earlier, later in pairwise(ranks)) > 1


def test_evaluations_are_stored_with_their_value_and_gradient() -> None:
    problem = quadratics(300, 30)

    def watch(before: SfoState, after: SfoState, step: SfoStep) -> None:
        only = [step.subfunction]
        position = lifted(after, "positions", only)[0]
        value, gradient = problem.f_df(position, step.subfunction)
        assert np.asarray(after["values"])[step.subfunction] == pytest.approx(value, rel=1e-9)
        assert step.value == pytest.approx(value, rel=1e-9)
        np.testing.assert_allclose(lifted(after, "gradients", only)[0], gradient, atol=1e-9)
        np.testing.assert_allclose(position, np.asarray(after["x_previous"]), atol=1e-10)

    run_and_watch(started(problem), 70, watch)


def test_step_scale_halves_at_a_failure_and_drifts_back_to_one() -> None:
    failures = []

    def watch(before: SfoState, after: SfoState, step: SfoStep) -> None:
        scale, n = float(np.asarray(before["step_scale"])), 30
        expected = scale / 2 if step.failed else 1 / n + (1 - 1 / n) * scale
        assert after["step_scale"] == pytest.approx(expected)
        failures.append(step.failed)

    run_and_watch(started(small_network()), 90, watch)
    assert 1 <= sum(failures) < len(failures) / 4


def test_step_scale_has_a_floor() -> None:
    problem = quadratics(5, 3)
    sfo = started(problem)
    sfo.optimize(10)
    x = sfo.x

    def f_df(at: FloatArray, i: int) -> tuple[float, FloatArray]:
        return np.inf if (at == x).all() else problem.f_df(at, i)[0], problem.f_df(at, i)[1]

    sfo = Sfo.restore(f_df, sfo.state() | {"step_scale": 1.2e-5})
    assert sfo.step().failed
    assert sfo.state()["step_scale"] == 1e-5


def test_steps_are_at_most_some_times_the_mean_one() -> None:
    capped: list[bool] = []

    def watch(before: SfoState, after: SfoState, step: SfoStep) -> None:
        if sfo.n_evaluations > 30:
            limit = 1.5 * float(np.asarray(after["path_length"])) / sfo.n_evaluations
            assert step.length <= limit * (1 + 1e-12)
            capped.append(step.length > limit * (1 - 1e-12))

    sfo = started(small_network(), max_step_ratio=1.5)
    run_and_watch(sfo, 90, watch)
    assert 0 < sum(capped) < len(capped)


def test_steps_are_stretched_to_the_minimum_length() -> None:
    problem = quadratics(10, 5)
    sfo = started(problem, min_step_length=1e-4)
    sfo.optimize(30)
    lengths = [sfo.step().length for _ in range(10)]
    np.testing.assert_allclose(lengths, 1e-4)


def test_proposal_is_the_step_length_away_from_the_one_before() -> None:
    def watch(before: SfoState, after: SfoState, step: SfoStep) -> None:
        moved = np.asarray(after["x"]) - np.asarray(after["x_previous"])
        assert np.linalg.norm(moved) == pytest.approx(step.length)

    run_and_watch(started(small_network()), 60, watch)


def test_subfunctions_join_one_by_one_and_only_when_the_others_have_been_seen_twice() -> None:
    grown = []

    def watch(before: SfoState, after: SfoState, step: SfoStep) -> None:
        was, is_now = np.asarray(before["active"]), np.asarray(after["active"])
        assert (is_now >= was).all()
        assert is_now.sum() - was.sum() <= 1
        if is_now.sum() > was.sum():
            assert np.asarray(after["counts"])[was].min() >= 2
            grown.append(step)
        elif step.failed and not was.all():
            assert np.asarray(after["counts"])[was].min() < 2

    run_and_watch(started(small_network()), 240, watch)
    assert len(grown) == 28


def test_subfunctions_join_in_the_end_even_without_noise_or_failure() -> None:
    iterations = []

    def watch(before: SfoState, after: SfoState, step: SfoStep) -> None:
        iterations.append(int(np.asarray(after["active"]).sum()))

    run_and_watch(started(quadratics(20, 8), max_gradient_noise=np.inf), 120, watch)
    n, durations = np.unique(iterations, return_counts=True)
    assert n.tolist() == list(range(2, 9))
    longest = n[1:-1] + 2  # in more than n iterations the set has not grown
    assert (durations[1:-1] <= longest).all()
    assert (durations[1:-1] == longest).any()


def test_the_same_seed_gives_the_same_run_and_another_one_another() -> None:
    problem = small_network()
    runs = [started(problem, seed).optimize(3) for seed in (0, 0, 1)]
    np.testing.assert_array_equal(runs[0], runs[1])
    assert (runs[0] != runs[2]).any()


def test_evaluations_are_all_counted() -> None:
    problem, calls = small_network(), []

    def f_df(x: FloatArray, i: int) -> tuple[float, FloatArray]:
        calls.append(i)
        return problem.f_df(x, i)

    sfo = Sfo(f_df, problem.x0, problem.n)
    steps = []
    while len(calls) < 90:
        steps.append(sfo.step())
        assert sfo.n_evaluations == len(calls) == sum(step.evaluations for step in steps)
        assert step_has_extra_cost_only_if_failed(steps[-1])
    assert sum(step.failed for step in steps) > 0


def step_has_extra_cost_only_if_failed(step: SfoStep) -> bool:
    return step.evaluations > 1 if step.failed else step.evaluations == 1


def test_a_budget_of_passes_is_counted_from_the_start() -> None:
    sfo = started(quadratics(6, 4))
    sfo.optimize(2)
    assert 8 <= sfo.n_evaluations < 8 + 12
    x = sfo.x
    np.testing.assert_array_equal(sfo.optimize(2), x)
    sfo.optimize(5)
    assert 20 <= sfo.n_evaluations < 20 + 12


def test_f_df_may_change_x_and_use_its_gradient_array_again() -> None:
    problem = small_network()
    buffer = np.empty_like(problem.x0)

    def f_df(x: FloatArray, i: int) -> tuple[float, FloatArray]:
        value, buffer[:] = problem.f_df(x, i)
        x[:] = np.nan
        return value, buffer

    sfo = Sfo(f_df, problem.x0, problem.n)
    np.testing.assert_array_equal(sfo.optimize(2), started(problem).optimize(2))


@pytest.mark.parametrize(
    ("n_parameters", "n", "passes"),
    [
        *((1, 1, 20), (6, 1, 40), (7, 1, 320), (30, 1, 320), (1, 5, 20), (3, 2, 20)),
        *((33, 10, 20), (34, 10, 20)),  # the last with the whole space, and the first without
    ],
)
def test_any_number_of_parameters_and_subfunctions_works(
    n_parameters: int, n: int, passes: int
) -> None:
    problem = quadratics(n_parameters, n)
    x = started(problem).optimize(passes)
    np.testing.assert_allclose(x, problem.minimum, atol=1e-5)


@pytest.mark.parametrize("n_parameters", [4, 100])
def test_a_start_at_zero_is_fine(n_parameters: int) -> None:
    problem = quadratics(n_parameters, 8)
    sfo = Sfo(problem.f_df, np.zeros(n_parameters), problem.n)
    np.testing.assert_allclose(sfo.optimize(25), problem.minimum, atol=1e-5)


@pytest.mark.parametrize("n_parameters", [4, 100])
def test_without_any_gradient_it_stays_where_it_is(n_parameters: int) -> None:
    x0 = np.ones(n_parameters)
    sfo = Sfo(lambda x, _: (1.0, np.zeros_like(x)), x0, 6)
    np.testing.assert_array_equal(sfo.optimize(5), x0)
    assert n_active(sfo) == 6


def limited(problem: SumOfFunctions, radius: float, value: float, slope: float) -> SumOfFunctions:
    """Return a sum of functions that break down beyond a radius."""

    def f_df(x: FloatArray, i: int) -> tuple[float, FloatArray]:
        if np.linalg.norm(x) > radius:
            return value, np.full_like(x, slope)
        return problem.f_df(x, i)

    return replace(problem, f_df=f_df)


@pytest.mark.parametrize(
    ("value", "slope"),
    [(np.nan, np.nan), (np.inf, np.inf), (-np.inf, 0.0), (np.inf, 1.0), (0.0, np.nan), (-1, 1e200)],
)
@pytest.mark.parametrize("n_parameters", [5, 60])
def test_it_backs_off_where_functions_are_not_finite(
    n_parameters: int, value: float, slope: float
) -> None:
    problem = quadratics(n_parameters, 10)
    radius = 1.05 * max(np.linalg.norm(problem.minimum), np.linalg.norm(problem.x0))
    # The first step is a leap: a curvature of 0.01 is far too small.
    sfo = started(limited(problem, float(radius), value, slope), initial_curvature=0.01)
    failures = 0
    while sfo.n_evaluations < 200:
        failures += sfo.step().failed
        state = sfo.state()
        assert all(np.isfinite(state[name]).all() for name in ("x", "gradients", "low_rank_sum"))
    assert failures > 0
    np.testing.assert_allclose(sfo.x, problem.minimum, atol=1e-4)


def test_it_goes_on_where_only_the_previous_x_is_not_finite() -> None:
    """A subfunction that joins may not have been finite at the x before."""
    problem = quadratics(5, 4)
    sfo = started(problem, InOrder(np.random.PCG64()))
    while n_active(sfo) < 3:
        sfo.step()
    previous = np.asarray(sfo.state()["x_previous"])

    def f_df(x: FloatArray, i: int) -> tuple[float, FloatArray]:
        if i == 2 and np.allclose(x, previous, rtol=1e-12, atol=0):
            return np.inf, x
        value, gradient = problem.f_df(x, i)
        return value + 1e6 * (i == 2), gradient

    sfo = Sfo.restore(f_df, sfo.state())
    x = sfo.x
    step = sfo.step()
    assert (step.subfunction, step.failed, step.evaluations) == (2, True, 2)
    np.testing.assert_array_equal(sfo.state()["x_previous"], x)
    np.testing.assert_allclose(sfo.optimize(40), problem.minimum, atol=1e-5)


@pytest.mark.parametrize(
    ("value", "slope"), [(np.nan, 0.0), (np.inf, 0.0), (1.0, np.nan), (1.0, np.inf)]
)
def test_a_start_that_is_not_finite_is_refused(value: float, slope: float) -> None:
    sfo = Sfo(lambda x, _: (value, np.full_like(x, slope)), np.ones(30), 3)
    with pytest.raises(OptimizationError, match=r"subfunction [012] is not finite"):
        sfo.optimize(1)


def test_a_gradient_of_another_shape_is_refused() -> None:
    sfo = Sfo(lambda x, _: (0.0, x[:, None]), np.ones(30), 3)
    with pytest.raises(OptimizationError, match=r"has shape \(30, 1\)"):
        sfo.step()


@pytest.mark.parametrize("x0", [[], [[1.0]], [1.0, np.nan], 3.0])
def test_a_start_that_is_no_finite_vector_is_refused(x0: Any) -> None:
    with pytest.raises(OptimizationError, match="x0 must be a vector"):
        Sfo(lambda x, _: (0.0, x), x0, 3)


def test_a_sum_of_nothing_is_refused() -> None:
    with pytest.raises(OptimizationError, match="no subfunction"):
        Sfo(lambda x, _: (0.0, x), [1.0], 0)


def test_one_initial_subfunction_is_too_few() -> None:
    with pytest.raises(OptimizationError, match="initial_subfunctions is 1"):
        SfoSettings(initial_subfunctions=1)


def through_npz(state: SfoState) -> Any:
    file = io.BytesIO()
    np.savez(file, **state)  # type: ignore[arg-type]
    file.seek(0)
    return dict(np.load(file, allow_pickle=False))


def through_torch(state: SfoState) -> Any:
    file = io.BytesIO()
    arrays = {k: torch.from_numpy(v) for k, v in state.items() if isinstance(v, np.ndarray)}
    torch.save(state | arrays, file)
    file.seek(0)
    return torch.load(file, weights_only=True)


@pytest.mark.parametrize(
    ("store", "evaluations"),
    [(dict, 0), (dict, 5), (dict, 80), (through_npz, 80), (through_torch, 80)],
)
def test_a_resumed_run_goes_on_bit_for_bit(
    store: Callable[[SfoState], Any], evaluations: int
) -> None:
    problem = small_network()
    uninterrupted = started(problem, 3, history_length=6)
    while uninterrupted.n_evaluations < evaluations:
        uninterrupted.step()
    resumed = Sfo.restore(problem.f_df, store(uninterrupted.state()))
    expected = [(uninterrupted.step(), uninterrupted.x) for _ in range(50)]
    for step, x in expected:
        assert resumed.step() == step
        np.testing.assert_array_equal(resumed.x, x)


def test_later_steps_leave_a_state_as_it_is() -> None:
    sfo = started(small_network())
    sfo.optimize(1)
    state = sfo.state()
    copy = pickle.dumps(state)
    sfo.optimize(2)
    assert pickle.dumps(state) == copy


def test_the_example_of_the_documentation() -> None:
    assert doctest.testmod(sfo_module, extraglobs={"np": np}).failed == 0
