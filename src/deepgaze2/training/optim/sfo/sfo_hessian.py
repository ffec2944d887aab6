"""Curvature from a history of steps and gradient changes: BFGS in the history's own span."""

from dataclasses import dataclass

import numpy as np

from deepgaze2.training.optim.sfo.sfo_subspace import NEGLIGIBLE, FloatArray


@dataclass(frozen=True, eq=False)
class Curvature:
    """A positive definite Hessian: `floor` · identity + directionsᵀ · diag(weights) · directions.

    Attributes
    ----------
    floor : float
        Curvature along all directions that the history says nothing about.
    directions : float64 array (r, K)
        Orthonormal rows.
    weights : float64 array (r,)
        What a direction's curvature exceeds the floor by; may be negative.
    """

    floor: float
    directions: FloatArray
    weights: FloatArray


def curvature_of(
    steps: FloatArray, changes: FloatArray, default: float, max_ratio: float
) -> Curvature:
    """Return the curvature that a history shows (section 6 of the method).

    Parameters
    ----------
    steps, changes : float64 array (h, K)
        Steps and how much the gradient changed with them, newest first; no step is zero.
    default : float
        Curvature to assume if the history shows none.
    max_ratio : float
        Largest allowed ratio of two eigenvalues.
    """
    span = np.linalg.qr(np.vstack([steps, changes]).T)[0]
    steps, changes = steps @ span, changes @ span
    lowest, highest = _curvature_range(steps, changes, default)
    floor = max(lowest, highest / max_ratio)
    hessian, complete = _bfgs(steps, changes, floor)
    if not complete:
        floor = highest
    eigenvalues, vectors = np.linalg.eigh(hessian)
    eigenvalues = _made_positive(eigenvalues, highest, max_ratio)
    return Curvature(floor, (span @ vectors).T, eigenvalues - floor)


def _curvature_range(steps: FloatArray, changes: FloatArray, default: float) -> tuple[float, float]:
    """Return the smallest and largest curvature of the matrix that maps steps to changes."""
    linear_map = changes.T @ np.linalg.pinv(steps.T, rcond=1e-15)
    if not np.isfinite(linear_map).all():
        return default, default
    # h pairs tell about no more than h directions.
    singular = np.linalg.svd(linear_map, compute_uv=False)[: len(steps)]
    if singular[-1] == 0:
        return default, default
    return float(singular[-1]), float(singular[0])


def _bfgs(steps: FloatArray, changes: FloatArray, floor: float) -> tuple[FloatArray, bool]:
    """Update floor · identity by the pairs, oldest first; tell whether all could be used.

    Pairs of negative curvature are used as well, so that the result may be indefinite.
    """
    hessian = floor * np.eye(steps.shape[1])
    lengths = np.linalg.norm(steps, axis=1, keepdims=True)
    complete = True
    for step, change in zip((steps / lengths)[::-1], (changes / lengths)[::-1], strict=True):
        bent = hessian @ step
        with np.errstate(all="ignore"):
            update = np.outer(change, change / (change @ step)) - np.outer(
                bent, bent / (step @ bent)
            )
        if np.isfinite(update).all():
            hessian += update
        else:
            complete = False
    return hessian, complete


def _made_positive(eigenvalues: FloatArray, highest: float, max_ratio: float) -> FloatArray:
    """Replace eigenvalues that are too small or negative by the median of the positive ones."""
    positive = eigenvalues > 0
    if not positive.any():
        return np.full_like(eigenvalues, highest)
    too_small = eigenvalues < np.abs(eigenvalues).max() / max_ratio
    return np.where(too_small, np.median(eigenvalues[positive]), eigenvalues)


def whitening_of(hessian: FloatArray) -> FloatArray:
    """Return W (K, K), of which WᵀW is the inverse of a positive definite Hessian.

    If rounding made it indefinite, its eigenvalues are kept above a small share of the largest.
    """
    try:
        return np.linalg.inv(np.linalg.cholesky(hessian))
    except np.linalg.LinAlgError:
        eigenvalues, vectors = np.linalg.eigh(hessian)
        eigenvalues = np.maximum(eigenvalues, NEGLIGIBLE * eigenvalues[-1])
        whitening: FloatArray = (vectors / np.sqrt(eigenvalues)).T
        return whitening
