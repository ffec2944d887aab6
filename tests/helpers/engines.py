"""Engines to run a test with; OpenVINO where it is installed."""

import importlib.util

import pytest

needs_openvino = pytest.mark.skipif(
    importlib.util.find_spec("openvino") is None, reason="OpenVINO is not installed"
)

EXACT_ENGINES = ["ncnn", pytest.param("openvino", marks=needs_openvino), "torch"]
"""For `pytest.mark.parametrize`."""
