"""The table of optimizers: one is a file beside this one, and an entry here.

Each works on one tensor of parameters, an epoch at a time. An epoch is one evaluation of
each minibatch, or as near to that as the optimizer comes; `passes` counts what it took.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from deepgaze2.errors import OptimizationError

if TYPE_CHECKING:  # the command line lists optimizers, also where PyTorch is not installed
    from torch import Tensor

Evaluate: TypeAlias = "Callable[[Tensor, int], tuple[float, Tensor]]"
"""Value and gradient, at some parameters, of the minibatch of a number; the mean over
minibatches is what is minimized."""


@dataclass(frozen=True)
class Plan:
    """What an optimizer may need to know of the training.

    Attributes
    ----------
    n_batches
        Minibatches in an epoch.
    learning_rate
        For optimizers that have one; the largest if it follows a schedule.
    epochs
        How many there will be, if that is known.
    seed
        Decides random choices.
    """

    n_batches: int
    learning_rate: float
    epochs: int | None
    seed: int


class Optimizer(Protocol):
    """Minimizes a mean of minibatches."""

    @property
    def parameters(self) -> "Tensor":
        """Where it is, float32, of the start's shape."""
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


@dataclass(frozen=True)
class OptimizerEntry:
    """An optimizer in the table.

    Attributes
    ----------
    module
        Full name of the module whose `create(start, plan)` returns it, an `Optimizer`.
    same_batches
        Whether it needs the same images with the same answer under a minibatch's number in all
        epochs. Dropout and mirroring at random are then impossible, and readouts are trained one
        by one, since each takes its own way through the minibatches.
    """

    module: str
    same_batches: bool


OPTIMIZERS = {
    "adam": OptimizerEntry("deepgaze2.training.optim.adam", same_batches=False),
    "lbfgs": OptimizerEntry("deepgaze2.training.optim.lbfgs", same_batches=True),
    "sfo": OptimizerEntry("deepgaze2.training.optim.sum_of_functions", same_batches=True),
}
"""All optimizers, by the name that settings and commands take."""


def create_optimizer(name: str, start: "Tensor", plan: Plan) -> Optimizer:
    """Return an optimizer that begins at some parameters.

    Raises
    ------
    OptimizationError
        If there is none of that name.
    """
    if name not in OPTIMIZERS:
        raise OptimizationError(f"optimizer {name}: unknown; there are {', '.join(OPTIMIZERS)}")
    optimizer: Optimizer = import_module(OPTIMIZERS[name].module).create(start, plan)
    return optimizer
