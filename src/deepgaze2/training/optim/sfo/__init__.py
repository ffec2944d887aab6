"""The Sum of Functions Optimizer (Sohl-Dickstein, Poole and Ganguli 2014).

Begin with `sfo.py`.
"""
