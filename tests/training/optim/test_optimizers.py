"""Optimizers behind one interface: they descend, count and can be taken up again."""

import io
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from deepgaze2.errors import OptimizationError
from deepgaze2.training.fit import FitSettings
from deepgaze2.training.images import TrainingSet
from deepgaze2.training.objective import Objective
from deepgaze2.training.optim.adam import one_cycle
from deepgaze2.training.optim.optimizers import (
    OPTIMIZERS,
    Evaluate,
    Optimizer,
    OptimizerEntry,
    Plan,
    create_optimizer,
)
from helpers.training_images import fit_one, made_up, new_network

EACH = pytest.mark.parametrize("name", OPTIMIZERS)
N_BATCHES = 4


def start(seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(new_network().initial(seed))


@pytest.fixture(scope="module")
def evaluate(tmp_path_factory: pytest.TempPathFactory) -> Evaluate:
    """One image in each minibatch."""
    images = made_up(tmp_path_factory.mktemp("images"), N_BATCHES)
    objective = Objective(new_network(), images, grid_block=3)

    def evaluated(parameters: torch.Tensor, i: int) -> tuple[float, torch.Tensor]:
        """As if there were one readout, its vector without an axis for several."""
        losses, gradients = objective.loss_and_gradient(parameters[None], [i])
        return float(losses[0] / objective.masses[i]), gradients[0] / objective.masses[i]

    return evaluated


def create(name: str, seed: int = 0) -> Optimizer:
    return create_optimizer(name, start(), Plan(N_BATCHES, learning_rate=3e-3, epochs=6, seed=seed))


def mean(evaluate: Evaluate, parameters: torch.Tensor) -> float:
    return float(np.mean([evaluate(parameters, i)[0] for i in range(N_BATCHES)]))


def stored(optimizer: Optimizer) -> dict[str, Any]:
    """What a checkpoint would give back."""
    stream = io.BytesIO()
    torch.save(optimizer.state(), stream)
    stream.seek(0)
    state: dict[str, Any] = torch.load(stream, weights_only=True)
    return state


@EACH
def test_it_descends(name: str, evaluate: Evaluate) -> None:
    optimizer = create(name)
    assert torch.equal(optimizer.parameters, start())
    before = mean(evaluate, optimizer.parameters)
    for _ in range(6):
        optimizer.epoch(evaluate)
    parameters = optimizer.parameters
    assert parameters.dtype == torch.float32
    assert mean(evaluate, parameters) < before - 0.03


@EACH
def test_passes_are_evaluations_over_minibatches(name: str, evaluate: Evaluate) -> None:
    counts = np.zeros(N_BATCHES, int)

    def counted(parameters: torch.Tensor, i: int) -> tuple[float, torch.Tensor]:
        counts[i] += 1
        return evaluate(parameters, i)

    optimizer = create(name)
    assert optimizer.passes == 0
    for epoch in range(1, 5):
        optimizer.epoch(counted)
        assert optimizer.passes == pytest.approx(counts.sum() / N_BATCHES)
        assert optimizer.passes >= epoch
        if name != "sfo":  # which chooses among its minibatches
            assert len(set(counts)) == 1


@EACH
@pytest.mark.parametrize("interrupted_after", [0, 1, 3, 4])
def test_taken_up_it_goes_on_bit_by_bit(
    name: str, interrupted_after: int, evaluate: Evaluate
) -> None:
    whole = create(name)
    optimizer = create(name)
    for epoch in range(5):
        if epoch == interrupted_after:
            state = stored(optimizer)
            optimizer = create(name, seed=7)  # all that matters is in the state
            optimizer.restore(state)
        whole.epoch(evaluate)
        optimizer.epoch(evaluate)
        assert torch.equal(optimizer.parameters, whole.parameters)
        assert optimizer.passes == whole.passes


def test_lbfgs_never_ends_an_iteration_higher(evaluate: Evaluate) -> None:
    """Its line search goes on until a step is of use."""
    optimizer = create("lbfgs")
    before = mean(evaluate, start())
    for _ in range(6):
        optimizer.epoch(evaluate)
        after = mean(evaluate, optimizer.parameters)
        assert after < before
        before = after


@EACH
def test_its_parameters_are_a_copy(name: str, evaluate: Evaluate) -> None:
    optimizer = create(name)
    first = optimizer.parameters
    before = first.clone()
    optimizer.epoch(evaluate)
    assert torch.equal(first, before)
    assert not torch.equal(optimizer.parameters, before)
    optimizer.parameters.zero_()
    assert optimizer.parameters.any()


def test_sfo_is_decided_by_its_seed(evaluate: Evaluate) -> None:
    found = []
    for seed in (1, 1, 2):
        optimizer = create("sfo", seed)
        for _ in range(3):
            optimizer.epoch(evaluate)
        found.append(optimizer.parameters)
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[2])


