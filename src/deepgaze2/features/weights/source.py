"""What a weights file holds, once its layers are named as here."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Tensors = dict[str, NDArray[np.floating]]


@dataclass(frozen=True)
class Source:
    """A file's tensors and what else it says of its network.

    Attributes
    ----------
    layout
        Whose names and whose input the file has: a key of `importers.CONVENTIONS`; empty for a
        backbone of this program.
    tensors
        `NAME.weight`, (output channels, input channels, h, w), and `NAME.bias`; of a batch
        normalization behind NAME also `NAME.gamma`, `.beta`, `.mean` and `.variance`, one number
        per channel each.
    strides
        Of convolutions, by name, as far as the file tells.
    epsilons
        Of batch normalizations, by the name of the convolution before.
    """

    layout: str
    tensors: Tensors
    strides: Mapping[str, int] = field(default_factory=dict)
    epsilons: Mapping[str, float] = field(default_factory=dict)
