"""VGG-16 and VGG-19 (Simonyan and Zisserman 2014): one description, two networks."""

from collections.abc import Sequence

from deepgaze2.features.network import (
    IMAGE,
    Convolution,
    MaxPooling,
    Network,
    Node,
    PlusReading,
    Relu,
)


def vgg(
    name: str,
    blocks: Sequence[Sequence[int]],
    taps: tuple[str, ...],
    finer: tuple[str, ...] = (),
) -> Network:
    """Describe the convolutional part of a VGG network.

    Parameters
    ----------
    blocks
        Output channels of each 3×3 convolution, `convB_L`, with a ReLU behind it, `reluB_L`; one
        sequence per block. Between blocks is a 2×2 max-pooling in ceil mode.
    """
    nodes: list[Node] = []

    def append(layer: str, operation: Convolution | Relu | MaxPooling) -> None:
        nodes.append(Node(layer, operation, (nodes[-1].name if nodes else IMAGE,)))

    for block, widths in enumerate(blocks, 1):
        if block > 1:
            append(f"pool{block - 1}", MaxPooling(2, 2, ceil=True))
        for layer, channels in enumerate(widths, 1):
            append(f"conv{block}_{layer}", Convolution(channels))
            append(f"relu{block}_{layer}", Relu())
    return Network(name, tuple(nodes), taps, PlusReading(finer=finer))


VGG16 = vgg(
    "vgg16",
    ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512)),
    # VGG-16 has no conv5_4: its last tap is relu5_3.
    taps=("conv5_1", "relu5_1", "relu5_2", "conv5_3", "relu5_3"),
    finer=("conv4_3", "relu4_3"),
)
VGG19 = vgg(
    "vgg19",
    ((64,) * 2, (128,) * 2, (256,) * 4, (512,) * 4, (512,) * 4),
    taps=("conv5_1", "relu5_1", "relu5_2", "conv5_3", "relu5_4"),
    finer=("conv4_4", "relu4_4"),
)
NETWORKS = (VGG16, VGG19)
