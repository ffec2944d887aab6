"""What may be wrong with a data set, and how it is said.

Begin with `check.py`.
"""
