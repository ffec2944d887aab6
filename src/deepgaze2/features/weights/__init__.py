"""Published VGG weights: fetched, and brought to the convention of `backbone.py`."""
