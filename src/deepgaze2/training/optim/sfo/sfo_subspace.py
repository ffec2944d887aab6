"""The subspace that the Sum-of-Functions Optimizer works in.

Gradients and positions lie in a few directions of the parameter space. An orthonormal basis of
them makes all matrices K×K instead of M×M; when it is full it is reduced to what still matters.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

NEGLIGIBLE = 1e-12  # lengths, correlations and distances below this count as zero
_INDEPENDENT = 0.1  # a residual longer than this share is orthogonal to rounding
_BLOCK = 4096  # parameters


@dataclass
class Subspace:
    """Orthonormal directions, of which the first `rank` are in use.

    Attributes
    ----------
    basis : float64 array (capacity, M)
        One direction per row; rows from `rank` on mean nothing.
    rank : int
        K, the number of directions in use.
    rank_after_collapse : int
        How many directions remain when a full basis is reduced.
    """

    basis: FloatArray
    rank: int
    rank_after_collapse: int

    @classmethod
    def around(cls, x: FloatArray, n_subfunctions: int, rng: np.random.Generator) -> "Subspace":
        """Return the subspace to start from, which contains x.

        If M is no larger than the capacity that N subfunctions need, it is the whole space.
        """
        rank_after_collapse = min(2 * n_subfunctions + 2, x.size)
        capacity = min(math.ceil(1.5 * rank_after_collapse), x.size)
        if capacity == x.size:
            return cls(np.eye(x.size), x.size, rank_after_collapse)
        basis = np.zeros((capacity, x.size))
        direction = x if x.any() else rng.standard_normal(x.size)
        basis[0] = direction / np.linalg.norm(direction)
        return cls(basis, 1, rank_after_collapse)

    @property
    def capacity(self) -> int:
        """The largest number of directions, K_max."""
        return len(self.basis)

    @property
    def is_full(self) -> bool:
        """Whether it must be reduced now; never so if it is the whole space."""
        return bool(self.rank == self.capacity < self.basis.shape[1])

    def project(self, vector: FloatArray) -> FloatArray:
        """Return the (capacity,) coordinates of an (M,) vector, zero in unused directions."""
        coordinates = np.zeros(self.capacity)
        coordinates[: self.rank] = self.basis[: self.rank] @ vector
        return coordinates

    def lift(self, coordinates: FloatArray) -> FloatArray:
        """Return the (M,) vector of these (capacity,) coordinates."""
        return coordinates[: self.rank] @ self.basis[: self.rank]

    def extend(self, vector: FloatArray) -> FloatArray:
        """Take a vector's direction into the basis, and return the vector's coordinates.

        The basis is large, and each product with it a pass over memory: hence the coordinates
        are those that orthogonalization needs anyway.
        """
        coordinates = self.project(vector)
        length = np.linalg.norm(vector)
        if self.rank == vector.size or length < NEGLIGIBLE:
            return coordinates
        residual = vector / length
        along = coordinates / length
        for _ in range(3):
            residual -= self.lift(along)
            length = np.linalg.norm(residual)
            if length < NEGLIGIBLE:
                return coordinates
            residual /= length
            if length > _INDEPENDENT:
                break
            along = self.project(residual)
        self.basis[self.rank] = residual
        coordinates[self.rank] = residual @ vector
        self.rank += 1
        return coordinates

    def collapse(self, kept: FloatArray, rng: np.random.Generator) -> FloatArray:
        """Reduce a full basis to `rank_after_collapse` directions.

        Parameters
        ----------
        kept : float64 array (n, capacity)
            Coordinates of vectors that the reduced subspace contains; n is no more than
            `rank_after_collapse`. Random directions fill it up.

        Returns
        -------
        float64 array (capacity, capacity)
            Old coordinates times this matrix are the new ones.
        """
        n_random = self.rank_after_collapse - len(kept)
        filled = np.vstack([kept, rng.standard_normal((n_random, self.capacity))])
        directions = np.linalg.qr(filled.T)[0]
        self._replace(directions.T)
        used = self.basis[: self.rank]
        gram = used @ used.T
        if np.abs(gram - np.eye(self.rank)).max() > NEGLIGIBLE:
            # Cholesky's factor is that of a QR decomposition, and well conditioned here.
            factor = np.linalg.cholesky(gram)
            self._replace(np.linalg.inv(factor))
            directions = directions @ factor
        return np.pad(directions, ((0, 0), (0, self.capacity - self.rank)))

    def _replace(self, mixture: FloatArray) -> None:
        """Make the mixtures of the used directions the basis, in blocks: no second basis."""
        old_rank, self.rank = self.rank, len(mixture)
        for start in range(0, self.basis.shape[1], _BLOCK):
            block = slice(start, start + _BLOCK)
            self.basis[: self.rank, block] = mixture @ self.basis[:old_rank, block]
