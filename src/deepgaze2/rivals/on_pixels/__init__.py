"""Rivals that are functions of pixels alone.

Begin with `spectral_residual.py`, the shortest.
"""
