"""Published VGG weights: fetched, and brought to the convention of `deepgaze2.backbone`."""
