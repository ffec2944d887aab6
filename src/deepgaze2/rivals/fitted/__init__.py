"""Rivals that are fitted to fixations: DeepGaze I, and maps made into densities.

Begin with `saliency_fit.py`.
"""
