"""The backbone on the CPU with ncnn, built in memory from the one weights file."""

import math
from typing import Any

import ncnn
import numpy as np
from numpy.typing import NDArray

from deepgaze2.features.backbone import StoredBackbone
from deepgaze2.features.network import IMAGE, Addition, Convolution, MaxPooling, Network, Node, Relu
from deepgaze2.image.network_input import NetworkInput
from deepgaze2.support.cores import available_cores

_PARAM_MAGIC = 7767517  # first line of every ncnn text graph
_FLOAT16_TAG = np.uint32(0x01306B47).tobytes()  # says that half floats follow


# Pixels of the network input whose first layers are computed at once. Their maps are the largest
# by far; in strips they stay near the cache and take 90 MB instead of 400.
_STRIP_PIXELS = 1 << 14


class NcnnEngine:
    """Winograd convolutions in float32 on all cores."""

    name = "ncnn"
    device = "cpu"

    def __init__(self, backbone: StoredBackbone, *, threads: int = 0) -> None:
        network = backbone.network
        self._outputs = [f"{name}_out" for name in network.stored_taps()]
        self._mean = backbone.input_mean.astype(np.float32)[:, None, None]
        # Kept from image to image, since fresh memory costs a fifth of the time, and shared:
        # networks of their own would each keep all they ever used.
        self._memory = ncnn.PoolAllocator()
        threads = threads or available_cores()
        nodes = network.needed_nodes()
        first = _in_strips(network, nodes)
        self._stride = 0
        if first:
            pooled = first[-1].name
            self._stride = round(network.tap(pooled).stride_px)
            # Rows beyond a strip that its own rows depend on, kept a multiple of the pooling's
            # stride so that windows stay where they are.
            steps = [node.operation for node in first]
            reach = sum(step.padding for step in steps if isinstance(step, Convolution))
            self._halo = -(-reach // self._stride) * self._stride
            self._pooled = f"{pooled}_out"
            self._first = _network(backbone, first, (pooled,), threads, self._memory)
        rest = nodes[len(first) :]
        self._rest = _network(backbone, rest, network.stored_taps(), threads, self._memory)

    def stored_features(self, image: NetworkInput) -> tuple[NDArray[np.float32], ...]:
        """See `Engine.stored_features`."""
        x = np.subtract(image, self._mean, dtype=np.float32)
        return tuple(_run(self._rest, self._strips(x) if self._stride else x, self._outputs))

    def _strips(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the first pooling's output, computed in horizontal strips."""
        _, height, width = image.shape
        step = self._stride
        rows = max(2 * self._halo, _STRIP_PIXELS // width // step * step)
        strips = []
        for top in range(0, height, rows):
            bottom = min(top + rows, height)
            above = min(self._halo, top)
            seen = image[:, top - above : bottom + self._halo]
            (pooled,) = _run(self._first, seen, [self._pooled])
            strips.append(pooled[:, above // step : -(-(above + bottom - top) // step)])
        return np.concatenate(strips, axis=1)


def _in_strips(network: Network, nodes: tuple[Node, ...]) -> tuple[Node, ...]:
    """Return the first nodes up to a pooling, if strips of rows can pass them one by one.

    They can if all convolutions keep the size, windows of the pooling do not overlap, something
    follows, and nothing else reads their maps.
    """
    for i, node in enumerate(nodes):
        step = node.operation
        if isinstance(step, MaxPooling):
            plain = step.kernel == step.stride and step.padding == 0 and step.ceil
            last = i + 1 == len(nodes)
            return nodes[: i + 1] if plain and not (last or _later_reads(nodes, i)) else ()
        follows = node.inputs == ((nodes[i - 1].name if i else IMAGE),)
        keeps_size = not isinstance(step, Convolution) or (
            step.stride == 1 and 2 * step.padding == step.kernel - 1
        )
        if not (follows and keeps_size) or node.name in network.taps:
            return ()
    return ()


def _later_reads(nodes: tuple[Node, ...], i: int) -> bool:
    """Return whether a node behind the i-th reads one before it."""
    before = {node.name for node in nodes[:i]}
    return any(before.intersection(node.inputs) for node in nodes[i + 1 :])


def _network(
    backbone: StoredBackbone,
    nodes: tuple[Node, ...],
    outputs: tuple[str, ...],
    threads: int,
    memory: Any,  # noqa: ANN401
) -> Any:  # noqa: ANN401
    """Build some nodes as an ncnn network (ncnn has no types)."""
    network = ncnn.Net()
    _set_options(network.opt, threads, nodes)
    network.opt.blob_allocator = memory
    network.opt.workspace_allocator = memory
    network.load_param_mem(_graph(backbone.network, nodes, outputs))
    network.load_model_mem(_binary(backbone, nodes))
    return network


def _run(
    network: Any,  # noqa: ANN401
    image: NDArray[np.float32],
    outputs: list[str],
) -> list[NDArray[np.float32]]:
    contiguous = np.ascontiguousarray(image)  # named, since ncnn only borrows its memory
    extractor = network.create_extractor()
    extractor.input("image", ncnn.Mat(contiguous))
    features = []
    for name in outputs:
        code, blob = extractor.extract(name)
        if code != 0:
            raise MemoryError(f"ncnn could not compute {name} for input {image.shape}")
        features.append(np.array(blob))  # copy: the blob's memory dies with it
    return features


def _set_options(
    options: Any,  # noqa: ANN401 (ncnn has no types)
    threads: int,
    nodes: tuple[Node, ...],
) -> None:
    options.num_threads = threads
    # Half-precision arithmetic would change the density by more than 1e-4 nats.
    options.use_fp16_packed = False
    options.use_fp16_storage = False
    options.use_fp16_arithmetic = False
    options.use_bf16_storage = False
    # F(6,3) kernels take 7.1 times the memory of the originals, F(4,3) 4 times, at equal speed.
    options.use_winograd63_convolution = False
    # A residual network's 3×3 convolutions see few cells: for ResNet-50, F(4,3) takes 100 MB more
    # than F(2,3) and saves a twentieth of the time.
    is_residual = any(isinstance(node.operation, Addition) for node in nodes)
    options.use_winograd43_convolution = not is_residual
    # Between images idle threads should sleep: they would take time from decoding.
    options.openmp_blocktime = 0


def _graph(network: Network, nodes: tuple[Node, ...], outputs: tuple[str, ...]) -> str:
    """Return some nodes as ncnn's text graph; each output is called NAME_out.

    A convolution takes the ReLU behind it with it where nothing else reads its own maps.
    """
    fused = _fused(nodes, outputs)
    readers = [name for node in nodes for name in node.inputs]
    (source,) = set(readers) - {node.name for node in nodes}
    lines, blobs, ends = list[str](), 0, dict[str, list[str]]()

    def append(line: str, name: str, blob: str) -> None:
        nonlocal blobs
        named = [f"{name}_out"] if name in outputs else []
        named += [f"{blob}_in{i}" for i in range(readers.count(name))]
        # A blob that is read twice, by the caller too, must be split.
        split = len(named) > 1 or name == source
        lines.append(line.replace("->", blob if split else named[0]))
        if split:
            lines.append(f"Split split_{blob} 1 {len(named)} {blob} {' '.join(named)}")
        blobs += 1 + len(named) * split
        ends[name] = [end for end in named if end != f"{name}_out"]

    append("Input image 0 1 ->", source, "image")
    for node in nodes:
        if node.name in fused.values():
            continue
        first = network.node[fused.get(node.name, node.name)]
        read = [ends[name].pop() for name in first.inputs]
        append(_layer(network, first, read, with_relu=first is not node), node.name, node.name)
    return "\n".join([str(_PARAM_MAGIC), f"{len(lines)} {blobs}", *lines, ""])


def _fused(nodes: tuple[Node, ...], outputs: tuple[str, ...]) -> dict[str, str]:
    """Return, by ReLU, the convolutions that are computed with it."""
    convolutions = {node.name for node in nodes if isinstance(node.operation, Convolution)}
    readers = [name for node in nodes for name in node.inputs]
    return {
        node.name: node.inputs[0]
        for node in nodes
        if isinstance(node.operation, Relu)
        and node.inputs[0] in convolutions - {*outputs}
        and readers.count(node.inputs[0]) == 1
    }


def _layer(network: Network, node: Node, read: list[str], *, with_relu: bool) -> str:
    """Return a node as a line of ncnn's text graph; -> stands for what it writes."""
    step, name = node.operation, node.name
    if isinstance(step, Convolution):
        n_weights = math.prod(network.tensor_shapes[f"{name}.weight"])
        return (
            f"Convolution {name} 1 1 {read[0]} -> 0={step.channels} 1={step.kernel}"
            f" 3={step.stride} 4={step.padding} 5=1 6={n_weights} 9={int(with_relu)}"
        )
    if isinstance(step, MaxPooling):  # 5: how windows at the end are cut; 0 = ceil, 1 = floor
        return (
            f"Pooling {name} 1 1 {read[0]} -> 0=0 1={step.kernel} 2={step.stride}"
            f" 3={step.padding} 5={0 if step.ceil else 1}"
        )
    if isinstance(step, Addition):
        return f"Eltwise {name} {len(read)} 1 {' '.join(read)} -> 0=1"
    return f"ReLU {name} 1 1 {read[0]} ->"


def _binary(backbone: StoredBackbone, nodes: tuple[Node, ...]) -> bytes:
    """Return the weights of some nodes in ncnn's binary layout.

    Kernels are half floats where the file has them so; ncnn widens them as it loads.
    """
    parts: list[bytes | memoryview] = []
    for node in nodes:
        if not isinstance(node.operation, Convolution):
            continue
        kernel = backbone.kernels[node.name]
        half = kernel.dtype == np.float16
        data = np.ascontiguousarray(kernel, None if half else np.float32)
        bias = np.ascontiguousarray(backbone.biases[node.name], np.float32)
        # Views: copies of all of them would be the most memory that is ever needed.
        parts += [_FLOAT16_TAG if half else bytes(4), data.data.cast("B")]
        parts += [bytes(-data.nbytes % 4), bias.data.cast("B")]
    return b"".join(parts)
