"""What is OpenVINO's own: precision, sizes that change, what it does to the process."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from deepgaze2.errors import ModelError
from deepgaze2.features.engines import choice as choice_module
from deepgaze2.features.engines import create_engine
from deepgaze2.features.network import IMAGE, Convolution, MaxPooling, Network, Node
from deepgaze2.support.cpu import Cpu, this_cpu
from helpers import float64_model
from helpers.engines import needs_openvino
from helpers.small_models import random_backbone, random_image

WITHOUT_BF16 = Cpu("Abacus 3", frozenset({"avx2"}))


@needs_openvino
def test_padding_is_no_largest_cell() -> None:
    """Behind a ReLU zeros would not show."""
    network = Network(
        "pooled",
        (
            Node("conv1", Convolution(4), (IMAGE,)),
            Node("pool1", MaxPooling(3, 2, padding=1), ("conv1",)),
        ),
        taps=("pool1",),
    )
    backbone, image = random_backbone(network), random_image(33, 18)
    backbone.biases["conv1"][:] = -1e4  # everything is far below zero
    (found,) = create_engine(backbone, "openvino").stored_features(image)
    expected = float64_model.feature_maps(backbone, image)["pool1"]
    assert found.max() < -1000
    np.testing.assert_allclose(found, expected, rtol=1e-5)


@needs_openvino
def test_sizes_may_change_from_image_to_image() -> None:
    backbone, images = random_backbone(), [random_image(40 + i, 90 - i) for i in range(0, 40, 5)]
    engine = create_engine(backbone, "openvino")
    for image in [*images, *images[::-1]]:
        fresh = create_engine(backbone, "ncnn").stored_features(image)
        for one, other in zip(engine.stored_features(image), fresh, strict=True):
            np.testing.assert_allclose(one, other, atol=1e-5 * np.abs(other).max())


@needs_openvino
def test_bfloat16_is_coarser_and_float32_is_not_replaced_by_it() -> None:
    """OpenVINO's own default is bfloat16 where the CPU has that."""
    if not choice_module.NATIVE_BF16 & this_cpu().features:
        pytest.skip("this CPU does not compute in bfloat16")
    backbone, image = random_backbone(), random_image(50, 75)
    exact = create_engine(backbone, "ncnn").stored_features(image)
    errors = {}
    for name in ("openvino", "openvino-bf16"):
        engine = create_engine(backbone, name)
        assert engine.name == name
        found = engine.stored_features(image)
        assert all(one.dtype == np.float32 for one in found)
        errors[name] = max(
            np.linalg.norm(a - b) / np.linalg.norm(b) for a, b in zip(found, exact, strict=True)
        )
    assert errors["openvino"] < 1e-5
    assert 1e-4 < errors["openvino-bf16"] < 2e-2


@needs_openvino
def test_emulated_bfloat16_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choice_module, "this_cpu", lambda: WITHOUT_BF16)
    with pytest.raises(ModelError, match=r"openvino-bf16.*Abacus 3.*auto") as caught:
        create_engine(random_backbone(), "openvino-bf16")
    assert "\n" not in str(caught.value)


_LOADED = """
import json, os, sys
from deepgaze2.features.engines import create_engine
from helpers.small_models import random_backbone, random_image
cores = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None
create_engine(random_backbone(), "openvino").stored_features(random_image(50, 75))
assert "openvino" in sys.modules
assert cores is None or os.sched_getaffinity(0) == cores
print(json.dumps(sorted(sys.modules)))
"""


@needs_openvino
def test_nothing_is_reported_over_the_network_nor_left_at_home(tmp_path: Path) -> None:
    """Importing OpenVINO with its telemetry would send an event and write ~/intel."""
    environment = {name: value for name, value in os.environ.items() if name != "CI"}
    environment |= {"HOME": str(tmp_path), "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    loaded = subprocess.run(
        [sys.executable, "-c", _LOADED],
        check=True,
        capture_output=True,
        text=True,
        env=environment,
    ).stdout
    assert importlib.util.find_spec("openvino_telemetry") is not None, (
        "else there is nothing to see"
    )
    assert "telemetry_stub" in loaded
    assert "openvino_telemetry" not in loaded
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("engine", ["openvino", "openvino-bf16"])
def test_without_openvino_its_engines_say_what_to_install(
    engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(ModelError, match=r"pip install 'deepgaze2\[openvino\]'") as caught:
        create_engine(random_backbone(), engine)
    assert "\n" not in str(caught.value)
