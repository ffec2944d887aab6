"""Optimizers of sums of functions.

Begin with `optimizers.py`.
"""