@EACH
def test_parameters_may_have_any_shape(name: str, evaluate: Evaluate) -> None:
    """As those of K readouts at once; a vector for a readout alone is the same in another shape."""

    def in_a_row(parameters: torch.Tensor, i: int) -> tuple[float, torch.Tensor]:
        value, gradient = evaluate(parameters[0], i)
        return value, gradient[None]

    plan = Plan(N_BATCHES, learning_rate=3e-3, epochs=6, seed=0)
    flat, row = create(name), create_optimizer(name, start()[None], plan)
    for _ in range(2):
        flat.epoch(evaluate)
        row.epoch(in_a_row)
    assert row.parameters.shape == (1, len(start()))
    assert torch.equal(row.parameters[0], flat.parameters)


def quadratic(parameters: torch.Tensor, i: int) -> tuple[float, torch.Tensor]:
    """Minibatches whose sum has its minimum at 3."""
    away = parameters - (3 + (-1) ** i)
    return float(away @ away), 2 * away


@pytest.mark.parametrize("name", ["lbfgs", "sfo"])
def test_a_quadratic_is_soon_at_its_minimum(name: str) -> None:
    optimizer = create_optimizer(name, torch.zeros(5), Plan(N_BATCHES, 1, epochs=None, seed=0))
    for _ in range(15):
        optimizer.epoch(quadratic)
    np.testing.assert_allclose(optimizer.parameters.numpy(), 3, atol=1e-2)


def adam_by_hand(
    gradient: Callable[[np.ndarray, int], np.ndarray], rates: list[float]
) -> np.ndarray:
    """Kingma and Ba's algorithm in float64."""
    x, m, v = np.zeros(5), np.zeros(5), np.zeros(5)
    for step, rate in enumerate(rates, 1):
        g = gradient(x, (step - 1) % N_BATCHES)
        m = 0.9 * m + 0.1 * g
        v = 0.99 * v + 0.01 * g**2
        x = x - rate * (m / (1 - 0.9**step)) / (np.sqrt(v / (1 - 0.99**step)) + 1e-8)
    return x


@pytest.mark.parametrize("epochs", [5, None])
def test_adams_rate_follows_the_schedule_where_its_end_is_known(epochs: int | None) -> None:
    optimizer = create_optimizer("adam", torch.zeros(5), Plan(N_BATCHES, 0.3, epochs, seed=0))
    for _ in range(5):
        optimizer.epoch(quadratic)
    assert optimizer.passes == 5
    steps = 5 * N_BATCHES
    rates = [0.3 * (one_cycle(step, steps) if epochs else 1) for step in range(steps)]
    expected = adam_by_hand(lambda x, i: 2 * (x - (3 + (-1) ** i)), rates)
    np.testing.assert_allclose(optimizer.parameters.numpy(), expected, rtol=1e-4)


@given(st.integers(1, 5000))
def test_one_cycle_rises_for_a_fifth_and_falls_for_the_rest(steps: int) -> None:
    factors = np.array([one_cycle(step, steps) for step in range(steps)])
    assert factors[0] == pytest.approx(1 / 25)
    assert (factors >= 1 / 2500 - 1e-12).all()
    assert (factors <= 1).all()
    peak = int(factors.argmax())
    assert (np.diff(factors[: peak + 1]) > 0).all()
    assert (np.diff(factors[peak:]) < 0).all()
    if steps >= 20:
        assert factors[peak] > 0.95
        assert abs(peak - (0.2 * steps - 1)) <= 1
        assert factors[-1] == pytest.approx(1 / 2500)
        middle = one_cycle(round((peak + steps - 1) / 2), steps)  # a cosine's is the mean
        assert middle == pytest.approx((1 + 1 / 2500) / 2, abs=2 / steps + 0.02)


class Descent:
    """Steps of a constant length down the gradient: all that an optimizer must have."""

    passes = 0.0

    def __init__(self, start: torch.Tensor, plan: Plan) -> None:
        self.parameters = start.clone()
        self.plan = plan

    def epoch(self, evaluate: Evaluate) -> None:
        for i in range(self.plan.n_batches):
            _, gradient = evaluate(self.parameters, i)
            self.parameters = self.parameters - self.plan.learning_rate * gradient
        self.passes += 1

    def state(self) -> dict[str, Any]:
        return {"parameters": self.parameters, "passes": self.passes}

    def restore(self, state: dict[str, Any]) -> None:
        self.parameters, self.passes = state["parameters"], state["passes"]


def test_an_entry_is_all_that_another_optimizer_needs(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "descent", SimpleNamespace(create=Descent))
    monkeypatch.setitem(OPTIMIZERS, "descent", OptimizerEntry("descent", same_batches=False))
    images = made_up(tmp_path, N_BATCHES)
    network, begin = new_network(), new_network().initial(0)
    settings = FitSettings("descent", epochs=2, learning_rate=1e-3, images_per_batch=2)
    seen = np.ones((1, N_BATCHES), bool)
    chosen = TrainingSet(images, seen, ~seen)
    found = fit_one(network, chosen, begin, settings, tmp_path / "checkpoint.pt")
    assert found.curve.passes == (1.0, 2.0)
    assert found.curve.training[1] > found.curve.training[0]


def test_an_unknown_optimizer_is_refused() -> None:
    with pytest.raises(OptimizationError, match="sgd: unknown; there are adam, lbfgs, sfo"):
        create("sgd")
