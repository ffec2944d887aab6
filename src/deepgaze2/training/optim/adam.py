"""Adam (Kingma and Ba 2015), with a one-cycle schedule where the number of epochs is known."""

import math
from typing import Any

import torch
from torch import Tensor

from deepgaze2.training.optim.optimizers import Evaluate, Plan

_WARM_UP = 0.2  # of the steps
_FIRST_RATE, _LAST_RATE = 1 / 25, 1 / 2500  # of the largest


def one_cycle(step: int, steps: int) -> float:
    """Return the factor of the learning rate at a step of Smith and Topin's (2018) schedule."""
    top = max(_WARM_UP * steps - 1, 1)
    if step <= top:
        share, begin, end = step / top, _FIRST_RATE, 1.0
    else:
        share, begin, end = min(1.0, (step - top) / max(steps - 1 - top, 1)), 1.0, _LAST_RATE
    return end + (begin - end) / 2 * (1 + math.cos(math.pi * share))


class _Adam:
    def __init__(self, start: Tensor, plan: Plan) -> None:
        self._x = torch.nn.Parameter(start.clone())
        self._adam = torch.optim.Adam([self._x], lr=plan.learning_rate, betas=(0.9, 0.99))
        self._plan = plan
        self._steps = 0

    @property
    def parameters(self) -> Tensor:
        return self._x.detach().clone()

    @property
    def passes(self) -> float:
        return self._steps / self._plan.n_batches

    def epoch(self, evaluate: Evaluate) -> None:
        plan = self._plan
        for i in range(plan.n_batches):
            if plan.epochs is not None:
                rate = plan.learning_rate * one_cycle(self._steps, plan.epochs * plan.n_batches)
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


create = _Adam
