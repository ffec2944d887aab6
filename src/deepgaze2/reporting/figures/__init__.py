"""The paper's figures for any models and data set.

Begin with `all_figures.py`.
"""
