"""What is shown: photos decoded, measured and scaled to what the network sees.

Begin with `stimulus.py`, which reads an image; `network_input.py` scales it.
"""
