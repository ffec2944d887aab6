"""Models scored on a data set, out of sample, and compared.

Begin with `evaluation.py`.
"""
