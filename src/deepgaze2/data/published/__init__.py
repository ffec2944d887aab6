"""Readers of the field's published data sets, one file each, and what is declared of them.

Begin with `declared.py`; `osie.py` is a short reader.
"""
