"""The backbone on the CPU with ncnn, built in memory from the one weights file."""

from typing import Any

import ncnn
import numpy as np
from numpy.typing import NDArray

from deepgaze2.features.backbone import Backbone
from deepgaze2.features.vgg import Vgg
from deepgaze2.support.cores import available_cores

_PARAM_MAGIC = 7767517  # first line of every ncnn text graph
_FLOAT16_TAG = np.uint32(0x01306B47).tobytes()  # says that half floats follow


# Pixels of the network input whose first block is computed at once. Its maps are the largest
# by far; in strips they stay near the cache and take 90 MB instead of 400.
_STRIP_PIXELS = 1 << 14


class NcnnEngine:
    """Winograd convolutions in float32 on all cores."""

    name = "ncnn"
    device = "cpu"

    def __init__(self, backbone: Backbone, *, threads: int = 0) -> None:
        vgg = backbone.vgg
        self._outputs = [f"{name}_out" for name in vgg.stored_taps()]
        self._mean = backbone.input_mean.astype(np.float32)[:, None, None]
        # Rows beyond a strip that its own rows depend on: one per convolution, kept even so
        # that pooling windows stay where they are.
        self._halo = 2 * ((len(vgg.blocks[0]) + 1) // 2)
        last = len(vgg.blocks)
        # Kept from image to image, since fresh memory costs a fifth of the time, and shared:
        # networks of their own would each keep all they ever used.
        self._memory = ncnn.PoolAllocator()
        self._first = _network(backbone, 1, 1, threads or available_cores(), self._memory)
        self._rest = _network(backbone, 2, last, threads or available_cores(), self._memory)

    def stored_features(self, image: NDArray[np.float32]) -> tuple[NDArray[np.float32], ...]:
        """See `Engine.stored_features`."""
        pooled = self._first_block(np.subtract(image, self._mean, dtype=np.float32))
        return tuple(_run(self._rest, pooled, self._outputs))

    def _first_block(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the first block's pooled output, computed in horizontal strips."""
        _, height, width = image.shape
        rows = max(2 * self._halo, _STRIP_PIXELS // width // 2 * 2)
        strips = []
        for top in range(0, height, rows):
            bottom = min(top + rows, height)
            above = min(self._halo, top)
            (pooled,) = _run(self._first, image[:, top - above : bottom + self._halo], ["pool1"])
            strips.append(pooled[:, above // 2 : (above + bottom - top + 1) // 2])
        return np.concatenate(strips, axis=1)


def _network(
    backbone: Backbone,
    first: int,
    last: int,
    threads: int,
    memory: Any,  # noqa: ANN401
) -> Any:  # noqa: ANN401
    """Build blocks `first` to `last` as an ncnn network (ncnn has no types)."""
    network = ncnn.Net()
    _set_options(network.opt, threads)
    network.opt.blob_allocator = memory
    network.opt.workspace_allocator = memory
    network.load_param_mem(_graph(backbone.vgg, first, last))
    network.load_model_mem(_binary(backbone, first, last))
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


def _set_options(options: Any, threads: int) -> None:  # noqa: ANN401 (ncnn has no types)
    options.num_threads = threads
    # Half-precision arithmetic would change the density by more than 1e-4 nats.
    options.use_fp16_packed = False
    options.use_fp16_storage = False
    options.use_fp16_arithmetic = False
    options.use_bf16_storage = False
    # F(6,3) kernels take 7.1 times the memory of the originals, F(4,3) 4 times, at equal speed.
    options.use_winograd63_convolution = False
    # Between images idle threads should sleep: they would take time from decoding.
    options.openmp_blocktime = 0


def _graph(vgg: Vgg, first: int, last: int) -> str:
    """Return blocks `first` to `last` as ncnn's text graph.

    ncnn's pooling pads at the end by default, which is the ceil mode wanted here.
    """
    stored = vgg.stored_taps()
    layers = ["Input image 0 1 image"]
    blobs = 1
    blob = "image"
    shapes = vgg.conv_shapes()
    for block in range(first, last + 1):
        for i in range(1, len(vgg.blocks[block - 1]) + 1):
            conv, relu = f"conv{block}_{i}", f"relu{block}_{i}"
            out, inputs = shapes[conv]
            tapped = conv in stored
            target = conv if tapped else relu
            layers.append(
                f"Convolution {conv} 1 1 {blob} {target} 0={out} 1=3 4=1 5=1 "
                f"6={out * inputs * 9} 9={0 if tapped else 1}"  # 9: activation, 1 = ReLU
            )
            blobs += 1
            blob = target
            if tapped or relu in stored:
                # A blob that is read twice, here by the caller too, must be split.
                layers.append(f"Split split_{blob} 1 2 {blob} {blob}_out {blob}_in")
                blobs += 2
                blob = f"{blob}_in"
            if tapped:
                layers.append(f"ReLU {relu} 1 1 {blob} {relu}")
                blobs += 1
                blob = relu
        if block < len(vgg.blocks):
            layers.append(f"Pooling pool{block} 1 1 {blob} pool{block} 0=0 1=2 2=2")
            blobs += 1
            blob = f"pool{block}"
    return "\n".join([str(_PARAM_MAGIC), f"{len(layers)} {blobs}", *layers, ""])


def _binary(backbone: Backbone, first: int, last: int) -> bytes:
    """Return the weights of blocks `first` to `last` in ncnn's binary layout.

    Kernels are half floats where the file has them so; ncnn widens them as it loads.
    """
    parts = []
    for name in backbone.vgg.conv_names():
        if not first <= int(name[4]) <= last:
            continue
        kernel = backbone.kernels[name]
        half = kernel.dtype == np.float16
        data = np.ascontiguousarray(kernel, None if half else np.float32).tobytes()
        parts += [_FLOAT16_TAG if half else bytes(4), data, bytes(-len(data) % 4)]
        parts.append(np.ascontiguousarray(backbone.biases[name], np.float32).tobytes())
    return b"".join(parts)
