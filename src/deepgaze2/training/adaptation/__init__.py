"""A trained model fitted to a laboratory by a few numbers: its viewing and its center bias.

Begin with `adapt.py`, which fits and judges; `looked.py` has the likelihood.
"""
