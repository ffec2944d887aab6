"""The backbone on the CPU with ncnn, built in memory from the one weights file."""

from typing import Any

import ncnn
import numpy as np
from numpy.typing import NDArray

from deepgaze2.backbone import Backbone
from deepgaze2.cores import available_cores
from deepgaze2.vgg import Vgg

_PARAM_MAGIC = 7767517  # first line of every ncnn text graph
_FLOAT16_TAG = np.uint32(0x01306B47).tobytes()  # says that half floats follow


class NcnnEngine:
    """Winograd convolutions in float32 on all cores."""

    name = "ncnn"
    device = "cpu"

    def __init__(self, backbone: Backbone, *, threads: int = 0) -> None:
        self._outputs = tuple(f"{name}_out" for name in backbone.vgg.stored_taps())
        self._mean = backbone.input_mean.astype(np.float32)[:, None, None]
        self._net = ncnn.Net()
        _set_options(self._net.opt, threads or available_cores())
        self._net.load_param_mem(_graph(backbone.vgg))
        self._net.load_model_mem(_binary(backbone))

    def stored_features(self, image: NDArray[np.float32]) -> tuple[NDArray[np.float32], ...]:
        """See `Engine.stored_features`."""
        extractor = self._net.create_extractor()
        centered = np.ascontiguousarray(image - self._mean, dtype=np.float32)
        extractor.input("image", ncnn.Mat(centered))
        features = []
        for name in self._outputs:
            code, blob = extractor.extract(name)
            if code != 0:
                raise MemoryError(f"ncnn could not compute {name} for input {image.shape}")
            features.append(np.array(blob))  # copy: the blob's memory dies with it
        return tuple(features)


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


def _graph(vgg: Vgg) -> str:
    """Return the network as ncnn's text graph, up to the last tapped tensor.

    ncnn's pooling pads at the end by default, which is the ceil mode wanted here.
    """
    stored = vgg.stored_taps()
    layers = ["Input image 0 1 image"]
    blobs = 1
    blob = "image"
    shapes = vgg.conv_shapes()
    for block, widths in enumerate(vgg.blocks, 1):
        for i in range(1, len(widths) + 1):
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


def _binary(backbone: Backbone) -> bytes:
    """Return the weights in ncnn's binary layout, half floats where the file has them."""
    parts = []
    for name in backbone.vgg.conv_names():
        kernel = backbone.kernels[name]
        half = kernel.dtype == np.float16
        data = np.ascontiguousarray(kernel, None if half else np.float32).tobytes()
        parts += [_FLOAT16_TAG if half else bytes(4), data, bytes(-len(data) % 4)]
        parts.append(np.ascontiguousarray(backbone.biases[name], np.float32).tobytes())
    return b"".join(parts)
