"""L-BFGS on all minibatches at once."""

from typing import Any

import torch
from torch import Tensor

from deepgaze2.training.optim.optimizers import Evaluate, Plan

_HISTORY = 10
_MOST_EVALUATIONS = 25  # of an iteration's line search


class _Lbfgs:
    """An epoch is an iteration, whose line search may evaluate several times."""

    def __init__(self, start: Tensor, plan: Plan) -> None:
        self._x = torch.nn.Parameter(start.clone())
        self._lbfgs = torch.optim.LBFGS(
            [self._x],
            max_iter=1,
            max_eval=1 + _MOST_EVALUATIONS,  # else one, which ends the search where it began
            history_size=_HISTORY,
            line_search_fn="strong_wolfe",
        )
        self._n_batches = plan.n_batches
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


create = _Lbfgs
