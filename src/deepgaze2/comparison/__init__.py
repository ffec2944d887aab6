"""Variants of a design compared: shares of regions, differences, and what is required of them.

Begin with `comparison.py`; `requirement.py` reads and checks expressions, `exports.py` writes files.
"""
