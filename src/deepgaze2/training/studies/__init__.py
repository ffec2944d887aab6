"""Many trainings compared: the ablation of figure 7, and the search for layers.

Begin with `ablation.py`.
"""
