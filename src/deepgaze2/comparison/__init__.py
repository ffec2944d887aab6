"""Variants of a design compared: shares of regions, differences, and what is required of them.

Begin with `comparison.py`; `expression.py` reads requirements, `requirement.py` checks them, and
`files.py` writes both.
"""
