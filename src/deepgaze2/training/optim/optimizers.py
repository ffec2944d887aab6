"""Adam, L-BFGS and the Sum-of-Functions Optimizer behind one interface.

Each works on one flat vector of parameters, an epoch at a time. An epoch is one evaluation of
each minibatch, or as near to that as the optimizer comes; `passes` counts what it took.
"""

import math
from collections.abc import Callable
from typing import Any, Literal, Protocol, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from deepgaze2.training.optim.sfo.sfo import Sfo

OptimizerName: TypeAlias = Literal["adam", "lbfgs", "sfo"]
OPTIMIZERS: tuple[OptimizerName, ...] = ("adam", "lbfgs", "sfo")
Evaluate: TypeAlias = Callable[[Tensor, int], tuple[float, Tensor]]
"""Value and gradient, at some parameters, of the minibatch of a number; the mean over
minibatches is what is minimized."""

_WARM_UP = 0.2  # of the steps
_FIRST_RATE, _LAST_RATE = 1 / 25, 1 / 2500  # of the largest
_LBFGS_HISTORY = 10
_MOST_EVALUATIONS = 25  # of an iteration's line search


class Optimizer(Protocol):
    """Minimizes a mean of minibatches."""

    same_batches: bool
    """Whether a number must mean the same images, with the same answer, in all epochs."""

    @property
    def parameters(self) -> Tensor:
        """Where it is: (n_parameters,), float32."""
        ...

    @property
    def passes(self) -> float:
        """Evaluations so far, in passes over all minibatches."""
        ...

    def epoch(self, evaluate: Evaluate) -> None:
        """Go through the minibatches once."""
        ...

    def state(self) -> dict[str, Any]:
        """Return all that is needed to go on as if never interrupted, for `torch.save`."""
        ...

    def restore(self, state: dict[str, Any]) -> None:
        """Take up a state."""
        ...


def create_optimizer(
    name: OptimizerName,
    start: Tensor,
    n_batches: int,
    *,
    learning_rate: float,
    epochs: int | None,
    seed: int,
) -> Optimizer:
    """Return the optimizer of a name.

    Parameters
    ----------
    learning_rate
        Adam's; the largest of its one-cycle schedule if `epochs` is known. The others have none.
    epochs
        How many there will be, if that is known.
    seed
        Of SFO's choices.
    """
    if name == "sfo":
        return _SumOfFunctions(start, n_batches, seed)
    if name == "lbfgs":
        return _Lbfgs(start, n_batches)
    return _Adam(start, n_batches, learning_rate, epochs)


def one_cycle(step: int, steps: int) -> float:
    """Return the factor of the learning rate at a step of Smith and Topin's (2018) schedule."""
    top = max(_WARM_UP * steps - 1, 1)
    if step <= top:
        share, begin, end = step / top, _FIRST_RATE, 1.0
    else:
        share, begin, end = min(1.0, (step - top) / max(steps - 1 - top, 1)), 1.0, _LAST_RATE
    return end + (begin - end) / 2 * (1 + math.cos(math.pi * share))


class _Adam:
    same_batches = False

    def __init__(
        self, start: Tensor, n_batches: int, learning_rate: float, epochs: int | None
    ) -> None:
        self._x = torch.nn.Parameter(start.clone())
        self._adam = torch.optim.Adam([self._x], lr=learning_rate, betas=(0.9, 0.99))
        self._rate = learning_rate
        self._n_batches = n_batches
        self._total = None if epochs is None else epochs * n_batches
        self._steps = 0

    @property
    def parameters(self) -> Tensor:
        return self._x.detach().clone()

    @property
    def passes(self) -> float:
        return self._steps / self._n_batches

    def epoch(self, evaluate: Evaluate) -> None:
        for i in range(self._n_batches):
            if self._total is not None:
                rate = self._rate * one_cycle(self._steps, self._total)
                self._adam.param_groups[0]["lr"] = rate
            _, self._x.grad = evaluate(self._x.detach(), i)
            self._adam.step()
            self._steps += 1

    def state(self) -> dict[str, Any]:
        return {"x": self._x.detach(), "adam": self._adam.state_dict(), "steps": self._steps}

    def restore(self, state: dict[str, Any]) -> None:
        with torch.no_grad():
            self._x.copy_(state["x"])
        self._adam.load_state_dict(state["adam"])
        self._steps = state["steps"]


class _Lbfgs:
    """Full batches; an epoch is an iteration, whose line search may evaluate several times."""

    same_batches = True

    def __init__(self, start: Tensor, n_batches: int) -> None:
        self._x = torch.nn.Parameter(start.clone())
        self._lbfgs = torch.optim.LBFGS(
            [self._x],
            max_iter=1,
            max_eval=1 + _MOST_EVALUATIONS,  # else one, which ends the search where it began
            history_size=_LBFGS_HISTORY,
            line_search_fn="strong_wolfe",
        )
        self._n_batches = n_batches
        self._passes = 0

    @property
    def parameters(self) -> Tensor:
        return self._x.detach().clone()

    @property
    def passes(self) -> float:
        return self._passes

    def epoch(self, evaluate: Evaluate) -> None:
        def closure() -> Tensor:
            self._passes += 1
            parts = [evaluate(self._x.detach(), i) for i in range(self._n_batches)]
            self._x.grad = torch.stack([gradient for _, gradient in parts]).mean(0)
            return torch.tensor(sum(value for value, _ in parts) / self._n_batches)

        self._lbfgs.step(closure)  # type: ignore[no-untyped-call]

    def state(self) -> dict[str, Any]:
        return {
            "x": self._x.detach(),
            "lbfgs": self._lbfgs.state_dict(),
            "passes": self._passes,
        }

    def restore(self, state: dict[str, Any]) -> None:
        with torch.no_grad():
            self._x.copy_(state["x"])
        self._lbfgs.load_state_dict(state["lbfgs"])
        self._passes = state["passes"]


def _before_an_epoch(_: Tensor, i: int) -> tuple[float, Tensor]:
    raise RuntimeError(f"minibatch {i} is evaluated outside an epoch")


class _SumOfFunctions:
    same_batches = True

    def __init__(self, start: Tensor, n_batches: int, seed: int) -> None:
        self._n_batches = n_batches
        self._evaluate: Evaluate = _before_an_epoch
        self._sfo = Sfo(self._subfunction, start.double().numpy(), n_batches, seed=seed)
        self._epochs = 0

    def _subfunction(self, x: NDArray[np.float64], i: int) -> tuple[float, NDArray[np.float64]]:
        value, gradient = self._evaluate(torch.from_numpy(x.astype(np.float32)), i)
        return value, gradient.double().numpy()

    @property
    def parameters(self) -> Tensor:
        return torch.from_numpy(self._sfo.x.astype(np.float32))

    @property
    def passes(self) -> float:
        return self._sfo.n_evaluations / self._n_batches

    def epoch(self, evaluate: Evaluate) -> None:
        self._evaluate = evaluate
        self._epochs += 1
        while self._sfo.n_evaluations < self._epochs * self._n_batches:
            self._sfo.step()

    def state(self) -> dict[str, Any]:
        stored = {
            name: torch.from_numpy(value) if isinstance(value, np.ndarray) else value
            for name, value in self._sfo.state().items()
        }
        return {"sfo": stored, "epochs": self._epochs}

    def restore(self, state: dict[str, Any]) -> None:
        stored = {
            name: value.numpy() if isinstance(value, Tensor) else value
            for name, value in state["sfo"].items()
        }
        self._sfo = Sfo.restore(self._subfunction, stored)
        self._epochs = state["epochs"]
