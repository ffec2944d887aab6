"""Recordings of your own: a folder of images and a table whose columns mean what they may.

Begin with `tabular.py`.
"""
