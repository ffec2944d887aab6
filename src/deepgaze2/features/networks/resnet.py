"""ResNet-50, 101 and 152 (He, Zhang, Ren and Sun 2015), without the classifier.

Each has two forms, which differ in where a stage halves the resolution: in its first 1×1
convolution, as published (and in Caffe and Keras), or in its first 3×3 convolution, as
torchvision trained it ("v1.5"). The same weights give other features in the other form.

In stages 2 to 5, block B of stage S is convS_B_1 (1×1), convS_B_2 (3×3) and convS_B_3 (1×1), a
ReLU behind each of the first two (reluS_B_1, reluS_B_2), then sumS_B, which adds what came in, and
its ReLU, blockS_B. Batch normalization is part of the convolutions.
"""

from deepgaze2.features.network import (
    IMAGE,
    Addition,
    Convolution,
    MaxPooling,
    Network,
    Node,
    PlusReading,
    Relu,
)

_WIDTHS = (64, 128, 256, 512)
_EXPANSION = 4
_PLUS = PlusReading(scales=(1.0,), widths=(32, 32, 2, 1))  # smaller images add nothing here
_N_TAPPED = 6  # blocks of stage 4, which has 6, 23 or 36

# Cells lie at 16·i and 32·i, so at 0 to 208 of an input of 224 on which these networks are trained,
# mirrored, too: they learn to look further right and down (docs/decisions.md, "ResNet's trained
# cells"). So measured on photos and their mirror images; it is also where they predict best.
_PAST_CENTER_PX = ((16.0, 5.0), (32.0, 8.0))


def resnet(name: str, blocks: tuple[int, int, int, int], *, stride_first: bool) -> Network:
    """Describe a ResNet of bottleneck blocks.

    Parameters
    ----------
    blocks
        How many there are in stages 2 to 5.
    stride_first
        Whether a stage's stride is in its first 1×1 convolution; else it is in its first 3×3.
    """
    nodes = [
        Node("conv1", Convolution(64, kernel=7, stride=2, padding=3), (IMAGE,)),
        Node("relu1", Relu(), ("conv1",)),
        Node("pool1", MaxPooling(3, 2, padding=1), ("relu1",)),
    ]
    for stage, (width, n_blocks) in enumerate(zip(_WIDTHS, blocks, strict=True), 2):
        for block in range(1, n_blocks + 1):
            stride = 2 if block == 1 and stage > 2 else 1
            strides = (stride, 1) if stride_first else (1, stride)
            nodes += _bottleneck(f"{stage}_{block}", nodes[-1].name, width, strides, block == 1)
    # What stands inside the blocks tells more than what comes out of them, and has a quarter of
    # the channels (docs/training.md, "Two networks").
    fourth = [round((i + 1) * blocks[2] / _N_TAPPED) for i in range(_N_TAPPED)]
    taps = [f"conv4_{block}_2" for block in fourth]
    taps += [f"conv5_{block}_2" for block in range(1, blocks[3] + 1)]
    return Network(name, tuple(nodes), tuple(taps), _PLUS, _PAST_CENTER_PX)


def _bottleneck(
    name: str, before: str, width: int, strides: tuple[int, int], projected: bool
) -> list[Node]:
    conv, relu = f"conv{name}", f"relu{name}"
    wide = _EXPANSION * width
    nodes = [
        Node(f"{conv}_1", Convolution(width, 1, strides[0], 0), (before,)),
        Node(f"{relu}_1", Relu(), (f"{conv}_1",)),
        Node(f"{conv}_2", Convolution(width, 3, strides[1], 1), (f"{relu}_1",)),
        Node(f"{relu}_2", Relu(), (f"{conv}_2",)),
        Node(f"{conv}_3", Convolution(wide, 1, 1, 0), (f"{relu}_2",)),
    ]
    if projected:
        stride = strides[0] * strides[1]
        nodes.append(Node(f"shortcut{name}", Convolution(wide, 1, stride, 0), (before,)))
        before = f"shortcut{name}"
    nodes.append(Node(f"sum{name}", Addition(), (f"{conv}_3", before)))
    return [*nodes, Node(f"block{name}", Relu(), (f"sum{name}",))]


_BLOCKS = {
    "resnet50": (3, 4, 6, 3),
    "resnet101": (3, 4, 23, 3),
    "resnet152": (3, 8, 36, 3),
}
NETWORKS = tuple(
    resnet(f"{name}{suffix}", blocks, stride_first=not suffix)
    for name, blocks in _BLOCKS.items()
    for suffix in ("", "-v1.5")
)
