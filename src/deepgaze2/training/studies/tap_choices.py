"""Layers to read, drawn at random: the space in which the paper's five are one choice.

A choice is one to six of VGG's layers in blocks 4 and 5, before or after their ReLUs, seen at the
model's own scale, at half of it, or at both. How many layers, which, and the scales are each drawn
uniformly.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from deepgaze2.features.vgg import Vgg
from deepgaze2.readout.architecture import TapGroup

BLOCKS = (4, 5)
"""Where layers are drawn from. Block 3's are larger than those of both together."""

MOST_TAPS = 6
SCALES = ((1.0,), (0.5,), (1.0, 0.5))
"""Sizes of the network input, relative to the model's own."""


@dataclass(frozen=True)
class Choice:
    """Layers to read.

    Attributes
    ----------
    taps
        Their names, in the network's order.
    scales
        At which all of them are read, largest first: densities have the first one's resolution.
    """

    taps: tuple[str, ...]
    scales: tuple[float, ...] = (1.0,)

    @property
    def groups(self) -> tuple[TapGroup, ...]:
        """The layers as an architecture takes them: a group for each scale and block."""
        blocks: dict[str, list[str]] = {}
        for tap in self.taps:
            blocks.setdefault(tap[4], []).append(tap)
        return tuple(
            TapGroup(tuple(taps), scale) for scale in self.scales for taps in blocks.values()
        )


def layers(vgg: Vgg) -> tuple[str, ...]:
    """Return the layers that are drawn from, in the network's order."""
    names = [name for name in vgg.conv_names() if int(name[4]) in BLOCKS]
    return tuple(tap for name in names for tap in (name, name.replace("conv", "relu")))


def draw_choices(vgg: Vgg, n: int, seed: int = 0) -> tuple[Choice, ...]:
    """Return the paper's layers and `n` - 1 random choices, all different.

    More choices begin with the same ones: each is drawn by a generator of its own, again and
    again until it is none of those before.
    """
    choices = [Choice(vgg.taps)]
    for number in range(1, n):
        generator = np.random.default_rng((seed, number))
        while (choice := _draw(layers(vgg), generator)) in choices:
            pass
        choices.append(choice)
    return tuple(choices)


def _draw(known: Sequence[str], generator: np.random.Generator) -> Choice:
    n_taps = generator.integers(1, MOST_TAPS, endpoint=True)
    drawn = np.sort(generator.choice(len(known), n_taps, replace=False))
    return Choice(tuple(known[i] for i in drawn), SCALES[generator.integers(len(SCALES))])
