"""The Sum-of-Functions Optimizer (SFO): quasi-Newton steps from one minibatch at a time.

It minimizes a sum of N functions, normally the loss on each of N fixed minibatches. For each one
it keeps a quadratic model around the point where that one was evaluated last, with a curvature
from the history of its gradients; an iteration evaluates one function, renews its model, and takes
a Newton step on the sum of all models. So it steps as often as stochastic gradient descent, has
no learning rate to tune, and needs fewer gradients than L-BFGS on all data.

Use it where the functions are smooth, always give the same answer at the same place (no dropout
and no augmentation that is drawn anew), where the data make 25 to 100 minibatches, and where
there is time to evaluate each some ten times. The functions are added: weight minibatches of
unequal size, and give each 1/N of a prior. Parameters should be of similar scale. Memory is that
of about 3N gradients, and an iteration passes over it a few times. For losses that are noisy, or
for a budget of a few passes, take Adam.

Sohl-Dickstein, Poole and Ganguli (2014), "Fast large-scale optimization by unifying stochastic
gradient and quasi-Newton methods", ICML. DeepGaze II was trained with it. One thing is different
here: the first evaluation of a function never makes a pair with the starting point, where that
function was not evaluated; such pairs show curvatures that are wrong by orders of magnitude.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from deepgaze2.errors import OptimizationError
from deepgaze2.support.cores import single_threaded_blas
from deepgaze2.training.optim.sfo.sfo_hessian import whitening_of
from deepgaze2.training.optim.sfo.sfo_models import SubfunctionModels
from deepgaze2.training.optim.sfo.sfo_settings import SfoSettings
from deepgaze2.training.optim.sfo.sfo_subspace import NEGLIGIBLE, FloatArray, Subspace

Subfunction = Callable[[FloatArray, int], tuple[float, NDArray[np.floating[Any]]]]
SfoState = dict[str, NDArray[Any] | float | int | str]

_SMALLEST_STEP_SCALE = 1e-5
_BACK_OFF = 0.01
_MOST_BACK_OFFS = 10
_EXPLOSION = 10.0  # times the expected change


@dataclass(frozen=True)
class SfoStep:
    """What an iteration did.

    Attributes
    ----------
    subfunction
        The one that was evaluated.
    value
        Its value where the iteration went on from.
    failed
        Whether the step before had made matters worse.
    evaluations
        How many the iteration took: 1, or more if it failed.
    length
        Length of the step to the new proposal.
    """

    subfunction: int
    value: float
    failed: bool
    evaluations: int
    length: float


@dataclass
class _Progress:
    """What an optimizer remembers as plain numbers."""

    step_scale: float = 1.0
    promised: float = 0.0  # improvement that the models predicted for the last step
    path_length: float = 0.0
    evaluations: int = 0
    iterations_since_growth: int = 0
    iterations_since_renewal: int = 0


@dataclass(frozen=True, eq=False)
class _Evaluation:
    x: FloatArray
    value: float
    gradient: FloatArray
    slope: FloatArray  # the gradient's coordinates

    @property
    def finite(self) -> bool:
        return bool(np.isfinite(self.value) and np.isfinite(self.slope).all())


class Sfo:
    """Minimizes the sum of N subfunctions.

    Parameters
    ----------
    f_df
        Returns the value of subfunction i at x, and its gradient (M,).
    x0 : array (M,)
        Where to start.
    n_subfunctions
        N.
    seed
        Decides the choice of subfunctions; a number, or a generator that chooses.

    Raises
    ------
    OptimizationError
        If `x0` is not a finite vector, or N is 0; from `step` and `optimize`, if a subfunction is
        not finite where it is evaluated first, or a gradient is not of the shape of `x0`.

    Examples
    --------
    >>> targets = np.array([[1.0, 0.0], [0.0, 1.0], [2.0, 2.0]])
    >>> sfo = Sfo(lambda x, i: (((x - targets[i]) ** 2).sum() / 2, x - targets[i]), [0.0, 0.0], 3)
    >>> sfo.optimize(passes=10).round(6)
    array([1., 1.])
    """

    def __init__(
        self,
        f_df: Subfunction,
        x0: ArrayLike,
        n_subfunctions: int,
        *,
        seed: int | np.random.Generator = 0,
        settings: SfoSettings | None = None,
    ) -> None:
        if n_subfunctions < 1:
            raise OptimizationError("there is no subfunction to minimize")
        self._f_df = f_df
        self._settings = settings or SfoSettings()
        self._rng = np.random.default_rng(seed)
        self._progress = _Progress()
        self._x = _vector(x0)
        self._x_previous = self._x
        self._subspace = Subspace.around(self._x, n_subfunctions, self._rng)
        self._z = self._subspace.project(self._x)
        self._models = SubfunctionModels.at(self._z, n_subfunctions, self._settings.history_length)
        for _ in range(min(self._settings.initial_subfunctions, n_subfunctions)):
            self._models.floors[self._activate()] = self._settings.initial_curvature

    @property
    def x(self) -> FloatArray:
        """The current proposal (M,): where the next evaluation takes place.

        It has not been evaluated yet; to choose among several, evaluate them.
        """
        return self._x.copy()

    @property
    def n_evaluations(self) -> int:
        """How often a subfunction has been evaluated."""
        return self._progress.evaluations

    def optimize(self, passes: float) -> FloatArray:
        """Iterate until `passes` times N evaluations have been spent since the start.

        Called with a larger number, it goes on.

        Returns
        -------
        float64 array (M,)
            The proposal `x`.
        """
        while self.n_evaluations < passes * len(self._models.counts):
            self.step()
        return self.x

    def state(self) -> SfoState:
        """Return all that `restore` needs: arrays, numbers and strings, copied."""
        return {
            "settings": json.dumps(asdict(self._settings)),
            "rng": json.dumps(self._rng.bit_generator.state),
            "x": self._x.copy(),
            "x_previous": self._x_previous.copy(),
            "z": self._z.copy(),
            "basis": self._subspace.basis[: self._subspace.rank].copy(),
            **{name: array.copy() for name, array in self._models.arrays().items()},
            **asdict(self._progress),
        }

    @classmethod
    def restore(cls, f_df: Subfunction, state: Mapping[str, Any]) -> "Sfo":
        """Return an optimizer that goes on, bit for bit, as the one whose state this is would.

        Strings and numbers may be arrays of no dimension, as from `np.load`.
        """
        settings = SfoSettings(**json.loads(str(state["settings"])))
        sfo = cls(f_df, state["x"], len(state["counts"]), settings=settings)
        sfo._rng.bit_generator.state = json.loads(str(state["rng"]))
        sfo._x_previous = np.asarray(state["x_previous"]).copy()
        sfo._z = np.asarray(state["z"]).copy()
        sfo._subspace.rank = len(state["basis"])
        sfo._subspace.basis[: sfo._subspace.rank] = state["basis"]
        sfo._models = SubfunctionModels(
            **{name: np.asarray(state[name]).copy() for name in sfo._models.arrays()}
        )
        numbers = asdict(sfo._progress)
        sfo._progress = _Progress(**{name: type(n)(state[name]) for name, n in numbers.items()})
        return sfo

    def step(self) -> SfoStep:
        """Evaluate one subfunction, and step to the minimum of the models' sum."""
        before = self.n_evaluations
        j = self._choose()
        here = self._evaluate(self._x, j)
        promised = self._progress.promised
        failed = not here.finite or self._models.show_bad_step(j, here.value, self._z, promised)
        if failed:
            self._progress.step_scale /= 2
            here = self._recover(j, here)
        else:
            n = len(self._models.counts)
            self._progress.step_scale = 1 / n + (1 - 1 / n) * self._progress.step_scale
            self._models.store(j, here.value, self._z, here.slope)
        self._progress.step_scale = max(self._progress.step_scale, _SMALLEST_STEP_SCALE)
        length = self._proceed(j, failed)
        return SfoStep(j, here.value, failed, self.n_evaluations - before, length)

    @single_threaded_blas()
    def _choose(self) -> int:
        """Choose the subfunction to evaluate: the one whose model can be trusted least."""
        models = self._models
        once = models.active & (models.counts == 1)
        if once.any():  # two evaluations show a curvature
            return int(np.argmax(once))
        never = models.active & (models.counts == 0)
        if never.any():
            return self._pick(never)
        if self._settings.selection == "distance both" and self._rng.random() < 0.5:
            own = models.own_distances(self._z)
            return int(np.argmax(np.where(models.active, own, -np.inf)))
        distances = np.where(models.active, models.sum_distances(self._z), -np.inf)
        if distances.max() < NEGLIGIBLE and not models.active.all():
            return self._activate()
        return int(np.argmax(distances))

    def _pick(self, candidates: NDArray[np.bool_]) -> int:
        indices = np.flatnonzero(candidates)
        return int(self._rng.choice(indices))

    def _activate(self) -> int:
        """Add a subfunction to the sum, and return which."""
        j = self._pick(~self._models.active)
        self._models.active[j] = True
        self._progress.iterations_since_growth = 0
        return j

    def _evaluate(self, x: FloatArray, j: int) -> _Evaluation:
        result = self._f_df(x.copy(), j)
        value, gradient = float(result[0]), np.asarray(result[1], np.float64).copy()
        if gradient.shape != x.shape:
            raise OptimizationError(
                f"the gradient of subfunction {j} has shape {gradient.shape}; "
                f"it must have that of x, {x.shape}"
            )
        self._models.counts[j] += 1
        self._progress.evaluations += 1
        return _Evaluation(x, value, gradient, self._coordinates_of(gradient))

    @single_threaded_blas()
    def _coordinates_of(self, gradient: FloatArray) -> FloatArray:
        """Take a gradient into the subspace, and return its coordinates; NaN if not finite."""
        with np.errstate(over="ignore"):
            if not np.isfinite(np.linalg.norm(gradient)):
                return np.full_like(self._z, np.nan)
        slope = self._subspace.extend(gradient)
        if not self._subspace.is_full:
            return slope
        # The previous x needs no mention: it is the last position of an active subfunction.
        models, z = self._models, self._subspace.project(self._x)
        last = models.gradients[models.active], models.positions[models.active]
        change_of_basis = self._subspace.collapse(np.vstack([*last, slope, z]), self._rng)
        models.transform(change_of_basis)
        self._z = self._subspace.project(self._x)
        return self._subspace.project(gradient)

    def _recover(self, j: int, here: _Evaluation) -> _Evaluation:
        """Store what a failed step has shown; return where to go on, here or at the previous x."""
        expected = abs(self._models.predicted(j, self._z) - self._models.values[j])
        previous = self._evaluate(self._x_previous, j)
        if not (here.finite or previous.finite):
            raise OptimizationError(
                f"subfunction {j} is not finite, neither at the current x nor at the one before; "
                "start where all subfunctions are finite"
            )
        if previous.finite:
            here = self._back_off(j, here, previous, expected)
        stay = here.finite and (not previous.finite or here.value < previous.value)
        self._store_at_last(j, [previous, here] if stay else [here, previous])
        return here if stay else previous

    def _back_off(
        self, j: int, here: _Evaluation, previous: _Evaluation, expected: float
    ) -> _Evaluation:
        """Go back towards the previous x until values and gradients are not absurd anymore."""
        if not np.isfinite(expected):
            expected = abs(here.value - previous.value)
        if not np.isfinite(expected) or expected < NEGLIGIBLE:
            expected = NEGLIGIBLE
        for _ in range(_MOST_BACK_OFFS):
            if here.finite and here.value - previous.value < _EXPLOSION * expected:
                break
            here = self._evaluate((1 - _BACK_OFF) * previous.x + _BACK_OFF * here.x, j)
        return here

    @single_threaded_blas()
    def _store_at_last(self, j: int, evaluations: list[_Evaluation]) -> None:
        """Store evaluations of subfunction j, and go to the last one's x."""
        self._x = evaluations[-1].x
        self._z = self._subspace.project(self._x)
        for evaluation in evaluations:
            if evaluation.finite:
                # Later evaluations may have changed the basis.
                z, slope = map(self._subspace.project, (evaluation.x, evaluation.gradient))
                self._models.store(j, evaluation.value, z, slope)

    @single_threaded_blas()
    def _proceed(self, j: int, failed: bool) -> float:
        """Take a Newton step with the renewed model of subfunction j, and return its length."""
        models, progress = self._models, self._progress
        progress.path_length += float(np.linalg.norm(self._x - self._x_previous))
        models.renew_hessian(j, self._settings.max_curvature_ratio)
        progress.iterations_since_renewal += 1
        if progress.iterations_since_renewal >= len(models.counts):
            models.renew_sum()
            progress.iterations_since_renewal = 0
        hessian = models.sum_hessian()
        whitening = whitening_of(hessian)
        newton = -whitening.T @ (whitening @ models.sum_gradient(self._z))
        step = self._limited(progress.step_scale * newton)
        progress.promised = float(step @ hessian @ step) / 2
        self._x_previous = self._x
        self._x = self._x + self._subspace.lift(step)
        self._z = self._z + step
        self._grow_active_set(whitening, failed)
        return float(np.linalg.norm(step))

    def _limited(self, step: FloatArray) -> FloatArray:
        """Return a step of neither negligible nor excessive length."""
        settings, progress = self._settings, self._progress
        length = float(np.linalg.norm(step))
        if length == 0:
            return step
        wanted = max(length, settings.min_step_length)
        if progress.evaluations > len(self._models.counts) and progress.path_length > 0:
            mean_length = progress.path_length / progress.evaluations
            wanted = min(wanted, settings.max_step_ratio * mean_length)
        return step * (wanted / length)

    def _grow_active_set(self, whitening: FloatArray, failed: bool) -> None:
        """Add a subfunction if the gradient is lost in noise, or if progress stalls."""
        models = self._models
        n = int(models.active.sum())
        if n == len(models.counts):
            return
        noisy = models.gradient_is_noisy(whitening, self._settings.max_gradient_noise)
        overdue = self._progress.iterations_since_growth > n
        self._progress.iterations_since_growth += 1
        if (noisy or failed or overdue) and models.counts[models.active].min() >= 2:
            self._activate()


def _vector(x0: ArrayLike) -> FloatArray:
    x = np.asarray(x0, np.float64).copy()
    if x.ndim != 1 or not x.size or not np.isfinite(x).all():
        raise OptimizationError("x0 must be a vector of finite numbers, not empty")
    return x
