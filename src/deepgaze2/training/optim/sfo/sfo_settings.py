"""How the Sum-of-Functions Optimizer works: what a user may want to change."""

from dataclasses import dataclass
from typing import Literal

from deepgaze2.errors import OptimizationError


@dataclass(frozen=True)
class SfoSettings:
    """How SFO works; the defaults are the authors'.

    Attributes
    ----------
    history_length
        Pairs of a step and a gradient change that are kept per subfunction.
    initial_curvature
        Curvature of the subfunctions that are active at the start. If it is too large, the first
        steps change no gradient measurably (float32 gradients have more margin with 100); if it
        is too small, the first step is a leap.
    initial_subfunctions
        How many are active at the start, 2 or more.
    max_curvature_ratio
        Largest ratio of two eigenvalues of one subfunction's Hessian.
    max_gradient_noise
        Subfunctions are added while the squared standard error of the mean gradient is this
        times its squared length or more, in terms of the inverse Hessian.
    max_step_ratio
        Longest step in terms of the mean one.
    min_step_length
        Shorter steps are stretched to this.
    selection
        "distance" evaluates the subfunction whose last position is farthest in terms of the
        sum's curvature; "distance both" takes its own curvature instead every other time.
    """

    history_length: int = 10
    initial_curvature: float = 1e5
    initial_subfunctions: int = 2
    max_curvature_ratio: float = 1e8
    max_gradient_noise: float = 1.0
    max_step_ratio: float = 10.0
    min_step_length: float = 1e-8
    selection: Literal["distance both", "distance"] = "distance both"

    def __post_init__(self) -> None:
        if self.initial_subfunctions < 2:
            raise OptimizationError(
                f"initial_subfunctions is {self.initial_subfunctions}; it must be 2 or more"
            )
