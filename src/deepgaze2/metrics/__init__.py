"""Measures of a prediction: pure functions of arrays, and their intervals.

Begin with `information.py` and `auc.py`.
"""
