"""Quadratic models of all subfunctions, in coordinates of the shared subspace."""

import warnings
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from deepgaze2.training.optim.sfo.sfo_hessian import Curvature, curvature_of
from deepgaze2.training.optim.sfo.sfo_subspace import NEGLIGIBLE, FloatArray

_IN_COORDINATES = ("positions", "gradients", "steps", "changes", "directions")


@dataclass
class SubfunctionModels:
    """What is known of N subfunctions: where each was evaluated last, and its curvature.

    The Hessian of subfunction i is floors[i] · identity + directions[i]ᵀ · diag(weights[i]) ·
    directions[i]. Inactive subfunctions are all zero, so that sums need not leave them out.

    Attributes
    ----------
    positions, gradients : float64 array (N, K)
        Last stored position, and the gradient there.
    values : float64 array (N,)
        Last stored value; NaN if none has been stored yet.
    steps, changes : float64 array (N, L, K)
        Last steps and changes of the gradient, newest first, zero where there are fewer.
    floors : float64 array (N,)
        Smallest curvature seen.
    directions : float64 array (N, 2L, K)
    weights : float64 array (N, 2L)
    counts : int64 array (N,)
        Evaluations so far.
    active : bool array (N,)
        Whether a subfunction is part of the sum yet.
    low_rank_sum : float64 array (K, K)
        The sum of all Hessians without their floors.
    """

    positions: FloatArray
    gradients: FloatArray
    values: FloatArray
    steps: FloatArray
    changes: FloatArray
    floors: FloatArray
    directions: FloatArray
    weights: FloatArray
    counts: NDArray[np.int64]
    active: NDArray[np.bool_]
    low_rank_sum: FloatArray

    @classmethod
    def at(cls, position: FloatArray, n_subfunctions: int, n_pairs: int) -> "SubfunctionModels":
        """Return models that know nothing yet, at one position (K,)."""
        n, k = n_subfunctions, len(position)
        return cls(
            positions=np.tile(position, (n, 1)),
            gradients=np.zeros((n, k)),
            values=np.full(n, np.nan),
            steps=np.zeros((n, n_pairs, k)),
            changes=np.zeros((n, n_pairs, k)),
            floors=np.zeros(n),
            directions=np.zeros((n, 2 * n_pairs, k)),
            weights=np.zeros((n, 2 * n_pairs)),
            counts=np.zeros(n, np.int64),
            active=np.zeros(n, np.bool_),
            low_rank_sum=np.zeros((k, k)),
        )

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """Return all arrays by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def sum_gradient(self, z: FloatArray) -> FloatArray:
        """Return the gradient (K,) of the models' sum at coordinates z."""
        offsets = z - self.positions
        weighted = self.weights * self._along_directions(offsets)
        low_rank: FloatArray = weighted.ravel() @ self.directions.reshape(-1, len(z))
        gradient: FloatArray = self.gradients.sum(0) + self.floors @ offsets + low_rank
        return gradient

    def sum_hessian(self) -> FloatArray:
        """Return the Hessian (K, K) of the models' sum."""
        hessian = self.low_rank_sum.copy()
        hessian[np.diag_indices_from(hessian)] += self.floors.sum()
        return hessian

    def predicted(self, j: int, z: FloatArray) -> float:
        """Return the value of model j at z; NaN if no value has been stored yet."""
        offset = z - self.positions[j]
        along = self.directions[j] @ offset
        bend = self.floors[j] * (offset @ offset) + self.weights[j] @ along**2
        return float(self.values[j] + self.gradients[j] @ offset + bend / 2)

    def show_bad_step(self, j: int, value: float, z: FloatArray, promised: float) -> bool:
        """Tell whether the step to z was a bad one, by the value of subfunction j there.

        Parameters
        ----------
        promised : float
            By how much the step should improve the sum, according to the models.
        """
        if self.counts[j] == 1:
            others = self.values[self.counts > 1]
            return others.size > 0 and bool(value > others.mean() + 3 * others.std())
        before, predicted = self.values[j], self.predicted(j, z)
        promised_by_others = promised - (before - predicted)
        return bool(value > before and value - predicted > promised_by_others)

    def gradient_is_noisy(self, whitening: FloatArray, max_noise: float) -> bool:
        """Tell whether the active subfunctions' gradients differ too much to show a direction.

        Parameters
        ----------
        whitening : float64 array (K, K)
            W, of which WᵀW is the inverse of the sum's Hessian.
        max_noise : float
            Largest ratio of the mean's squared standard error and its squared length.
        """
        gradients = self.gradients[self.active]
        mean, n = gradients.mean(0), len(gradients)
        signal = np.sum((whitening @ mean) ** 2)
        noise = np.sum((whitening @ (gradients - mean).T) ** 2) / (n * (n - 1))
        return bool(noise >= max_noise * signal)

    def sum_distances(self, z: FloatArray) -> FloatArray:
        """Return how far z is from each position (N,), in terms of the sum's curvature."""
        offsets = z - self.positions
        return _row_products(offsets @ self.sum_hessian(), offsets)

    def own_distances(self, z: FloatArray) -> FloatArray:
        """Return how far z is from each position (N,), in terms of its own model's curvature."""
        offsets = z - self.positions
        along = self._along_directions(offsets)
        isotropic = self.floors * _row_products(offsets, offsets)
        return isotropic + _row_products(self.weights, along**2)

    def _along_directions(self, offsets: FloatArray) -> FloatArray:
        """Return each model's offset (N, K) along each of its directions, (N, 2L)."""
        return (self.directions @ offsets[:, :, None])[:, :, 0]

    def store(self, j: int, value: float, z: FloatArray, gradient: FloatArray) -> None:
        """Store an evaluation of subfunction j, and a pair if there was an earlier one."""
        if not np.isnan(self.values[j]):
            self._store_pair(j, z - self.positions[j], gradient - self.gradients[j])
        self.values[j] = value
        self.positions[j] = z
        self.gradients[j] = gradient

    def _store_pair(self, j: int, step: FloatArray, change: FloatArray) -> None:
        lengths = np.linalg.norm(step), np.linalg.norm(change)
        if min(lengths) < NEGLIGIBLE or abs(step @ change) < NEGLIGIBLE * lengths[0] * lengths[1]:
            return
        for history, newest in ((self.steps[j], step), (self.changes[j], change)):
            history[1:] = history[:-1].copy()
            history[0] = newest

    def renew_hessian(self, j: int, max_ratio: float) -> None:
        """Make the Hessian of model j anew from its history."""
        used = self.steps[j].any(1)
        if used.any():
            default = float(self.floors[self.active].max())
            curvature = curvature_of(self.steps[j, used], self.changes[j, used], default, max_ratio)
        else:
            curvature = self._typical_curvature(j)
        self._set_hessian(j, curvature)

    def _typical_curvature(self, j: int) -> Curvature:
        """Return the curvature to assume for a subfunction without a history."""
        # Unused directions count too: their curvature is the sum of all floors.
        floor = float(np.median(np.linalg.eigvalsh(self.sum_hessian())) / self.active.sum())
        if self.counts[j] > 2 and self.counts.sum() < 5:
            floor /= 10
            warnings.warn(
                "no gradient changed over the first steps; is initial_curvature too large?",
                RuntimeWarning,
                stacklevel=2,
            )
        return Curvature(floor, np.zeros((0, self.positions.shape[1])), np.zeros(0))

    def _set_hessian(self, j: int, curvature: Curvature) -> None:
        rank = len(curvature.weights)
        self.low_rank_sum -= self._low_rank(slice(j, j + 1))
        self.floors[j] = curvature.floor
        self.directions[j] = 0
        self.weights[j] = 0
        self.directions[j, :rank] = curvature.directions
        self.weights[j, :rank] = curvature.weights
        self.low_rank_sum += self._low_rank(slice(j, j + 1))

    def _low_rank(self, some: slice) -> FloatArray:
        flat = self.directions[some].reshape(-1, self.positions.shape[1])
        low_rank: FloatArray = (flat.T * self.weights[some].ravel()) @ flat
        return low_rank

    def renew_sum(self) -> None:
        """Add up the Hessians anew, so that rounding errors do not pile up."""
        self.low_rank_sum = self._low_rank(slice(None))

    def transform(self, change_of_basis: FloatArray) -> None:
        """Go over to new coordinates, which are the old ones times this matrix (K, K)."""
        for name in _IN_COORDINATES:
            setattr(self, name, getattr(self, name) @ change_of_basis)
        self.renew_sum()


def _row_products(a: FloatArray, b: FloatArray) -> FloatArray:
    products: FloatArray = np.einsum("ik,ik->i", a, b)
    return products
