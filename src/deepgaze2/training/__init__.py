"""The paper's procedure: pretrain, train a readout for each part, average them.

Begin with `procedure.py`.
"""
