"""From feature maps to saliency: what a readout is made of, and its NumPy and PyTorch forms.

Begin with `architecture.py`, then `numpy_readout.py`.
"""
