"""Layers models of TensorFlow.js: a `model.json` and the shards beside it."""

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepgaze2.errors import WeightsError
from deepgaze2.features.weights.keras import keras_source
from deepgaze2.features.weights.source import Source


def read_tfjs(path: Path) -> Source:
    """Read a model by its `model.json`.

    Raises
    ------
    WeightsError
        If it is damaged or no layers model, if a shard is missing, cut, too long or elsewhere, if
        weights are not float32, or as `keras_source`.
    """
    try:
        model = json.loads(path.read_text(encoding="utf-8"))
        topology, manifest = model["modelTopology"] or {}, model["weightsManifest"]
        if "node" in topology:
            raise WeightsError(
                f"{path}: a graph model, whose layers have lost their names; get a layers model"
            )
        arrays = [array for group in manifest for array in _group(group, path)]
        config = topology.get("model_config", topology)
        return keras_source("TensorFlow.js", arrays, config, path)
    except WeightsError:
        raise
    except Exception as error:  # a damaged file can fail in any way
        raise WeightsError(
            f"{path}: damaged, or no TensorFlow.js layers model; get the file again"
        ) from error


def _group(group: dict[str, Any], path: Path) -> Iterator[tuple[str, NDArray[np.float32]]]:
    """Yield the arrays of one group of shards, by their names."""
    for weight in group["weights"]:
        if weight["dtype"] != "float32" or "quantization" in weight:
            how = "quantized" if "quantization" in weight else weight["dtype"]
            raise WeightsError(
                f"{path}: {weight['name']} is {how}, not float32; get a model in float32"
            )
    content = b"".join(_shard(str(name), path) for name in group["paths"])
    sizes = [4 * math.prod(map(int, weight["shape"])) for weight in group["weights"]]
    if sum(sizes) != len(content):
        first, last = group["paths"][0], group["paths"][-1]
        raise WeightsError(
            f"{path}: the shards {first} to {last} hold {len(content)} bytes instead of"
            f" {sum(sizes)}; get them again"
        )
    start = 0
    for weight, size in zip(group["weights"], sizes, strict=True):
        array = np.frombuffer(content[start : start + size], "<f4").reshape(weight["shape"])
        yield str(weight["name"]), array
        start += size


def _shard(name: str, path: Path) -> bytes:
    shard = path.parent / name
    if not shard.resolve().is_relative_to(path.parent.resolve()):
        raise WeightsError(f"{path}: its shard {name} lies outside its folder; get the model again")
    try:
        return shard.read_bytes()
    except FileNotFoundError as error:
        raise WeightsError(
            f"{path}: its shard {name} is missing; put it into the same folder"
        ) from error
    except OSError as error:
        raise WeightsError(f"{shard}: cannot be read ({error.strerror})") from error
