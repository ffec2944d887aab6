"""How far the readouts of a model agree on a number."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

OUTSIDE = 0.05
"""The share of readouts that may lie below an interval, and above it."""


@dataclass(frozen=True)
class Agreed:
    """What a model says, and how far the readouts that it averages agree.

    Attributes
    ----------
    value : float
        The model's number.
    low, high : float
        At most a twentieth of the readouts say less than `low`, and as many say more than `high`.
        NaN for a model of one readout, or where a readout's number is not finite. This is neither
        how far people differ nor how far the model may be off.
    """

    value: float
    low: float
    high: float

    @staticmethod
    def of(value: float, members: NDArray[np.float64], weights: NDArray[np.float64]) -> "Agreed":
        """Return a number with the interval of the readouts' numbers.

        Parameters
        ----------
        value : float
            The model's number.
        members, weights : float array (K,)
            The readouts' numbers, and what each counts; the sum of these is one.
        """
        if len(members) < 2 or not np.isfinite(members).all():
            return Agreed(value, math.nan, math.nan)
        order = np.argsort(members)
        members, weights = members[order], weights[order]
        allowed = OUTSIDE * (1 + 1e-9)  # sums of weights are rounded
        low = members[np.searchsorted(np.cumsum(weights), allowed, side="right")]
        high = members[::-1][np.searchsorted(np.cumsum(weights[::-1]), allowed, side="right")]
        return Agreed(value, float(low), float(high))

    def as_json(self) -> dict[str, float | None]:
        """Return the entries, ready for JSON: what is no number is None."""
        entries = {"value": self.value, "low": self.low, "high": self.high}
        return {name: number if math.isfinite(number) else None for name, number in entries.items()}
