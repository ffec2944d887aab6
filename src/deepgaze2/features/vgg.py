"""VGG-16 and VGG-19 (Simonyan and Zisserman 2014) as data: one description, two networks."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Vgg:
    """The convolutional part of a VGG network, and where DeepGaze II reads it.

    Attributes
    ----------
    name
        The network's name in files and on the command line.
    blocks
        Output channels of each 3×3 convolution (padding 1, stride 1, a ReLU behind each),
        one tuple per block; between blocks a 2×2 max-pooling with stride 2 in ceil mode.
    taps
        Names of the feature maps that the readout sees, in the order of its input channels:
        `convB_L` before and `reluB_L` after the ReLU of convolution L of block B. A readout's
        are all of the last block, so they share one grid.
    """

    name: str
    blocks: tuple[tuple[int, ...], ...]
    taps: tuple[str, ...]

    def conv_names(self) -> tuple[str, ...]:
        """Return the convolutions' names in order: `conv1_1`, `conv1_2`, `conv2_1`, ..."""
        return tuple(
            f"conv{b}_{i}"
            for b, widths in enumerate(self.blocks, 1)
            for i in range(1, len(widths) + 1)
        )

    def conv_shapes(self) -> dict[str, tuple[int, int]]:
        """Return (output channels, input channels) of each convolution, by name."""
        widths = [3, *(width for block in self.blocks for width in block)]
        return {name: (widths[i + 1], widths[i]) for i, name in enumerate(self.conv_names())}

    def tap_widths(self) -> tuple[int, ...]:
        """Return the number of channels of each tap."""
        return tuple(self.tap_width(tap) for tap in self.taps)

    def tap_width(self, tap: str) -> int:
        """Return the number of channels of a layer, before or after its ReLU."""
        return self.conv_shapes()[tap.replace("relu", "conv")][0]

    def stored_taps(self) -> tuple[str, ...]:
        """Return the distinct tensors behind the taps, in order.

        A convolution and its own ReLU, both tapped, are one tensor: the convolution's.
        """
        stored: list[str] = []
        for tap in self.taps:
            before_relu = tap.replace("relu", "conv")
            name = before_relu if before_relu in self.taps else tap
            if name not in stored:
                stored.append(name)
        return tuple(stored)


VGG16 = Vgg(
    name="vgg16",
    blocks=((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512)),
    # VGG-16 has no conv5_4: its last tap is relu5_3.
    taps=("conv5_1", "relu5_1", "relu5_2", "conv5_3", "relu5_3"),
)
VGG19 = Vgg(
    name="vgg19",
    blocks=((64,) * 2, (128,) * 2, (256,) * 4, (512,) * 4, (512,) * 4),
    taps=("conv5_1", "relu5_1", "relu5_2", "conv5_3", "relu5_4"),
)
NETWORKS = {network.name: network for network in (VGG16, VGG19)}
