"""A model as one ONNX file: RGB pixels and a log center bias in, a log density out."""

import base64
import json
from dataclasses import asdict
from importlib.metadata import version
from itertools import chain
from pathlib import Path

from onnx import ModelProto, TensorProto, helper

from deepgaze2.density.center_bias import CenterBias
from deepgaze2.errors import ModelError
from deepgaze2.export.densities import Prior, log_density
from deepgaze2.export.graph import Graph, Value
from deepgaze2.export.layers import features, stored_weights
from deepgaze2.export.readouts import saliency
from deepgaze2.export.resizing import network_size, resized
from deepgaze2.features.backbone import StoredBackbone
from deepgaze2.model import Model
from deepgaze2.support.files import written_atomically

IMAGE, LOG_CENTER_BIAS, LOG_DENSITY = "image", "log_center_bias", "log_density"

# The lowest whose operations and file runtimes of the last years read.
_OPERATIONS, _FILE = 17, 8


def write_onnx(model: Model, path: Path, *, float16: bool = False) -> None:
    """Write a model as an ONNX file.

    Inputs are `image`, uint8 (H, W, 3), RGB, and `log_center_bias`, float32 (h, w) of any size,
    which spans the image; the output is `log_density`, float32 (H, W), nats.

    Parameters
    ----------
    float16
        Whether the networks' kernels are kept in half precision. They are computed with in
        single precision either way.

    Raises
    ------
    ModelError
        If a network is not a described one but code.
    OutputError
        If the file cannot be written.
    """
    content = onnx_model(model, float16=float16).SerializeToString()
    with written_atomically(path) as temporary:
        temporary.write_bytes(content)


def onnx_model(model: Model, *, float16: bool = False) -> ModelProto:
    """Return what `write_onnx` writes."""
    graph = Graph()
    pixels, prior = Value(graph, IMAGE), Prior.of(Value(graph, LOG_CENTER_BIAS))
    found = _log_density(graph, model, pixels, prior, half=float16)
    graph.nodes.append(helper.make_node("Identity", [found.name], [LOG_DENSITY], LOG_DENSITY))
    whole = helper.make_graph(
        graph.nodes,
        "deepgaze2",
        [
            helper.make_tensor_value_info(IMAGE, TensorProto.UINT8, ["height", "width", 3]),
            helper.make_tensor_value_info(
                LOG_CENTER_BIAS, TensorProto.FLOAT, ["center_bias_height", "center_bias_width"]
            ),
        ],
        [helper.make_tensor_value_info(LOG_DENSITY, TensorProto.FLOAT, ["height", "width"])],
        list(graph.constants.values()),
        doc_string=model.card.description,
    )
    operations = [helper.make_opsetid("", _OPERATIONS)]
    file = helper.make_model(whole, opset_imports=operations, ir_version=_FILE)
    file.producer_name, file.producer_version = "deepgaze2", version("deepgaze2")
    helper.set_model_props(file, _about(model))
    return file


def _log_density(graph: Graph, model: Model, pixels: Value, prior: Prior, *, half: bool) -> Value:
    min_side_px = max(branch.backbone.min_side_px for branch in model.branches)
    sizes, inputs = {}, {}
    for scale in dict.fromkeys(chain(*(b.readout.architecture.scales for b in model.branches))):
        longer_side_px = round(model.card.longer_side_px * scale)
        sizes[scale] = network_size(pixels, longer_side_px, min_side_px)
        inputs[scale] = resized(pixels, sizes[scale])
    each = []
    for branch in model.branches:
        backbone, readout = branch.backbone, branch.readout
        if not isinstance(backbone, StoredBackbone):
            raise ModelError(
                f"{model.card.name}: its network {backbone.name} is Python code, which no ONNX file"
                " holds; only models on packaged or imported networks can be exported"
            )
        weights = stored_weights(graph, backbone, half=half)
        groups = readout.architecture.groups
        scales = readout.architecture.scales
        seen = {scale: features(backbone, weights, inputs[scale]) for scale in scales}
        own = saliency(
            backbone.name,
            readout,
            [seen[group.scale] for group in groups],
            [sizes[group.scale] for group in groups],
        )
        main = sizes[groups[0].scale]
        block = readout.architecture.grid_block
        if (readout.prior_weight != 1).any():
            own = own + prior.on_grid(*main, block) * (readout.prior_weight - 1)[:, None, None]
        each.append(own)
    together = graph.add("Concat", *each, axis=0)
    image_size = pixels.size(0), pixels.size(1)
    return log_density(together, prior, image_size, main, block, model.shares)


def _about(model: Model) -> dict[str, str]:
    return {
        "name": model.card.name,
        "license": model.card.license,
        "card": json.dumps(asdict(model.card), ensure_ascii=False, sort_keys=True),
        "center_bias": json.dumps(_center_bias(model.center_bias)),
    }


def _center_bias(center_bias: CenterBias) -> dict[str, object]:
    """Return the model's default prior; its values are float32, little-endian, row by row."""
    values = center_bias.template.astype("<f4")
    encoded = base64.b64encode(values.tobytes()).decode("ascii")
    return {"name": center_bias.name, "shape": values.shape, "log_density": encoded}
