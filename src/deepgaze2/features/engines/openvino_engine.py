"""The backbone on the CPU with OpenVINO, built in memory from the graph's description."""

import sys
from importlib import import_module
from threading import Lock
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from deepgaze2.errors import ModelError
from deepgaze2.features.backbone import StoredBackbone
from deepgaze2.features.network import IMAGE, Addition, Convolution, MaxPooling, Node
from deepgaze2.image.network_input import NetworkInput
from deepgaze2.support.cores import available_cores

Precision = Literal["f32", "bf16"]

_TELEMETRY = "openvino_telemetry"

# Of what OpenVINO prepares for an input's size, a few sizes' worth is kept: it has some 20 parts
# for VGG-16 and 75 for ResNet-50. The default, 5000, let a VGG grow by 20 MB with each larger size.
_KEPT_PARTS = 128


class OpenVinoEngine:
    """Convolutions in float32, or in bfloat16 with sums in float32, on all cores.

    One compiled network serves inputs of all sizes.
    """

    device = "cpu"

    def __init__(
        self, backbone: StoredBackbone, *, precision: Precision = "f32", threads: int = 0
    ) -> None:
        openvino = imported_openvino()
        self.name = "openvino" if precision == "f32" else f"openvino-{precision}"
        self._mean = backbone.input_mean.astype(np.float32)[:, None, None]
        self._n_outputs = len(backbone.network.stored_taps())
        self._lock = Lock()  # of the request, whose memory serves one image after the other
        self._largest_px = 0
        options = {
            # Said in either case: by default it is bfloat16 wherever the CPU has that.
            "INFERENCE_PRECISION_HINT": precision,
            "INFERENCE_NUM_THREADS": threads or available_cores(),
            "NUM_STREAMS": 1,
            # Else it binds threads to cores on which others may be at work.
            "ENABLE_CPU_PINNING": False,
            "CPU_RUNTIME_CACHE_CAPACITY": _KEPT_PARTS,
        }
        self._compiled = openvino.Core().compile_model(_model(backbone, openvino), "CPU", options)
        self._request = self._compiled.create_infer_request()

    def stored_features(self, image: NetworkInput) -> tuple[NDArray[np.float32], ...]:
        """See `Engine.stored_features`."""
        x = np.subtract(image, self._mean, dtype=np.float32)[None]
        with self._lock:
            if x.size > self._largest_px:  # else the memory of smaller ones is kept beside it
                self._compiled.release_memory()
                self._largest_px = x.size
            found = self._request.infer([x], share_inputs=True)  # outputs are copies
        return tuple(found[i][0] for i in range(self._n_outputs))


def imported_openvino() -> Any:  # noqa: ANN401 (so that types do not depend on an extra)
    """Import OpenVINO, without the package by which it reports over the network that it was.

    Raises
    ------
    ModelError
        If it is not installed or cannot be loaded.
    """
    silenced = "openvino" not in sys.modules and _TELEMETRY not in sys.modules
    if silenced:
        sys.modules[_TELEMETRY] = None  # type: ignore[assignment]  # it then does without
    try:
        return import_module("openvino")
    except ModuleNotFoundError as error:
        raise ModelError(
            "engine 'openvino' needs OpenVINO, which is not installed; "
            "run: pip install 'deepgaze2[openvino]', or use engine='ncnn'"
        ) from error
    except ImportError as error:
        reason = str(error).splitlines()[0]
        raise ModelError(
            f"engine 'openvino' cannot load OpenVINO ({reason}); install it again, or use"
            " engine='ncnn'"
        ) from error
    finally:
        if silenced:
            del sys.modules[_TELEMETRY]


def _model(backbone: StoredBackbone, openvino: Any) -> Any:  # noqa: ANN401
    """Return the nodes that are needed as a model of OpenVINO's, for an input of any size."""
    ops = openvino.opset8
    image = ops.parameter(openvino.PartialShape([1, 3, -1, -1]), openvino.Type.f32, name=IMAGE)
    maps = {IMAGE: image}
    for node in backbone.network.needed_nodes():
        maps[node.name] = _layer(node, [maps[name] for name in node.inputs], backbone, ops)
    outputs = [maps[name] for name in backbone.network.stored_taps()]
    return openvino.Model(outputs, [image], backbone.name)


def _layer(node: Node, inputs: list[Any], backbone: StoredBackbone, ops: Any) -> Any:  # noqa: ANN401
    step = node.operation
    if isinstance(step, Convolution):
        strides, padding = [step.stride] * 2, [step.padding] * 2
        kernel = ops.constant(backbone.kernels[node.name].astype(np.float32))
        bias = ops.constant(backbone.biases[node.name].astype(np.float32)[None, :, None, None])
        return ops.add(ops.convolution(inputs[0], kernel, strides, padding, padding, [1, 1]), bias)
    if isinstance(step, MaxPooling):
        strides, padding = [step.stride] * 2, [step.padding] * 2
        rounding = "ceil" if step.ceil else "floor"
        pooled = ops.max_pool(
            inputs[0], strides, [1, 1], padding, padding, [step.kernel] * 2, rounding
        )
        return pooled.output(0)  # the other says where the largest were
    if isinstance(step, Addition):
        total = inputs[0]
        for other in inputs[1:]:
            total = ops.add(total, other)
        return total
    return ops.relu(inputs[0])
