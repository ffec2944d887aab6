"""What predictions are measured against: the center bias below, the gold standard above.

Begin with `references.py`.
"""
