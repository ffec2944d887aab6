"""Data sets to and from other programs: pysaliency's HDF5, and our own table.

Begin with `convert.py`.
"""
