"""Models for other programs: the whole way from pixels to log density as one ONNX file.

Begin with `onnx_file.py`, which writes it. Its parts follow `model.py`: `resizing.py` (pixels to
network inputs), `layers.py` (networks), `readouts.py`, `densities.py`; `graph.py` is what they are
written in, `grids.py` what they interpolate with. `comparison.py` compares a file with the library.
"""
