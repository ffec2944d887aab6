"""Published weights: fetched or read from files, brought to the convention of `backbone.py`."""
