"""Layers to read, drawn at random: the space in which the paper's five are one choice.

A choice is one to six layers of a stride of 8 pixels or more, VGG's blocks 4 and 5 or ResNet's
stages 3 to 5, seen at the model's own scale, at half of it, or at both. Layers are convolutions of
more than one pixel, before or after their ReLUs, and what comes out of ResNet's blocks. How many
layers, which, and the scales are each drawn uniformly.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from deepgaze2.features.network import Addition, Convolution, Network, Node
from deepgaze2.readout.architecture import TapGroup, tap_groups

_LEAST_STRIDE_PX = 8  # VGG's block 3 has more features than blocks 4 and 5 together
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

    def groups(self, network: Network) -> tuple[TapGroup, ...]:
        """Return the layers as an architecture takes them: a group for each scale and stride."""
        return tap_groups(network, self.taps, self.scales)


def layers(network: Network) -> tuple[str, ...]:
    """Return the layers that are drawn from, in the network's order."""
    wide = {node.name for node in network.convolutions() if _kernel(node) > 1}
    sums = {node.name for node in network.nodes if isinstance(node.operation, Addition)}
    relus = {relu for relu, before in network.relu_inputs.items() if before in wide | sums}
    return tuple(
        node.name
        for node in network.nodes
        if node.name in wide | relus and network.tap(node.name).stride_px >= _LEAST_STRIDE_PX
    )


def _kernel(node: Node) -> int:
    return node.operation.kernel if isinstance(node.operation, Convolution) else 0


def draw_choices(network: Network, n: int, seed: int = 0) -> tuple[Choice, ...]:
    """Return the paper's layers and `n` - 1 random choices, all different.

    More choices begin with the same ones: each is drawn by a generator of its own, again and
    again until it is none of those before.
    """
    choices = [Choice(network.taps)]
    for number in range(1, n):
        generator = np.random.default_rng((seed, number))
        while (choice := _draw(layers(network), generator)) in choices:
            pass
        choices.append(choice)
    return tuple(choices)


def _draw(known: Sequence[str], generator: np.random.Generator) -> Choice:
    n_taps = generator.integers(1, MOST_TAPS, endpoint=True)
    drawn = np.sort(generator.choice(len(known), n_taps, replace=False))
    return Choice(tuple(known[i] for i in drawn), SCALES[generator.integers(len(SCALES))])
