"""AlexNet (Krizhevsky 2014, the one-tower variant), whose last convolution DeepGaze I reads.

No weights are packaged: torchvision's `alexnet-owt-7be5be79.pth`, or the same tensors as
safetensors, serve.
"""

from deepgaze2.features.network import (
    IMAGE,
    Convolution,
    MaxPooling,
    Network,
    Node,
    PlusReading,
    Relu,
)

ALEXNET = Network(
    "alexnet",
    (
        Node("conv1", Convolution(64, kernel=11, stride=4, padding=2), (IMAGE,)),
        Node("relu1", Relu(), ("conv1",)),
        Node("pool1", MaxPooling(3, 2), ("relu1",)),
        Node("conv2", Convolution(192, kernel=5, padding=2), ("pool1",)),
        Node("relu2", Relu(), ("conv2",)),
        Node("pool2", MaxPooling(3, 2), ("relu2",)),
        Node("conv3", Convolution(384), ("pool2",)),
        Node("relu3", Relu(), ("conv3",)),
        Node("conv4", Convolution(256), ("relu3",)),
        Node("relu4", Relu(), ("conv4",)),
        Node("conv5", Convolution(256), ("relu4",)),
        Node("relu5", Relu(), ("conv5",)),
    ),
    taps=("conv5",),
    plus=PlusReading(finer=("conv2", "relu2")),
)
NETWORKS = (ALEXNET,)
