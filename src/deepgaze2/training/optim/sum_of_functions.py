"""The Sum-of-Functions Optimizer, which `sfo` implements, on tensors and minibatches."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from deepgaze2.training.optim.optimizers import Evaluate, Plan
from deepgaze2.training.optim.sfo.sfo import Sfo


def _before_an_epoch(_: Tensor, i: int) -> tuple[float, Tensor]:
    raise RuntimeError(f"minibatch {i} is evaluated outside an epoch")


class _SumOfFunctions:
    def __init__(self, start: Tensor, plan: Plan) -> None:
        self._n_batches = plan.n_batches
        self._evaluate: Evaluate = _before_an_epoch
        self._shape = start.shape
        x0 = start.double().numpy().ravel()
        self._sfo = Sfo(self._subfunction, x0, plan.n_batches, seed=plan.seed)
        self._epochs = 0

    def _subfunction(self, x: NDArray[np.float64], i: int) -> tuple[float, NDArray[np.float64]]:
        value, gradient = self._evaluate(self._tensor(x), i)
        return value, gradient.double().numpy().ravel()

    def _tensor(self, x: NDArray[np.float64]) -> Tensor:
        return torch.from_numpy(x.astype(np.float32)).view(self._shape)

    @property
    def parameters(self) -> Tensor:
        return self._tensor(self._sfo.x)

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


create = _SumOfFunctions
