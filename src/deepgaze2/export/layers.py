"""A described network as nodes of an ONNX graph."""

from deepgaze2.export.graph import Graph, Value
from deepgaze2.features.backbone import StoredBackbone
from deepgaze2.features.network import IMAGE, Addition, Convolution, MaxPooling, Node


def stored_weights(graph: Graph, backbone: StoredBackbone, *, half: bool) -> dict[str, Value]:
    """Return the kernels and biases that are needed, by their names in files."""
    found = {}
    for node in backbone.network.needed_nodes():
        if isinstance(node.operation, Convolution):
            kernel, bias = f"{node.name}.weight", f"{node.name}.bias"
            name = backbone.name
            found[kernel] = graph.weights(
                f"{name}.{kernel}", backbone.kernels[node.name], half=half
            )
            found[bias] = graph.weights(f"{name}.{bias}", backbone.biases[node.name], half=False)
    return found


def features(backbone: StoredBackbone, weights: dict[str, Value], image: Value) -> dict[str, Value]:
    """Return the distinct tapped layers, (1, channels, h, w), of an image, (3, h, w), 0 to 255."""
    centered = image - backbone.input_mean[:, None, None]
    maps = {IMAGE: centered.at_axis(0)}
    for node in backbone.network.needed_nodes():
        maps[node.name] = _output(node, [maps[name] for name in node.inputs], weights)
    return {name: maps[name] for name in backbone.network.stored_taps()}


def _output(node: Node, inputs: list[Value], weights: dict[str, Value]) -> Value:
    first, *others = inputs
    step = node.operation
    if isinstance(step, Convolution):
        layer = weights[f"{node.name}.weight"], weights[f"{node.name}.bias"]
        window = _window(step.kernel, step.stride, step.padding, step.padding)
        return first.apply("Conv", *layer, **window)
    if isinstance(step, MaxPooling):
        # Padding is never the largest, so more of it at the end is what `ceil` means, which
        # runtimes in browsers lack.
        end = step.padding + (step.stride - 1 if step.ceil else 0)
        return first.apply("MaxPool", **_window(step.kernel, step.stride, step.padding, end))
    if isinstance(step, Addition):
        return sum(others, first)
    return first.apply("Relu")


def _window(kernel: int, stride: int, start: int, end: int) -> dict[str, list[int]]:
    return {
        "kernel_shape": [kernel] * 2,
        "strides": [stride] * 2,
        "pads": [start, start, end, end],
    }
