"""What ONNX Runtime computes from a file is what the library predicts."""

import base64
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray

import deepgaze2
from deepgaze2.density.center_bias import CenterBias, load_center_bias
from deepgaze2.errors import ModelError
from deepgaze2.export.comparison import TOLERANCE_NATS, compared
from deepgaze2.export.onnx_file import onnx_model, write_onnx
from deepgaze2.model import Model
from deepgaze2.store import packaged_models
from helpers.small_models import ARCHITECTURES, tiny_model, tiny_model_of_two, with_readouts

SIZES = [(60, 40), (31, 50), (200, 150), (64, 64), (20, 200), (200, 20), (1, 1), (300, 1), (90, 31)]


def noise(width: int, height: int) -> NDArray[np.uint8]:
    return np.random.default_rng((width, height)).integers(0, 256, (height, width, 3), np.uint8)


def weighted(model: Model) -> Model:
    """The model with other weights of the center bias in each readout."""
    readouts = [
        replace(one.readout, prior_weight=np.linspace(0.6, 1.3, one.readout.n_models, dtype="f4"))
        for one in model.branches
    ]
    return with_readouts(model, *readouts)


class Exported:
    """A model beside its file."""

    def __init__(self, model: Model, *, float16: bool = False) -> None:
        self.model, self.file = model, onnx_model(model, float16=float16)
        self.session = onnxruntime.InferenceSession(self.file.SerializeToString())

    def differences(
        self, pixels: NDArray[np.uint8], center_bias: CenterBias
    ) -> NDArray[np.floating]:
        inputs = {"image": pixels, "log_center_bias": center_bias.template}
        (found,) = self.session.run(["log_density"], inputs)
        expected = self.model.predict(pixels, center_bias=center_bias, viewport="none").log_density
        np.testing.assert_array_equal(np.isneginf(found), np.isneginf(expected))
        finite = np.isfinite(expected)
        return np.asarray(np.abs(found[finite] - expected[finite]))


@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_any_architecture_is_as_the_library(kind: str) -> None:
    exported = Exported(weighted(tiny_model(2, architecture=ARCHITECTURES[kind])))
    onnx.checker.check_model(exported.file, full_check=True)
    for size in SIZES[:6]:
        differences = exported.differences(noise(*size), load_center_bias("mit1003"))
        assert differences.max() < TOLERANCE_NATS, size


@pytest.fixture(scope="module")
def two() -> Exported:
    return Exported(weighted(tiny_model_of_two(shares=(1.0, 2.5))))


@pytest.mark.parametrize("size", SIZES)
def test_so_are_two_networks_that_count_differently(two: Exported, size: tuple[int, int]) -> None:
    assert two.differences(noise(*size), two.model.center_bias).max() < TOLERANCE_NATS


@pytest.mark.parametrize("shape", [(1, 1), (3, 500), (40, 60), (7, 9)])
def test_a_center_bias_of_any_size_spans_the_image(two: Exported, shape: tuple[int, int]) -> None:
    density = np.random.default_rng(shape).gamma(2, size=shape)
    for size in SIZES[:4]:
        assert two.differences(noise(*size), load_center_bias(density)).max() < TOLERANCE_NATS


def test_where_a_center_bias_is_zero_so_is_the_density(two: Exported) -> None:
    density = np.random.default_rng(0).gamma(2, size=(12, 16))
    density[3:6, :9] = 0
    bias = load_center_bias(density)
    differences = [two.differences(noise(*size), bias) for size in SIZES[:4]]
    assert all(len(one) > 0 and one.max() < TOLERANCE_NATS for one in differences)
    assert any(len(one) < np.prod(size) for one, size in zip(differences, SIZES, strict=False))


def test_a_constant_added_to_the_center_bias_changes_nothing(two: Exported) -> None:
    bias = two.model.center_bias
    moved = replace(bias, template=bias.template + np.float32(3))
    inputs = {"image": noise(60, 40)}
    first, second = (
        two.session.run(None, inputs | {"log_center_bias": one.template})[0]
        for one in (bias, moved)
    )
    np.testing.assert_allclose(first, second, atol=1e-5)
    assert np.exp(first.astype(np.float64)).sum() == pytest.approx(1, abs=1e-5)


def test_half_precision_is_the_kernels_alone() -> None:
    """The library has the kernels in single precision here; those of packaged models are halves."""
    exported = Exported(tiny_model(), float16=True)
    differences = exported.differences(noise(60, 40), exported.model.center_bias)
    assert 1e-5 < differences.max() < 0.05
    kinds = {one.name: one.data_type for one in exported.file.graph.initializer}
    halves = {name for name, kind in kinds.items() if kind == onnx.TensorProto.FLOAT16}
    assert halves == {name for name in kinds if name.endswith(".weight")}
    assert len(halves) > 5


def test_the_file_says_what_it_is(two: Exported) -> None:
    about = {one.key: one.value for one in two.file.metadata_props}
    assert about["name"] == two.model.card.name
    assert about["license"] == two.model.card.license
    assert json.loads(about["card"])["format"] == two.model.card.format
    bias = json.loads(about["center_bias"])
    values = np.frombuffer(base64.b64decode(bias["log_density"]), "<f4").reshape(bias["shape"])
    np.testing.assert_array_equal(values, two.model.center_bias.template)


def test_there_is_no_control_flow_and_nothing_that_browsers_lack(two: Exported) -> None:
    lacking = {"If", "Loop", "Scan", "Resize", "NonZero", "Unique", "Compress"}
    for node in two.file.graph.node:
        assert node.op_type not in lacking
        assert node.domain == ""
        assert not any(one.name == "ceil_mode" and one.i for one in node.attribute)


def test_the_same_model_is_the_same_file(two: Exported, tmp_path: Path) -> None:
    write_onnx(two.model, tmp_path / "a.onnx")
    assert (tmp_path / "a.onnx").read_bytes() == two.file.SerializeToString()


def test_a_network_of_code_is_refused() -> None:
    class Code:
        name, min_side_px = "python:mine.network", 1

    model = tiny_model()
    (branch,) = model.branches
    other = replace(model, branches=(replace(branch, backbone=Code()),))  # type: ignore[arg-type]
    with pytest.raises(ModelError, match=r"python:mine\.network is Python code"):
        onnx_model(other)


@pytest.mark.slow
@pytest.mark.parametrize("name", packaged_models())
def test_packaged_models_are_as_the_library(name: str, tmp_path: Path) -> None:
    model, path = deepgaze2.load(name), tmp_path / "model.onnx"
    write_onnx(model, path, float16=True)
    assert path.stat().st_size < 100e6
    differences = {one.width: one.difference for one in compared(model, path)}
    assert len(differences) > 10
    assert max(differences.values()) < TOLERANCE_NATS
